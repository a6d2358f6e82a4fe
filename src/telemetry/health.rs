//! Health of the operator: `/livez` and `/readyz` for the kubelet.

use std::{
    collections::BTreeSet,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Bytes};
use tokio::time::Instant;

use super::server::{Handler, text};

/// Time without a beat of the main loop after which it counts as hung.
const HUNG: Duration = Duration::from_secs(60);

/// State that the probes report; clones share it.
///
/// A standby replica is ready, and alive although its main loop does not run: liveness is judged from the first beat
/// on.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<HealthState>>);

/// Time of the last beat, and what is not ready.
#[derive(Debug, Default)]
struct HealthState {
    beat: Option<Instant>,
    waiting: BTreeSet<String>,
}

impl Health {
    /// Records a beat of the main loop.
    pub fn beat(&self, now: Instant) {
        self.state().beat = Some(now);
    }

    /// Not ready: waits for `what`, given as a sentence ("the CRD … is not installed").
    pub fn waiting(&self, what: &str) {
        self.state().waiting.insert(what.to_owned());
    }

    /// Waits for `what` no longer.
    pub fn ready(&self, what: &str) {
        self.state().waiting.remove(what);
    }

    /// Whether the main loop runs.
    fn alive(&self, now: Instant) -> bool {
        let beat = self.state().beat;
        beat.is_none_or(|beat| now.saturating_duration_since(beat) <= HUNG)
    }

    /// Reasons why it is not ready, one line each.
    fn missing(&self) -> String {
        let mut lines = String::new();
        for what in &self.state().waiting {
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{what}");
        }
        lines
    }

    /// Each change is one step, so a panic elsewhere leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, HealthState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answer to one probe.
fn answer(path: &str, health: &Health, now: Instant) -> Response<Full<Bytes>> {
    match path {
        "/livez" if health.alive(now) => text(StatusCode::OK, "ok\n"),
        "/livez" => {
            let hung = format!("the main loop has not turned for {} s\n", HUNG.as_secs());
            text(StatusCode::SERVICE_UNAVAILABLE, hung)
        }
        "/readyz" => match health.missing() {
            missing if missing.is_empty() => text(StatusCode::OK, "ok\n"),
            missing => text(StatusCode::SERVICE_UNAVAILABLE, missing),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /livez and /readyz\n"),
    }
}

impl Handler for Health {
    async fn answer(&self, request: &Request<()>) -> Response<Full<Bytes>> {
        answer(request.uri().path(), self, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(health: &Health, path: &str, now: Instant) -> u16 {
        answer(path, health, now).status().as_u16()
    }

    #[test]
    fn alive_until_the_main_loop_hangs() {
        let (health, now) = (Health::default(), Instant::now());
        let later = now + HUNG + Duration::from_secs(1);
        assert_eq!(status(&health, "/livez", later), 200, "a replica that stands by");
        health.beat(now);
        assert_eq!(status(&health, "/livez", now + HUNG), 200);
        assert_eq!(status(&health, "/livez", later), 503);
        health.beat(later);
        assert_eq!(status(&health, "/livez", later), 200);
    }

    #[test]
    fn ready_when_nothing_is_waited_for() {
        let (health, now) = (Health::default(), Instant::now());
        assert_eq!(status(&health, "/readyz", now), 200);
        health.waiting("the CRD is not installed");
        health.waiting("the pools are not listed yet");
        assert_eq!(status(&health, "/readyz", now), 503);
        assert_eq!(
            health.missing(),
            "the CRD is not installed\nthe pools are not listed yet\n"
        );
        health.ready("the CRD is not installed");
        health.ready("the pools are not listed yet");
        assert_eq!(status(&health, "/readyz", now), 200);
        assert_eq!(status(&health, "/metrics", now), 404, "they have a port of their own");
    }
}
