//! Commands of real charts and guides, and what is read of each.

use super::*;

fn known(name: &str) -> Option<String> {
    let values = [("QUEUES", "mail,pdf"), ("CONCURRENCY", "6"), ("ARGS", "-l info -E")];
    values
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| (*value).to_owned())
}

/// What is read, in one line.
fn told(runs: &Runs) -> String {
    let worker = match runs {
        Runs::Worker(worker) => worker,
        Runs::Unsupported(name) => return format!("no pool for {name}"),
        Runs::Web(name) => return format!("web {name}"),
        Runs::Aside(name) => return format!("aside {name}"),
        Runs::Supervisor(name) => return format!("supervisor {name}"),
        Runs::Other(name) => return format!("other {name}"),
    };
    let mut line = format!("{}:", worker.program);
    line += &format!(
        " {}",
        match worker.queues.is_empty() {
            true => "-".to_owned(),
            false => worker.queues.join("+"),
        }
    );
    for (name, value) in [
        ("c", &worker.concurrency),
        ("P", &worker.pool),
        ("n", &worker.node),
        ("prefetch", &worker.prefetch),
        ("limit", &worker.time_limit),
        ("b", &worker.broker),
    ] {
        if let Some(value) = value {
            line += &format!(" {name}={value}");
        }
    }
    for (name, is_so) in [
        ("beat", worker.beat),
        ("shell", worker.below_shell),
        ("excludes", worker.excludes),
    ] {
        if is_so {
            line += &format!(" {name}");
        }
    }
    line
}

const TABLE: &[(&str, &[&str])] = &[
    // Celery itself.
    ("celery -A shop worker", &["celery worker: -"]),
    (
        "celery -A shop worker -Q mail,pdf -c 4",
        &["celery worker: mail+pdf c=4"],
    ),
    (
        "celery --app=shop worker --queues=mail --concurrency=8 --loglevel=info",
        &["celery worker: mail c=8"],
    ),
    (
        "/venv/bin/celery -A shop worker -c4 -Qmail",
        &["celery worker: mail c=4"],
    ),
    (
        "celery -A shop worker --autoscale=10,3 -c 2",
        &["celery worker: - c=10"],
    ),
    ("celery -A shop worker --autoscale 6", &["celery worker: - c=6"]),
    ("celery -A shop worker -P solo", &["celery worker: - P=solo"]),
    (
        "celery -A shop worker --pool=gevent --concurrency=500",
        &["celery worker: - c=500 P=gevent"],
    ),
    (
        "celery -A shop worker -n mail@%h --time-limit=900 --soft-time-limit=800",
        &["celery worker: - n=mail@%h limit=900"],
    ),
    (
        "celery -A shop worker --prefetch-multiplier=1 -O fair -EB",
        &["celery worker: - prefetch=1 beat"],
    ),
    ("celery -A shop worker -B -s /tmp/schedule", &["celery worker: - beat"]),
    (
        "celery -A shop -b redis://redis:6379/0 worker",
        &["celery worker: - b=redis://redis:6379/0"],
    ),
    ("celery -A shop worker -X reports", &["celery worker: - excludes"]),
    ("celery worker -A shop -Q a,a,b", &["celery worker: a+b"]),
    ("-A shop worker -Q mail", &["celery worker: mail"]),
    (
        "celery -A shop worker -Q '$(QUEUES)' -c '$(CONCURRENCY)'",
        &["celery worker: mail+pdf c=6"],
    ),
    ("celery -A shop worker -Q '$(GONE)'", &["celery worker: $(GONE)"]),
    (
        "celery -A shop -b '$(BROKER)' worker",
        &["celery worker: - b=$(BROKER)"],
    ),
    // Through Python, and other programs that have Celery's.
    ("python -m celery -A shop worker -Q mail", &["celery worker: mail"]),
    ("python3.12 -u -X dev -m celery -A shop worker", &["celery worker: -"]),
    ("python manage.py celery worker -c 3", &["celery worker: - c=3"]),
    (
        "nautobot-server celery worker -l INFO -n '%h' --queues default",
        &["celery worker: default n=%h"],
    ),
    (
        "airflow celery worker -q etl,default -c 16",
        &["airflow celery worker: etl+default c=16"],
    ),
    ("bash -c 'exec airflow celery worker'", &["airflow celery worker: -"]),
    (
        "sentry run worker -c 4 -Q events.process_event",
        &["sentry run worker: events.process_event c=4"],
    ),
    // Runners, and small init processes.
    ("poetry run celery -A shop worker", &["celery worker: -"]),
    (
        "uv run --no-sync --group worker celery -A shop worker -c 2",
        &["celery worker: - c=2"],
    ),
    ("pipenv run python -m celery -A shop worker", &["celery worker: -"]),
    (
        "conda run -n shop --no-capture-output celery -A shop worker",
        &["celery worker: -"],
    ),
    ("tini -s -- celery -A shop worker", &["celery worker: -"]),
    (
        "/usr/bin/dumb-init --rewrite 15:3 -- celery -A shop worker",
        &["celery worker: -"],
    ),
    (
        "/sbin/tini -g -- sh -c 'exec celery -A shop worker -Q mail'",
        &["celery worker: mail"],
    ),
    (
        "opentelemetry-instrument --traces_exporter otlp celery -A shop worker",
        &["celery worker: -"],
    ),
    (
        "newrelic-admin run-program celery -A shop worker",
        &["celery worker: -"],
    ),
    ("ddtrace-run celery -A shop worker", &["celery worker: -"]),
    (
        "env DJANGO_SETTINGS_MODULE=shop.settings celery -A shop worker",
        &["celery worker: -"],
    ),
    ("gosu app nice -n 10 celery -A shop worker", &["celery worker: -"]),
    ("/docker-entrypoint.sh celery -A shop worker", &["celery worker: -"]),
    (
        "./wait-for-it.sh redis:6379 -t 30 -- celery -A shop worker",
        &["celery worker: -"],
    ),
    (
        "dockerize -wait tcp://redis:6379 -timeout 60s celery -A shop worker",
        &["celery worker: -"],
    ),
    (
        "doppler run --project shop -- celery -A shop worker",
        &["celery worker: -"],
    ),
    (
        "watchmedo auto-restart -d . -p '*.py' -- celery -A shop worker",
        &["celery worker: -"],
    ),
    // Shells.
    (
        "sh -c 'celery -A shop worker -Q ${QUEUES} -c ${WORKERS:-2}'",
        &["celery worker: mail+pdf c=2"],
    ),
    (
        "bash -ec 'python manage.py migrate && exec celery -A shop worker $ARGS'",
        &["other manage.py migrate", "celery worker: -"],
    ),
    (
        "sh -c 'until getent hosts broker; do sleep 1; done\n celery -A shop worker -c 1\n echo ended'",
        &[
            "other getent",
            "other sleep",
            "other done",
            "celery worker: - c=1 shell",
            "other echo",
        ],
    ),
    (
        "bash -o pipefail -c 'celery -A shop worker --hostname=mail@$(hostname)'",
        &["celery worker: - n=mail@$(hostname)"],
    ),
    (
        "sh -c 'celery -A shop worker -Q a & celery -A shop worker -Q b'",
        &["celery worker: a shell", "celery worker: b shell"],
    ),
    (
        "sh -c 'gunicorn shop & exec celery -A shop worker'",
        &["web gunicorn", "celery worker: -"],
    ),
    ("sh /app/start.sh", &["other start.sh"]),
    // RQ.
    ("rq worker high default low", &["rq worker: high+default+low"]),
    (
        "rq worker --url redis://redis:6379/1 --with-scheduler mail",
        &["rq worker: mail b=redis://redis:6379/1"],
    ),
    ("rq worker -u '$(REDIS_URL)'", &["rq worker: - b=$(REDIS_URL)"]),
    ("python -m rq.cli worker mail", &["rq worker: mail"]),
    ("rq worker-pool -n 4 mail", &["rq worker-pool: mail c=4"]),
    (
        "python manage.py rqworker -v 2 high default",
        &["rqworker: high+default"],
    ),
    ("python3 /opt/netbox/netbox/manage.py rqworker", &["rqworker: -"]),
    (
        "django-admin rqworker mail --settings shop.settings",
        &["rqworker: mail"],
    ),
    ("flask rq worker mail", &["rq worker: mail"]),
    // taskiq.
    ("taskiq worker shop:broker", &["taskiq worker: - c=200"]),
    (
        "taskiq worker shop:broker --workers 1 --max-async-tasks=20",
        &["taskiq worker: - c=20"],
    ),
    (
        "uv run taskiq worker -w 4 shop.tkq:broker shop.tasks",
        &["taskiq worker: - c=400"],
    ),
    // What is no worker of a pool.
    ("gunicorn shop.wsgi", &["web gunicorn"]),
    ("python manage.py runserver 0.0.0.0:8000", &["web runserver"]),
    ("python -m uvicorn shop:app", &["web uvicorn"]),
    ("celery -A shop beat", &["aside celery beat"]),
    ("celery -A worker beat", &["aside celery beat"]),
    ("celery -A worker worker", &["celery worker: -"]),
    ("celery -A shop flower --port=5555", &["aside flower"]),
    ("celery -A shop inspect ping", &["other celery"]),
    ("celery multi start w1 -A shop", &["supervisor celery multi"]),
    ("supervisord -c /etc/supervisord.conf", &["supervisor supervisord"]),
    ("honcho start worker", &["supervisor honcho"]),
    ("bundle exec sidekiq -q mail", &["no pool for Sidekiq"]),
    ("node dist/bullmq-worker.js", &["no pool for BullMQ"]),
    ("dramatiq shop.tasks", &["no pool for Dramatiq"]),
    ("python manage.py rundramatiq", &["no pool for Dramatiq"]),
    ("arq shop.WorkerSettings", &["no pool for arq"]),
    ("huey_consumer.py shop.huey", &["no pool for Huey"]),
    ("python manage.py run_huey", &["no pool for Huey"]),
    ("rqscheduler --host redis", &["aside rq-scheduler"]),
    ("taskiq scheduler shop:scheduler", &["aside taskiq scheduler"]),
    ("python worker.py", &["other worker.py"]),
    ("/entrypoint.sh worker", &["other worker"]),
    ("sleep infinity", &["other sleep"]),
];

#[test]
fn commands_are_read_as_people_write_them() {
    let mut faults = Vec::new();
    for (line, wanted) in TABLE {
        // The table's own lines are split as a shell would; nothing in them is known there.
        let words = shell::commands(line, &|_| None).concat();
        let found: Vec<_> = read(&words, &known).iter().map(told).collect();
        if found != *wanted {
            faults.push(format!("{line}\n  wanted {wanted:?}\n  found  {found:?}"));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        TABLE.len(),
        faults.join("\n")
    );
}
