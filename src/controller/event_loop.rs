//! The one task that owns all state: it takes what happened, has the state say what is to be done, and has that performed.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{effects::Effects, fleet::Fleet, input::Input};
use crate::{
    broker::{Clock, Sampled},
    telemetry::Health,
};

/// The probes are told that it runs at least so often.
const BEAT: Duration = Duration::from_secs(30);

/// State, hands and clock.
pub struct Controller {
    pub(super) fleet: Fleet,
    pub(super) effects: Effects,
    clock: Clock,
    health: Health,
}

impl Controller {
    /// Of these.
    pub fn new(fleet: Fleet, effects: Effects, clock: Clock, health: Health) -> Self {
        Self {
            fleet,
            effects,
            clock,
            health,
        }
    }

    /// Works until told to stop; then gives back the workers that are on their way out.
    pub async fn run(
        mut self,
        mut watched: mpsc::Receiver<Input>,
        mut own: mpsc::UnboundedReceiver<Input>,
        mut samples: mpsc::Receiver<Sampled>,
        mut stop: oneshot::Receiver<()>,
    ) {
        loop {
            self.health.beat(Instant::now());
            let now = self.clock.now().moment;
            let wake = self.fleet.next_wake().unwrap_or(now + BEAT).saturating_sub(now);
            tokio::select! {
                Some(input) = own.recv() => self.take(input),
                Some(sampled) = samples.recv() => self.take(Input::Sampled(sampled)),
                input = watched.recv() => match input {
                    Some(input) => self.take(input),
                    // The watches end with the process only.
                    None => return,
                },
                () = tokio::time::sleep(wake.min(BEAT)) => self.wake(),
                _ = &mut stop => break,
            }
        }
        let effects = self.fleet.end(self.clock.now());
        self.effects.perform(effects);
        self.effects.end().await;
    }

    /// Takes one input.
    pub(super) fn take(&mut self, input: Input) {
        let effects = self.fleet.on(input, self.clock.now());
        self.effects.perform(effects);
    }

    /// Takes in that time has passed.
    pub(super) fn wake(&mut self) {
        let effects = self.fleet.wake_due(self.clock.now());
        self.effects.perform(effects);
    }
}
