//! As kombu 5.7 parses them (Celery).
//!
//! What differs, on purpose: the server is always verified (kombu's `ssl_cert_reqs=none` and paths of certificates
//! mean nothing in another pod; `spec.broker.tls` is the way).
#![deny(clippy::disallowed_methods)]

use super::{Parts, UrlError, clean, host_and_port};
use crate::broker::{Address, Kind, Secret, Tls};

/// Parses a broker URL. `tls` is `Some(Tls::default())` if the URL asks for encryption, `management` is `None`. Of several
/// URLs joined by `;` it is the first.
///
/// # Errors
/// A [`UrlError`] for what kombu itself could not use, and for transports that the operator does not read.
pub fn parse(text: &str) -> Result<Address, UrlError> {
    all(text)?.into_iter().next().ok_or(UrlError::Empty)
}

/// Parses the URLs joined by `;`, in the order in which they are tried: at least one. One without a scheme is a host
/// beside the first one.
///
/// # Errors
/// As [`parse()`], for any of them.
pub fn all(text: &str) -> Result<Vec<Address>, UrlError> {
    read(text, false)
}

/// The same; `encrypted`: whatever the URLs say, as with Celery's `broker_use_ssl`.
pub(super) fn read(text: &str, encrypted: bool) -> Result<Vec<Address>, UrlError> {
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
