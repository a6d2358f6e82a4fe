//! Workers are emptied before they go, and given back when they are to stay: whatever happens meanwhile, none is left that
//! neither fetches nor goes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    cluster::rights::grant,
    support::{
        bed::eventually,
        celery_stage::{CeleryStage, LONG},
        figures,
        operator::Operator,
        stage::pool,
    },
};

/// Two slots a pod, and a replica for every two tasks: two pods with one task each are one too many.
fn spec() -> Value {
    json!({"maxReplicas": 2, "target": {"backlogPerReplica": 2}, "worker": {"concurrency": 2},
        "protectFromDisruption": true,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}})
}

/// Tasks that run until they are released.
struct Held<'a> {
    stage: &'a CeleryStage,
    published: u32,
}

impl Held<'_> {
    /// Publishes more and waits until they have started: so many seconds after they were published.
    async fn publish(&mut self, tasks: u32) -> f64 {
        let numbers = self.published..self.published + tasks;
        let numbers: Vec<_> = numbers.map(|number| number.to_string()).collect();
        let code = format!(
            "import time\nfor number in [{}]: nap.hold.delay(number)\nprint(time.time())",
            numbers.join(",")
        );
        let published = self.stage.client(&code).await;
        let published: f64 = published.trim().parse().expect("a time");
        self.published += tasks;
        let started = self.stage.wait_started(self.published as usize).await;
        let times = started
            .iter()
            .filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok());
        times.fold(published, f64::max) - published
    }

    /// Those that run, by pod.
    async fn running(&self) -> BTreeMap<String, Vec<String>> {
        let ended = self.stage.ended().await;
        let mut pods = BTreeMap::<String, Vec<String>>::new();
        for line in self.stage.list("started").await {
            let mut words = line.split(' ').map(str::to_owned);
            if let (Some(number), Some(pod)) = (words.next(), words.next())
                && !ended.contains(&number)
            {
                pods.entry(pod).or_default().push(number);
            }
        }
        pods
    }

    /// Lets all but one end on each pod.
    async fn leave_one_on_each(&self) {
        for tasks in self.running().await.values() {
            self.stage.release(tasks.get(1..).unwrap_or_default()).await;
        }
    }

    async fn draining(&self) -> BTreeSet<String> {
        let pods = self.stage.ns.pods("app=mail,taskworkerpool.dev/draining=true").await;
        pods.into_iter().filter_map(|pod| pod.metadata.name).collect()
    }

    /// Waits until so many pods are on their way out: their names.
    async fn wait_draining(&self, pods: usize, operator: &Operator) -> BTreeSet<String> {
        eventually(&format!("{pods} pods are on their way out"), LONG, async || {
            let seen = self.draining().await;
            match seen.len() == pods {
                true => Ok(seen),
                false => Err(format!("{seen:?}\n{}", operator.log())),
            }
        })
        .await
    }

    /// Waits until node autoscalers are asked to leave so many pods alone.
    async fn wait_protected(&self, pods: usize, operator: &Operator) {
        let asked = [
            ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
            ("karpenter.sh/do-not-disrupt", "true"),
        ];
        eventually(&format!("{pods} pods are protected"), LONG, async || {
            let all = self.stage.ns.pods("app=mail").await;
            let protected = all.iter().filter(|pod| {
                let annotations = pod.metadata.annotations.clone().unwrap_or_default();
                asked
                    .iter()
                    .all(|(key, value)| annotations.get(*key).is_some_and(|found| found == value))
            });
            match protected.count() {
                seen if seen == pods => Ok(()),
                seen => Err(format!("{seen} are\n{}", operator.log())),
            }
        })
        .await;
    }

    /// Both workers fetch, and still run a task each: all of so many have run once when these have ended.
    async fn end(&self, tasks: usize, operator: &Operator) {
        self.wait_fetching(2, 2).await;
        let rest: Vec<_> = self.running().await.into_values().flatten().collect();
        assert_eq!(rest.len(), 2, "the tasks still run");
        self.stage.release(&rest).await;
        self.stage.wait_ended(tasks).await;
        let started = self.stage.list("started").await;
        assert_eq!(started.len(), tasks, "each once: {started:?}\n{}", operator.log());
        self.stage.undisturbed(&[], operator).await;
    }

    /// Waits until so many of so many workers fetch from the queue, by their own word, and no others are there.
    async fn wait_fetching(&self, fetching: usize, of: usize) {
        let what = format!("{fetching} of {of} workers fetch, and no others are there");
        eventually(&what, LONG, async || {
            let code = "import json; print(json.dumps(nap.app.control.inspect(timeout=3).active_queues() or {}))";
            let said = self.stage.client(code).await;
            let said: BTreeMap<String, Vec<Value>> =
                serde_json::from_str(said.trim()).map_err(|error| error.to_string())?;
            let fetch = said.values().filter(|queues| !queues.is_empty()).count();
            match (said.len(), fetch) == (of, fetching) {
                true => Ok(()),
                false => Err(format!("{said:?}")),
            }
        })
        .await;
    }
}

/// How the operator stops looking after a pool.
enum Over {
    Deleted,
    Suspended,
}

async fn workers_are_given_back(kind: &str, over: Over) {
    let stage = CeleryStage::new("drain", kind).await;
    stage.workers("2", 300).await;
    stage.ns.apply(pool("mail", spec()).to_string()).await;
    let mut operator = Operator::start(&stage.ns.name).await;
    let mut held = Held {
        stage: &stage,
        published: 0,
    };
    held.publish(4).await;
    assert_eq!(held.running().await.len(), 2, "two pods with two tasks each");

    held.wait_protected(2, &operator).await;

    // One task on each: one of the two is emptied, and the sentence says so.
    held.leave_one_on_each().await;
    held.wait_draining(1, &operator).await;
    eventually("the sentence says what is awaited", LONG, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        let said = status.decision.map(|decision| decision.message).unwrap_or_default();
        match said.contains("1 more for now: 1 is drained (1 task left).") {
            true => Ok(()),
            false => Err(said),
        }
    })
    .await;

    // Work returns: the worker fetches again.
    let seconds = held.publish(2).await;
    figures::record_in(
        "interrupt",
        &format!("work_returns_starts_after_seconds.{kind}"),
        seconds,
    );
    held.wait_draining(0, &operator).await;
    held.wait_fetching(2, 2).await;
    held.leave_one_on_each().await;

    // The operator is killed, and the next one goes on, or takes it back first.
    held.wait_draining(1, &operator).await;
    operator.kill();
    let operator = Operator::start(&stage.ns.name).await;
    held.wait_fetching(2, 2).await;
    held.wait_draining(1, &operator).await;

    // Nobody looks after the pool any more.
    match over {
        Over::Deleted => stage.ns.delete("twp/mail").await,
        Over::Suspended => stage.ns.change_pool("mail", json!({"suspend": true})).await,
    }
    held.wait_draining(0, &operator).await;
    held.wait_protected(0, &operator).await;
    held.end(6, &operator).await;
}

#[tokio::test]
async fn on_redis_workers_of_a_deleted_pool_are_given_back() {
    workers_are_given_back("redis", Over::Deleted).await;
}

#[tokio::test]
async fn on_rabbitmq_workers_of_a_suspended_pool_are_given_back() {
    workers_are_given_back("rabbitmq", Over::Suspended).await;
}

/// The pool is to have exactly so many.
fn size(replicas: u32) -> Value {
    json!({"minReplicas": replicas, "maxReplicas": replicas})
}

/// The same by hand: two pods until one is one too many. Of the profile that watches least long before anything goes.
fn spec_of_two() -> Value {
    json!({"minReplicas": 2, "maxReplicas": 2, "target": {"waitSeconds": 60}, "profile": "Economy",
        "worker": {"concurrency": 2}, "protectFromDisruption": true})
}

/// Two workers with a task each, one of which has been told to stop.
async fn one_of_two_stopped<'a>(stage: &'a CeleryStage, operator: &Operator) -> Held<'a> {
    let mut held = Held { stage, published: 0 };
    held.publish(4).await;
    held.leave_one_on_each().await;
    stage.ns.change_pool("mail", size(1)).await;
    held.wait_draining(1, operator).await;
    held.wait_fetching(1, 2).await;
    held
}

#[tokio::test]
async fn workers_of_a_pool_that_only_observes_are_given_back() {
    let stage = CeleryStage::new("drain", "redis").await;
    stage.workers("2", 300).await;
    stage.ns.apply(pool("mail", spec_of_two()).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    let held = one_of_two_stopped(&stage, &operator).await;
    stage.ns.change_pool("mail", json!({"mode": "Observe"})).await;
    held.wait_draining(0, &operator).await;
    held.end(4, &operator).await;
}

/// Whether the address stands in the spec or in a Secret.
async fn workers_that_a_pool_leaves_behind(kind: &str, inline: bool) {
    let stage = CeleryStage::new("left", kind).await;
    stage.workers("2", 300).await;
    let mut wished = spec_of_two();
    if inline {
        wished["broker"] = json!({"url": stage.url()});
    }
    stage.ns.apply(pool("mail", wished).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    let held = one_of_two_stopped(&stage, &operator).await;
    let elsewhere = format!("{}3", stage.url().trim_end_matches('0'));
    match inline {
        true => {
            stage
                .ns
                .change_pool("mail", json!({"broker": {"url": elsewhere}}))
                .await
        }
        false => {
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broker"}, "stringData": {"url": elsewhere}});
            stage.ns.apply(secret.to_string()).await;
        }
    }
    held.wait_fetching(2, 2).await;
    held.wait_draining(0, &operator).await;
    held.end(4, &operator).await;
}

#[tokio::test]
async fn workers_at_a_broker_whose_address_was_edited_are_given_back() {
    workers_that_a_pool_leaves_behind("redis", true).await;
}

#[tokio::test]
async fn workers_at_a_broker_whose_secret_was_changed_are_given_back() {
    workers_that_a_pool_leaves_behind("redis", false).await;
}

/// `helm uninstall` takes an operator's rights away while it ends: then what it has noted on pods stays, but its workers
/// fetch again.
#[tokio::test]
async fn an_operator_that_ends_without_any_rights_gives_its_workers_back() {
    let stage = CeleryStage::new("drain", "rabbitmq").await;
    stage.workers("2", 300).await;
    stage.ns.apply(pool("mail", spec_of_two()).to_string()).await;
    let options = grant(&stage.ns, &[(&stage.ns, "")]).await;
    let mut operator = Operator::start_with(&stage.ns.name, options).await;
    let held = one_of_two_stopped(&stage, &operator).await;
    stage.ns.kubectl(&["delete", "rolebinding", "--all"]).await;
    stage.ns.delete("serviceaccount/op").await;
    let status = operator.stop().await;
    assert!(status.success(), "{status}");
    assert!(operator.log().contains("fetch again"), "{}", operator.log());
    held.end(4, &operator).await;
}
