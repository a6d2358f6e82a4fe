//! Asks Celery's workers what they hold, and tells them what to do, by remote control over Redis; answers are collected
//! at later samples.
//!
//! An answer is an element of a list of our own, into which workers push as long as a set says where we are. That entry
//! is there only while answers are outstanding, so that nothing is pushed for ever after we are gone; where we were
//! killed meanwhile, another operator takes it away ([`super::bindings`]).

use std::collections::BTreeMap;

use super::{
    backoff::random,
    bindings::{self, RENEWED},
    channel::Channel,
    link::Link,
    resp::{Commands, Value},
};
use crate::{
    broker::signals::Sender,
    framework::celery::{
        control::{self, ReplyTo},
        events::Wire,
    },
    model::{Mailbox, Moment, Read, Reply, SampleError},
};

/// Answers taken from the list at once, at most.
const MAX_ANSWERS: usize = 64;

/// At first not so many: nobody knows yet how large they are.
const FIRST_ANSWERS: usize = 8;

/// Round trips for answers in one sample, at most.
const MAX_ROUNDS: usize = 8;

/// A larger answer is dropped: it tells of tasks by the ten thousand, and is worth no more of everybody's time.
const ANSWER_BYTES: u64 = 4 << 20;

/// So many bytes of answers are to come in one round trip.
const ROUND_BYTES: u64 = 4 << 20;

/// After so many bytes of answers the rest waits for the next sample.
const SAMPLE_BYTES: u64 = 16 << 20;

/// The questions and answers of one endpoint.
#[derive(Debug)]
pub(super) struct Inspections {
    /// Our address, and when it was made.
    reply: ReplyTo,
    made: Option<Moment>,
    db: u32,
    /// By control exchange and key prefix.
    channels: BTreeMap<(String, String), Channel>,
    /// How many answers to take at once: fewer after large ones.
    at_once: usize,
}

impl Inspections {
    /// For this database.
    pub(super) fn new(db: u32) -> Self {
        Self {
            reply: new_reply(),
            made: None,
            db,
            channels: BTreeMap::new(),
            at_once: FIRST_ANSWERS,
        }
    }

    /// The connection is another one.
    pub(super) fn reconnected(&mut self) {
        self.channels.values_mut().for_each(Channel::reconnected);
    }

    /// Collects answers, ends what is over and asks what `reads` wish, in as few round trips as that needs: none, if
    /// there is nothing to do.
    ///
    /// # Errors
    /// What breaks the connection. A refused command is no error: remote control pauses.
    pub(super) async fn round(
        &mut self,
        link: &mut Link,
        reads: &[Read],
        signals: &Sender,
        now: Moment,
    ) -> Result<(), SampleError> {
        self.collect(link, signals, now).await?;
        self.end(link, now).await?;
        self.ask(link, reads, now).await?;
        self.channels.retain(|_, channel| channel.is_of_use(now));
        Ok(())
    }

    async fn collect(&mut self, link: &mut Link, signals: &Sender, now: Moment) -> Result<(), SampleError> {
        let begin = link.read();
        for channel in self.channels.values_mut() {
            channel.begin();
            let Some(list) = channel.list().map(str::to_owned) else {
                continue;
            };
            let mut rounds = 0;
            while rounds < MAX_ROUNDS && link.read() - begin < SAMPLE_BYTES {
                rounds += 1;
                let asked = self.at_once;
                let popped = pop(link, &list, asked, signals).await?;
                channel.answered(popped.answers);
                match popped.failed {
                    Some(error) if error.is_refusal() => channel.pop_refused(now),
                    Some(error) => channel.pop_failed(error),
                    None => {}
                }
                self.at_once = popped.fits().clamp(1, MAX_ANSWERS.min(asked * 4));
                if popped.answers < asked as u64 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes our entry and our list away where all have answered or nobody is waited for any more, and everywhere when
    /// our address is so old that it is to be another one.
    async fn end(&mut self, link: &mut Link, now: Moment) -> Result<(), SampleError> {
        let made = *self.made.get_or_insert(now);
        let renew = now.saturating_sub(made) >= RENEWED;
        let commands = self.unbind(|channel| renew || channel.is_over(now));
        // If this is refused, so was the entry itself.
        link.ask(&commands).await?;
        if renew {
            (self.reply, self.made) = (new_reply(), Some(now));
        }
        Ok(())
    }

    /// What takes our entry and our list away from these channels.
    pub(super) fn unbind(&mut self, over: impl Fn(&Channel) -> bool) -> Commands {
        let mut commands = Commands::default();
        for channel in self.channels.values_mut().filter(|channel| over(channel)) {
            channel.unbind(&mut commands);
        }
        commands
    }

    /// Publishes questions and orders, application by application.
    async fn ask(&mut self, link: &mut Link, reads: &[Read], now: Moment) -> Result<(), SampleError> {
        let mut applications = BTreeMap::<_, Vec<_>>::new();
        for (number, read) in reads.iter().enumerate() {
            if let Some(of) = mailbox(read) {
                let application = (&of.exchange, &of.prefix);
                applications.entry(application).or_default().push((number, read, of));
            }
        }
        for ((exchange, prefix), reads) in applications {
            let channel = self.channels.entry((exchange.clone(), prefix.clone()));
            let channel = channel.or_insert_with(|| Channel::new(exchange, prefix, self.db));
            channel.ask(link, &reads, &self.reply, now).await?;
        }
        Ok(())
    }

    /// Why these workers can be neither asked nor told anything, if that is so: a right that is missing, or what passes.
    pub(super) fn trouble(&self, read: &Read, now: Moment) -> Option<Result<Reply, SampleError>> {
        let of = mailbox(read)?;
        let channel = self.channels.get(&(of.exchange.clone(), of.prefix.clone()))?;
        let refused = channel.refused(now).map(|right| {
            Ok(Reply::Refused {
                right: right.to_owned(),
            })
        });
        refused.or_else(|| channel.failing().map(Err))
    }
}

/// What one round trip for answers brought.
#[derive(Default)]
struct Popped {
    answers: u64,
    largest: u64,
    failed: Option<SampleError>,
}

impl Popped {
    /// How many as large as the largest one fit into a round trip.
    fn fits(&self) -> usize {
        let fits = ROUND_BYTES.checked_div(self.largest);
        fits.and_then(|fits| usize::try_from(fits).ok()).unwrap_or(MAX_ANSWERS)
    }
}

/// Takes so many answers from the list, if they are there. Each is read, taken in and let go before the next one. What
/// is too large counts as an answer that says nothing: that is a matter of its node alone.
async fn pop(link: &mut Link, list: &str, count: usize, signals: &Sender) -> Result<Popped, SampleError> {
    let mut commands = Commands::default();
    (0..count).for_each(|_| commands.add_for(ANSWER_BYTES, &[b"RPOP", list.as_bytes()]));
    let mut popped = Popped::default();
    let take = |reply| match reply {
        Value::Text(Some(payload)) => {
            popped.answers += 1;
            popped.largest = popped.largest.max(payload.len() as u64);
            if let Some(signal) = control::answer(&payload, None, Wire::Kombu) {
                signals.send(signal.into());
            }
        }
        Value::Refused(SampleError::TooLarge) => {
            popped.answers += 1;
            popped.largest = ANSWER_BYTES;
        }
        Value::Refused(error) => popped.failed = popped.failed.or(Some(error)),
        _ => {}
    };
    link.ask_each(&commands, take).await?;
    Ok(popped)
}

fn new_reply() -> ReplyTo {
    ReplyTo {
        oid: bindings::new_address([random(), random()]),
    }
}

/// Whose remote control a read means, if any.
fn mailbox(read: &Read) -> Option<&Mailbox> {
    match read {
        Read::Inspect { mailbox, .. } | Read::Tell { mailbox, .. } => Some(mailbox),
        _ => None,
    }
}
