//! What is asked of a server with a Celery: two workers, one of which says nothing by itself, six tasks that run until they are
//! let go. They are counted right; a drain stops both; what they hold is worked off and no more; they fetch again; the
//! application's own `inspect` is complete all the while, and no log has an ERROR.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;
use taskworkerpool::framework::celery::CeleryConfig;
use taskworkerpool::model::{Consumers, Intent, Moment, Tally, WorkerReport};

use crate::{
    support::{
        bed::{PATIENCE, eventually},
        celery::watching,
        watch::{Watch, address},
    },
    versions::process::{Process, Server, redis},
};

/// Each worker's own arguments.
const WORKERS: [&str; 2] = ["", "--without-heartbeat --without-gossip --without-mingle"];

/// Samples in a row that have to be right.
const IN_A_ROW: usize = 4;

/// The versions of a virtual environment's packages, in short.
pub fn version(folder: &Path, celery: &str) -> String {
    let script = "import celery, kombu, redis; print(f'{celery.__version__} (kombu {kombu.__version__}, redis-py {redis.__version__})')";
    let said = Command::new(folder.join(celery).join("bin/python"))
        .args(["-c", script])
        .output();
    String::from_utf8(said.expect("its Python").stdout)
        .expect("text")
        .trim()
        .to_owned()
}

/// One application with its two workers.
struct Patient<'a> {
    folder: &'a Path,
    celery: &'a str,
    late: bool,
    queue: String,
    pods: [String; 2],
    held: String,
    record: Server,
    watch: Watch,
}

pub async fn asked(folder: &Path, server: &Server, celery: &str, acks: &str) {
    let record = Server::start(folder, "redis-8.0").await;
    let late = acks == "late";
    // On RabbitMQ all of a server's applications share one remote control; on Redis each has a database.
    let target = format!("{acks}-{}", celery.replace('.', ""));
    let queue = format!("q-{target}");
    let number = usize::from(celery.bytes().last().unwrap_or(b'0') - b'0');
    let broker = server.url(2 * number + usize::from(late));
    let config = CeleryConfig {
        queues: vec![queue.clone()],
        target: target.as_str().into(),
        ..CeleryConfig::default()
    };
    let patient = Patient {
        held: json!({"broker": broker, "queue": queue, "late": late, "record": record.url(0)}).to_string(),
        watch: watching(address(&broker, None), config.clone()),
        pods: ["aaaa0", "bbbb1"].map(|random| format!("{target}-6d5f7c9b8-{random}")),
        folder,
        celery,
        late,
        queue,
        record,
    };
    let mut workers: Vec<_> = patient
        .pods
        .iter()
        .zip(WORKERS)
        .map(|(pod, more)| patient.worker(pod, more))
        .collect();
    patient.goes_through_it(server, &broker, config).await;
    for worker in &workers {
        worker.end();
    }
    for worker in &mut workers {
        eventually("a worker ends", PATIENCE, async || {
            if worker.has_ended() {
                Ok(())
            } else {
                Err(worker.logged())
            }
        })
        .await;
        let log = worker.logged();
        for word in ["ERROR", "CRITICAL", "Traceback"] {
            assert!(!log.contains(word), "{log}");
        }
    }
}

impl Patient<'_> {
    async fn goes_through_it(&self, server: &Server, broker: &str, config: CeleryConfig) {
        let at_a_time = WORKERS.len() as u64;
        self.attend(Intent::Report);
        self.both("they answer", |told| self.fetches(told)).await;
        self.publish(6).await;
        self.recorded("started", at_a_time).await;
        // Acknowledged early, a task that runs makes room for another one.
        let in_flight = if self.late { at_a_time } else { 2 * at_a_time };
        let right = |tally: &Tally| {
            let work = &tally.work;
            (work.ready, work.in_flight, work.running) == (6 - in_flight, in_flight, at_a_time)
        };
        self.counts("six tasks", &self.watch, right).await;
        if let Some(management) = server.management() {
            let watch = watching(address(broker, Some(&management)), config);
            watch.attend_all(&self.pods, Intent::Report);
            self.counts("six tasks, by management", &watch, right).await;
        }
        let says = |pod: &str, live: bool| {
            let last = self.watch.history().pop().and_then(|sample| sample.result.ok());
            assert!(last.is_some_and(|tally| tally.pods[pod].live == live), "{pod}");
        };
        says(&self.pods[0], true);
        self.inspect("ping", |answer| answer["ok"] == "pong").await;

        self.attend(Intent::Cordon(self.queues()));
        self.both("they stop", |told| {
            told.fetches_nothing() && told.stopped_since.is_some()
        })
        .await;
        self.inspect("active_queues", |answer| answer.as_array().is_some_and(Vec::is_empty))
            .await;
        self.inspect("ping", |answer| answer["ok"] == "pong").await;
        self.publish(2).await;
        redis(self.record.port, "SET let-go 1").await.expect("they are let go");
        self.recorded("ended", in_flight).await;
        self.both("they are empty", |told| {
            (told.running, told.reserved) == (0, 0) && told.fetches_nothing()
        })
        .await;
        let rest = |tally: &Tally| (tally.work.ready, tally.work.in_flight) == (8 - in_flight, 0);
        self.counts("the rest waits", &self.watch, rest).await;
        assert_eq!(self.length("started").await, in_flight, "nothing was fetched");

        self.attend(Intent::Uncordon(self.queues()));
        self.both("they fetch again", |told| self.fetches(told)).await;
        self.recorded("ended", 8).await;
        assert_eq!(self.length("started").await, 8, "each once");
        self.counts("nothing is left", &self.watch, |tally| tally.work.outstanding() == 0)
            .await;
        self.inspect("ping", |answer| answer["ok"] == "pong").await;
    }

    fn queues(&self) -> Consumers {
        let own = || BTreeSet::from([self.queue.clone()]);
        self.pods.iter().map(|pod| (format!("celery@{pod}"), own())).collect()
    }

    fn fetches(&self, told: &WorkerReport) -> bool {
        told.consumes.values().eq([&BTreeSet::from([self.queue.clone()])])
    }

    fn attend(&self, intent: Intent) {
        self.watch.attend_all(&self.pods, intent);
    }

    fn python(&self) -> Command {
        let mut command = Command::new(self.folder.join(self.celery).join("bin/python"));
        command
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/versions"))
            .env("HELD", &self.held)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("C_FORCE_ROOT", "1");
        command
    }

    fn worker(&self, pod: &str, more: &str) -> Process {
        let mut command = self.python();
        command.args(["-m", "celery", "-A", "held", "worker", "-l", "info", "-c", "1", "-n"]);
        command.arg(format!("celery@{pod}"));
        command.args(more.split_whitespace());
        Process::start(pod, command)
    }

    async fn run(&self, mut command: Command) -> String {
        let run = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
        let said = run.await.expect("no panic").expect("a process");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(said.status.success(), "{}{}", text(&said.stdout), text(&said.stderr));
        text(&said.stdout)
    }

    async fn publish(&self, count: u32) {
        let mut command = self.python();
        command.args(["held.py", &count.to_string()]);
        self.run(command).await;
    }

    /// The application's own question: both workers answer it, and so.
    async fn inspect(&self, method: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let nodes = self.pods.each_ref().map(|pod| format!("celery@{pod}"));
        let mut command = self.python();
        command.args(["-m", "celery", "-A", "held", "inspect", method, "-j", "-t", "60", "-d"]);
        command.arg(nodes.join(","));
        let said = self.run(command).await;
        let answers: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        let right = nodes.iter().all(|node| answers.get(node).is_some_and(&holds));
        assert!(right, "{method}: {said}");
    }

    async fn length(&self, what: &str) -> u64 {
        let said = redis(self.record.port, &format!("LLEN {what}")).await;
        said.expect("an answer").parse().expect("a number")
    }

    async fn recorded(&self, what: &str, number: u64) {
        eventually(&format!("{number} {what}"), PATIENCE, async || {
            match self.length(what).await {
                seen if seen == number => Ok(()),
                seen => Err(seen.to_string()),
            }
        })
        .await;
    }

    /// Waits until both pods answer so to a question that was put since.
    async fn both(&self, what: &str, holds: impl Fn(&WorkerReport) -> bool) {
        let since: Moment = self.watch.now();
        eventually(what, PATIENCE, async || {
            let last = self.watch.history().pop().ok_or("no sample")?;
            let tally = last.result.as_ref().map_err(|error| error.to_string())?;
            let told = |pod: &String| tally.pods.get(pod).and_then(|work| work.report.clone());
            let right = |pod: &String| told(pod).is_some_and(|told| told.asked >= since && holds(&told));
            if self.pods.iter().all(right) {
                Ok(())
            } else {
                Err(format!("{:?}", tally.pods))
            }
        })
        .await;
    }

    async fn counts(&self, what: &str, watch: &Watch, holds: impl Fn(&Tally) -> bool) {
        eventually(what, PATIENCE, async || {
            let history = watch.history();
            let last = history.iter().rev().take(IN_A_ROW);
            let right = last.filter(|sample| sample.result.as_ref().is_ok_and(|tally| holds(tally)));
            if right.count() == IN_A_ROW {
                Ok(())
            } else {
                Err(format!("{:?}", history.last()))
            }
        })
        .await;
    }
}
