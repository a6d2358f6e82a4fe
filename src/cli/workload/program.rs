//! Which program a command is: workers of a framework, or what else.
#![deny(clippy::disallowed_methods)]

use super::{Runs, Worker, options, wrapper::base};

/// Programs that serve web pages.
const WEB: [&str; 11] = [
    "gunicorn",
    "uvicorn",
    "daphne",
    "hypercorn",
    "uwsgi",
    "waitress-serve",
    "granian",
    "runserver",
    "puma",
    "fastapi",
    "streamlit",
];

/// Programs that start others as their own configuration says.
const SUPERVISORS: [&str; 13] = [
    "supervisord",
    "honcho",
    "foreman",
    "overmind",
    "hivemind",
    "circusd",
    "s6-svscan",
    "runsvdir",
    "pm2",
    "pm2-runtime",
    "multirun",
    "procodile",
    "monit",
];

/// Programs of frameworks that no pool has, and the framework.
const OTHERS: [(&str, &str); 26] = [
    ("sidekiq", "Sidekiq"),
    ("sidekiqswarm", "Sidekiq"),
    ("bullmq", "BullMQ"),
    ("dramatiq", "Dramatiq"),
    ("dramatiq-gevent", "Dramatiq"),
    ("rundramatiq", "Dramatiq"),
    ("arq", "arq"),
    ("huey_consumer", "Huey"),
    ("huey_consumer.py", "Huey"),
    ("huey.bin.huey_consumer", "Huey"),
    ("run_huey", "Huey"),
    ("djangohuey", "Huey"),
    ("qcluster", "Django Q"),
    ("db_worker", "Django Tasks"),
    ("procrastinate", "Procrastinate"),
    ("saq", "SAQ"),
    ("streaq", "streaQ"),
    ("resque", "Resque"),
    ("good_job", "GoodJob"),
    ("delayed_job", "Delayed Job"),
    ("faktory", "Faktory"),
    ("faktory_worker", "Faktory"),
    ("temporal", "Temporal"),
    ("prefect", "Prefect"),
    ("faust", "Faust"),
    ("dagster-daemon", "Dagster"),
];

/// Options of Python that take a value.
const PYTHON: [&str; 3] = ["-X", "-W", "-Q"];

/// Programs whose subcommand `celery` is Celery's own program with their application.
const CARRIERS: [&str; 4] = ["nautobot-server", "django-admin", "awx-manage", "pretix"];

/// What the words of a command run.
pub(super) fn read(words: &[String]) -> Runs {
    let Some((first, rest)) = words.split_first() else {
        return Runs::Other(String::new());
    };
    let name = base(first);
    if is_python(name) {
        return python(rest);
    }
    // The image's entry point may be `celery` itself.
    if ["-A", "--app"].contains(&first.as_str()) || first.starts_with("--app=") {
        return celery(words);
    }
    named(name, rest).unwrap_or_else(|| match rest.iter().any(|word| word.contains("bullmq")) {
        true => Runs::Unsupported("BullMQ"),
        false => Runs::Other(name.to_owned()),
    })
}

fn is_python(name: &str) -> bool {
    let rest = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// Python with a module or a file.
fn python(words: &[String]) -> Runs {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        if word == "-m" {
            let module = words.get(at + 1).map(String::as_str).unwrap_or_default();
            let rest = words.get(at + 2..).unwrap_or_default();
            // `rq.cli`, `celery.__main__`, `django`: the package is the program.
            let package = module.split('.').next().unwrap_or(module);
            let found = named(module, rest).or_else(|| named(package, rest));
            return found
                .or_else(|| (package == "django").then(|| managed(rest)).flatten())
                .unwrap_or_else(|| Runs::Other(module.to_owned()));
        }
        if word == "-c" {
            return Runs::Other("python -c".to_owned());
        }
        at += 1 + usize::from(PYTHON.contains(&word.as_str()));
    }
    let Some((file, rest)) = words.get(at..).and_then(<[String]>::split_first) else {
        return Runs::Other("python".to_owned());
    };
    let name = base(file);
    named(name, rest).unwrap_or_else(|| Runs::Other(name.to_owned()))
}

/// Program by its name.
fn named(name: &str, rest: &[String]) -> Option<Runs> {
    let word = |at: usize| rest.get(at).map(String::as_str).unwrap_or_default();
    let after = |at: usize| rest.get(at..).unwrap_or_default();
    if WEB.contains(&name) {
        return Some(Runs::Web(name.to_owned()));
    }
    if let Some(found) = SUPERVISORS.iter().find(|known| **known == name) {
        return Some(Runs::Supervisor(found));
    }
    if let Some((_, framework)) = OTHERS.iter().find(|(program, _)| *program == name) {
        return Some(Runs::Unsupported(framework));
    }
    match name {
        "celery" => Some(celery(rest)),
        "flower" => Some(Runs::Aside("flower")),
        "airflow" if word(0) == "celery" => Some(airflow(after(1))),
        "airflow" if word(0) == "scheduler" => Some(Runs::Aside("Airflow's scheduler")),
        "airflow" if ["webserver", "api-server"].contains(&word(0)) => Some(Runs::Web("airflow".to_owned())),
        "sentry" if rest.iter().any(|word| word == "worker") => {
            Some(celery_worker(rest, "sentry run worker", "default"))
        }
        "rq" | "rqworker" => Some(rq(name, rest)),
        "rqscheduler" | "rq-scheduler" => Some(Runs::Aside("rq-scheduler")),
        "flask" if word(0) == "rq" => Some(rq("rq", after(1))),
        "flask" if word(0) == "run" || rest.iter().any(|word| word == "run") => Some(Runs::Web("flask".to_owned())),
        "taskiq" => Some(taskiq(rest)),
        _ if name == "manage.py" || name == "manage" || CARRIERS.contains(&name) => {
            Some(managed(rest).unwrap_or_else(|| Runs::Other(format!("{name} {}", word(0)))))
        }
        _ => None,
    }
}

/// Command of Django's `manage.py`; `None`: it is not about tasks or web pages.
fn managed(rest: &[String]) -> Option<Runs> {
    let (command, rest) = rest.split_first()?;
    match command.as_str() {
        "rqworker" | "rqworker-pool" => Some(rq(command, rest)),
        "rqscheduler" => Some(Runs::Aside("rq-scheduler")),
        "worker" | "celery_worker" | "celeryd" => None,
        "runserver_plus" | "runserver" => Some(Runs::Web("runserver".to_owned())),
        other => named(other, rest),
    }
}

fn celery(rest: &[String]) -> Runs {
    // Options have words of their own: `celery -A worker beat`.
    let said = options::read(rest, &options::CELERY);
    match said.bare.first().map(String::as_str) {
        Some("worker") => celery_worker(rest, "celery worker", "celery"),
        Some("multi") => Runs::Supervisor("celery multi"),
        Some("beat") => Runs::Aside("celery beat"),
        Some("flower") => Runs::Aside("flower"),
        Some("events") => Runs::Aside("celery events"),
        _ => Runs::Other("celery".to_owned()),
    }
}

fn airflow(rest: &[String]) -> Runs {
    if rest.first().is_some_and(|word| word == "flower") {
        return Runs::Aside("flower");
    }
    let said = options::read(rest, &options::AIRFLOW);
    Runs::Worker(Box::new(Worker {
        framework: "Celery",
        program: "airflow celery worker",
        queues: listed(said.last(&["-q", "--queues"])),
        queues_by: "--queues",
        usual_queue: "default",
        concurrency: said.last(&["-c", "--concurrency"]),
        concurrency_by: "--concurrency",
        node: said.last(&["-H", "--celery-hostname"]),
        ..Worker::default()
    }))
}

fn celery_worker(rest: &[String], program: &'static str, usual_queue: &'static str) -> Runs {
    let said = options::read(rest, &options::CELERY);
    // `--autoscale` is `most,least`.
    let most = said
        .last(&["--autoscale"])
        .map(|pair| pair.split(',').next().unwrap_or_default().to_owned());
    let by = if most.is_some() { "--autoscale" } else { "--concurrency" };
    Runs::Worker(Box::new(Worker {
        framework: "Celery",
        program,
        queues: listed(said.last(&["-Q", "--queues"])),
        queues_by: "--queues",
        usual_queue,
        excludes: said.last(&["-X", "--exclude-queues"]).is_some(),
        concurrency: most.or_else(|| said.last(&["-c", "--concurrency"])),
        concurrency_by: by,
        pool: said.last(&["-P", "--pool"]),
        node: said.last(&["-n", "--hostname"]),
        prefetch: said.last(&["--prefetch-multiplier"]),
        time_limit: said.last(&["--time-limit"]),
        beat: said.has(&["-B", "--beat"]),
        broker: said.last(&["-b", "--broker"]),
        below_shell: false,
    }))
}

fn rq(name: &str, rest: &[String]) -> Runs {
    let (program, rest) = match (name, rest.split_first()) {
        ("rq", Some((first, rest))) if first == "worker" => ("rq worker", rest),
        ("rq", Some((first, rest))) if first == "worker-pool" => ("rq worker-pool", rest),
        // `rq -u URL worker mail` is not RQ's own order, but a wrapper's.
        ("rq", _) => match rest.iter().position(|word| word == "worker") {
            Some(_) => ("rq worker", rest),
            None => return Runs::Other("rq".to_owned()),
        },
        ("rqworker-pool", _) => ("rqworker-pool", rest),
        _ => ("rqworker", rest),
    };
    let django = program.starts_with("rqworker");
    let said = options::read(rest, if django { &options::DJANGO_RQ } else { &options::RQ });
    let many = program.ends_with("pool");
    let queues = said.bare.iter().filter(|word| *word != "worker");
    Runs::Worker(Box::new(Worker {
        framework: "RQ",
        program,
        queues: queues.cloned().collect(),
        queues_by: "the queues after the options",
        usual_queue: "default",
        concurrency: said.last(&["-n", "--num-workers"]).filter(|_| many),
        concurrency_by: "--num-workers",
        node: said.last(&["-n", "--name"]).filter(|_| !many),
        broker: said.last(&["-u", "--url"]),
        ..Worker::default()
    }))
}

fn taskiq(rest: &[String]) -> Runs {
    match rest.split_first() {
        Some((first, rest)) if first == "worker" => {
            let said = options::read(rest, &options::TASKIQ);
            let number = |names: &[&str], usual: u64| match said.last(names) {
                Some(text) => text.parse().ok(),
                None => Some(usual),
            };
            let processes = number(&["-w", "--workers"], 2);
            let tasks = number(&["--max-async-tasks"], 100);
            let slots = processes
                .zip(tasks)
                .and_then(|(processes, tasks)| processes.checked_mul(tasks));
            Runs::Worker(Box::new(Worker {
                framework: "Taskiq",
                program: "taskiq worker",
                usual_queue: "taskiq",
                concurrency: slots.map(|slots| slots.to_string()),
                concurrency_by: "--workers × --max-async-tasks",
                ..Worker::default()
            }))
        }
        Some((first, _)) if first == "scheduler" => Runs::Aside("taskiq scheduler"),
        _ => Runs::Other("taskiq".to_owned()),
    }
}

/// Names of a list with commas.
fn listed(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}
