//! Structured logs on standard error: one line an event, stable keys (`namespace`, `name`, `rule`, `why`).

use std::{env, fmt, io, str::FromStr};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt, registry, registry::LookupSpan,
    util::SubscriberInitExt,
};

/// Filter unless `RUST_LOG` says otherwise: the operator's own decisions, and only warnings of its libraries. Each word
/// also covers the crates whose names begin with it (`kube_client`, `hyper_util`).
const DEFAULT: &str = "info,kube=warn,redis=warn,tower=warn";

/// Crates that are never logged, whatever `RUST_LOG` says: at `trace` they write the broker's password as it goes over
/// the connection, and they call each expected answer of the broker (no such queue, no such right) an error.
const SILENT: [&str; 3] = ["lapin", "async_rs", "amq_protocol"];

/// Crates of which only warnings and errors are logged, whatever `RUST_LOG` says: their connections carry tokens.
const QUIET: [&str; 4] = ["hyper", "h2", "rustls", "tokio_rustls"];

/// Format of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

impl LogFormat {
    /// Name on the command line.
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

/// Error: the name on the command line is neither `json` nor `text`.
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
    let variable = env::var("RUST_LOG").ok();
    let (filter, understood) = filter(variable.as_deref());
    let started = registry()
        .with(lines(format, io::stderr))
        .with(filter)
        .try_init()
        .is_ok();
    if started && !understood {
        tracing::warn!("RUST_LOG is not a log filter; the default is used: {DEFAULT}");
    }
}

/// Layer that writes the lines that may be written.
fn lines<S, W>(format: LogFormat, to: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(to);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    lines.with_filter(filter_fn(is_discreet))
}

/// Whether a line contains nothing that a library sends and receives.
fn is_discreet(of: &Metadata<'_>) -> bool {
    let from = |crates: &[&str]| crates.iter().any(|name| of.target().starts_with(name));
    !from(&SILENT) && (!from(&QUIET) || *of.level() <= Level::WARN)
}

/// Filter for this `RUST_LOG`, and whether it could be parsed.
fn filter(variable: Option<&str>) -> (EnvFilter, bool) {
    match variable.filter(|text| !text.trim().is_empty()) {
        None => (EnvFilter::new(DEFAULT), true),
        Some(text) => match EnvFilter::try_new(text) {
            Ok(filter) => (filter, true),
            Err(_) => (EnvFilter::new(DEFAULT), false),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_wish_makes_the_libraries_tell_what_goes_over_the_line() {
        for variable in [
            "trace",
            "lapin=trace,hyper=trace",
            "trace,lapin::channel=trace,h2::codec=trace",
        ] {
            let sink = Sink::default();
            let to = sink.clone();
            let (filter, _) = filter(Some(variable));
            let lines = lines(LogFormat::Text, move || to.clone());
            tracing::subscriber::with_default(registry().with(lines).with(filter), || {
                tracing::trace!(target: "lapin::channel", "hunter2");
                tracing::error!(target: "lapin", "hunter2: NOT_FOUND");
                tracing::trace!(target: "amq_protocol::frame", "hunter2");
                tracing::debug!(target: "hyper_util::client", "hunter2");
                tracing::trace!(target: "h2::codec", "hunter2");
                tracing::warn!(target: "hyper::proto", "trouble");
                tracing::trace!(target: "taskworkerpool::broker", "own words");
            });
            let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains("hunter2"), "{text}");
            assert!(variable.starts_with("lapin") || text.contains("own words"), "{text}");
            assert!(variable.starts_with("trace") || text.contains("trouble"), "{text}");
        }
    }

    #[test]
    fn formats_have_two_words() {
        for format in [LogFormat::Json, LogFormat::Text] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("xml".parse::<LogFormat>(), Err(UnknownFormat));
    }

    #[test]
    fn a_filter_that_is_none_leaves_the_default() {
        for (variable, level, understood) in [
            (None, LevelFilter::INFO, true),
            (Some(" "), LevelFilter::INFO, true),
            (Some("debug"), LevelFilter::DEBUG, true),
            (Some("info,=="), LevelFilter::INFO, false),
        ] {
            let (filter, known) = filter(variable);
            assert_eq!(filter.max_level_hint(), Some(level), "{variable:?}");
            assert_eq!(known, understood, "{variable:?}");
        }
    }
}
