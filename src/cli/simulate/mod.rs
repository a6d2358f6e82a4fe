//! `kubectl twp simulate`: how a pool would have scaled recorded work, and what other wait targets would have cost.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `mod.rs` | shell | the command: reads files or asks the cluster, starts threads, writes the result |
//! | `manifest.rs` | pure | the one pool of a manifest |
//! | `hour.rs` | pure | the last hour of a pool in a cluster, as a question |
//! | `trace.rs` | pure | what is said of the work and of where it comes from |
//! | `plan.rs` | pure | which runs are needed |
//! | `answer.rs` | pure | the results, as text, as a value and as a page |

mod answer;
mod hour;
mod manifest;
mod plan;
mod trace;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;

use super::{
    Answer, OutputArgs,
    cluster::{ClusterArgs, Connection, block_on},
    files,
};
use crate::{
    controller::validate,
    kube::{
        Key,
        plugin::{self, explained},
    },
    model::WorkloadKind,
    sim::{Seconds, Task, traces},
};
use answer::SimulationReport;
use hour::{Found, Given};
use manifest::Manifest;
use plan::{Result as RunResult, RunOptions, RunPlan};
use trace::Trace;

/// Time after which progress is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// Trace format, below the flags.
const FORMAT: &str = "\
The trace is a CSV file. Its header tells which of two forms it has. One line for each task:

  arrival_seconds,duration_seconds
  0.000,1.255
  0.731,4.020

or one line for each interval, as a metrics system exports it; the tasks are spread evenly over it:

  interval_start_seconds,count,duration_seconds
  0,120,3.5
  60,80,3.9

arrival_seconds: when the task was published; duration_seconds: how long it ran, or the mean of the interval's tasks.
Without that column, give --mean-task-seconds. Times may count from anywhere, such as Unix time: the first arrival becomes
0. Lines may be in any order; empty lines and those that start with # do not count.

Examples:
  kubectl twp simulate pool.yaml --trace arrivals.csv
  kubectl twp simulate pool.yaml --trace counts.csv --mean-task-seconds 3.5 --compare keda --html report.html
  kubectl twp simulate pool.yaml --trace arrivals.csv -o json
  kubectl twp simulate --from-cluster mail -n shop";

/// Shows how a TaskWorkerPool would have scaled recorded work, and what other wait targets would have cost.
///
/// The pool's rule, the one that the operator runs, decides in a simulation of the pods. No cluster is needed, unless the
/// work is the hour that an operator remembers of one of its pools.
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = FORMAT)]
pub struct SimulateArgs {
    /// TaskWorkerPool manifest, YAML. Other objects in the file do not matter.
    #[arg(value_name = "POOL.yaml", required_unless_present = "from_cluster")]
    pub pool: Option<PathBuf>,
    /// Arrival and duration of tasks, CSV; `--help` shows its format.
    #[arg(long, value_name = "FILE", required_unless_present = "from_cluster")]
    pub trace: Option<PathBuf>,
    /// Pool of a cluster, with the last hour of its work, as its operator remembers it; instead of POOL.yaml and --trace.
    #[arg(long, value_name = "POOL", conflicts_with_all = ["pool", "trace"])]
    pub from_cluster: Option<String>,
    /// Seconds that a task runs on average, where the trace does not say. With --from-cluster: what was learned.
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub mean_task_seconds: Option<f64>,
    /// Seconds from a pod's creation until it is ready: the median. Default: 25; with --from-cluster what was learned.
    #[arg(long, value_name = "SECONDS", value_parser = not_negative)]
    pub start_up_seconds: Option<f64>,
    /// Seconds of the pods' terminationGracePeriodSeconds. Default: 30; with --from-cluster what the target says.
    #[arg(long, value_name = "SECONDS", value_parser = not_negative)]
    pub grace_seconds: Option<f64>,
    /// Seconds of waiting from which a task is late; only for a pool without a wait target, which says it otherwise.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = positive)]
    pub late_after_seconds: f64,
    /// Another autoscaler to run as well, set up as most do.
    #[arg(long, value_enum)]
    pub compare: Option<Peer>,
    /// File for a report with figures over time: one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Seed of the pods' start-up times: the same number, the same result.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Autoscaler to compare with.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// KEDA, with the pool's backlog for each replica (or its slots) as target and all else as it comes.
    Keda,
}

/// Runs the command.
///
/// # Errors
/// Which file and line cannot be used, and what to change.
pub fn run(args: &SimulateArgs) -> Result<Answer, String> {
    let question = match (&args.from_cluster, &args.pool, &args.trace) {
        (Some(name), ..) => hour::question(&block_on(found(args, name))?, &given(args))?,
        (None, Some(pool), Some(trace)) => in_files(args, pool, trace)?,
        _ => return Err("give POOL.yaml and --trace FILE, or --from-cluster POOL".to_owned()),
    };
    let Question {
        pool,
        tasks,
        start_up,
        grace,
        trace,
    } = question;
    let options = RunOptions {
        start_up,
        grace,
        late_after: args.late_after_seconds,
        keda: args.compare == Some(Peer::Keda),
        series: args.html.is_some(),
        seed: args.seed,
    };
    let plan = RunPlan::new(pool, tasks, &options);
    let answer = SimulationReport::new(&plan, play(&plan));
    if let Some(path) = &args.html {
        fs::write(path, answer.page(&trace).html()).map_err(|error| {
            let path = path.display();
            format!("{path}: cannot be written: {error}; --html must name a file in a folder that exists")
        })?;
    }
    Ok(Answer {
        value: answer.value(&trace),
        ..Answer::text(answer.text(&trace))
    })
}

/// What is asked.
struct Question {
    pool: Manifest,
    tasks: Vec<Task>,
    /// Median of the pods' start-up times.
    start_up: Seconds,
    /// Grace period of the pods.
    grace: Seconds,
    /// What is said of the tasks.
    trace: Trace,
}

fn given(args: &SimulateArgs) -> Given {
    Given {
        mean_task: args.mean_task_seconds,
        start_up: args.start_up_seconds,
        grace: args.grace_seconds,
    }
}

/// Question of files.
fn in_files(args: &SimulateArgs, pool: &Path, trace: &Path) -> Result<Question, String> {
    if args.cluster.is_given() {
        return Err("--context, --namespace and --operator-namespace are for --from-cluster".to_owned());
    }
    let read = manifest::read(&files::text(pool)?).map_err(|why| format!("{}: {why}", pool.display()))?;
    let text = files::text(trace)?;
    let tasks = traces::read(&text, args.mean_task_seconds).map_err(|error| in_trace(trace, &error))?;
    Ok(Question {
        pool: read,
        tasks,
        start_up: args.start_up_seconds.unwrap_or(plan::START_UP),
        grace: args.grace_seconds.unwrap_or(plan::GRACE),
        trace: Trace::File(trace.display().to_string()),
    })
}

/// What the cluster and its operator say of a pool.
async fn found(args: &SimulateArgs, name: &str) -> Result<Found, String> {
    let connection = Connection::new(&args.cluster).await?;
    let key = connection.key(name)?;
    let object = connection.object(&key).await?;
    let pool = validate::pool(&object).map_err(|problem| format!("the pool `{name}`: {}", problem.message))?;
    let told = connection.live(&key).await;
    let told =
        told.map_err(|why| format!("only the operator remembers the last hour, and it cannot be asked: {why}"))?;
    let target = Key {
        namespace: key.namespace,
        name: pool.target.name.clone(),
    };
    let stateful = pool.target.kind == WorkloadKind::StatefulSet;
    let target = match plugin::workload(&connection.cluster, stateful, &target).await {
        Ok(Some(object)) => Ok(object),
        Ok(None) => Err(format!(
            "there is no {} `{}`",
            pool.target.kind.name(),
            pool.target.name
        )),
        Err(why) => Err(explained(
            &format!("its {} cannot be read", pool.target.kind.name()),
            why,
        )),
    };
    Ok(Found { pool, told, target })
}

fn in_trace(path: &Path, error: &traces::TraceError) -> String {
    let flag = match error {
        traces::TraceError::NoDurations { .. } => " with --mean-task-seconds",
        _ => "",
    };
    format!("{}: {error}{flag}", path.display())
}

/// Runs the whole plan, in as many threads as the machine has.
fn play(plan: &RunPlan) -> Vec<RunResult> {
    let jobs = plan.jobs();
    let next = AtomicUsize::new(0);
    let (done, results) = mpsc::channel();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut finished: Vec<(usize, RunResult)> = thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            let (done, jobs, next) = (done.clone(), &jobs, &next);
            scope.spawn(move || {
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(job) = jobs.get(at)
                {
                    // The receiver is there until all senders have gone.
                    let _sent = done.send((at, plan.play(*job)));
                }
            });
        }
        drop(done);
        collect(&results, jobs.len())
    });
    finished.sort_by_key(|(at, _)| *at);
    finished.into_iter().map(|(_, result)| result).collect()
}

/// Collects results until no thread is left; after a second it shows the progress.
fn collect(results: &mpsc::Receiver<(usize, RunResult)>, all: usize) -> Vec<(usize, RunResult)> {
    let (start, mut finished, mut said) = (Instant::now(), Vec::new(), None);
    loop {
        match results.recv_timeout(PATIENCE) {
            Ok(result) => finished.push(result),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return finished,
        }
        if start.elapsed() >= PATIENCE && said != Some(finished.len()) {
            eprintln!("{} of {all} runs done", finished.len());
            said = Some(finished.len());
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    number(text).filter(|number| *number > 0.0).ok_or_else(|| WRONG.into())
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text).ok_or_else(|| WRONG.into())
}

const WRONG: &str = "give a number of seconds, such as 2.5";
/// Longest time that is accepted, in seconds: a year.
const LONGEST: f64 = 31_536_000.0;

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number| (0.0..=LONGEST).contains(number))
}
