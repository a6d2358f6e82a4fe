//! One call to the API server: it goes through the gate, ends in time, and its errors never have the server's words.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kube::Client;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};

use super::budget::{CallBudget, CallerNumber, Class, Limits};

/// Longest duration of a call to the API server, once it is made.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// Longest time that a call waits for its turn.
const TURN: Duration = Duration::from_secs(60);
/// Shortest pause, also for a server that gives none: the value of API Priority and Fairness.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Longest pause that is accepted from a server.
const LONGEST: Duration = Duration::from_secs(30);

/// Reason why a call to the API server failed. Never the server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The server did not answer within the deadline.
    #[error("the API server did not answer in time")]
    Timeout,
    /// The call was not made: too many others were.
    #[error("the call waited too long for its turn: the API server is slow, or refuses calls")]
    Crowded,
    /// The server refused the call: 403 is a lack of rights, 404 means that there is no such object, 409 that another
    /// writer was faster.
    #[error("the API server refused the call with status {code}")]
    Refused {
        /// HTTP status.
        code: u16,
    },
    /// The server answered with something else than the object asked for.
    #[error("the API server's answer was not understood")]
    NotUnderstood,
    /// The server cannot be reached.
    #[error("the API server cannot be reached")]
    Unreachable,
}

impl CallError {
    /// Whether the object does not exist.
    pub fn is_not_found(self) -> bool {
        self == Self::Refused { code: 404 }
    }

    /// Whether the object exists already, or was changed meanwhile.
    pub fn is_conflict(self) -> bool {
        self == Self::Refused { code: 409 }
    }

    /// Whether the error passes by itself, without a change of rights or of the object.
    pub fn passes(self) -> bool {
        match self {
            Self::Timeout | Self::Crowded | Self::Unreachable => true,
            Self::Refused { code } => code == 429 || code >= 500,
            Self::NotUnderstood => false,
        }
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused { code: status.code },
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::NotUnderstood,
            _ => Self::Unreachable,
        }
    }
}

/// Outcome of a call, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// The call was answered.
    Answered,
    /// The call was refused.
    Refused,
    /// The server asked for a pause.
    Throttled,
    /// The call had no answer: it may have been carried out.
    Unanswered,
    /// The call was not made.
    Dropped,
}

impl CallOutcome {
    /// Label for metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Unanswered => "unanswered",
            Self::Dropped => "dropped",
        }
    }

    fn of<T>(result: &Result<T, CallError>) -> Self {
        match result {
            Ok(_) => Self::Answered,
            Err(CallError::Crowded) => Self::Dropped,
            Err(CallError::Refused { code: 429 }) => Self::Throttled,
            Err(CallError::Refused { .. }) => Self::Refused,
            Err(CallError::Timeout | CallError::NotUnderstood | CallError::Unreachable) => Self::Unanswered,
        }
    }
}

/// API server behind the gate; clones share it.
#[derive(Clone)]
pub struct Cluster {
    /// Client for what needs no turn: watches.
    pub client: Client,
    gate: Arc<Gate>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("Cluster")
    }
}

/// Called after each call that has ended.
type Observer = Box<dyn Fn(Class, CallOutcome) + Send + Sync>;

struct Gate {
    state: Mutex<GateState>,
    began: Instant,
    observer: Observer,
}

struct GateState {
    budget: CallBudget,
    waiting: HashMap<CallerNumber, oneshot::Sender<()>>,
    /// Time at which waiting calls are admitted next.
    alarm: Option<Instant>,
}

impl Cluster {
    /// Cluster whose calls share a budget of this size; `observer` is called after each of them.
    pub fn new(client: Client, limits: Limits, observer: impl Fn(Class, CallOutcome) + Send + Sync + 'static) -> Self {
        let state = GateState {
            budget: CallBudget::new(limits),
            waiting: HashMap::new(),
            alarm: None,
        };
        let gate = Gate {
            state: Mutex::new(state),
            began: Instant::now(),
            observer: Box::new(observer),
        };
        Self {
            client,
            gate: Arc::new(gate),
        }
    }

    /// Cluster with the usual budget and without an observer.
    #[cfg(test)]
    pub fn open(client: Client) -> Self {
        Self::new(client, Limits::default(), |_, _| {})
    }

    /// Makes one call when it is its turn.
    ///
    /// # Errors
    /// [`CallError`]. After [`CallError::Timeout`] the server may still do what it was asked; after [`CallError::Crowded`]
    /// it was not asked.
    pub async fn call<T>(
        &self,
        class: Class,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError> {
        let result = match self.turn(class).await {
            None => Err(CallError::Crowded),
            Some(_place) => timeout(DEADLINE, call)
                .await
                .map_err(|_| CallError::Timeout)
                .and_then(|done| {
                    done.map_err(|error| {
                        self.obey(class, &error);
                        error.into()
                    })
                }),
        };
        (self.gate.observer)(class, CallOutcome::of(&result));
        result
    }

    /// Waits for a place; it is free again when it is dropped. `None`: there was none in time.
    async fn turn(&self, class: Class) -> Option<CallPlace> {
        let (admit, admitted) = oneshot::channel();
        let number = {
            let mut state = self.gate.lock();
            let number = state.budget.ask(class)?;
            state.waiting.insert(number, admit);
            number
        };
        // The place is given up when it is dropped, too: a waiting caller may be aborted.
        let place = CallPlace {
            gate: self.gate.clone(),
            class,
            number,
        };
        Gate::admit(&self.gate);
        let admitted = timeout(TURN, admitted).await.is_ok_and(|admitted| admitted.is_ok());
        admitted.then_some(place)
    }

    /// Pauses the class if the server asked for it.
    fn obey(&self, class: Class, error: &kube::Error) {
        let kube::Error::Api(status) = error else { return };
        if status.code != 429 {
            return;
        }
        let said = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let pause = Duration::from_secs(said.into());
        let now = self.gate.began.elapsed();
        self.gate
            .lock()
            .budget
            .wait(class, pause.clamp(RETRY_AFTER, LONGEST), now);
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets those call whose turn it is, now and later.
    fn admit(gate: &Arc<Self>) {
        let mut state = gate.lock();
        let (admitted, again) = state.budget.admit(gate.began.elapsed());
        for number in admitted {
            if let Some(waiting) = state.waiting.remove(&number) {
                // A caller that has just given up gives its place back itself.
                let _gone = waiting.send(());
            }
        }
        let Some(again) = again.map(|again| gate.began + again) else {
            return;
        };
        if state.alarm.is_some_and(|alarm| alarm <= again) {
            return;
        }
        // While the process ends there may be no caller left to wake.
        let Ok(runtime) = Handle::try_current() else { return };
        state.alarm = Some(again);
        let gate = gate.clone();
        runtime.spawn(async move {
            sleep_until(again).await;
            gate.lock().alarm.take_if(|alarm| *alarm == again);
            Self::admit(&gate);
        });
    }
}

/// Place in the queue, or among the calls under way.
struct CallPlace {
    gate: Arc<Gate>,
    class: Class,
    number: CallerNumber,
}

impl Drop for CallPlace {
    fn drop(&mut self) {
        {
            let mut state = self.gate.lock();
            let waited = state.waiting.remove(&self.number).is_some();
            match waited {
                true => state.budget.give_up(self.class, self.number),
                // The caller was admitted, whether or not it knew.
                false => state.budget.done(self.class),
            }
        }
        Gate::admit(&self.gate);
    }
}

/// Makes one call past the gate, within this time.
///
/// # Errors
/// [`CallError`]. After [`CallError::Timeout`] the server may still do what it was asked.
pub async fn within<T>(deadline: Duration, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, CallError> {
    match timeout(deadline, call).await {
        Ok(done) => done.map_err(CallError::from),
        Err(_) => Err(CallError::Timeout),
    }
}

#[cfg(test)]
mod tests;
