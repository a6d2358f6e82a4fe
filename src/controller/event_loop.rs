//! The one task that owns all state: it receives inputs, lets the state answer with effects, and has those performed.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{effects::Effects, fleet::Fleet, input::Input};
use crate::{
    broker::{Clock, Sampled},
    telemetry::Health,
    view::Question,
};

/// Longest time between two signs of life for the probes.
const BEAT: Duration = Duration::from_secs(30);

/// State, effects and clock.
pub struct Controller {
    pub(super) fleet: Fleet,
    pub(super) effects: Effects,
    clock: Clock,
    health: Health,
}

impl Controller {
    /// Creates the loop from its parts.
    pub fn new(fleet: Fleet, effects: Effects, clock: Clock, health: Health) -> Self {
        Self {
            fleet,
            effects,
            clock,
            health,
        }
    }

    /// Works until told to stop; then tells the workers of draining pods to fetch again.
    pub async fn run(
        mut self,
        mut watched: mpsc::Receiver<Input>,
        mut own: mpsc::UnboundedReceiver<Input>,
        mut samples: mpsc::Receiver<Sampled>,
        mut questions: mpsc::Receiver<Question>,
        mut stop: oneshot::Receiver<()>,
    ) {
        loop {
            self.health.beat(Instant::now());
            let now = self.clock.now().moment;
            let wake = self.fleet.next_wake().unwrap_or(now + BEAT).saturating_sub(now);
            tokio::select! {
                Some(input) = own.recv() => self.take(input),
                Some(sampled) = samples.recv() => {
                    self.effects.sampled(sampled.took);
                    self.take(Input::Sampled(sampled));
                }
                input = watched.recv() => match input {
                    Some(input) => self.take(input),
                    // The watches end only with the process.
                    None => return,
                },
                Some(question) = questions.recv() => self.answer(question),
                () = tokio::time::sleep(wake.min(BEAT)) => self.wake(),
                _ = &mut stop => break,
            }
        }
        let effects = self.fleet.end(self.clock.now());
        self.effects.perform(effects);
        self.effects.end().await;
    }

    /// Processes one input.
    pub(super) fn take(&mut self, input: Input) {
        let effects = self.fleet.on(input, self.clock.now());
        self.effects.perform(effects);
    }

    /// Answers a question of the view, by counted references alone. Who asked may have gone.
    fn answer(&self, question: Question) {
        let now = self.clock.now();
        match question {
            Question::Pools(answer) => {
                let _gone = self.fleet.snapshot(now).map(|all| answer.send(all));
            }
            Question::Pool(key, answer) => {
                let _gone = self.fleet.whole(&key, now).map(|found| answer.send(found));
            }
        }
    }

    /// Processes what has become due.
    pub(super) fn wake(&mut self) {
        let effects = self.fleet.wake_due(self.clock.now());
        self.effects.perform(effects);
    }
}
