//! What is compared, and when two runs are alike. Pure.

use taskworkerpool::sim::{Waits, report::stats::mean};

use crate::reality::scenario::TARGET;

/// Figures may differ by this share of the simulated one.
const SHARE: f64 = 0.15;

/// What was seen of a run, real or simulated. Times are in seconds since its beginning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Replicas wished; each number lasts until the next.
    pub replicas: Vec<(f64, u32)>,
    /// Replicas ready, likewise.
    pub ready: Vec<(f64, u32)>,
    /// When each task was published and how long it waited, in the order of publishing.
    pub waits: Vec<(f64, f64)>,
}

/// One figure of both runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub figure: &'static str,
    pub real: f64,
    pub simulated: f64,
    /// So much more they may differ: what is small is soon a large share.
    pub slack: f64,
}

impl Row {
    /// How far they may be apart.
    pub fn allowed(&self) -> f64 {
        SHARE * self.simulated + self.slack
    }

    pub fn alike(&self) -> bool {
        (self.real - self.simulated).abs() <= self.allowed()
    }
}

/// What is read off a run.
type Figure = fn(&History) -> f64;

/// All figures of both runs.
pub fn compare(real: &History, simulated: &History) -> Vec<Row> {
    let figures: [(_, Figure, _); 4] = [
        ("pod-seconds", |history| pod_seconds(&history.replicas), 0.0),
        ("most replicas", peak, 0.0),
        ("mean wait, s", |history| mean(&waits(history)), 1.0),
        (
            "wait p95, s",
            |history| Waits::of(waits(history), f64::from(TARGET)).p95,
            1.0,
        ),
    ];
    let row = |(figure, of, slack): (_, fn(&History) -> f64, _)| Row {
        figure,
        real: of(real),
        simulated: of(simulated),
        slack,
    };
    figures.map(row).to_vec()
}

/// NaN for none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Replicas summed up over time, until the last number.
fn pod_seconds(curve: &[(f64, u32)]) -> f64 {
    let spans = curve.iter().zip(curve.iter().skip(1));
    spans
        .map(|((from, pods), (to, _))| (to - from) * f64::from(*pods))
        .sum()
}

fn peak(history: &History) -> f64 {
    history
        .replicas
        .iter()
        .map(|(_, pods)| f64::from(*pods))
        .fold(0.0, f64::max)
}

fn waits(history: &History) -> Vec<f64> {
    history.waits.iter().map(|(_, wait)| *wait).collect()
}

#[test]
fn figures_are_of_the_whole_course() {
    let real = History {
        replicas: vec![(0.0, 0), (2.0, 3), (12.0, 1), (20.0, 0)],
        waits: (0..20).map(|n| (0.0, f64::from(n))).collect(),
        ..History::default()
    };
    let twice = History {
        replicas: real.replicas.iter().map(|(at, pods)| (*at, pods * 2)).collect(),
        waits: real.waits.iter().map(|(at, wait)| (*at, wait * 2.0)).collect(),
        ..History::default()
    };
    let found = compare(&real, &twice);
    let found: Vec<_> = found.iter().map(|row| (row.figure, row.real, row.simulated)).collect();
    assert_eq!(
        found,
        [
            ("pod-seconds", 38.0, 76.0),
            ("most replicas", 3.0, 6.0),
            ("mean wait, s", 9.5, 19.0),
            ("wait p95, s", 19.0, 38.0),
        ]
    );
}

#[test]
fn a_share_and_a_slack_may_lie_between_them() {
    let row = |real, simulated, slack| Row {
        figure: "",
        real,
        simulated,
        slack,
    };
    for (real, simulated, slack, alike) in [
        (115.0, 100.0, 0.0, true),
        (85.0, 100.0, 0.0, true),
        (116.0, 100.0, 0.0, false),
        (84.0, 100.0, 0.0, false),
        (1.2, 0.2, 1.0, true),
        (1.3, 0.2, 1.0, false),
        (f64::NAN, 1.0, 1.0, false),
    ] {
        assert_eq!(row(real, simulated, slack).alike(), alike, "{real} and {simulated}");
    }
}
