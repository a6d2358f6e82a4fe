//! One pool with all that is known of it: its sentence, the last hour, what is wrong, queues, pods and who of them is busy, last scalings.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{
    fit::{clean, cut, padded, right, width, wrap},
    look::Look,
    spark::{most, spark},
    state::Top,
};
use crate::{
    cli::{
        causes::causes,
        cluster::Source,
        columns::ago,
        why::text::{facts, since},
    },
    model::count,
    view::types::{Condition, Decision, Detail, Pod, PodState, Pool, Queue},
};

/// Columns from which two parts stand beside each other.
const WIDE: usize = 120;
/// Columns of an hour and of a queue's bar, at most.
const HOUR: usize = 60;
const BAR: usize = 10;
/// Lines of a sentence, at most.
const SENTENCE: usize = 12;
const INDENT: &str = "  ";

/// The lines of the pool, from where it was scrolled to and as many as there is room for.
pub(super) fn lines(top: &mut Top, columns: usize, room: usize, look: Look, now: Timestamp) -> Vec<Line<'static>> {
    let Some((_, Some(picture))) = &top.one else {
        return vec![Line::raw("Asking …")];
    };
    let all = whole(&picture.what, &picture.source, columns, look, now);
    let line = top.line.min(all.len().saturating_sub(room));
    (top.line, top.room) = (line, room.max(1));
    all.into_iter().skip(line).take(room).collect()
}

fn whole(pool: &Pool, source: &Source, columns: usize, look: Look, now: Timestamp) -> Vec<Line<'static>> {
    let mut lines = indented(&pool.message, columns, INDENT);
    let known = |columns| of_facts(pool, columns, look);
    let hour = |columns| of_hour(pool, columns, look);
    lines.extend(both(columns, known, hour));
    let wrong = causes(&pool.conditions).flat_map(|(one, follows)| {
        let mut lines = condition(one, columns, look, now);
        lines.extend(follows.iter().flat_map(|told| indented(told, columns, "    ")));
        lines
    });
    lines.extend(part("Not as it should be", wrong.collect(), look));
    let queues = |columns| part("Queues", queues(pool, columns), look);
    match &pool.detail {
        Some(detail) => {
            let slots = pool.estimates.as_ref().and_then(|learned| learned.concurrency);
            let pods = |columns| part(&busy(detail), pods(detail, slots, columns, look), look);
            lines.extend(both(columns, queues, pods));
            let told = detail.decisions.iter().flat_map(|one| decision(one, columns, now));
            lines.extend(part("Last decisions", told.collect(), look));
        }
        None => {
            lines.extend(queues(columns));
            lines.push(Line::default());
            lines.push(Line::raw(match source {
                Source::Operator => "Asking for pods and last scalings …",
                Source::Objects(_) => "Pods, the last hour and the last scalings are known to the operator alone.",
            }));
        }
    }
    lines
}

/// Two parts, beside each other where there is room.
fn both(
    columns: usize,
    left: impl Fn(usize) -> Vec<Line<'static>>,
    right: impl Fn(usize) -> Vec<Line<'static>>,
) -> Vec<Line<'static>> {
    if columns < WIDE {
        let mut lines = left(columns);
        lines.extend(right(columns));
        return lines;
    }
    let half = columns / 2;
    let (mut left, mut right) = (left(half - 2), right(columns - half));
    let rows = left.len().max(right.len());
    left.resize(rows, Line::default());
    right.resize(rows, Line::default());
    left.into_iter()
        .zip(right)
        .map(|(mut left, right)| {
            left.push_span(" ".repeat(half.saturating_sub(left.width())));
            left.extend(right);
            left
        })
        .collect()
}

/// A blank line, a heading and what belongs to it; nothing where there is nothing.
fn part(heading: &str, content: Vec<Line<'static>>, look: Look) -> Vec<Line<'static>> {
    if content.is_empty() {
        return content;
    }
    // A span, whose style stays its own beside another part.
    let heading = Span::styled(heading.to_owned(), look.title());
    let mut lines = vec![Line::default(), Line::from(heading)];
    lines.extend(content);
    lines
}

/// Sentence in lines, each after this indent.
fn indented(text: &str, columns: usize, indent: &str) -> Vec<Line<'static>> {
    let room = columns.saturating_sub(width(indent)).max(1);
    let lines = wrap(&clean(text), room, SENTENCE);
    lines
        .into_iter()
        .map(|line| Line::raw(indent.to_owned() + &line))
        .collect()
}

fn of_facts(pool: &Pool, columns: usize, look: Look) -> Vec<Line<'static>> {
    let facts = facts(pool);
    let names = facts.iter().map(|[name, _]| width(name)).max().unwrap_or(0) + 2;
    let room = columns.saturating_sub(names).max(1);
    let lines = facts.iter().flat_map(|[name, fact]| {
        let told = wrap(&clean(fact), room, SENTENCE);
        told.into_iter().enumerate().map(move |(at, line)| {
            let name = if at == 0 {
                padded(name, names)
            } else {
                " ".repeat(names)
            };
            Line::from(vec![Span::styled(name, look.title()), Span::raw(line)])
        })
    });
    [Line::default()].into_iter().chain(lines).collect()
}

/// Name, points of the hour, unit, and what is now.
type Row<'a> = (&'a str, &'a [Option<u32>], &'a str, Option<u64>);

/// The last hour of what waits, how long the oldest waits, and of what is ready. Of a pool from the list only the first.
fn of_hour(pool: &Pool, columns: usize, look: Look) -> Vec<Line<'static>> {
    // A point of the hour is the most within it: what is now, the work says.
    let work = pool.work.as_ref().filter(|work| work.fresh);
    let waiting = work.map(|work| work.waiting);
    let oldest = work.and_then(|work| match work.waiting {
        0 => Some(0),
        _ => work.oldest_wait_seconds,
    });
    let ready = pool.replicas.ready.map(u64::from);
    let rows: Vec<Row> = match &pool.detail {
        Some(detail) => vec![
            ("waiting", &detail.history.waiting, "", waiting),
            ("oldest wait", &detail.history.oldest_wait_seconds, " s", oldest),
            ("ready", &detail.history.ready, "", ready),
        ],
        None if pool.sparkline.waiting.is_empty() => return Vec::new(),
        None => vec![("waiting", &pool.sparkline.waiting, "", waiting)],
    };
    let shown = |value: Option<u64>, unit: &str| value.map_or("?".to_owned(), |value| format!("{value}{unit}"));
    let said: Vec<_> = rows
        .iter()
        .map(|(name, points, unit, now)| {
            let most = most(points).map(u64::from);
            (
                *name,
                *points,
                format!("{} now, {} at most", shown(*now, unit), shown(most, unit)),
            )
        })
        .collect();
    let names = rows.iter().map(|(name, ..)| width(name)).max().unwrap_or(0) + 2;
    let words = said.iter().map(|(.., said)| width(said)).max().unwrap_or(0);
    let room = columns.saturating_sub(width(INDENT) + names + 2 + words).min(HOUR);
    let lines = said.into_iter().map(|(name, points, said)| {
        Line::from(vec![
            Span::raw(INDENT.to_owned() + &padded(name, names)),
            Span::styled(padded(&spark(points, room), bars(points, room)), look.bars()),
            Span::raw(INDENT.to_owned() + &said),
        ])
    });
    part("Last hour", lines.collect(), look)
}

fn condition(one: &Condition, columns: usize, look: Look, now: Timestamp) -> Vec<Line<'static>> {
    let head = format!(
        "{INDENT}{}={} {}, for {}",
        one.kind,
        one.status,
        one.reason,
        since(one.since, now)
    );
    let mut lines = vec![Line::styled(cut(&clean(&head), columns), look.notice())];
    lines.extend(indented(&one.message, columns, "    "));
    lines.extend(indented(&one.docs, columns, "    "));
    lines
}

fn queues(pool: &Pool, columns: usize) -> Vec<Line<'static>> {
    let names = pool
        .queues
        .iter()
        .map(|queue| width(&clean(&queue.name)))
        .max()
        .unwrap_or(0);
    let top = pool.queues.iter().map(|queue| queue.waiting).max().unwrap_or(0);
    let counts = top.to_string().len();
    let names = names.min(columns.saturating_sub(width(INDENT) + counts + BAR + 4).max(8));
    let mut lines: Vec<_> = pool
        .queues
        .iter()
        .map(|one| queue(one, names, counts, top, columns))
        .collect();
    if pool.queues_omitted > 0 {
        lines.push(Line::raw(format!("{INDENT}… and {} more", pool.queues_omitted)));
    }
    lines
}

fn queue(queue: &Queue, names: usize, counts: usize, top: u64, columns: usize) -> Line<'static> {
    let of = (u128::from(queue.waiting) * BAR as u128).div_ceil(u128::from(top.max(1)));
    let bar = "■".repeat(usize::try_from(of).unwrap_or(BAR).min(BAR));
    let told = match queue.missing {
        true => "the broker knows no queue of this name".to_owned(),
        false => bar,
    };
    let (name, waiting) = (
        padded(&clean(&queue.name), names),
        right(&queue.waiting.to_string(), counts),
    );
    Line::raw(cut(&format!("{INDENT}{name}  {waiting}  {told}"), columns))
}

/// `Pods: 1 silent, 3 busy`.
fn busy(detail: &Detail) -> String {
    use PodState::*;
    let states = [Silent, Draining, Busy, Reserved, Starting, Idle];
    let each = states.into_iter().filter_map(|state| {
        let number = detail.pods.iter().filter(|pod| pod.state == state).count();
        (number > 0).then(|| format!("{number} {}", format!("{state:?}").to_lowercase()))
    });
    let each: Vec<_> = each.collect();
    match each.is_empty() {
        true => "Pods".to_owned(),
        false => format!("Pods: {}", each.join(", ")),
    }
}

fn pods(detail: &Detail, slots: Option<u32>, columns: usize, look: Look) -> Vec<Line<'static>> {
    const CELLS: [&str; 4] = ["STATE", "RUNNING", "RESERVED", "FOR"];
    let rows: Vec<_> = detail.pods.iter().map(|pod| (pod, cells(pod, slots))).collect();
    let mut widths = CELLS.map(width);
    for (_, cells) in &rows {
        for (wide, cell) in widths.iter_mut().zip(cells) {
            *wide = (*wide).max(width(cell));
        }
    }
    let taken = width(INDENT) + widths.iter().map(|width| width + 2).sum::<usize>();
    let names = rows.iter().map(|(pod, _)| width(&clean(&pod.name))).max().unwrap_or(0);
    let names = names.max(4).min(columns.saturating_sub(taken).max(8));
    let line = |name: &str, cells: [String; 4], name_style: Style, style: Style| {
        let [state, running, reserved, seconds] = cells;
        let rest = format!(
            "  {}  {}  {}",
            padded(&running, widths[1]),
            padded(&reserved, widths[2]),
            seconds
        );
        Line::from(vec![
            Span::styled(format!("{INDENT}{}  ", padded(&clean(name), names)), name_style),
            Span::styled(padded(&state, widths[0]), style),
            Span::styled(rest, name_style),
        ])
    };
    if rows.is_empty() {
        let starting = match detail.starting {
            0 => return Vec::new(),
            starting => count(u64::from(starting), "replica"),
        };
        return vec![Line::raw(format!("{INDENT}{starting} not ready yet"))];
    }
    let mut lines = vec![line("NAME", CELLS.map(str::to_owned), look.faint(), look.faint())];
    lines.extend(
        rows.into_iter()
            .map(|(pod, cells)| line(&pod.name, cells, Style::new(), look.pod(pod.state))),
    );
    if detail.pods_omitted > 0 {
        lines.push(Line::raw(format!("{INDENT}… and {} more", detail.pods_omitted)));
    }
    lines
}

/// State, tasks that run of those that may, tasks that are fetched, and for how long it has been so.
fn cells(pod: &Pod, slots: Option<u32>) -> [String; 4] {
    let running = match (pod.running, slots) {
        (None, _) => "?".to_owned(),
        (Some(running), Some(slots)) => format!("{running} of {slots}"),
        (Some(running), None) => running.to_string(),
    };
    [
        format!("{:?}", pod.state),
        running,
        match (pod.reserved, pod.state) {
            (Some(reserved), _) => reserved.to_string(),
            (None, PodState::Starting) => String::new(),
            (None, _) => "?".to_owned(),
        },
        pod.seconds
            .map_or(String::new(), |seconds| ago(i64::try_from(seconds).unwrap_or(i64::MAX))),
    ]
}

fn decision(one: &Decision, columns: usize, now: Timestamp) -> Vec<Line<'static>> {
    let head = format!(
        "{INDENT}{}  {}  {}",
        padded(&format!("{} ago", since(one.at, now)), 11),
        padded(&format!("{} > {}", one.from, one.to), 9),
        padded(&clean(&one.rule), 11)
    );
    let indent = " ".repeat(width(&head) + 2);
    let mut lines = indented(&one.message, columns, &indent);
    if let Some(first) = lines.first_mut() {
        let told = first.to_string();
        *first = Line::raw(format!("{head}  {}", told.trim_start()));
    }
    lines
}

/// Columns that the bars take: all rows have the same.
fn bars(points: &[Option<u32>], room: usize) -> usize {
    width(&spark(points, room))
}
