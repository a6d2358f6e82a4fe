//! Operators with the rights of a service account, not the administrator's.

use serde_json::json;

use crate::support::{
    bed::{Namespace, kubeconfig_with},
    operator::Options,
};

/// What an operator needs that has no Lease: a role's name, its verbs, its resources.
const RIGHTS: [[&str; 3]; 5] = [
    ["pools", "list,watch", "taskworkerpools"],
    ["statuses", "patch", "taskworkerpools/status"],
    ["targets", "list,watch", "deployments.apps"],
    ["workers", "list,patch", "pods"],
    [
        "rest",
        "get,patch,create",
        "secrets,deployments/scale,events.events.k8s.io",
    ],
];

/// Gives a service account of this one's namespace all rights but one in these namespaces.
pub async fn grant(account: &Namespace, namespaces: &[(&Namespace, &str)]) -> Options {
    account.kubectl(&["create", "serviceaccount", "op"]).await;
    let to = format!("--serviceaccount={}:op", account.name);
    for (ns, without) in namespaces {
        for [role, verbs, resources] in RIGHTS.iter().filter(|[role, ..]| role != without) {
            let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
            ns.kubectl(&["create", "role", role, &verbs, &resources]).await;
            ns.kubectl(&["create", "rolebinding", role, "--role", role, &to]).await;
        }
    }
    let token = account.kubectl(&["create", "token", "op"]).await;
    let file = kubeconfig_with(|config| config["users"][0]["user"] = json!({"token": token.trim()}));
    Options {
        kubeconfig: Some(file),
        ..Options::default()
    }
}

/// Adds what it needs for StatefulSets: the roles `sets`, to see them, and `sets-scale`.
pub async fn grant_stateful_sets(ns: &Namespace) {
    for (role, verbs, resource) in [
        ("sets", "list,watch", "statefulsets.apps"),
        ("sets-scale", "patch", "statefulsets/scale"),
    ] {
        let (verbs, resource) = (format!("--verb={verbs}"), format!("--resource={resource}"));
        ns.kubectl(&["create", "role", role, &verbs, &resource]).await;
        bind(ns, role).await;
    }
}

/// Gives the service account of its own namespace a role.
pub async fn bind(ns: &Namespace, role: &str) {
    let to = format!("--serviceaccount={}:op", ns.name);
    ns.kubectl(&["create", "rolebinding", role, "--role", role, &to]).await;
}
