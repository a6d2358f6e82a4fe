//! What stands around a pool's target and the operator, as `kubectl twp doctor` reads it: NetworkPolicies, Events of pods.
//! Makes no decisions.
//!
//! Rights needed, of whoever runs it: `list` on networkpolicies, pods and events.

use k8s_openapi::api::{core::v1::Pod, events::v1::Event, networking::v1::NetworkPolicy};
use kube::{
    Api,
    api::ListParams,
    core::{Selector, SelectorExt},
};

use super::{CallError, Class, Cluster, TargetKey};
use crate::model::tame;

/// Number of objects that are looked at.
const PAGE: u32 = 500;
/// Longest text of an Event that is shown, in bytes.
const WORDS: usize = 300;

/// NetworkPolicies that limit where pods with these labels may connect.
///
/// # Errors
/// [`CallError`].
pub async fn egress_policies<'a>(
    cluster: &Cluster,
    namespace: &str,
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<Vec<String>, CallError> {
    let api: Api<NetworkPolicy> = Api::namespaced(cluster.client.clone(), namespace);
    let params = ListParams::default().limit(PAGE);
    let found = cluster.call(Class::Read, api.list(&params)).await?.items;
    let labels = labels
        .into_iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Ok(found.into_iter().filter_map(|policy| limits(policy, &labels)).collect())
}

fn limits(policy: NetworkPolicy, labels: &std::collections::BTreeMap<String, String>) -> Option<String> {
    let spec = policy.spec?;
    let types = spec.policy_types.unwrap_or_default();
    let egress = types.iter().any(|kind| kind == "Egress") || spec.egress.is_some();
    // A selector that cannot be read may select anything.
    let selects =
        Selector::try_from(spec.pod_selector.unwrap_or_default()).map_or(true, |selector| selector.matches(labels));
    (egress && selects).then_some(policy.metadata.name?)
}

/// Event of a pod, or of what makes pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Kind and name of the object.
    pub about: String,
    /// Reason, one CamelCase word.
    pub reason: String,
    /// What happened.
    pub note: String,
}

/// Warnings about a target's pods that are not ready, and, where it is `behind` with its replicas, about what ought to make
/// them; one for each reason, the newest.
///
/// # Errors
/// [`CallError`].
pub async fn warnings(
    cluster: &Cluster,
    target: &TargetKey,
    (selector, behind): (&str, bool),
) -> Result<Vec<Warning>, CallError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &target.namespace);
    let params = ListParams::default().limit(PAGE).labels(selector);
    let pods = cluster.call(Class::Read, pods.list(&params)).await?.items;
    let waiting: Vec<String> = pods
        .into_iter()
        .filter(is_waiting)
        .filter_map(|pod| pod.metadata.name)
        .collect();
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), &target.namespace);
    let params = ListParams::default().limit(PAGE).fields("type=Warning");
    let mut events = cluster.call(Class::Read, api.list(&params)).await?.items;
    events.sort_by_key(|event| std::cmp::Reverse(time(event)));
    let mut found: Vec<Warning> = Vec::new();
    for event in events {
        let makes = behind.then_some(target.workload.name.as_str());
        let warning = warning(event, &waiting, makes);
        if let Some(warning) = warning.filter(|new| found.iter().all(|old| old.reason != new.reason)) {
            found.push(warning);
        }
    }
    Ok(found)
}

fn is_waiting(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.filter(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready.count() == 0 && pod.metadata.deletion_timestamp.is_none()
}

fn time(event: &Event) -> Option<jiff::Timestamp> {
    let series = event.series.as_ref().map(|series| series.last_observed_time.0);
    let old = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
    series.or(old).or_else(|| event.event_time.as_ref().map(|time| time.0))
}

fn warning(event: Event, waiting: &[String], makes: Option<&str>) -> Option<Warning> {
    let about = event.regarding?;
    let (kind, name) = (about.kind?, about.name?);
    let ours = match kind.as_str() {
        "Pod" => waiting.contains(&name),
        // A ReplicaSet has its Deployment's name and a hash.
        "ReplicaSet" => name.rsplit_once('-').is_some_and(|(of, _)| makes == Some(of)),
        "StatefulSet" => makes == Some(name.as_str()),
        _ => false,
    };
    ours.then_some(Warning {
        about: format!("{kind} `{name}`"),
        reason: tame(&event.reason?, WORDS),
        note: tame(&event.note.unwrap_or_default(), WORDS),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_counts_where_it_selects_the_pod_and_limits_what_it_connects_to() {
        let labels = BTreeMap::from([("app".to_owned(), "operator".to_owned())]);
        let counts = |spec: serde_json::Value| {
            let policy = json!({"metadata": {"name": "deny"}, "spec": spec});
            limits(serde_json::from_value(policy).unwrap(), &labels).is_some()
        };
        assert!(counts(json!({"podSelector": {}, "policyTypes": ["Egress"]})));
        assert!(counts(
            json!({"podSelector": {"matchLabels": {"app": "operator"}}, "egress": []})
        ));
        assert!(!counts(
            json!({"podSelector": {"matchLabels": {"app": "shop"}}, "policyTypes": ["Egress"]})
        ));
        assert!(!counts(json!({"podSelector": {}, "policyTypes": ["Ingress"]})));
    }

    #[test]
    fn a_warning_is_about_a_pod_that_waits_or_what_makes_it() {
        let seen = |kind: &str, name: &str, makes: Option<&str>| {
            let event = json!({
                "metadata": {}, "eventTime": null, "reason": "Failed", "note": "no image",
                "regarding": {"kind": kind, "name": name},
            });
            warning(serde_json::from_value(event).unwrap(), &["mail-5d-x".to_owned()], makes).is_some()
        };
        let about = |kind, name| seen(kind, name, Some("mail"));
        assert!(about("Pod", "mail-5d-x") && about("ReplicaSet", "mail-5d") && about("StatefulSet", "mail"));
        assert!(!about("Pod", "mail-5d-y") && !about("ReplicaSet", "mail-slow-5d") && !about("Node", "mail"));
        // With all replicas ready a quota of an hour ago is no matter, but a pod of a rollout that does not get on is.
        assert!(
            seen("Pod", "mail-5d-x", None)
                && !seen("ReplicaSet", "mail-5d", None)
                && !seen("StatefulSet", "mail", None)
        );
    }
}
