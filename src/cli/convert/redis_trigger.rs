//! Triggers `redis` and `redis-streams`.
#![deny(clippy::disallowed_methods)]

use super::{
    address::{self, FoundParts},
    draft::Draft,
    fields::Fields,
    source::{Source, Sourced, Sources},
    trigger::{Counted, activation, backlog, login, tls},
};
use crate::cli::broker_url;

/// Target that KEDA takes where none is set.
const USUAL: &str = "5";

/// Consumer group that a pool counts.
const GROUP: &str = "taskiq";

/// Trigger of one list.
pub(super) fn list(sources: &mut Sources, fields: &mut Fields, draft: &mut Draft) -> Option<Counted> {
    let name = sources.at("listName");
    let Some(key) = fields.text(&name) else {
        draft.missing(&name, "", "the trigger names no list: set `queues` yourself");
        return None;
    };
    let (framework, queue) = queue(&name, &key, sources, draft);
    activation(sources, "activationListLength", fields, draft);
    let field = sources.at("listLength");
    let each = fields.text(&field).unwrap_or_else(|| USUAL.into());
    let backlog = backlog(&field, &each, draft);
    Some(Counted {
        path: sources.path.clone(),
        broker: broker(sources, fields, draft),
        queue: Some(queue),
        framework,
        backlog,
    })
}

/// Framework and queue that a list belongs to.
fn queue(field: &str, key: &str, sources: &Sources, draft: &mut Draft) -> (&'static str, String) {
    if let Some(queue) = key.strip_prefix("rq:queue:") {
        draft.changed(field, "queues", format!("`{key}` is RQ's key of the queue `{queue}`"));
        return ("RQ", queue.to_owned());
    }
    if let Some((queue, step)) = key.split_once("\u{6}\u{16}") {
        draft.changed(
            field,
            "queues",
            format!("it is the key of priority {step}: the pool counts all priorities of `{queue}`, and needs no trigger for each"),
        );
        return ("Celery", queue.to_owned());
    }
    let framework = sources.framework();
    match framework {
        Some(_) => draft.kept(field, "queues"),
        None => draft.changed(
            field,
            "queues",
            format!("`{key}` is taken for a queue of Celery; for another framework set `framework`"),
        ),
    }
    (framework.unwrap_or("Celery"), key.to_owned())
}

/// Trigger of one stream, which only taskiq's workers read.
pub(super) fn stream(sources: &mut Sources, fields: &mut Fields, draft: &mut Draft) -> Option<Counted> {
    let name = sources.at("stream");
    let Some(queue) = fields.text(&name) else {
        draft.missing(&name, "", "the trigger names no stream: set `queues` yourself");
        return None;
    };
    draft.changed(
        &name,
        "queues",
        "a stream is taken for one of taskiq's (`RedisStreamBroker`): no other framework's are counted",
    );
    let group = sources.at("consumerGroup");
    match fields.text(&group) {
        Some(text) if text == GROUP => draft.kept(&group, "framework"),
        Some(_) => draft.changed(
            &group,
            "framework",
            format!("a pool counts the group `{GROUP}`, or the only one of the stream: let the stream have no other"),
        ),
        None => draft.changed(
            &group,
            "framework",
            "without a group KEDA counts all entries of the stream, also those that are done: a pool counts what was not delivered \
             and what is pending",
        ),
    }
    activation(sources, "activationLagCount", fields, draft);
    let set = ["pendingEntriesCount", "streamLength", "lagCount"].map(|name| {
        let field = sources.at(name);
        fields.text(&field).map(|text| (field, text))
    });
    let found: Vec<_> = set.into_iter().flatten().collect();
    let usual = [(sources.at("pendingEntriesCount"), USUAL.to_owned())];
    let all = if found.is_empty() { &usual[..] } else { &found[..] };
    let backlog = all.iter().filter_map(|(field, text)| backlog(field, text, draft)).min();
    Some(Counted {
        path: sources.path.clone(),
        broker: broker(sources, fields, draft),
        queue: Some(queue),
        framework: "Taskiq",
        backlog,
    })
}

fn broker(sources: &mut Sources, fields: &mut Fields, draft: &mut Draft) -> serde_json::Value {
    let (encrypted, settings) = tls(sources, fields, draft);
    let (user, password) = login(sources, fields);
    let address = ["address", "addresses"]
        .into_iter()
        .find_map(|name| sources.take(fields, name));
    let (mut host, mut port) = (sources.take(fields, "host"), sources.take(fields, "port"));
    let database = sources.take(fields, "databaseIndex");
    let mut whole = None;
    if let Some(Sourced { field, source }) = address {
        match source {
            Source::Plain(text) => {
                let mut all = text.split(',');
                let (name, number) = broker_url::host_and_port(all.next().unwrap_or_default());
                let of = |text: &str| Sourced {
                    field: field.clone(),
                    source: Source::Plain(text.to_owned()),
                };
                (host, port) = (Some(of(name)), number.map(of));
                if all.next().is_some() {
                    draft.changed(
                        &field,
                        "broker",
                        "of several addresses KEDA takes the first one, and so does the pool",
                    );
                }
            }
            Source::From(_) => {
                whole = Some((
                    field,
                    "host and port stand in one key, and a pool takes each from a key of its own".to_owned(),
                ))
            }
            Source::Unknown(why) => whole = Some((field, why)),
        }
    } else if host.is_none() {
        whole = Some((
            sources.path.clone(),
            "the trigger does not say where Redis is".to_owned(),
        ));
    }
    let found = match whole {
        None => address::broker(
            FoundParts {
                scheme: if encrypted { "rediss" } else { "redis" },
                host,
                port,
                path: database,
                user,
                password,
            },
            draft,
        ),
        Some((field, why)) => {
            for Sourced { field, .. } in [database, user, password].into_iter().flatten() {
                draft.changed(&field, "broker", "it belongs into the broker's URL");
            }
            Some(address::elsewhere(sources, &field, &why, draft))
        }
    };
    let mut broker =
        found.unwrap_or_else(|| address::elsewhere(sources, &sources.path.clone(), "the host is not known", draft));
    if let Some(settings) = settings {
        broker["tls"] = settings;
    }
    broker
}
