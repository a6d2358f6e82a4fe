//! Structured logs on standard error: one line an event, stable keys (`namespace`, `name`, `reason`).

use std::{env, fmt, io, str::FromStr};

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, registry, util::SubscriberInitExt};

/// What is logged unless `RUST_LOG` says otherwise: the operator's own decisions, only the troubles of its libraries.
/// Each word also covers the crates whose names begin with it (`kube_client`, `hyper_util`).
const DEFAULT: &str =
    "info,lapin=off,async_rs=off,amq_protocol=off,kube=warn,hyper=warn,redis=warn,rustls=warn,tower=warn";

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

impl LogFormat {
    /// The word on the command line.
    fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The word on the command line is neither `json` nor `text`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log format is `json` or `text`")]
pub struct UnknownFormat;

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        [Self::Json, Self::Text]
            .into_iter()
            .find(|format| format.word() == word)
            .ok_or(UnknownFormat)
    }
}

/// Starts logging for the whole process. A second call changes nothing.
///
/// `RUST_LOG` replaces the default filter; if it cannot be parsed, the default stays and a warning says so.
pub fn init(format: LogFormat) {
    let wish = env::var("RUST_LOG").ok();
    let (filter, understood) = filter(wish.as_deref());
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    let started = registry().with(lines).with(filter).try_init().is_ok();
    if started && !understood {
        tracing::warn!("RUST_LOG is not a log filter; the default is used: {DEFAULT}");
    }
}

/// The filter for this `RUST_LOG`, and whether the wish was understood.
fn filter(wish: Option<&str>) -> (EnvFilter, bool) {
    match wish.filter(|text| !text.trim().is_empty()) {
        None => (EnvFilter::new(DEFAULT), true),
        Some(text) => match EnvFilter::try_new(text) {
            Ok(filter) => (filter, true),
            Err(_) => (EnvFilter::new(DEFAULT), false),
        },
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn formats_have_two_words() {
        for format in [LogFormat::Json, LogFormat::Text] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("xml".parse::<LogFormat>(), Err(UnknownFormat));
    }

    #[test]
    fn a_filter_that_is_none_leaves_the_default() {
        for (wish, level, understood) in [
            (None, LevelFilter::INFO, true),
            (Some(" "), LevelFilter::INFO, true),
            (Some("debug"), LevelFilter::DEBUG, true),
            (Some("info,=="), LevelFilter::INFO, false),
        ] {
            let (filter, known) = filter(wish);
            assert_eq!(filter.max_level_hint(), Some(level), "{wish:?}");
            assert_eq!(known, understood, "{wish:?}");
        }
    }
}
