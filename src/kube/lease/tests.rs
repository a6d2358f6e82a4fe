use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use super::*;
use crate::kube::fixture::{self, Asked, refused};

/// An API server that holds one lease and checks `resourceVersion`.
#[derive(Clone, Default)]
struct Server {
    lease: Arc<Mutex<Option<Value>>>,
    /// Calls are never answered.
    silent: Arc<AtomicBool>,
    writes: Arc<AtomicUsize>,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let answer = move |asked| {
            let server = server.clone();
            async move {
                match server.silent.load(Ordering::SeqCst) {
                    true => std::future::pending().await,
                    false => server.answer(asked),
                }
            }
        };
        fixture::server(answer).0
    }

    fn answer(&self, asked: Asked) -> (u16, Value) {
        let mut lease = self.lease.lock().unwrap();
        let version = lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        let mut sent = asked.body;
        match (asked.method.as_str(), version) {
            ("GET", Some(_)) => (200, lease.clone().unwrap()),
            ("GET", None) => refused(404),
            ("POST", Some(_)) => refused(409),
            ("PUT", Some(version)) if sent["metadata"]["resourceVersion"] != version => refused(409),
            ("PUT" | "POST", _) => {
                let writes = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
                sent["metadata"]["resourceVersion"] = json!(writes.to_string());
                *lease = Some(sent.clone());
                (200, sent)
            }
            other => panic!("unexpected: {other:?}"),
        }
    }

    fn holder(&self) -> String {
        let lease = self.lease.lock().unwrap();
        let holder = lease.as_ref().map(|lease| lease["spec"]["holderIdentity"].clone());
        holder
            .and_then(|holder| holder.as_str().map(Into::into))
            .unwrap_or_default()
    }

    /// Someone else writes the lease.
    fn taken_by(&self, holder: &str) {
        let mut lease = self.lease.lock().unwrap();
        *lease = Some(json!({
            "metadata": {"name": "twp", "resourceVersion": format!("by-{holder}")},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15},
        }));
    }
}

fn config(identity: &str) -> Config {
    Config::new("ns", "twp", identity)
}

async fn still_leads(leadership: &mut Leadership, seconds: u64) -> bool {
    timeout(Duration::from_secs(seconds), leadership.lost()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_renews() {
    let server = Server::default();
    let mut leadership = lead(server.client(), config("a")).await;
    assert!(still_leads(&mut leadership, 60).await);
    assert_eq!(server.holder(), "a");
    let writes = server.writes.load(Ordering::SeqCst);
    assert!((25..=31).contains(&writes), "{writes} writes in 60 s");
}

#[tokio::test(start_paused = true)]
async fn the_second_follows_a_release_at_once() {
    let server = Server::default();
    let first = lead(server.client(), config("a")).await;
    let second = tokio::spawn(lead(server.client(), config("b")));
    sleep(Duration::from_secs(60)).await;
    assert!(!second.is_finished());
    first.release().await;
    let start = Instant::now();
    second.await.unwrap();
    assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(server.holder(), "b");
}

#[tokio::test(start_paused = true)]
async fn who_stands_by_knows_who_leads() {
    let server = Server::default();
    let (first, second) = (config("a"), config("b"));
    let (of_first, of_second) = (first.holder.subscribe(), second.holder.subscribe());
    let first = lead(server.client(), first).await;
    assert_eq!(of_first.borrow().as_deref(), Some("a"));
    let second = tokio::spawn(lead(server.client(), second));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(of_second.borrow().as_deref(), Some("a"));
    first.release().await;
    second.await.unwrap();
    assert_eq!(of_second.borrow().as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn the_second_waits_for_a_dead_leader() {
    let server = Server::default();
    server.taken_by("dead");
    let start = Instant::now();
    lead(server.client(), config("b")).await;
    let waited = start.elapsed();
    assert!((15..=17).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_has_lost_before_others_may_claim() {
    let server = Server::default();
    let mut leadership = lead(server.client(), config("a")).await;
    server.silent.store(true, Ordering::SeqCst);
    let start = Instant::now();
    leadership.lost().await;
    let held = start.elapsed();
    assert!((8..=10).contains(&held.as_secs()), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_in_other_hands_is_lost_at_the_next_renewal() {
    let server = Server::default();
    let mut leadership = lead(server.client(), config("a")).await;
    server.taken_by("b");
    let start = Instant::now();
    leadership.lost().await;
    assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(server.holder(), "b");
}

#[tokio::test(start_paused = true)]
async fn of_two_that_race_one_leads() {
    let server = Server::default();
    let first = tokio::spawn(lead(server.client(), config("a")));
    let second = tokio::spawn(lead(server.client(), config("b")));
    sleep(Duration::from_secs(60)).await;
    assert!(first.is_finished() != second.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_leadership_is_not_renewed() {
    let server = Server::default();
    drop(lead(server.client(), config("a")).await);
    let start = Instant::now();
    lead(server.client(), config("b")).await;
    assert!(start.elapsed() <= Duration::from_secs(18), "{:?}", start.elapsed());
}
