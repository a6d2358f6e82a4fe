//! Broker URLs, parsed as the application's own library parses them, so that the operator reads the very URL that the
//! application uses: one file for each way of reading.
#![deny(clippy::disallowed_methods)]

mod kombu;
mod redis_py;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub use self::kombu::{all, parse};
use super::{Address, Management, Secret};
use crate::model::UrlDialect;

/// What is wrong with a URL and how to put it right. Never any part of it: the text may hold a password anywhere. Of a text in
/// a Secret not even this is told: whoever names it may not be allowed to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing there.
    #[error("the broker URL is empty")]
    Empty,
    /// No `scheme://`.
    #[error("the broker URL has no scheme: write redis://host:6379/0 or amqp://user:password@host:5672/vhost")]
    NoScheme,
    /// A transport of kombu's, or what looks like one, that the operator does not read.
    #[error("{0} is not supported: the broker URL must be redis://, rediss://, amqp://, amqps:// or pyamqp://")]
    Unsupported(&'static str),
    /// A scheme nobody knows.
    #[error("the scheme is unknown: the broker URL must be redis://, rediss://, amqp://, amqps:// or pyamqp://")]
    UnknownScheme,
    /// A reserved character stands in the user or the password as it is.
    #[error(
        "user and password must be percent-encoded: / as %2F, : as %3A, @ as %40, # as %23, ? as %3F, ; as %3B, % as %25"
    )]
    NotEncoded,
    /// Not a port.
    #[error("the port is not a number from 1 to 65535 (a password with / : ? # or @ must be percent-encoded)")]
    Port,
    /// Not a host.
    #[error("the host is neither a name nor an IP address (IPv6 in brackets; a password must be percent-encoded)")]
    Host,
    /// Not a database number.
    #[error("the path of a Redis URL must be a database number, as in redis://host:6379/0")]
    Database,
    /// Sentinel.
    #[error(
        "Sentinel is not supported: give the operator a URL of its own that leads to the master, redis://host:6379/0, such \
         as that of a Service which follows it"
    )]
    Sentinel,
    /// The application asks a class of its own for the credentials.
    #[error("the operator cannot use credential providers (`credential_provider=`): give it a URL of its own")]
    CredentialProvider,
    /// kombu refuses this query parameter.
    #[error(
        "the URL has a query parameter that kombu refuses: transport options are not part of the URL \
         (here: `spec.broker.keyPrefix`, `spec.celery`)"
    )]
    Parameter,
    /// `ssl_` parameters on AMQP.
    #[error("ssl_ parameters do not work in an AMQP URL: use `spec.broker.tls`")]
    TlsParameter,
    /// `ssl_cert_reqs` with a value kombu does not know.
    #[error("ssl_cert_reqs must be none, optional, required, CERT_NONE, CERT_OPTIONAL or CERT_REQUIRED")]
    CertReqs,
    /// No Redis, where only Redis can be.
    #[error("the broker URL must be redis:// or rediss://")]
    RedisOnly,
    /// Not an HTTP URL.
    #[error("the management URL must be http:// or https:// and end after the port or a path")]
    Management,
    /// The management API wants a user.
    #[error("the management URL needs a user and a password: http://user:password@host:15672")]
    NoCredentials,
}

/// Parses a pool's broker URL, or several of them: in the order in which the application tries them, at least one.
/// `encrypted`: whatever the URL says.
///
/// # Errors
/// A [`UrlError`] for what the application itself could not use, and for transports that the operator does not read.
pub fn addresses(text: &str, dialect: UrlDialect, encrypted: bool) -> Result<Vec<Address>, UrlError> {
    match dialect {
        UrlDialect::Kombu => kombu::read(text, encrypted),
        UrlDialect::RedisPy => redis_py::read(text, encrypted).map(|address| vec![address]),
    }
}

/// Parts of a broker URL as they are, nothing percent-encoded.
#[derive(Clone, Copy)]
pub struct UrlParts<'a> {
    /// Scheme.
    pub scheme: &'a str,
    /// User, if there is one.
    pub user: Option<&'a str>,
    /// Password, if there is one.
    pub password: Option<&'a str>,
    /// Host name or IP address.
    pub host: &'a str,
    /// Port, if it is not the usual one.
    pub port: Option<u16>,
    /// Database number or virtual host, if it is not the usual one.
    pub path: Option<&'a str>,
}

/// Broker URL of these parts.
pub fn join(parts: &UrlParts<'_>) -> Secret {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let user = parts.user.map(encoded).unwrap_or_default();
    let credentials = match parts.password {
        Some(password) => format!("{user}:{}@", encoded(password)),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    };
    let host = match parts.host.contains(':') {
        true => format!("[{}]", parts.host),
        false => parts.host.to_owned(),
    };
    let port = parts.port.map_or_else(String::new, |port| format!(":{port}"));
    let path = parts
        .path
        .map_or_else(String::new, |path| format!("/{}", encoded(path)));
    Secret::new(format!("{}://{credentials}{host}{port}{path}", parts.scheme))
}

/// Parses the URL of RabbitMQ's management API; the ports are 15672 and, for https, 15671 where none is given.
///
/// # Errors
/// A [`UrlError`] if it is no such URL, or if it names no user and password.
pub fn management(text: &str) -> Result<Management, UrlError> {
    let text = clean(text);
    let (https, parts) = management_parts(&text)?;
    match (parts.user.clone(), parts.password.clone()) {
        (Some(user), Some(password)) => management_at(https, parts, user, Secret::new(password)),
        _ => Err(UrlError::NoCredentials),
    }
}

/// The same for a URL without credentials: these are used.
///
/// # Errors
/// A [`UrlError`] if it is no such URL.
pub fn management_as(text: &str, user: String, password: Secret) -> Result<Management, UrlError> {
    let text = clean(text);
    let (https, parts) = management_parts(&text)?;
    management_at(https, parts, user, password)
}

fn management_parts(text: &str) -> Result<(bool, Parts<'_>), UrlError> {
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Management)?;
    let https = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(UrlError::Management),
    };
    let parts = Parts::of(rest)?;
    if parts.query.is_empty() {
        Ok((https, parts))
    } else {
        Err(UrlError::Management)
    }
}

fn management_at(https: bool, parts: Parts<'_>, user: String, password: Secret) -> Result<Management, UrlError> {
    let path = parts.raw_path.trim_end_matches('/');
    Ok(Management {
        https,
        host: parts.host.ok_or(UrlError::Host)?,
        port: parts.port.unwrap_or(if https { 15671 } else { 15672 }),
        path: path.strip_suffix("/api").unwrap_or(path).to_owned(),
        user,
        password,
    })
}

/// Whether a URL of any kind, well-formed or not, may carry a password. In doubt it does.
pub fn has_password(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(before, _)| {
        let userinfo = before.split_once("://").map_or(before, |(_, rest)| rest);
        userinfo
            .split_once(':')
            .is_some_and(|(_, password)| !password.is_empty())
    })
}

/// Tabs and line ends are nothing to Python's `urlparse`; a Secret made with `echo` ends with one.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect()
}

/// What follows `scheme://`. Parts that are there but empty count as missing, as in kombu.
struct Parts<'a> {
    user: Option<String>,
    password: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    /// Decoded, without its first slash.
    path: String,
    /// As written, with its first slash.
    raw_path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    /// Cuts `authority/path?query#fragment`, as Python's `urlparse` does for an `http` URL.
    fn of(rest: &'a str) -> Result<Self, UrlError> {
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (userinfo, server) = authority.rsplit_once('@').unwrap_or(("", authority));
        if userinfo.is_empty() && tail.contains('@') && !authority.contains('@') {
            return Err(UrlError::NotEncoded);
        }
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let (host, port) = host_and_port(server)?;
        let tail = tail.split_once('#').map_or(tail, |(tail, _)| tail);
        let (raw_path, query) = tail.split_once('?').unwrap_or((tail, ""));
        Ok(Self {
            user: given(user),
            password: given(password),
            host,
            port,
            path: decode(raw_path.strip_prefix('/').unwrap_or(raw_path)),
            raw_path,
            query,
        })
    }

    /// The query's names and values; those with an empty value are dropped (`parse_qsl`).
    fn parameters(&self) -> Vec<(String, String)> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let given = pairs.filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| (decode(name), decode(value))).collect()
    }
}

/// `host`, `host:port`, `[ipv6]:port`; port 0 counts as none.
fn host_and_port(server: &str) -> Result<(Option<String>, Option<u16>), UrlError> {
    let (host, port) = match server.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']').ok_or(UrlError::Host)?;
            let port = if after.is_empty() {
                Some("")
            } else {
                after.strip_prefix(':')
            };
            host.parse::<std::net::Ipv6Addr>().map_err(|_| UrlError::Host)?;
            (host, port.ok_or(UrlError::Host)?)
        }
        None => server.split_once(':').unwrap_or((server, "")),
    };
    let port = match port {
        "" => None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().map_err(|_| UrlError::Port)?),
        _ => return Err(UrlError::Port),
    };
    let host = given(&host.to_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.as_deref().is_some_and(|host| !host.chars().all(allowed)) {
        return Err(UrlError::Host);
    }
    Ok((host, port.filter(|port| *port != 0)))
}

/// Decoded, if there is anything.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| decode(text))
}

/// Python's `unquote`: what is no escape stays as it is.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests;
