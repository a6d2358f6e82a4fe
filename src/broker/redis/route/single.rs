//! One server, over one connection.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::{NoReply, Route, Take};
use crate::{
    broker::{
        Address, Egress, Kind,
        redis::{
            link::{Link, pause},
            resp::{Commands, Value},
        },
    },
    model::{Backoff, Moment, SampleError},
};

/// Time that a whole sample takes at most, connecting included.
const SAMPLE: Duration = Duration::from_secs(4);

/// Route to one server.
#[derive(Debug)]
pub(super) struct Single {
    egress: Egress,
    address: Address,
    db: u32,
    now: Moment,
    deadline: Instant,
    /// Taken out while it is in use: a sample that is dropped half-way leaves none, and the next one connects.
    link: Option<Link>,
    /// There was a connection before: the next one is another one.
    was_connected: bool,
    generation: u64,
    /// No attempt to connect before this moment, and why.
    pause: Option<(Moment, SampleError)>,
    /// Why nothing more is asked during this sample.
    given_up: Option<SampleError>,
    backoff: Backoff,
    read: u64,
}

impl Single {
    /// Connects when it is first asked. The address must be one of Redis.
    pub(super) fn new(egress: Egress, address: Address) -> Self {
        let db = match address.kind {
            Kind::Redis { db } => db,
            Kind::RabbitMq { .. } => 0,
        };
        Self {
            egress,
            address,
            db,
            now: Moment::ZERO,
            deadline: Instant::now(),
            link: None,
            was_connected: false,
            generation: 0,
            pause: None,
            given_up: None,
            backoff: Backoff::default(),
            read: 0,
        }
    }

    /// The connection, a new one if need be.
    async fn connect(&mut self) -> Result<Link, SampleError> {
        if let Some(link) = self.link.take() {
            return Ok(link);
        }
        let link = Link::open(&self.egress, &self.address, self.db).await?;
        if std::mem::replace(&mut self.was_connected, true) {
            self.generation += 1;
        }
        Ok(link)
    }

    /// Asks all; what breaks the connection has broken it for all of them.
    async fn converse(&mut self, commands: &Commands, take: &mut Take<'_>) -> Result<(), NoReply> {
        let mut link = self.connect().await.map_err(NoReply::innocent)?;
        let before = link.read();
        let (mut unknown, mut locked_out) = (false, false);
        let each = |place, value: Value| {
            unknown |= value == Value::Refused(SampleError::UnknownCommand);
            locked_out |= value == Value::Refused(SampleError::Authentication);
            take(place, Ok(value));
        };
        link.ask_each(commands, each).await.map_err(NoReply::suspect)?;
        // Without credentials every command is refused, one by one, on a connection that is well.
        if locked_out {
            return Err(NoReply::innocent(SampleError::Authentication));
        }
        if unknown && link.is_sentinel().await {
            return Err(NoReply::innocent(SampleError::RedisSentinel));
        }
        self.read += link.read() - before;
        self.link = Some(link);
        Ok(())
    }

    /// Gives the connection up until the next sample, and waits a little before the next one.
    fn give_up(&mut self, error: SampleError) {
        // One key was too large: the others are not to be told so while they wait.
        let why = match error {
            SampleError::TooLarge => SampleError::Disconnected,
            error => error,
        };
        self.link = None;
        self.given_up = Some(error);
        let pause = pause(&mut self.backoff, error);
        self.pause = Some((self.now.saturating_add(pause), why));
    }
}

impl Route for Single {
    fn begin(&mut self, now: Moment) {
        if self.link.is_some() {
            // It has outlived a sample.
            self.backoff.succeeded();
        }
        self.now = now;
        self.deadline = Instant::now() + SAMPLE;
        self.read = 0;
        self.pause = self.pause.filter(|(until, _)| now < *until);
        self.given_up = self.pause.map(|(_, why)| why);
    }

    fn ask_each<'a>(&'a mut self, commands: &'a Commands, take: &'a mut Take<'_>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let deadline = self.deadline;
            let done = match self.given_up {
                Some(error) => Err(NoReply::innocent(error)),
                None => {
                    let done = timeout_at(deadline, self.converse(commands, take)).await;
                    let done = done.unwrap_or(Err(NoReply::innocent(SampleError::Timeout)));
                    done.inspect_err(|why| self.give_up(why.error))
                }
            };
            if let Err(why) = done {
                (0..commands.count()).for_each(|place| take(place, Err(why)));
            }
        })
    }

    fn read(&self) -> u64 {
        self.read
    }

    fn generation(&self, _: Option<&[u8]>) -> u64 {
        self.generation
    }
}
