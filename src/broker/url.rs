//! Broker URLs, parsed as kombu 5.7 parses them, so that the operator reads the very URL the application uses.
//!
//! What differs, on purpose: the server is always verified (kombu's `ssl_cert_reqs=none` and paths of certificates
//! mean nothing in another pod; `spec.broker.tls` is the way).
#![deny(clippy::disallowed_methods)]

use percent_encoding::percent_decode_str;

use super::{Address, Kind, Management, Secret, Tls};

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
    /// Celery refuses this query parameter.
    #[error(
        "the URL has a query parameter that Celery refuses: transport options are not part of the URL \
         (here: `spec.broker.keyPrefix`, `spec.celery`)"
    )]
    Parameter,
    /// `ssl_` parameters on AMQP.
    #[error("ssl_ parameters do not work in an AMQP URL: use `spec.broker.tls`")]
    TlsParameter,
    /// `ssl_cert_reqs` with a value kombu does not know.
    #[error("ssl_cert_reqs must be none, optional, required, CERT_NONE, CERT_OPTIONAL or CERT_REQUIRED")]
    CertReqs,
    /// Not an HTTP URL.
    #[error("the management URL must be http:// or https:// and end after the port or a path")]
    Management,
    /// The management API wants a user.
    #[error("the management URL needs a user and a password: http://user:password@host:15672")]
    NoCredentials,
}

/// Parses a broker URL. `tls` is `Some(Tls::default())` if the URL asks for encryption, `management` is `None`. Of several
/// URLs joined by `;` it is the first.
///
/// # Errors
/// A [`UrlError`] for what Celery itself could not use, and for transports that the operator does not read.
pub fn parse(text: &str) -> Result<Address, UrlError> {
    all(text)?.into_iter().next().ok_or(UrlError::Empty)
}

/// Parses the URLs joined by `;`, in the order in which Celery tries them: at least one. One without a scheme is a host
/// beside the first one.
///
/// # Errors
/// As [`parse()`], for any of them.
pub fn all(text: &str) -> Result<Vec<Address>, UrlError> {
    read(text, false)
}

/// The same where the application encrypts whatever its URL says, as with Celery's `broker_use_ssl`.
///
/// # Errors
/// As [`all()`].
pub fn all_encrypted(text: &str) -> Result<Vec<Address>, UrlError> {
    read(text, true)
}

fn read(text: &str, encrypted: bool) -> Result<Vec<Address>, UrlError> {
    let text = clean(text);
    let (first, others) = split(&text)?;
    let first = one(first, encrypted)?;
    let mut all = vec![first.clone()];
    for other in others.split(';').filter(|other| !other.is_empty()) {
        all.push(match other.contains("://") {
            true => one(other, encrypted)?,
            false => beside(&first, other)?,
        });
    }
    Ok(all)
}

fn one(text: &str, encrypted: bool) -> Result<Address, UrlError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return no_scheme(text, encrypted);
    };
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "redis" | "rediss" => redis(&Parts::of(rest)?, encrypted || scheme == "rediss"),
        "amqp" | "pyamqp" | "amqps" => amqp(&Parts::of(rest)?, encrypted || scheme == "amqps"),
        _ => Err(unsupported(&scheme)),
    }
}

/// Another host with all that the first URL says besides.
fn beside(first: &Address, other: &str) -> Result<Address, UrlError> {
    let (host, port) = host_and_port(other)?;
    Ok(Address {
        host: host.ok_or(UrlError::Host)?,
        port: port.unwrap_or(first.port),
        ..first.clone()
    })
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

/// The first of the URLs joined by `;`, and the others.
fn split(text: &str) -> Result<(&str, &str), UrlError> {
    let (first, others) = text.split_once(';').unwrap_or((text, ""));
    if first.is_empty() {
        return Err(UrlError::Empty);
    }
    // An alternate with credentials has its own scheme; `@` without one means that the `;` was part of a password.
    let next = others.split(';').next().unwrap_or_default();
    if !first.contains('@') && next.contains('@') && !next.contains("://") {
        return Err(UrlError::NotEncoded);
    }
    Ok((first, others))
}

/// kombu takes a text without a scheme for the host name of a RabbitMQ.
fn no_scheme(text: &str, encrypted: bool) -> Result<Address, UrlError> {
    match Parts::of(text) {
        Ok(parts) if parts.host == Some(text.to_ascii_lowercase()) => amqp(&parts, encrypted),
        _ => Err(UrlError::NoScheme),
    }
}

/// Names the transports that kombu has (and people try); any other text is not repeated.
fn unsupported(scheme: &str) -> UrlError {
    if ["sentinel", "redis+sentinel"].contains(&scheme) {
        return UrlError::Sentinel;
    }
    const KNOWN: [&str; 22] = [
        "redis+socket",
        "rediscluster",
        "unix",
        "socket",
        "valkey",
        "valkeys",
        "librabbitmq",
        "py-amqp",
        "sqs",
        "confluentkafka",
        "kafka",
        "memory",
        "filesystem",
        "mongodb",
        "zookeeper",
        "qpid",
        "azurestoragequeues",
        "azureservicebus",
        "gcpubsub",
        "pgmq",
        "http",
        "https",
    ];
    let known = KNOWN.into_iter().find(|known| *known == scheme);
    known.map_or(UrlError::UnknownScheme, UrlError::Unsupported)
}

/// `redis://[user][:password]@host:port/db?ssl_…`.
fn redis(parts: &Parts<'_>, encrypted: bool) -> Result<Address, UrlError> {
    let mut tls = encrypted;
    for (name, value) in &parts.parameters() {
        match name.as_str() {
            "ssl_cert_reqs" => match value.as_str() {
                "none" | "optional" | "required" | "CERT_NONE" | "CERT_OPTIONAL" | "CERT_REQUIRED" => tls = true,
                _ => return Err(UrlError::CertReqs),
            },
            name if name.starts_with("ssl_") => tls = true,
            name if COMMON.contains(&name) => {}
            "credential_provider" => return Err(UrlError::CredentialProvider),
            _ => return Err(UrlError::Parameter),
        }
    }
    Ok(Address {
        kind: Kind::Redis {
            db: database(&parts.path)?,
        },
        host: parts.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned()),
        port: parts.port.unwrap_or(6379),
        user: parts.user.clone(),
        password: parts.password.as_deref().map(Secret::new),
        tls: tls.then(Tls::default),
        management: None,
    })
}

/// `amqp://[user][:password]@host:port/vhost?…`; what is missing is `guest`, `guest`, `localhost`, `/`.
fn amqp(parts: &Parts<'_>, encrypted: bool) -> Result<Address, UrlError> {
    let mut tls = encrypted;
    for (name, _) in &parts.parameters() {
        match name.as_str() {
            // Any text switches it on, even `false`; an empty one is no parameter at all.
            "ssl" => tls = true,
            name if name.starts_with("ssl_") => return Err(UrlError::TlsParameter),
            name if COMMON.contains(&name) => {}
            _ => return Err(UrlError::Parameter),
        }
    }
    let or_guest = |text: &Option<String>| text.clone().unwrap_or_else(|| "guest".to_owned());
    Ok(Address {
        kind: Kind::RabbitMq {
            vhost: if parts.path.is_empty() {
                "/".to_owned()
            } else {
                parts.path.clone()
            },
        },
        host: parts.host.clone().unwrap_or_else(|| "localhost".to_owned()),
        port: parts.port.unwrap_or(if tls { 5671 } else { 5672 }),
        user: Some(or_guest(&parts.user)),
        password: Some(Secret::new(or_guest(&parts.password))),
        tls: tls.then(Tls::default),
        management: None,
    })
}

/// The query parameters that kombu's connection takes for every transport (`Connection._init_params`).
const COMMON: [&str; 4] = ["heartbeat", "connect_timeout", "login_method", "insist"];

/// kombu: nothing and `/` are database 0, one more slash before the number is skipped.
fn database(path: &str) -> Result<u32, UrlError> {
    match path.strip_prefix('/').unwrap_or(path).trim() {
        "" => Ok(0),
        number => number.parse().map_err(|_| UrlError::Database),
    }
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
