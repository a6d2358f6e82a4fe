//! What an application's own bindings show: what it joins their parts by, and entries of ours that nobody took back.
//!
//! A worker that answers takes every member of the reply exchange's set apart by its own separator, and fails if it
//! cannot. So nothing is written there but what is joined as the application joins it.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    link::Link,
    resp::{Commands, Value},
};
use crate::framework::celery::control;
use crate::model::{Moment, SampleError};

/// What was found is believed for so long: an application changes its separator with a rollout, if ever.
const BELIEVED: Duration = Duration::from_secs(60);

/// While nothing was found the sets are looked at no more often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// A set with more members is not read: killed workers leave theirs behind, but not so many.
const MAX_MEMBERS: u64 = 10_000;

/// The members of one set have at most so many bytes together.
const MEMBERS_BYTES: u64 = 1 << 20;

/// So many entries of ours are taken away at once.
const MAX_STALE: usize = 200;

/// How the addresses of all operators begin: an ACL names their lists by it.
const OURS: &str = "twp-operator-";

/// An address is made anew after this time, so that none of a living operator is as old as [`STALE`].
pub(super) const RENEWED: Duration = Duration::from_secs(3600);

/// An entry that says it was made so long ago is one of a process that was killed.
const STALE: u64 = 2 * 3600;

/// The digits of a UUID: the addresses of kombu's own clients.
const UUID: usize = 36;

/// An address for answers: it tells since when it is there.
pub(super) fn new_address(random: [u64; 2]) -> String {
    let [first, second] = random;
    format!("{OURS}{:x}-{first:016x}{second:016x}", unix_now())
}

/// The lists of all operators, as an ACL names them.
pub(super) fn lists(prefix: &str, exchange: &str) -> String {
    control::reply_list(prefix, exchange, &format!("{OURS}*"))
}

fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Why nothing is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoSeparator {
    /// Nobody is bound there, or several separators are in use.
    NotShown,
    /// The sets could not be read, for a reason that passes.
    Unread(SampleError),
    /// The sets may not be read, and the pool does not say it.
    Refused(String),
}

/// What the sets of one application showed.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    looked: Option<Moment>,
    shown: Shown,
    /// What was shown last, by whatever was there then.
    last: Option<String>,
    /// The right to read that is missing.
    refused: Option<String>,
    /// They could not be read, for a reason that passes.
    passing: Option<SampleError>,
    /// The log tells already that several are in use.
    told: bool,
    /// Workers are bound.
    workers: bool,
    /// Set members of ours that nobody needs any more, with their lists.
    stale: Vec<(String, String)>,
}

/// The separators in use.
#[derive(Debug, Default, PartialEq, Eq)]
enum Shown {
    /// Nothing there tells.
    #[default]
    Nothing,
    /// All that is there agrees, or the workers that are meant do.
    One(String),
    /// Members of other times or applications contradict each other.
    Several(BTreeSet<String>),
}

impl Bindings {
    /// Reads the sets, unless that was done lately. `nodes`: workers that are known to be there. `address`: our own.
    ///
    /// # Errors
    /// What breaks the connection.
    pub(super) async fn look(
        &mut self,
        link: &mut Link,
        (exchange, prefix): (&str, &str),
        nodes: &BTreeSet<&str>,
        address: &str,
        now: Moment,
    ) -> Result<(), SampleError> {
        let believed = match self.shown {
            Shown::One(_) => BELIEVED,
            _ => LOOK_AGAIN,
        };
        if self.looked.is_some_and(|at| now.saturating_sub(at) < believed) {
            return Ok(());
        }
        let (replies, _) = control::reply_binding(prefix, exchange, "", "");
        let sets = [control::worker_bindings(prefix, exchange), replies];
        let [workers, replies] = members(link, &sets).await?;
        let errors = [&workers, &replies].into_iter().filter_map(|set| set.as_ref().err());
        self.passing = errors.copied().find(|error| error.passes());
        if self.passing.is_some() {
            return Ok(());
        }
        self.refused = workers.as_ref().err().and_then(|error| {
            let right = || format!("`SMEMBERS` on `{}`", sets[0]);
            error.is_refusal().then(right)
        });
        self.looked = Some(now);
        let (workers, replies) = (workers.unwrap_or_default(), replies.unwrap_or_default());
        self.workers = !workers.is_empty();
        self.shown = shown(&workers, &replies, exchange, nodes);
        match &self.shown {
            Shown::One(separator) => self.last = Some(separator.clone()),
            Shown::Several(all) if !std::mem::replace(&mut self.told, true) => {
                let set = &sets[0];
                tracing::info!(
                    set,
                    ?all,
                    "bindings on Redis are joined in several ways: `celery.separator` says which"
                );
            }
            _ => {}
        }
        let separator = self.last.as_deref();
        let stale = replies
            .iter()
            .filter(|member| is_stale(member, exchange, separator, address, unix_now()));
        let with_list = |member: &String| {
            let list = ours(member, exchange).map(|(oid, _)| control::reply_list(prefix, exchange, oid));
            list.map(|list| (member.clone(), list))
        };
        self.stale = stale.filter_map(with_list).take(MAX_STALE).collect();
        Ok(())
    }

    /// What joins the application's bindings: what it shows, whatever the pools say; what they say where it shows
    /// nothing.
    pub(super) fn separator(&self, said: &BTreeSet<&str>) -> Result<String, NoSeparator> {
        if let Some(error) = self.passing {
            return Err(NoSeparator::Unread(error));
        }
        let said = said.first().filter(|_| said.len() == 1);
        let known = match &self.shown {
            Shown::One(separator) => Some(separator.clone()),
            Shown::Several(all) => said.filter(|said| all.contains(**said)).map(|said| (*said).to_owned()),
            Shown::Nothing => self.last.clone().or_else(|| said.map(|said| (*said).to_owned())),
        };
        known.ok_or_else(|| match &self.refused {
            Some(right) => NoSeparator::Refused(right.clone()),
            None => NoSeparator::NotShown,
        })
    }

    /// Workers are bound there.
    pub(super) fn any_workers(&self) -> bool {
        self.workers
    }

    /// The connection is another one, perhaps to another server.
    pub(super) fn forget(&mut self) {
        self.looked = None;
    }

    /// What takes the entries away that nobody needs any more; nothing the next time.
    pub(super) fn clean(&mut self, (exchange, prefix): (&str, &str)) -> Commands {
        let (set, _) = control::reply_binding(prefix, exchange, "", "");
        let mut commands = Commands::default();
        for (member, list) in self.stale.drain(..) {
            commands.add(&[b"SREM", set.as_bytes(), member.as_bytes()]);
            commands.add(&[b"DEL", list.as_bytes()]);
        }
        commands
    }
}

/// The members of both sets, as far as they can be read.
async fn members(link: &mut Link, sets: &[String; 2]) -> Result<[Result<Vec<String>, SampleError>; 2], SampleError> {
    let mut sizes = Commands::default();
    for set in sets {
        sizes.add(&[b"SCARD", set.as_bytes()]);
    }
    let sizes = link.ask(&sizes).await?;
    let mut known = [Ok(Vec::new()), Ok(Vec::new())];
    let mut read = Commands::default();
    let mut asked = Vec::new();
    for (n, size) in sizes.iter().enumerate().take(known.len()) {
        match size.count() {
            Ok(0) => {}
            Ok(size) if size > MAX_MEMBERS => known[n] = Err(SampleError::TooLarge),
            Ok(_) => {
                read.add_for(MEMBERS_BYTES, &[b"SMEMBERS", sets[n].as_bytes()]);
                asked.push(n);
            }
            Err(error) => known[n] = Err(error),
        }
    }
    let replies = link.ask(&read).await?;
    for (n, reply) in asked.into_iter().zip(replies) {
        known[n] = texts(reply);
    }
    Ok(known)
}

/// Members that are no UTF-8 are nobody's that we know.
fn texts(reply: Value) -> Result<Vec<String>, SampleError> {
    let texts = reply.texts()?.into_iter();
    Ok(texts.filter_map(|text| String::from_utf8(text).ok()).collect())
}

/// The workers show it, those that are meant before all others: killed ones leave their members behind. Where none are
/// seen, kombu's own clients show it that wait for answers as we do.
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

/// The separator in an entry of kombu's own clients: `<UUID> SEP SEP <UUID>.reply.<exchange>.pidbox`.
fn of_a_client(member: &str, exchange: &str) -> Option<String> {
    let joined = member.strip_suffix(&format!(".reply.{exchange}.pidbox"))?;
    let uuid = joined.get(..UUID)?;
    let proper = |c: char| c.is_ascii_hexdigit() || c == '-';
    twice(joined.strip_prefix(uuid)?.strip_suffix(uuid)?).filter(|_| uuid.chars().all(proper))
}

/// The address in an entry of an operator, and the separator by which it is joined.
fn ours<'a>(member: &'a str, exchange: &str) -> Option<(&'a str, String)> {
    let joined = member.strip_suffix(&format!(".reply.{exchange}.pidbox"))?;
    let oid = joined.get(joined.rfind(OURS).filter(|at| *at > 0)?..)?;
    Some((oid, twice(joined.strip_prefix(oid)?.strip_suffix(oid)?)?))
}

/// Something that stands there twice.
fn twice(text: &str) -> Option<String> {
    let (first, second) = text.split_at_checked(text.len() / 2)?;
    (!first.is_empty() && first == second).then(|| first.to_owned())
}

/// An entry of an operator that was killed, or one that is joined as the application does not join its own.
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
