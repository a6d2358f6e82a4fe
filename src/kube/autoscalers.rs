//! HorizontalPodAutoscalers and KEDA's ScaledObjects of a namespace, and which of them scale a target. Makes no decisions.
//!
//! Rights needed, of whoever runs it: `list` on horizontalpodautoscalers and scaledobjects.keda.sh.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};

use super::{
    CallError, Cluster, TargetKey,
    plugin::{listed, text},
};

/// Kinds, as an owner reference and a person name them.
const HPA: &str = "HorizontalPodAutoscaler";
const SCALED_OBJECT: &str = "ScaledObject";
/// Annotation with which KEDA leaves a target alone.
const PAUSED: &str = "autoscaling.keda.sh/paused";

/// What scales in a namespace.
#[derive(Debug)]
pub struct Autoscalers {
    /// HorizontalPodAutoscalers.
    hpas: Result<Vec<HorizontalPodAutoscaler>, CallError>,
    /// ScaledObjects; none where there is no KEDA.
    scaled_objects: Result<Vec<DynamicObject>, CallError>,
}

/// Another autoscaler of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaler {
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: String,
}

impl Autoscalers {
    /// Those of a namespace.
    pub async fn read(cluster: &Cluster, namespace: &str) -> Self {
        let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(cluster.client.clone(), namespace);
        let keda = ApiResource::from_gvk(&GroupVersionKind::gvk("keda.sh", "v1alpha1", SCALED_OBJECT));
        let keda: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), namespace, &keda);
        let scaled_objects = match listed(cluster, &keda).await {
            Err(why) if why.is_not_found() => Ok(Vec::new()),
            found => found,
        };
        Self {
            hpas: listed(cluster, &hpas).await,
            scaled_objects,
        }
    }

    /// Those that scale this target. Of a ScaledObject and the HorizontalPodAutoscaler that it makes, the first counts; one
    /// that is paused does not.
    ///
    /// # Errors
    /// [`CallError`] of one kind or the other.
    pub fn of(&self, target: &TargetKey) -> Result<Vec<Autoscaler>, CallError> {
        let (kind, name) = (target.workload.kind.name(), target.workload.name.as_str());
        let hpas = self.hpas.as_ref().map_err(|why| *why)?.iter();
        let scaled = self.scaled_objects.as_ref().map_err(|why| *why)?.iter();
        let hpas = hpas.filter_map(|hpa| scales(hpa, kind, name));
        Ok(hpas
            .chain(scaled.filter_map(|object| is_scaled(object, kind, name)))
            .collect())
    }

    /// All of them as JSON, by the name of their kind in the plural.
    pub fn texts(&self) -> [(&'static str, Result<Vec<String>, CallError>); 2] {
        let hpas = self.hpas.as_ref().map_err(|why| *why);
        let scaled = self.scaled_objects.as_ref().map_err(|why| *why);
        [
            (
                "HorizontalPodAutoscalers",
                hpas.map(|found| found.iter().map(|hpa| text(hpa, "autoscaling/v2", HPA)).collect()),
            ),
            (
                "ScaledObjects",
                scaled.map(|found| {
                    let texts = found
                        .iter()
                        .map(|object| text(object, "keda.sh/v1alpha1", SCALED_OBJECT));
                    texts.collect()
                }),
            ),
        ]
    }
}

fn scales(hpa: &HorizontalPodAutoscaler, kind: &str, name: &str) -> Option<Autoscaler> {
    let mut owners = hpa.metadata.owner_references.iter().flatten();
    let of = &hpa.spec.as_ref()?.scale_target_ref;
    let is_made = owners.any(|owner| owner.kind == SCALED_OBJECT);
    (of.kind == kind && of.name == name && !is_made).then_some(Autoscaler {
        kind: HPA,
        name: hpa.metadata.name.clone()?,
    })
}

fn is_scaled(object: &DynamicObject, kind: &str, name: &str) -> Option<Autoscaler> {
    let of = object.data.pointer("/spec/scaleTargetRef")?;
    let of_kind = of.get("kind").map_or(Some("Deployment"), |kind| kind.as_str())?;
    let mut annotations = object.metadata.annotations.iter().flatten();
    let paused = annotations.any(|(key, value)| key == PAUSED && value == "true");
    (of_kind == kind && of.get("name")?.as_str()? == name && !paused).then_some(Autoscaler {
        kind: SCALED_OBJECT,
        name: object.metadata.name.clone()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        kube::fixture::{self, Asked},
        model::{Workload, WorkloadKind},
    };

    #[test]
    fn an_autoscaler_is_one_of_this_very_target() {
        let hpa = |kind: &str, name: &str, owner: Value| {
            let hpa = json!({
                "metadata": {"name": "other", "ownerReferences": owner},
                "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name}},
            });
            scales(&serde_json::from_value(hpa).unwrap(), "Deployment", "mail").is_some()
        };
        assert!(hpa("Deployment", "mail", json!([])));
        assert!(!hpa("StatefulSet", "mail", json!([])) && !hpa("Deployment", "pdf", json!([])));
        let keda = json!([{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "mail", "uid": "u"}]);
        assert!(!hpa("Deployment", "mail", keda), "its ScaledObject is named");
        let object = |of: Value, annotations: Value| {
            let object = json!({
                "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
                "metadata": {"name": "mail", "annotations": annotations}, "spec": {"scaleTargetRef": of},
            });
            is_scaled(&serde_json::from_value(object).unwrap(), "Deployment", "mail").is_some()
        };
        assert!(object(json!({"name": "mail"}), json!({})));
        assert!(!object(json!({"name": "mail", "kind": "StatefulSet"}), json!({})));
        assert!(!object(json!({"name": "mail"}), json!({PAUSED: "true"})));
    }

    /// No KEDA, and no right to see what KEDA makes, are two things.
    #[tokio::test]
    async fn a_cluster_without_keda_has_no_scaled_objects_and_one_that_refuses_may_have() {
        for (status, expected) in [(404, Ok(1)), (403, Err(CallError::Refused { code: 403 }))] {
            let (client, _) = fixture::server(move |asked: Asked| async move {
                let hpa = json!({
                    "metadata": {"name": "old"},
                    "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "mail"}},
                });
                match asked.path().ends_with("horizontalpodautoscalers") {
                    true => (200, json!({"metadata": {}, "items": [hpa]})),
                    false => fixture::refused(status),
                }
            });
            let found = Autoscalers::read(&Cluster::open(client), "shop").await;
            let target = TargetKey {
                namespace: "shop".into(),
                workload: Workload {
                    kind: WorkloadKind::Deployment,
                    name: "mail".into(),
                },
            };
            assert_eq!(found.of(&target).map(|found| found.len()), expected);
            let [hpas, scaled] = found.texts();
            assert!(hpas.1.unwrap()[0].contains(r#""kind":"HorizontalPodAutoscaler""#));
            assert_eq!(scaled.1.map(|found| found.len()), expected.map(|_| 0));
        }
    }
}
