//! Listens to the workers' events: heartbeats, comings and goings.

use std::time::Duration;

use futures::StreamExt;
use lapin::{ExchangeKind, options::ExchangeDeclareOptions, types::FieldTable};
use tokio::time::sleep;

use super::{
    connection::{Live, broken, is_missing, short},
    feed::{Binding, Ends, Failed, digested, open, own_name},
};
use crate::work::{
    SampleError,
    celery::events::{Wire, read},
};

/// All events of workers; those of tasks are `task.#`.
const KEY: &str = "worker.#";

/// Heartbeats wait so long for others that come with them: a thousand workers' would wake us five hundred times a second.
const GATHER: Duration = Duration::from_millis(100);

/// Events taken in at once, at most; more than the sampler's queue has room for would be in vain.
const AT_ONCE: usize = 4_096;

/// Until it is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Until it is tried again if we have not the rights.
const AGAIN_REFUSED: Duration = Duration::from_secs(60);

/// Brings the heartbeats of the workers on this topic exchange for as long as the endpoint lives.
pub(super) async fn heartbeats(exchange: String, mut ends: Ends) {
    let mut said = false;
    while let Some(live) = ends.connected().await {
        let refused = match listen(&live, &exchange, &ends).await {
            Ok(()) => false,
            Err(Failed::Amqp(error)) if is_missing(&error) => {
                // No worker has been there yet. With the rights we need not wait for the first one.
                let _made_or_not = declare(&live, &exchange).await;
                false
            }
            Err(Failed::Amqp(error)) => broken(&error) == SampleError::Permission,
            Err(Failed::Name) => true,
        };
        if refused && !said {
            said = true;
            tracing::warn!("the broker's permissions keep the workers' heartbeats from us: busy workers are not known");
        }
        sleep(if refused { AGAIN_REFUSED } else { AGAIN }).await;
    }
}

/// Listens until the channel ends.
async fn listen(live: &Live, exchange: &str, ends: &Ends) -> Result<(), Failed> {
    let channel = live.connection.create_channel().await?;
    let binding = Binding {
        queue: own_name(),
        exchange: exchange.to_owned(),
        key: KEY.to_owned(),
    };
    let mut events = open(&channel, &binding).await?.ready_chunks(AT_ONCE);
    while let Some(events) = events.next().await {
        for event in events {
            let event = event?;
            digested(live, &event);
            ends.send(read(&event.data, Wire::Plain));
        }
        sleep(GATHER).await;
    }
    Ok(())
}

/// Declares the exchange as Celery does (`celery.events.event.get_exchange`: kombu's default, durable).
async fn declare(live: &Live, exchange: &str) -> Result<(), Failed> {
    let name = short(exchange).ok_or(Failed::Name)?;
    let channel = live.connection.create_channel().await?;
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let declared = channel.exchange_declare(name, ExchangeKind::Topic, options, FieldTable::default());
    Ok(declared.await?)
}
