//! Ready pods that are not heard. Their names are listed then, so that workers of any name are recognised by them, and
//! the sampler gets the list, so that it asks workers that do not announce themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{BrokerLink, Cx, PoolState};
use crate::{
    broker::SamplerInput,
    controller::effect::{Note, PoolEffect},
    kube::{CallError, Target},
    model::{Moment, Roster, Tally},
};

/// Time after which a pod that became ready is heard: its worker connects first.
const BOOTS: Duration = Duration::from_secs(4);
/// First pause between two lists of the pods; it doubles while nothing changes.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// Pods of the target, beside what their workers report.
#[derive(Debug, Default)]
pub struct RosterState {
    /// Names of the pods in the latest list.
    pods: Arc<BTreeSet<String>>,
    /// Pods of it that were ready then, and the time since which each of them has not been heard.
    unheard: BTreeMap<String, Option<Moment>>,
    /// Roster that the sampler has.
    told: Roster,
    /// Whether they are being listed.
    listing: bool,
    /// Time before which they are not listed again.
    not_before: Moment,
    /// Number of lists in a row that changed nothing.
    same: u32,
    /// Time since which more pods have been ready than heard, without a new one of either; and both numbers then.
    missing: Option<(Moment, [u32; 2])>,
}

impl RosterState {
    /// Takes in a count: returns the number of ready pods that are not heard.
    fn count(&mut self, tally: &Tally, ready: u32, now: Moment) -> u32 {
        let seen = [ready, heard(tally)];
        let missing = ready.saturating_sub(seen[1]);
        for (pod, since) in &mut self.unheard {
            let live = tally.pods.get(pod).is_some_and(|work| work.live);
            *since = if live || missing == 0 {
                None
            } else {
                since.or(Some(now))
            };
        }
        match self.missing {
            _ if missing == 0 => (self.missing, self.same) = (None, 0),
            Some((_, before)) if before == seen => {}
            Some((since, [before, heard])) if ready <= before && seen[1] <= heard => self.missing = Some((since, seen)),
            // They come one after the other.
            _ => (self.missing, self.same) = (Some((now, seen)), 0),
        }
        missing
    }

    /// Takes in the pods' names, and whether each is ready.
    pub fn listed(&mut self, pods: BTreeMap<String, bool>, now: Moment) {
        let ready = pods.iter().filter(|(_, ready)| **ready);
        let since = |pod: &String| (pod.clone(), self.unheard.get(pod).copied().flatten());
        let unheard: BTreeMap<_, _> = ready.map(|(pod, _)| since(pod)).collect();
        let pods: BTreeSet<String> = pods.into_keys().collect();
        let same = *self.pods == pods && self.unheard.keys().eq(unheard.keys());
        self.same = if same { self.same.saturating_add(1) } else { 0 };
        self.unheard = unheard;
        if *self.pods != pods {
            self.pods = Arc::new(pods);
        }
        self.not_before = now + PAUSE.saturating_mul(1 << self.same.min(4)).min(LONGEST);
    }

    /// Time for which ready pods have not been heard; `None`: all are. Others that come and go meanwhile make no
    /// difference.
    pub fn missing_for(&self, now: Moment) -> Option<Duration> {
        let (since, _) = self.missing?;
        let first = self.unheard.values().flatten().min();
        Some(now.saturating_sub(first.map_or(since, |first| since.min(*first))))
    }

    /// Lets pods that have not been heard for as long as `listened` count as not heard for `long`: nobody listens any longer.
    pub fn give_up(&mut self, listened: Duration, long: Duration, now: Moment) {
        if let Some((since, _)) = &mut self.missing
            && now.saturating_sub(*since) >= listened
        {
            *since = since.saturating_sub(long);
        }
    }

    /// Time since which a listed pod that was ready has not been heard.
    pub fn silent_since(&self, pod: &str) -> Option<Moment> {
        self.unheard.get(pod).copied().flatten()
    }

    /// Listed pods that were not ready.
    pub fn not_ready(&self) -> impl Iterator<Item = &str> {
        let ready = |pod: &&String| self.unheard.contains_key(*pod);
        self.pods.iter().filter(move |pod| !ready(pod)).map(String::as_str)
    }

    /// Roster that the sampler has.
    pub fn told(&self) -> Roster {
        self.told.clone()
    }

    /// Listed pods that were ready and are not heard.
    pub fn not_heard<'a>(&'a self, tally: &'a Tally) -> impl Iterator<Item = &'a str> {
        let live = |pod: &&String| tally.pods.get(*pod).is_some_and(|work| work.live);
        self.unheard.keys().filter(move |pod| !live(pod)).map(String::as_str)
    }
}

/// Number of pods with at least one live worker.
pub fn heard(tally: &Tally) -> u32 {
    let live = tally.pods.values().filter(|pod| pod.live).count();
    u32::try_from(live).unwrap_or(u32::MAX)
}

impl PoolState {
    /// Lists the pods if some of them are not heard, and sends the sampler the list. Returns the time until the next
    /// check.
    pub(super) fn list_unheard(&mut self, target: &Target, cx: &mut Cx) -> Duration {
        let Some((tally, _)) = &self.samples.last else {
            return LONGEST;
        };
        let now = cx.now.moment;
        let missing = self.roster.count(tally, target.ready, now);
        self.tell_roster(target.ready, cx);
        let roster = &mut self.roster;
        let Some(missing_for) = roster
            .missing_for(now)
            .filter(|_| missing > 0 && !target.selector.is_empty())
        else {
            return LONGEST;
        };
        let wait = BOOTS
            .saturating_sub(missing_for)
            .max(roster.not_before.saturating_sub(now));
        if roster.listing {
            return LONGEST;
        }
        if !wait.is_zero() {
            return wait.max(Duration::from_millis(100));
        }
        if let Some(key) = self.target() {
            self.roster.listing = true;
            cx.ask(PoolEffect::ListPods {
                target: key,
                uid: target.uid.clone(),
                selector: target.selector.clone(),
            });
        }
        PAUSE
    }

    pub(super) fn listed(&mut self, result: Result<BTreeMap<String, bool>, CallError>, cx: &mut Cx) {
        let now = cx.now.moment;
        self.roster.listing = false;
        match result {
            Ok(pods) => self.roster.listed(pods, now),
            Err(why) => {
                self.roster.not_before = now + LONGEST;
                self.note(Note::ListFailed(why), cx);
            }
        }
        self.tell_roster(self.roster.told.ready, cx);
    }

    /// Sends the sampler the roster, if it has another one.
    fn tell_roster(&mut self, ready: u32, cx: &mut Cx) {
        let roster = Roster {
            pods: self.roster.pods.clone(),
            ready,
        };
        let BrokerLink::Linked(address) = &self.link else {
            return;
        };
        if self.roster.told != roster {
            self.roster.told = roster.clone();
            cx.ask(PoolEffect::Tell {
                address: address.clone(),
                subscription: SamplerInput::Roster { id: self.id, roster },
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PodReport;

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn tally(live: &[&str]) -> Tally {
        let pod = |name: &&str| {
            let work = PodReport {
                live: true,
                ..PodReport::default()
            };
            ((*name).to_owned(), work)
        };
        Tally {
            pods: live.iter().map(pod).collect(),
            ..Tally::default()
        }
    }

    #[test]
    fn those_that_are_not_heard_are_counted_and_named() {
        let mut roster = RosterState::default();
        assert_eq!(roster.count(&tally(&["a", "b"]), 2, at(1)), 0);
        assert_eq!(roster.missing_for(at(1)), None);
        assert_eq!(roster.count(&tally(&["a"]), 3, at(2)), 2);
        assert_eq!(roster.count(&tally(&["a"]), 4, at(5)), 3);
        assert_eq!(roster.missing_for(at(9)), Some(at(4)), "since the last one came");
        assert_eq!(roster.count(&tally(&[]), 4, at(8)), 4);
        assert_eq!(
            roster.missing_for(at(9)),
            Some(at(4)),
            "one fell silent: that is no progress"
        );
        let seen = |ready: &[&str]| {
            ["a", "b", "c", "e"]
                .map(|pod| (pod.to_owned(), ready.contains(&pod)))
                .into()
        };
        roster.listed(seen(&["a", "b"]), at(9));
        assert_eq!(roster.not_heard(&tally(&["a"])).collect::<Vec<_>>(), ["b"]);
        roster.count(&tally(&["a"]), 4, at(9));
        roster.listed(seen(&["a", "b", "c", "e"]), at(20));
        roster.count(&tally(&["a", "c"]), 5, at(20));
        assert_eq!(
            roster.missing_for(at(20)),
            Some(at(11)),
            "more have come, and one is still not heard"
        );
        roster.count(&tally(&["b"]), 5, at(21));
        assert_eq!(roster.missing_for(at(22)), Some(at(2)), "that one is");
        assert_eq!(roster.count(&tally(&["a", "b", "c", "d"]), 4, at(10)), 0);
        assert_eq!(roster.missing_for(at(10)), None);
    }

    #[test]
    fn who_listens_no_longer_takes_those_for_silent_that_were_not_heard_all_the_time() {
        let mut roster = RosterState::default();
        roster.count(&tally(&[]), 1, at(100));
        roster.give_up(at(10), at(60), at(109));
        assert_eq!(roster.missing_for(at(109)), Some(at(9)), "it has just come");
        roster.give_up(at(10), at(60), at(110));
        assert_eq!(roster.missing_for(at(110)), Some(at(70)));
        roster.count(&tally(&["a"]), 1, at(111));
        roster.give_up(at(0), at(60), at(111));
        assert_eq!(roster.missing_for(at(111)), None);
    }

    #[test]
    fn pods_are_listed_the_less_often_the_longer_nothing_changes() {
        let mut roster = RosterState::default();
        let mut pause = |names: &[&str]| {
            roster.listed(names.iter().map(|name| ((*name).to_owned(), true)).collect(), at(100));
            (roster.not_before - at(100)).as_secs()
        };
        assert_eq!([(); 6].map(|()| pause(&["a"])), [5, 10, 20, 40, 60, 60]);
        assert_eq!(pause(&["a", "b"]), 5);
    }
}
