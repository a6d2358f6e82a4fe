//! AWS target tracking on the backlog per instance.
//!
//! Upstream: Amazon EC2 Auto Scaling user guide, "Scaling policy based on Amazon SQS" (`as-using-sqs-queue`): the
//! acceptable backlog per instance is the acceptable latency over the mean processing time. The two alarms (3 minutes
//! above, 15 minutes below 90 %) are as target tracking is known to create them; the guide does not promise the numbers.
#![deny(clippy::disallowed_methods)]
use super::input::{Given, ceil};
use crate::sim::{Scaler, Seconds, Seen};

/// Number of ticks above the target before it scales out.
const LOOKS_HIGH: u32 = 3;
/// Number of ticks below the target before it scales in.
const LOOKS_LOW: u32 = 15;
/// Share of the target below which the load counts as low.
const LOW: f64 = 0.9;
/// Share of the instances that a step in keeps, at least.
const KEEP: f64 = 0.5;
/// Smallest target, in tasks for each instance.
const LEAST_TARGET: f64 = 0.2;

/// Settings of the peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AwsSettings {
    /// Acceptable latency, as a share of the wait target.
    pub latency: f64,
}

impl AwsSettings {
    /// Name in tables.
    pub fn name(&self) -> String {
        format!("AWS latency {}T", self.latency)
    }
}

/// Target tracking policy.
#[derive(Clone, Debug)]
pub struct Aws {
    settings: AwsSettings,
    given: Given,
    /// Acceptable backlog, in tasks for each instance.
    target: f64,
    /// Number of ticks above the target in a row.
    high: u32,
    /// Number of ticks below it in a row.
    low: u32,
}

impl Aws {
    /// Peer with these settings.
    pub fn new(settings: AwsSettings, given: Given) -> Self {
        // The documentation's instance works on one task at a time, ours on as many as it has slots.
        let acceptable = settings.latency * given.wait_target / given.mean_task * given.slots;
        Self {
            settings,
            given,
            target: acceptable.max(LEAST_TARGET),
            high: 0,
            low: 0,
        }
    }
}

impl Scaler for Aws {
    fn name(&self) -> String {
        self.settings.name()
    }

    fn period(&self) -> Seconds {
        60.0
    }

    fn phase(&self) -> Seconds {
        11.0
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        if seen.broker_down {
            // No data point: an alarm neither counts on nor starts anew.
            return None;
        }
        let backlog = seen.waiting as f64 / f64::from(seen.ready.max(1));
        self.high = if backlog > self.target { self.high + 1 } else { 0 };
        self.low = if backlog < LOW * self.target { self.low + 1 } else { 0 };

        let limits = self.given.limits;
        let load = backlog / self.target;
        if self.high >= LOOKS_HIGH {
            // From no instance it could not grow.
            return Some(limits.clamp(ceil(f64::from(seen.replicas.max(1)) * load)));
        }
        if self.low >= LOOKS_LOW && seen.replicas > limits.min {
            self.low = 0;
            let kept = ceil(f64::from(seen.replicas) * load.max(KEEP));
            return Some(limits.clamp(kept.min(seen.replicas - 1)));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::input::{
        PeerLimits,
        fixture::{seen, workload},
    };

    fn aws_within(min: u32, latency: f64) -> Aws {
        let limits = PeerLimits { min, max: 200 };
        Aws::new(AwsSettings { latency }, Given::of(&workload(), limits))
    }

    /// Peer with 0.2 of 60 s, over 4 s, by 4 slots: 12 tasks for each instance.
    fn aws() -> Aws {
        aws_within(1, 0.2)
    }

    /// Ticks that must not change anything.
    fn wait(aws: &mut Aws, ticks: u32, waiting: u64, replicas: u32) {
        for tick_number in 0..ticks {
            assert_eq!(
                aws.tick(&seen(f64::from(tick_number), waiting, replicas)),
                None,
                "tick {tick_number}"
            );
        }
    }

    #[test]
    fn the_target_is_latency_over_task_time() {
        assert_eq!(aws().target, 12.0);
        assert_eq!(aws_within(1, 0.001).target, 0.2);
        let mut nothing = workload();
        nothing.tasks.clear();
        let given = Given::of(&nothing, PeerLimits::default());
        assert_eq!(Aws::new(AwsSettings { latency: 0.2 }, given).target, f64::INFINITY);
    }

    #[test]
    fn out_after_three_looks_and_on_each_one_more() {
        let mut aws = aws();
        wait(&mut aws, 2, 61, 5);
        assert_eq!(aws.tick(&seen(0.0, 63, 5)), Some(6)); // ceil(5 * 12.6 / 12)
        assert_eq!(aws.tick(&seen(0.0, 9999, 6)), Some(200)); // ceil(833.25), at most 200
    }

    #[test]
    fn a_look_at_the_target_starts_anew() {
        let mut aws = aws();
        wait(&mut aws, 2, 61, 5);
        wait(&mut aws, 1, 60, 5); // exactly the target
        wait(&mut aws, 2, 61, 5);
        assert_eq!(aws.tick(&seen(0.0, 61, 5)), Some(6));
    }

    #[test]
    fn counts_what_is_ready_but_multiplies_what_there_is() {
        let mut aws = aws();
        let tick_number = Seen {
            ready: 2,
            ..seen(0.0, 48, 8)
        };
        assert_eq!(aws.tick(&tick_number), None);
        assert_eq!(aws.tick(&tick_number), None);
        assert_eq!(aws.tick(&tick_number), Some(16)); // 24 for each of 2, twice the target: twice 8
    }

    #[test]
    fn in_after_fifteen_looks() {
        let mut aws = aws();
        wait(&mut aws, 14, 0, 9);
        assert_eq!(aws.tick(&seen(0.0, 0, 9)), Some(5)); // half of it, rounded up
        wait(&mut aws, 14, 53, 5); // 10.6 < 10.8
        assert_eq!(aws.tick(&seen(0.0, 53, 5)), Some(4)); // ceil(4.4) = 5, but one less at least
        wait(&mut aws, 30, 54, 5); // 10.8 is not below
        wait(&mut aws, 30, 0, 1); // its minimum
    }

    #[test]
    fn grows_from_zero() {
        let mut aws = aws_within(0, 0.2);
        wait(&mut aws, 2, 13, 0);
        assert_eq!(aws.tick(&seen(0.0, 13, 0)), Some(2)); // ceil(13 / 12)
        wait(&mut aws, 14, 0, 1);
        assert_eq!(aws.tick(&seen(0.0, 0, 1)), Some(0));
    }

    #[test]
    fn a_missing_look_changes_nothing() {
        let mut aws = aws();
        wait(&mut aws, 2, 61, 5);
        let down = Seen {
            broker_down: true,
            ..seen(0.0, 0, 5)
        };
        assert_eq!(aws.tick(&down), None);
        assert_eq!(aws.tick(&seen(0.0, 61, 5)), Some(6));
    }
}
