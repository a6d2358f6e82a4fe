//! Remote control: asking workers what they hold (kombu's pidbox).
//!
//! Redis: `SADD` the [`reply_binding`], `PUBLISH` the [`request`] on the [`channel`], `BRPOP` (or `RPOP`) the
//! [`reply_list`], one element for each worker; at the end `SREM` and `DEL`. RabbitMQ: an own exclusive queue, bound to
//! the exchange `reply.<exchange>.pidbox` with the key `oid`; publish the [`request`] to the exchange
//! `<exchange>.pidbox` with an empty routing key, `content_type` `application/json`, `content_encoding` `utf-8` and the
//! header `clock` = 1 (an integer); an `expires` header is optional (Unix seconds), and the `ticket` is in the body.
//! Workers create the exchange of the questions; the one of the answers is made by whoever asks first.
//!
//! The ticket of a request consists of the method's name, the time of the question and a number for the nodes that are
//! asked: so answers need no memory of the questions, and two answers to one question are recognised as coming from two
//! workers. Commands ask for no answer.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess},
};
use serde_json::json;

use super::workers::{Inspection, WorkerSignal};
use super::{
    lenient::{self, AnyForm},
    stamp::Stamp,
    stats,
    wire::{self, Wire},
};
use crate::framework::celery::ask::{Inspect, Order};
use crate::model::Moment;

/// Number of questions of one moment that can be distinguished; also the nanoseconds in a millisecond.
const SERIALS: u64 = 1_000_000;

/// Largest number of queues in a worker's answer; an answer with more is ignored: a forged one would be kept, and a part
/// of one would leave queues that a worker goes on to fetch from when it is told to stop.
const MAX_QUEUES: usize = 256;

/// Longest name of a queue, in bytes.
const MAX_QUEUE_NAME: usize = 255;

/// Longest total of these names, in bytes.
const MAX_QUEUE_NAMES: usize = 16 << 10;

/// Largest body of an answer that is read, in bytes: 256 queues with names of 40 letters take 210 kB.
const MAX_ANSWER: usize = 256 << 10;

/// The same for an answer to [`Inspect::Stats`], which has a counter for each of the application's tasks.
const MAX_STATS: usize = 128 << 10;

/// Address for the workers' answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// Operator's id: routing key of the answers and first part of the reply queue's name.
    pub oid: String,
}

/// Bytes to publish: on Redis to [`channel`], on AMQP to the exchange `<exchange>.pidbox` with an empty routing key.
/// `nodes` answer; if there are none, every worker does. `exchange`: Celery's `control_exchange`.
pub fn request(
    method: Inspect,
    nodes: &[String],
    reply: &ReplyTo,
    wire: Wire,
    exchange: &str,
    asked: Moment,
) -> Vec<u8> {
    let ticket = format!("{}.{}.{}", method.name(), asked.as_millis(), serial(nodes));
    let tag = format!("{}.{ticket}", reply.oid);
    let body = json!({
        "method": method.name(),
        "arguments": arguments(method),
        "destination": destination(nodes),
        "pattern": null,
        "matcher": null,
        "ticket": ticket,
        "reply_to": {"exchange": format!("reply.{exchange}.pidbox"), "routing_key": reply.oid},
    });
    wrapped(&body, wire, exchange, &tag)
}

/// The same for a command, which nobody answers. `tag` names the delivery on Redis.
pub fn order(order: &Order, nodes: &[String], wire: Wire, exchange: &str, tag: &str) -> Vec<u8> {
    let (method, queue) = match order {
        Order::CancelConsumer(queue) => ("cancel_consumer", queue),
        Order::AddConsumer(queue) => ("add_consumer", queue),
    };
    let body = json!({
        "method": method,
        "arguments": {"queue": queue},
        "destination": destination(nodes),
        "pattern": null,
        "matcher": null,
    });
    wrapped(&body, wire, exchange, tag)
}

/// Number that distinguishes questions of one moment by the nodes they are for, so that no node seems to answer one
/// twice.
fn serial(nodes: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    nodes.hash(&mut hasher);
    hasher.finish() % SERIALS
}

/// Time of a question, read from its ticket: the serial number is a part of it, less than a millisecond.
fn asked(ticket: &str) -> Option<Moment> {
    let (millis, serial) = ticket.split_once('.').unwrap_or((ticket, "0"));
    let serial = serial.parse::<u64>().ok()?;
    let whole = Duration::from_millis(millis.parse().ok()?);
    Some(whole.saturating_add(Duration::from_nanos(serial % SERIALS)))
}

/// Arguments of a question. `safe`: a task's arguments are shortened to text. They may be large, and some can only be
/// written by the task's own serializer: answering with those breaks a worker's remote control (kombu resets it and
/// listens no more).
fn arguments(method: Inspect) -> serde_json::Value {
    match method {
        Inspect::Active => json!({"safe": true}),
        _ => json!({}),
    }
}

fn destination(nodes: &[String]) -> Option<&[String]> {
    Some(nodes).filter(|nodes| !nodes.is_empty())
}

fn wrapped(body: &serde_json::Value, wire: Wire, exchange: &str, tag: &str) -> Vec<u8> {
    let body = body.to_string().into_bytes();
    match wire {
        Wire::Plain => body,
        Wire::Kombu => wire::envelope(&body, &format!("{exchange}.pidbox"), tag),
    }
}

/// Redis: channel that the workers subscribe to.
pub fn channel(prefix: &str, db: u32, exchange: &str) -> String {
    format!("{prefix}/{db}.{exchange}.pidbox")
}

/// Redis: the set (its key) and the member of it that bind the list of answers. Without it workers drop their answers.
/// `separator`: the application's own, because a worker splits each member of the set by that.
pub fn reply_binding(prefix: &str, exchange: &str, oid: &str, separator: &str) -> (String, String) {
    (
        format!("{prefix}_kombu.binding.reply.{exchange}.pidbox"),
        format!("{oid}{separator}{separator}{oid}.reply.{exchange}.pidbox"),
    )
}

/// Redis: set in which live workers are bound to remote control, each with its own queue. Any member of it shows the
/// application's separator ([`separator_of`]).
pub fn worker_bindings(prefix: &str, exchange: &str) -> String {
    format!("{prefix}_kombu.binding.{exchange}.pidbox")
}

/// Redis: separator of a member of [`worker_bindings`]: routing key and pattern are empty there, so it begins with the
/// separator twice, followed by a node's name. `None`: it is no such member.
pub fn separator_of(member: &str, exchange: &str) -> Option<String> {
    let end = format!(".{exchange}.pidbox");
    let ends = (1..=member.len() / 2).rev();
    let twice = |end: &usize| member.get(..*end).filter(|sep| member[*end..].starts_with(sep));
    let separator = ends
        .filter(|end| member.is_char_boundary(*end))
        .find_map(|end| twice(&end))?;
    let node = member.get(2 * separator.len()..)?.strip_suffix(&end)?;
    let plausible = !separator.contains(char::is_alphanumeric) && node.contains('@');
    plausible.then(|| separator.to_owned())
}

/// Redis: list to which the answers are pushed.
pub fn reply_list(prefix: &str, exchange: &str, oid: &str) -> String {
    format!("{prefix}{oid}.reply.{exchange}.pidbox")
}

/// Content of an answer, as numbers; nothing, if the payload is anything else. `ticket`: the AMQP message's header of
/// that name (`None` on Redis, where the envelope carries it).
pub fn answer(payload: &[u8], ticket: Option<&str>, wire: Wire) -> Option<WorkerSignal> {
    let method = |of: Option<&str>| Some(of.or(ticket)?.split_once('.')?.0.to_owned());
    let fits = |of: Option<&str>, bytes: usize| bytes <= most(method(of).as_deref());
    let unwrapped = wire::unwrap(payload, wire, fits)?;
    let (ticket, of) = unwrapped.ticket.as_deref().or(ticket)?.split_once('.')?;
    let (body, asked) = (&unwrapped.body, asked(of)?);
    let methods = [
        Inspect::Active,
        Inspect::Reserved,
        Inspect::Scheduled,
        Inspect::ActiveQueues,
        Inspect::Stats,
        Inspect::Ping,
    ];
    match methods.into_iter().find(|method| method.name() == ticket)? {
        Inspect::Stats => stats::signal(body, asked),
        Inspect::ActiveQueues => {
            let (node, QueueNames(queues)) = wire::answer_of_one(body)?;
            let queues = queues?;
            Some(WorkerSignal::Queues { node, queues, asked })
        }
        Inspect::Ping => {
            let (node, IgnoredAny) = wire::answer_of_one(body)?;
            Some(WorkerSignal::Pong { node, asked })
        }
        method => {
            let (node, TaskList(answer)) = wire::answer_of_one(body)?;
            let answer = answer?;
            Some(WorkerSignal::Inspected {
                node,
                method,
                answer,
                asked,
            })
        }
    }
}

/// Largest body of an answer to this question, in bytes. Tasks are many and large; only numbers are kept of them.
fn most(method: Option<&str>) -> usize {
    let tasks = [Inspect::Active, Inspect::Reserved, Inspect::Scheduled].map(Inspect::name);
    match method {
        Some(method) if tasks.contains(&method) => usize::MAX,
        Some(method) if method == Inspect::Stats.name() => MAX_STATS,
        _ => MAX_ANSWER,
    }
}

/// Names of the queues that a worker fetches from; nothing, if the value is no such list.
#[derive(Default)]
struct QueueNames(Option<BTreeSet<String>>);

#[derive(Deserialize)]
struct QueueEntry<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl<'de> AnyForm<'de> for QueueNames {
    fn of_list<A: SeqAccess<'de>>(mut queues: A) -> Result<Self, A::Error> {
        let mut names = BTreeSet::new();
        let mut letters = 0;
        while let Some(QueueEntry { name }) = queues.next_element()? {
            letters += name.len();
            if names.len() >= MAX_QUEUES || name.len() > MAX_QUEUE_NAME || letters > MAX_QUEUE_NAMES {
                return Err(de::Error::custom("too many queues"));
            }
            names.insert(name.into_owned());
        }
        Ok(Self(Some(names)))
    }
}

impl<'de> Deserialize<'de> for QueueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::any(deserializer)
    }
}

/// List of tasks as counts; nothing, if the value is something else (an error is an object).
#[derive(Default)]
struct TaskList(Option<Inspection>);

#[derive(Deserialize)]
struct TaskEntry {
    #[serde(default)]
    acknowledged: bool,
    /// Due time, in answers to [`Inspect::Scheduled`].
    #[serde(default)]
    eta: Stamp,
}

impl<'de> AnyForm<'de> for TaskList {
    fn of_list<A: SeqAccess<'de>>(mut tasks: A) -> Result<Self, A::Error> {
        let mut counts = Inspection::default();
        // First due time; `None`: one of the tasks has none.
        let mut due = Some(Timestamp::MAX);
        while let Some(task) = tasks.next_element::<TaskEntry>()? {
            counts.tasks = counts.tasks.saturating_add(1);
            counts.acknowledged = counts.acknowledged.saturating_add(task.acknowledged.into());
            due = due.zip(task.eta.0).map(|(a, b)| a.min(b));
        }
        counts.due = due.filter(|_| counts.tasks > 0);
        Ok(Self(Some(counts)))
    }
}

impl<'de> Deserialize<'de> for TaskList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::any(deserializer)
    }
}

#[cfg(test)]
mod tests;
