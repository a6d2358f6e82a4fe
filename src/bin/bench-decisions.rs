//! `bench-decisions`: runs every policy on every workload and writes what came of it. Threads, clock and files are here;
//! what is run and reported is in `taskworkerpool::sim::bench`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use clap::Parser;
use taskworkerpool::{
    scaling::{Memory, Observation, decide},
    sim::{
        Ours, Scaler, Seconds, Seen, Victims, World,
        bench::{
            Contestant, Draw, RECORDINGS, TaskSource, Variant, contestants,
            contestants::stock_keda,
            findings::{Findings, RunsOverTime},
            play,
            sensitivity::variations,
        },
        report::compare::{Comparison, RunOutcome},
        run, scalers, traces, workloads,
    },
};

/// Compares scaling policies in the simulator.
#[derive(Parser)]
struct Args {
    /// Runs of each policy on each workload, each with other tasks and pods.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Runs of each variation on each workload.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    variation_seeds: u64,
    /// The first seed. The profiles were tuned on seeds below 100, which would flatter them.
    #[arg(long, default_value_t = 101, value_parser = clap::value_parser!(u64).range(..1 << 32))]
    first_seed: u64,
    /// The folder with the recorded traces.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traces"))]
    traces: PathBuf,
    /// The folder for `figures/decisions.json` and `report/decisions.html` and `.md`.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target"))]
    out: PathBuf,
}

fn main() -> ExitCode {
    match bench(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench-decisions: {why}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), String> {
    let start = Instant::now();
    let world = World::default();
    let (mut outcomes, mut varied) = (Vec::new(), Vec::new());
    let (mut targets, mut watched) = (Vec::new(), Vec::new());
    for source in sources(&args.traces)? {
        let seeds: Vec<u64> = (args.first_seed..)
            .take(args.seeds.max(args.variation_seeds) as usize)
            .collect();
        let draws = all(in_threads(&seeds, |seed| source.draw(*seed, &world)))?;
        let Some(first) = draws.first() else { continue };
        targets.push((first.workload.name.clone(), first.workload.wait_target));
        let runs = compare(&draws[..args.seeds as usize], &world);
        let variations = vary(&draws[..args.variation_seeds as usize])?;
        eprintln!(
            "{}: {} runs of {} policies, {} of variations, {} tasks in the first; {:.0} s so far",
            first.workload.name,
            runs.len(),
            contestants().len(),
            variations.len(),
            first.workload.tasks.len(),
            start.elapsed().as_secs_f64()
        );
        outcomes.extend(runs);
        varied.extend(variations);
        watched.push(watch(first, &world));
    }
    let findings = Findings {
        comparison: Comparison::of(&outcomes),
        targets,
        variations: varied,
        watched,
        decide_us: decide_us(),
    };
    for table in findings.tables() {
        println!("{}", table.markdown());
    }
    println!("One decision takes {:.1} µs (median).", findings.decide_us);
    write(&args.out, &findings)
}

/// Every workload.
fn sources(folder: &Path) -> Result<Vec<TaskSource>, String> {
    let mut all = TaskSource::synthetic();
    for recording in RECORDINGS {
        let path = folder.join(recording.file);
        let name = path.display();
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{name} cannot be read: {error}; --traces names the folder"))?;
        let tasks = traces::read(&text, None).map_err(|error| format!("{name}: {error}"))?;
        all.push(recording.source(tasks));
    }
    Ok(all)
}

fn compare(draws: &[Draw], world: &World) -> Vec<RunOutcome> {
    let contestants = contestants();
    let jobs: Vec<(&Contestant, &Draw)> = contestants
        .iter()
        .flat_map(|contestant| draws.iter().map(move |draw| (contestant, draw)))
        .collect();
    in_threads(&jobs, |(contestant, draw)| play(contestant, draw, world, false))
}

fn vary(draws: &[Draw]) -> Result<Vec<RunOutcome>, String> {
    let variations = variations();
    let jobs: Vec<_> = variations
        .iter()
        .flat_map(|variation| draws.iter().map(move |draw| (variation, draw)))
        .collect();
    all(in_threads(&jobs, |(variation, draw)| variation.play(draw)))
}

/// Ours and a peer over time.
fn watch(draw: &Draw, world: &World) -> RunsOverTime {
    let both = [Contestant::Ours(Variant::balanced()), stock_keda()];
    let runs = in_threads(&both, |contestant| {
        let outcome = play(contestant, draw, world, true);
        (outcome.policy, outcome.run)
    });
    RunsOverTime {
        title: format!("{}, seed {}", draw.workload.name, draw.seed),
        runs,
    }
}

/// How long one call of `decide` takes: the median over a day, in microseconds. What was seen is recorded first, so that
/// nothing but the decisions is measured.
fn decide_us() -> f64 {
    let (workload, world) = (workloads::diurnal(1), World::default());
    let mut recorder = Recorder {
        ours: Variant::balanced().build(&workload, &world, 1),
        seen: Vec::new(),
    };
    run(&workload, &world, &mut recorder, 1, false);
    let policy = recorder.ours.policy;
    let mut memory = Memory::default();
    let times = recorder.seen.iter().map(|seen| {
        let before = std::mem::take(&mut memory);
        let start = Instant::now();
        let (after, decision) = decide(&policy, before, seen);
        let took = start.elapsed();
        std::hint::black_box(decision);
        memory = after;
        took
    });
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    median.as_secs_f64() * 1e6
}

/// Our scaler, with a record of what it was told.
struct Recorder {
    ours: Ours,
    seen: Vec<Observation>,
}

impl Scaler for Recorder {
    fn name(&self) -> String {
        self.ours.name()
    }

    fn period(&self) -> Seconds {
        self.ours.period()
    }

    fn phase(&self) -> Seconds {
        self.ours.phase()
    }

    fn victims(&self) -> Victims {
        self.ours.victims()
    }

    fn tick(&mut self, seen: &Seen) -> Option<u32> {
        self.seen.push(scalers::observation(seen));
        self.ours.tick(seen)
    }
}

/// Does each job, in as many threads as the machine has; the results in the order of the jobs.
fn in_threads<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(job) = jobs.get(at)
                {
                    let result = work(job);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The values, or the first error as text.
fn all<T, E: std::fmt::Display>(results: Vec<Result<T, E>>) -> Result<Vec<T>, String> {
    let all: Result<_, E> = results.into_iter().collect();
    all.map_err(|error| format!("a lower bound could not be computed: {error}"))
}

fn write(out: &Path, findings: &Findings) -> Result<(), String> {
    let page = findings.page();
    let figures = serde_json::to_string_pretty(&findings.figures()).map_err(|error| error.to_string())?;
    let files = [
        ("figures/decisions.json", figures + "\n"),
        ("report/decisions.html", page.html()),
        ("report/decisions.md", page.markdown("decisions.html")),
    ];
    for (name, text) in files {
        let path = out.join(name);
        let folder = path.parent().unwrap_or(out);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("{} cannot be written: {error}; --out names the folder", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
