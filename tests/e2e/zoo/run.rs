//! One set-up from its first object to its answers.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    application::Application,
    diary, objects,
    questions::{Everything, ask},
    set_up::SetUp,
    stage::{Place, ZooStage},
    table::Row,
    watch::Watch,
};
use crate::support::{
    app::App,
    bed::{Namespace, PATIENCE, clock, eventually},
    operator::{Operator, Options},
};

/// Everything that was published must be done within this time.
const DONE: Duration = Duration::from_secs(200);
/// And the pool must be back at its minimum within this.
const BACK: Duration = Duration::from_secs(90);
/// It must stay so.
const TAIL: Duration = Duration::from_secs(6);

/// A pool does not go down before it has watched the work for so long.
const WATCHED: Duration = Duration::from_secs(62);

/// A set-up whose objects are there.
pub struct Ready {
    ns: Namespace,
    operator: Operator,
    set_up: SetUp,
    place: Place,
    watch: Watch,
}

/// Makes everything, and waits until the pool has seen enough to go down.
pub async fn prepare(stage: &ZooStage, number: usize, set_up: SetUp) -> Ready {
    let ns = Namespace::new(&format!("zoo-{}", set_up.name)).await;
    let place = stage.place(number, &set_up).await;
    objects::workers(&ns, stage, &set_up, &place, set_up.replicas).await;
    if set_up.replicas > 0 && !set_up.crash {
        for name in objects::deployments(&set_up) {
            ns.wait_ready(name).await;
        }
    }
    objects::pools(&ns, stage, &set_up).await;
    // The management API that never answers is a port of this machine.
    let options = Options {
        env: vec![("TWP_BROKER_CIDRS", "0.0.0.0/0,127.0.0.0/8".to_owned())],
        ..Options::default()
    };
    let operator = Operator::start_with(&ns.name, options).await;
    let watch = Watch::new(&ns).await;
    let what = format!("{} has a pool that works or is refused", set_up.name);
    eventually(&what, PATIENCE, async || {
        let last = watch.last();
        match last.condition("Ready") {
            Some(ready) if format!("{:?}", ready.status) != "Unknown" => Ok(()),
            _ => Err(last.short()),
        }
    })
    .await;
    sleep(WATCHED).await;
    Ready {
        ns,
        operator,
        set_up,
        place,
        watch,
    }
}

/// Publishes, watches and asks.
pub async fn run(stage: &ZooStage, ready: Ready) -> Row {
    let begin = Instant::now();
    let Ready {
        ns,
        operator,
        set_up,
        place,
        watch,
    } = ready;
    let begun = clock();
    let app = Application {
        stage,
        ns: &ns,
        set_up: &set_up,
        place: &place,
        seat: set_up.name.clone(),
    };
    app.open(set_up.bystander.after).await;
    let done = work(&app).await;
    let wished = set_up.expect.replicas.unwrap_or(set_up.minimum());
    let deadline = Instant::now() + BACK;
    while Instant::now() < deadline {
        let last = watch.last();
        let work = last
            .status
            .work
            .as_ref()
            .map_or(0, |work| work.waiting + work.in_flight + work.scheduled);
        let counted = work == i64::try_from(set_up.expect.left).expect("a number");
        let said = set_up
            .expect
            .says
            .iter()
            .filter(|says| says.at_end)
            .all(|says| last.condition(&says.kind).is_some());
        if last.replicas == wished && counted && said {
            break;
        }
        sleep(Duration::from_millis(500)).await;
    }
    sleep(TAIL).await;
    for seat in [app.seat.clone(), second(&app)] {
        stage.close(&seat).await;
    }
    let records = stage.records().await;
    let seen = Everything {
        truth: app.truth().await,
        words: records.list(&format!("{}:words", set_up.name)).await,
        errors: records.list(&format!("{}:errors", set_up.name)).await,
        pings: records.list(&format!("{}:pings", set_up.name)).await,
        samples: watch.samples(),
        lines: lines(&ns).await,
        begun,
        done,
    };
    diary::write(&set_up.name, &seen, &operator.log());
    let about = set_up.about.clone();
    let row = Row {
        answers: ask(&set_up, &seen),
        seconds: begin.elapsed().as_secs_f64(),
        name: set_up.name.clone(),
    };
    println!("{}\n{}", about, super::table::show(std::slice::from_ref(&row)));
    row
}

/// Publishes, moves what is to move, and waits for the end: whether it came.
async fn work(app: &Application<'_>) -> bool {
    let set_up = app.set_up;
    app.publish(&set_up.load).await;
    if let Some(moves) = &set_up.moves {
        if !is_done(app).await {
            return false;
        }
        let place = ZooStage::moved(app.place);
        let moved = Application {
            place: &place,
            seat: second(app),
            ..*app
        };
        app.stage.close(&app.seat).await;
        app.ns.apply(objects::secret(app.stage, &place)).await;
        app.ns.kubectl(&["rollout", "restart", "deployment/w"]).await;
        // Until the workers there are others it may ask for nobody.
        moved.open(20).await;
        moved.publish(&moves.load).await;
        app.ns.kubectl(&["rollout", "status", "deployment/w"]).await;
        moved.publish(&moves.rolled).await;
    }
    is_done(app).await
}

/// The seat of the client at the broker that the application moves to.
fn second(app: &Application<'_>) -> String {
    format!("{}-moved", app.set_up.name)
}

/// Waits until all that was published has come to its end: whether it has.
async fn is_done(app: &Application<'_>) -> bool {
    let (end, expect) = (Instant::now() + DONE, &app.set_up.expect);
    while Instant::now() < end {
        let truth = app.truth().await;
        let left = truth.outstanding().at(f64::MAX);
        let ended = truth.cut_off().len() <= expect.cut_off;
        if left == i64::try_from(expect.left).expect("a number") && ended {
            return true;
        }
        sleep(Duration::from_secs(1)).await;
    }
    false
}

/// What ERRORs stand in the logs of the workers that are left.
async fn lines(ns: &Namespace) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["w", "v"] {
        for pod in ns.pods(&format!("app={name}")).await {
            let pod = pod.metadata.name.unwrap_or_default();
            let text = ns
                .try_kubectl(&["logs", &pod, "--all-containers"], "")
                .await
                .unwrap_or_default();
            let is_error = |line: &&str| {
                [": ERROR/", ": CRITICAL/", "Traceback (most"]
                    .iter()
                    .any(|part| line.contains(part))
            };
            found.extend(text.lines().filter(is_error).map(|line| format!("{pod}: {line}")));
        }
    }
    found
}

/// For a set-up whose runner itself failed.
pub fn trouble(name: String, why: &Value) -> Row {
    use super::questions::{Answer, QUESTIONS};
    Row {
        name,
        answers: QUESTIONS
            .map(|_| Answer::Wrong(format!("the runner failed: {why}")))
            .to_vec(),
        seconds: 0.0,
    }
}
