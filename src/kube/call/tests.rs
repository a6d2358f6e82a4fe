use std::future::pending;

use tokio::time::{advance, sleep};

use super::*;
use crate::kube::fixture;

const LIMITS: Limits = Limits {
    in_flight: 16,
    per_second: 1000,
};

type Outcomes = Arc<Mutex<Vec<(Class, CallOutcome)>>>;

/// Gate in front of a server that is not there, and the outcomes that it reports.
fn cluster(limits: Limits) -> (Cluster, Outcomes) {
    let seen = Outcomes::default();
    let told = seen.clone();
    let cluster = Cluster::new(fixture::silent(), limits, move |class, outcome| {
        told.lock().unwrap().push((class, outcome));
    });
    (cluster, seen)
}

async fn fine() -> Result<u32, kube::Error> {
    Ok(7)
}

fn refusal(code: u16, retry_after: Option<u32>) -> kube::Error {
    let mut status = kube::core::Status::failure("no", "no").with_code(code);
    if let Some(seconds) = retry_after {
        status.details = Some(kube::core::response::StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: seconds,
        });
    }
    kube::Error::Api(status.boxed())
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_hold_up_no_write_of_replicas() {
    let (cluster, seen) = cluster(LIMITS);
    for class in [Class::Read, Class::Status, Class::Event, Class::Pods] {
        for _ in 0..40 {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.call(class, pending::<Result<(), kube::Error>>()).await });
        }
    }
    tokio::task::yield_now().await;
    let began = Instant::now();
    assert_eq!(cluster.call(Class::Scale, fine()).await, Ok(7));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(seen.lock().unwrap()[..], [(Class::Scale, CallOutcome::Answered)]);
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_to_wait_waits_for_as_long_as_the_server_says_within_bounds() {
    for (said, waits) in [(None, 1), (Some(3), 3), (Some(0), 1), (Some(7200), 30)] {
        let (cluster, _) = cluster(LIMITS);
        let refused = cluster
            .call(Class::Status, async { Err::<(), _>(refusal(429, said)) })
            .await;
        assert_eq!(refused, Err(CallError::Refused { code: 429 }));
        let began = Instant::now();
        assert_eq!(cluster.call(Class::Scale, fine()).await, Ok(7));
        assert_eq!(began.elapsed(), Duration::ZERO, "another class");
        assert_eq!(cluster.call(Class::Status, fine()).await, Ok(7));
        assert_eq!(began.elapsed().as_secs(), waits);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_aborted_gives_its_place_back() {
    let (cluster, seen) = cluster(Limits {
        in_flight: 1,
        per_second: 1000,
    });
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.call(Class::Scale, pending::<Result<(), kube::Error>>()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    for call in calls {
        call.abort();
        let _aborted = call.await;
    }
    assert_eq!(cluster.call(Class::Scale, fine()).await, Ok(7));
    assert_eq!(seen.lock().unwrap().len(), 1, "who was aborted tells nothing");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_answer_is_said_so_and_what_was_not_made_is_not_called_that() {
    let (cluster, seen) = cluster(Limits {
        in_flight: 1,
        per_second: 1000,
    });
    for _ in 0..2 {
        let held = cluster.clone();
        tokio::spawn(async move {
            loop {
                let _never = held.call(Class::Scale, pending::<Result<(), kube::Error>>()).await;
            }
        });
    }
    tokio::task::yield_now().await;
    assert_eq!(cluster.call(Class::Event, fine()).await, Err(CallError::Crowded));
    advance(DEADLINE).await;
    sleep(Duration::from_millis(1)).await;
    let seen = seen.lock().unwrap();
    assert!(seen.contains(&(Class::Scale, CallOutcome::Unanswered)), "{seen:?}");
    assert!(seen.contains(&(Class::Event, CallOutcome::Dropped)), "{seen:?}");
}
