use super::*;
use crate::drain::{Plan, WaitsFor};

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
            "2 fetch no more and work off 5 tasks.",
        ),
        (WaitsFor { cordoning: 2, ..none }, "2 are told to fetch no more."),
        (WaitsFor { busy: 3, ..none }, "3 run tasks."),
        (
            WaitsFor {
                emptying: 1,
                tasks: 1,
                unknown: 1,
                ..none
            },
            "1 fetch no more and work off 1 task, 1 have not said that they run nothing.",
        ),
        (
            WaitsFor {
                rollout: true,
                busy: 1,
                ..none
            },
            "pods of two templates are there, and nobody can say which would go.",
        ),
        (none, "their pods are being looked at."),
    ] {
        let leaving = plan(waits_for);
        let facts = Facts {
            kept: Some(3),
            leaving: Some(&leaving),
            ..working(&tally, &decision)
        };
        assert_eq!(
            sentence(&facts, &decision),
            format!("15 outstanding at 4 each need 4. 3 kept: {said}")
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
    assert!(of(&fought).contains("DeletionCostConflict=True/CostOverwritten"));
}
