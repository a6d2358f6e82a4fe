//! Broker URLs by their parts, and what a pool cannot have of them.
#![deny(clippy::disallowed_methods)]

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Parts of a URL, decoded. The password among them is for nobody's eyes: so it has no `Debug`.
pub struct UrlParts {
    /// Scheme, in small letters.
    pub scheme: String,
    /// User.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Host.
    pub host: String,
    /// Port.
    pub port: Option<String>,
    /// Database or virtual host.
    pub path: Option<String>,
}

/// Parts of a plain URL; `None`: it is none.
pub fn url(text: &str) -> Option<UrlParts> {
    let (scheme, rest) = text.trim().split_once("://")?;
    let rest = rest.split(['?', '#']).next()?;
    // A password may have a slash in it, which only the last `@` tells.
    let (login, rest) = match rest.rsplit_once('@') {
        Some((login, rest)) => (Some(login), rest),
        None => (None, rest),
    };
    let (place, path) = match rest.split_once('/') {
        Some((place, path)) => (place, Some(path)),
        None => (rest, None),
    };
    let (host, port) = host_and_port(place);
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        Some((user, password)) => (
            Some(decoded(user)).filter(|user| !user.is_empty()),
            Some(decoded(password)).filter(|password| !password.is_empty()),
        ),
        None => (None, None),
    };
    Some(UrlParts {
        scheme: scheme.to_ascii_lowercase(),
        user,
        password,
        host: host.to_owned(),
        port: port.map(str::to_owned),
        path: path.map(decoded).filter(|path| !path.is_empty()),
    })
    .filter(|parts| !parts.host.is_empty())
}

/// Host and port of `host:port`, in which an IPv6 address is in brackets.
pub fn host_and_port(text: &str) -> (&str, Option<&str>) {
    let text = text.trim();
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

/// Sentence, if what a Secret of these parts holds is not sent to their host: it goes to hosts of the namespace, and to those
/// that the Secret names.
pub fn not_sent(host: &str, broker: &Map<String, Value>, namespace: Option<&str>) -> Option<String> {
    let namespace = namespace.unwrap_or("default");
    let name = host
        .trim_end_matches('.')
        .trim_end_matches(".cluster.local")
        .trim_end_matches(".svc");
    let local = !host.contains(['.', ':']) || name.split_once('.').is_some_and(|(_, rest)| rest == namespace);
    let secret = broker.values().find_map(|value| value["secretKeyRef"]["name"].as_str());
    secret.filter(|_| !local).map(|secret| {
        format!(
            "what Secret `{secret}` holds is sent to `{host}` only if the Secret allows it: kubectl -n {namespace} annotate \
             secret {secret} taskworkerpool.dev/hosts={host}"
        )
    })
}
