//! Glance: the few facts in a count that show, without an examination of the pods, whether one would find changes.
//! Pure.

use std::collections::BTreeMap;

use crate::{
    drain::IDLE,
    kube::Target,
    model::{Intent, Moment, PodIntents, PodReport, Tally},
};

/// Facts that can be seen without an examination of the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Number of replicas decided on.
    to: u32,
    /// Version of the target: it changes with each pod that comes, becomes ready or goes.
    version: u64,
    /// Whether remote control was refused lately.
    refused: bool,
    /// Pods that were told something: whether they are heard, whether they comply, and how many tasks they hold.
    told: BTreeMap<String, (bool, bool, u32)>,
    /// Number of pods that are only asked and have answered.
    answered: usize,
    /// Number of pods that were told nothing and have been idle long enough to be chosen.
    idle: usize,
}

/// Likelihood that an examination would find changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing has changed, as far as can be seen from here.
    None,
    /// Perhaps: pods may hold less than those that were chosen. In a busy pool that is always so.
    Perhaps,
    /// Something has changed.
    Certain,
}

impl Glance {
    /// From the decision, the target and the latest count.
    pub fn new(
        to: u32,
        target: &Target,
        refused: bool,
        tally: Option<&Tally>,
        intents: &PodIntents,
        now: Moment,
    ) -> Self {
        let mut glance = Self {
            to,
            version: target.version,
            refused,
            ..Self::default()
        };
        for (name, work) in tally.iter().flat_map(|tally| &tally.pods) {
            let told = work.report.as_ref();
            let pod_intent = intents.get(name);
            let answer = told.filter(|told| pod_intent.is_some_and(|pod_intent| pod_intent.since == told.since));
            match pod_intent.map(|pod_intent| &pod_intent.intent) {
                Some(Intent::Cordon(_)) => {
                    let done = answer.is_some_and(|told| told.fetches_nothing());
                    let held = told.map_or(0, |told| told.running.saturating_add(told.reserved));
                    let later = told.map_or(0, |told| told.scheduled);
                    let held = held.max(work.running).saturating_add(later);
                    glance.told.insert(name.clone(), (work.fresh, done, held));
                }
                Some(Intent::Uncordon(_)) => {
                    let done = answer.is_some_and(|told| told.resumed);
                    glance.told.insert(name.clone(), (work.fresh, done, 0));
                }
                Some(Intent::Report) | None => {
                    glance.answered += usize::from(answer.is_some());
                    glance.idle += usize::from(is_idle(work, now));
                }
            }
        }
        glance
    }

    /// News since an earlier glance.
    pub fn since(&self, before: &Self) -> News {
        let certain = |glance: &Self| (glance.to, glance.version, glance.refused);
        match () {
            () if certain(self) != certain(before) || self.told != before.told => News::Certain,
            () if self.idle > before.idle => News::Certain,
            () if self.answered != before.answered => News::Perhaps,
            () => News::None,
        }
    }
}

fn is_idle(work: &PodReport, now: Moment) -> bool {
    let since = work.idle_since.map(|since| now.saturating_sub(since));
    work.fresh && work.running == 0 && since.is_some_and(|since| since >= IDLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        controller::ownership::tests::target,
        kube::MANAGER,
        model::{Consumers, PodIntent, WorkerReport},
    };

    fn at(second: u64) -> Moment {
        Moment::from_secs(second)
    }

    /// One pod that was told to stop, one that is asked, one that is left alone.
    fn glance(change: impl FnOnce(&mut Tally), second: u64) -> Glance {
        let told = |running| WorkerReport {
            running,
            since: at(1),
            ..WorkerReport::default()
        };
        let pod = |name: &str, running, told| {
            let work = PodReport {
                running,
                fresh: true,
                report: told,
                ..PodReport::default()
            };
            (name.to_owned(), work)
        };
        let mut tally = Tally {
            pods: [pod("a", 2, Some(told(2))), pod("b", 1, None), pod("c", 1, None)].into(),
            ..Tally::default()
        };
        change(&mut tally);
        let pod_intent = |intent| PodIntent { intent, since: at(1) };
        let intents = [
            ("a".to_owned(), pod_intent(Intent::Cordon(Consumers::new()))),
            ("b".to_owned(), pod_intent(Intent::Report)),
        ];
        Glance::new(
            2,
            &target(1, 3, MANAGER),
            false,
            Some(&tally),
            &intents.into(),
            at(second),
        )
    }

    #[test]
    fn heartbeats_are_no_news_and_what_ends_is() {
        let before = glance(|_| (), 10);
        let news = |change: fn(&mut Tally)| glance(change, 20).since(&before);
        fn work<'a>(tally: &'a mut Tally, pod: &str) -> &'a mut PodReport {
            tally.pods.get_mut(pod).unwrap()
        }
        let asked = |tally: &mut Tally| work(tally, "a").report.as_mut().unwrap().asked = at(20);
        assert_eq!(news(asked), News::None);
        let both = |tally: &mut Tally| (work(tally, "b").running, work(tally, "c").running) = (7, 9);
        assert_eq!(news(both), News::None, "busy as before");
        let ends = |tally: &mut Tally| {
            work(tally, "a").report.as_mut().unwrap().running = 1;
            work(tally, "a").running = 1;
        };
        assert_eq!(news(ends), News::Certain);
        assert_eq!(news(|tally| work(tally, "a").fresh = false), News::Certain);
        let pauses = |tally: &mut Tally| (work(tally, "c").running, work(tally, "c").idle_since) = (0, Some(at(19)));
        assert_eq!(news(pauses), News::None, "between two tasks");
        let idles = |tally: &mut Tally| (work(tally, "c").running, work(tally, "c").idle_since) = (0, Some(at(18)));
        assert_eq!(news(idles), News::Certain);
        let answers = |tally: &mut Tally| {
            let since = at(1);
            work(tally, "b").report = Some(WorkerReport {
                since,
                ..WorkerReport::default()
            });
        };
        assert_eq!(news(answers), News::Perhaps);
    }
}
