//! One connection to Redis: commands in, replies out, in one round trip with a deadline and a byte budget.
//!
//! RESP2, no `HELLO`, no `CLIENT`, no `MULTI`: what an ACL user needs is the commands themselves.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    time::timeout,
};

use super::resp::{Commands, KeyPlace, Value};
use crate::{
    broker::{
        Address, Egress, Tls, scattered,
        stream::{self, Stream, classify},
    },
    model::{Backoff, SampleError},
};

/// A connection must be there, TLS included, within this time.
const CONNECT: Duration = Duration::from_secs(1);

/// All replies to one batch of commands must be there within this time.
const ROUND_TRIP: Duration = Duration::from_secs(1);

/// So much more than was planned for may come with one batch, and is dropped. Beyond it the connection ends: the rest of
/// a message of many megabytes is not worth waiting for.
const DROPPED: u64 = 16 << 20;

/// Planned or not, more than this does not come with one batch.
const MOST: u64 = 64 << 20;

/// What a server tells of itself has no more bytes.
const INFO: u64 = 64 << 10;

/// Pause after the first failure; each further one doubles it.
const FIRST: Duration = Duration::from_millis(100);

/// Longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// Pause after missing rights: they come with a change of configuration, and servers log each refusal.
const REFUSED: Duration = Duration::from_secs(60);

/// An open, authenticated connection. After an error it is of no use: its replies are out of step.
#[derive(Debug)]
pub(super) struct Link {
    stream: BufReader<Stream>,
    read: u64,
    /// It was asked whether it is a Sentinel.
    introduced: bool,
}

impl Link {
    /// Connects, authenticates if the address has a user or a password, and selects the database if it is not 0.
    ///
    /// # Errors
    /// Those of [`stream::connect`]; [`SampleError::TlsNotSpoken`] and [`SampleError::TlsExpected`] where TLS is on one
    /// side only; [`SampleError::Authentication`]; [`SampleError::NoSuchVhost`] if there is no such database.
    pub(super) async fn open(egress: &Egress, address: &Address, db: u32) -> Result<Self, SampleError> {
        match Self::greet(egress, address).await {
            Ok(mut link) => {
                link.select(db).await?;
                Ok(link)
            }
            Err(error) => Err(explain(egress, address, error).await),
        }
    }

    /// Connects and says the first word: `AUTH`, or `PING` where there is nothing to say.
    async fn greet(egress: &Egress, address: &Address) -> Result<Self, SampleError> {
        let mut link = Self::connect(egress, address, address.tls.as_ref()).await?;
        if address.user.is_none() && address.password.is_none() {
            link.ask(&Commands::one(&[b"PING"])).await?;
            return Ok(link);
        }
        let password = address.password.as_ref().map_or("", |password| password.expose());
        let auth = match &address.user {
            Some(user) => Commands::one(&[b"AUTH", user.as_bytes(), password.as_bytes()]),
            None => Commands::one(&[b"AUTH", password.as_bytes()]),
        };
        match link.order(&auth).await {
            Err(SampleError::ServerError(_) | SampleError::UnknownCommand | SampleError::Permission) => {
                Err(SampleError::Authentication)
            }
            other => other.map(|()| link),
        }
    }

    async fn connect(egress: &Egress, address: &Address, tls: Option<&Tls>) -> Result<Self, SampleError> {
        let stream = stream::connect(egress, &address.host, address.port, tls, CONNECT).await?;
        let stream = BufReader::new(stream);
        Ok(Self {
            stream,
            read: 0,
            introduced: false,
        })
    }

    async fn select(&mut self, db: u32) -> Result<(), SampleError> {
        if db == 0 {
            return Ok(());
        }
        let select = Commands::one(&[b"SELECT", db.to_string().as_bytes()]);
        match self.order(&select).await {
            Err(SampleError::UnknownCommand) if self.is_sentinel().await => Err(SampleError::RedisSentinel),
            other => other,
        }
    }

    /// Whether it is a Sentinel that answers here. Asked only where a command is unknown that every Redis knows.
    pub(super) async fn is_sentinel(&mut self) -> bool {
        if std::mem::replace(&mut self.introduced, true) {
            return false;
        }
        let mut info = Commands::default();
        info.add_for(INFO, KeyPlace::None, &[b"INFO", b"server"]);
        let says = |text: &[u8]| String::from_utf8_lossy(text).contains("redis_mode:sentinel");
        match self.ask(&info).await.as_deref() {
            Ok([Value::Text(Some(text))]) => says(text),
            _ => false,
        }
    }

    /// A command whose reply is `+OK` or an error.
    async fn order(&mut self, command: &Commands) -> Result<(), SampleError> {
        match self.ask(command).await?.first() {
            Some(Value::Done) => Ok(()),
            Some(Value::Refused(error)) => Err(*error),
            _ => Err(SampleError::Protocol),
        }
    }

    /// Sends all commands and reads as many replies. A command that the server refuses is a [`Value::Refused`] in its
    /// place, as is a reply of more bytes than its command allows.
    ///
    /// # Errors
    /// What breaks the connection; [`SampleError::Timeout`], [`SampleError::TooLarge`]; [`SampleError::Protocol`] if
    /// the replies are not understood or too many.
    pub(super) async fn ask(&mut self, commands: &Commands) -> Result<Vec<Value>, SampleError> {
        let mut values = Vec::with_capacity(commands.count());
        self.ask_each(commands, |_, value| values.push(value)).await?;
        Ok(values)
    }

    /// The same, but the replies are handed out one by one as they come, each with the place of its command.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(super) async fn ask_each(
        &mut self,
        commands: &Commands,
        take: impl FnMut(usize, Value) + Send,
    ) -> Result<(), SampleError> {
        if commands.count() == 0 {
            return Ok(());
        }
        let bytes = commands.planned().saturating_add(DROPPED).min(MOST);
        let budget = self.stream.get_ref().budget();
        budget.arm(bytes);
        let done = timeout(ROUND_TRIP, self.exchange(commands, take)).await;
        self.read += bytes.saturating_sub(budget.left());
        done.unwrap_or(Err(SampleError::Timeout))
    }

    async fn exchange(
        &mut self,
        commands: &Commands,
        mut take: impl FnMut(usize, Value) + Send,
    ) -> Result<(), SampleError> {
        self.send(commands).await?;
        for (place, bytes) in commands.replies().iter().enumerate() {
            take(place, Value::read(&mut self.stream, *bytes).await?);
        }
        // Bytes that nobody asked for would be taken for the next answer.
        if self.stream.buffer().is_empty() {
            Ok(())
        } else {
            Err(SampleError::Protocol)
        }
    }

    /// Sends commands; their replies come with [`Link::next`].
    pub(super) async fn send(&mut self, commands: &Commands) -> Result<(), SampleError> {
        let sent = self.stream.write_all(commands.bytes()).await;
        sent.map_err(|error| classify(&error))
    }

    /// Waits for a reply that comes when it comes, for `patience` at most, and reads it; one of more than `bytes` is
    /// dropped. `None`: nothing came.
    ///
    /// # Errors
    /// As [`Link::ask`]; [`SampleError::Timeout`] if a reply began and did not end.
    pub(super) async fn next(&mut self, patience: Duration, bytes: u64) -> Result<Option<Value>, SampleError> {
        let most = bytes.saturating_add(DROPPED);
        let budget = self.stream.get_ref().budget();
        budget.arm(most);
        match timeout(patience, self.stream.fill_buf()).await {
            Err(_) => return Ok(None),
            Ok(began) => began.map_err(|error| classify(&error))?,
        };
        let value = timeout(ROUND_TRIP, Value::read(&mut self.stream, bytes)).await;
        self.read += most.saturating_sub(budget.left());
        value.unwrap_or(Err(SampleError::Timeout)).map(Some)
    }

    /// Bytes of all replies so far.
    pub(super) fn read(&self) -> u64 {
        self.read
    }
}

/// Tells TLS on one side only from a server that is dead. A plain Redis is silent to a TLS handshake, and one that
/// wants TLS hangs up on anything else, so a second attempt the other way, without any credentials, makes sure.
async fn explain(egress: &Egress, address: &Address, error: SampleError) -> SampleError {
    match error {
        SampleError::Timeout if address.tls.is_some() && speaks_plainly(egress, address).await => {
            SampleError::TlsNotSpoken
        }
        SampleError::Disconnected if address.tls.is_none() && speaks_tls(egress, address).await => {
            SampleError::TlsExpected
        }
        _ => error,
    }
}

async fn speaks_plainly(egress: &Egress, address: &Address) -> bool {
    match Link::connect(egress, address, None).await {
        Ok(mut link) => link.ask(&Commands::one(&[b"PING"])).await.is_ok(),
        Err(_) => false,
    }
}

async fn speaks_tls(egress: &Egress, address: &Address) -> bool {
    matches!(
        Link::connect(egress, address, Some(&Tls::default())).await,
        Ok(_) | Err(SampleError::TlsCertificate | SampleError::TlsIdentity)
    )
}

/// Pause before the next attempt to connect. Wrong credentials wait long: they do not mend by themselves, and servers
/// count attempts.
pub(super) fn pause(backoff: &mut Backoff, error: SampleError) -> Duration {
    let usual = backoff.failed(FIRST, LONGEST);
    scattered(match error {
        SampleError::Authentication | SampleError::Flooded => LONGEST,
        SampleError::Permission => REFUSED,
        _ => usual,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_five_seconds_and_start_anew() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..40)
            .map(|_| pause(&mut backoff, SampleError::Refused).as_millis())
            .collect();
        for (n, longest) in [(0, 100), (1, 200), (3, 800), (6, 5_000), (39, 5_000)] {
            assert!((longest / 2..=longest).contains(&pauses[n]), "{n}: {} ms", pauses[n]);
        }
        backoff.succeeded();
        assert!(pause(&mut backoff, SampleError::Refused).as_millis() <= 100);
        backoff.succeeded();
        assert!(pause(&mut backoff, SampleError::Authentication).as_millis() >= 2_500);
    }
}
