//! All pools, a row each, and the sentence of the selected one.
#![deny(clippy::disallowed_methods)]

use ratatui::text::{Line, Span};

use super::{
    fit::{clean, padded, right, width, wrap},
    look::Look,
    spark::spark,
    state::Top,
};
use crate::{
    cli::status::{replicas, tasks, wait},
    view::types::Pool,
};

/// Lines of the selected pool: its name, its sentence, and a blank one before them.
const SENTENCE: usize = 3;
const BELOW: usize = SENTENCE + 2;
/// Rows from which there is room for them.
const ROOM: usize = 2 * BELOW;
/// Widest name, and how far names are cut before a column is left out.
const NAME: usize = 40;
const SHORT_NAME: usize = 20;
const SHORTEST_NAME: usize = 12;
/// Columns of an hour, at least and at most: it has 30 points.
const HOUR: (usize, usize) = (10, 30);
/// Columns between two cells; of the mark before each row.
const GAP: usize = 2;
const MARK: &str = "> ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Namespace,
    Pool,
    State,
    Waiting,
    Wait,
    Running,
    Replicas,
    Hour,
}

use Column::*;

const ALL: [Column; 8] = [Namespace, Pool, State, Waiting, Wait, Running, Replicas, Hour];
/// What is left out where there is too little room, the first one first.
const SPARE: [Column; 6] = [Running, Hour, Wait, Replicas, Namespace, Waiting];

impl Column {
    /// The words of `kubectl twp status`.
    fn title(self) -> &'static str {
        match self {
            Namespace => "NAMESPACE",
            Pool => "POOL",
            State => "STATE",
            Waiting => "WAITING",
            Wait => "WAIT",
            Running => "RUNNING",
            Replicas => "REPLICAS",
            Hour => "LAST HOUR",
        }
    }

    fn cell(self, pool: &Pool, columns: usize) -> String {
        match self {
            Namespace => clean(&pool.namespace),
            Pool => clean(&pool.name),
            State => format!("{:?}", pool.state),
            Waiting => tasks(pool, |work| work.waiting),
            Wait => wait(pool),
            Running => tasks(pool, |work| work.running),
            Replicas => replicas(pool),
            Hour => spark(&pool.sparkline.waiting, columns),
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Waiting | Running)
    }

    fn is_name(self) -> bool {
        matches!(self, Namespace | Pool)
    }
}

/// The lines of the list, as many as there is room for.
pub(super) fn lines(top: &mut Top, columns: usize, room: usize, look: Look) -> Vec<Line<'static>> {
    let below = if room >= ROOM { BELOW } else { 0 };
    let rows = room.saturating_sub(1 + below);
    let shown = top.shown();
    if shown.is_empty() {
        return vec![Line::raw(nothing(top))];
    }
    let layout = layout(&shown, top.everywhere, columns);
    let first = first(top.first, top.selected, rows, shown.len());
    let mut lines = vec![titles(&layout, look)];
    let visible = shown.iter().enumerate().skip(first).take(rows);
    lines.extend(visible.map(|(at, pool)| row(pool, &layout, columns, at == top.selected, look)));
    if let Some(pool) = shown.get(top.selected).filter(|_| below > 0) {
        lines.resize(1 + rows, Line::default());
        lines.push(Line::default());
        lines.extend(sentence(pool, top.selected, shown.len(), columns, look));
    }
    (top.first, top.room) = (first, rows.max(1));
    lines
}

fn nothing(top: &Top) -> String {
    match (top.pools.is_some(), top.filter.is_empty(), top.everywhere) {
        (false, ..) => "Asking …".to_owned(),
        (_, false, _) => format!("No pool has `{}` in its name, state or sentence.", clean(&top.filter)),
        (_, _, true) => "There is no TaskWorkerPool.".to_owned(),
        (_, _, false) => "There is no TaskWorkerPool in this namespace; -A shows all.".to_owned(),
    }
}

/// First row, so that the selected one is on the screen and nothing below the last one.
fn first(before: usize, selected: usize, rows: usize, all: usize) -> usize {
    let rows = rows.max(1);
    before
        .clamp((selected + 1).saturating_sub(rows), selected)
        .min(all.saturating_sub(rows))
}

/// Columns that there is room for, each with its width.
fn layout(pools: &[&Pool], everywhere: bool, columns: usize) -> Vec<(Column, usize)> {
    let natural = |column: Column| {
        let cells = pools.iter().map(|pool| width(&column.cell(pool, 0)));
        let widest = cells.max().unwrap_or(0).max(width(column.title()));
        match column {
            Hour => HOUR.1,
            column if column.is_name() => widest.min(NAME),
            _ => widest,
        }
    };
    let all: Vec<_> = ALL
        .into_iter()
        .filter(|column| everywhere || *column != Namespace)
        // The objects have none.
        .filter(|column| *column != Hour || pools.iter().any(|pool| !pool.sparkline.waiting.is_empty()))
        .map(|column| (column, natural(column)))
        .collect();
    let sum = |all: &[(Column, usize)]| width(MARK) + all.iter().map(|(_, width)| width + GAP).sum::<usize>() - GAP;
    let least = |spare: usize| -> Vec<_> {
        let short = if spare < 2 { SHORT_NAME } else { SHORTEST_NAME };
        let kept = all.iter().filter(|(column, _)| !SPARE[..spare].contains(column));
        kept.map(|&(column, width)| match column {
            Hour => (column, HOUR.0),
            column if column.is_name() => (column, width.min(short)),
            _ => (column, width),
        })
        .collect()
    };
    let fits = (0..=SPARE.len()).map(least).find(|kept| sum(kept) <= columns);
    let mut kept = fits.unwrap_or_else(|| least(SPARE.len()));
    // What is left over goes to the names, and then to the hour.
    let mut left = columns.saturating_sub(sum(&kept));
    for wider in [Pool, Namespace, Hour] {
        let most = all
            .iter()
            .find(|(column, _)| *column == wider)
            .map_or(0, |(_, width)| *width);
        if let Some((_, width)) = kept.iter_mut().find(|(column, _)| *column == wider) {
            let more = most.saturating_sub(*width).min(left);
            *width += more;
            left -= more;
        }
    }
    kept
}

fn titles(layout: &[(Column, usize)], look: Look) -> Line<'static> {
    let cells = layout
        .iter()
        .map(|&(column, columns)| aligned(column, column.title(), columns));
    let text = " ".repeat(width(MARK)) + &cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
    Line::styled(text, look.title())
}

fn aligned(column: Column, text: &str, columns: usize) -> String {
    match column.is_number() {
        true => right(text, columns),
        false => padded(text, columns),
    }
}

fn row(pool: &Pool, layout: &[(Column, usize)], columns: usize, selected: bool, look: Look) -> Line<'static> {
    let mark = if selected {
        MARK.to_owned()
    } else {
        " ".repeat(width(MARK))
    };
    let mut spans = vec![Span::raw(mark)];
    for (at, &(column, columns)) in layout.iter().enumerate() {
        if at > 0 {
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        let text = aligned(column, &column.cell(pool, columns), columns);
        spans.push(match column {
            State => Span::styled(text, look.state(pool.state)),
            Hour => Span::styled(text, look.bars()),
            _ => Span::raw(text),
        });
    }
    let line = Line::from(spans);
    let rest = columns.saturating_sub(line.width());
    let mut line = line;
    line.push_span(" ".repeat(rest));
    if selected { line.style(look.selected()) } else { line }
}

/// Name, place and sentence of the selected pool.
fn sentence(pool: &Pool, at: usize, all: usize, columns: usize, look: Look) -> Vec<Line<'static>> {
    let place = format!("{} of {all}", at + 1);
    let name = clean(&format!("{}/{}: {:?}", pool.namespace, pool.name, pool.state));
    let room = columns.saturating_sub(width(&place) + GAP);
    let mut lines = vec![Line::from(vec![
        Span::styled(padded(&name, room), look.title()),
        Span::raw(" ".repeat(GAP)),
        Span::styled(place, look.faint()),
    ])];
    let told = wrap(&clean(&pool.message), columns.saturating_sub(GAP).max(1), SENTENCE);
    lines.extend(told.into_iter().map(|line| Line::raw("  ".to_owned() + &line)));
    lines
}
