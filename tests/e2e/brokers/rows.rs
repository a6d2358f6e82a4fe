//! Rows of the table: what is counted of an application, whatever its framework, beside what its tasks recorded.

use serde_json::json;
use taskworkerpool::model::Tally;

use crate::support::{
    app::{App, Load},
    bed::clock,
    figures,
    watch::Watch,
};

/// More and more endless tasks (row's number, tasks) for workers with so many slots in all: what each way to count says. `naive`
/// is what others would see.
pub async fn fill_up(
    app: &impl App,
    watches: &[(&'static str, Watch)],
    slots: u64,
    steps: &[(&'static str, u32)],
    naive: impl AsyncFn() -> String,
) -> Vec<Row> {
    let (mut rows, mut published) = (Vec::new(), 0);
    for (number, more) in steps {
        app.publish(&[Load::endless(*more)]).await;
        published += u64::from(*more);
        let running = published.min(slots);
        app.wait_started(running as usize).await;
        let truth = app.truth().await.counts(clock());
        assert_eq!((truth.waiting, truth.running), (published - running, running));
        for (how, watch) in watches {
            let setup = format!("{published} tasks, {}{how}", app.name());
            rows.push(row(number, &setup, naive().await, watch, published, running).await);
        }
    }
    rows
}

/// One line of the table.
pub struct Row {
    number: &'static str,
    setup: String,
    naive: String,
    /// `None`: the samples failed.
    ours: Option<u64>,
    truth: u64,
    /// The count and the number of running tasks became true and stayed so.
    pub right: bool,
}

/// Waits until our figures are the truth and stay so; the row says whether they did.
pub async fn row(number: &'static str, setup: &str, naive: String, watch: &Watch, truth: u64, running: u64) -> Row {
    let holds = |tally: &Tally| (tally.work.outstanding(), tally.work.running) == (truth, running);
    let (right, last) = watch.settled(holds).await;
    if !right {
        println!("row {number}: {setup}: {truth} outstanding, {running} running; seen: {last:#?}");
    }
    Row {
        number,
        setup: setup.to_owned(),
        naive,
        ours: last.and_then(|sample| Some(sample.result.ok()?.work.outstanding())),
        truth,
        right,
    }
}

/// The same where it only prepares a row.
pub async fn must_count(setup: &str, watch: &Watch, truth: u64, running: u64) {
    let row = row("-", setup, String::new(), watch, truth, running).await;
    assert!(row.right, "{setup}");
}

pub fn print(rows: &[Row]) {
    println!("| row | setup | naive | ours | truth | |\n|---|---|---|---|---|---|");
    for row in rows {
        let ours = row.ours.map_or("none".to_owned(), |ours| ours.to_string());
        let verdict = if row.right { "" } else { "WRONG" };
        let (number, setup, naive, truth) = (row.number, &row.setup, &row.naive, row.truth);
        println!("| {number} | {setup} | {naive} | {ours} | {truth} | {verdict} |");
    }
}

/// A place in which tasks can be, or a state in which they are, and whether they were counted right there.
pub struct Place {
    what: &'static str,
    right: bool,
}

/// Waits until what is counted holds, and stays so.
pub async fn place(what: &'static str, watch: &Watch, holds: impl Fn(&Tally) -> bool) -> Place {
    let (right, seen) = watch.settled(holds).await;
    if !right {
        println!("WRONG {what}: {seen:#?}");
    }
    Place { what, right }
}

/// All must have been counted right; how many were is a figure of the house.
pub fn judge(figure: &str, places: impl IntoIterator<Item = Vec<Place>>) {
    let places: Vec<_> = places.into_iter().flatten().collect();
    for place in &places {
        println!("{} {}", if place.right { "right" } else { "WRONG" }, place.what);
    }
    let right = places.iter().filter(|place| place.right).count();
    figures::record_in("house", figure, json!([right, places.len()]));
    assert_eq!(right, places.len());
}
