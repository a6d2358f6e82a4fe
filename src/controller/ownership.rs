//! Ownership of the target's replicas: what the operator has written, and whether the target as seen still has it, was
//! changed by another writer, or was written although the answer never came. Pure.
#![deny(clippy::disallowed_methods)]

use std::{collections::VecDeque, time::Duration};

use crate::{
    kube::Target,
    model::{Backoff, Moment},
};

/// Record of what the operator has written to its target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaOwnership {
    /// UID of the target.
    pub uid: String,
    /// Number that was written last.
    pub intended: Option<u32>,
    /// Resource version that the last write led to; an older one that is seen later is not news.
    pub version: u64,
    /// Time of that write, until the watch shows it; and the time that the watch took to show the one before.
    shown: (Option<Moment>, Duration),
    /// Another writer's change of the replicas: its field manager and the number found.
    pub overwritten: Option<(String, u32)>,
    /// The same change, while a write restores the replicas. Kept apart because the watch may show the result before
    /// the write returns.
    pub restoring: Option<(String, u32)>,
    /// Recent changes by other writers.
    pub conflicts: VecDeque<(Moment, String)>,
    /// Time to wait before the last change is reverted: none at first, and longer the more often the replicas are
    /// changed.
    pub pause: Backoff,
    /// Number of replicas kept above the decision because their pods may run tasks.
    pub kept: Option<u32>,
    /// Last write without an answer: it may have been carried out, or may still be.
    pub unconfirmed: Option<Change>,
    /// Error of the last write, and the time since which all have failed.
    pub failed: Option<(String, Moment)>,
    /// Time before which nothing is written (failed writes back off).
    pub not_before: Moment,
    /// Pause after failures.
    pub backoff: Backoff,
}

/// Write of the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Number before.
    pub from: u32,
    /// Number after.
    pub to: u32,
    /// Number of replicas above the decision, because their pods may hold tasks.
    pub kept: u32,
}

/// Time within which three changes by others are a conflict.
const CONFLICT_WINDOW: Duration = Duration::from_secs(600);
const CONFLICTS: usize = 3;
/// Time within which the third change is not reverted at once: each time, pods are created and thrown away, with what
/// they run.
const STORM: Duration = Duration::from_secs(60);
/// First pause; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl ReplicaOwnership {
    /// Number of replicas that counts as the present one: the number that we wrote, even if another writer changed it
    /// or the watch has not shown it yet; otherwise the number in the target.
    pub fn replicas(&self, target: &Target) -> u32 {
        self.intended
            .filter(|_| self.uid == target.uid)
            .unwrap_or(target.replicas)
    }

    /// Takes in the target after a change of it, or of whether the pool acts. Returns the unconfirmed write that the
    /// target shows to have been carried out; `writing`: an answer may still come.
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
            self.grow_pause(now);
            self.overwritten = Some((manager, target.replicas));
        }
        None
    }

    /// Takes another writer's number for the present one: nothing is known that speaks for the one that we wrote.
    pub fn give_way(&mut self) {
        if self.overwritten.take().is_some() {
            self.conflicts.pop_back();
            self.intended = None;
        }
    }

    /// Sets the pause before this change is reverted.
    fn grow_pause(&mut self, now: Moment) {
        // The pauses are part of the time between two changes.
        let window = STORM + self.pause.pause() * 2;
        let lately = self
            .conflicts
            .iter()
            .filter(|(at, _)| now.saturating_sub(*at) <= window);
        if lately.count() < CONFLICTS {
            self.pause.succeeded();
        } else {
            self.pause.failed(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }

    /// Time from which a change by others may be reverted, by fewer replicas or by more. New pods are not thrown away
    /// again and again while they start.
    pub fn restore_at(&self, target: &Target, decided: u32) -> Moment {
        let Some((at, _)) = self.conflicts.back().filter(|_| self.overwritten.is_some()) else {
            return Moment::ZERO;
        };
        let start = decided < target.replicas && target.ready < target.replicas;
        let pause = self.pause.pause();
        match start && !pause.is_zero() {
            true => *at + pause.max(LONGEST_PAUSE),
            false => *at + pause,
        }
    }

    /// Whether the replicas must be written: another writer owns them, or they differ from the decision.
    pub fn must_write(&self, decided: u32) -> bool {
        self.overwritten.is_some() || self.intended != Some(decided)
    }

    /// Delay of the API server's watches, as far as the last write shows it: the watches of others have it, too.
    pub fn lag(&self, now: Moment) -> Duration {
        let (awaited, took) = self.shown;
        awaited.map_or(took, |at| took.max(now.saturating_sub(at)))
    }

    /// Takes in that this number was written, which led to this resource version.
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

    /// Clears errors: the last write succeeded, or there is none to make.
    pub fn clear_failures(&mut self) {
        self.failed = None;
        self.backoff.succeeded();
    }

    /// Field manager that keeps changing the replicas.
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
