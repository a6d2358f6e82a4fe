//! What was seen of one part of an installation. Pure.
#![deny(clippy::disallowed_methods)]

use std::fmt;

/// What was seen, or what is wrong and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    what: &'static str,
    wrong: bool,
    text: String,
}

impl Finding {
    /// All is well: what was seen.
    pub(super) fn good(what: &'static str, seen: impl Into<String>) -> Self {
        Self {
            what,
            wrong: false,
            text: seen.into(),
        }
    }

    /// Something is wrong: what, and how to mend it.
    pub(super) fn wrong(what: &'static str, why: impl Into<String>) -> Self {
        Self {
            what,
            wrong: true,
            text: why.into(),
        }
    }

    /// Whether something is wrong.
    pub fn is_wrong(&self) -> bool {
        self.wrong
    }
}

/// One line.
impl fmt::Display for Finding {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.wrong { "wrong" } else { "ok" };
        write!(to, "{word:<6} {:<13} {}", self.what, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_in_columns() {
        assert_eq!(
            Finding::good("CRD", "it is there").to_string(),
            "ok     CRD           it is there"
        );
        let wrong = Finding::wrong("Rights", "one is missing: give it");
        assert_eq!(wrong.to_string(), "wrong  Rights        one is missing: give it");
        assert!(wrong.is_wrong());
    }
}
