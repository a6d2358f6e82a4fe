//! The screen: what is looked at, how old it is, and which keys there are.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;
use ratatui::{
    buffer::Buffer,
    text::{Line, Span},
};

use super::{
    fit::{clean, cut, padded, width, wrap},
    list,
    look::Look,
    one,
    state::{Failure, Top},
};
use crate::cli::{cluster::Source, columns::ago, status};

/// Number of lines that say what is not as it should be.
const NOTICE: usize = 3;

/// Draws the screen, and notes in `top` how much of it there was room for.
pub(super) fn draw(top: &mut Top, buffer: &mut Buffer, look: Look, now: Timestamp) {
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let mut lines = head(top, columns, look, now);
    let foot = 1;
    let room = rows.saturating_sub(lines.len() + foot);
    lines.extend(match top.one.is_some() {
        true => one::lines(top, columns, room, look, now),
        false => list::lines(top, columns, room, look),
    });
    lines.truncate(rows.saturating_sub(foot));
    lines.resize(rows.saturating_sub(foot), Line::default());
    lines.push(keys(top, columns, look));
    for (line, y) in lines.iter().zip(buffer.area.y..buffer.area.bottom()) {
        buffer.set_line(buffer.area.x, y, line, buffer.area.width);
    }
}

/// What is looked at, and whether it is as it is now.
fn head(top: &Top, columns: usize, look: Look, now: Timestamp) -> Vec<Line<'static>> {
    let (title, known) = match &top.one {
        None => {
            let known = top.pools.as_ref();
            let told = known.map_or(String::new(), |picture| status::summary(&picture.what));
            (
                format!("{}  {}", top.scope, told.trim_end()),
                known.map(|picture| (&picture.source, picture.seen)),
            )
        }
        Some((key, known)) => {
            let state = known
                .as_ref()
                .map_or(String::new(), |picture| format!("{:?}", picture.what.state));
            (
                format!("{}/{}  {state}", key.namespace, key.name),
                known.as_ref().map(|picture| (&picture.source, picture.seen)),
            )
        }
    };
    let told = known.map_or("asking".to_owned(), |(source, seen)| fresh(top, source, seen, now));
    let room = columns.saturating_sub(width(&told) + 2);
    let title = Span::styled(padded(&clean(&title), room), look.title());
    let is_old = known.is_none_or(|(source, seen)| *source != Source::Operator || is_old(top, seen, now));
    let style = if is_old { look.notice() } else { look.faint() };
    let mut lines = vec![Line::from(vec![title, Span::raw("  "), Span::styled(told, style)])];
    let notices = [
        known.and_then(|(source, _)| Some(source.aside()).filter(|aside| !aside.is_empty())),
        top.failure
            .as_ref()
            .map(|failure| failed(failure, known.map(|(_, seen)| seen), now)),
    ];
    for notice in notices.into_iter().flatten() {
        let wrapped = wrap(&clean(&notice), columns, NOTICE);
        lines.extend(wrapped.into_iter().map(|line| Line::styled(line, look.notice())));
    }
    lines
}

fn is_old(top: &Top, seen: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(seen);
    top.failure.is_some() || age.unsigned_abs() > top.every.saturating_mul(3).max(std::time::Duration::from_secs(10))
}

/// Whether it is as it is now, in few words.
fn fresh(top: &Top, source: &Source, seen: Timestamp, now: Timestamp) -> String {
    if is_old(top, seen, now) {
        return format!("{} old", age(seen, now));
    }
    match source {
        Source::Operator => format!("live, every {} s", top.every.as_secs()),
        Source::Objects(_) => "not live".to_owned(),
    }
}

fn age(seen: Timestamp, now: Timestamp) -> String {
    ago(now.duration_since(seen).as_secs())
}

fn failed(failure: &Failure, seen: Option<Timestamp>, now: Timestamp) -> String {
    let told = seen.map_or("There is no answer yet".to_owned(), |seen| {
        format!(
            "This was told at {} UTC, {} ago",
            seen.strftime("%H:%M:%S"),
            age(seen, now)
        )
    });
    let wait = failure.again.duration_since(now).as_secs();
    let again = match wait {
        ..=0 => "it is being tried again".to_owned(),
        wait => format!("the next try is in {}", ago(wait)),
    };
    format!("{told}; {again}. {}.", upper(failure.why.trim_end_matches('.')))
}

/// Sentence from words that stand after others elsewhere.
fn upper(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The keys, or what is typed.
fn keys(top: &Top, columns: usize, look: Look) -> Line<'static> {
    let filter = clean(&top.filter);
    let text = match (&top.one, top.typing) {
        (Some(_), _) => "↑↓ PgUp PgDn scroll   Esc all pools   q quit".to_owned(),
        (None, true) => format!("/{filter}▏  Enter keeps it   Esc clears it"),
        (None, false) if filter.is_empty() => "↑↓ PgUp PgDn select   Enter one pool   / filter   q quit".to_owned(),
        (None, false) => format!("/{filter}   ↑↓ select   Enter one pool   Esc shows all   q quit"),
    };
    Line::styled(cut(&text, columns), look.faint())
}
