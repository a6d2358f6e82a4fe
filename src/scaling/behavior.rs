//! The HPA v2 `behavior` field: same meaning.
//!
//! A policy's limit starts from the replicas at the start of its period: `+ value` pods, or `+ value` percent (rounded
//! up) on the way up, `-` (rounded down) on the way down. `selectPolicy` takes the largest or the smallest change
//! (kubernetes `horizontal.go`, `calculateScaleUpLimitWithScalingRules`). One thing differs because the HPA sleeps at
//! 0 replicas: from there a percentage allows the first replica.
#![deny(clippy::disallowed_methods)]
use super::{Moment, history::History};
use std::time::Duration;

/// Rules for both directions; `None`: the user set nothing, and only the windows limit the step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behavior {
    /// Rules for scaling up.
    pub up: Option<Rules>,
    /// Rules for scaling down.
    pub down: Option<Rules>,
}

/// Rules for one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `stabilizationWindowSeconds`, as a duration.
    pub window: Option<Duration>,
    /// `selectPolicy`: the policy that counts.
    pub select: Select,
    /// `policies`: limits on the change; empty: none.
    pub policies: Vec<BehaviorPolicy>,
}

/// Policy that counts where several are given: `selectPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// Policy that allows the largest change.
    Max,
    /// Policy that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// Largest change of the replicas within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BehaviorPolicy {
    /// Unit of `value`.
    pub kind: PolicyType,
    /// Largest change within the period.
    pub value: u32,
    /// Length of the period.
    pub period: Duration,
}

/// Unit of a policy's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyType {
    /// Number of pods.
    Pods,
    /// Percent of the replicas at the start of the period.
    Percent,
}

impl Behavior {
    /// Longest period of any policy: the history of the replicas must reach back that far.
    pub(crate) fn longest_period(&self) -> Duration {
        let rules = self.up.iter().chain(&self.down);
        let periods = rules.flat_map(|rules| &rules.policies).map(|policy| policy.period);
        periods.max().unwrap_or_default()
    }
}

impl Rules {
    /// Largest number of replicas that a step up from `current` may reach now.
    pub(crate) fn ceiling(&self, current: u32, replicas: &History, now: Moment) -> u32 {
        let limits = self.limits(current, replicas, now, BehaviorPolicy::ceiling);
        let limit = match self.select {
            Select::Max => limits.max().unwrap_or(u32::MAX),
            Select::Min => limits.min().unwrap_or(u32::MAX),
            Select::Disabled => current,
        };
        limit.max(current)
    }

    /// Smallest number of replicas that a step down from `current` may reach now.
    pub(crate) fn floor(&self, current: u32, replicas: &History, now: Moment) -> u32 {
        let limits = self.limits(current, replicas, now, BehaviorPolicy::floor);
        let limit = match self.select {
            Select::Max => limits.min().unwrap_or(0),
            Select::Min => limits.max().unwrap_or(0),
            Select::Disabled => current,
        };
        limit.min(current)
    }

    /// Time until a limit may change by itself.
    pub(crate) fn next_change(&self, replicas: &History, now: Moment) -> Option<Duration> {
        let changes = self
            .policies
            .iter()
            .map(|policy| replicas.next_change(policy.period, now));
        changes.flatten().min()
    }

    fn limits<'a>(
        &'a self,
        current: u32,
        replicas: &'a History,
        now: Moment,
        limit: fn(&BehaviorPolicy, u32) -> u32,
    ) -> impl Iterator<Item = u32> + 'a {
        let start = move |policy: &BehaviorPolicy| replicas.at(policy.period, now).unwrap_or(current);
        self.policies.iter().map(move |policy| limit(policy, start(policy)))
    }
}

impl BehaviorPolicy {
    fn ceiling(&self, start: u32) -> u32 {
        match self.kind {
            PolicyType::Pods => start.saturating_add(self.value),
            PolicyType::Percent => {
                let percent = u64::from(self.value).saturating_add(100);
                let limit = u64::from(start).saturating_mul(percent).div_ceil(100);
                u32::try_from(limit).unwrap_or(u32::MAX).max(1)
            }
        }
    }

    fn floor(&self, start: u32) -> u32 {
        match self.kind {
            PolicyType::Pods => start.saturating_sub(self.value),
            PolicyType::Percent => {
                let percent = u64::from(100_u32.saturating_sub(self.value));
                let limit = u64::from(start).saturating_mul(percent) / 100;
                u32::try_from(limit).unwrap_or(start)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn rules(select: Select, policies: &[(PolicyType, u32)]) -> Rules {
        let policy = |&(kind, value)| BehaviorPolicy {
            kind,
            value,
            period: s(15),
        };
        Rules {
            window: None,
            select,
            policies: policies.iter().map(policy).collect(),
        }
    }

    /// Limits from a constant number of replicas, in the shapes of the HPA's own tests.
    #[test]
    fn limits_are_the_hpas() {
        use PolicyType::{Percent, Pods};
        use Select::{Disabled, Max, Min};
        for (select, policies, from, up, down) in [
            (Max, &[(Percent, 100), (Pods, 4)][..], 1, 5, 0),
            (Max, &[(Percent, 100), (Pods, 4)], 10, 20, 0),
            (Min, &[(Percent, 100), (Pods, 4)], 10, 14, 6),
            (Max, &[(Percent, 10)], 11, 13, 9),
            (Max, &[(Percent, 10)], 1, 2, 0),
            (Max, &[(Percent, 100)], 0, 1, 0),
            (Max, &[(Pods, 2)], 0, 2, 0),
            (Disabled, &[(Pods, 2)], 5, 5, 5),
            (Max, &[], 5, u32::MAX, 0),
            (Min, &[], 5, u32::MAX, 0),
            (Max, &[(Percent, u32::MAX)], u32::MAX, u32::MAX, 0),
        ] {
            let rules = rules(select, policies);
            let mut replicas = History::default();
            replicas.record(from, s(0), s(15));
            let limits = (rules.ceiling(from, &replicas, s(1)), rules.floor(from, &replicas, s(1)));
            assert_eq!(limits, (up, down), "{select:?} {policies:?} from {from}");
        }
    }

    #[test]
    fn what_changed_in_the_period_is_used_up_until_it_ends() {
        let rules = rules(Select::Max, &[(PolicyType::Pods, 4)]);
        let mut replicas = History::default();
        replicas.record(2, s(0), s(15));
        replicas.record(6, s(10), s(15));
        assert_eq!(rules.ceiling(6, &replicas, s(12)), 6);
        assert_eq!(rules.next_change(&replicas, s(12)), Some(s(13)));
        assert_eq!(rules.ceiling(6, &replicas, s(25)), 10);
    }
}
