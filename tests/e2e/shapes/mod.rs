//! Twelve shapes in which public charts run Celery workers and carry the broker's address, each with a pool that says the
//! same; beside an operator as the chart installs it, for it has to find Services by their names.
//!
//! | file | concept |
//! |---|---|
//! | `charts/` | the shapes: Secrets, workers and a pool in one file each |
//! | `app/` | the application that puts its broker together from what it is given |
//! | `shape.rs` | a shape's objects, and what a pool cannot say |
//! | `stage.rs` | the brokers that they lead to |
//! | `row.rs` | one shape from its objects to zero, one worker and back |
//!
//! Runs alone with `install`, and like that after `make image`: `cargo test --all-features --test e2e -- shapes:: --nocapture`.

mod row;
mod shape;
mod stage;

use futures::future::join_all;
use serde_json::json;

use self::{
    row::{Outcome, Row},
    shape::SHAPES,
    stage::ShapeStage,
};
use crate::{
    install::Install,
    support::{bed::Namespace, figures},
};

#[tokio::test]
async fn the_shapes_of_public_charts_scale_from_zero_and_back() {
    let stage = ShapeStage::new().await;
    let operator = Namespace::new("twp-shapes").await;
    let only = format!("watchNamespaces={{{}}}", stage.ns().name);
    let alone = [
        only.as_str(),
        "replicaCount=1",
        "leaderElection.enabled=false",
        "crds.enabled=false",
        "rbac.statefulSets=true",
    ];
    let _install = Install::new(&operator, &alone);
    let rows = join_all(SHAPES.iter().map(|shape| Row::of(&stage, shape))).await;

    let lines: Vec<_> = rows.iter().map(Row::line).collect();
    println!("{}", lines.join("\n"));
    let expressed = rows.iter().filter(|row| row.outcome == Outcome::Expressed).count();
    figures::record_in("install", "shapes_expressed", json!([expressed, rows.len()]));
    let wrong = rows.iter().any(|row| matches!(row.outcome, Outcome::Wrong(_)));
    let log = operator.kubectl(&["logs", "deploy/twp-operator", "--tail=200"]).await;
    assert!(!wrong, "{}\n{log}", lines.join("\n"));
}
