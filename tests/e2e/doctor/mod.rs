//! What `doctor` says of twenty-one pools with one fault each: it names the fault, and calls nothing else wrong.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | the pools, what is expected of each, and the figure |
//! | `program.rs` | the two programs, and what they find |

mod program;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use self::program::{Finding, beside, from_inside};
use crate::{
    cluster::rights,
    support::{
        bed::{Namespace, eventually, kubeconfig},
        celery_stage::{CeleryStage, LONG},
        figures,
        stage::{CANARY, ENCODED, Stage, pool, workers},
    },
};

/// Number of faults.
const FAULTS: usize = 21;
/// Number of pools that are examined at once.
const AT_ONCE: usize = 4;
/// Longest task of the pool whose pods have no time to end, in seconds.
const LONGEST: u32 = 600;

/// A pool with one fault, and what is to be said of it.
struct SetUp {
    /// Name of the pool.
    pool: &'static str,
    /// Namespace of the pool.
    namespace: String,
    /// Kubeconfig of whoever examines it.
    kubeconfig: String,
    /// The only part that is wrong.
    wrong: &'static str,
    /// What its text names.
    names: &'static [&'static str],
}

impl SetUp {
    fn new(ns: &Namespace, pool: &'static str, wrong: &'static str, names: &'static [&'static str]) -> Self {
        Self {
            pool,
            namespace: ns.name.clone(),
            kubeconfig: kubeconfig(),
            wrong,
            names,
        }
    }

    /// What is missing in these findings, if anything is.
    fn judged(&self, findings: &[Finding]) -> Result<(), String> {
        let wrong: Vec<_> = findings.iter().filter(|finding| finding.level == "wrong").collect();
        let [only] = wrong.as_slice() else {
            return Err(format!(
                "{}: {} are wrong, not 1: {findings:#?}",
                self.pool,
                wrong.len()
            ));
        };
        let named = self.names.iter().all(|name| only.text.contains(name));
        match only.what == self.wrong && named {
            true => Ok(()),
            false => Err(format!(
                "{}: not {} with {:?}: {only:?}",
                self.pool, self.wrong, self.names
            )),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_named_and_nothing_else_is_called_wrong() {
    let (stage, celery) = tokio::join!(Stage::redis("doctor"), CeleryStage::new("doctored", "redis"));
    let mut set_ups = addresses(&stage).await;
    set_ups.extend(acls(&stage).await);
    set_ups.extend(objects(&stage).await);
    set_ups.extend(references(&stage).await);
    set_ups.extend(running(&celery).await);
    let unread = Namespace::with_pools("unread").await;
    set_ups.push(config_map(&stage, &unread).await);
    let examined = stream::iter(&set_ups).map(|set_up| async move {
        let key = format!("{}/{}", set_up.namespace, set_up.pool);
        let (code, findings) = from_inside(&key, &set_up.kubeconfig).await;
        set_up.judged(&findings).and_then(|()| match code {
            Some(2) => Ok(()),
            code => Err(format!("{key}: a finding ends with 2, not with {code:?}")),
        })
    });
    let mut said: Vec<_> = examined.buffered(AT_ONCE).collect().await;
    said.push(one_of_two(&stage).await);
    said.push(autoscaler(&stage).await);
    let failed: Vec<_> = said.iter().filter_map(|said| said.as_ref().err()).collect();
    figures::record_in("plugin", "doctor_named", json!([said.len() - failed.len(), FAULTS]));
    assert_eq!(said.len(), FAULTS);
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Nothing is wrong with a pool that works, and nothing of what is printed is a credential.
#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_well_nothing_is_called_wrong() {
    let stage = Stage::redis("healthy").await;
    stage.workers("mail", 0).await;
    stage.publish(3).await;
    stage.pool("mail", json!({})).await;
    let key = format!("{}/mail", stage.ns.name);
    let (code, findings) = from_inside(&key, &kubeconfig()).await;
    assert!(
        code == Some(0) && findings.iter().all(|finding| finding.level != "wrong"),
        "{code:?}: {findings:#?}"
    );
    let has = |what: &str, part: &str| {
        let mut all = findings.iter();
        all.any(|finding| finding.what == what && finding.level == "ok" && finding.text.contains(part))
    };
    assert!(
        has("Queue", "`celery`: 3 waiting") && has("Authentication", "Redis"),
        "{findings:#?}"
    );
    let text = format!("{findings:?}");
    assert!(!text.contains(CANARY) && !text.contains(ENCODED), "{text}");
    assert_eq!(stage.ns.replicas("mail").await, Ok(0), "who examines writes nothing");
    let pool = stage.ns.pool("mail").await.expect("the pool");
    assert!(
        pool.status.is_none_or(|status| status.decision.is_none()),
        "who examines writes no status"
    );

    let (code, _) = from_inside(&format!("{}/none", stage.ns.name), &kubeconfig()).await;
    assert_eq!(code, Some(1), "there is no such pool");
}

/// A pool with a target and a queue of its own, and with a broker URL of its own, where one is given.
async fn pool_with(stage: &Stage, name: &str, url: Option<String>, mut changes: Value) {
    stage.workers(name, 0).await;
    if changes.get("queues").is_none() {
        changes["queues"] = json!([name]);
    }
    if let Some(url) = url {
        stage.secret(name, &url).await;
        changes["broker"] = json!({"urlFrom": {"secretKeyRef": {"name": name, "key": "url"}}});
    }
    stage.pool(name, changes).await;
}

/// Something is wrong with the broker's address.
async fn addresses(stage: &Stage) -> Vec<SetUp> {
    let right = stage.url();
    let mut set_ups = Vec::new();
    for (name, url, wrong, names) in [
        (
            "host",
            right.replace(&stage.host, "192.0.2.1"),
            "TCP",
            &["`192.0.2.1:6379`", "host and port"] as &[_],
        ),
        (
            "dns",
            right.replace(&stage.host, "nowhere.invalid"),
            "DNS",
            &["`nowhere.invalid:6379`", "does not resolve"],
        ),
        (
            "port",
            right.replace(":6379", ":6390"),
            "TCP",
            &["host and port in `spec.broker`"],
        ),
        (
            "password",
            right.replace(ENCODED, "other"),
            "Authentication",
            &["password"],
        ),
        (
            "tls",
            right.replace("redis://", "rediss://"),
            "TLS",
            &["does not speak TLS"],
        ),
        (
            "database",
            right.replace(":6379/0", ":6379/99"),
            "Database",
            &["database number"],
        ),
        // The schema sees no Secret.
        ("scheme", right.replace("redis://", "http://"), "Pool", &["redis://"]),
    ] {
        pool_with(stage, name, Some(url), json!({})).await;
        set_ups.push(SetUp::new(&stage.ns, name, wrong, names));
    }
    set_ups
}

/// The broker refuses something.
async fn acls(stage: &Stage) -> Vec<SetUp> {
    let password = format!(">{CANARY}");
    let mut connection = stage.connection().await;
    let mut set_ups = Vec::new();
    for (name, rules, wrong, names) in [
        (
            "deaf",
            ["~*", "resetchannels"],
            "Heartbeats",
            &["refuse heartbeats", "docs/redis.md"],
        ),
        (
            "keys",
            ["~other", "allchannels"],
            "Queues",
            &["permissions refuse", "docs/redis.md"],
        ),
    ] {
        let mut acl = redis::cmd("ACL");
        acl.arg("SETUSER").arg(name).arg("reset").arg("on").arg("+@all");
        acl.arg(rules.as_slice()).arg(&password);
        let () = acl.query_async(&mut connection).await.expect("ACL SETUSER");
        let url = stage.url().replace("//:", &format!("//{name}:"));
        pool_with(stage, name, Some(url), json!({})).await;
        set_ups.push(SetUp::new(&stage.ns, name, wrong, names));
    }
    set_ups
}

/// Something is wrong with the target.
async fn objects(stage: &Stage) -> Vec<SetUp> {
    stage.pool("target", json!({"queues": ["target"]})).await;

    let mut with_beat = workers("beat", 0);
    with_beat["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["celery", "-A", "shop", "worker", "-B"]);
    stage.ns.apply(with_beat.to_string()).await;
    stage
        .ns
        .apply(pool("beat", json!({"queues": ["beat"], "minReplicas": 0})).to_string())
        .await;

    let graceless = json!({"worker": {"maxTaskSeconds": LONGEST}});
    pool_with(stage, "grace", None, graceless).await;
    vec![
        SetUp::new(&stage.ns, "target", "Target", &["There is no Deployment `target`"]),
        SetUp::new(&stage.ns, "beat", "Beat", &["`minReplicas"]),
        SetUp::new(
            &stage.ns,
            "grace",
            "Grace period",
            &[
                "`terminationGracePeriodSeconds`",
                "`grace` is 0",
                "600 s",
                "`worker.maxTaskSeconds`",
            ],
        ),
    ]
}

/// Something that the pool names is not there.
async fn references(stage: &Stage) -> Vec<SetUp> {
    let mut set_ups = Vec::new();
    for (name, secret, key, names) in [
        ("secret", "none", "url", &["`broker.urlFrom`", "`none`"]),
        ("key", "broker", "uri", &["`broker.urlFrom`", "`uri`"]),
    ] {
        let broker = json!({"urlFrom": {"secretKeyRef": {"name": secret, "key": key}}});
        pool_with(stage, name, None, json!({ "broker": broker })).await;
        set_ups.push(SetUp::new(&stage.ns, name, "References", names));
    }
    set_ups
}

/// Something is wrong with workers that run.
async fn running(stage: &CeleryStage) -> Vec<SetUp> {
    let celery = ["python3", "-m", "celery", "-A", "nap", "worker", "-c", "1"];
    let silent = ["--without-heartbeat", "--without-gossip", "--without-mingle"];
    let names = ["queue", "node", "silent", "greedy"];
    for (name, more, control, prefetch) in [
        ("queue", &[][..], "1", "1"),
        ("node", &["-n", "worker@fixed"][..], "1", "1"),
        ("silent", &silent[..], "0", "1"),
        ("greedy", &[][..], "1", "0"),
    ] {
        let mut command = Vec::from(celery);
        // Each pool has a queue of its own, and the workers of `queue` another one.
        let queue = if name == "queue" { "letters" } else { name };
        command.extend(["-Q", queue]);
        command.extend(more);
        let mut deployment = stage.deployment(name, 1, &command, 0);
        let environment = &mut deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        let environment = environment.as_array_mut().expect("its environment");
        environment.push(json!({"name": "CONTROL", "value": control}));
        environment.push(json!({"name": "PREFETCH", "value": prefetch}));
        stage.ns.apply(deployment.to_string()).await;
        stage.ns.apply(pool(name, json!({"queues": [name]})).to_string()).await;
    }
    for name in names {
        stage.ns.wait_ready(name).await;
    }
    eventually("all workers are connected", LONG, async || {
        let ready = stage.list("ready").await;
        let named = |name: &&str| ready.iter().any(|line| line.starts_with(&format!("{name}-")));
        match names.iter().all(named) {
            true => Ok(()),
            false => Err(format!("{ready:?}")),
        }
    })
    .await;
    vec![
        SetUp::new(&stage.ns, "queue", "Queues", &["`letters`", "`queue`"]),
        SetUp::new(&stage.ns, "node", "Workers", &["`worker@fixed`", "-n name@%h"]),
        SetUp::new(&stage.ns, "silent", "Workers", &["neither beat nor answer"]),
        SetUp::new(
            &stage.ns,
            "greedy",
            "Prefetch",
            &["all messages", "`worker_prefetch_multiplier = 1`"],
        ),
    ]
}

/// An operator that may not read a ConfigMap.
async fn config_map(stage: &Stage, ns: &Namespace) -> SetUp {
    let objects = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "address"}, "data": {"host": stage.host}}),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broker"}, "stringData": {"password": CANARY},
        }),
        workers("map", 0),
        pool(
            "map",
            json!({"broker": {"parts": {
                "scheme": "redis", "hostFrom": {"configMapKeyRef": {"name": "address", "key": "host"}},
                "passwordFrom": {"secretKeyRef": {"name": "broker", "key": "password"}},
            }}}),
        ),
    ];
    for object in objects {
        ns.apply(object.to_string()).await;
    }
    // These rights have no ConfigMaps among them.
    let options = rights::grant(ns, &[(ns, "")]).await;
    SetUp {
        kubeconfig: options.kubeconfig.expect("a kubeconfig"),
        ..SetUp::new(
            ns,
            "map",
            "References",
            &["`broker.parts.hostFrom`", "may not read", "`address`"],
        )
    }
}

/// Two pools on one target: the younger one is told of the older one, and nothing is wrong with that. Which one is older does not show
/// if both were created within a second.
async fn one_of_two(stage: &Stage) -> Result<(), String> {
    pool_with(stage, "first", None, json!({})).await;
    let second = json!({"queues": ["first"], "targetRef": {"name": "first"}});
    stage.ns.apply(pool("second", second).to_string()).await;
    let mut told = Vec::new();
    for name in ["first", "second"] {
        let (_, findings) = from_inside(&format!("{}/{name}", stage.ns.name), &kubeconfig()).await;
        let wrong: Vec<_> = findings
            .into_iter()
            .filter(|finding| finding.level == "wrong")
            .collect();
        told.extend(wrong.into_iter().map(|finding| (name, finding)));
    }
    match told.as_slice() {
        [(name, finding)] if finding.what == "Target" => {
            let other = if *name == "first" { "`second`" } else { "`first`" };
            let named = finding.text.contains(other) && finding.text.contains("the same target");
            named.then_some(()).ok_or_else(|| format!("{told:?}"))
        }
        told => Err(format!("two pools on one target: {told:#?}")),
    }
}

/// A HorizontalPodAutoscaler on the target. The operator may not list those: it is the half of whoever asks.
async fn autoscaler(stage: &Stage) -> Result<(), String> {
    pool_with(stage, "hpa", None, json!({})).await;
    let hpa = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "other"},
        "spec": {"minReplicas": 1, "maxReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "hpa"}},
    });
    stage.ns.apply(hpa.to_string()).await;
    // In this namespace no operator runs, which is said, too.
    let (code, findings) = beside("hpa", &stage.ns.name).await;
    let wrong: Vec<_> = findings.iter().filter(|finding| finding.level == "wrong").collect();
    let named = |what: &str, parts: &[&str]| {
        let mut all = wrong.iter();
        all.any(|finding| finding.what == what && parts.iter().all(|part| finding.text.contains(part)))
    };
    let both =
        named("Autoscalers", &["HorizontalPodAutoscaler `other`", "delete it"]) && named("Operator", &["none runs"]);
    match both && wrong.len() == 2 && code == Some(2) {
        true => Ok(()),
        false => Err(format!("a HorizontalPodAutoscaler: {code:?} {findings:#?}")),
    }
}
