//! Asks the workers by Celery's remote control: a broadcast into `<exchange>.pidbox`, answers from our own queue.
//!
//! The two exchanges are the workers' own: as long as they do not exist, there is nobody to ask.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel,
    message::Delivery,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldTable},
};
use tokio::{sync::mpsc, time::sleep};

use super::{
    connection::{Live, broken, short},
    feed::{Binding, Ends, Failed, Task, digested, open, own_name},
};
use crate::work::{
    Inspect, SampleError,
    celery::{
        control::{ReplyTo, answer, request},
        events::Wire,
    },
};

/// Until it is tried again: there were no workers, or the connection broke.
const AGAIN: Duration = Duration::from_secs(2);

/// Until it is tried again if we have not the rights.
const AGAIN_REFUSED: Duration = Duration::from_secs(300);

/// Seconds after which a worker need not answer any more.
const EXPIRES: u64 = 10;

/// Questions that may wait; there are only four methods.
const WAITING: usize = 8;

/// Asks the workers behind one control exchange.
#[derive(Debug)]
pub(super) struct Inspector {
    questions: mpsc::Sender<Inspect>,
    _task: Task,
}

impl Inspector {
    /// Starts one.
    pub(super) fn start(exchange: String, ends: Ends) -> Self {
        let (questions, asked) = mpsc::channel(WAITING);
        Self {
            questions,
            _task: Task::spawn(serve(exchange, asked, ends)),
        }
    }

    /// Asks, if it can: while there is no way to the workers, questions are dropped.
    pub(super) fn ask(&self, method: Inspect) {
        let _dropped_if_full = self.questions.try_send(method);
    }
}

/// For as long as the endpoint lives.
async fn serve(exchange: String, mut questions: mpsc::Receiver<Inspect>, mut ends: Ends) {
    let mut said = false;
    while let Some(live) = ends.connected().await {
        let refused = match converse(&live, &exchange, &mut questions, &ends).await {
            Ok(()) => false,
            Err(Failed::Amqp(error)) => broken(&error) == SampleError::Permission,
            Err(Failed::Name) => true,
        };
        if refused && !said {
            said = true;
            tracing::warn!("the broker's permissions refuse remote control: what workers hold in memory is not known");
        }
        sleep(if refused { AGAIN_REFUSED } else { AGAIN }).await;
        // Whoever asked meanwhile asks again.
        while questions.try_recv().is_ok() {}
    }
}

/// Publishes questions and takes answers until the channel ends.
async fn converse(
    live: &Live,
    exchange: &str,
    questions: &mut mpsc::Receiver<Inspect>,
    ends: &Ends,
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
                ends.send(answer(&delivery.data, ticket(&delivery).as_deref(), Wire::Plain));
            }
            method = questions.recv() => {
                let Some(method) = method else { return Ok(()) };
                publish(&channel, exchange, &request(method, &reply, Wire::Plain, exchange)).await?;
            }
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
