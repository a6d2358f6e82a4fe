//! Timeline of a run: what waits, the replicas, and how long the oldest task has waited.
#![deny(clippy::disallowed_methods)]

use super::svg::{Chart, Marks, Measure, Scale, Series};
use crate::sim::{Point, Run};

/// Three figures, with a line for each run that was recorded over time.
pub fn timeline(title: &str, runs: &[(&str, &Run)]) -> Vec<Chart> {
    let chart = |what: &str, label: &str, steps: bool, value: fn(&Point) -> f64| {
        let series = runs.iter().map(|(name, run)| {
            let points = run.series.iter().map(|point| (point.at, value(point))).collect();
            Series {
                name: (*name).to_owned(),
                marks: if steps {
                    Marks::Steps(points)
                } else {
                    Marks::Line(points)
                },
            }
        });
        Chart {
            title: format!("{title}: {what}"),
            x: Measure {
                label: "time".into(),
                scale: Scale::Time,
            },
            y: Measure {
                label: label.into(),
                scale: Scale::Linear,
            },
            series: series.collect(),
        }
    };
    vec![
        chart("tasks that wait", "tasks", false, |point| point.waiting as f64),
        chart("replicas", "replicas", true, |point| f64::from(point.replicas)),
        chart("age of the oldest task that waits", "seconds", false, |point| {
            point.oldest_wait
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_has_a_line_in_each_figure() {
        let run = Run {
            series: vec![Point {
                at: 10.0,
                waiting: 3,
                replicas: 2,
                oldest_wait: 7.0,
                ..Point::default()
            }],
            ..Run::default()
        };
        let charts = timeline("S1", &[("ours", &run), ("theirs", &run)]);
        let last = |chart: &Chart| match &chart.series[1].marks {
            Marks::Line(points) | Marks::Steps(points) => points[0],
            Marks::Dots(_) => panic!("dots"),
        };
        let found: Vec<_> = charts.iter().map(last).collect();
        assert_eq!(found, [(10.0, 3.0), (10.0, 2.0), (10.0, 7.0)]);
        assert!(charts.iter().all(|chart| chart.series[0].name == "ours"));
    }
}
