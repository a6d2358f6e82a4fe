//! What a busy hour costs the API server, in the simulator.
use super::*;
use crate::{
    controller::report,
    scaling::{Behavior, Decision, Memory, Policy, Profile, TargetRule, Wait, decide},
    sim::{Scaler, Seconds, Seen, Victims, World, run, scalers::observation, workloads},
};

/// A pool that says what it decides.
struct Told {
    policy: Policy,
    memory: Memory,
    status: Status,
    last: Option<Moment>,
    turn: Option<Moment>,
    turns: Turns,
    urgent: u32,
    numbers: u32,
    decision: Option<Decision>,
    lines: u32,
}

impl Told {
    fn status(&mut self, seen: &Seen) -> (Status, u32) {
        let (memory, decision) = decide(&self.policy, std::mem::take(&mut self.memory), &observation(seen));
        self.memory = memory;
        let reason = decision.limited.map_or("NotLimited", crate::scaling::Rule::reason);
        self.lines += u32::from(report::decision(self.decision.as_ref(), &decision).is_some());
        self.decision = Some(decision.clone());
        let number = |number: u32| i32::try_from(number).ok();
        let mut status = status();
        status.replicas = number(seen.replicas);
        status.desired_replicas = number(decision.replicas);
        status.work = Some(WorkStatus {
            waiting: i64::try_from(seen.waiting).unwrap(),
            running: i64::from(seen.running as u32),
            ..WorkStatus::default()
        });
        status.decision = Some(DecisionStatus {
            replicas: number(decision.replicas).unwrap(),
            rule: decision.rule.reason().to_owned(),
            message: decision.sentence,
        });
        status.conditions[0].reason = reason.to_owned();
        (status, decision.replicas)
    }
}

impl Scaler for Told {
    fn name(&self) -> String {
        "ours".into()
    }

    fn period(&self) -> Seconds {
        self.policy.period.as_secs_f64()
    }

    fn victims(&self) -> Victims {
        Victims::IdleOnly
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        let (new, replicas) = self.status(seen);
        let now = Duration::from_secs_f64(seen.now);
        if let Some(due) = due(Some(&self.status), &new) {
            let last = self.last.unwrap_or_default();
            let soon = self.last.is_some_and(|last| now < last + due.after());
            if !soon && self.turns.wait(due, last, &mut self.turn, now).is_zero() {
                let counter = if due == Due::Numbers {
                    &mut self.numbers
                } else {
                    &mut self.urgent
                };
                *counter += 1;
                (self.status, self.last) = (new, Some(now));
            }
        }
        Some(replicas)
    }
}

#[test]
fn a_rule_that_takes_turns_costs_no_writes() {
    for target in [
        TargetRule::Backlog(4),
        TargetRule::Wait(Wait {
            within: Duration::from_secs(60),
            hint: None,
            tuning: Profile::Balanced.tuning(),
        }),
    ] {
        for mut workload in [workloads::burst(1), workloads::steps(1)] {
            workload.tasks.retain(|task| task.arrival < 2.0 * 3600.0);
            let world = World::default();
            let mut told = Told {
                policy: Policy {
                    stranded: ("", ""),
                    min: world.min,
                    max: world.max,
                    schedules: Vec::new(),
                    target,
                    slots: Some(workload.slots),
                    idle: Duration::from_secs(60),
                    behavior: Behavior::default(),
                    fallback: None,
                    suspended: false,
                    period: Duration::from_secs(1),
                },
                memory: Memory::default(),
                status: status(),
                last: None,
                turn: None,
                turns: Turns::default(),
                urgent: 0,
                numbers: 0,
                decision: None,
                lines: 0,
            };
            run(&workload, &world, &mut told, 1, false);
            let an_hour = [told.urgent, told.urgent + told.numbers, told.lines].map(|all| all / 2);
            println!(
                "{}: urgent writes, all, and log lines an hour: {an_hour:?}",
                workload.name
            );
            // Had each change of the rule been urgent: 700 to 900, 1,100 to 1,300, and 700 to 900.
            let [urgent, all, lines] = an_hour;
            assert!(
                urgent < 300 && all < 900 && lines < 300,
                "{}: {an_hour:?}",
                workload.name
            );
        }
    }
}
