//! A plan from its first task to the end, and what came of it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    history::{Follow, History},
    stage::RunStage,
    stranded::{Lookout, PATIENCE},
    variant::Variant,
    verdict::Verdict,
};
use crate::support::{bed::clock, operator::Operator, pods::merge};

/// The workers are looked at so often.
const LOOK: Duration = Duration::from_secs(10);

/// When a run is over.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// Nothing started or ended for so long: no one works any more, though tasks may be left.
    pub quiet: Duration,
    /// Or so long after the beginning.
    pub limit: Duration,
    /// So long after the last task, whose pod-seconds count too: a pool should go back to its floor.
    pub tail: Duration,
}

impl Until {
    /// As KEDA was measured: 130 s without a record, 25 minutes, 3 + 45 s after the last task.
    pub fn waves() -> Self {
        Self {
            quiet: Duration::from_secs(130),
            limit: Duration::from_secs(1500),
            tail: Duration::from_secs(48),
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub variant: Variant,
    pub verdict: Verdict,
    pub history: History,
    /// Workers that were stranded at any time.
    pub stranded: Vec<String>,
    pub pod_seconds: f64,
}

impl Outcome {
    /// What the figures have in common, whatever they are called in the end.
    pub fn figures(&self) -> Value {
        let tenths = |seconds: f64| (seconds * 10.0).round() / 10.0;
        let verdict = &self.verdict;
        let mut figures = self.variant.figures();
        let more = json!({
            "submitted": verdict.submitted, "finished": verdict.finished, "finished_once": verdict.finished_once,
            "interrupted": verdict.interrupted, "rerun": verdict.rerun, "lost": verdict.lost,
            "never_started": verdict.never_started, "redelivered": verdict.redelivered,
            "contradictions": verdict.contradictions.len(),
            "scale_downs": self.history.downs(), "scale_ups": self.history.ups(),
            "pods": self.history.pods.len(), "pods_sigkilled": self.history.sigkilled(),
            "pod_seconds": self.pod_seconds.round(), "ideal_pod_seconds": (verdict.work / f64::from(self.variant.slots)).round(),
            "last_end": tenths(verdict.span.1 - verdict.span.0),
            "wait_p50": tenths(verdict.wait(0.5)), "wait_p95": tenths(verdict.wait(0.95)),
            "stranded_workers": self.stranded.len(),
        });
        merge(&mut figures, &more);
        figures
    }

    /// The replicas, for people: `0 +5.1s 3 +40.0s 10 …`, in seconds since the first task.
    pub fn replicas(&self) -> String {
        let steps = self.history.replicas.iter();
        let steps = steps.map(|(at, replicas)| format!("{:+.1}s {replicas}", at - self.verdict.span.0));
        steps.collect::<Vec<_>>().join(", ")
    }
}

/// Publishes a plan (of `app/plans.py`) and follows it to its end. Whoever scales the workers is none of its business.
pub async fn run(stage: &RunStage, follow: &Follow, plan: Value, until: Until) -> Outcome {
    let client = stage.client.clone();
    let publishing = tokio::spawn(async move { client.publish(plan).await });
    let begin = Instant::now();
    let mut lookout = Lookout::default();
    let (mut records, mut news, mut looked) = (0, begin, begin);
    while begin.elapsed() < until.limit {
        let (started, ended) = (stage.client.count("started").await, stage.client.count("ended").await);
        if started + ended != records || !publishing.is_finished() {
            (records, news) = (started + ended, Instant::now());
        }
        let all = publishing.is_finished() && ended >= stage.client.count("submitted").await;
        if news.elapsed() > until.quiet || (all && finished(stage).await) {
            break;
        }
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            lookout.see(&stage.snapshot().await);
        }
        sleep(Duration::from_secs(1)).await;
    }
    // A publisher that failed tells why here; one that the time limit has cut off still publishes.
    if publishing.is_finished() {
        publishing.await.expect("the publisher");
    } else {
        publishing.abort();
    }
    sleep(until.tail).await;
    let end = clock();
    watch(stage, &mut lookout).await;
    let history = follow.history();
    Outcome {
        variant: stage.variant.clone(),
        verdict: Verdict::of(&stage.client.records().await, &history.alive()),
        pod_seconds: history.pod_seconds(end),
        stranded: lookout.stranded.into_iter().collect(),
        history,
    }
}

/// A whole run with a pool of these changes, and an operator of its own. The second value is what the operator said.
pub async fn with_pool(variant: Variant, pool: &Value, plan: Value, until: Until) -> (Outcome, String) {
    let stage = RunStage::new(variant).await;
    let follow = Follow::new(&stage.ns);
    stage.pool(pool).await;
    let operator = Operator::start(&stage.ns.name).await;
    stage.ns.wait_working("w").await;
    let outcome = run(&stage, &follow, plan, until).await;
    (outcome, operator.log())
}

/// Looks at the workers until none is under suspicion, or those that are have proved to be stranded.
pub async fn watch(stage: &RunStage, lookout: &mut Lookout) {
    let end = Instant::now() + Duration::from_secs_f64(PATIENCE + 15.0);
    loop {
        lookout.see(&stage.snapshot().await);
        if lookout.calm() || Instant::now() > end {
            return;
        }
        sleep(Duration::from_secs(3)).await;
    }
}

/// Each task has ended, not only as many attempts as there are tasks.
async fn finished(stage: &RunStage) -> bool {
    let records = stage.client.records().await;
    Verdict::of(&records, &Default::default()).lost == 0
}
