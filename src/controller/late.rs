//! Late pods: they are ordered and do not become ready, whatever the target's rule. Pure.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use crate::{kube::Target, model::Moment};

/// Time beyond the usual start-up after which a pod is late.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time since which pods have been missing and none has become ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late(Option<MissingSince>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MissingSince {
    at: Moment,
    ready: u32,
}

impl Late {
    /// Examines the target, whose pods usually start within `startup`. Returns the number of late pods, and the time
    /// until others are late.
    pub fn look(&mut self, target: &Target, startup: Duration, now: Moment) -> (u32, Option<Duration>) {
        let missing = target.replicas.saturating_sub(target.ready);
        if missing == 0 {
            self.0 = None;
            return (0, None);
        }
        let since = match self.0 {
            Some(since) if target.ready <= since.ready => since.at,
            _ => now,
        };
        self.0 = Some(MissingSince {
            at: since,
            ready: target.ready,
        });
        let left = (since + PATIENCE + startup).saturating_sub(now);
        match left.is_zero() {
            true => (missing, None),
            false => (0, Some(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::ownership::tests::target;

    #[test]
    fn pods_are_late_when_none_becomes_ready_for_longer_than_they_take() {
        let second = Duration::from_secs;
        let of = |replicas, ready| Target {
            ready,
            ..target(1, replicas, "me")
        };
        let mut late = Late::default();
        let startup = second(10);
        for (at, replicas, ready, expected) in [
            (0, 3, 3, 0),
            (10, 5, 3, 0),
            (79, 5, 3, 0),
            (80, 5, 3, 2),
            (81, 9, 3, 6),
            (82, 9, 4, 0),
            (151, 9, 3, 0),
            (152, 9, 3, 6),
            (153, 3, 3, 0),
            (154, 4, 3, 0),
        ] {
            let (pods, again) = late.look(&of(replicas, ready), startup, second(at));
            assert_eq!(pods, expected, "second {at}");
            assert_eq!(again.is_some(), ready < replicas && pods == 0, "second {at}");
        }
    }
}
