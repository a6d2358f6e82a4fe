use super::*;
use crate::sim::Waits;

fn outcome(policy: &str, workload: &str, seed: u64, pod_hours: f64, late: f64) -> RunOutcome {
    RunOutcome {
        policy: policy.into(),
        workload: workload.into(),
        seed,
        bound: 10.0,
        diagnoses: Vec::new(),
        run: Run {
            pod_hours,
            waits: Waits {
                p95: 20.0 + seed as f64,
                late,
                ..Waits::default()
            },
            actions: 7,
            oscillations: 2,
            killed: seed,
            ..Run::default()
        },
    }
}

/// Ours meets both; the cheap one misses B; the third was run on A only.
fn comparison() -> Comparison {
    Comparison::of(&[
        outcome("cheap", "A", 1, 10.0, 0.0),
        outcome("cheap", "A", 2, 12.0, 0.0),
        outcome("ours", "B", 2, 48.0, 0.02),
        outcome("ours", "A", 1, 20.0, 0.0),
        outcome("ours", "B", 1, 52.0, 0.0),
        outcome("cheap", "B", 1, 10.0, 0.5),
        outcome("half", "A", 1, 1.0, 0.0),
    ])
}

#[test]
fn a_workloads_table_has_means_and_intervals() {
    let tables = comparison().workload_tables();
    assert_eq!(tables.len(), 2);
    assert!(tables[0].caption.starts_with("A: mean ± 95 %"), "{}", tables[0].caption);
    // Two values a distance d apart: the half width is t(1)·d/2.
    let cheap = [
        "cheap",
        "11.0 ± 12.7",
        "1.10 ± 1.27",
        "21.5 ± 6.4",
        "0.00 ± 0.00",
        "7 ± 0",
        "2 ± 0",
        "1.5 ± 6.4",
    ];
    assert_eq!(tables[0].rows[0], cheap);
    let ours = ["ours", "20.0", "2.00", "21.0", "0.00", "7", "2", "1.0"];
    assert_eq!(tables[0].rows[1], ours);
    assert_eq!(tables[1].rows[1][..3], ["ours", "50.0 ± 25.4", "5.00 ± 2.54"]);
    assert_eq!(tables[1].rows.len(), 2, "the third was not run there");
}

#[test]
fn one_configuration_is_judged_on_all_workloads() {
    let table = comparison().one_configuration();
    let rows: [&[&str]; 3] = [
        // √(2 · 5), and a mean share of exactly 1 % is in time.
        &["ours", "2/2", "3.16", "14", "4", "2", "1.00", ""],
        &["cheap", "1/2", "1.05", "14", "4", "2", "50.00", "B"],
        &["half", "1/2", "–", "7", "2", "1", "0.00", "B"],
    ];
    // Killed: 1.5 and 1 are 2.5 tasks, shown to the even one.
    assert_eq!(table.rows, rows);
}

#[test]
fn figures_have_what_the_file_promises() {
    let figures = comparison().figures();
    let names: Vec<_> = figures["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["cheap", "ours", "half"]);
    let ours = &figures["policies"][1];
    assert_eq!(ours["met"], 2);
    assert!((ours["cost_ratio"].as_f64().unwrap() - 10f64.sqrt()).abs() < 1e-12);
    assert_eq!(
        (&ours["killed"], &ours["actions"], &ours["oscillations"]),
        (&json!(2.5), &json!(14.0), &json!(4.0))
    );
    assert_eq!(ours["worst_late"], 0.01);
    assert_eq!(
        ours["workloads"][0]["cost_ratio_ci"],
        Value::Null,
        "one seed has no interval"
    );
    let on_b = &ours["workloads"][1];
    assert_eq!(
        (&on_b["name"], &on_b["seeds"], &on_b["cost_ratio"]),
        (&json!("B"), &json!(2), &json!(5.0))
    );
    assert_eq!((&on_b["p95"], &on_b["late"]), (&json!(21.5), &json!(0.01)));
    assert!((on_b["late_ci"].as_f64().unwrap() - 0.12706).abs() < 1e-6);
    assert!((on_b["p95_ci"].as_f64().unwrap() - 6.353).abs() < 1e-6);
    assert_eq!(figures["policies"][2]["cost_ratio"], Value::Null);
}

#[test]
fn the_plot_tells_who_was_late() {
    let chart = comparison().cost_against_wait("B");
    let Marks::Dots(late) = &chart.series[1].marks else {
        panic!("{chart:?}")
    };
    assert_eq!(late, &[((1.0, 21.0), "cheap".to_owned())]);
    let Marks::Dots(met) = &chart.series[0].marks else {
        panic!("{chart:?}")
    };
    assert_eq!(met.len(), 1);
}

#[test]
fn without_a_bound_or_a_run_nothing_panics() {
    let empty = Comparison::of(&[]);
    assert_eq!(empty.one_configuration().rows.len() + empty.workload_tables().len(), 0);
    assert_eq!(empty.figures(), json!({ "policies": [] }));
    let mut one = outcome("x", "A", 1, 0.0, f64::NAN);
    one.bound = 0.0;
    let comparison = Comparison::of(&[one]);
    assert_eq!(comparison.one_configuration().rows[0][1..3], ["0/1", "–"]);
    assert_eq!(comparison.workload_tables()[0].rows[0][2], "–");
    assert!(comparison.cost_against_wait("A").svg().contains("no data"));
}
