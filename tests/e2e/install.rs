//! The chart on a real cluster: installed, upgraded, uninstalled; two replicas of which one acts; the rights it has are
//! the rights it uses. Runs alone: a cluster-wide operator acts on everybody's pools.

mod newcomer;
mod plugin;

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use crate::support::stage::Stage;
use crate::support::{
    bed::{Namespace, PATIENCE, eventually, image, kubeconfig},
    bystander::PROGRAM,
    figures,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::Pod,
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role},
};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

const RELEASE: &str = "twp-operator";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Helm; it must succeed.
fn helm(args: &[&str]) -> String {
    try_helm(args).unwrap_or_else(|error| panic!("helm {args:?}: {error}"))
}

fn try_helm(args: &[&str]) -> Result<String, String> {
    let program = std::env::var("TWP_HELM").unwrap_or_else(|_| "helm".to_owned());
    let said = Command::new(&program)
        .args(args)
        .env("KUBECONFIG", kubeconfig())
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `eval \"$(tests/testbed/bed env)\"` sets TWP_HELM"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match said.status.success() {
        true => Ok(text(&said.stdout)),
        false => Err(text(&said.stderr)),
    }
}

/// The operator, installed; uninstalled when it goes out of scope.
pub struct Install<'a> {
    ns: &'a Namespace,
    extra: Vec<String>,
}

impl<'a> Install<'a> {
    /// In this namespace, with these values.
    pub fn new(ns: &'a Namespace, extra: &[&str]) -> Self {
        let install = Self {
            ns,
            extra: extra.iter().map(|set| (*set).to_owned()).collect(),
        };
        // Another test may have applied the CRD of an earlier version by kubectl, whose fields are then kubectl's.
        install.helm("install", &["--take-ownership", "--force-conflicts"]);
        install
    }

    fn helm(&self, verb: &str, more: &[&str]) {
        let operator = image("OPERATOR");
        let (repository, tag) = operator.rsplit_once(':').expect("an image with a tag");
        let (repository, tag) = (format!("image.repository={repository}"), format!("image.tag={tag}"));
        let mut args = vec![
            verb,
            RELEASE,
            "charts/twp-operator",
            "-n",
            &self.ns.name,
            "--wait",
            "--timeout",
            "120s",
        ];
        args.extend(["--set", repository.as_str(), "--set", tag.as_str()]);
        for set in &self.extra {
            args.extend(["--set", set.as_str()]);
        }
        args.extend(more);
        helm(&args);
    }

    /// What `helm test` comes to: whether all is well, and what it printed.
    async fn examined(&self) -> (bool, String) {
        let passed = try_helm(&["test", RELEASE, "-n", &self.ns.name, "--timeout", "90s"]).is_ok();
        let pod = format!("{RELEASE}-doctor");
        // One that passed is gone, with its log.
        let log = self.ns.try_kubectl(&["logs", &pod], "").await.unwrap_or_default();
        (passed, log)
    }

    async fn holder(&self) -> String {
        eventually("a replica holds the Lease", PATIENCE, async || {
            let lease = self
                .ns
                .api::<Lease>()
                .get(RELEASE)
                .await
                .map_err(|error| error.to_string())?;
            let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
            let pods = self.ns.pods("app.kubernetes.io/name=twp-operator").await;
            let alive = pods
                .iter()
                .any(|pod| pod.metadata.name.as_ref() == Some(&holder) && pod.metadata.deletion_timestamp.is_none());
            if alive {
                Ok(holder)
            } else {
                Err(format!("{holder:?} holds it"))
            }
        })
        .await
    }
}

impl Drop for Install<'_> {
    fn drop(&mut self) {
        drop(Uninstalled(&self.ns.name));
    }
}

/// The release of this namespace is uninstalled when it goes out of scope.
struct Uninstalled<'a>(&'a str);

impl Drop for Uninstalled<'_> {
    fn drop(&mut self) {
        let program = std::env::var("TWP_HELM").unwrap_or_else(|_| "helm".to_owned());
        let _ended = Command::new(program)
            .args(["uninstall", RELEASE, "-n", self.0, "--ignore-not-found", "--wait"])
            .env("KUBECONFIG", kubeconfig())
            .output();
    }
}

/// A pool with 30 tasks waiting and workers that cost nothing.
async fn with_pool(name: &str) -> Stage {
    let stage = Stage::redis_in(Namespace::new(name).await).await;
    stage.workers("mail", 0).await;
    stage.publish(30).await;
    stage.pool("mail", json!({})).await;
    stage
}

#[tokio::test]
async fn cluster_wide_it_installs_acts_upgrades_hands_over_and_leaves_the_pools() {
    let ns = Namespace::new("twp-system").await;
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    ns.kubectl(&["label", "namespace", &ns.name, restricted]).await;
    let install = Install::new(&ns, &[]);
    let deployment = ns.deployment(RELEASE).await.unwrap();
    assert_eq!(
        deployment.status.and_then(|status| status.ready_replicas),
        Some(2),
        "both replicas are ready"
    );
    let stage = with_pool("stage").await;
    stage.ns.wait_replicas("mail", 3).await;
    look_as_a_user(&stage).await;

    // One leads; without it the other takes over.
    let first = install.holder().await;
    ns.kubectl(&["delete", "pod", &first, "--wait=true"]).await;
    let second = install.holder().await;
    assert_ne!(first, second);
    stage.publish(10).await;
    stage.ns.wait_replicas("mail", 4).await;

    install.helm("upgrade", &["--set", "podAnnotations.upgraded=yes"]);
    ns.wait_ready(RELEASE).await;
    stage.publish(10).await;
    stage.ns.wait_replicas("mail", 5).await;

    // What only happens when something goes down, or a reference is a ConfigMap.
    busy_work(&stage).await;
    rights_are_exact(&ns).await;
    // It asks with the same account, so it comes after the account's calls were looked at.
    let (well, said) = install.examined().await;
    assert!(well, "{said}");

    helm(&["uninstall", RELEASE, "-n", &ns.name, "--wait"]);
    assert!(stage.ns.pool("mail").await.is_ok(), "the pools survive");
    assert_eq!(
        stage.ns.replicas("mail").await,
        Ok(5),
        "and the workers stay as they are"
    );
}

/// `kubectl get`, `describe` and `explain`, as people see them.
async fn look_as_a_user(stage: &Stage) {
    eventually("kubectl get twp says why", PATIENCE, async || {
        let seen = stage.ns.kubectl(&["get", "twp"]).await;
        let good = ["mail", "TARGET", "WHY", "3 replicas: ", "10 per replica."]
            .iter()
            .all(|part| seen.contains(part));
        if !good {
            return Err(seen);
        }
        println!("{seen}");
        Ok(())
    })
    .await;
    let seen = stage.ns.kubectl(&["describe", "twp", "mail"]).await;
    assert!(seen.contains("Scaled from 0 to 3 replicas"), "{seen}");
    let seen = stage.ns.kubectl(&["explain", "twp.spec.broker.urlFrom"]).await;
    assert!(seen.contains("CELERY_BROKER_URL"), "{seen}");
}

/// Real workers, some of which are busy when the others go (pods are listed and marked); a broker URL from a ConfigMap.
async fn busy_work(stage: &Stage) {
    let url = stage.url();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "broker"}, "data": {"url": url}});
    let files = json!({"nap.py": include_str!("../workload/nap.py"), PROGRAM.0: PROGRAM.1});
    let code = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nap"}, "data": files});
    let env = json!([{"name": "BROKER", "value": url}, {"name": "RECORDS", "value": url}, {"name": "ACKS_LATE", "value": "1"}]);
    let workers = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "nap"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "nap"}}, "template": {"metadata": {"labels": {"app": "nap"}}, "spec": {
            "terminationGracePeriodSeconds": 1, "enableServiceLinks": false,
            "containers": [{"name": "nap", "image": image("APP"), "imagePullPolicy": "IfNotPresent", "env": env, "workingDir": "/nap",
                "command": ["python3", "-m", "celery", "-A", "nap", "worker", "-c", "1", "-Q", "naps"],
                "volumeMounts": [{"name": "nap", "mountPath": "/nap"}]}],
            "volumes": [{"name": "nap", "configMap": {"name": "nap"}}],
        }}},
    });
    stage.ns.apply(format!("{map}\n---\n{code}\n---\n{workers}\n")).await;
    stage.ns.wait_ready("nap").await;
    let publish = "import nap; nap.nap.apply_async((1, 90), queue='naps')";
    stage.ns.exec("deploy/nap", &["python3", "-c", publish]).await;
    let pool = json!({
        "broker": {"urlFrom": {"configMapKeyRef": {"name": "broker", "key": "url"}}}, "queues": ["naps"],
        "target": {"backlogPerReplica": 1}, "worker": {"concurrency": 1},
    });
    stage.pool("nap", pool).await;
    // The busy one stays, marked; the idle one goes.
    stage.ns.wait_replicas("nap", 1).await;
    let pods = stage
        .ns
        .api::<Pod>()
        .list(&ListParams::default().labels("app=nap"))
        .await
        .unwrap();
    let marked = pods.items.iter().any(|pod| {
        pod.metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.contains_key("controller.kubernetes.io/pod-deletion-cost"))
    });
    assert!(marked, "the busy pod carries a deletion cost");
}

/// Every call that the audit log shows was allowed, and every right was used.
async fn rights_are_exact(ns: &Namespace) {
    let granted = granted(ns).await;
    let audit = audit_log();
    let user = format!("system:serviceaccount:{}:", ns.name);
    let calls: Vec<Value> = audit
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|call: &Value| {
            call["user"]["username"]
                .as_str()
                .is_some_and(|name| name.starts_with(&user))
        })
        .filter(|call| call["stage"] == "ResponseComplete" || call["stage"] == "ResponseStarted")
        .collect();
    let refused: Vec<_> = calls
        .iter()
        .filter(|call| call["responseStatus"]["code"] == 403)
        .collect();
    assert!(refused.is_empty(), "calls that were refused: {refused:#?}");
    let used: BTreeSet<String> = calls
        .iter()
        .filter_map(|call| {
            let object = &call["objectRef"];
            let resource = match object["subresource"].as_str() {
                Some(sub) => format!("{}/{sub}", object["resource"].as_str()?),
                None => object["resource"].as_str()?.to_owned(),
            };
            let group = object["apiGroup"].as_str().unwrap_or_default();
            Some(format!("{} {group}/{resource}", call["verb"].as_str()?))
        })
        .collect();
    println!("rights granted: {granted:#?}");
    let missing: Vec<_> = used.difference(&granted).collect();
    let unused: Vec<_> = granted.difference(&used).collect();
    assert!(missing.is_empty(), "used but not granted: {missing:?}");
    // Events that repeat are patched; whether one repeats within minutes is chance.
    let unused: Vec<_> = unused
        .into_iter()
        .filter(|right| *right != "patch events.k8s.io/events")
        .collect();
    assert!(unused.is_empty(), "granted but never used: {unused:?}");
}

async fn granted(ns: &Namespace) -> BTreeSet<String> {
    let label = ListParams::default().labels("app.kubernetes.io/name=twp-operator");
    let cluster: Api<ClusterRole> = Api::all(ns.client.clone());
    let bindings: Api<ClusterRoleBinding> = Api::all(ns.client.clone());
    // The roles for people (view, edit) are bound to nobody here.
    let bound: BTreeSet<_> = bindings
        .list(&label)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|binding| binding.role_ref.name)
        .collect();
    let cluster = cluster.list(&label).await.unwrap().items.into_iter();
    let cluster = cluster.filter(|role| role.metadata.name.as_ref().is_some_and(|name| bound.contains(name)));
    let local = ns.api::<Role>().list(&label).await.unwrap().items.into_iter();
    let rules: Vec<PolicyRule> = cluster
        .filter_map(|role| role.rules)
        .chain(local.filter_map(|role| role.rules))
        .flatten()
        .collect();
    assert!(!rules.is_empty());
    let mut rights = BTreeSet::new();
    for rule in rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    assert!(![group, resource, verb].iter().any(|word| *word == "*"), "a wildcard");
                    rights.insert(format!("{verb} {group}/{resource}"));
                }
            }
        }
    }
    rights
}

/// The test bed's cache: `run/pki/admin.kubeconfig` is in it.
fn cache() -> PathBuf {
    let file = PathBuf::from(kubeconfig());
    file.ancestors().nth(3).expect("the bed's cache").to_owned()
}

fn audit_log() -> String {
    let file = cache().join("run/audit.log");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}: the test bed writes it", file.display()))
}

#[tokio::test]
async fn for_one_namespace_it_needs_no_cluster_role() {
    let ns = Namespace::new("twp-system").await;
    let stage = with_pool("only").await;
    let only = format!("watchNamespaces={{{}}}", stage.ns.name);
    let install = Install::new(
        &ns,
        &[
            &only,
            "replicaCount=1",
            "leaderElection.enabled=false",
            "crds.enabled=false",
        ],
    );
    let deployment: Deployment = ns.deployment(RELEASE).await.unwrap();
    assert_eq!(deployment.spec.and_then(|spec| spec.replicas), Some(1));
    let cluster: Api<ClusterRole> = Api::all(ns.client.clone());
    let label = ListParams::default().labels("app.kubernetes.io/name=twp-operator");
    assert_eq!(cluster.list(&label).await.unwrap().items.len(), 0, "no ClusterRole");
    stage.ns.wait_replicas("mail", 3).await;

    let (well, said) = install.examined().await;
    assert!(well, "{said}");
    stage.ns.kubectl(&["delete", "rolebinding", RELEASE]).await;
    let (well, said) = install.examined().await;
    let names = format!(
        "the operator may not list taskworkerpools.taskworkerpool.dev in `{}`",
        stage.ns.name
    );
    assert!(!well && said.contains(&names), "{said}");
}

/// As somebody who changes the example runs them, in its image.
#[tokio::test]
async fn the_examples_own_tests_pass() {
    let ns = Namespace::new("example").await;
    let image = format!("--image={}", image("APP"));
    let pod = [
        "run",
        "tests",
        image.as_str(),
        "--image-pull-policy=IfNotPresent",
        "--restart=Never",
        "--attach",
    ];
    ns.kubectl(&[&pod[..], &["--", "python3", "manage.py", "test"]].concat())
        .await;
    let log = ns.kubectl(&["logs", "tests"]).await;
    assert!(log.contains("\nOK") && !log.contains("Ran 0 tests"), "{log}");
}

#[test]
fn the_image_is_small() {
    let archive = cache().join("images/twp-operator-dev.tar");
    let bytes = std::fs::metadata(&archive)
        .unwrap_or_else(|error| panic!("{}: {error}; `make image`", archive.display()))
        .len();
    let mebibytes = f64::from(u32::try_from(bytes / 1024).unwrap()) / 1024.0;
    figures::record("image_mib", (mebibytes * 10.0).round() / 10.0);
    assert!(bytes <= 20_000_000, "{bytes} bytes");
}
