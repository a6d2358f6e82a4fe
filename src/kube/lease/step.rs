//! Rule of the election. Pure.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};

use super::Config;
use crate::model::{Moment, Now};

/// Next step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LeaseStep {
    /// Create this lease: there is none.
    Create(Lease),
    /// Replace the lease by this one: it is free or expired.
    Claim(Lease),
    /// Replace the lease by this one: this process holds it.
    Renew(Lease),
    /// Wait for this time: another process holds the lease, which expires then unless renewed.
    Wait(Duration),
}

/// State of a lease that changes with each write: holder, time of renewal, `resourceVersion`.
type LeaseVersion = (Option<String>, Option<MicroTime>, Option<String>);

/// Latest change of the lease, and when this process saw it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LastChange {
    mark: Option<LeaseVersion>,
    at: Moment,
}

impl LastChange {
    /// Takes in the lease as it was read.
    pub(super) fn look(&mut self, lease: Option<&Lease>, at: Moment) {
        let mark = lease.map(mark);
        if self.mark != mark {
            (self.mark, self.at) = (mark, at);
        }
    }
}

/// State of a lease.
fn mark(lease: &Lease) -> LeaseVersion {
    let spec = lease.spec.clone().unwrap_or_default();
    let version = lease.metadata.resource_version.clone();
    (spec.holder_identity, spec.renew_time, version)
}

/// Next step of this candidate, which just read `lease` and recorded it in `seen`.
pub(super) fn step(lease: Option<&Lease>, seen: &LastChange, config: &Config, now: Now) -> LeaseStep {
    let Some(lease) = lease else {
        let metadata = ObjectMeta {
            name: Some(config.name.clone()),
            namespace: Some(config.namespace.clone()),
            ..ObjectMeta::default()
        };
        let absent = Lease { metadata, spec: None };
        return LeaseStep::Create(taken(&absent, config, now));
    };
    match holder(lease) {
        Some(holder) if holder == config.identity => LeaseStep::Renew(renewed(lease, config, now)),
        None => LeaseStep::Claim(taken(lease, config, now)),
        Some(_) => {
            let unchanged = now.moment.saturating_sub(seen.at);
            match duration(lease, config).saturating_sub(unchanged) {
                Duration::ZERO => LeaseStep::Claim(taken(lease, config, now)),
                left => LeaseStep::Wait(left),
            }
        }
    }
}

/// Lease without a holder, so that others need not wait (client-go writes it the same way).
pub(super) fn release(lease: &Lease, now: Now) -> Lease {
    let spec = lease.spec.clone().unwrap_or_default();
    with_spec(
        lease,
        LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(now.wall)),
            ..spec
        },
    )
}

/// Holder of the lease.
fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    Some(holder).filter(|holder| !holder.is_empty())
}

/// Time after which it expires without a change: as its holder wrote it, else as we would.
fn duration(lease: &Lease, config: &Config) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    match seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => config.lease,
    }
}

/// Lease with this process as its new holder.
fn taken(lease: &Lease, config: &Config, now: Now) -> Lease {
    let before = lease.spec.clone().unwrap_or_default();
    let transitions = match lease.spec {
        Some(_) => before.lease_transitions.unwrap_or(0).saturating_add(1),
        None => 0,
    };
    let spec = LeaseSpec {
        acquire_time: Some(MicroTime(now.wall)),
        holder_identity: Some(config.identity.clone()),
        lease_transitions: Some(transitions),
        ..before
    };
    renewed(&with_spec(lease, spec), config, now)
}

/// Lease with its renewal time set to now.
fn renewed(lease: &Lease, config: &Config, now: Now) -> Lease {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = i32::try_from(config.lease.as_secs().max(1)).unwrap_or(i32::MAX);
    with_spec(
        lease,
        LeaseSpec {
            lease_duration_seconds: Some(seconds),
            renew_time: Some(MicroTime(now.wall)),
            ..spec
        },
    )
}

/// Lease with another spec; its metadata, `resourceVersion` included, stay.
fn with_spec(lease: &Lease, spec: LeaseSpec) -> Lease {
    Lease {
        metadata: lease.metadata.clone(),
        spec: Some(spec),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn now(seconds: u64) -> Now {
        let wall = Timestamp::from_second(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Now {
            wall,
            moment: Duration::from_secs(seconds),
        }
    }

    /// A lease with this holder, renewed at a time of *its* clock that is 1 h off.
    fn lease(holder: Option<&str>, version: &str, seconds: Option<i32>) -> Lease {
        let metadata = ObjectMeta {
            name: Some("twp".into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        };
        let spec = LeaseSpec {
            holder_identity: holder.map(Into::into),
            lease_duration_seconds: seconds,
            lease_transitions: Some(4),
            renew_time: Some(MicroTime(now(3600).wall)),
            ..LeaseSpec::default()
        };
        Lease {
            metadata,
            spec: Some(spec),
        }
    }

    /// What the step is, with the transitions and the version it writes.
    fn summary(step: &LeaseStep) -> String {
        let (word, lease) = match step {
            LeaseStep::Create(lease) => ("create", lease),
            LeaseStep::Claim(lease) => ("claim", lease),
            LeaseStep::Renew(lease) => ("renew", lease),
            LeaseStep::Wait(left) => return format!("wait {}", left.as_secs()),
        };
        let spec = lease.spec.clone().unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("me"));
        assert_eq!(spec.lease_duration_seconds, Some(15));
        assert!(spec.renew_time.is_some());
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        format!("{word} {} {version}", spec.lease_transitions.unwrap())
    }

    #[test]
    fn the_next_step_follows_from_holder_and_silence() {
        let config = Config::new("ns", "twp", "me");
        let other = |seconds| Some(lease(Some("other"), "7", seconds));
        for (found, seen_at, at, expected) in [
            (None, 0, 0, "create 0 "),
            (Some(lease(None, "7", None)), 0, 0, "claim 5 7"),
            (Some(lease(Some(""), "7", Some(1))), 0, 0, "claim 5 7"),
            (Some(lease(Some("me"), "7", Some(15))), 0, 100, "renew 4 7"),
            (other(Some(15)), 0, 0, "wait 15"),
            (other(Some(15)), 0, 14, "wait 1"),
            (other(Some(15)), 0, 15, "claim 5 7"),
            (other(Some(60)), 0, 15, "wait 45"),
            (other(Some(0)), 0, 14, "wait 1"),
            (other(Some(-1)), 0, 14, "wait 1"),
            (other(None), 0, 15, "claim 5 7"),
            (other(Some(15)), 20, 30, "wait 5"),
        ] {
            let mut seen = LastChange::default();
            seen.look(found.as_ref(), now(seen_at).moment);
            seen.look(found.as_ref(), now(at).moment);
            assert_eq!(
                summary(&step(found.as_ref(), &seen, &config, now(at))),
                expected,
                "{found:?}"
            );
        }
    }

    #[test]
    fn any_change_starts_the_silence_anew() {
        let first = lease(Some("other"), "7", Some(15));
        let mut renewed = first.clone();
        renewed.spec.as_mut().unwrap().renew_time = Some(MicroTime(now(0).wall));
        for second in [
            lease(Some("other"), "8", Some(15)),
            lease(Some("third"), "7", Some(15)),
            renewed,
        ] {
            let mut seen = LastChange::default();
            seen.look(Some(&first), now(0).moment);
            seen.look(Some(&second), now(14).moment);
            assert_eq!(seen.at, now(14).moment, "{second:?}");
        }
    }

    #[test]
    fn a_released_lease_has_no_holder_and_keeps_its_count() {
        let free = release(&lease(Some("me"), "7", Some(15)), now(0));
        assert_eq!(holder(&free), None);
        assert_eq!(free.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(free.spec.unwrap().lease_transitions, Some(4));
    }
}
