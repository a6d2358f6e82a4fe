//! A StatefulSet loses its highest ordinals, whatever stands on its pods: so a busy one keeps those below it, and nothing
//! else is told to stop. `turns.rs`: nor is a pod given up before its turn; `namesake.rs`: nor by the word of another
//! StatefulSet's pod of the same name.

mod namesake;
mod turns;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    cluster::rights::{grant, grant_stateful_sets},
    support::{
        bed::{PATIENCE, eventually, throughout},
        celery_stage::{CeleryStage, LONG},
        figures,
        operator::Operator,
        stage::pool,
    },
};

/// Number of workers, each with one slot.
const WORKERS: u32 = 6;
/// The first ordinal.
const START: u32 = 3;

/// The workers' Deployment as a StatefulSet, which numbers its pods from [`START`].
fn stateful_set(stage: &CeleryStage) -> Value {
    let mut set = set_with(stage, &["-c", "1"], 300);
    set["spec"]["ordinals"] = json!({"start": START});
    set
}

/// Celery workers with these arguments as a StatefulSet, with so many seconds to end.
fn set_with(stage: &CeleryStage, arguments: &[&str], grace: u32) -> Value {
    let worker = ["python3", "-m", "celery", "-A", "nap", "worker", "-l", "info"];
    let mut set = stage.deployment("mail", 0, &[&worker[..], arguments].concat(), grace);
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!("mail");
    set
}

/// Exactly so many.
fn size(replicas: u32) -> Value {
    json!({"targetRef": {"kind": "StatefulSet", "name": "mail"}, "minReplicas": replicas, "maxReplicas": replicas,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}})
}

async fn replicas(stage: &CeleryStage) -> String {
    stage
        .ns
        .kubectl(&["get", "statefulset", "mail", "-o", "jsonpath={.spec.replicas}"])
        .await
}

/// Task that each pod runs.
async fn started(stage: &CeleryStage) -> BTreeMap<String, String> {
    let lines = stage.wait_started(WORKERS as usize).await;
    let words = lines.iter().filter_map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()?))
    });
    words.map(|(number, pod)| (pod, number)).collect()
}

fn named(ordinal: u32) -> String {
    format!("mail-{ordinal}")
}

#[tokio::test]
async fn the_highest_ordinals_are_busy_and_none_is_cut_off() {
    let stage = CeleryStage::new("ordinals", "redis").await;
    stage.ns.apply(stateful_set(&stage).to_string()).await;
    // Of the same name, and none of this pool's business.
    let decoy = stage.deployment("mail", 1, &["sleep", "3600"], 0).to_string();
    stage
        .ns
        .apply(decoy.replace(r#""app":"mail""#, r#""app":"decoy""#))
        .await;
    stage.ns.apply(pool("mail", size(WORKERS)).to_string()).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage
        .client(&format!("for number in range({WORKERS}): nap.hold.delay(number)"))
        .await;
    let tasks = started(&stage).await;
    let ordinals: Vec<_> = (START..START + WORKERS).map(named).collect();
    assert_eq!(tasks.keys().cloned().collect::<Vec<_>>(), ordinals, "each runs one");

    // All but the two highest are idle, and two of all are to stay.
    let [.., fourth, last] = &ordinals[..] else {
        unreachable!()
    };
    let (low, stay) = (&ordinals[..4], &ordinals[..2]);
    stage
        .release(&low.iter().map(|pod| &tasks[pod]).collect::<Vec<_>>())
        .await;
    stage.wait_ended(4).await;
    stage.ns.change_pool("mail", size(2)).await;
    let holds = format!("2 that may go wait for `{last}` to go first.");
    let sentence = eventually("the sentence names the busy one", LONG, async || {
        let status = stage.ns.pool("mail").await?.status.unwrap_or_default();
        let said = status.decision.map(|decision| decision.message).unwrap_or_default();
        match said.contains(&holds) {
            true => Ok(said),
            false => Err(format!("{said}\n{}", operator.log())),
        }
    })
    .await;
    let draining = || async {
        let pods = stage.ns.pods("app=mail,taskworkerpool.dev/draining=true").await;
        let mut names: Vec<_> = pods.into_iter().filter_map(|pod| pod.metadata.name).collect();
        names.sort();
        names
    };
    assert_eq!(draining().await, ordinals[2..], "the highest, and no others");

    // The second highest has nothing left, and still has to wait.
    stage.release(&[&tasks[fourth]]).await;
    stage.wait_ended(5).await;
    throughout(
        "nothing goes before the highest",
        Duration::from_secs(6),
        async || match replicas(&stage).await.as_str() {
            "6" => Ok(()),
            other => Err(other.to_owned()),
        },
    )
    .await;
    stage.release(&[&tasks[last]]).await;
    stage.wait_ended(6).await;
    eventually("two are left, and they are the lowest", LONG, async || {
        let pods = stage.ns.pods("app=mail").await;
        let mut names: Vec<_> = pods.into_iter().filter_map(|pod| pod.metadata.name).collect();
        names.sort();
        match (replicas(&stage).await.as_str(), names == stay) {
            ("2", true) => Ok(()),
            (replicas, _) => Err(format!("{replicas} {names:?}\n{}", operator.log())),
        }
    })
    .await;

    // They fetch, and one that comes back under its old number does, too.
    stage.ns.change_pool("mail", size(3)).await;
    stage
        .client("for number in range(10, 13): nap.hold.delay(number)")
        .await;
    let all = stage.wait_started(9).await;
    let again: Vec<_> = all
        .iter()
        .filter(|line| {
            let number = line.split(' ').next().and_then(|number| number.parse::<u32>().ok());
            number.is_some_and(|number| number >= 10) && line.contains(&ordinals[2])
        })
        .collect();
    assert_eq!(again.len(), 1, "{all:?}");
    stage.release(&["10", "11", "12"]).await;
    stage.wait_ended(9).await;
    assert_eq!(stage.list("started").await.len(), 9, "each once");
    assert_eq!(stage.ns.replicas("mail").await, Ok(1), "the Deployment is as it was");
    stage.undisturbed(&[], &operator).await;
    figures::record_in(
        "install",
        "stateful_set",
        json!({"workers": WORKERS, "cut_off": 0, "sentence": sentence}),
    );
}

#[tokio::test]
async fn without_the_right_the_status_names_the_value_that_gives_it() {
    let stage = CeleryStage::new("ordinals", "redis").await;
    stage.ns.apply(stateful_set(&stage).to_string()).await;
    stage.ns.apply(pool("mail", size(1)).to_string()).await;
    let operator = Operator::start_with(&stage.ns.name, grant(&stage.ns, &[(&stage.ns, "")]).await).await;
    let message = stage.ns.wait_condition("mail", "Ready", "False", "TargetMissing").await;
    assert!(
        message.contains("rbac.statefulSets: true"),
        "{message}\n{}",
        operator.log()
    );
    // It is given while the operator runs.
    grant_stateful_sets(&stage.ns).await;
    eventually("it is scaled", PATIENCE, async || {
        match replicas(&stage).await.as_str() {
            "1" => Ok(()),
            other => Err(format!("{other}\n{}", operator.log())),
        }
    })
    .await;
}
