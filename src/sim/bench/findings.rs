//! Findings of all runs: tables, figures, one page, and one JSON value.
#![deny(clippy::disallowed_methods)]
use super::{
    contestants::{BALANCED, ECONOMY},
    sensitivity,
};
use crate::sim::{
    Run, Seconds,
    peers::{Configuration, groups::keda_expert},
    report::{
        compare::{Cell, Comparison, RunOutcome},
        page::{Block, ReportPage},
        stats::{mean, number},
        svg::{Chart, Marks, Measure, Scale, Series},
        table::Table,
        timeline::timeline,
    },
};
use serde_json::{Value, json};

/// All results.
#[derive(Clone, Debug)]
pub struct Findings {
    /// All contestants on all workloads.
    pub comparison: Comparison,
    /// Wait target of each workload.
    pub targets: Vec<(String, Seconds)>,
    /// Our policy where something is different: see [`sensitivity`].
    pub variations: Vec<RunOutcome>,
    /// One seed of each workload over time.
    pub watched: Vec<RunsOverTime>,
    /// Duration of one decision: the median, in microseconds.
    pub decide_us: f64,
}

/// Some policies on one draw of a workload, over time.
#[derive(Clone, Debug)]
pub struct RunsOverTime {
    /// Workload and seed.
    pub title: String,
    /// Name and run of each policy.
    pub runs: Vec<(String, Run)>,
}

impl Findings {
    /// All tables, in the order of their importance.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = vec![
            self.comparison.one_configuration(),
            self.against_the_expert(),
            sensitivity::table(&self.variations),
        ];
        tables.extend(self.comparison.workload_tables());
        tables
    }

    /// For each workload the peers' setting that is best there, picked after the results are known, beside our
    /// variants, which are the same on all. It is the cheapest that meets the target; where none does, the one with the
    /// fewest late tasks.
    pub fn against_the_expert(&self) -> Table {
        let head = [
            "workload",
            "the expert's choice",
            "pod-h",
            "late, %",
            "Balanced, pod-h",
            "late, %",
            "÷ expert",
            "Economy, pod-h",
            "late, %",
            "÷ expert",
        ];
        let caption = "Against a KEDA expert: the best of 56 settings on each workload, chosen in hindsight";
        let mut table = Table::new(caption, &head);
        for workload in self.comparison.workloads() {
            let Some((choice, expert)) = self.expert(workload) else {
                continue;
            };
            let missed = if expert.is_met() { "" } else { " (misses)" };
            let mut row = vec![workload.clone(), format!("{choice}{missed}")];
            row.extend(cost_and_lateness(expert));
            for ours in [BALANCED, ECONOMY] {
                let Some(cell) = self.comparison.cell(ours, workload) else {
                    continue;
                };
                row.extend(cost_and_lateness(cell));
                row.push(number(cell.pod_hours.mean / expert.pod_hours.mean, 2));
            }
            table.rows.push(row);
        }
        table
    }

    fn expert(&self, workload: &str) -> Option<(String, &Cell)> {
        let names = keda_expert().into_iter().map(|settings| Configuration::name(&settings));
        let cells = names.filter_map(|name| Some((self.comparison.cell(&name, workload)?, name)));
        let best = cells.min_by(|(a, _), (b, _)| {
            let by_met = b.is_met().cmp(&a.is_met());
            by_met.then_with(|| match a.is_met() {
                true => a.pod_hours.mean.total_cmp(&b.pod_hours.mean),
                false => a.late.mean.total_cmp(&b.late.mean),
            })
        })?;
        Some((best.1, best.0))
    }

    /// Cost against waits over all workloads, a dot for each policy.
    fn overall(&self) -> Chart {
        let dots = |met: bool| {
            let policies = self.comparison.policies();
            let policies = policies.filter(|policy| self.comparison.is_met_everywhere(policy) == met);
            let dots = policies.map(|policy| {
                let point = (self.comparison.mean_cost_ratio(policy), self.share_of_target(policy));
                (point, policy.to_owned())
            });
            Marks::Dots(dots.collect())
        };
        let series = [("in time everywhere", true), ("too late somewhere", false)].map(|(name, met)| Series {
            name: name.into(),
            marks: dots(met),
        });
        Chart {
            title: "All workloads, one configuration: cost against wait".into(),
            x: Measure {
                label: "cost ÷ bound, geometric mean".into(),
                scale: Scale::Log,
            },
            y: Measure {
                label: "p95 wait ÷ target, mean".into(),
                scale: Scale::Log,
            },
            series: series.into(),
        }
    }

    fn share_of_target(&self, policy: &str) -> f64 {
        let shares = self.targets.iter().map(|(workload, target)| {
            let cell = self.comparison.cell(policy, workload);
            cell.map_or(f64::NAN, |cell| cell.p95.mean / target)
        });
        mean(&shares.collect::<Vec<_>>())
    }

    /// Report as a page.
    pub fn page(&self) -> ReportPage {
        let text = |text: &str| Block::Text(text.into());
        let heading = |text: &str| Block::Heading(text.into());
        let mut tables = self.tables().into_iter().map(Block::Table);
        let mut blocks = vec![text(ABOUT), heading("One configuration for all")];
        blocks.extend(tables.next());
        blocks.push(Block::Figure(self.overall()));
        blocks.push(heading("Against an expert"));
        blocks.extend(tables.next());
        blocks.push(heading("Where something is not as expected"));
        blocks.push(text(VARIED));
        blocks.extend(tables.next());
        for ((workload, target), table) in self.targets.iter().zip(tables) {
            blocks.push(heading(&format!("{workload}, wait target {target} s")));
            blocks.push(table);
            blocks.push(Block::Figure(self.comparison.cost_against_wait(workload)));
            let watched = self.watched.iter().filter(|watched| watched.is_of(workload));
            blocks.extend(watched.flat_map(RunsOverTime::charts).map(Block::Figure));
        }
        blocks.push(heading("The price of a decision"));
        let price = number(self.decide_us, 1);
        blocks.push(text(&format!(
            "One call of the decision takes {price} µs: the median over a recorded run of S2, on the machine of this run."
        )));
        ReportPage {
            title: "Decisions, compared".into(),
            blocks,
        }
    }

    /// Figures for `decisions.json`.
    pub fn figures(&self) -> Value {
        let mut figures = self.comparison.figures();
        let variations = Comparison::of(&self.variations).figures();
        if let Some(all) = figures.as_object_mut() {
            all.insert("decide_us".into(), json!(self.decide_us));
            all.insert("expert".into(), self.expert_figures());
            all.insert("sensitivity".into(), variations["policies"].clone());
        }
        figures
    }

    fn expert_figures(&self) -> Value {
        let all = self.comparison.workloads().iter().filter_map(|workload| {
            let (choice, cell) = self.expert(workload)?;
            let ratio = |ours: &str| {
                let ours = self.comparison.cell(ours, workload)?;
                Some(ours.pod_hours.mean / cell.pod_hours.mean)
            };
            Some(json!({
                "workload": workload,
                "choice": choice,
                "met": cell.is_met(),
                "balanced_ratio": ratio(BALANCED),
                "economy_ratio": ratio(ECONOMY),
            }))
        });
        Value::Array(all.collect())
    }
}

impl RunsOverTime {
    fn is_of(&self, workload: &str) -> bool {
        self.title.split(',').next() == Some(workload)
    }

    fn charts(&self) -> Vec<Chart> {
        let runs: Vec<_> = self.runs.iter().map(|(name, run)| (name.as_str(), run)).collect();
        timeline(&self.title, &runs)
    }
}

fn cost_and_lateness(cell: &Cell) -> [String; 2] {
    let decimals = if cell.pod_hours.mean < 10.0 { 2 } else { 1 };
    [number(cell.pod_hours.mean, decimals), number(100.0 * cell.late.mean, 2)]
}

const ABOUT: &str = "Every policy runs the same tasks on the same simulated pods, which take 25 s to start (median; \
    lognormal, σ 0.25) and are killed 30 s after they are diagnoses to stop; 1 to 200 replicas. A workload is met if at most \
    1 % of its tasks wait longer than its target. Cost is pod-hours, divided by those of a bound that nobody can beat \
    who starts each task in time: it knows every task beforehand. Peers are diagnoses the true mean task time, and so is ours \
    as its hint. The two recordings derive from the Azure LLM inference traces 2023 (Azure/AzurePublicDataset, CC BY 4.0).";

const VARIED: &str = "The profile Balanced, with one thing different in each line. The hint is the mean task time as the \
    user says it; the counter is the workers' count of tasks taken on. S1 where pods start in 120 s is a target of 60 s \
    that no policy can hold which does not know of the next batch.";
