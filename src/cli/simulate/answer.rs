//! Results of the runs, as text for a terminal and as a page.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::{
    plan::{Result, RunKind, RunPlan},
    trace::Trace,
};
use crate::{
    scaling::TargetRule,
    sim::{
        Run, Seconds,
        peers::{input::mean_task, keda::COOLDOWN},
        report::{
            page::{Block, ReportPage},
            stats::number,
            table::Table,
            timeline::timeline,
        },
    },
};

/// All results.
pub(super) struct SimulationReport<'a> {
    plan: &'a RunPlan,
    results: Vec<Result>,
}

impl<'a> SimulationReport<'a> {
    pub(super) fn new(plan: &'a RunPlan, results: Vec<Result>) -> Self {
        Self { plan, results }
    }

    pub(super) fn text(&self, trace: &Trace) -> String {
        let mut text = self.sentences(trace).join("\n");
        text += "\n\n";
        text += &aligned(&self.outcome());
        if let Some(sentence) = self.bound() {
            text += &format!("\n{sentence}\n");
        }
        let prices = self.prices();
        text += &format!("\n{}\n{}", prices.caption, aligned(&prices));
        text
    }

    /// The same numbers, not rounded.
    pub(super) fn value(&self, trace: &Trace) -> Value {
        let workload = &self.plan.workload;
        let figures = |run: &Run| {
            json!({
                "tasksDone": run.tasks,
                "podHours": run.pod_hours,
                "waitSeconds": {"p50": run.waits.p50, "p95": run.waits.p95, "p99": run.waits.p99, "max": run.waits.max},
                "lateShare": run.waits.late,
                "scalingActions": run.actions,
                "tasksKilled": run.killed,
            })
        };
        let named = |(name, run): (String, &Run)| json!({"name": name, "figures": figures(run)});
        let price = |result: &Result| match result {
            Result::Run(RunKind::Within(target), run) => {
                Some(json!({"waitTargetSeconds": target, "figures": figures(run)}))
            }
            _ => None,
        };
        let mut told = json!({
            "tasks": workload.tasks.len(),
            "meanTaskSeconds": mean_task(workload),
            "lastArrivalSeconds": workload.tasks.last().map_or(0.0, |task| task.arrival),
        });
        if let Some(told) = told.as_object_mut() {
            told.extend(trace.value());
        }
        json!({
            "pool": self.plan.name,
            "trace": told,
            "lateAfterSeconds": workload.wait_target,
            "runs": self.compared().into_iter().map(named).collect::<Vec<_>>(),
            "waitTargets": self.results.iter().filter_map(price).collect::<Vec<_>>(),
            "lowestPodHours": self.lowest(),
        })
    }

    pub(super) fn page(&self, trace: &Trace) -> ReportPage {
        let text = |sentence| Block::Text(sentence);
        let mut blocks: Vec<_> = self.sentences(trace).into_iter().map(text).collect();
        blocks.push(Block::Table(self.outcome()));
        blocks.extend(self.bound().into_iter().map(text));
        blocks.push(Block::Table(self.prices()));
        blocks.push(Block::Heading("Over time".into()));
        let runs = self.compared();
        let runs: Vec<_> = runs.iter().map(|(name, run)| (name.as_str(), *run)).collect();
        blocks.extend(timeline(&self.plan.name, &runs).into_iter().map(Block::Figure));
        ReportPage {
            title: format!("{}, simulated", self.plan.name),
            blocks,
        }
    }

    /// Sentences about what was simulated.
    fn sentences(&self, trace: &Trace) -> Vec<String> {
        let (plan, workload) = (self.plan, &self.plan.workload);
        let last = workload.tasks.last().map_or(0.0, |task| task.arrival);
        let target = match plan.policy.target {
            TargetRule::Wait(wait) => format!("each task starts within {} s", wait.within.as_secs_f64()),
            TargetRule::Backlog(each) => {
                let late = workload.wait_target;
                format!("{each} outstanding tasks for each replica; late is what waits longer than {late} s")
            }
        };
        let mean = mean_task(workload);
        let mut all = vec![
            format!(
                "{} on {}: {} tasks in {}, {} s each on average",
                plan.name,
                trace.name(),
                workload.tasks.len(),
                span(last),
                number(mean, 2)
            ),
            format!(
                "{} to {} replicas with {} slots, ready after {} s (median), killed after {} s; target: {target}",
                plan.policy.min, plan.policy.max, workload.slots, plan.world.start_up, plan.world.grace
            ),
        ];
        all.extend(trace.sentences());
        if plan.policy.slots.is_none() {
            all.push("`worker.concurrency` is not set: each replica is taken to run 1 task at a time".into());
        }
        let busy = mean * workload.tasks.len() as f64 / last / f64::from(workload.slots);
        // Work that arrives all at once does not keep replicas busy all the time.
        if last >= 60.0 && busy > f64::from(plan.policy.max) {
            let (busy, max) = (number(busy, 1), plan.policy.max);
            all.push(format!(
                "the trace would keep {busy} replicas busy all the time, but `maxReplicas` is {max}: raise it"
            ));
        }
        if plan.suspended {
            all.push("`suspend: true` is left out here".into());
        }
        if let Some(settings) = plan.keda {
            all.push(format!(
                "{}: its target counts waiting and running tasks; pollingInterval 30 s, cooldownPeriod {COOLDOWN} s, the \
                 HPA's own behavior",
                settings.name()
            ));
        }
        all
    }

    /// Runs of the pool and of KEDA.
    fn compared(&self) -> Vec<(String, &Run)> {
        let runs = self.results.iter().filter_map(|result| match result {
            Result::Run(RunKind::Pool, run) => Some((self.plan.name.clone(), run.as_ref())),
            Result::Run(RunKind::Keda(settings), run) => Some((settings.name(), run.as_ref())),
            _ => None,
        });
        runs.collect()
    }

    fn outcome(&self) -> Table {
        let runs = self.compared();
        let late = format!("waited > {} s, %", self.plan.workload.wait_target);
        let row = |name: &str, figure: &dyn Fn(&Run) -> String| {
            let figures = runs.iter().map(|(_, run)| figure(run));
            std::iter::once(name.to_owned()).chain(figures).collect()
        };
        let mut head = vec![""];
        head.extend(runs.iter().map(|(name, _)| name.as_str()));
        let mut table = Table::new("The trace, simulated", &head);
        table.rows = vec![
            row("tasks done", &|run| run.tasks.to_string()),
            row("pod-hours", &|run| number(run.pod_hours, 2)),
            row("wait p50, s", &|run| number(run.waits.p50, 1)),
            row("wait p95, s", &|run| number(run.waits.p95, 1)),
            row("wait p99, s", &|run| number(run.waits.p99, 1)),
            row("wait max, s", &|run| number(run.waits.max, 1)),
            row(&late, &|run| number(100.0 * run.waits.late, 2)),
            row("scaling actions", &|run| run.actions.to_string()),
            row("tasks killed", &|run| run.killed.to_string()),
        ];
        table
    }

    fn prices(&self) -> Table {
        let head = ["target", "pod-hours", "late, %", "wait p95, s", "scaling actions"];
        let mut table = Table::new("What a wait target costs: the same pool with each of them", &head);
        let rows = self.results.iter().filter_map(|result| match result {
            Result::Run(RunKind::Within(target), run) => Some(vec![
                format!("{target} s"),
                number(run.pod_hours, 2),
                number(100.0 * run.waits.late, 2),
                number(run.waits.p95, 1),
                run.actions.to_string(),
            ]),
            _ => None,
        });
        table.rows = rows.collect();
        table
    }

    fn bound(&self) -> Option<String> {
        Some(format!(
            "Nobody starts each of these tasks within {} s with less than {} pod-hours, even who knows them beforehand.",
            self.plan.workload.wait_target,
            number(self.lowest()?, 2)
        ))
    }

    /// Number of pod-hours that nobody can beat.
    #[cfg(feature = "bound")]
    fn lowest(&self) -> Option<f64> {
        self.results.iter().find_map(|result| match result {
            Result::Bound(bound) => *bound,
            _ => None,
        })
    }

    /// None, because the solver is not built in.
    #[cfg(not(feature = "bound"))]
    fn lowest(&self) -> Option<f64> {
        None
    }
}

/// Table for a terminal: names to the left, figures to the right.
fn aligned(table: &Table) -> String {
    let rows = || std::iter::once(&table.head).chain(&table.rows);
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |column| rows().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows() {
        let first = width(0);
        text += &format!("{:<first$}", cell(row, 0));
        for column in 1..table.head.len() {
            let width = width(column);
            text += &format!("  {:>width$}", cell(row, column));
        }
        text.push('\n');
    }
    text
}

pub(super) fn span(seconds: Seconds) -> String {
    match seconds {
        short if short < 120.0 => format!("{short:.0} s"),
        middle if middle < 7200.0 => format!("{:.0} min", middle / 60.0),
        long => format!("{:.1} h", long / 3600.0),
    }
}
