//! Pools as YAML with comments, for people to review.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

use super::manifest::{self, CheckedPool};

/// Width of a comment.
const WIDTH: usize = 111;

/// Comment in the YAML of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Path of the field that it stands above; empty: it stands above all.
    pub to: String,
    /// Text, of however many words.
    pub text: String,
}

/// Pool as YAML below a head, with its comments.
///
/// # Errors
/// What the API server or the operator would have against the pool.
pub fn yaml(pool: &Value, head: &str, comments: &[Comment]) -> Result<String, String> {
    let plain = serde_saphyr::to_string(pool).map_err(|error| error.to_string())?;
    let (objects, _) = manifest::read(&plain);
    let object = objects.first().ok_or("no object")?;
    CheckedPool::read(object).map_err(|faults| {
        let said: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
        said.join("; ")
    })?;
    let mut text = head.to_owned();
    let (own, of_all): (Vec<_>, Vec<_>) = comments.iter().partition(|comment| !comment.to.is_empty());
    for comment in of_all {
        text += &wrapped("# ", "# ", &comment.text);
    }
    for (at, line) in plain.lines().enumerate() {
        let number = at as u64 + 1;
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let before = format!("{indent}# ");
        for comment in own.iter().filter(|comment| object.node.line_of(&comment.to) == number) {
            text += &wrapped(&before, &before, &comment.text);
        }
        text += &format!("{line}\n");
    }
    Ok(text)
}

/// Words in lines of at most some width, each with what stands before it.
pub fn wrapped(first: &str, others: &str, words: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    // The indentation does not count.
    let bare = first.trim_start().len();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if bare + line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let before = |at: usize| if at == 0 { first } else { others };
    let lines = lines.iter().enumerate();
    lines.map(|(at, line)| format!("{}{line}\n", before(at))).collect()
}
