//! Numbers in sentences.
#![deny(clippy::disallowed_methods)]

/// `1 task`, `3 tasks`.
pub fn count(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        many => format!("{many} {noun}s"),
    }
}

/// The form of a verb that goes with a number: `runs` with 1, `run` with others.
pub fn form<'a>(number: impl Into<u64>, one: &'a str, many: &'a str) -> &'a str {
    match number.into() {
        1 => one,
        _ => many,
    }
}
