//! Workload of a cluster with all that it refers to. Reads only. Of a Secret's values nothing leaves this file but a URL's scheme.

use std::collections::BTreeSet;

use super::{
    Wanted, candidate,
    world::{Keys, World, pod, scheme},
};
use crate::{
    cli::{
        cluster::{ClusterArgs, Connection},
        manifest::{self, Node, Object},
    },
    kube::{
        CallError, Cluster, Key,
        autoscalers::Autoscalers,
        plugin,
        secrets::{At, Content, References},
    },
};

/// The world around a workload.
pub(super) async fn world(args: &ClusterArgs, wanted: &Wanted) -> Result<World, String> {
    let connection = Connection::new(args).await?;
    around(&connection.cluster, &connection.key(&wanted.name)?, wanted).await
}

async fn around(cluster: &Cluster, key: &Key, wanted: &Wanted) -> Result<World, String> {
    let what = format!("{} `{}` in the namespace `{}`", wanted.kind, key.name, key.namespace);
    let found = plugin::workload(cluster, wanted.kind == "StatefulSet", key).await;
    let text = found
        .map_err(|why| plugin::explained(&format!("{what} cannot be read"), why))?
        .ok_or_else(|| format!("there is no {what}"))?;
    let mut world = World::default();
    add(&mut world, text);
    let Some((_, object)) = world.objects.first().cloned() else {
        return Err(format!("{what} cannot be read as an object"));
    };
    let references = References::new(cluster.clone());
    for at in referred(&object, &key.namespace) {
        match (references.read(&at).await, &at) {
            (Ok(content), At::ConfigMap(namespace, name)) => add(&mut world, config_map(namespace, name, &content)),
            (Ok(content), At::Secret(namespace, name)) => {
                world
                    .secrets
                    .insert((Some(namespace.clone()), name.clone()), Ok(keys(&content)));
            }
            (Err(why), At::Secret(namespace, name)) => {
                let why = unread(&format!("Secret `{name}`"), why);
                world.secrets.insert((Some(namespace.clone()), name.clone()), Err(why));
            }
            (Err(why), At::ConfigMap(_, name)) => world.unread.push(unread(&format!("ConfigMap `{name}`"), why)),
        }
    }
    let pools = plugin::pool_texts(cluster, &key.namespace).await;
    let others = Autoscalers::read(cluster, &key.namespace).await.texts();
    for (what, found) in others.into_iter().chain([("TaskWorkerPools", pools)]) {
        match found {
            Ok(texts) => texts.into_iter().for_each(|text| add(&mut world, text)),
            // The cluster does not know the kind.
            Err(CallError::Refused { code: 404 }) => {}
            Err(why) => world.unread.push(unread(what, why)),
        }
    }
    Ok(world)
}

fn unread(what: &str, why: CallError) -> String {
    match why {
        CallError::Refused { code: 404 } => format!("{what} is not there"),
        why => plugin::explained(&format!("{what} cannot be read"), why),
    }
}

fn add(world: &mut World, text: String) {
    let (objects, _) = manifest::read(&text);
    world
        .objects
        .extend(objects.into_iter().map(|object| (String::new(), object)));
}

fn config_map(namespace: &str, name: &str, content: &Content) -> String {
    let texts = content.values.iter();
    let texts = texts.filter_map(|(key, value)| Some((key.as_str(), std::str::from_utf8(value).ok()?)));
    let data: serde_json::Map<_, _> = texts.map(|(key, value)| (key.to_owned(), value.into())).collect();
    serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}, "data": data,
    })
    .to_string()
}

fn keys(content: &Content) -> Keys {
    let values = content.values.iter();
    values.map(|(key, value)| (key.clone(), scheme(value))).collect()
}

/// Secrets and ConfigMaps that the containers refer to. Of Secrets those that become variables whole, and those that a variable
/// about a broker takes its value from: no other is asked for.
fn referred(object: &Object, namespace: &str) -> BTreeSet<At> {
    let mut found = BTreeSet::new();
    let containers = pod(object)
        .and_then(|pod| pod.get("containers"))
        .map(Node::items)
        .unwrap_or_default();
    for container in containers {
        for whole in container.get("envFrom").map(Node::items).unwrap_or_default() {
            found.extend(named(whole, "secretRef").map(|name| At::Secret(namespace.to_owned(), name)));
            found.extend(named(whole, "configMapRef").map(|name| At::ConfigMap(namespace.to_owned(), name)));
        }
        for variable in container.get("env").map(Node::items).unwrap_or_default() {
            let Some(from) = variable.get("valueFrom") else {
                continue;
            };
            found.extend(named(from, "configMapKeyRef").map(|name| At::ConfigMap(namespace.to_owned(), name)));
            let is_address = variable.text("name").is_some_and(candidate::may_be_url);
            found.extend(
                named(from, "secretKeyRef")
                    .filter(|_| is_address)
                    .map(|name| At::Secret(namespace.to_owned(), name)),
            );
        }
    }
    found
}

fn named(node: &Node, kind: &str) -> Option<String> {
    Some(node.get(kind)?.text("name")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::init::{Choice, Proposal, Stop, init},
        kube::{
            Limits,
            fixture::{self, Asked, Log},
        },
    };
    use serde_json::{Value, json};

    fn deployment() -> Value {
        let key = |name: &str, secret: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}});
        let container = json!({
            "name": "worker", "command": ["celery", "-A", "shop", "worker", "-Q", "$(QUEUES)"],
            "envFrom": [{"secretRef": {"name": "settings"}}, {"configMapRef": {"name": "env"}}],
            "env": [key("DATABASE_PASSWORD", "database"), key("RESULT_BACKEND_URL", "results")],
        });
        json!({
            "metadata": {"name": "mail", "namespace": "shop"},
            "spec": {"replicas": 3, "selector": {}, "template": {"spec": {"containers": [container]}}},
        })
    }

    fn answer(asked: &Asked, settings: u16) -> (u16, Value) {
        // `hunter2`, and `amqp://u:hunter2@rabbitmq/`.
        let values =
            json!({"DATABASE_URL": "aHVudGVyMg==", "CELERY_BROKER_URL": "YW1xcDovL3U6aHVudGVyMkByYWJiaXRtcS8="});
        let hpa = json!({
            "metadata": {"name": "old", "namespace": "shop"},
            "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "mail"}},
        });
        match asked
            .path()
            .rsplit_once("/namespaces/shop/")
            .map_or("", |(_, what)| what)
        {
            "deployments/mail" => (200, deployment()),
            "secrets/settings" if settings == 200 => (200, json!({"metadata": {"name": "settings"}, "data": values})),
            "secrets/settings" => fixture::refused(settings),
            "configmaps/env" => (
                200,
                json!({"metadata": {"name": "env"}, "data": {"QUEUES": "mail,pdf"}}),
            ),
            "horizontalpodautoscalers" => (200, json!({"metadata": {}, "items": [hpa]})),
            "taskworkerpools" => fixture::refused(403),
            _ => fixture::refused(404),
        }
    }

    async fn read(settings: u16, name: &str) -> (Result<World, String>, Log) {
        let (client, log) = fixture::server(move |asked| async move { answer(&asked, settings) });
        let cluster = Cluster::new(client, Limits::default(), |_, _| {});
        let wanted = Wanted {
            kind: "Deployment",
            name: name.to_owned(),
        };
        let key = Key {
            namespace: "shop".into(),
            name: name.to_owned(),
        };
        (around(&cluster, &key, &wanted).await, log)
    }

    fn proposed(world: &World) -> Result<Proposal, Stop> {
        assert!(!format!("{world:?}").contains("hunter2"), "{world:?}");
        init(world, None, &Choice::default()).unwrap().remove(0).1
    }

    #[tokio::test]
    async fn a_workload_is_read_with_what_it_refers_to_and_nothing_else() {
        let (world, log) = read(200, "mail").await;
        let found = proposed(&world.unwrap()).unwrap();
        let spec = &found.pool["spec"];
        let reference = json!({"urlFrom": {"secretKeyRef": {"name": "settings", "key": "CELERY_BROKER_URL"}}});
        assert_eq!(
            (&spec["broker"], &spec["queues"]),
            (&reference, &json!(["mail", "pdf"]))
        );
        assert_eq!((&spec["mode"], &spec["maxReplicas"]), (&json!("Observe"), &json!(9)));
        // Who may not list pools is told what was not looked at.
        let yaml = found.yaml().unwrap();
        assert!(
            yaml.contains("TaskWorkerPools cannot be read") && yaml.contains("-n shop"),
            "{yaml}"
        );
        let asked = log.lock().unwrap().clone();
        assert!(asked.iter().all(|one| one.method == "GET"), "{asked:?}");
        let secrets: Vec<_> = asked.iter().filter(|one| one.path().contains("/secrets/")).collect();
        assert_eq!(secrets.len(), 1, "{secrets:?}");
    }

    #[tokio::test]
    async fn a_secret_that_may_not_be_read_leaves_a_line_to_fill_in() {
        let found = proposed(&read(403, "mail").await.0.unwrap()).unwrap();
        assert!(found.is_open());
        let todo = found.remarks.iter().find(|remark| remark.todo).unwrap();
        assert!(
            todo.message
                .contains("Secret `settings` cannot be read: you lack the right to (403)"),
            "{todo:?}"
        );
        assert!(found.yaml().unwrap().contains("TODO"));
    }

    #[tokio::test]
    async fn a_workload_that_is_not_there_is_named() {
        let why = read(200, "gone").await.0.unwrap_err();
        assert_eq!(why, "there is no Deployment `gone` in the namespace `shop`");
    }
}
