//! The reality check: real Celery workers under the operator beside the simulator on the same input. A measurement, not
//! one of the tests that must always pass: a machine that is busy with other things starts pods late.
//!
//! | file | concept |
//! |---|---|
//! | `scenario.rs` | the work, and the pool that it is for |
//! | `real.rs` | a scenario on the cluster |
//! | `simulated.rs` | the same in the simulator |
//! | `compare.rs` | what is compared, and when both are alike |
//! | `report.rs` | the table, `target/figures/reality.json` and `target/report/reality.html` |
//!
//! Needs the test bed: `make reality`.

mod compare;
mod real;
mod report;
mod scenario;
mod simulated;

use report::Result;

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_and_the_cluster_agree_within_15_percent() {
    let mut results = Vec::new();
    // One after another: workers that start at the same time slow each other down.
    for scenario in scenario::all() {
        let measured = real::run(&scenario).await;
        let simulated = simulated::run(&scenario, &measured);
        results.push(Result::new(scenario, measured, simulated));
        report::write(&results);
    }
    for result in &results {
        println!("{}", result.table().markdown());
    }
    let apart: Vec<_> = results.iter().flat_map(Result::apart).collect();
    assert!(apart.is_empty(), "more than 15 % apart: {apart:#?}");
}
