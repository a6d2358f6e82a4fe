//! The autoscaler that a pool takes over from: a HorizontalPodAutoscaler on an external metric, or a ScaledObject of KEDA.
//!
//! KEDA 2.20's part, as its operator does it (`pkg/scaling`, `controllers/keda`):
//! * for a ScaledObject it makes a HorizontalPodAutoscaler `keda-hpa-NAME`, which it owns, on one external metric for each trigger;
//! * with the annotation `autoscaling.keda.sh/paused` it deletes that one, and leaves the replicas as they are;
//! * when the ScaledObject is deleted, its finalizer sets the replicas back to what they were at first, but only with
//!   `restoreToOriginalReplicaCount`.

use serde_json::{Value, json};

use crate::support::{
    bed::{self, Namespace, eventually},
    celery_stage::{CeleryStage, LONG},
    certificates::Certificates,
    pods,
};

const PROGRAM: &str = include_str!("metrics.py");
/// Replicas at first, which KEDA remembers.
const ORIGINAL: i32 = 1;

#[derive(Clone, Copy, Debug)]
pub enum Autoscaler {
    Hpa,
    Keda,
}

impl Autoscaler {
    /// Of its target and the queue as well.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hpa => "moved-hpa",
            Self::Keda => "moved-keda",
        }
    }

    /// What its user has applied: a replica for each waiting task.
    pub fn manifest(self, stage: &CeleryStage, most: i32) -> Value {
        let (name, namespace) = (self.name(), stage.ns.name.as_str());
        let address = stage.url().trim_start_matches("redis://").trim_end_matches("/0");
        match self {
            Self::Hpa => hpa(name, namespace, most, "waiting_tasks", "queue"),
            Self::Keda => json!({
                "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
                "metadata": {"name": name, "namespace": namespace, "finalizers": ["finalizer.keda.sh"]},
                "spec": {
                    "scaleTargetRef": {"name": name}, "minReplicaCount": 1, "maxReplicaCount": most,
                    "advanced": {"restoreToOriginalReplicaCount": true},
                    "triggers": [{"type": "redis", "metadata": {"address": address, "listName": name, "listLength": "1"}}],
                },
            }),
        }
    }

    /// What its controllers make of it.
    pub async fn made(self, ns: &Namespace, most: i32) {
        if let Self::Keda = self {
            let name = self.name();
            let made = hpa(
                &format!("keda-hpa-{name}"),
                &ns.name,
                most,
                "s0-redis-waiting",
                "scaledobject.keda.sh/name",
            );
            ns.apply(made.to_string()).await;
        }
    }

    /// What its controllers do when somebody runs these commands.
    pub async fn plays(self, ns: &Namespace, commands: &str) {
        let Self::Keda = self else { return };
        let (name, object) = (self.name(), format!("scaledobject/{}", self.name()));
        let get = ["get", &object, "-o", "json"];
        if commands.contains("autoscaling.keda.sh/paused=true") {
            let seen = |value: &Value| value["metadata"]["annotations"]["autoscaling.keda.sh/paused"] == "true";
            awaited(ns, &get, "it is paused", seen).await;
            ns.delete(&format!("hpa/keda-hpa-{name}")).await;
        } else if commands.contains("delete scaledobject") {
            let seen = |value: &Value| value["metadata"]["deletionTimestamp"].is_string();
            let last = awaited(ns, &get, "it is deleted", seen).await;
            if last["spec"]["advanced"]["restoreToOriginalReplicaCount"] == true {
                let replicas = format!("--replicas={ORIGINAL}");
                ns.kubectl(&["scale", &format!("deployment/{name}"), &replicas]).await;
            }
            let done = r#"{"metadata":{"finalizers":null}}"#;
            ns.kubectl(&["patch", &object, "--type=merge", "-p", done]).await;
        }
    }
}

async fn awaited(ns: &Namespace, get: &[&str], what: &str, seen: impl Fn(&Value) -> bool) -> Value {
    eventually(what, LONG, async || {
        let text = ns.try_kubectl(get, "").await?;
        let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if seen(&value) { Ok(value) } else { Err(text) }
    })
    .await
}

/// A HorizontalPodAutoscaler on the length of a list, which is the value of a label; its target has the same name.
fn hpa(name: &str, namespace: &str, most: i32, metric: &str, label: &str) -> Value {
    let target = name.trim_start_matches("keda-hpa-");
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": 1, "maxReplicas": most,
            "metrics": [{"type": "External", "external": {
                "metric": {"name": metric, "selector": {"matchLabels": {label: target}}},
                "target": {"type": "AverageValue", "averageValue": "1"},
            }}],
        },
    })
}

/// The API of external metrics, and KEDA's resource: both belong to the whole cluster while they are there.
pub struct Metrics<'a> {
    stage: &'a CeleryStage,
}

const API_SERVICE: &str = "apiservice/v1beta1.external.metrics.k8s.io";
/// Label of what belongs to the whole cluster and is this test's.
const MARK: &str = "taskworkerpool.dev/tests";
const CRD: &str = "customresourcedefinition/scaledobjects.keda.sh";

impl<'a> Metrics<'a> {
    /// # Panics
    /// If the cluster has an adapter of its own, or KEDA.
    pub async fn serve(stage: &'a CeleryStage) -> Self {
        // What a run that was killed has left.
        let mark = format!("{MARK}=moves");
        run(&["delete", "apiservices,customresourcedefinitions", "-l", &mark]);
        for own in [API_SERVICE, CRD] {
            let there = bed::kubectl(&["get", own], "").await;
            assert!(
                there.is_err(),
                "{own} is there: this test brings its own, and would replace it"
            );
        }
        let name = format!("metrics.{}.svc", stage.ns.name);
        let pems = Certificates::new(&name);
        let files = [
            ("metrics.py", PROGRAM),
            ("server.pem", &pems.certificate),
            ("server.key", &pems.key),
        ];
        let files = pods::files("metrics", files);
        let mut server = stage.deployment("metrics", 1, &["python3", "metrics.py"], 0);
        let pod = &mut server["spec"]["template"]["spec"];
        pod["volumes"][0]["configMap"]["name"] = "metrics".into();
        pod["containers"][0]["readinessProbe"] = json!({"tcpSocket": {"port": 6443}, "periodSeconds": 1});
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "metrics"},
            "spec": {"selector": {"app": "metrics"}, "ports": [{"port": 443, "targetPort": 6443}]},
        });
        stage
            .ns
            .apply(format!("{files}\n---\n{server}\n---\n{service}\n"))
            .await;
        stage.ns.wait_ready("metrics").await;
        let registration = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io", "labels": {MARK: "moves"}},
            "spec": {
                "group": "external.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                "service": {"name": "metrics", "namespace": stage.ns.name, "port": 443}, "insecureSkipTLSVerify": true,
            },
        });
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "scaledobjects.keda.sh", "labels": {MARK: "moves"}},
            "spec": {
                "group": "keda.sh", "scope": "Namespaced",
                "names": {"plural": "scaledobjects", "singular": "scaledobject", "kind": "ScaledObject", "shortNames": ["so"]},
                "versions": [{
                    "name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": anything},
                }],
            },
        });
        let (registration, crd) = (registration.to_string(), crd.to_string());
        for own in [registration, crd] {
            bed::kubectl(&["apply", "-f", "-"], &own).await.expect("it is taken");
        }
        let available = ["wait", "--for=condition=Available", "--timeout=120s", API_SERVICE];
        bed::kubectl(&available, "").await.expect("the metrics are served");
        let served = ["wait", "--for=condition=Established", "--timeout=120s", CRD];
        bed::kubectl(&served, "").await.expect("the resource is served");
        Self { stage }
    }
}

impl Drop for Metrics<'_> {
    /// Both go, also from a test that fails: what is registered and not served would hold up the end of every namespace.
    fn drop(&mut self) {
        let namespace = self.stage.ns.name.as_str();
        for autoscaler in [Autoscaler::Hpa, Autoscaler::Keda] {
            let free = r#"{"metadata":{"finalizers":null}}"#;
            let object = format!("scaledobject/{}", autoscaler.name());
            run(&["-n", namespace, "patch", &object, "--type=merge", "-p", free]);
        }
        for own in [API_SERVICE, CRD] {
            run(&["delete", own, "--ignore-not-found", "--timeout=120s"]);
        }
    }
}

/// Whether it worked; in a test that fails there may be nothing to do it to.
fn run(args: &[&str]) -> bool {
    let command = bed::kubectl_command(args);
    let said = command.into_std().output();
    said.is_ok_and(|said| said.status.success())
}
