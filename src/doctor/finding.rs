//! What was seen of one part of an installation or of a pool. Pure.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was seen, or what is wrong and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Finding {
    /// The part.
    pub what: String,
    /// Whether it is as it should be.
    pub level: Level,
    /// What was seen, and how to mend what is wrong.
    pub text: String,
}

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is.
    Ok,
    /// It is not.
    Wrong,
    /// Nobody can say.
    Unknown,
}

impl Finding {
    fn new(what: &str, level: Level, text: impl Into<String>) -> Self {
        Self {
            what: what.to_owned(),
            level,
            text: text.into(),
        }
    }

    /// All is well: what was seen.
    pub fn good(what: &str, seen: impl Into<String>) -> Self {
        Self::new(what, Level::Ok, seen)
    }

    /// Something is wrong: what, and how to mend it.
    pub fn wrong(what: &str, why: impl Into<String>) -> Self {
        Self::new(what, Level::Wrong, why)
    }

    /// It could not be examined, or shows by itself: why, or what to look for.
    pub fn unknown(what: &str, why: impl Into<String>) -> Self {
        Self::new(what, Level::Unknown, why)
    }

    /// Whether something is wrong.
    pub fn is_wrong(&self) -> bool {
        self.level == Level::Wrong
    }
}

/// One line.
impl fmt::Display for Finding {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.level {
            Level::Ok => "ok",
            Level::Wrong => "wrong",
            Level::Unknown => "unknown",
        };
        write!(to, "{word:<7} {:<14} {}", self.what, self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_finding_is_one_line_in_columns() {
        assert_eq!(
            Finding::good("CRD", "it is there").to_string(),
            "ok      CRD            it is there"
        );
        let wrong = Finding::wrong("Rights", "one is missing: give it");
        assert_eq!(wrong.to_string(), "wrong   Rights         one is missing: give it");
        let unknown = Finding::unknown("Workers", "no pod is ready");
        assert_eq!(unknown.to_string(), "unknown Workers        no pod is ready");
        assert!(wrong.is_wrong() && !unknown.is_wrong());
    }

    #[test]
    fn a_program_reads_it() {
        let wrong = Finding::wrong("DNS", "no such host");
        let value = json!({"what": "DNS", "level": "wrong", "text": "no such host"});
        assert_eq!(serde_json::to_value(&wrong).unwrap(), value);
        assert_eq!(serde_json::from_value::<Finding>(value).unwrap(), wrong);
    }
}
