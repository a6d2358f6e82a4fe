//! `spec.broker.tls`: what variables and mounted files say of a connection whose URL does not.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::{
    address::is_on,
    candidate::{has, is_other_use, words},
    env::Environment,
    proposal::Proposal,
};
use crate::cli::manifest::Node;

/// Words of variables that speak of the broker.
const BROKER: [&str; 9] = [
    "BROKER", "REDIS", "VALKEY", "RABBITMQ", "RABBIT", "AMQP", "CELERY", "RQ", "TASKIQ",
];
/// Words of a certificate authority.
const AUTHORITY: [&str; 5] = ["CA", "CAFILE", "CACERT", "CACERTS", "CABUNDLE"];

/// Writes it, if there is something.
pub(super) fn write(environment: &Environment, container: &Node, pod: &Node, to: &mut Proposal) {
    let said = |name: &&str| {
        let words = words(name);
        has(&words, &BROKER) && !is_other_use(&words)
    };
    let names: Vec<_> = environment.names().filter(said).collect();
    let authority = names.iter().find_map(|name| {
        let path = environment.text(name).filter(|path| path.starts_with('/'))?;
        has(&words(name), &AUTHORITY).then_some((*name, path))
    });
    if let Some((name, path)) = authority {
        to.set("broker.tls.enabled", true);
        match mounted(&path, container, pod) {
            Some((reference, told)) => {
                to.set("broker.tls.caFrom", reference);
                to.note("broker.tls", format!("variable `{name}` names the file {path}, which is {told}: the connection is taken to be encrypted"));
            }
            None => to.todo(
                "broker.tls",
                format!(
                    "variable `{name}` names the file {path}, which is of the image: put the certificate into a Secret or a \
                     ConfigMap, and name it in `broker.tls.caFrom`; without it the system's authorities count"
                ),
            ),
        }
        return;
    }
    // By parts the scheme has it already.
    let is_switch = |name: &&&str| {
        let words = words(name);
        has(&words, &["BROKER"])
            && has(&words, &["SSL", "TLS"])
            && environment.text(name).is_some_and(|text| is_on(&text))
    };
    let by_parts = to.pool["spec"]["broker"]["parts"].is_object();
    if let Some(name) = names.iter().find(is_switch).filter(|_| !by_parts) {
        to.set("broker.tls.enabled", true);
        to.note("broker.tls", format!("variable `{name}`"));
    }
}

/// Key of a Secret or ConfigMap that a file of a container is.
fn mounted(path: &str, container: &Node, pod: &Node) -> Option<(Value, String)> {
    let mounts = container.get("volumeMounts")?.items();
    let inside = |mount: &&Node| mount.text("mountPath").is_some_and(|at| rest(path, at).is_some());
    let mount = mounts
        .iter()
        .filter(inside)
        .max_by_key(|mount| mount.text("mountPath").map(str::len))?;
    let below = rest(path, mount.text("mountPath")?)?;
    let file = match (mount.text("subPath"), below) {
        (Some(file), "") => file,
        (None, file) if !file.is_empty() => file,
        _ => return None,
    };
    let volumes = pod.get("volumes")?.items();
    let volume = volumes
        .iter()
        .find(|volume| volume.text("name") == mount.text("name"))?;
    let of = |kind: &str, name: &str, reference: &str, word: &str| {
        let source = volume.get(kind)?;
        let key = match source.get("items").map(Node::items) {
            Some(items) => items.iter().find(|item| item.text("path") == Some(file))?.text("key")?,
            None => file,
        };
        let object = source.text(name)?;
        let told = format!("key `{key}` of {word} `{object}`");
        Some((json!({reference: {"name": object, "key": key}}), told))
    };
    of("secret", "secretName", "secretKeyRef", "Secret")
        .or_else(|| of("configMap", "name", "configMapKeyRef", "ConfigMap"))
}

/// What of a path is below a folder; empty: it is the same.
fn rest<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let below = path.strip_prefix(folder.trim_end_matches('/'))?;
    match below {
        "" => Some(""),
        below => below.strip_prefix('/'),
    }
}
