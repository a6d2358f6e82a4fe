//! Bindings of an application: the separator that joins their parts, and entries of operators that nobody removed.
//!
//! A worker that answers splits every member of the reply exchange's set by its own separator, and fails if it cannot.
//! So the operator writes there only entries that are joined as the application joins its own.
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeSet, mem, time::Duration};

use jiff::Timestamp;

use super::super::control;
use crate::model::{Moment, Now, Query, Reply, SampleError};

/// Time for which a separator is believed: an application changes it with a rollout, if ever.
const BELIEVED: Duration = Duration::from_secs(60);

/// Shortest time between two reads of the sets while nothing was found.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Largest number of stale entries that are removed at once.
const MAX_STALE: usize = 200;

/// Beginning of the addresses of all operators, by which an ACL names their lists.
const OURS: &str = "twp-operator-";

/// Age at which an address is replaced, so that none of a living operator is as old as [`STALE`].
pub(super) const RENEWED: Duration = Duration::from_secs(3600);

/// Age in seconds at which an entry belongs to a process that was killed.
const STALE: u64 = 2 * 3600;

/// Length of a UUID, in which the addresses of kombu's own clients consist.
const UUID: usize = 36;

/// New address for answers, which contains its time.
pub(super) fn new_address(random: [u64; 2], wall: Timestamp) -> String {
    let [first, second] = random;
    format!("{OURS}{:x}-{first:016x}{second:016x}", seconds(wall))
}

/// Pattern of the lists of all operators, as an ACL names them.
pub(super) fn lists(prefix: &str, exchange: &str) -> String {
    control::reply_list(prefix, exchange, &format!("{OURS}*"))
}

fn seconds(wall: Timestamp) -> u64 {
    u64::try_from(wall.as_second()).unwrap_or_default()
}

/// Reason why nothing is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoSeparator {
    /// No worker is bound there, or several separators are in use.
    NotShown,
    /// The sets could not be read, for a reason that may pass.
    Unread(SampleError),
    /// The sets may not be read, and the pool does not set the separator.
    Refused(String),
}

/// Content of the sets of one application.
#[derive(Debug, Default)]
pub(super) struct ShownBindings {
    looked: Option<Moment>,
    shown: Shown,
    /// Separator that was shown last.
    last: Option<String>,
    /// Whether the workers' set cannot be read, for a reason that may last.
    unseen: bool,
    /// Right to read that is missing.
    refused: Option<String>,
    /// Error of the last read that may pass.
    passing: Option<SampleError>,
    /// Whether the log already says that several separators are in use.
    told: bool,
    /// Whether workers are bound.
    workers: bool,
    /// Set members of operators that are not needed any more, with their lists.
    stale: Vec<(String, String)>,
}

/// Separators in use.
#[derive(Debug, Default, PartialEq, Eq)]
enum Shown {
    /// No entry shows one.
    #[default]
    Nothing,
    /// All entries agree, or those of the addressed workers do.
    One(String),
    /// Entries of other times or applications contradict each other.
    Several(BTreeSet<String>),
}

impl ShownBindings {
    /// Reads the sets of the workers and of the replies, unless that was done lately.
    pub(super) fn look(&self, (exchange, prefix): (&str, &str), now: Moment) -> Vec<Query> {
        let believed = match self.shown {
            Shown::One(_) => BELIEVED,
            _ => LOOK_AGAIN,
        };
        if self.looked.is_some_and(|at| now.saturating_sub(at) < believed) {
            return Vec::new();
        }
        let sets = sets(exchange, prefix);
        sets.map(|key| Query::SetMembers { key }).into()
    }

    /// Takes in the sets. `nodes`: workers that are known to be alive. `address`: our own.
    pub(super) fn take(
        &mut self,
        replies: Vec<Result<Reply, SampleError>>,
        (exchange, prefix): (&str, &str),
        nodes: &BTreeSet<&str>,
        address: &str,
        now: Now,
        notes: &mut Vec<String>,
    ) {
        let mut sets_read = replies.into_iter().map(|reply| match reply {
            Ok(Reply::Members(members)) => Ok(members),
            Ok(_) => Err(SampleError::Protocol),
            Err(error) => Err(error),
        });
        let mut next = || sets_read.next().unwrap_or(Err(SampleError::Protocol));
        let (workers, replies) = (next(), next());
        let errors = [&workers, &replies].into_iter().filter_map(|set| set.as_ref().err());
        self.passing = errors.copied().find(|error| !error.is_of_the_key());
        if self.passing.is_some() {
            return;
        }
        let [set, _] = sets(exchange, prefix);
        self.refused = workers.as_ref().err().and_then(|error| {
            let right = || format!("`SMEMBERS` on `{set}`");
            error.is_refusal().then(right)
        });
        self.unseen = workers.is_err();
        self.looked = Some(now.moment);
        let (workers, replies) = (workers.unwrap_or_default(), replies.unwrap_or_default());
        self.workers = !workers.is_empty();
        self.shown = shown(&workers, &replies, exchange, nodes);
        match &self.shown {
            Shown::One(separator) => self.last = Some(separator.clone()),
            Shown::Several(all) if !mem::replace(&mut self.told, true) => notes.push(format!(
                "bindings on Redis are joined in several ways: `celery.separator` says which (in `{set}`: {all:?})"
            )),
            _ => {}
        }
        let separator = self.last.as_deref();
        let stale = replies
            .iter()
            .filter(|member| is_stale(member, exchange, separator, address, seconds(now.wall)));
        let with_list = |member: &String| {
            let list = ours(member, exchange).map(|(oid, _)| control::reply_list(prefix, exchange, oid));
            list.map(|list| (member.clone(), list))
        };
        self.stale = stale.filter_map(with_list).take(MAX_STALE).collect();
    }

    /// Separator of the application's bindings: the one that the sets show, whatever the pools set; the pools' where
    /// several are shown, or the sets cannot be read. Where no worker is bound nobody could answer: one that only
    /// starts is not to find an entry that it cannot split.
    pub(super) fn separator(&self, said: &BTreeSet<&str>) -> Result<String, NoSeparator> {
        if let Some(error) = self.passing {
            return Err(NoSeparator::Unread(error));
        }
        let said = said.first().filter(|_| said.len() == 1);
        let known = match &self.shown {
            Shown::One(separator) => Some(separator.clone()),
            Shown::Several(all) => said.filter(|said| all.contains(**said)).map(|said| (*said).to_owned()),
            Shown::Nothing => {
                let unseen = said.filter(|_| self.unseen);
                self.last.clone().or_else(|| unseen.map(|said| (*said).to_owned()))
            }
        };
        known.ok_or_else(|| match &self.refused {
            Some(right) => NoSeparator::Refused(right.clone()),
            None => NoSeparator::NotShown,
        })
    }

    /// Whether workers are bound there.
    pub(super) fn any_workers(&self) -> bool {
        self.workers
    }

    /// Forgets everything: the connection is a new one, perhaps to another server.
    pub(super) fn forget(&mut self) {
        self.looked = None;
    }

    /// Queries that remove stale entries; none the next time.
    pub(super) fn clean(&mut self, (exchange, prefix): (&str, &str)) -> Vec<Query> {
        let [_, key] = sets(exchange, prefix);
        let stale = mem::take(&mut self.stale).into_iter();
        stale
            .flat_map(|(member, list)| remove(key.clone(), member, list))
            .collect()
    }
}

/// Sets of the workers, and of the clients that wait for answers.
fn sets(exchange: &str, prefix: &str) -> [String; 2] {
    let (replies, _) = control::reply_binding(prefix, exchange, "", "");
    [control::worker_bindings(prefix, exchange), replies]
}

/// Queries that remove a member, and the list that it leads to.
pub(super) fn remove(key: String, member: String, list: String) -> [Query; 2] {
    [Query::RemoveMember { key, member }, Query::Delete { key: list }]
}

/// Separator that workers show, the addressed ones before all others: killed workers leave their members behind. If
/// there are none, kombu's own clients that wait for answers show it.
fn shown(workers: &[String], replies: &[String], exchange: &str, nodes: &BTreeSet<&str>) -> Shown {
    let end = format!(".{exchange}.pidbox");
    let mut all = BTreeSet::new();
    let mut meant = BTreeSet::new();
    for member in workers {
        let Some(separator) = control::separator_of(member, exchange) else {
            continue;
        };
        let node = member
            .get(2 * separator.len()..)
            .and_then(|node| node.strip_suffix(&end));
        if node.is_some_and(|node| nodes.contains(node)) {
            meant.insert(separator.clone());
        }
        all.insert(separator);
    }
    if meant.len() == 1 {
        all = meant;
    }
    if all.is_empty() {
        all = replies
            .iter()
            .filter_map(|member| of_a_client(member, exchange))
            .collect();
    }
    match all.len() {
        0 => Shown::Nothing,
        1 => all.pop_first().map_or(Shown::Nothing, Shown::One),
        _ => Shown::Several(all),
    }
}

/// Separator in an entry of kombu's own clients: `<UUID> SEP SEP <UUID>.reply.<exchange>.pidbox`.
fn of_a_client(member: &str, exchange: &str) -> Option<String> {
    let joined = member.strip_suffix(&format!(".reply.{exchange}.pidbox"))?;
    let uuid = joined.get(..UUID)?;
    let proper = |c: char| c.is_ascii_hexdigit() || c == '-';
    twice(joined.strip_prefix(uuid)?.strip_suffix(uuid)?).filter(|_| uuid.chars().all(proper))
}

/// Address in an entry of an operator, and the separator by which it is joined.
fn ours<'a>(member: &'a str, exchange: &str) -> Option<(&'a str, String)> {
    let joined = member.strip_suffix(&format!(".reply.{exchange}.pidbox"))?;
    let oid = joined.get(joined.rfind(OURS).filter(|at| *at > 0)?..)?;
    Some((oid, twice(joined.strip_prefix(oid)?.strip_suffix(oid)?)?))
}

/// Half of a text that consists of two equal halves.
fn twice(text: &str) -> Option<String> {
    let (first, second) = text.split_at_checked(text.len() / 2)?;
    (!first.is_empty() && first == second).then(|| first.to_owned())
}

/// Whether an entry belongs to an operator that was killed, or is joined by another separator than the application's.
fn is_stale(member: &str, exchange: &str, separator: Option<&str>, address: &str, now: u64) -> bool {
    let Some((oid, joined_by)) = ours(member, exchange) else {
        return false;
    };
    let made = oid.strip_prefix(OURS).and_then(|rest| rest.split_once('-'));
    let made = made.and_then(|(made, _)| u64::from_str_radix(made, 16).ok());
    let old = oid != address && made.is_none_or(|made| now.abs_diff(made) > STALE);
    old || separator.is_some_and(|separator| separator != joined_by)
}

#[cfg(test)]
mod tests;
