//! Remote control: a broadcast into an exchange of the workers, answers from a queue of the operator.
//!
//! All of it uses a connection of its own: while the broker is short of memory or disk it blocks every connection that
//! has published something, and counts go on over the other one. The exchange belongs to the workers: as long as it
//! does not exist, there is no worker to ask. The exchange of the answers is declared by the first client that asks.

use std::time::Duration;

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Consumer, ExchangeKind,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ExchangeDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    connection::{Live, OwnedConnection, connect, short},
    feed::{Attempt, Binding, Ends, Failed, declare, digested, open},
};
use crate::{
    broker::{Address, Egress, task::AbortOnDrop},
    model::{Backoff, Letter, Postbox, SampleError},
};

/// Time to wait for the reason why a channel was closed.
const REASON: Duration = Duration::from_secs(1);

/// Largest number of messages that wait: the questions and orders of a few samples.
const WAITING: usize = 256;

/// Number of answers that the broker sends before the first of them is read; the others wait there. That many of the
/// largest that are accepted are still no flood.
const AT_ONCE: u16 = 7;

/// Reason why workers can be neither asked nor ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ControlTrouble {
    /// A right is missing; the text is the broker's.
    Refused(String),
    /// The error passes by itself.
    Failing(SampleError),
}

/// Remote control of the workers behind one postbox.
#[derive(Debug)]
pub(super) struct Inspector {
    letters: mpsc::Sender<Letter>,
    trouble: watch::Receiver<Option<ControlTrouble>>,
    _task: AbortOnDrop,
}

/// Broker, and where signals go.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Egress rules for its connections.
    pub(super) egress: Egress,
    /// Address of the broker.
    pub(super) address: Address,
    /// Name of the virtual host.
    pub(super) vhost: String,
    /// Connection of the endpoint, and the way to the sampler.
    pub(super) ends: Ends,
}

impl Inspector {
    /// Starts the task.
    pub(super) fn start(postbox: Postbox, line: Line) -> Self {
        let (letters, written) = mpsc::channel(WAITING);
        let (tells, trouble) = watch::channel(None);
        let desk = Desk {
            postbox,
            line,
            tells,
            told_form: false,
            told_size: false,
            conversed: false,
        };
        Self {
            letters,
            trouble,
            _task: AbortOnDrop::spawn(desk.serve(written)),
        }
    }

    /// Sends a message if possible: while there is no way to the workers, messages are dropped.
    pub(super) fn write(&self, letter: Letter) {
        let _dropped_if_full = self.letters.try_send(letter);
    }

    /// Reason why the workers cannot be reached.
    pub(super) fn trouble(&self) -> Option<ControlTrouble> {
        self.trouble.borrow().clone()
    }
}

/// Task that writes and reads the messages behind one postbox.
struct Desk {
    postbox: Postbox,
    line: Line,
    /// Passes on the reason why the workers cannot be reached.
    tells: watch::Sender<Option<ControlTrouble>>,
    /// Whether the log has said that workers answer in another serialization.
    told_form: bool,
    /// Whether the log has said that an answer was too large.
    told_size: bool,
    /// Whether a message passed over the channel that ended last.
    conversed: bool,
}

impl Desk {
    /// Runs for as long as the endpoint needs it.
    async fn serve(mut self, mut letters: mpsc::Receiver<Letter>) {
        let mut backoff = Backoff::default();
        let mut link: Option<OwnedConnection> = None;
        let mut attempt = Attempt::first();
        let mut broke = false;
        // Whoever cannot count cannot ask either.
        while let Some(other) = self.line.ends.connected().await {
            let usable = link.take().filter(|link| link.is_alive() && !link.is_worn());
            if usable.is_none() {
                attempt = Attempt::first();
            }
            let live = match usable {
                Some(kept) => Ok(link.insert(kept).live()),
                None => match connect(&self.line.egress, &self.line.address, &self.line.vhost).await {
                    Ok(new) => Ok(link.insert(new).live()),
                    // One connection is all we get.
                    Err(SampleError::TooManyConnections) => Ok(other),
                    Err(error) => Err(Failed::Broken(error)),
                },
            };
            let ended = match live {
                Ok(live) => self.converse(&live, &mut letters, &mut attempt, &mut backoff).await,
                Err(failed) => failed,
            };
            match &ended {
                Failed::Refused { right } => self.tell(Some(ControlTrouble::Refused(right.clone()))),
                // Once is nothing: it connects again.
                Failed::Broken(error) if broke => self.tell(Some(ControlTrouble::Failing(*error))),
                _ => {}
            }
            let conversed = std::mem::take(&mut self.conversed);
            broke = matches!(ended, Failed::Broken(_)) && !conversed;
            sleep(ended.pause(&mut backoff)).await;
            // Whoever asked meanwhile asks again.
            while letters.try_recv().is_ok() {}
        }
    }

    /// Passes on the reason why the workers cannot be reached, and logs what has changed.
    fn tell(&self, trouble: Option<ControlTrouble>) {
        let changed = self.tells.send_if_modified(|last| {
            let changed = *last != trouble;
            last.clone_from(&trouble);
            changed
        });
        if !changed {
            return;
        }
        match trouble {
            Some(ControlTrouble::Refused(right)) => tracing::warn!(
                right,
                "the broker's permissions refuse remote control: workers cannot be asked what they hold"
            ),
            Some(ControlTrouble::Failing(why)) => {
                tracing::warn!(%why, "remote control fails: workers cannot be asked what they hold");
            }
            None => tracing::info!("nothing is known any more that keeps remote control from the workers"),
        }
    }

    /// Publishes questions and takes in answers until the channel ends; returns the reason.
    async fn converse(
        &mut self,
        live: &Live,
        letters: &mut mpsc::Receiver<Letter>,
        attempt: &mut Attempt,
        backoff: &mut Backoff,
    ) -> Failed {
        let (channel, mut answers) = match self.subscribed(live, attempt).await {
            Ok(both) => both,
            Err(failed) => return failed,
        };
        let mut first: Option<Instant> = None;
        loop {
            tokio::select! {
                delivery = answers.next() => {
                    let delivery = match delivery {
                        Some(Ok(delivery)) => delivery,
                        Some(Err(error)) => return self.why(&error),
                        None => return Failed::Broken(SampleError::Disconnected),
                    };
                    backoff.succeeded();
                    self.works();
                    self.read(&delivery);
                    digested(live, &delivery);
                    if let Err(error) = delivery.ack(BasicAckOptions::default()).await {
                        return error.into();
                    }
                }
                letter = letters.recv() => {
                    let Some(letter) = letter else { return Failed::Broken(SampleError::Disconnected) };
                    // Nothing leaves a connection that the broker blocks. Whoever asks asks again.
                    if live.connection.status().blocked() {
                        self.tell(Some(ControlTrouble::Failing(SampleError::Blocked)));
                        continue;
                    }
                    // A refusal would have come by now.
                    if first.is_some_and(|first| first.elapsed() > REASON) && channel.status().connected() {
                        self.works();
                    }
                    first = first.or_else(|| Some(Instant::now()));
                    if let Err(error) = publish(&channel, &self.postbox.exchange, &letter, &attempt.queue).await {
                        let reason = timeout(REASON, reason(&mut answers)).await.ok().flatten();
                        return self.why(&reason.unwrap_or(error));
                    }
                }
            }
        }
    }

    /// Records that messages get through.
    fn works(&mut self) {
        self.conversed = true;
        self.tell(None);
    }

    /// Reason why the channel ended while messages were written on it.
    fn why(&self, error: &lapin::Error) -> Failed {
        let failed = Failed::of(error, || format!("`write` on the exchange `{}`", self.postbox.exchange));
        if failed == Failed::Missing {
            // There is nobody to ask.
            self.tell(None);
        }
        failed
    }

    /// Consumer of the operator's queue on the exchange of the answers, which is declared if no client has asked before
    /// and the right is there.
    async fn subscribed(&self, live: &Live, attempt: &mut Attempt) -> Result<(Channel, Consumer), Failed> {
        let Postbox { exchange, replies, .. } = &self.postbox;
        let binding = Binding {
            queue: format!("{}.{replies}", attempt.queue),
            exchange: replies.clone(),
            key: attempt.queue.clone(),
        };
        let mut subscribed = subscribe(live, &binding).await;
        if matches!(subscribed, Err(Failed::Missing)) {
            if attempt.lacks.is_none() {
                match declare(live, &binding.exchange, ExchangeKind::Direct, false).await {
                    Ok(()) => subscribed = subscribe(live, &binding).await,
                    Err(Failed::Refused { right }) => attempt.lacks = Some(right),
                    Err(failed) => return Err(failed),
                }
            }
            // Where there are no workers we are not kept from anybody.
            if let Some(right) = attempt.lacks.clone() {
                let there = exists(live, exchange).await?;
                self.tell(Some(ControlTrouble::Refused(right)).filter(|_| there));
            }
        }
        subscribed
    }

    /// Passes an answer on as signals.
    fn read(&mut self, delivery: &Delivery) {
        let form = delivery.properties.content_type().as_ref();
        if form.is_some_and(|form| !form.as_str().contains("json")) {
            if !std::mem::replace(&mut self.told_form, true) {
                tracing::warn!(
                    exchange = self.postbox.exchange,
                    "workers answer remote control in another form than JSON: what they say is not understood"
                );
            }
            return;
        }
        // Nobody answers with nothing: the body was too large to be read.
        if delivery.data.is_empty() && !std::mem::replace(&mut self.told_size, true) {
            tracing::warn!(
                exchange = self.postbox.exchange,
                "a worker's answer was larger than the operator reads: what it holds is not known"
            );
        }
        let ticket = header(delivery, self.postbox.ticket);
        self.line
            .ends
            .send((self.postbox.read.get())(&delivery.data, ticket.as_deref()));
    }
}

async fn subscribe(live: &Live, binding: &Binding) -> Result<(Channel, Consumer), Failed> {
    let channel = live.channel().await?;
    channel.basic_qos(AT_ONCE, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions {
        exclusive: true,
        ..BasicConsumeOptions::default()
    };
    let answers = open(&channel, binding, options).await?;
    Ok((channel, answers))
}

/// Whether there is such an exchange. Where the broker does not say, there may be one.
async fn exists(live: &Live, exchange: &str) -> Result<bool, Failed> {
    let name = short(exchange).ok_or(Failed::Broken(SampleError::Protocol))?;
    let options = ExchangeDeclareOptions {
        passive: true,
        ..ExchangeDeclareOptions::default()
    };
    let channel = live.channel().await?;
    let asked = channel.exchange_declare(name, ExchangeKind::Fanout, options, FieldTable::default());
    match asked.await.map_err(|error| Failed::of(&error, String::new)) {
        Ok(()) | Err(Failed::Refused { .. }) => Ok(true),
        Err(Failed::Missing) => Ok(false),
        Err(failed) => Err(failed),
    }
}

/// Reason why the channel is closed. The broker refuses a publication by closing the channel later: the consumer gets
/// the reason, and the next publisher learns only that it is closed.
async fn reason(answers: &mut Consumer) -> Option<lapin::Error> {
    loop {
        if let Err(error) = answers.next().await? {
            return Some(error);
        }
    }
}

/// Publishes a message, with the address for answers in it where it has a place for that.
async fn publish(channel: &Channel, exchange: &str, letter: &Letter, address: &str) -> Result<(), lapin::Error> {
    let mut headers = FieldTable::default();
    for (name, number) in &letter.headers {
        headers.insert((*name).into(), AMQPValue::LongLongInt(*number));
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(1)
        .with_headers(headers);
    let payload = match &letter.end {
        Some(end) => [&letter.begin, address.as_bytes(), end].concat(),
        None => letter.begin.clone(),
    };
    // A name that does not fit is in no exchange's.
    let exchange = short(exchange).unwrap_or_default();
    let options = BasicPublishOptions::default();
    channel
        .basic_publish(exchange, "".into(), options, &payload, properties)
        .await?;
    Ok(())
}

/// Header that is a text.
fn header(delivery: &Delivery, name: &str) -> Option<String> {
    let headers = delivery.properties.headers().as_ref()?;
    match headers.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}
