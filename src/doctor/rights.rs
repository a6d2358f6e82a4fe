//! Rights that the operator needs, as the chart's `templates/rbac.yaml` gives them. Pure.
#![deny(clippy::disallowed_methods)]

use crate::kube::installation::Right;

/// API group, resource, verbs; in each watched namespace.
const WATCHED: [(&str, &str, &[&str]); 8] = [
    ("taskworkerpool.dev", "taskworkerpools", &["list", "watch"]),
    ("taskworkerpool.dev", "taskworkerpools/status", &["patch"]),
    ("apps", "deployments", &["list", "watch"]),
    ("apps", "deployments/scale", &["patch"]),
    ("", "pods", &["list", "patch"]),
    ("", "secrets", &["get"]),
    ("", "configmaps", &["get"]),
    ("events.k8s.io", "events", &["create", "patch"]),
];

/// The same, where StatefulSets are targets.
const STATEFUL_SETS: [(&str, &str, &[&str]); 2] = [
    ("apps", "statefulsets", &["list", "watch"]),
    ("apps", "statefulsets/scale", &["patch"]),
];

/// API group of the Lease.
const LEASES: &str = "coordination.k8s.io";

/// All rights in these namespaces (in all where none is given), and on the Lease of this name where the operator has one.
pub(super) fn needed(namespaces: &[String], lease_in: Option<&str>, lease: &str) -> Vec<Right> {
    let mut rights = in_each(namespaces, &WATCHED);
    if let Some(namespace) = lease_in {
        let right = |verb: &str, name: Option<&str>| Right {
            namespace: Some(namespace.to_owned()),
            group: LEASES,
            resource: "leases",
            verb: verb.to_owned(),
            name: name.map(str::to_owned),
        };
        rights.push(right("create", None));
        rights.extend(["get", "update"].map(|verb| right(verb, Some(lease))));
    }
    rights
}

/// The rights on StatefulSets.
pub(super) fn stateful_sets(namespaces: &[String]) -> Vec<Right> {
    in_each(namespaces, &STATEFUL_SETS)
}

fn in_each(namespaces: &[String], rules: &[(&'static str, &'static str, &[&str])]) -> Vec<Right> {
    let named = namespaces
        .iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty());
    let mut scopes: Vec<_> = named.map(|name| Some(name.to_owned())).collect();
    if scopes.is_empty() {
        scopes.push(None);
    }
    let of = |scope: &Option<String>| {
        let scope = scope.clone();
        let each = rules
            .iter()
            .flat_map(|(group, resource, verbs)| verbs.iter().map(move |verb| (group, resource, verb)));
        each.map(move |(group, resource, verb)| Right {
            namespace: scope.clone(),
            group,
            resource,
            verb: (*verb).to_owned(),
            name: None,
        })
        .collect::<Vec<_>>()
    };
    scopes.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// What a manifest's roles allow, as texts.
    fn allowed(manifest: &str) -> BTreeSet<String> {
        let documents = manifest.split("\n---\n");
        let parsed = documents.filter_map(|text| serde_saphyr::from_str::<Value>(text).ok());
        let mut rights = BTreeSet::new();
        let texts = |rule: &Value, field: &str| {
            let all = rule[field].as_array().cloned().unwrap_or_default();
            all.iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        // The other roles are people's.
        let own =
            |object: &Value| object["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"].is_null();
        for rule in parsed
            .filter(own)
            .filter_map(|object| object["rules"].as_array().cloned())
            .flatten()
        {
            for group in texts(&rule, "apiGroups") {
                for resource in texts(&rule, "resources") {
                    rights.extend(
                        texts(&rule, "verbs")
                            .iter()
                            .map(|verb| format!("{verb} {group} {resource}")),
                    );
                }
            }
        }
        rights
    }

    #[test]
    fn the_rights_are_those_that_the_manifest_gives() {
        let text = |right: &Right| format!("{} {} {}", right.verb, right.group, right.resource);
        let needed: BTreeSet<_> = needed(&[], Some("twp-system"), "twp-operator")
            .iter()
            .map(text)
            .collect();
        assert_eq!(needed, allowed(include_str!("../../deploy/install.yaml")));
    }

    #[test]
    fn each_namespace_is_asked_for() {
        let all = needed(&["a".into(), " b ".into(), String::new()], None, "");
        let namespaces: BTreeSet<_> = all.iter().map(|right| right.namespace.clone()).collect();
        assert_eq!(namespaces, [Some("a".into()), Some("b".into())].into());
        assert_eq!(all.len(), 2 * needed(&[], None, "").len());
    }

    #[test]
    fn a_right_is_named_as_people_know_it() {
        let [first, ..] = &needed(&["shop".into()], None, "")[..] else {
            unreachable!()
        };
        assert_eq!(first.to_string(), "list taskworkerpools.taskworkerpool.dev in `shop`");
        let lease = needed(&[], Some("twp"), "op").pop().map(|right| right.to_string());
        assert_eq!(
            lease.as_deref(),
            Some("update leases.coordination.k8s.io `op` in `twp`")
        );
    }
}
