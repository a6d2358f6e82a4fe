//! `spec.broker` from what a variable says: a reference, a plain URL, or parts.
#![deny(clippy::disallowed_methods)]

use serde_json::{Map, Value, json};

use super::{
    Stop,
    candidate::{Candidate, Form, Kind, SCHEME, first, peek, split_host},
    env::{Environment, KeyOf, Piece, known},
    proposal::Proposal,
    world::World,
};
use crate::cli::{broker_url, manifest::Object};

/// First of the characters that stand for references while a URL is taken apart.
const MARK: u32 = 0xE000;

/// Why there is no pool for a broker behind Sentinel.
pub(super) const SENTINEL: &str =
    "the operator does not read it; have the workers use a Service, or a proxy, that leads to the master";

/// All that is asked for an address.
pub(super) struct Asked<'a> {
    pub(super) framework: &'static str,
    pub(super) environment: &'a Environment,
    pub(super) object: &'a Object,
    pub(super) world: &'a World,
}

/// Writes the broker.
pub(super) fn write(candidate: Option<&Candidate>, asked: &Asked, to: &mut Proposal) -> Result<(), Stop> {
    let Some(candidate) = candidate else {
        unknown(asked, to);
        return Ok(());
    };
    match &candidate.form {
        Form::Url(pieces) => url(&candidate.name, pieces, asked, to),
        Form::Parts(prefix) => by_parts(prefix, candidate, asked, to),
    }
}

/// Nothing says it: a line to fill in.
fn unknown(asked: &Asked, to: &mut Proposal) {
    let unknown = asked.environment.unknown.first();
    let key = if asked.framework == "Celery" {
        "CELERY_BROKER_URL"
    } else {
        "REDIS_URL"
    };
    match unknown {
        Some(whole) => {
            let kind = if whole.is_secret {
                "secretKeyRef"
            } else {
                "configMapKeyRef"
            };
            let word = if whole.is_secret { "Secret" } else { "ConfigMap" };
            let why = whole
                .why
                .clone()
                .unwrap_or_else(|| format!("{word} `{}` is not among the manifests", whole.object));
            to.broker(json!({"urlFrom": {kind: {"name": whole.object, "key": key}}}));
            to.todo(
                "broker",
                format!(
                    "the container takes all of {word} `{}`, and its keys are not known: {why}; put in the key that holds the \
                     broker's URL",
                    whole.object
                ),
            );
        }
        None => to.broker_in_secret("no variable of the container says where the broker is"),
    }
}

fn url(name: &str, pieces: &[Piece], asked: &Asked, to: &mut Proposal) -> Result<(), Stop> {
    match pieces {
        [Piece::Key(key)] => {
            let said = peek(pieces, asked.object, asked.world).map(str::to_owned);
            let said = said.or_else(|| scheme_of(key.known.as_deref()?));
            if let Some(scheme) = &said {
                judged(scheme, asked.framework)?;
            }
            to.broker(json!({"urlFrom": key.reference()}));
            to.note("broker", format!("variable `{name}`, from {}", key.told()));
            missing_key(name, key, asked, to);
            Ok(())
        }
        _ if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) => {
            plain(name, &known(pieces).unwrap_or_default(), asked, to)
        }
        _ if pieces.contains(&Piece::Other) => {
            to.broker_in_secret(&format!(
                "variable `{name}` comes from neither a Secret nor a ConfigMap"
            ));
            Ok(())
        }
        _ => composed(name, pieces, asked, to),
    }
}

/// What is known of the Secret that a reference names, where it does not hold what is wished.
fn missing_key(name: &str, key: &KeyOf, asked: &Asked, to: &mut Proposal) {
    match asked.world.secret(asked.object, &key.object).filter(|_| key.is_secret) {
        Some(Ok(keys)) if !keys.contains_key(&key.key) => {
            to.todo(
                "broker",
                format!("variable `{name}` refers to {}, which is not there", key.told()),
            );
        }
        Some(Err(why)) => to.note(
            "broker",
            format!(
                "{why}: see that {} holds a whole URL with one of the schemes redis, rediss, amqp, amqps",
                key.told()
            ),
        ),
        _ => {}
    }
}

fn scheme_of(text: &str) -> Option<String> {
    text.split_once("://")
        .map(|(scheme, _)| scheme.trim().to_ascii_lowercase())
}

/// Whether a pool counts there.
fn judged(scheme: &str, framework: &str) -> Result<(), Stop> {
    match scheme {
        "redis" | "rediss" => Ok(()),
        "amqp" | "amqps" | "pyamqp" if framework == "Celery" => Ok(()),
        "amqp" | "amqps" | "pyamqp" => Err(Stop::Refused(format!(
            "{framework} on RabbitMQ (`{scheme}://`) is not counted: pools with this framework are for Redis"
        ))),
        "sentinel" => Err(Stop::Refused(format!(
            "the broker's scheme is `sentinel://`: {SENTINEL}"
        ))),
        other => Err(Stop::Refused(format!(
            "the broker's scheme is `{other}://`: a pool counts in Redis (redis, rediss) and RabbitMQ (amqp, amqps) alone"
        ))),
    }
}

/// URL that stands in the manifest.
fn plain(name: &str, text: &str, asked: &Asked, to: &mut Proposal) -> Result<(), Stop> {
    if let Some(scheme) = scheme_of(text) {
        judged(&scheme, asked.framework)?;
    }
    let carries = |one: &str| {
        let query = one.split_once('?').map(|(_, query)| query.to_ascii_lowercase());
        broker_url::url(one).is_none_or(|parts| parts.password.is_some())
            || query
                .is_some_and(|query| query.contains("password") || query.contains("secret") || query.contains("token"))
    };
    let carries = text.split(';').any(carries);
    if carries {
        to.broker_in_secret(&format!(
            "variable `{name}` has the whole URL in clear, and a pool takes a password from a Secret alone"
        ));
    } else {
        to.broker(json!({"url": text}));
        to.note("broker", format!("variable `{name}`"));
    }
    Ok(())
}

/// URL that Kubernetes puts together from references: its parts.
fn composed(name: &str, pieces: &[Piece], asked: &Asked, to: &mut Proposal) -> Result<(), Stop> {
    let mut keys: Vec<&KeyOf> = Vec::new();
    let text: String = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Key(key) => {
                keys.push(key);
                let mark = u32::try_from(keys.len() - 1).unwrap_or_default();
                char::from_u32(MARK + mark).map(String::from).unwrap_or_default()
            }
            Piece::Other => String::new(),
        })
        .collect();
    let back = |text: String| -> Vec<Piece> {
        let mut pieces = Vec::new();
        for c in text.chars() {
            let key = u32::from(c)
                .checked_sub(MARK)
                .and_then(|at| keys.get(usize::try_from(at).ok()?));
            match (key, pieces.last_mut()) {
                (Some(key), _) => pieces.push(Piece::Key((*key).clone())),
                (None, Some(Piece::Text(text))) => text.push(c),
                (None, _) => pieces.push(Piece::Text(c.to_string())),
            }
        }
        pieces
    };
    let Some(parts) = broker_url::url(&text) else {
        to.broker_in_secret(&format!(
            "variable `{name}` is put together from others, and is no URL in the end"
        ));
        return Ok(());
    };
    let Some(scheme) = known(&back(parts.scheme)) else {
        to.broker_in_secret(&format!("variable `{name}` takes its scheme from a Secret"));
        return Ok(());
    };
    judged(&scheme, asked.framework)?;
    let scheme = if scheme == "pyamqp" { "amqp".to_owned() } else { scheme };
    let path = if scheme.starts_with("redis") {
        "database"
    } else {
        "virtualHost"
    };
    let said = |text: Option<String>| text.map(|text| (format!("variable `{name}`"), back(text)));
    let found = [
        ("host", said(Some(parts.host))),
        ("port", said(parts.port)),
        (path, said(parts.path)),
        ("user", said(parts.user)),
        ("password", said(parts.password)),
    ];
    to.note(
        "broker",
        format!("variable `{name}`, which Kubernetes puts together from references: so are the parts"),
    );
    if text.contains('?') {
        to.note(
            "broker",
            "what the URL has after its `?` is left out: see whether `celery` or `broker.tls` has a field for it"
                .to_owned(),
        );
    }
    put(&scheme, found, to);
    Ok(())
}

/// Truths of a switch.
pub(super) fn is_on(text: &str) -> bool {
    ["1", "true", "yes", "on", "required"].contains(&text.trim().to_ascii_lowercase().as_str())
}

/// Parts in variables of their own.
fn by_parts(prefix: &str, candidate: &Candidate, asked: &Asked, to: &mut Proposal) -> Result<(), Stop> {
    let environment = asked.environment;
    let get = |endings: &[&str]| {
        let found = first(environment, prefix, endings)?;
        Some((format!("variable `{}`", found.0), found.1.to_vec()))
    };
    let named = |part: Option<Part>| part.and_then(|(_, pieces)| known(&pieces));
    let said = named(get(&SCHEME)).map(|text| text.trim_end_matches("://").to_ascii_lowercase());
    let said = said.filter(|text| ["redis", "rediss", "amqp", "amqps", "pyamqp", "sentinel"].contains(&text.as_str()));
    if let Some(scheme) = &said {
        judged(scheme, asked.framework)?;
    }
    let is_redis = match (&said, &candidate.kind) {
        (Some(scheme), _) => scheme.starts_with("redis"),
        (None, Some(kind)) => *kind == Kind::Redis,
        (None, None) => {
            return Err(Stop::Asks(format!(
                "the variables `{prefix}_…` do not say whether the broker is Redis or RabbitMQ: name the variable that holds its \
                 URL with `--broker-env`, or write `broker` yourself"
            )));
        }
    };
    judged(if is_redis { "redis" } else { "amqp" }, asked.framework)?;
    let encrypted = said
        .as_deref()
        .is_some_and(|scheme| scheme.ends_with('s') && scheme != "redis")
        || named(get(&["SSL", "TLS", "USE_SSL", "USE_TLS", "SSL_ENABLED", "TLS_ENABLED"]))
            .is_some_and(|text| is_on(&text));
    let scheme = match (is_redis, encrypted) {
        (true, false) => "redis",
        (true, true) => "rediss",
        (false, false) => "amqp",
        (false, true) => "amqps",
    };
    let mut host = get(&["HOST", "HOSTNAME"]);
    let mut port = get(&["PORT"]);
    // Some write both in one.
    if let Some((by, pieces)) = &host
        && let Some(text) = known(pieces).filter(|text| text.contains(':') && port.is_none())
    {
        let (name, number) = split_host(&text);
        let by = by.clone();
        port = number.map(|number| (by.clone(), vec![Piece::Text(number)]));
        host = Some((by, vec![Piece::Text(name)]));
    }
    let path = match is_redis {
        true => (
            "database",
            get(&[
                "CELERY_DB",
                "BROKER_DB",
                "DB_CELERY",
                "DB_BROKER",
                "DB_NUMBER_CELERY",
                "DB_NUMBER_BROKER",
                "DB",
                "DATABASE",
                "DB_NUMBER",
                "DB_INDEX",
            ]),
        ),
        false => ("virtualHost", get(&["VHOST", "VIRTUAL_HOST", "VIRTUALHOST"])),
    };
    let found = [
        ("host", host),
        ("port", port),
        path,
        ("user", get(&["USER", "USERNAME", "LOGIN", "DEFAULT_USER"])),
        ("password", get(&["PASSWORD", "PASS", "PWD", "AUTH", "DEFAULT_PASS"])),
    ];
    let names: Vec<_> = found
        .iter()
        .filter_map(|(_, part)| Some(part.as_ref()?.0.trim_start_matches("variable ").to_owned()))
        .collect();
    to.note(
        "broker",
        format!(
            "variables {}, which the application is taken to join to its broker's URL",
            names.join(", ")
        ),
    );
    put(scheme, found, to);
    Ok(())
}

/// Value of a part, and where it stands.
type Part = (String, Vec<Piece>);

/// Writes parts, each as text or as a reference.
fn put<const N: usize>(scheme: &str, found: [(&str, Option<Part>); N], to: &mut Proposal) {
    let mut broker = Map::new();
    broker.insert("scheme".into(), scheme.into());
    let mut host = None;
    let mut todo = Vec::new();
    for (name, part) in found {
        let Some((by, pieces)) = part.filter(|(_, pieces)| known(pieces).is_none_or(|text| !text.is_empty())) else {
            continue;
        };
        let field = format!("broker.parts.{name}");
        match (pieces.as_slice(), known(&pieces)) {
            ([Piece::Key(key)], text) => {
                if name == "host" {
                    host = text;
                }
                drop(broker.insert(format!("{name}From"), key.reference()));
            }
            (_, Some(_)) if name == "password" => {
                todo.push(format!(
                    "{by} has the password in clear, and a pool takes one from a Secret alone: set `{field}From`"
                ));
            }
            (_, Some(text)) if ["port", "database"].contains(&name) => match text.trim().parse::<u32>() {
                Ok(number) => drop(broker.insert(name.into(), number.into())),
                Err(_) => todo.push(format!("{by} is no number: set `{field}`")),
            },
            (_, Some(text)) => {
                if name == "host" {
                    host = Some(text.clone());
                }
                drop(broker.insert(name.into(), text.into()));
            }
            (_, None) => todo.push(format!(
                "{by} is put together from several, or comes from elsewhere: set `{field}` or `{field}From`"
            )),
        }
    }
    if !broker.contains_key("host") && !broker.contains_key("hostFrom") {
        return to.broker_in_secret("the broker's host cannot be said by a reference");
    }
    let namespace = to.namespace();
    let sent = host.and_then(|host| broker_url::not_sent(&host, &broker, namespace.as_deref()));
    to.broker(json!({"parts": Value::Object(broker)}));
    todo.extend(sent);
    todo.into_iter().for_each(|text| to.todo("broker", text));
}
