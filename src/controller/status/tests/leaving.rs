use super::*;
use crate::drain::{HeldBack, Plan, Until, WaitsFor};

fn plan(waits_for: WaitsFor) -> Plan {
    Plan {
        waits_for,
        ..Plan::default()
    }
}

#[test]
fn the_sentence_says_what_the_pods_that_are_to_go_still_do() {
    let (tally, decision) = (tally(), decision(Rule::Backlog));
    let none = WaitsFor::default();
    for (waits_for, said) in [
        (
            WaitsFor {
                emptying: 2,
                tasks: 5,
                ..none
            },
            "3 more for now: 2 are drained (5 tasks left).",
        ),
        (
            WaitsFor { cordoning: 2, ..none },
            "3 more for now: 2 are told to stop consuming.",
        ),
        (WaitsFor { busy: 3, ..none }, "3 more for now: 3 run tasks."),
        (
            WaitsFor {
                emptying: 1,
                tasks: 1,
                unknown: 1,
                ..none
            },
            "3 more for now: 1 is drained (1 task left), 1 has not reported to be idle.",
        ),
        (
            WaitsFor {
                rollout: true,
                busy: 1,
                ..none
            },
            "3 more until the rollout ends.",
        ),
        (none, "3 more while their pods are examined."),
    ] {
        let leaving = plan(waits_for);
        let facts = Facts {
            kept: Some(3),
            leaving: Some(&leaving),
            ..working(&tally, &decision)
        };
        assert_eq!(
            sentence(&facts, &decision),
            format!("15 outstanding at 4 each need 4. {said}")
        );
    }
}

#[test]
fn a_condition_says_who_else_writes_costs() {
    let decision = decision(Rule::Backlog);
    let quiet = tally();
    let of = |facts: &Facts| line(&status(facts, None));
    let fought = Facts {
        cost_conflict: Some("mail-1-a"),
        ..working(&quiet, &decision)
    };
    assert!(of(&fought).contains("TargetConflict=True/DeletionCostOverwritten"));
    assert!(of(&fought).contains("Degraded=True/DeletionCostOverwritten"));
}

#[test]
fn the_sentence_says_which_pod_of_a_stateful_set_holds_back_those_below_it() {
    let (tally, decision) = (tally(), decision(Rule::Backlog));
    for (pods, until, said) in [
        (
            1,
            Until::Goes,
            "3 more for now: 1 runs tasks, 1 that may go waits for `mail-5` to go first.",
        ),
        (
            2,
            Until::Goes,
            "3 more for now: 1 runs tasks, 2 that may go wait for `mail-5` to go first.",
        ),
        (
            2,
            Until::IsReady,
            "3 more for now: 1 runs tasks, 2 that may go wait for `mail-5` to be ready.",
        ),
        (
            1,
            Until::Ends,
            "3 more for now: 1 runs tasks, 1 that may go waits for `mail-5` to end.",
        ),
    ] {
        let leaving = Plan {
            held_back: Some(HeldBack {
                by: "mail-5".into(),
                until,
                pods,
            }),
            ..plan(WaitsFor {
                busy: 1,
                ..WaitsFor::default()
            })
        };
        let facts = Facts {
            kept: Some(3),
            leaving: Some(&leaving),
            ..working(&tally, &decision)
        };
        assert_eq!(
            sentence(&facts, &decision),
            format!("15 outstanding at 4 each need 4. {said}")
        );
    }
}
