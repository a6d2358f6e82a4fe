//! The way to a pool's broker, step by step: what an error says of the steps before it. Pure.
#![deny(clippy::disallowed_methods)]

use std::net::IpAddr;

use super::Finding;
use crate::{
    controller::examine::{Examined, Reached},
    model::{QueueTally, SampleError},
};

/// Host name.
const DNS: &str = "DNS";
/// Where the operator may connect.
const EGRESS: &str = "Egress";
/// Connection.
const TCP: &str = "TCP";
/// Encryption.
const TLS: &str = "TLS";
/// User and password.
const LOGIN: &str = "Authentication";
/// Number of queues that are listed.
const QUEUES: usize = 20;

/// Steps to one address up to the first that fails. `which` of them it is, where there are several; `sampled`: the error of the latest
/// sample, which says more of a server that keeps silent when TLS is spoken to it.
pub(super) fn way(reached: &Reached, which: &str, sampled: Option<SampleError>) -> Vec<Finding> {
    let Reached {
        host,
        port,
        encrypted,
        result,
    } = reached;
    let (at, mut findings) = (format!("`{host}:{port}`{which}"), Vec::new());
    let silent = *encrypted && matches!(result, Err(SampleError::Timeout | SampleError::Disconnected));
    let sampled = sampled.filter(|why| silent && why.is_of_the_connection() && step(*why) == TLS);
    let failed = result
        .err()
        .map(|why| sampled.unwrap_or(why))
        .map(|why| (step(why), why));
    let seen = [
        (DNS, host.parse::<IpAddr>().is_err(), "the name resolves"),
        (EGRESS, true, "the operator may connect"),
        (TCP, true, "a connection is made"),
        (TLS, *encrypted, "the certificates are accepted"),
    ];
    for (what, applies, text) in seen {
        match failed {
            Some((step, why)) if step == what => {
                findings.push(Finding::wrong(what, format!("{at}: {why}{}", cure(why))));
                break;
            }
            _ if applies => findings.push(Finding::good(what, format!("{at}: {text}"))),
            _ => {}
        }
    }
    findings
}

/// Step that this error of a connection belongs to.
fn step(why: SampleError) -> &'static str {
    match why {
        SampleError::Dns => DNS,
        SampleError::NotAllowed => EGRESS,
        SampleError::Refused | SampleError::Timeout | SampleError::Disconnected => TCP,
        SampleError::Authentication => LOGIN,
        _ => TLS,
    }
}

/// What helps where the error itself does not say it.
fn cure(why: SampleError) -> &'static str {
    match why {
        SampleError::Timeout => {
            ": check host and port in `spec.broker`, and what lies between: a NetworkPolicy, a firewall, or TLS where it is not spoken"
        }
        SampleError::Disconnected => ": check `spec.broker.tls`, and what lies between",
        _ => "",
    }
}

/// Whether the broker was read, and what is in its queues. `said`: the condition's own words where it was not.
pub(super) fn read(seen: &Examined, said: Option<&str>) -> Vec<Finding> {
    let reached = seen.addresses.iter().any(|address| address.result.is_ok());
    let text = |why: SampleError| said.map_or_else(|| why.to_string(), str::to_owned);
    match (seen.failing, &seen.tally) {
        // The way there says why.
        (Some(_), _) if !reached => Vec::new(),
        (Some(why), _) => match why {
            SampleError::JustReconnected | SampleError::QueueUnsure | SampleError::NotYet => {
                vec![Finding::unknown("Queues", text(why))]
            }
            SampleError::Authentication => vec![Finding::wrong(LOGIN, text(why))],
            SampleError::NoSuchVhost if seen.broker == "Redis" => vec![Finding::wrong("Database", text(why))],
            SampleError::NoSuchVhost => vec![Finding::wrong("Virtual host", text(why))],
            why if why.is_of_the_key() => vec![logged_in(seen), Finding::wrong("Queues", text(why))],
            why if why.is_of_the_connection() => vec![Finding::wrong(step(why), text(why) + cure(why))],
            why => vec![Finding::wrong("Broker", text(why))],
        },
        (None, Some(tally)) => {
            let mut findings = vec![logged_in(seen)];
            if tally.degraded.is_some() {
                let said = said.unwrap_or("it answers, but not all questions");
                findings.push(Finding::wrong("Broker", said));
            }
            findings.extend(tally.queues.iter().take(QUEUES).map(queue));
            findings
        }
        (None, None) if reached => vec![Finding::unknown("Queues", "the broker has not answered yet: try again")],
        (None, None) => Vec::new(),
    }
}

fn logged_in(seen: &Examined) -> Finding {
    Finding::good(LOGIN, format!("{} takes the user and answers", seen.broker))
}

fn queue(queue: &QueueTally) -> Finding {
    let QueueTally {
        queue,
        ready,
        not_due,
        missing,
    } = queue;
    let later = match not_due {
        0 => String::new(),
        later => format!(", {later} not due yet"),
    };
    match missing {
        // The condition of the queues says whether that is wrong.
        true => Finding::unknown("Queue", format!("`{queue}`: the broker knows none of this name")),
        false => Finding::good("Queue", format!("`{queue}`: {ready} waiting{later}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    fn levels(host: &str, encrypted: bool, result: Result<(), SampleError>) -> Vec<(String, Level)> {
        levels_with(host, encrypted, result, None)
    }

    fn levels_with(
        host: &str,
        encrypted: bool,
        result: Result<(), SampleError>,
        sampled: Option<SampleError>,
    ) -> Vec<(String, Level)> {
        let reached = Reached {
            host: host.to_owned(),
            port: 6379,
            encrypted,
            result,
        };
        let findings = way(&reached, "", sampled).into_iter();
        findings.map(|finding| (finding.what, finding.level)).collect()
    }

    fn named(names: &[(&str, Level)]) -> Vec<(String, Level)> {
        names.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect()
    }

    #[test]
    fn what_comes_before_the_step_that_fails_is_well_and_what_comes_after_is_not_told() {
        use Level::{Ok as Good, Wrong};
        for (error, expected) in [
            (SampleError::Dns, named(&[(DNS, Wrong)])),
            (SampleError::NotAllowed, named(&[(DNS, Good), (EGRESS, Wrong)])),
            (
                SampleError::Refused,
                named(&[(DNS, Good), (EGRESS, Good), (TCP, Wrong)]),
            ),
            (
                SampleError::Timeout,
                named(&[(DNS, Good), (EGRESS, Good), (TCP, Wrong)]),
            ),
            (
                SampleError::TlsNotSpoken,
                named(&[(DNS, Good), (EGRESS, Good), (TCP, Good), (TLS, Wrong)]),
            ),
            (
                SampleError::TlsIdentity,
                named(&[(DNS, Good), (EGRESS, Good), (TCP, Good), (TLS, Wrong)]),
            ),
        ] {
            assert_eq!(levels("redis.shop", true, Err(error)), expected, "{error:?}");
        }
        let silent =
            |encrypted, sampled| levels_with("redis", encrypted, Err(SampleError::Timeout), Some(sampled)).pop();
        let last = |name: &str| Some((name.to_owned(), Wrong));
        assert_eq!(
            silent(true, SampleError::TlsNotSpoken),
            last(TLS),
            "a Redis waits for more"
        );
        assert_eq!(silent(true, SampleError::Timeout), last(TCP));
        assert_eq!(silent(true, SampleError::Authentication), last(TCP));
        assert_eq!(silent(false, SampleError::TlsNotSpoken), last(TCP));
        let plain = named(&[(EGRESS, Good), (TCP, Good)]);
        assert_eq!(levels("10.0.0.7", false, Ok(())), plain, "an address is no name");
    }

    #[test]
    fn every_error_of_a_sample_is_named_once_and_at_its_step() {
        let seen = |failing, result| Examined {
            addresses: vec![Reached {
                host: "redis".to_owned(),
                port: 6379,
                encrypted: false,
                result,
            }],
            failing: Some(failing),
            broker: "Redis",
            ..Examined::default()
        };
        let wrong = |failing, result| {
            let findings = read(&seen(failing, result), None).into_iter();
            let wrong: Vec<_> = findings.filter(Finding::is_wrong).collect();
            wrong.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
        };
        assert_eq!(wrong(SampleError::Authentication, Ok(())), [LOGIN]);
        assert_eq!(wrong(SampleError::NoSuchVhost, Ok(())), ["Database"]);
        assert_eq!(wrong(SampleError::Permission, Ok(())), ["Queues"]);
        assert_eq!(wrong(SampleError::TlsExpected, Ok(())), [TLS]);
        assert_eq!(wrong(SampleError::ReadOnly, Ok(())), ["Broker"]);
        let none: [&str; 0] = [];
        assert_eq!(
            wrong(SampleError::Refused, Err(SampleError::Refused)),
            none,
            "the way says it"
        );
        assert_eq!(wrong(SampleError::JustReconnected, Ok(())), none, "it passes");
    }
}
