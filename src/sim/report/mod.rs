//! Reports of the simulator, as text: tables, figures, one page, one JSON value. The caller writes the files.
#![deny(clippy::disallowed_methods)]

pub mod compare;
pub mod page;
pub mod stats;
pub mod svg;
pub mod table;
pub mod timeline;

/// Text as HTML or SVG shows it, also within quotes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no way to write other control characters, and one of them makes a figure unreadable.
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Text as Markdown shows it, on one line: no markup, no HTML, no end of a table's cell.
pub fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => escaped.extend(['\\', letter]),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_markup() {
        assert_eq!(
            escape("<b a=\"x\" b='y'>&\u{7}"),
            "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp; "
        );
        assert_eq!(escape_markdown("a|b\n<i>*_`"), "a\\|b &lt;i&gt;\\*\\_\\`");
    }
}
