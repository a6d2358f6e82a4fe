//! What came of it: a table, figures for machines, and a page with plots.

use std::{fs, path::PathBuf};

use serde_json::{Map, Value, json};
use taskworkerpool::sim::report::{
    page::{Block, ReportPage},
    stats::number,
    svg::{Chart, Marks, Measure, Scale, Series},
    table::Table,
};

use crate::reality::{
    compare::{History, Row, compare},
    real::Measured,
    scenario::{SLOTS, Scenario, TARGET, TASK},
    simulated::spread,
};

/// One scenario, both ways.
pub struct Result {
    scenario: Scenario,
    measured: Measured,
    simulated: History,
    rows: Vec<Row>,
}

impl Result {
    pub fn new(scenario: Scenario, measured: Measured, simulated: History) -> Self {
        let rows = compare(&measured.history, &simulated);
        Self {
            scenario,
            measured,
            simulated,
            rows,
        }
    }

    /// What is too far apart.
    pub fn apart(&self) -> Vec<(&'static str, Row)> {
        let apart = self.rows.iter().filter(|row| !row.alike());
        apart.map(|row| (self.scenario.name, *row)).collect()
    }

    pub fn table(&self) -> Table {
        let head = ["", "real", "simulated", "apart", "allowed"];
        let mut table = Table::new(self.scenario.name, &head);
        let rows = self.rows.iter().map(|row| {
            let apart = (row.real - row.simulated).abs();
            let figures = [row.real, row.simulated, apart, row.allowed()].map(|figure| number(figure, 1));
            [vec![row.figure.to_owned()], figures.to_vec()].concat()
        });
        table.rows = rows.collect();
        table
    }

    fn blocks(&self) -> Vec<Block> {
        let (median, sigma) = spread(&self.measured.start_ups);
        let text = format!(
            "{}: {} tasks of {TASK} s; {} pods took tasks after {} s (median; standard deviation of the logarithm {}).",
            self.scenario.about,
            self.measured.history.waits.len(),
            self.measured.start_ups.len(),
            number(median, 1),
            number(sigma, 2)
        );
        vec![
            Block::Heading(self.scenario.name.into()),
            Block::Text(text),
            Block::Table(self.table()),
            Block::Figure(self.replicas()),
            Block::Figure(self.waits()),
        ]
    }

    fn replicas(&self) -> Chart {
        let (real, simulated) = (&self.measured.history, &self.simulated);
        let curves = [
            ("real", &real.replicas),
            ("simulated", &simulated.replicas),
            ("real, ready", &real.ready),
            ("simulated, ready", &simulated.ready),
        ];
        let series = curves.map(|(name, curve)| Series {
            name: name.into(),
            marks: Marks::Steps(curve.iter().map(|(at, pods)| (*at, f64::from(*pods))).collect()),
        });
        self.chart("replicas", "replicas", series.to_vec())
    }

    fn waits(&self) -> Chart {
        let series = [("real", &self.measured.history), ("simulated", &self.simulated)];
        let series = series.map(|(name, history)| Series {
            name: name.into(),
            marks: Marks::Line(history.waits.clone()),
        });
        self.chart(
            "wait of each task, by the time of its arrival",
            "seconds",
            series.to_vec(),
        )
    }

    fn chart(&self, what: &str, unit: &str, series: Vec<Series>) -> Chart {
        Chart {
            title: format!("{}: {what}", self.scenario.name),
            x: Measure {
                label: "time".into(),
                scale: Scale::Time,
            },
            y: Measure {
                label: unit.into(),
                scale: Scale::Linear,
            },
            series,
        }
    }

    fn figures(&self) -> Value {
        let history =
            |history: &History| json!({"replicas": history.replicas, "ready": history.ready, "waits": history.waits});
        let rows = self.rows.iter().map(|row| {
            let figures = json!({
                "real": row.real, "simulated": row.simulated, "allowed": row.allowed(), "alike": row.alike(),
            });
            (row.figure.to_owned(), figures)
        });
        json!({
            "compared": rows.collect::<Map<_, _>>(), "startUps": self.measured.start_ups,
            "real": history(&self.measured.history), "simulated": history(&self.simulated),
        })
    }
}

/// Writes figures and page into the checkout's `target`, wherever the build goes.
pub fn write(results: &[Result]) {
    let about = format!(
        "Celery workers with {SLOTS} slots on Redis, a pool with a wait target of {TARGET} s that begins at zero, and the \
         simulator with the same policy, arrivals and start-up times."
    );
    let page = ReportPage {
        title: "The simulator beside a real cluster".into(),
        blocks: std::iter::once(Block::Text(about))
            .chain(results.iter().flat_map(Result::blocks))
            .collect(),
    };
    let figures = results
        .iter()
        .map(|result| (result.scenario.name.to_owned(), result.figures()));
    let figures = Value::Object(figures.collect());
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target");
    let files = [
        ("figures/reality.json", format!("{figures:#}\n")),
        ("report/reality.html", page.html()),
    ];
    for (name, text) in files {
        let path = target.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the report's folder");
        fs::write(&path, text).expect("the report");
    }
}
