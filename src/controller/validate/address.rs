//! From the texts that a pool's references led to, to the addresses of its broker.
#![deny(clippy::disallowed_methods)]

use crate::{
    api,
    broker::{self, Address, Kind, Secret, url},
    controller::pool::{Pool, Problem, Text},
};

/// The texts that a pool's references led to.
#[derive(Clone, PartialEq, Eq)]
pub struct Texts {
    /// The broker URL.
    pub url: Secret,
    /// Certificates to trust, PEM.
    pub ca: Option<String>,
    /// Our certificate chain and key, PEM.
    pub identity: Option<(String, Secret)>,
    /// The management URL.
    pub management: Option<Secret>,
}

/// The addresses of a pool's broker, seen from the pool's namespace, in the order in which Celery tries them: at least one.
///
/// # Errors
/// A [`Problem`] that names the field and the fix, and no part of a URL.
pub fn addresses(pool: &Pool, namespace: &str, texts: &Texts) -> Result<Vec<Address>, Problem> {
    let mut addresses = url::all(texts.url.expose())
        .map_err(|error| Problem::invalid(format!("{}: {error}", field(&pool.source.url))))?;
    let management = match &texts.management {
        Some(text) => {
            let mut management = management(pool, &addresses, text)?;
            if let Some(host) = service(&management.host, namespace) {
                management.host = host;
            }
            Some(management)
        }
        None => None,
    };
    for address in &mut addresses {
        complete(address, pool, texts)?;
        address.management.clone_from(&management);
        if let Some(host) = service(&address.host, namespace) {
            if let Some(tls) = &mut address.tls {
                // The certificate carries the name that the application uses.
                tls.server_name.get_or_insert_with(|| address.host.clone());
            }
            address.host = host;
        }
    }
    Ok(addresses)
}

/// Puts in what the URL cannot say, if it goes with it.
fn complete(address: &mut Address, pool: &Pool, texts: &Texts) -> Result<(), Problem> {
    let wants_tls = texts.ca.is_some() || texts.identity.is_some() || pool.source.server_name.is_some();
    match &mut address.tls {
        Some(tls) => {
            *tls = broker::Tls {
                ca: texts.ca.clone(),
                identity: texts.identity.clone(),
                server_name: pool.source.server_name.clone(),
            };
        }
        None if wants_tls => {
            return Err(Problem::invalid(
                "`broker.tls` must not be set with a URL that is not encrypted: use rediss:// or amqps://",
            ));
        }
        None => {}
    }
    match address.kind {
        Kind::Redis { .. } if texts.management.is_some() => Err(Problem::invalid(
            "`broker.management` must not be set with Redis: it is RabbitMQ's management API",
        )),
        Kind::RabbitMq { .. } if !pool.celery.key_prefix.is_empty() => Err(Problem::invalid(
            "`broker.keyPrefix` must not be set with RabbitMQ: it is a prefix of Redis keys",
        )),
        _ => Ok(()),
    }
}

/// A host name of one word is a Service in the pool's namespace, as it is for the application's own pods; the operator's
/// pod is in another namespace.
fn service(host: &str, namespace: &str) -> Option<String> {
    let word = !host.contains(['.', ':']) && host != "localhost";
    word.then(|| format!("{host}.{namespace}.svc"))
}

/// A management URL with its own credentials, or a plain one that gets the broker's: those go to the broker's host only.
fn management(pool: &Pool, addresses: &[Address], text: &Secret) -> Result<broker::Management, Problem> {
    let problem = |why: String| Problem::invalid(format!("`broker.management`: {why}"));
    match &pool.source.management {
        Some(Text::Plain(_)) => {
            let at = |address: &Address| {
                let user = address.user.clone().unwrap_or_else(|| "guest".into());
                let password = address.password.clone().unwrap_or_else(|| Secret::new("guest"));
                url::management_as(text.expose(), user, password).map_err(|error| problem(error.to_string()))
            };
            for address in addresses {
                let management = at(address)?;
                if management.host == address.host {
                    return Ok(management);
                }
            }
            Err(problem(
                "the broker's password goes to the broker's host only: put a URL with its own user and password in a Secret \
                 and use `urlFrom`"
                    .into(),
            ))
        }
        _ => url::management(text.expose()).map_err(|error| problem(error.to_string())),
    }
}

/// How a message names the text.
fn field(text: &Text) -> String {
    match text {
        Text::Plain(_) => "`broker.url`".into(),
        Text::From(from) => format!("the value that `broker.urlFrom` names ({})", describe(from)),
    }
}

/// A reference for a person.
pub fn describe(from: &api::ValueFrom) -> String {
    match (&from.secret_key_ref, &from.config_map_key_ref) {
        (Some(secret), _) => format!("key `{}` of Secret `{}`", secret.key, secret.name),
        (None, Some(map)) => format!("key `{}` of ConfigMap `{}`", map.key, map.name),
        (None, None) => "no key".into(),
    }
}
