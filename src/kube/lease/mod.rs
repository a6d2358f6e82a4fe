//! Leader election by a Lease: of several replicas one acts. The rule is client-go's (`tools/leaderelection`).
//!
//! * Every write carries the `resourceVersion` it was computed from: a lost race is a 409.
//! * No clocks are compared. A lease is expired if *this* process has seen it unchanged for the lease's own duration.
//! * Who cannot renew within the renew deadline, which is shorter, has lost it; the process must end then.
//!
//! Rights needed: `create` leases; `get` and `update` the one named lease.

mod step;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep, timeout},
};

use super::{CallError, DEADLINE, call::within};
use crate::model::Now;
use step::{LastChange, LeaseStep, release, step};

/// Longest time to release the lease at the end.
const RELEASE: Duration = Duration::from_secs(1);

/// Configuration of the election (client-go's defaults by [`Config::new`]).
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespace of the lease: the operator's own.
    pub namespace: String,
    /// Name of the lease.
    pub name: String,
    /// Identity of this process: the pod's name. Two processes of one identity would both lead.
    pub identity: String,
    /// Lease duration: others take the lease when they have seen it unchanged for that time; whole seconds, at least 1.
    pub lease: Duration,
    /// Time without a renewal after which the lease is lost; shorter than `lease`.
    pub renew_deadline: Duration,
    /// Period of renewals, and of checks whether the lease is free.
    pub retry: Duration,
    /// Place where it is told who holds the lease, as far as this process has seen it.
    pub holder: watch::Sender<Option<String>>,
}

impl Config {
    /// Default times: lease 15 s, renew deadline 10 s, retry 2 s.
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            holder: watch::Sender::new(None),
        }
    }
}

/// Leadership of this process. Renewed by a task of its own, so a busy main loop does not lose it.
#[derive(Debug)]
pub struct Leadership {
    lost: watch::Receiver<()>,
    stop: oneshot::Sender<()>,
}

impl Leadership {
    /// Resolves when leadership is lost, or the task that renews it died: stop acting and end the process. May be
    /// cancelled and called again.
    pub async fn lost(&mut self) {
        // Nothing is ever sent: the end of the task closes the channel.
        let _ = self.lost.changed().await;
    }

    /// Releases the lease, so that another replica takes it at its next check. Call it when nothing acts any more;
    /// takes at most 1 s, and failing is harmless (the lease expires then).
    pub async fn release(self) {
        let Self { mut lost, stop } = self;
        if stop.send(()).is_ok() {
            let _ = timeout(RELEASE, lost.changed()).await;
        }
    }
}

/// Resolves when this process has become the leader. Errors are retried for ever; one is logged when it differs from the
/// one before.
pub async fn lead(client: Client, config: Config) -> Leadership {
    let mut election = Election::new(client, config);
    let held = election.gain().await;
    tracing::info!(
        lease = election.config.name,
        identity = election.config.identity,
        "leading"
    );
    let (stop, stopped) = oneshot::channel();
    let (end, lost) = watch::channel(());
    tokio::spawn(async move {
        election.keep(held, stopped).await;
        drop(end);
    });
    Leadership { lost, stop }
}

/// Lease as this process wrote it last, and the start of that write.
struct Held {
    lease: Lease,
    since: Instant,
}

/// Candidate in the election.
struct Election {
    api: Api<Lease>,
    config: Config,
    seen: LastChange,
    started: Instant,
    trouble: Option<CallError>,
}

impl Election {
    fn new(client: Client, config: Config) -> Self {
        Self {
            api: Api::namespaced(client, &config.namespace),
            config,
            seen: LastChange::default(),
            started: Instant::now(),
            trouble: None,
        }
    }

    /// Time on both clocks.
    fn now(&self) -> Now {
        Now {
            wall: Timestamp::now(),
            moment: self.started.elapsed(),
        }
    }

    /// Tries until this process holds the lease.
    async fn gain(&mut self) -> Held {
        loop {
            let deadline = Instant::now() + self.config.renew_deadline;
            let wait = match self.attempt(deadline).await {
                Ok(LeaseAttempt::Held(held)) => return *held,
                Ok(LeaseAttempt::Wait(until_expiry)) => until_expiry.min(self.config.retry),
                Err(_) => self.config.retry,
            };
            sleep(wait).await;
        }
    }

    /// Renews until that fails for too long, another process holds the lease, or this one is told to stop.
    async fn keep(&mut self, mut held: Held, mut stopped: oneshot::Receiver<()>) {
        let mut known = true;
        let why = loop {
            let deadline = held.since + self.config.renew_deadline;
            tokio::select! {
                told = &mut stopped => {
                    if told.is_ok() {
                        self.give_back(&held.lease).await;
                    }
                    return;
                }
                () = sleep(self.config.retry.min(left(deadline))) => {}
            }
            if left(deadline).is_zero() {
                break "it could not be renewed in time";
            }
            // The lease as we wrote it saves a read. After a failure its state is unknown: read it again.
            let attempt = match known {
                true => self.write(Some(&held.lease), deadline).await,
                false => self.attempt(deadline).await,
            };
            known = attempt.is_ok();
            match attempt {
                Ok(LeaseAttempt::Held(renewed)) => held = *renewed,
                Ok(LeaseAttempt::Wait(_)) => break "someone else holds it",
                Err(_) => {}
            }
        };
        tracing::error!(lease = self.config.name, why, "the lease is lost");
    }

    /// Reads the lease and, if it may be taken, writes it.
    async fn attempt(&mut self, deadline: Instant) -> Result<LeaseAttempt, CallError> {
        let found = within(time(deadline), self.api.get_opt(&self.config.name)).await;
        let lease = self.told(found)?;
        self.seen.look(lease.as_ref(), self.started.elapsed());
        self.tell_holder(lease.as_ref());
        self.write(lease.as_ref(), deadline).await
    }

    /// Tells who holds this lease.
    fn tell_holder(&self, lease: Option<&Lease>) {
        let spec = lease.and_then(|lease| lease.spec.as_ref());
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
        let holder = holder.filter(|holder| !holder.is_empty());
        self.config.holder.send_if_modified(|told| {
            let news = told.as_deref() != holder;
            if news {
                *told = holder.map(str::to_owned);
            }
            news
        });
    }

    /// Takes the next step after this lease.
    async fn write(&mut self, lease: Option<&Lease>, deadline: Instant) -> Result<LeaseAttempt, CallError> {
        let since = Instant::now();
        let (name, post) = (&self.config.name, PostParams::default());
        let written = match step(lease, &self.seen, &self.config, self.now()) {
            LeaseStep::Create(lease) => within(time(deadline), self.api.create(&post, &lease)).await,
            LeaseStep::Claim(lease) | LeaseStep::Renew(lease) => {
                within(time(deadline), self.api.replace(name, &post, &lease)).await
            }
            LeaseStep::Wait(until_expiry) => return Ok(LeaseAttempt::Wait(until_expiry)),
        };
        let lease = self.told(written)?;
        self.tell_holder(Some(&lease));
        Ok(LeaseAttempt::Held(Box::new(Held { lease, since })))
    }

    /// Passes a result on and logs an error that differs from the last one. Losing a race (409) is no error.
    fn told<T>(&mut self, result: Result<T, CallError>) -> Result<T, CallError> {
        let trouble = result.as_ref().err().copied().filter(|error| !error.is_conflict());
        if let Some(error) = trouble
            && self.trouble != trouble
        {
            tracing::warn!(lease = self.config.name, %error, "the lease could not be read or written");
        }
        self.trouble = trouble;
        result
    }

    /// Releases the lease, if it is still as we wrote it.
    async fn give_back(&self, lease: &Lease) {
        let free = release(lease, self.now());
        let written = within(
            RELEASE,
            self.api.replace(&self.config.name, &PostParams::default(), &free),
        )
        .await;
        if let Err(error) = written {
            tracing::debug!(lease = self.config.name, %error, "the lease was not given back and will expire");
        }
    }
}

/// Result of an attempt that did not fail.
enum LeaseAttempt {
    /// This process holds the lease.
    Held(Box<Held>),
    /// Another process holds it; it expires in this time unless renewed.
    Wait(Duration),
}

/// Time left until a deadline.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Time for one call.
fn time(deadline: Instant) -> Duration {
    DEADLINE.min(left(deadline))
}

#[cfg(test)]
mod tests;
