//! Trigger `rabbitmq`.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::{
    address::{self, FoundParts},
    draft::Draft,
    fields::Fields,
    source::{Source, Sourced, Sources},
    trigger::{Counted, activation, backlog, is_on, login, tls},
};
use crate::cli::broker_url::{self, UrlParts};

/// Target that KEDA takes where none is set.
const USUAL: &str = "20";

/// Parameters that only say how KEDA asks, each with what is so here.
const MANNERS: [(&str, &str); 5] = [
    (
        "pageSize",
        "no pages are read: the workers name the queues; leave it out",
    ),
    ("operation", "a pool adds its queues up; leave it out"),
    ("timeout", "each question has the operator's own deadline; leave it out"),
    (
        "metricName",
        "a pool has metrics of its own, `twp_pool_…`; leave it out",
    ),
    (
        "workloadIdentityResource",
        "a pool has a user and a password, or a client certificate: set `broker.parts`",
    ),
];

/// Parameters of OAuth.
const OAUTH: [&str; 5] = ["oauthTokenURI", "clientID", "clientSecret", "scopes", "endpointParams"];

pub(super) fn queue(sources: &mut Sources, fields: &mut Fields, draft: &mut Draft) -> Option<Counted> {
    let name = sources.at("queueName");
    let Some(queue) = fields.text(&name) else {
        draft.missing(&name, "", "the trigger names no queue: set `queues` yourself");
        return None;
    };
    let regex = sources.take(fields, "useRegex");
    let pattern = is_on(&regex);
    match pattern {
        true => draft.changed(
            &name,
            "queuesFrom",
            "a pool has no patterns: the workers say which queues they consume; to count just some, list them in `queues`",
        ),
        false => draft.kept(&name, "queues"),
    }
    if let Some(Sourced { field, .. }) = regex {
        draft.changed(
            &field,
            if pattern { "queuesFrom" } else { "queues" },
            "a pool has exact names, or those that the workers name",
        );
    }
    activation(sources, "activationValue", fields, draft);
    let backlog = target(sources, fields, draft);
    manners(sources, fields, draft);
    Some(Counted {
        path: sources.path.clone(),
        broker: broker(sources, fields, draft),
        queue: (!pattern).then_some(queue),
        framework: "Celery",
        backlog,
    })
}

fn target(sources: &mut Sources, fields: &mut Fields, draft: &mut Draft) -> Option<i64> {
    let (mode, value, old) = (sources.at("mode"), sources.at("value"), sources.at("queueLength"));
    let by_rate = match fields.text(&mode) {
        Some(text) if text == "QueueLength" => {
            draft.kept(&mode, "target.backlogPerReplica");
            false
        }
        Some(text) => {
            draft.dropped(
                &mode,
                format!(
                    "`{text}` is about rates, which a pool learns by itself: the wait target takes its place, 60 s unless \
                     `target.waitSeconds` says otherwise"
                ),
            );
            true
        }
        None => false,
    };
    let found = [value.clone(), old].map(|field| fields.text(&field).map(|text| (field, text)));
    let found: Vec<_> = found.into_iter().flatten().collect();
    if by_rate {
        for (field, _) in found {
            draft.dropped(
                &field,
                "it is the number of that mode: set `target.waitSeconds` instead",
            );
        }
        return None;
    }
    let usual = [(value, USUAL.to_owned())];
    let all = if found.is_empty() { &usual[..] } else { &found[..] };
    all.iter().filter_map(|(field, text)| backlog(field, text, draft)).min()
}

fn manners(sources: &mut Sources, fields: &mut Fields, draft: &mut Draft) {
    for (name, why) in MANNERS {
        if let Some(Sourced { field, .. }) = sources.take(fields, name) {
            draft.dropped(&field, why);
        }
    }
    for name in OAUTH {
        if let Some(Sourced { field, .. }) = sources.take(fields, name) {
            draft.dropped(
                &field,
                "OAuth is not supported: give the operator a user of its own, in `broker.parts`",
            );
        }
    }
    let unacknowledged = sources.take(fields, "excludeUnacknowledged");
    if let Some(found) = unacknowledged {
        let field = found.field.clone();
        match is_on(&Some(found)) {
            true => draft.dropped(
                &field,
                "a pool always knows the tasks that are delivered and not finished: a worker that holds one is not removed",
            ),
            false => draft.kept(&field, ""),
        }
    }
}

fn broker(sources: &mut Sources, fields: &mut Fields, draft: &mut Draft) -> Value {
    let (encrypted, settings) = tls(sources, fields, draft);
    let login = login(sources, fields);
    let vhost = sources.take(fields, "vhostName");
    let protocol = sources.take(fields, "protocol");
    let by_http = matches!(&protocol, Some(Sourced { source: Source::Plain(text), .. }) if text == "http");
    let host = sources.take(fields, "host");
    let mut broker = match host {
        Some(Sourced {
            field,
            source: Source::Plain(text),
        }) => match broker_url::url(&text) {
            Some(parts) => by_parts(sources, field, parts, (encrypted, login, vhost), draft),
            None => address::elsewhere(sources, &field, "it is no URL", draft),
        },
        Some(Sourced {
            field,
            source: Source::From(from),
        }) => {
            for Sourced { field, .. } in [login.0, login.1, vhost].into_iter().flatten() {
                draft.missing(
                    &field,
                    "broker",
                    "it goes before what the URL says, and a pool cannot mix the two: put it into the URL, or set `broker.parts`",
                );
            }
            by_reference(sources, &field, &from, by_http, draft)
        }
        Some(Sourced {
            field,
            source: Source::Unknown(why),
        }) => address::elsewhere(sources, &field, &why, draft),
        None => address::elsewhere(
            sources,
            &sources.path.clone(),
            "the trigger does not say where RabbitMQ is",
            draft,
        ),
    };
    if let Some(Sourced { field, source }) = protocol {
        match source {
            Source::Plain(text) if text == "http" => draft.changed(
                &field,
                "broker.management",
                "a pool reads queues by AMQP, at once, and by the management API only what is delivered and not finished",
            ),
            _ => draft.kept(&field, "broker"),
        }
    }
    if let Some(settings) = settings {
        broker["tls"] = settings;
    }
    broker
}

/// URL in a Secret, a ConfigMap or the environment.
fn by_reference(sources: &Sources, field: &str, from: &Value, by_http: bool, draft: &mut Draft) -> Value {
    if by_http {
        let mut broker = address::elsewhere(
            sources,
            field,
            "the key holds the management URL, and a pool needs the broker's own, amqp://…",
            draft,
        );
        broker["management"] = json!({"urlFrom": from});
        return broker;
    }
    draft.changed(
        field,
        "broker.urlFrom",
        "kept, if the key holds an amqp:// URL; if it holds an http:// one, name it in `broker.management.urlFrom`, and the \
         application's own here",
    );
    json!({"urlFrom": from})
}

type Login = (Option<Sourced>, Option<Sourced>);

/// URL in the trigger itself.
fn by_parts(
    sources: &Sources,
    field: String,
    parts: UrlParts,
    (encrypted, (user, password), vhost): (bool, Login, Option<Sourced>),
    draft: &mut Draft,
) -> Value {
    let plain = |text: String| Sourced {
        field: field.clone(),
        source: Source::Plain(text),
    };
    let http = parts.scheme.starts_with("http");
    let secure = encrypted || ["amqps", "https"].contains(&parts.scheme.as_str());
    if parts.password.is_some() && password.is_none() {
        draft.missing(
            &field,
            "broker",
            "the URL carries a password, and a pool takes one from a Secret alone: put it into a Secret, and set \
             `broker.parts.passwordFrom`",
        );
    }
    // Of a management URL the last part of the path is the virtual host.
    let path = match (http, parts.path) {
        (true, Some(path)) => path
            .rsplit('/')
            .next()
            .map(str::to_owned)
            .filter(|path| !path.is_empty()),
        (_, path) => path,
    };
    let found = FoundParts {
        scheme: if secure { "amqps" } else { "amqp" },
        host: Some(plain(parts.host.clone())),
        port: parts.port.clone().filter(|_| !http).map(plain),
        path: vhost.or(path.map(plain)),
        user: user.or(parts.user.map(plain)),
        password,
    };
    let broker = address::broker(found, draft);
    let mut broker = broker.unwrap_or_else(|| address::elsewhere(sources, &field, "the host is not known", draft));
    if http {
        let port = parts.port.map(|port| format!(":{port}")).unwrap_or_default();
        broker["management"] = json!({"url": format!("{}://{}{port}", parts.scheme, parts.host)});
        draft.changed(
            &field,
            "broker",
            "it is the management URL: the broker is taken to be at the same host, with AMQP's usual port",
        );
    }
    broker
}
