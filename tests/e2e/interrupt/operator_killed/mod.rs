//! The operator is killed in the middle of a drain, at each of its points and at any time, and another one starts: the
//! replicas settle, no worker stays stopped for ever, and no task is interrupted. Nothing in the operator helps with that:
//! the points are recognised from outside (`points.rs`). Asked to end (SIGTERM), it gives the workers back itself.

mod points;

use std::time::{Duration, Instant};

use serde_json::json;
use taskworkerpool::sim::random::Random;

use crate::{
    interrupt::proof::{
        history::Follow,
        run::watch,
        stage::RunStage,
        stranded::Lookout,
        variant::{Acks, Broker, Variant},
        verdict::Verdict,
    },
    support::{
        bed::{PATIENCE, eventually},
        figures,
        operator::Operator,
    },
};
use points::Point;

/// Workers before a round's drain, and after it.
const MANY: i32 = 4;
const FEW: i32 = 1;
/// Tasks of a round: as many as the workers have slots. They end one after another, so that workers are still busy when
/// there are too many of them.
const TASKS: usize = 8;
/// A drain passes all of its points in this time: no task takes longer than 20 s.
const DRAIN: Duration = Duration::from_secs(60);
/// An operator that has just started takes nothing down: so long after its start it does.
const FRESH: Duration = Duration::from_secs(20);

#[tokio::test]
async fn while_workers_are_stopped_and_emptied() {
    use Point::*;
    each(
        Variant::new(Broker::Redis, Acks::Early),
        [Labelled, Cancelled, Holding, Empty],
    )
    .await;
}

#[tokio::test]
async fn while_emptied_workers_go_or_are_called_back() {
    use Point::*;
    each(
        Variant::new(Broker::Quorum, Acks::Late),
        [Costed, Lowered, Terminating, Undoing],
    )
    .await;
}

/// Kills an operator at each of these points; at all there are, on each broker, with `TWP_POINTS=all`.
async fn each(variant: Variant, usual: [Point; 4]) {
    let points = match std::env::var("TWP_POINTS").as_deref() {
        Ok("all") => &Point::ALL[..],
        _ => &usual,
    };
    let name = variant.broker.name();
    let mut trial = Trial::new(variant).await;
    for point in points {
        trial.kill_at(*point).await;
    }
    trial.ask_to_end().await;
    trial.end(name).await;
}

#[tokio::test]
async fn at_any_time() {
    let mut trial = Trial::new(Variant::new(Broker::Redis, Acks::Late)).await;
    let seed = std::env::var("TWP_SEED").map_or(7, |seed| seed.parse().expect("TWP_SEED is a number"));
    let mut drawn = Random::new(seed, 0);
    for _ in 0..4 {
        trial
            .kill_after(Duration::from_secs_f64(drawn.uniform(0.0, 10.0)))
            .await;
    }
    trial.end("any").await;
}

/// Workers that are busy when they have to go, and an operator that does not live long.
struct Trial {
    stage: RunStage,
    follow: Follow,
    operator: Operator,
    /// When it started.
    since: Instant,
    /// What each round saw, for people.
    rounds: Vec<String>,
    missed: usize,
}

impl Trial {
    async fn new(variant: Variant) -> Self {
        let stage = RunStage::new(variant.with_prefetch(1)).await;
        let follow = Follow::new(&stage.ns);
        // The profile that watches least long before it takes anything down.
        let pool = json!({"minReplicas": MANY, "maxReplicas": MANY, "profile": "Economy"});
        stage.pool(&pool).await;
        let operator = Operator::start(&stage.ns.name).await;
        Self {
            stage,
            follow,
            operator,
            since: Instant::now(),
            rounds: Vec::new(),
            missed: 0,
        }
    }

    /// Kills the operator as soon as a drain is at this point. A point that lasts for an instant may be missed: then it is
    /// killed when a drained worker is told to end.
    async fn kill_at(&mut self, point: Point) {
        self.begin().await;
        let begin = Instant::now();
        if point == Point::Undoing {
            self.reach(Point::Cancelled).await;
            self.size(MANY).await;
        }
        let hit = self.reach(point).await;
        self.operator.kill();
        self.missed += usize::from(!hit);
        let seen = if hit { "hit" } else { "missed" };
        let round = format!("{point:?} {seen} after {:.1} s", begin.elapsed().as_secs_f64());
        let replicas = if point == Point::Undoing { MANY } else { FEW };
        self.replace(round, replicas).await;
    }

    /// Kills the operator so long after a drain has begun, wherever that has got to.
    async fn kill_after(&mut self, time: Duration) {
        self.begin().await;
        self.reach(Point::Labelled).await;
        tokio::time::sleep(time).await;
        self.operator.kill();
        self.replace(format!("after {:.1} s", time.as_secs_f64()), FEW).await;
    }

    /// Asks the operator to end in the middle of a drain: nobody comes after it, as when it is uninstalled, and yet all
    /// workers fetch.
    async fn ask_to_end(&mut self) {
        self.begin().await;
        assert!(self.reach(Point::Cancelled).await, "a worker was told to stop");
        let status = self.operator.stop().await;
        assert!(status.success(), "{status}");
        let replicas = self.stage.ns.replicas("w").await.expect("the Deployment");
        self.settled(replicas).await;
        self.replace("asked to end".to_owned(), FEW).await;
    }

    /// The workers are all there and all busy, and most of them have to go.
    async fn begin(&self) {
        self.size(MANY).await;
        self.settled(MANY).await;
        tokio::time::sleep(FRESH.saturating_sub(self.since.elapsed())).await;
        let before = self.stage.client.count("submitted").await;
        let plan = json!({
            "plan": "steady", "tasks": TASKS, "every": 0, "shortest": 5, "longest": 20, "offset": before, "seed": before,
        });
        self.stage.client.publish(plan).await;
        // A worker may hold some back: the last ones may start when others end.
        eventually("most tasks of the round have started", PATIENCE, async || {
            match self.stage.client.count("started").await {
                started if started >= before + TASKS - 2 => Ok(()),
                started => Err(format!("{started} of {}", before + TASKS)),
            }
        })
        .await;
        self.size(FEW).await;
    }

    /// The pool is to have exactly so many.
    async fn size(&self, replicas: i32) {
        let size = json!({"minReplicas": replicas, "maxReplicas": replicas});
        self.stage.ns.change_pool("w", size).await;
    }

    /// Waits for a point: whether it was seen before a drained worker was told to end.
    async fn reach(&self, point: Point) -> bool {
        let end = Instant::now() + DRAIN;
        loop {
            let snapshot = if point.asks() {
                self.stage.snapshot().await
            } else {
                self.stage.glance().await
            };
            let hit = point.is_reached(&snapshot, MANY);
            if hit || Point::Terminating.is_reached(&snapshot, MANY) {
                return hit;
            }
            let log = || self.operator.log();
            assert!(
                Instant::now() < end,
                "awaited for {DRAIN:?}: {point:?}; {snapshot:?}\n{}",
                log()
            );
        }
    }

    /// Another operator starts; it must bring everything in order.
    async fn replace(&mut self, round: String, replicas: i32) {
        println!("{}: killed: {round}", self.stage.ns.name);
        self.rounds.push(round);
        self.operator = Operator::start(&self.stage.ns.name).await;
        self.since = Instant::now();
        self.settled(replicas).await;
    }

    async fn settled(&self, replicas: i32) {
        let what = format!(
            "{replicas} workers fetch, and nothing is left of a drain ({:?})",
            self.rounds
        );
        eventually(&what, PATIENCE, async || {
            let snapshot = self.stage.snapshot().await;
            if snapshot.is_settled(replicas) {
                Ok(())
            } else {
                Err(format!("{snapshot:?}\n{}", self.operator.log()))
            }
        })
        .await;
    }

    /// The judgement.
    async fn end(self, name: &str) {
        eventually("all tasks have ended", PATIENCE, async || {
            let (submitted, ended) = (
                self.stage.client.count("submitted").await,
                self.stage.client.count("ended").await,
            );
            if ended >= submitted {
                Ok(())
            } else {
                Err(format!("{ended} of {submitted}\n{}", self.operator.log()))
            }
        })
        .await;
        let mut lookout = Lookout::default();
        watch(&self.stage, &mut lookout).await;
        let verdict = Verdict::of(&self.stage.client.records().await, &self.follow.history().alive());
        let figures = json!({
            "rounds": self.rounds, "missed": self.missed, "interrupted": verdict.interrupted, "rerun": verdict.rerun,
            "stranded_workers": lookout.stranded.len(),
        });
        figures::record_in("interrupt", &format!("operator_killed.{name}"), figures);
        let log = self.operator.log();
        assert!(verdict.is_clean(), "{}\n{log}", verdict.short());
        assert!(lookout.stranded.is_empty(), "{:?}\n{log}", lookout.stranded);
        assert!(self.missed <= 1, "{:?}", self.rounds);
    }
}
