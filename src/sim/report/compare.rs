//! Comparison of policies: per workload, and with one configuration for all of them, which is what a user gets.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::{
    stats::{Estimate, geometric_mean, number},
    svg::{Chart, Marks, Measure, Scale, Series},
    table::Table,
};
use crate::sim::Run;

/// Share of tasks that may be late on the mean over seeds, 0 to 1.
const LATE: f64 = 0.01;

/// Result of one run of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOutcome {
    /// Policy with its parameters: other parameters are another policy.
    pub policy: String,
    /// Name of the workload.
    pub workload: String,
    /// Seed of the workload's tasks.
    pub seed: u64,
    /// Smallest number of pod-hours for these tasks.
    pub bound: f64,
    /// Results of the run.
    pub run: Run,
    /// Reasons of the condition `TargetFeasible`, for our policy.
    pub diagnoses: Vec<&'static str>,
}

/// All policies on all workloads, in the order of their first result.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    workloads: Vec<String>,
    policies: Vec<PolicyResults>,
}

#[derive(Clone, Debug, PartialEq)]
struct PolicyResults {
    name: String,
    cells: Vec<Cell>,
}

/// Results of a policy on a workload, over its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    workload: String,
    /// Number of seeds.
    pub seeds: usize,
    /// Cost in pod-hours.
    pub pod_hours: Estimate,
    /// Pod-hours ÷ the bound.
    pub cost_ratio: Estimate,
    /// 95th percentile of the waits, in seconds.
    pub p95: Estimate,
    /// Share of tasks that waited too long, 0 to 1.
    pub late: Estimate,
    /// Number of changes of the replicas.
    pub actions: Estimate,
    /// Number of steps up soon after a step down.
    pub oscillations: Estimate,
    /// Number of tasks interrupted by scaling down.
    pub killed: Estimate,
}

impl Comparison {
    /// Comparison of runs in any order.
    pub fn of(outcomes: &[RunOutcome]) -> Self {
        let workloads = distinct(outcomes.iter().map(|outcome| &outcome.workload));
        let names = distinct(outcomes.iter().map(|outcome| &outcome.policy));
        let policies = names.into_iter().map(|name| {
            let cells = workloads.iter().filter_map(|workload| {
                let own = outcomes
                    .iter()
                    .filter(|one| one.policy == name && one.workload == *workload);
                Cell::of(workload, &own.collect::<Vec<_>>())
            });
            PolicyResults {
                cells: cells.collect(),
                name,
            }
        });
        Self {
            policies: policies.collect(),
            workloads,
        }
    }

    /// Results of a policy on a workload; `None` if it was not run on it.
    pub fn cell(&self, policy: &str, workload: &str) -> Option<&Cell> {
        self.policies.iter().find(|one| one.name == policy)?.cell(workload)
    }

    /// Workloads, in the order of their first result.
    pub fn workloads(&self) -> &[String] {
        &self.workloads
    }

    /// Policies, in the same order.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(|policy| policy.name.as_str())
    }

    /// Whether a policy, with its one configuration, met the target on all workloads.
    pub fn is_met_everywhere(&self, policy: &str) -> bool {
        let met = |workload: &String| self.cell(policy, workload).is_some_and(Cell::is_met);
        self.workloads.iter().all(met)
    }

    /// Geometric mean of a policy's cost over the workloads; NaN unless it was run on all of them.
    pub fn mean_cost_ratio(&self, policy: &str) -> f64 {
        let policy = self.policies.iter().find(|one| one.name == policy);
        policy.map_or(f64::NAN, |policy| self.cost_ratio(policy))
    }

    /// Tables, one for each workload: every policy's mean ± 95 % confidence interval over the seeds.
    pub fn workload_tables(&self) -> Vec<Table> {
        let head = [
            "policy",
            "pod-h",
            "cost ÷ bound",
            "p95 wait, s",
            "late, %",
            "actions",
            "oscillations",
            "killed",
        ];
        let tables = self.workloads.iter().map(|workload| {
            let cells = || {
                self.policies
                    .iter()
                    .filter_map(|policy| Some((policy, policy.cell(workload)?)))
            };
            let seeds = cells().map(|(_, cell)| cell.seeds).max().unwrap_or_default();
            let caption = format!("{workload}: mean ± 95 % confidence interval, {seeds} seeds");
            let mut table = Table::new(caption, &head);
            table.rows = cells().map(|(policy, cell)| cell.row(&policy.name)).collect();
            table
        });
        tables.collect()
    }

    /// Table of each policy with its one configuration on all workloads, the best first: most workloads met, then
    /// cheapest.
    pub fn one_configuration(&self) -> Table {
        let count = self.workloads.len();
        let head = [
            "configuration",
            "met",
            "cost ÷ bound",
            "actions",
            "oscillations",
            "killed",
            "worst late, %",
            "missed",
        ];
        let caption = format!(
            "One configuration for all {count} workloads: met is at most {} % late, cost the geometric mean, \
             actions, oscillations and killed tasks the sum",
            100.0 * LATE
        );
        let mut table = Table::new(caption, &head);
        let mut policies: Vec<_> = self.policies.iter().collect();
        policies.sort_by(|a, b| {
            let by_met = self.met(b).cmp(&self.met(a));
            by_met.then(self.cost_ratio(a).total_cmp(&self.cost_ratio(b)))
        });
        let rows = policies.into_iter().map(|policy| {
            vec![
                policy.name.clone(),
                format!("{}/{count}", self.met(policy)),
                number(self.cost_ratio(policy), 2),
                number(policy.sum(|cell| cell.actions), 0),
                number(policy.sum(|cell| cell.oscillations), 0),
                number(policy.sum(|cell| cell.killed), 0),
                number(100.0 * policy.worst_late(), 2),
                self.missed(policy).join(" "),
            ]
        });
        table.rows = rows.collect();
        table
    }

    /// Cost against the 95th percentile of waits on one workload, a dot for each policy: those that met it, and those
    /// that missed it.
    pub fn cost_against_wait(&self, workload: &str) -> Chart {
        let dots = |met: bool| {
            let cells = self
                .policies
                .iter()
                .filter_map(|policy| Some((policy, policy.cell(workload)?)));
            let cells = cells.filter(|(_, cell)| cell.is_met() == met);
            let dots = cells.map(|(policy, cell)| ((cell.cost_ratio.mean, cell.p95.mean), policy.name.clone()));
            Marks::Dots(dots.collect())
        };
        let series = [("in time", true), ("too late", false)].map(|(name, met)| Series {
            name: name.into(),
            marks: dots(met),
        });
        Chart {
            title: format!("{workload}: cost against wait"),
            x: Measure {
                label: "cost ÷ bound".into(),
                scale: Scale::Log,
            },
            y: Measure {
                label: "p95 wait, s".into(),
                scale: Scale::Linear,
            },
            series: series.into(),
        }
    }

    /// Figures for `decisions.json`: `policies`, each with its figures over all workloads and for each of them. Waits
    /// are in seconds, lateness is a share, `_ci` half the width of the 95 % interval; what is unknown is null.
    pub fn figures(&self) -> Value {
        let policies = self.policies.iter().map(|policy| {
            json!({
                "name": policy.name,
                "met": self.met(policy),
                "cost_ratio": self.cost_ratio(policy),
                "killed": policy.sum(|cell| cell.killed),
                "actions": policy.sum(|cell| cell.actions),
                "oscillations": policy.sum(|cell| cell.oscillations),
                "worst_late": policy.worst_late(),
                "workloads": policy.cells.iter().map(Cell::figures).collect::<Vec<_>>(),
            })
        });
        json!({ "policies": policies.collect::<Vec<_>>() })
    }

    /// Workloads on which too many tasks were late, or which it was not run on.
    fn missed(&self, policy: &PolicyResults) -> Vec<&str> {
        let missed = |workload: &&String| !policy.cell(workload).is_some_and(Cell::is_met);
        self.workloads.iter().filter(missed).map(String::as_str).collect()
    }

    fn met(&self, policy: &PolicyResults) -> usize {
        self.workloads.len() - self.missed(policy).len()
    }

    /// Geometric mean over the workloads; NaN unless it was run on all of them: other means do not compare.
    fn cost_ratio(&self, policy: &PolicyResults) -> f64 {
        if policy.cells.len() < self.workloads.len() {
            return f64::NAN;
        }
        let ratios: Vec<_> = policy.cells.iter().map(|cell| cell.cost_ratio.mean).collect();
        geometric_mean(&ratios)
    }
}

impl PolicyResults {
    fn cell(&self, workload: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.workload == workload)
    }

    /// Sum of a figure's means over seeds.
    fn sum(&self, figure: impl Fn(&Cell) -> Estimate) -> f64 {
        self.cells.iter().map(|cell| figure(cell).mean).sum()
    }

    /// Highest mean share of late tasks; NaN, which is above all numbers, if one is unknown.
    fn worst_late(&self) -> f64 {
        let late = self.cells.iter().map(|cell| cell.late.mean);
        late.max_by(f64::total_cmp).unwrap_or(0.0)
    }
}

impl Cell {
    /// Results of these runs; `None` without a run.
    fn of(workload: &str, outcomes: &[&RunOutcome]) -> Option<Self> {
        if outcomes.is_empty() {
            return None;
        }
        let over = |figure: &dyn Fn(&RunOutcome) -> f64| {
            let values: Vec<_> = outcomes.iter().map(|outcome| figure(outcome)).collect();
            Estimate::of(&values)
        };
        Some(Self {
            workload: workload.to_owned(),
            seeds: outcomes.len(),
            pod_hours: over(&|one| one.run.pod_hours),
            cost_ratio: over(&|one| one.run.pod_hours / one.bound),
            p95: over(&|one| one.run.waits.p95),
            late: over(&|one| one.run.waits.late),
            actions: over(&|one| f64::from(one.run.actions)),
            oscillations: over(&|one| f64::from(one.run.oscillations)),
            killed: over(&|one| one.run.killed as f64),
        })
    }

    /// Whether few enough tasks were late.
    pub fn is_met(&self) -> bool {
        // The mean of equal shares may come out a hair above them.
        self.late.mean <= LATE + 1e-9
    }

    fn row(&self, policy: &str) -> Vec<String> {
        let percent = Estimate {
            mean: 100.0 * self.late.mean,
            half: 100.0 * self.late.half,
        };
        vec![
            policy.to_owned(),
            self.pod_hours.text(if self.pod_hours.mean < 10.0 { 2 } else { 1 }),
            self.cost_ratio.text(2),
            self.p95.text(1),
            percent.text(2),
            self.actions.text(0),
            self.oscillations.text(0),
            self.killed.text(1),
        ]
    }

    fn figures(&self) -> Value {
        json!({
            "name": self.workload,
            "seeds": self.seeds,
            "cost_ratio": self.cost_ratio.mean,
            "cost_ratio_ci": self.cost_ratio.half,
            "late": self.late.mean,
            "late_ci": self.late.half,
            "p95": self.p95.mean,
            "p95_ci": self.p95.half,
        })
    }
}

/// Names in the order of their first result, each once.
fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        if !distinct.contains(name) {
            distinct.push(name.clone());
        }
    }
    distinct
}

#[cfg(test)]
mod tests;
