//! From the parts of a broker's address to its URL, and whether what Secrets hold may go to that host.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::describe;
use crate::{
    api::{BrokerParts, ValueFrom},
    broker::{
        Secret,
        url::{self, UrlParts},
    },
    controller::pool::{Parts, Problem, Text},
    kube::secrets::HOSTS,
};

/// Texts behind the parts of an address: any of them may come from a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartTexts {
    /// Host name or IP address.
    pub host: Secret,
    /// Port.
    pub port: Option<Secret>,
    /// Database number or virtual host.
    pub path: Option<Secret>,
    /// User.
    pub user: Option<Secret>,
    /// Password.
    pub password: Option<Secret>,
    /// Hosts that the Secrets' annotations name, by Secret.
    pub hosts: BTreeMap<String, Vec<String>>,
}

/// Parts as the spec has them.
///
/// # Errors
/// A [`Problem`] that names the field and the fix.
pub(super) fn parts(spec: &BrokerParts) -> Result<Parts, Problem> {
    let redis = spec.scheme.name().starts_with("redis");
    let number = |number: Option<i32>| number.map(|number| number.to_string());
    let (database, virtual_host) = (
        one("database", number(spec.database), &spec.database_from)?,
        one("virtualHost", spec.virtual_host.clone(), &spec.virtual_host_from)?,
    );
    let path = match (redis, database, virtual_host) {
        (true, path, None) | (false, None, path) => path,
        (true, _, Some(_)) => return Err(invalid("virtualHost", "must not be set with Redis")),
        (false, Some(_), _) => {
            return Err(invalid(
                "database",
                "must not be set with RabbitMQ: it has virtual hosts",
            ));
        }
    };
    let host = one("host", spec.host.clone(), &spec.host_from)?;
    let password = spec.password_from.clone();
    if password.as_ref().is_some_and(|from| from.secret_key_ref.is_none()) {
        return Err(invalid("passwordFrom", "must name a key of a Secret"));
    }
    Ok(Parts {
        scheme: spec.scheme.name(),
        host: host.ok_or_else(|| invalid("host", "must be set, or `hostFrom`"))?,
        port: one("port", number(spec.port), &spec.port_from)?,
        path,
        user: one("user", spec.user.clone(), &spec.user_from)?,
        password,
    })
}

fn one(field: &str, plain: Option<String>, from: &Option<ValueFrom>) -> Result<Option<Text>, Problem> {
    match (plain, from) {
        (Some(_), Some(_)) => Err(invalid(field, &format!("must not be set beside `{field}From`"))),
        (Some(text), None) => Ok(Some(Text::Plain(text))),
        (None, from) => Ok(from.clone().map(Text::From)),
    }
}

fn invalid(field: &str, what: &str) -> Problem {
    Problem::invalid(format!("`broker.parts.{field}` {what}"))
}

/// URL of the broker.
///
/// # Errors
/// A [`Problem`] that names the field and the fix, and no text of a Secret.
pub fn url_of_parts(parts: &Parts, texts: &PartTexts, namespace: &str) -> Result<Secret, Problem> {
    let host = host(trimmed(&texts.host)).ok_or_else(|| wrong("host", &parts.host, "a host name or an IP address"))?;
    // First of all: what is said of the other values shows whether they could be used.
    may_go(&host, parts, &texts.hosts, namespace)?;
    let port = match (&texts.port, &parts.port) {
        (Some(text), Some(from)) => {
            let port = trimmed(text).parse::<u16>().ok().filter(|port| *port > 0);
            Some(port.ok_or_else(|| wrong("port", from, "a number from 1 to 65535"))?)
        }
        _ => None,
    };
    let path = texts.path.as_ref().map(trimmed);
    if let (Some(database), Some(from), true) = (path, &parts.path, parts.scheme.starts_with("redis")) {
        let number = database.parse::<u32>();
        number.map_err(|_| wrong("database", from, "a database number"))?;
    }
    Ok(url::join(&UrlParts {
        scheme: parts.scheme,
        user: texts.user.as_ref().map(trimmed),
        password: texts.password.as_ref().map(trimmed),
        host: &host,
        port,
        path,
    }))
}

/// Whether what Secrets hold may be sent to this host: whoever may write pools may not be allowed to read Secrets. It is
/// asked of each Secret by itself: the author of the pool may have made another one.
fn may_go(host: &str, parts: &Parts, hosts: &BTreeMap<String, Vec<String>>, namespace: &str) -> Result<(), Problem> {
    let local =
        !host.contains(['.', ':']) || qualified_service(host, namespace).is_some() || in_namespace(host, namespace);
    let beside = match &parts.host {
        Text::From(from) => secret(from),
        Text::Plain(_) => None,
    };
    let allows = |owner: &str| {
        let mut named = hosts.get(owner).into_iter().flatten();
        local || beside == Some(owner) || named.any(|named| named.eq_ignore_ascii_case(host))
    };
    let Some((field, owner)) = sent(parts).find(|(_, owner)| !allows(owner)) else {
        return Ok(());
    };
    let line = match beside {
        Some(_) => format!("`{HOSTS}` with that host"),
        None => format!("`{HOSTS}: {host}`"),
    };
    Err(Problem {
        reason: "HostNotAllowed",
        message: format!(
            "`broker.parts.{field}From`: what Secret `{owner}` holds is sent only where its owner wants it: add the \
             annotation {line} to that Secret, or take the host from the same Secret, or use a Service of the pool's \
             namespace"
        ),
        wait: false,
    })
}

/// Fields whose values come from Secrets and are sent to the host, each with the name of its Secret.
fn sent(parts: &Parts) -> impl Iterator<Item = (&'static str, &str)> {
    let texts = [
        ("user", &parts.user),
        (parts.path_field(), &parts.path),
        ("port", &parts.port),
    ];
    let texts = texts.into_iter().filter_map(|(field, text)| match text {
        Some(Text::From(from)) => Some((field, from)),
        _ => None,
    });
    let password = parts.password.iter().map(|from| ("password", from));
    password
        .chain(texts)
        .filter_map(|(field, from)| Some((field, secret(from)?)))
}

/// Name of the Secret, if it is one.
fn secret(from: &ValueFrom) -> Option<&str> {
    from.secret_key_ref.as_ref().map(|key| key.name.as_str())
}

/// Host as a URL has it; `None`: it is none.
fn host(text: &str) -> Option<String> {
    if let Some(address) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .or(Some(text))
        && address.parse::<std::net::Ipv6Addr>().is_ok()
    {
        return Some(address.to_owned());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!text.is_empty() && text.chars().all(allowed)).then(|| text.to_ascii_lowercase())
}

/// A Service of the namespace, written with the namespace alone, by the name that leaves the cluster in no case: the
/// namespace may be called as a domain of the internet is, and a password goes there.
pub(super) fn qualified_service(host: &str, namespace: &str) -> Option<String> {
    let name = host.strip_suffix(namespace)?.strip_suffix('.')?;
    (!name.is_empty() && !name.contains('.')).then(|| format!("{name}.{namespace}.svc"))
}

/// Whether it is a Service of this namespace, or a pod behind one, by its full name.
fn in_namespace(host: &str, namespace: &str) -> bool {
    let host = host.trim_end_matches('.');
    let name = host.strip_suffix(".cluster.local").unwrap_or(host);
    name.strip_suffix(".svc").is_some_and(|name| {
        let name = name.strip_suffix(namespace).and_then(|name| name.strip_suffix('.'));
        name.is_some_and(|name| !name.is_empty())
    })
}

/// Line ends at the end are nothing: a Secret made with `echo` ends with one. Blanks may belong to a password.
fn trimmed(text: &Secret) -> &str {
    text.expose().trim_end_matches(['\r', '\n'])
}

/// Of a value in a Secret it says the same whatever the value is, for whoever wrote the pool may not be allowed to read it.
fn wrong(field: &str, source: &Text, wanted: &str) -> Problem {
    match source {
        Text::Plain(_) => invalid(field, &format!("must be {wanted}")),
        Text::From(from) if from.secret_key_ref.is_some() => Problem::invalid(format!(
            "the value that `broker.parts.{field}From` names ({}) cannot be used",
            describe(from)
        )),
        Text::From(from) => Problem::invalid(format!(
            "the value that `broker.parts.{field}From` names ({}) must be {wanted}",
            describe(from)
        )),
    }
}

#[cfg(test)]
mod tests;
