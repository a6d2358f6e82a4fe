//! Columns of text for a terminal.
#![deny(clippy::disallowed_methods)]

/// Rows in columns, each as wide as its widest cell, two blanks apart; the last column is as wide as it comes. Nothing that turns a
/// terminal around gets through.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).enumerate();
        let line: String = cells
            .map(|(at, (cell, width))| match at + 1 == N {
                true => plain(cell),
                false => format!("{:width$}  ", plain(cell)),
            })
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Text without control characters and without those that change the direction of writing.
pub(super) fn plain(text: &str) -> String {
    let harmless = |letter: char| match letter {
        letter if letter.is_control() => '\u{fffd}',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}' => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(harmless).collect()
}

/// Seconds as people say them: `45 s`, `12 min`, `3 h`, `4 d`.
pub(super) fn ago(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb", "c c"], ["aaa", "b", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "a    bb  c c\naaa  b\n");
    }

    #[test]
    fn no_text_turns_a_terminal_around() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
    }

    #[test]
    fn times_are_as_people_say_them() {
        let said = [-5, 0, 119, 120, 7_199, 7_200, 172_800].map(ago);
        assert_eq!(said, ["0 s", "0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
    }
}
