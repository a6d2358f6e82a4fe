//! Text of strangers in the columns of a terminal: tamed, measured, cut and wrapped.
#![deny(clippy::disallowed_methods)]

use ratatui::{style::Style, text::Span};

use crate::model::tame;

/// Longest text that is looked at, in bytes: more than a screen has.
const LONGEST: usize = 4_096;

/// Text that neither commands a terminal nor is counted otherwise by it than here: no control characters, no changes of the writing
/// direction, and none of those that are not seen.
pub(super) fn clean(text: &str) -> String {
    let seen = |letter: &char| !matches!(letter, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
    tame(text, LONGEST).chars().filter(seen).collect()
}

/// Number of columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Text of at most this many columns; `…` stands for what is left out.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let (mut kept, mut taken) = (String::new(), 0);
    for one in Span::raw(text).styled_graphemes(Style::new()) {
        taken += width(one.symbol);
        if taken >= most {
            break;
        }
        kept.push_str(one.symbol);
    }
    match most {
        0 => kept,
        _ => kept + "…",
    }
}

/// Text of exactly this many columns, blanks at its end.
pub(super) fn padded(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let blanks = columns.saturating_sub(width(&text));
    text + &" ".repeat(blanks)
}

/// The same with the blanks before it.
pub(super) fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let blanks = columns.saturating_sub(width(&text));
    " ".repeat(blanks) + &text
}

/// Text in lines of at most this many columns, broken between words where that is possible; `…` stands for what is left out after the
/// last line.
pub(super) fn wrap(text: &str, columns: usize, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        for part in parts(word, columns) {
            let Some(line) = lines.last_mut() else { break };
            let blank = usize::from(!line.is_empty());
            if width(line) + blank + width(&part) > columns {
                lines.push(part);
            } else {
                line.push_str(&" "[..blank]);
                line.push_str(&part);
            }
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            // Where there is no room for it, the last letter makes some.
            *last = match width(last) < columns {
                true => format!("{last}…"),
                false => cut(&format!("{last}…"), columns),
            };
        }
    }
    lines
}

/// Word in parts that fit into a line.
fn parts(word: &str, columns: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for one in Span::raw(word).styled_graphemes(Style::new()) {
        match parts.last_mut() {
            Some(part) if part.is_empty() || width(part) + width(one.symbol) <= columns => part.push_str(one.symbol),
            _ => parts.push(one.symbol.to_owned()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_or_does_not_show_is_not_in_it() {
        assert_eq!(clean("a\u{1b}[2J\u{202e}b\n\u{200b}c\u{feff}ä\u{2028}"), "a [2J b cä ");
        assert!(clean(&"x".repeat(1 << 20)).len() <= LONGEST);
    }

    #[test]
    fn texts_are_cut_by_columns() {
        assert_eq!(cut("mail", 4), "mail");
        assert_eq!(cut("mails", 4), "mai…");
        assert_eq!(cut("mail", 0), "");
        // Each takes two columns: half a character is none.
        assert_eq!(cut("電子郵便", 5), "電子…");
        assert_eq!(cut("電子郵便", 4), "電…");
        assert_eq!(
            (padded("電", 4), right("12", 4)),
            ("電  ".to_owned(), "  12".to_owned())
        );
    }

    #[test]
    fn texts_are_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh i", 3, 9), ["abc", "def", "gh", "i"]);
        assert_eq!(wrap("one two three four", 7, 2), ["one two", "three…"]);
        assert_eq!(wrap("one two threeab four", 7, 2), ["one two", "threea…"]);
        assert_eq!(wrap("電子郵便", 3, 9), ["電", "子", "郵", "便"]);
        assert_eq!(wrap("", 7, 2), [""]);
    }
}
