//! What would change a pool's number of replicas.
#![deny(clippy::disallowed_methods)]

use crate::view::{State, types::Pool};

/// Rules that do not say what the work needs, but what limits or holds the number.
const LIMITS: [&str; 7] = [
    "Minimum",
    "Maximum",
    "Schedule",
    "Window",
    "RunningWork",
    "JustStarted",
    "Unknown",
];

/// What would change the number, in sentences: each names the field of the spec.
pub(super) fn changes(pool: &Pool) -> Vec<String> {
    if pool.state == State::Suspended {
        return vec![format!(
            "`suspend: false` (`kubectl twp resume {}`): nothing is counted or scaled now.",
            pool.name
        )];
    }
    let mut all = Vec::new();
    if let Some(chosen) = pool.candidates.iter().find(|candidate| candidate.chosen) {
        all.extend(by_rule(pool, &chosen.rule));
    }
    if pool.mode == "Observe" {
        all.push("`mode: Act`: the number is decided, and not written.".to_owned());
    }
    all
}

fn by_rule(pool: &Pool, rule: &str) -> Vec<String> {
    let max = pool.replicas.max;
    let of = |rule: &str| {
        pool.candidates
            .iter()
            .find(|candidate| candidate.rule == rule)
            .map(|one| one.replicas)
    };
    let needs = pool
        .candidates
        .iter()
        .filter(|candidate| !LIMITS.contains(&candidate.rule.as_str()));
    let needs = needs.map(|candidate| candidate.replicas).max();
    let would = |what: &str| needs.map_or(String::new(), |needs| format!(" ({needs} {what})"));
    match rule {
        "Maximum" => match (of("Deadline").filter(|needed| *needed > max), pool.promise.wait_seconds) {
            (Some(needed), Some(within)) => vec![format!(
                "`maxReplicas`: at {needed} replicas all waiting tasks would start within {within} s; {max} are allowed."
            )],
            _ => vec![format!(
                "`maxReplicas`: {max} are allowed{}.",
                would("would be taken without it")
            )],
        },
        "Minimum" => vec![format!("`minReplicas`{}.", would("would do without it"))],
        "Schedule" => vec![format!("`schedules`: one is in force{}.", would("would do without it"))],
        "Window" => vec![format!(
            "Time: the scale-down window has not passed{}. `profile` and `behavior.scaleDown` set its length.",
            would("would do")
        )],
        "JustStarted" => vec![format!(
            "Time: an operator that has just started watches the work before it lowers a number{}.",
            would("would do")
        )],
        "RunningWork" => vec![format!(
            "The end of running tasks{}. `scaleDown.removal: Graceful` lets busy pods go if their grace period covers \
             `worker.maxTaskSeconds`.",
            would("would do")
        )],
        "Deadline" => vec![
            "`target.waitSeconds`: a longer one needs fewer replicas.".to_owned(),
            "More slots in a replica (Celery `--concurrency`) need fewer replicas.".to_owned(),
        ],
        "Rate" => rate(pool).into_iter().collect(),
        "Reserve" => vec!["`profile`: `Economy` keeps less in reserve.".to_owned()],
        "Backlog" => {
            let each = pool.promise.backlog_per_replica;
            each.map(|each| format!("`target.backlogPerReplica`: one replica for each {each} outstanding tasks."))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The arithmetic of the rate, where all of it is known.
fn rate(pool: &Pool) -> Option<String> {
    let learned = pool.estimates.as_ref()?;
    let (minute, task, slots) = (
        learned.arrivals_per_minute?,
        learned.task_milliseconds?,
        learned.concurrency?,
    );
    let busy = minute as f64 / 60.0 * task as f64 / 1e3 / f64::from(slots.max(1));
    Some(format!(
        "The load: {minute} tasks a minute of {:.1} s each keep {busy:.1} replicas of {slots} slots busy.",
        task as f64 / 1e3
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::fixture, view::types::Candidate};

    /// The pool with these candidates, the first of which was chosen.
    fn pool(candidates: &[(&str, u32)]) -> Pool {
        let each = candidates.iter().enumerate().map(|(at, (rule, replicas))| Candidate {
            rule: (*rule).to_owned(),
            replicas: *replicas,
            chosen: at == 0,
        });
        Pool {
            candidates: each.collect(),
            ..fixture::pool()
        }
    }

    #[test]
    fn each_rule_names_the_field_that_governs_it() {
        for (candidates, said) in [
            (
                &[("Maximum", 50), ("Deadline", 64)][..],
                "`maxReplicas`: at 64 replicas all waiting tasks would start within 60 s; 50 are",
            ),
            (
                &[("Maximum", 50), ("Backlog", 64)],
                "50 are allowed (64 would be taken without it)",
            ),
            (&[("Maximum", 50)], "`maxReplicas`: 50 are allowed."),
            (&[("Minimum", 2), ("Rate", 1)], "`minReplicas` (1 would do without it)."),
            (
                &[("Schedule", 4), ("Rate", 1)],
                "`schedules`: one is in force (1 would do without it).",
            ),
            (&[("Window", 9), ("Deadline", 3)], "has not passed (3 would do)."),
            (&[("JustStarted", 9), ("Deadline", 3)], "lowers a number (3 would do)."),
            (&[("RunningWork", 9), ("Deadline", 3)], "`scaleDown.removal: Graceful`"),
            (&[("Deadline", 9)], "`target.waitSeconds`"),
            (
                &[("Rate", 5)],
                "192 tasks a minute of 6.1 s each keep 4.9 replicas of 4 slots busy.",
            ),
            (&[("Reserve", 5)], "`profile`"),
        ] {
            let all = changes(&pool(candidates));
            assert!(all.iter().any(|one| one.contains(said)), "{candidates:?}: {all:?}");
        }
        assert_eq!(changes(&pool(&[("Idle", 0)])), Vec::<String>::new());
    }

    #[test]
    fn a_pool_that_does_not_act_says_what_would_make_it() {
        let observes = Pool {
            mode: "Observe".to_owned(),
            ..pool(&[("Idle", 0)])
        };
        assert!(changes(&observes)[0].contains("`mode: Act`"));
        let suspended = Pool {
            state: State::Suspended,
            ..pool(&[("Deadline", 3)])
        };
        assert!(changes(&suspended)[0].contains("kubectl twp resume mail"));
    }
}
