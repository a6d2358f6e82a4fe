//! What each rule alone would have asked for: the numbers that the decision was chosen from.
#![deny(clippy::disallowed_methods)]
use super::Rule;

/// Numbers of replicas by rule; `None`: the rule had nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Wait rule: the deadlines of the tasks that wait.
    pub deadline: Option<u32>,
    /// Wait rule: the rate at which tasks arrive.
    pub rate: Option<u32>,
    /// Wait rule: the reserve.
    pub reserve: Option<u32>,
    /// Rule that set what the work asks for, if it is none of these three, and its number.
    pub work: Option<(Rule, u32)>,
    /// Floor of the running work, on the way down.
    pub running: Option<u32>,
    /// Floor of the scale-down windows, on the way down.
    pub window: Option<u32>,
    /// `minReplicas`.
    pub minimum: u32,
    /// Minimum by a schedule that is in force.
    pub schedule: Option<u32>,
    /// `maxReplicas`.
    pub maximum: u32,
}

impl Candidates {
    /// Numbers with their rules: what the work asks for first, then what holds it, then the limits.
    pub fn each(&self) -> impl Iterator<Item = (Rule, u32)> + use<> {
        [
            self.deadline.map(|pods| (Rule::Deadline, pods)),
            self.rate.map(|pods| (Rule::Rate, pods)),
            self.reserve.map(|pods| (Rule::Reserve, pods)),
            self.work,
            self.running.map(|pods| (Rule::RunningWork, pods)),
            self.window.map(|pods| (Rule::Window, pods)),
            Some((Rule::Minimum, self.minimum)),
            self.schedule.map(|pods| (Rule::Schedule, pods)),
            Some((Rule::Maximum, self.maximum)),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fixture::*, *};

    fn each(policy: &Policy, series: &[Observation]) -> (Rule, Vec<(Rule, u32)>) {
        let decision = last_of(policy, series);
        (decision.rule, decision.candidates.each().collect())
    }

    #[test]
    fn a_backlog_beside_its_limits() {
        let (rule, all) = each(&pool(1, 20, 10), &[at(0., 2).waiting(95)]);
        assert_eq!(rule, Rule::Backlog);
        assert_eq!(all, [(Rule::Backlog, 10), (Rule::Minimum, 1), (Rule::Maximum, 20)]);
        let (rule, all) = each(&pool(1, 20, 10), &[at(0., 2).waiting(900)]);
        assert_eq!(rule, Rule::Maximum, "and what the work alone asks for is still told");
        assert_eq!(all[0], (Rule::Backlog, 90));
    }

    #[test]
    fn the_wait_rules_numbers_are_told_apart() {
        let (_, all) = each(&waits(0, 50, 10.), &[at(0., 1).waiting(40), at(1., 1).waiting(40)]);
        let of = |rule| all.iter().find(|(of, _)| *of == rule).map(|(_, pods)| *pods);
        assert!(of(Rule::Deadline).unwrap() > 1, "{all:?}");
        assert!(of(Rule::Rate).is_some() && of(Rule::Backlog).is_none(), "{all:?}");
        assert_eq!(of(Rule::Maximum), Some(50));
    }

    #[test]
    fn what_holds_the_number_is_told_on_the_way_down() {
        let busy = |seconds| at(seconds, 9).running(12, 3);
        let (_, all) = each(&pool(0, 20, 10), &[busy(0.), busy(200.)]);
        assert!(all.contains(&(Rule::RunningWork, 3)), "{all:?}");
        assert!(all.iter().any(|(rule, _)| *rule == Rule::Window), "{all:?}");
    }

    #[test]
    fn what_cannot_be_read_asks_for_nothing() {
        let unread = Observation {
            reading: Reading::Unknown {
                why: SampleError::Timeout,
            },
            ..at(0., 4)
        };
        let (rule, all) = each(&pool(0, 20, 10), &[unread]);
        assert_eq!(
            (rule, all),
            (Rule::Unknown, vec![(Rule::Minimum, 0), (Rule::Maximum, 20)])
        );
    }

    #[test]
    fn a_schedule_in_force_stands_beside_the_minimum() {
        let policy = pool(1, 20, 10).schedule("day", "0 8 * * *", "0 18 * * *", 6);
        let (rule, all) = each(&policy, &[at(0., 6)]);
        assert_eq!(rule, Rule::Schedule);
        assert!(
            all.contains(&(Rule::Schedule, 6)) && all.contains(&(Rule::Minimum, 1)),
            "{all:?}"
        );
    }
}
