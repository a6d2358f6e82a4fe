//! What stands around a pool's target and the operator, as `kubectl twp doctor` reads it: other autoscalers, NetworkPolicies,
//! Events of pods. Makes no decisions.
//!
//! Rights needed, of whoever runs it: `list` on horizontalpodautoscalers, scaledobjects.keda.sh, networkpolicies, pods and events.

use k8s_openapi::api::{
    autoscaling::v2::HorizontalPodAutoscaler, core::v1::Pod, events::v1::Event, networking::v1::NetworkPolicy,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams},
    core::{GroupVersionKind, Selector, SelectorExt},
};

use super::{CallError, Class, Cluster, TargetKey};
use crate::model::tame;

/// Number of objects that are looked at.
const PAGE: u32 = 500;
/// Kind of KEDA's objects.
const SCALED_OBJECT: &str = "ScaledObject";
/// Annotation with which KEDA leaves a target alone.
const PAUSED: &str = "autoscaling.keda.sh/paused";
/// Longest text of an Event that is shown, in bytes.
const WORDS: usize = 300;

/// Another autoscaler of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaler {
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: String,
}

/// HorizontalPodAutoscalers and ScaledObjects that scale this target. Of a ScaledObject and the HorizontalPodAutoscaler that it
/// makes, the first counts; one that is paused does not.
///
/// # Errors
/// [`CallError`].
pub async fn autoscalers(cluster: &Cluster, target: &TargetKey) -> Result<Vec<Autoscaler>, CallError> {
    let (kind, name) = (target.workload.kind.name(), target.workload.name.as_str());
    let api: Api<HorizontalPodAutoscaler> = Api::namespaced(cluster.client.clone(), &target.namespace);
    let params = ListParams::default().limit(PAGE);
    let found = cluster.call(Class::Read, api.list(&params)).await?.items;
    let mut all: Vec<_> = found.into_iter().filter_map(|hpa| scales(hpa, kind, name)).collect();
    let keda = ApiResource::from_gvk(&GroupVersionKind::gvk("keda.sh", "v1alpha1", SCALED_OBJECT));
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), &target.namespace, &keda);
    match cluster.call(Class::Read, api.list(&params)).await {
        Ok(found) => all.extend(found.items.into_iter().filter_map(|object| scaled(object, kind, name))),
        // There is no KEDA.
        Err(why) if why.is_not_found() => {}
        Err(why) => return Err(why),
    }
    Ok(all)
}

fn scales(hpa: HorizontalPodAutoscaler, kind: &str, name: &str) -> Option<Autoscaler> {
    let owners = hpa.metadata.owner_references.unwrap_or_default();
    let of = hpa.spec?.scale_target_ref;
    let is_made = owners.iter().any(|owner| owner.kind == SCALED_OBJECT);
    (of.kind == kind && of.name == name && !is_made).then_some(Autoscaler {
        kind: "HorizontalPodAutoscaler",
        name: hpa.metadata.name?,
    })
}

fn scaled(object: DynamicObject, kind: &str, name: &str) -> Option<Autoscaler> {
    let of = object.data.pointer("/spec/scaleTargetRef")?;
    let of_kind = of.get("kind").map_or(Some("Deployment"), |kind| kind.as_str())?;
    let annotations = object.metadata.annotations.unwrap_or_default();
    let paused = annotations.get(PAUSED).is_some_and(|paused| paused == "true");
    (of_kind == kind && of.get("name")?.as_str()? == name && !paused).then_some(Autoscaler {
        kind: SCALED_OBJECT,
        name: object.metadata.name?,
    })
}

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
    fn an_autoscaler_is_one_of_this_very_target() {
        let hpa = |kind: &str, name: &str, owner: serde_json::Value| {
            let hpa = json!({
                "metadata": {"name": "other", "ownerReferences": owner},
                "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name}},
            });
            scales(serde_json::from_value(hpa).unwrap(), "Deployment", "mail").is_some()
        };
        assert!(hpa("Deployment", "mail", json!([])));
        assert!(!hpa("StatefulSet", "mail", json!([])) && !hpa("Deployment", "pdf", json!([])));
        let keda = json!([{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "mail", "uid": "u"}]);
        assert!(!hpa("Deployment", "mail", keda), "its ScaledObject is named");
        let object = |of: serde_json::Value, annotations: serde_json::Value| {
            let object = json!({
                "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
                "metadata": {"name": "mail", "annotations": annotations}, "spec": {"scaleTargetRef": of},
            });
            scaled(serde_json::from_value(object).unwrap(), "Deployment", "mail").is_some()
        };
        assert!(object(json!({"name": "mail"}), json!({})));
        assert!(!object(json!({"name": "mail", "kind": "StatefulSet"}), json!({})));
        assert!(!object(json!({"name": "mail"}), json!({PAUSED: "true"})));
    }

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
