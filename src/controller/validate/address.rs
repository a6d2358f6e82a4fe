//! From the texts behind a pool's references to the addresses of its broker.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::parts::{self, PartTexts};
use crate::{
    api,
    broker::{
        self, Address, Kind, Secret,
        url::{self, UrlError},
    },
    controller::pool::{Parts, Pool, Problem, Text, UrlSource},
};

/// Texts behind a pool's references.
#[derive(Clone, PartialEq, Eq)]
pub struct Texts {
    /// The broker URL.
    pub url: Secret,
    /// CA certificates, PEM.
    pub ca: Option<String>,
    /// Client certificate chain and key, PEM.
    pub identity: Option<(String, Secret)>,
    /// URL of the management API.
    pub management: Option<Secret>,
}

/// Addresses of a pool's broker, seen from the pool's namespace, in the order in which the application tries them: at
/// least one.
///
/// # Errors
/// A [`Problem`] that names the field and the fix, and no part of a URL.
pub fn addresses(pool: &Pool, namespace: &str, texts: &Texts) -> Result<Vec<Address>, Problem> {
    let framework = pool.app.framework;
    let read = url::addresses(texts.url.expose(), framework.dialect, pool.source.encrypted);
    let wanted = format!(
        "no broker URL that the operator can use: it must be {}",
        framework.words.url
    );
    let mut addresses = read.map_err(|error| match &pool.source.url {
        UrlSource::Whole(text) => refused("broker", &wanted, text, error),
        UrlSource::Parts(_) => Problem::invalid(format!("`broker.parts` gives {wanted}")),
    })?;
    let by_parts = matches!(pool.source.url, UrlSource::Parts(_));
    let local = |host: &str, by_parts: bool| {
        one_word_service(host, namespace).or_else(|| parts::qualified_service(host, namespace).filter(|_| by_parts))
    };
    let management = match (&pool.source.management, &texts.management) {
        (Some(source), Some(text)) => {
            let mut management = management(&addresses, source, text)?;
            // One without a password of its own gets the broker's, and is at the broker's host.
            let plain = matches!(source, Text::Plain(_));
            if let Some(host) = local(&management.host, by_parts && plain) {
                management.host = host;
            }
            Some(management)
        }
        _ => None,
    };
    for address in &mut addresses {
        complete(address, pool, texts)?;
        address.management.clone_from(&management);
        if let Some(host) = local(&address.host, by_parts) {
            if let Some(tls) = &mut address.tls {
                // The certificate has the name that the application uses.
                tls.server_name.get_or_insert_with(|| address.host.clone());
            }
            address.host = host;
        }
    }
    Ok(addresses)
}

/// Addresses of a pool that says them itself; `None`: it refers to a Secret or a ConfigMap for them, and only the cluster
/// knows.
pub fn plain(pool: &Pool, namespace: &str) -> Option<Result<Vec<Address>, Problem>> {
    let own = |text: &Text| match text {
        Text::Plain(text) => Some(Secret::new(text.clone())),
        Text::From(_) => None,
    };
    let url = match &pool.source.url {
        UrlSource::Whole(text) => own(text)?,
        UrlSource::Parts(spec) => match plain_url(spec, namespace)? {
            Ok(url) => url,
            Err(problem) => return Some(Err(problem)),
        },
    };
    let management = match &pool.source.management {
        Some(text) => Some(own(text)?),
        None => None,
    };
    // Certificates change nothing of the address.
    let texts = Texts {
        url,
        ca: None,
        identity: None,
        management,
    };
    Some(addresses(pool, namespace, &texts))
}

/// URL from parts that are all in the spec.
fn plain_url(spec: &Parts, namespace: &str) -> Option<Result<Secret, Problem>> {
    let own = |text: &Text| match text {
        Text::Plain(text) => Some(Secret::new(text.clone())),
        Text::From(_) => None,
    };
    let perhaps = |text: &Option<Text>| match text {
        Some(text) => own(text).map(Some),
        None => Some(None),
    };
    if spec.password.is_some() {
        return None;
    }
    let texts = PartTexts {
        host: own(&spec.host)?,
        port: perhaps(&spec.port)?,
        path: perhaps(&spec.path)?,
        user: perhaps(&spec.user)?,
        password: None,
        hosts: BTreeMap::new(),
    };
    Some(parts::url_of_parts(spec, &texts, namespace))
}

/// Adds what the URL cannot say, if it is compatible.
fn complete(address: &mut Address, pool: &Pool, texts: &Texts) -> Result<(), Problem> {
    if let Some(tls) = &mut address.tls {
        *tls = broker::Tls {
            ca: texts.ca.clone(),
            identity: texts.identity.clone(),
            server_name: pool.source.server_name.clone(),
        };
    }
    match address.kind {
        Kind::Redis { .. } if texts.management.is_some() => Err(Problem::invalid(
            "`broker.management` must not be set with Redis: it is RabbitMQ's management API",
        )),
        Kind::RabbitMq { .. } if !pool.app.framework.rabbitmq => Err(Problem::invalid(format!(
            "`broker` must be Redis with `framework: {}`",
            pool.app.framework.name
        ))),
        Kind::RabbitMq { .. } if !pool.app.key_prefix.is_empty() => Err(Problem::invalid(
            "`broker.keyPrefix` must not be set with RabbitMQ: it is a prefix of Redis keys",
        )),
        _ => Ok(()),
    }
}

/// Host name of one word as a Service in the pool's namespace, as it is for the application's own pods; the operator's
/// pod is in another namespace.
fn one_word_service(host: &str, namespace: &str) -> Option<String> {
    let word = !host.contains(['.', ':']) && host != "localhost";
    word.then(|| format!("{host}.{namespace}.svc"))
}

/// Management URL with its own credentials, or a plain one that gets the broker's. The author of the plain one may not
/// be allowed to read the password: it is sent to the broker's host only, and unencrypted only if the broker gets it
/// so.
fn management(addresses: &[Address], source: &Text, text: &Secret) -> Result<broker::Management, Problem> {
    let Text::Plain(_) = source else {
        return url::management(text.expose()).map_err(|error| refused("broker.management", MANAGEMENT, source, error));
    };
    let at = |address: &Address| {
        let user = address.user.clone().unwrap_or_else(|| "guest".into());
        let password = address.password.clone().unwrap_or_else(|| Secret::new("guest"));
        url::management_as(text.expose(), user, password)
            .map_err(|error| refused("broker.management", MANAGEMENT, source, error))
    };
    let mut in_clear = false;
    for address in addresses {
        let management = at(address)?;
        let same = management.host == address.host;
        if same && (management.https || address.tls.is_none()) {
            return Ok(management);
        }
        in_clear |= same;
    }
    let why = match in_clear {
        true => "the broker's password is not sent in clear where the broker itself gets it encrypted: use https://",
        false => "the broker's password goes to the broker's host only",
    };
    Err(Problem::invalid(format!(
        "`broker.management`: {why}, or put a URL with its own user and password in a Secret and use `urlFrom`"
    )))
}

const MANAGEMENT: &str =
    "no management URL: it must be http:// or https://, user:password@host:port, and perhaps a path";

/// Problem with a text. For a text in a Secret it is always the same: the author of a pool may not be allowed to read
/// it, and must not learn what it looks like.
fn refused(field: &str, wanted: &str, text: &Text, error: UrlError) -> Problem {
    Problem::invalid(match text {
        Text::Plain(_) => format!("`{field}.url`: {error}"),
        Text::From(from) if from.secret_key_ref.is_some() => {
            format!(
                "the value that `{field}.urlFrom` names ({}) is {wanted}, with each of / : @ # ? ; % in the user or the \
                 password percent-encoded",
                describe(from)
            )
        }
        Text::From(from) => format!("the value that `{field}.urlFrom` names ({}): {error}", describe(from)),
    })
}

/// Reference as text for a person.
pub fn describe(from: &api::ValueFrom) -> String {
    let (key, object) = named(from);
    format!("key `{key}` of {object}")
}

/// Key of a reference, and its object as text for a person.
pub fn named(from: &api::ValueFrom) -> (&str, String) {
    match (&from.secret_key_ref, &from.config_map_key_ref) {
        (Some(secret), _) => (&secret.key, format!("Secret `{}`", secret.name)),
        (None, Some(map)) => (&map.key, format!("ConfigMap `{}`", map.name)),
        (None, None) => ("", "no object".into()),
    }
}
