//! Who is asked: one file a topology. What happens to a server is a matter of the commands that went there alone.
//! Several servers are a [`Single`] each, and their commands are told apart by key.
//!
//! | file | topology |
//! |---|---|
//! | `single.rs` | [`Single`]: one server |

mod single;

use std::fmt::Debug;

use futures::future::BoxFuture;

use self::single::Single;
use super::resp::{Commands, Value};
use crate::{
    broker::{Address, Egress},
    model::{Moment, SampleError},
};

/// Reply to one command, which may be that it is refused; or why there is none.
pub(super) type Answer = Result<Value, NoReply>;

/// Taker of answers, each with the place of its command.
pub(super) type Take<'a> = dyn FnMut(usize, Answer) + Send + 'a;

/// Reason for no reply to a command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NoReply {
    pub(super) error: SampleError,
    /// The command was under way when that happened: it may be the cause.
    pub(super) suspect: bool,
}

impl NoReply {
    /// Whatever the cause is, it is none of these commands.
    pub(super) fn innocent(error: SampleError) -> Self {
        Self { error, suspect: false }
    }

    /// One of the commands that were under way may be the cause.
    pub(super) fn suspect(error: SampleError) -> Self {
        Self { error, suspect: true }
    }
}

/// Way to the servers of one address. It connects when it is asked, loses connections, and waits before the next attempt.
pub(super) trait Route: Debug + Send {
    /// A sample begins: whatever it asks, connecting included, comes to an end in one deadline.
    fn begin(&mut self, now: Moment);

    /// Asks all, each where its key is, and hands out at least one answer to each. A later answer to the same command
    /// replaces the one before: what was read of a connection that then broke is not to be trusted.
    fn ask_each<'a>(&'a mut self, commands: &'a Commands, take: &'a mut Take<'_>) -> BoxFuture<'a, ()>;

    /// Bytes of all replies since the sample began.
    fn read(&self) -> u64;

    /// Number that is another one after each reconnect to the server of this key, without a key to any of them: a fall
    /// to 0 is not believed at once.
    fn generation(&self, key: Option<&[u8]>) -> u64;
}

/// The route to this address, over connections that `egress` allows.
pub(super) fn to(egress: Egress, address: Address) -> Box<dyn Route> {
    Box::new(Single::new(egress, address))
}

/// Asks all; one answer per command, in their order.
pub(super) async fn ask(route: &mut dyn Route, commands: &Commands) -> Vec<Answer> {
    let nothing = || Err(NoReply::innocent(SampleError::Protocol));
    let mut answers: Vec<Answer> = std::iter::repeat_with(nothing).take(commands.count()).collect();
    let mut take = |place: usize, answer| {
        if let Some(own) = answers.get_mut(place) {
            *own = answer;
        }
    };
    route.ask_each(commands, &mut take).await;
    answers
}
