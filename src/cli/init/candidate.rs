//! Variables that may say where the broker is, and which of them does.
#![deny(clippy::disallowed_methods)]

use super::{
    Stop,
    env::{Environment, Piece, known},
    world::World,
};
use crate::cli::{broker_url, manifest::Object, workload::Worker};

/// Kind of broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Redis,
    RabbitMq,
}

/// Place that may say where the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// How well it fits: the lowest is the best.
    rank: u8,
    /// Name of the variable, or of the option.
    pub(super) name: String,
    pub(super) kind: Option<Kind>,
    pub(super) form: Form,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole URL.
    Url(Vec<Piece>),
    /// Variables that begin with this.
    Parts(String),
}

/// Words in the names of variables about another use of a broker.
const OTHER_USES: [&str; 20] = [
    "RESULT",
    "RESULTS",
    "BACKEND",
    "CACHE",
    "CACHES",
    "CACHING",
    "SESSION",
    "SESSIONS",
    "CHANNEL",
    "CHANNELS",
    "LOCK",
    "LIMITER",
    "THROTTLE",
    "WEBSOCKET",
    "API",
    "MANAGEMENT",
    "SENTINEL",
    "REPLICA",
    "READONLY",
    "METRICS",
];

const REDIS: [&str; 4] = ["REDIS", "VALKEY", "REDISCLOUD", "KEYDB"];
const RABBITMQ: [&str; 5] = ["RABBITMQ", "RABBIT", "AMQP", "RMQ", "CLOUDAMQP"];

/// Words of a name.
pub(super) fn words(name: &str) -> Vec<String> {
    let words = name.split('_').filter(|word| !word.is_empty());
    words.map(str::to_ascii_uppercase).collect()
}

pub(super) fn has(words: &[String], any: &[&str]) -> bool {
    words.iter().any(|word| any.contains(&word.as_str()))
}

/// Kind of broker that the words of a name speak of.
pub(super) fn kind_of(words: &[String]) -> Option<Kind> {
    match (has(words, &REDIS), has(words, &RABBITMQ)) {
        (true, false) => Some(Kind::Redis),
        (false, true) => Some(Kind::RabbitMq),
        _ => None,
    }
}

/// Whether a name is about another use of a broker.
pub(super) fn is_other_use(words: &[String]) -> bool {
    has(words, &OTHER_USES)
}

/// Kind of broker by a URL's scheme.
fn by_scheme(scheme: &str) -> Option<Kind> {
    match scheme {
        "amqp" | "amqps" | "pyamqp" => Some(Kind::RabbitMq),
        "redis" | "rediss" | "sentinel" => Some(Kind::Redis),
        _ => None,
    }
}

/// Words in the names of the framework's own variables.
fn own_words(framework: &str) -> &'static [&'static str] {
    match framework {
        "RQ" => &["RQ"],
        "Taskiq" => &["TASKIQ", "BROKER"],
        _ => &["BROKER"],
    }
}

/// The variable that says where the broker is; `None`: none does.
pub(super) fn chosen(
    worker: &Worker,
    environment: &Environment,
    object: &Object,
    world: &World,
    wished: Option<&str>,
) -> Result<Option<Candidate>, Stop> {
    if let Some(name) = wished {
        return by_name(name, environment).map(Some);
    }
    if let Some(text) = &worker.broker {
        return Ok(Some(Candidate {
            rank: 0,
            name: "its command's own URL".to_owned(),
            kind: None,
            form: Form::Url(environment.filled(text, true)),
        }));
    }
    let mut all = urls(worker.framework, environment, object, world);
    all.extend(parts(worker.framework, environment));
    if worker.framework != "Celery" {
        all.retain(|one| one.kind != Some(Kind::RabbitMq));
    }
    all.sort_by_key(|one| one.rank);
    let Some(best) = all.first().cloned() else {
        return Ok(None);
    };
    // Of variables that are not named after a broker another kind is as good.
    let is_rival = |one: &&Candidate| {
        let same_kind = one.kind == best.kind;
        one.form != best.form && (one.rank == best.rank || (best.rank >= 4 && !same_kind))
    };
    let rivals: Vec<_> = all
        .iter()
        .filter(is_rival)
        .map(|one| format!("`{}`", one.name))
        .collect();
    match rivals.is_empty() {
        true => Ok(Some(best)),
        false => Err(Stop::Asks(format!(
            "several variables may say where the broker is: `{}`, {}: name the one that the worker uses with `--broker-env`",
            best.name,
            rivals.join(", ")
        ))),
    }
}

fn by_name(name: &str, environment: &Environment) -> Result<Candidate, Stop> {
    let form = match (
        environment.get(name),
        name.strip_suffix("_HOST").or(name.strip_suffix("_HOSTNAME")),
    ) {
        (Some(_), Some(prefix)) => Form::Parts(prefix.to_owned()),
        (Some(pieces), None) => Form::Url(pieces.to_vec()),
        (None, _) => match environment.presumed(name) {
            Some(key) => Form::Url(vec![Piece::Key(key)]),
            None => {
                let names: Vec<_> = environment.names().map(|name| format!("`{name}`")).collect();
                return Err(Stop::Asks(format!(
                    "`--broker-env {name}`: the container has no such variable; it has {}",
                    if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.join(", ")
                    }
                )));
            }
        },
    };
    Ok(Candidate {
        rank: 0,
        name: name.to_owned(),
        kind: kind_of(&words(name)),
        form,
    })
}

/// Variables that hold a whole URL.
fn urls(framework: &str, environment: &Environment, object: &Object, world: &World) -> Vec<Candidate> {
    let own = own_words(framework);
    let of = |name: &str| {
        let words = words(name);
        let last = words.last().map(String::as_str).unwrap_or_default();
        let is_url = ["URL", "URI", "DSN"].contains(&last);
        let rank = match name {
            "CELERY_BROKER_URL" | "BROKER_URL" if framework == "Celery" => 1,
            "RQ_REDIS_URL" | "RQ_URL" if framework == "RQ" => 1,
            "TASKIQ_BROKER_URL" | "TASKIQ_REDIS_URL" if framework == "Taskiq" => 1,
            _ if is_other_use(&words) => return None,
            _ if has(&words, own) && (is_url || last == "BROKER" || name.ends_with("CONNECTION_STRING")) => 2,
            _ if is_url && kind_of(&words).is_some() => 4,
            _ => return None,
        };
        let pieces = environment.get(name)?;
        let text = known(pieces);
        // A variable `…_BROKER` may be a name and no URL.
        if text.as_deref().is_some_and(|text| !text.contains("://")) || pieces.is_empty() {
            return None;
        }
        let scheme = scheme(pieces, text.as_deref(), object, world);
        Some(Candidate {
            rank,
            name: name.to_owned(),
            kind: scheme.as_deref().and_then(by_scheme).or_else(|| kind_of(&words)),
            form: Form::Url(pieces.to_vec()),
        })
    };
    environment.names().filter_map(of).collect()
}

fn scheme(pieces: &[Piece], text: Option<&str>, object: &Object, world: &World) -> Option<String> {
    let begin = match pieces.first() {
        Some(Piece::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let written = text.or(begin).and_then(|text| text.split_once("://"));
    let written = written.map(|(scheme, _)| scheme.to_ascii_lowercase());
    written.or_else(|| peek(pieces, object, world).map(str::to_owned))
}

/// Scheme of the URL in a Secret's key, if it was looked at.
pub(super) fn peek<'a>(pieces: &[Piece], object: &Object, world: &'a World) -> Option<&'a str> {
    let [Piece::Key(key)] = pieces else { return None };
    world
        .secret(object, &key.object)?
        .as_ref()
        .ok()?
        .get(&key.key)?
        .as_deref()
}

/// Groups of variables that hold its parts.
fn parts(framework: &str, environment: &Environment) -> Vec<Candidate> {
    let own = own_words(framework);
    let of = |name: &str| {
        let prefix = name.strip_suffix("_HOST").or_else(|| name.strip_suffix("_HOSTNAME"))?;
        let words = words(prefix);
        let kind = kind_of(&words).or_else(|| kind_by_scheme(prefix, environment));
        // What Kubernetes itself says of Services is no setting.
        let is_setting = !is_other_use(&words) && words.last().is_none_or(|word| word != "SERVICE");
        let is_own = has(&words, own);
        (is_setting && (is_own || kind.is_some())).then(|| Candidate {
            rank: if is_own { 3 } else { 5 },
            name: name.to_owned(),
            kind,
            form: Form::Parts(prefix.to_owned()),
        })
    };
    environment.names().filter_map(of).collect()
}

/// Value of the first of the variables with a prefix that is there.
pub(super) fn first<'a>(environment: &'a Environment, prefix: &str, endings: &[&str]) -> Option<(String, &'a [Piece])> {
    endings.iter().find_map(|ending| {
        let name = format!("{prefix}_{ending}");
        let pieces = environment.get(&name)?;
        Some((name, pieces)).filter(|(_, pieces)| !pieces.is_empty())
    })
}

/// Endings of variables that say the scheme.
pub(super) const SCHEME: [&str; 5] = ["SCHEME", "PROTO", "PROTOCOL", "TRANSPORT", "TYPE"];

fn kind_by_scheme(prefix: &str, environment: &Environment) -> Option<Kind> {
    let said = first(environment, prefix, &SCHEME).and_then(|(_, pieces)| known(pieces));
    let scheme = said.map(|text| text.trim_end_matches("://").to_ascii_lowercase());
    let port = first(environment, prefix, &["PORT"]).and_then(|(_, pieces)| known(pieces));
    scheme.as_deref().and_then(by_scheme).or(match port.as_deref() {
        Some("6379" | "6380") => Some(Kind::Redis),
        Some("5672" | "5671") => Some(Kind::RabbitMq),
        _ => None,
    })
}

/// Host and port in one value.
pub(super) fn split_host(text: &str) -> (String, Option<String>) {
    let (host, port) = broker_url::host_and_port(text);
    (host.to_owned(), port.map(str::to_owned))
}

/// Whether a variable of this name may hold a broker's URL.
pub(super) fn may_be_url(name: &str) -> bool {
    let words = words(name);
    let last = words.last().map(String::as_str).unwrap_or_default();
    let is_url = ["URL", "URI", "DSN", "BROKER"].contains(&last) || name.ends_with("CONNECTION_STRING");
    is_url && !is_other_use(&words)
}
