//! Asks and tells the workers by Celery's remote control: a broadcast into `<exchange>.pidbox`, answers from our own queue.
//!
//! The two exchanges are the workers' own: as long as they do not exist, there is nobody to ask.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Consumer,
    message::Delivery,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldTable},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    connection::{Live, broken, short},
    feed::{Binding, Ends, Failed, Task, digested, open, own_name},
};
use crate::work::{
    Inspect, Moment, Order, SampleError,
    celery::{
        control::{ReplyTo, answer, order, request},
        events::Wire,
    },
};

/// Until it is tried again: there were no workers, or the connection broke.
const AGAIN: Duration = Duration::from_secs(2);

/// Until it is tried again if we have not the rights.
const AGAIN_REFUSED: Duration = Duration::from_secs(300);

/// Seconds after which a worker need not answer any more.
const EXPIRES: u64 = 10;

/// For the reason why a channel is closed, which is on its way.
const REASON: Duration = Duration::from_secs(1);

/// Letters that may wait: the questions and orders of a few samples.
const WAITING: usize = 256;

/// What workers are asked or told.
#[derive(Debug)]
pub(super) enum Letter {
    /// These nodes, or all, are asked.
    Question {
        method: Inspect,
        nodes: Vec<String>,
        asked: Moment,
    },
    /// These nodes are told.
    Order { order: Order, nodes: Vec<String> },
}

/// Asks the workers behind one control exchange.
#[derive(Debug)]
pub(super) struct Inspector {
    letters: mpsc::Sender<Letter>,
    refused: Arc<AtomicBool>,
    _task: Task,
}

impl Inspector {
    /// Starts one.
    pub(super) fn start(exchange: String, ends: Ends) -> Self {
        let (letters, written) = mpsc::channel(WAITING);
        let refused = Arc::new(AtomicBool::new(false));
        Self {
            letters,
            refused: refused.clone(),
            _task: Task::spawn(serve(exchange, written, ends, refused)),
        }
    }

    /// Writes, if it can: while there is no way to the workers, letters are dropped.
    pub(super) fn write(&self, letter: Letter) {
        let _dropped_if_full = self.letters.try_send(letter);
    }

    /// The broker's permissions refuse remote control.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

/// For as long as the endpoint lives.
async fn serve(exchange: String, mut letters: mpsc::Receiver<Letter>, mut ends: Ends, refuses: Arc<AtomicBool>) {
    let mut said = false;
    while let Some(live) = ends.connected().await {
        let refused = match converse(&live, &exchange, &mut letters, &ends, &refuses).await {
            Ok(()) => false,
            Err(Failed::Amqp(error)) => broken(&error) == SampleError::Permission,
            Err(Failed::Name) => true,
        };
        refuses.store(refused, Ordering::Relaxed);
        if refused && !said {
            said = true;
            tracing::warn!("the broker's permissions refuse remote control: what workers hold in memory is not known");
        }
        sleep(if refused { AGAIN_REFUSED } else { AGAIN }).await;
        // Whoever asked meanwhile asks again.
        while letters.try_recv().is_ok() {}
    }
}

/// Publishes questions and takes answers until the channel ends.
async fn converse(
    live: &Live,
    exchange: &str,
    letters: &mut mpsc::Receiver<Letter>,
    ends: &Ends,
    refuses: &AtomicBool,
) -> Result<(), Failed> {
    let channel = live.connection.create_channel().await?;
    let reply = ReplyTo { oid: own_name() };
    let binding = Binding {
        queue: format!("{}.reply.{exchange}.pidbox", reply.oid),
        exchange: format!("reply.{exchange}.pidbox"),
        key: reply.oid.clone(),
    };
    let mut answers = open(&channel, &binding).await?;
    loop {
        tokio::select! {
            delivery = answers.next() => {
                let Some(delivery) = delivery else { return Ok(()) };
                let delivery = delivery?;
                digested(live, &delivery);
                refuses.store(false, Ordering::Relaxed);
                ends.send(answer(&delivery.data, ticket(&delivery).as_deref(), Wire::Plain));
            }
            letter = letters.recv() => {
                let Some(letter) = letter else { return Ok(()) };
                let payload = match letter {
                    Letter::Question { method, nodes, asked } => {
                        request(method, &nodes, &reply, Wire::Plain, exchange, asked)
                    }
                    Letter::Order { order: what, nodes } => order(&what, &nodes, Wire::Plain, exchange, ""),
                };
                if let Err(error) = publish(&channel, exchange, &payload).await {
                    return Err(timeout(REASON, reason(&mut answers)).await.ok().flatten().unwrap_or(error));
                }
            }
        }
    }
}

/// Why the channel is closed. The broker refuses a publication by closing the channel later: the consumer is told why,
/// and whoever publishes next learns only that it is closed.
async fn reason(answers: &mut Consumer) -> Option<Failed> {
    loop {
        match answers.next().await? {
            Ok(_) => {}
            Err(error) => return Some(error.into()),
        }
    }
}

/// Broadcasts a question as Celery does (kombu's `pidbox`).
async fn publish(channel: &Channel, exchange: &str, question: &[u8]) -> Result<(), Failed> {
    let mut headers = FieldTable::default();
    headers.insert("clock".into(), AMQPValue::LongLongInt(1));
    headers.insert("expires".into(), AMQPValue::LongLongInt(expires()));
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(1)
        .with_headers(headers);
    let exchange = short(&format!("{exchange}.pidbox")).ok_or(Failed::Name)?;
    let options = BasicPublishOptions::default();
    channel
        .basic_publish(exchange, "".into(), options, question, properties)
        .await?;
    Ok(())
}

/// Unix time after which the question is void, in seconds.
fn expires() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs().saturating_add(EXPIRES)).unwrap_or(i64::MAX)
}

/// Which question a message answers.
fn ticket(delivery: &Delivery) -> Option<String> {
    let headers = delivery.properties.headers().as_ref()?;
    match headers.inner().get("ticket")? {
        AMQPValue::LongString(ticket) => Some(String::from_utf8_lossy(ticket.as_bytes()).into_owned()),
        AMQPValue::ShortString(ticket) => Some(ticket.as_str().to_owned()),
        _ => None,
    }
}
