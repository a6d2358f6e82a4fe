//! Point in time in a header, as an application writes it: seconds since 1970 as a number or its digits, or ISO 8601.
//! Any other value is ignored and does not spoil the other headers.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer};

use super::lenient::{self, AnyForm};

/// Time, if the value is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) Option<Timestamp>);

/// Parses Python's `isoformat()`. A time without an offset is taken for UTC, Celery's default time zone.
pub(super) fn iso_8601(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

impl<'de> AnyForm<'de> for Stamp {
    fn of_text(text: Cow<'de, str>) -> Self {
        match text.trim().parse() {
            Ok(seconds) => Self::of_float(seconds),
            Err(_) => Self(iso_8601(text.trim())),
        }
    }

    fn of_integer(seconds: i64) -> Self {
        Self(Timestamp::from_second(seconds).ok())
    }

    fn of_float(seconds: f64) -> Self {
        let since_1970 = SignedDuration::try_from_secs_f64(seconds).ok();
        Self(since_1970.and_then(|duration| Timestamp::from_duration(duration).ok()))
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::any(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(json: &str) -> Option<Timestamp> {
        serde_json::from_str::<Stamp>(json).unwrap().0
    }

    #[test]
    fn times_in_all_their_forms() {
        let at = |text: &str| Some(text.parse().unwrap());
        for (json, truth) in [
            ("1795343146", at("2026-11-22T10:25:46Z")),
            ("1795343146.5", at("2026-11-22T10:25:46.5Z")),
            (r#""1795343146""#, at("2026-11-22T10:25:46Z")),
            (r#"" 1795343146.5 ""#, at("2026-11-22T10:25:46.5Z")),
            (r#""2026-11-22T10:25:46Z""#, at("2026-11-22T10:25:46Z")),
            (r#""2026-11-22T12:25:46.5+02:00""#, at("2026-11-22T10:25:46.5Z")),
            (r#""2026-11-22T10:25:46""#, at("2026-11-22T10:25:46Z")),
        ] {
            assert_eq!(stamp(json), truth, "{json}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for json in [
            "null",
            "true",
            "[1795343146]",
            r#"{"a":[1]}"#,
            r#""""#,
            r#""now""#,
            r#""nan""#,
            r#""inf""#,
            "1e300",
            "-1e300",
            "18446744073709551615",
            "9223372036854775807",
            "1795343146000000",
            r#""\u0031e999""#,
            "[[[[]]]]",
        ] {
            assert_eq!(stamp(json), None, "{json}");
        }
    }
}
