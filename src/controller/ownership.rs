//! What the operator has done to its target, and what the target as seen says of it: ours, taken by someone else, or
//! written although the answer never came. Pure.
#![deny(clippy::disallowed_methods)]

use std::{collections::VecDeque, time::Duration};

use super::target::Target;
use crate::model::Moment;

/// What the operator has done to its target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaOwnership {
    /// The UID of the target that this speaks of.
    pub uid: String,
    /// The number written last.
    pub intended: Option<u32>,
    /// The resource version that the last write led to; what is seen of an older one is not news.
    pub version: u64,
    /// When that was, until the watch shows it; and how long it took to show the one before.
    shown: (Option<Moment>, Duration),
    /// Someone else took the replicas: their field manager and the number found.
    pub overwritten: Option<(String, u32)>,
    /// The write under way puts back what they took. Its own, for the watch may show the result before the write returns.
    pub restoring: Option<(String, u32)>,
    /// When others took the replicas, lately.
    pub conflicts: VecDeque<(Moment, String)>,
    /// So long the last taking waits to be put back: nothing, or ever longer where they are taken again and again.
    pub pause: Duration,
    /// So many replicas were kept above the decision, because their pods may run tasks.
    pub kept: Option<u32>,
    /// The last write had no answer: it may have been carried out, or still be.
    pub unconfirmed: Option<Change>,
    /// Why the last write failed.
    pub failed: Option<String>,
    /// No write before this moment (failed ones back off).
    pub not_before: Moment,
    /// Failures in a row.
    pub failures: u32,
}

/// One write of the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: u32,
    /// After.
    pub to: u32,
    /// So many more than decided on, because their pods may hold tasks.
    pub kept: u32,
}

/// Three changes by others within this time are a conflict.
const CONFLICT_WINDOW: Duration = Duration::from_secs(600);
const CONFLICTS: usize = 3;
/// The third one within this time is not put back at once: each time, pods are made and thrown away, with what they run.
const STORM: Duration = Duration::from_secs(60);
/// The first pause; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl ReplicaOwnership {
    /// The number of replicas that counts as the present one: what we wrote, even if someone else wrote over it or the
    /// watch has not shown it yet; otherwise what is there.
    pub fn replicas(&self, target: &Target) -> u32 {
        self.intended
            .filter(|_| self.uid == target.uid)
            .unwrap_or(target.replicas)
    }

    /// Looks at the target after a change of it, or of the pool's will to act. Gives the unconfirmed write that it shows to
    /// have been carried out; `writing`: there may still be an answer.
    pub fn look(&mut self, target: &Target, acts: bool, writing: bool, now: Moment) -> Option<Change> {
        if !acts || self.uid != target.uid {
            *self = Self {
                uid: target.uid.clone(),
                ..Self::default()
            };
        }
        if !acts || target.version < self.version {
            return None;
        }
        if let Some(at) = self.shown.0.take() {
            self.shown.1 = now.saturating_sub(at);
        }
        if target.is_ours() {
            self.intended = Some(target.replicas);
            self.overwritten = None;
            return self
                .unconfirmed
                .take_if(|change| !writing && change.to == target.replicas);
        }
        if self.intended.is_some() && self.overwritten.is_none() {
            let manager = target.other_owner().unwrap_or("unknown").to_owned();
            self.conflicts.push_back((now, manager.clone()));
            self.pause = self.pause_now(now);
            self.overwritten = Some((manager, target.replicas));
        }
        None
    }

    /// How long this taking waits to be put back.
    fn pause_now(&self, now: Moment) -> Duration {
        // The pauses are part of the time between two of them.
        let window = STORM + self.pause * 2;
        let lately = self
            .conflicts
            .iter()
            .filter(|(at, _)| now.saturating_sub(*at) <= window);
        match lately.count() >= CONFLICTS {
            true => (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE),
            false => Duration::ZERO,
        }
    }

    /// When what others took may be put back, by fewer replicas than there are or by more. New pods are not thrown away
    /// again and again while they start.
    pub fn restore_at(&self, target: &Target, decided: u32) -> Moment {
        let Some((at, _)) = self.conflicts.back().filter(|_| self.overwritten.is_some()) else {
            return Moment::ZERO;
        };
        let start = decided < target.replicas && target.ready < target.replicas;
        match start && !self.pause.is_zero() {
            true => *at + self.pause.max(LONGEST_PAUSE),
            false => *at + self.pause,
        }
    }

    /// The replicas must be written: they are not ours yet, not ours any more, or not the number decided on.
    pub fn must_write(&self, decided: u32) -> bool {
        self.overwritten.is_some() || self.intended != Some(decided)
    }

    /// How far behind the API server watches are, as far as the last write shows it: those of others are so, too.
    pub fn lag(&self, now: Moment) -> Duration {
        let (awaited, took) = self.shown;
        awaited.map_or(took, |at| took.max(now.saturating_sub(at)))
    }

    /// This number was written, which led to this resource version.
    pub fn written(&mut self, to: u32, version: u64, now: Moment) {
        if version > self.version {
            self.shown.0 = Some(now);
        }
        (self.intended, self.version) = (Some(to), version.max(self.version));
        if self.restoring.take().is_some() {
            self.overwritten = None;
        }
        self.unconfirmed = None;
        self.not_before = Moment::ZERO;
        self.clear_failures();
    }

    /// Nothing is wrong any more: the last write went well, or there is none to make.
    pub fn clear_failures(&mut self) {
        (self.failed, self.failures) = (None, 0);
    }

    /// Who keeps changing the replicas.
    pub fn conflicting_manager(&mut self, now: Moment) -> Option<String> {
        let conflicts = &mut self.conflicts;
        while conflicts
            .front()
            .is_some_and(|(at, _)| now.saturating_sub(*at) > CONFLICT_WINDOW)
            || conflicts.len() > 16
        {
            conflicts.pop_front();
        }
        (conflicts.len() >= CONFLICTS)
            .then(|| conflicts.back().map(|(_, manager)| manager.clone()))
            .flatten()
    }
}

#[cfg(test)]
pub mod tests;
