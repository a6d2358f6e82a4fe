//! Listens to what workers announce on a topic exchange.

use std::time::Duration;

use futures::StreamExt;
use lapin::{Channel, Consumer, ExchangeKind, options::BasicConsumeOptions};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    connection::Live,
    feed::{Attempt, Binding, Ends, Failed, declare, digested, open},
};
use crate::{
    broker::allowance::Allowance,
    model::{Backoff, Hearing, Place, SampleError, Subscription},
};

/// Time for which heartbeats wait for others that come with them: those of a thousand workers would wake the operator
/// five hundred times a second.
const GATHER: Duration = Duration::from_millis(100);

/// Largest number of events taken in at once; more than the sampler's queue has room for would be in vain.
const AT_ONCE: usize = 4_096;

/// Passes on the heartbeats of the workers on this topic exchange for as long as the endpoint lives, and reports the
/// state of the subscription.
pub(super) async fn heartbeats(to: Subscription, mut ends: Ends, hearing: watch::Sender<Hearing>) {
    let mut backoff = Backoff::default();
    let mut attempt = Attempt::first();
    let mut allowance = Allowance::default();
    while let Some(live) = ends.connected().await {
        let ended = listen(&live, &to, (&mut attempt, &mut allowance), &ends, &hearing).await;
        if *hearing.borrow() == Hearing::Works {
            backoff.succeeded();
        }
        // A connection that was renewed is no failure.
        if !ends.has_another() {
            let pause = ended.pause(&mut backoff);
            tell(&hearing, state(ended));
            ends.pause(pause).await;
        }
        if ends.has_another() {
            attempt = Attempt::first();
        }
    }
}

/// State of a subscription after the end of its feed.
fn state(ended: Failed) -> Hearing {
    match ended {
        // Nobody has been there yet, and we may not be the first.
        Failed::Missing => Hearing::NotYet,
        Failed::Refused { right } => Hearing::Refused { right },
        Failed::Broken(error) => Hearing::Failing(error),
    }
}

/// Reports the state, and logs what has changed.
fn tell(hearing: &watch::Sender<Hearing>, now: Hearing) {
    let changed = hearing.send_if_modified(|last| {
        let changed = *last != now;
        last.clone_from(&now);
        changed
    });
    match now {
        Hearing::Refused { right } if changed => {
            tracing::warn!(right, "the broker's permissions keep the workers' heartbeats from us");
        }
        Hearing::Works if changed => tracing::debug!("the workers' heartbeats are heard"),
        _ => {}
    }
}

/// Listens until the channel ends; returns the reason.
async fn listen(
    live: &Live,
    to: &Subscription,
    (attempt, allowance): (&mut Attempt, &mut Allowance),
    ends: &Ends,
    hearing: &watch::Sender<Hearing>,
) -> Failed {
    let Place::TopicExchange { exchange, key } = &to.place else {
        return Failed::Broken(SampleError::Protocol);
    };
    let binding = Binding {
        queue: attempt.queue.clone(),
        exchange: exchange.clone(),
        key: (*key).to_owned(),
    };
    let mut subscribed = subscribe(live, &binding).await;
    if matches!(subscribed, Err(Failed::Missing)) && attempt.lacks.is_none() {
        // No worker has been there yet. With the right to declare it, as the workers do, we need not wait for the first one.
        match declare(live, exchange, ExchangeKind::Topic, true).await {
            Ok(()) => subscribed = subscribe(live, &binding).await,
            Err(Failed::Refused { right }) => attempt.lacks = Some(right),
            Err(failed) => return failed,
        }
    }
    match subscribed {
        Ok((_channel, events)) => {
            tell(hearing, Hearing::Works);
            follow(live, events, to, ends, allowance).await
        }
        Err(failed) => failed,
    }
}

async fn subscribe(live: &Live, binding: &Binding) -> Result<(Channel, Consumer), Failed> {
    let channel = live.channel().await?;
    let options = BasicConsumeOptions {
        no_ack: true,
        exclusive: true,
        ..BasicConsumeOptions::default()
    };
    let events = open(&channel, binding, options).await?;
    Ok((channel, events))
}

/// Takes the events in, as long as they are not too many. The queue goes with the channel then, so nothing piles up.
async fn follow(live: &Live, events: Consumer, to: &Subscription, ends: &Ends, allowance: &mut Allowance) -> Failed {
    let mut events = events.ready_chunks(AT_ONCE);
    while let Some(events) = events.next().await {
        for event in events {
            let event = match event {
                Ok(event) => event,
                Err(error) => return error.into(),
            };
            digested(live, &event);
            if let Err(error) = allowance.looked_at(event.data.len(), Instant::now()) {
                return Failed::Broken(error);
            }
            ends.send((to.read.get())(&event.data));
        }
        sleep(GATHER).await;
    }
    Failed::Broken(SampleError::Disconnected)
}
