//! Text of strangers, for people. Pure.
#![deny(clippy::disallowed_methods)]

/// Text without characters that a terminal obeys (controls, changes of writing direction), cut to this number of bytes.
pub fn tame(text: &str, bytes: usize) -> String {
    let mut tame = String::with_capacity(text.len().min(bytes));
    for letter in text.chars() {
        let letter = if obeyed(letter) { ' ' } else { letter };
        if tame.len() + letter.len_utf8() > bytes {
            break;
        }
        tame.push(letter);
    }
    tame
}

/// Whether it is a control character (Unicode Cc), a line or paragraph separator, or one of the bidirectional controls
/// of UAX #9.
fn obeyed(letter: char) -> bool {
    let separator = matches!(letter, '\u{2028}' | '\u{2029}');
    let direction =
        matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || separator || direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_a_blank() {
        assert_eq!(tame("a\u{1b}[31m\u{202e}b\nc\u{2028}ä", 99), "a [31m b c ä");
        assert_eq!(tame("ää", 3), "ä");
    }
}
