//! As redis-py parses them (`redis.connection.parse_url`, redis-py 5 to 8): RQ, taskiq and others on Redis.
//!
//! What differs, on purpose: parameters that are the client's own business (time-outs, pools, certificates) say nothing
//! here; the server is always verified, and `spec.broker.tls` is the way to give certificates.
#![deny(clippy::disallowed_methods)]

use super::{Parts, UrlError, clean};
use crate::broker::{Address, Kind, Secret, Tls};

/// Parses `redis://[user][:password]@host:port/db?…`; what is missing is `localhost`, 6379 and 0. `encrypted`: whatever the
/// URL says.
pub(super) fn read(text: &str, encrypted: bool) -> Result<Address, UrlError> {
    let text = clean(text);
    if text.is_empty() {
        return Err(UrlError::Empty);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::RedisOnly)?;
    let tls = match scheme {
        "redis" => encrypted,
        "rediss" => true,
        "sentinel" | "redis+sentinel" => return Err(UrlError::Sentinel),
        _ => return Err(UrlError::RedisOnly),
    };
    let parts = Parts::of(rest)?;
    // The client's own way: a parameter `db` first, then the path, and what is no number is database 0.
    let parameters = parts.parameters();
    let named = parameters.iter().find(|(name, _)| name == "db");
    if parameters.iter().any(|(name, _)| name == "credential_provider") {
        return Err(UrlError::CredentialProvider);
    }
    let db = match named {
        Some((_, number)) => number.parse().map_err(|_| UrlError::Database)?,
        None => parts.path.replace('/', "").trim().parse().unwrap_or(0),
    };
    Ok(Address {
        kind: Kind::Redis { db },
        host: parts.host.clone().unwrap_or_else(|| "localhost".to_owned()),
        port: parts.port.unwrap_or(6379),
        user: parts.user.clone(),
        password: parts.password.as_deref().map(Secret::new),
        tls: tls.then(Tls::default),
        management: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_plain(text: &str) -> Result<(Kind, String, u16, bool), UrlError> {
        let address = read(text, false)?;
        Ok((address.kind, address.host, address.port, address.tls.is_some()))
    }

    #[test]
    fn a_url_is_read_as_redis_py_reads_it() {
        for (text, db, host, port, tls) in [
            ("redis://", 0, "localhost", 6379, false),
            ("redis://h", 0, "h", 6379, false),
            ("redis://h:7000/3", 3, "h", 7000, false),
            ("redis://h/3?db=4", 4, "h", 6379, false),
            ("redis://h/queue", 0, "h", 6379, false),
            ("rediss://h/1?ssl_cert_reqs=none&socket_timeout=5", 1, "h", 6379, true),
            ("redis://h/0?decode_responses=True\n", 0, "h", 6379, false),
        ] {
            let expected = (Kind::Redis { db }, host.to_owned(), port, tls);
            assert_eq!(read_plain(text), Ok(expected), "{text}");
        }
        let address = read("redis://user:p%40ss@h", true).unwrap();
        assert_eq!(
            (address.user.as_deref(), address.password, address.tls.is_some()),
            (Some("user"), Some(Secret::new("p@ss")), true)
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for (text, error) in [
            ("", UrlError::Empty),
            ("host", UrlError::RedisOnly),
            ("amqp://h", UrlError::RedisOnly),
            ("unix:///run/redis.sock", UrlError::RedisOnly),
            ("redis+sentinel://h", UrlError::Sentinel),
            ("redis://h/0?db=x", UrlError::Database),
            ("redis://h/0?credential_provider=x", UrlError::CredentialProvider),
            ("redis://h:99999", UrlError::Port),
            ("redis://:a/b@h", UrlError::NotEncoded),
        ] {
            assert_eq!(read_plain(text), Err(error), "{text}");
        }
    }
}
