//! Paths and bodies of the management API. Pure.
#![deny(clippy::disallowed_methods)]

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::model::{Reply, SampleError};

/// Number of queues on one page: the most that RabbitMQ allows.
const PAGE_SIZE: u32 = 500;

/// Longest filter, in bytes: a longer one is not worth its length (and servers refuse long request lines), and all
/// pages are read.
const FILTER_MAX: usize = 2048;

/// Characters that are encoded: all but letters, digits and `-._~` (RFC 3986, 2.3), slashes too.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Query of the totals form: no statistics, so nothing that is old or missing where metrics collection is off.
const TOTALS: &str = "disable_stats=true&enable_queue_totals=true&columns=name,messages_ready,messages_unacknowledged";

/// Paths of one virtual host's queues.
#[derive(Debug)]
pub(super) struct Paths {
    /// Path up to and including the virtual host.
    queues: String,
}

impl Paths {
    /// Paths below `prefix`, the path before `/api`.
    pub(super) fn new(prefix: &str, vhost: &str) -> Self {
        let queues = format!("{}/api/queues/{}", prefix.trim_end_matches('/'), segment(vhost));
        Self { queues }
    }

    /// Path of a single queue.
    pub(super) fn queue(&self, queue: &str) -> String {
        format!("{}/{}?{TOTALS}", self.queues, segment(queue))
    }

    /// Path of one page of the list, which the server filters by name where that is cheaper.
    pub(super) fn page(&self, queues: &[&str], number: u64) -> String {
        let page = format!("{}?{TOTALS}&page={number}&page_size={PAGE_SIZE}", self.queues);
        match filter(queues) {
            Some(filter) => format!("{page}&use_regex=true&name={filter}"),
            None => page,
        }
    }
}

/// Encoded path segment or query value.
fn segment(text: &str) -> String {
    // A segment of dots alone would be read as a step in the path.
    if matches!(text, "." | "..") {
        return text.replace('.', "%2E");
    }
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Regular expression (PCRE) for exactly these names, encoded; `None`: too long, or names that it may not match
/// reliably.
fn filter(queues: &[&str]) -> Option<String> {
    let mut names = Vec::with_capacity(queues.len());
    let mut length = 0;
    for queue in queues {
        let name = literal(queue)?;
        length += name.len();
        if length > FILTER_MAX {
            return None;
        }
        names.push(name);
    }
    let filter = segment(&format!("^({})$", names.join("|")));
    (filter.len() <= FILTER_MAX).then_some(filter)
}

/// Name as a regular expression: everything but letters, digits, `_` and `-` escaped.
fn literal(name: &str) -> Option<String> {
    let mut escaped = String::with_capacity(name.len());
    for char in name.chars() {
        match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => escaped.push(char),
            ' '..='~' => escaped.extend(['\\', char]),
            _ => return None,
        }
    }
    Some(escaped)
}

/// Answer to a request.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// Status 200 with this body.
    Found(Vec<u8>),
    /// Status 404.
    NotFound,
}

/// Queue as it is sent; totals that are absent, null, negative or not whole numbers are not counts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Item {
    /// Name of the queue.
    pub(super) name: String,
    messages_ready: Option<i64>,
    messages_unacknowledged: Option<i64>,
}

impl Item {
    /// Whether neither number is there.
    pub(super) fn has_no_totals(&self) -> bool {
        self.messages_ready.is_none() && self.messages_unacknowledged.is_none()
    }

    /// Counts of the queue.
    ///
    /// # Errors
    /// The counts are not there (the queue's node is down), or are no numbers: unknown, not 0.
    pub(super) fn totals(&self) -> Result<Reply, SampleError> {
        if self.has_no_totals() {
            return Err(SampleError::NotReady);
        }
        let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        match (count(self.messages_ready), count(self.messages_unacknowledged)) {
            (Some(ready), Some(unacked)) => Ok(Reply::Totals { ready, unacked }),
            _ => Err(SampleError::Management),
        }
    }
}

/// One page of the list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct QueuePage {
    /// Queues on the page.
    pub(super) items: Vec<Item>,
    /// Number of pages.
    pub(super) page_count: u64,
}

/// Reads the answer for a single queue.
///
/// # Errors
/// The body is not what RabbitMQ sends.
pub(super) fn queue(body: &[u8]) -> Result<Item, SampleError> {
    serde_json::from_slice(body).map_err(|_| SampleError::Management)
}

/// Reads one page of the list.
///
/// # Errors
/// The body is not what RabbitMQ sends.
pub(super) fn list(body: &[u8]) -> Result<QueuePage, SampleError> {
    serde_json::from_slice(body).map_err(|_| SampleError::Management)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(path: &str) -> &str {
        path.split_once("page_size=500").unwrap().1
    }

    #[test]
    fn segments_are_encoded_whole() {
        let paths = Paths::new("/rabbit/", "/");
        assert!(
            paths
                .queue("a/b?c#d e%")
                .starts_with("/rabbit/api/queues/%2F/a%2Fb%3Fc%23d%20e%25?disable_stats=true&")
        );
        assert!(
            Paths::new("", "shop")
                .queue("..")
                .starts_with("/api/queues/shop/%2E%2E?")
        );
        assert!(
            Paths::new("", "ü")
                .queue("\r\n")
                .starts_with("/api/queues/%C3%BC/%0D%0A?")
        );
    }

    #[test]
    fn few_plain_names_are_filtered_by_the_server() {
        let paths = Paths::new("", "/");
        assert_eq!(
            query(&paths.page(&["a.b", "c"], 1)),
            "&use_regex=true&name=%5E%28a%5C.b%7Cc%29%24"
        );
        assert_eq!(query(&paths.page(&["grün"], 1)), "");
        let many: Vec<String> = (0..500).map(|number| format!("queue-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(query(&paths.page(&many, 2)), "");
        assert!(paths.page(&many, 2).contains("&page=2&"));
    }

    #[test]
    fn only_whole_counts_are_counts() {
        let reply = |body: &str| queue(body.as_bytes()).and_then(|item| item.totals());
        let good = r#"{"name":"q","messages_ready":3,"messages_unacknowledged":2,"other":{"deep":[1]}}"#;
        assert_eq!(reply(good), Ok(Reply::Totals { ready: 3, unacked: 2 }));
        for none in ["{}", "[]"] {
            assert_eq!(reply(none), Err(SampleError::NotReady));
        }
        for bad in [
            r#"{"messages_ready":3}"#,
            r#"{"messages_ready":null,"messages_unacknowledged":2}"#,
            r#"{"messages_ready":-1,"messages_unacknowledged":2}"#,
            r#"{"messages_ready":1e308,"messages_unacknowledged":2}"#,
            r#"{"messages_ready":"12","messages_unacknowledged":2}"#,
            r#"{"messages_ready":1,"messages_ready":2,"messages_unacknowledged":2}"#,
            "<html>",
            "",
            "null",
        ] {
            assert_eq!(reply(bad), Err(SampleError::Management), "{bad}");
        }
        let deep = format!(
            r#"{{"messages_ready":1,"messages_unacknowledged":1,"x":{}"#,
            "[".repeat(100_000)
        );
        assert_eq!(reply(&deep), Err(SampleError::Management));
    }
}
