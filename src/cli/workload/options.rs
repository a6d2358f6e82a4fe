//! Options of a command line, by what their program takes.
#![deny(clippy::disallowed_methods)]

/// What a program takes: the options with a value. All others are flags.
pub(super) struct Grammar {
    valued: &'static [&'static str],
}

pub(super) static CELERY: Grammar = Grammar {
    valued: &[
        "-A",
        "--app",
        "-b",
        "--broker",
        "--result-backend",
        "--loader",
        "--config",
        "--workdir",
        "-n",
        "--hostname",
        "-S",
        "--statedb",
        "-l",
        "--loglevel",
        "-O",
        "--optimization",
        "--prefetch-multiplier",
        "-c",
        "--concurrency",
        "-P",
        "--pool",
        "-Q",
        "--queues",
        "-X",
        "--exclude-queues",
        "-I",
        "--include",
        "--time-limit",
        "--soft-time-limit",
        "--max-tasks-per-child",
        "--max-memory-per-child",
        "--autoscale",
        "-f",
        "--logfile",
        "--pidfile",
        "--uid",
        "--gid",
        "--umask",
        "--executable",
        "-s",
        "--schedule-filename",
        "--schedule",
        "--scheduler",
        "--heartbeat-interval",
    ],
};

pub(super) static AIRFLOW: Grammar = Grammar {
    valued: &[
        "-q",
        "--queues",
        "-c",
        "--concurrency",
        "-H",
        "--celery-hostname",
        "-a",
        "--autoscale",
        "-u",
        "--umask",
        "--pid",
        "-l",
        "--log-file",
        "--stdout",
        "--stderr",
    ],
};

pub(super) static RQ: Grammar = Grammar {
    valued: &[
        "-u",
        "--url",
        "-c",
        "--config",
        "-n",
        "--name",
        "--num-workers",
        "-P",
        "--path",
        "--results-ttl",
        "--worker-ttl",
        "--maintenance-interval",
        "--job-monitoring-interval",
        "--max-jobs",
        "--max-idle-time",
        "--exception-handler",
        "--sentry-dsn",
        "--sentry-ca-certs",
        "--pid",
        "-S",
        "--serializer",
        "--connection-class",
        "--queue-class",
        "--job-class",
        "-w",
        "--worker-class",
        "--logging_level",
        "--logging-level",
        "--log-format",
        "--date-format",
        "-ds",
        "--dequeue-strategy",
    ],
};

pub(super) static DJANGO_RQ: Grammar = Grammar {
    valued: &[
        "-n",
        "--name",
        "--num-workers",
        "--pid",
        "--queue-class",
        "--job-class",
        "-w",
        "--worker-class",
        "--worker-ttl",
        "--results-ttl",
        "--sentry-dsn",
        "--sentry-ca-certs",
        "--max-jobs",
        "--max-idle-time",
        "--serializer",
        "-v",
        "--verbosity",
        "--settings",
        "--pythonpath",
        "--logging-level",
    ],
};

pub(super) static TASKIQ: Grammar = Grammar {
    valued: &[
        "-w",
        "--workers",
        "--max-async-tasks",
        "--max-prefetch",
        "--ack-type",
        "--log-level",
        "--app-dir",
        "-tp",
        "--tasks-pattern",
        "--wait-tasks-timeout",
        "--shutdown-timeout",
        "--max-threadpool-threads",
        "--max-process-pool-processes",
        "--max-fails",
        "--log-format",
        "--max-tasks-per-child",
    ],
};

/// What a command line says.
#[derive(Default)]
pub(super) struct Options {
    valued: Vec<(String, String)>,
    flags: Vec<String>,
    /// Words that belong to no option.
    pub(super) bare: Vec<String>,
}

impl Options {
    /// Value of an option that is the last one of these names.
    pub(super) fn last(&self, names: &[&str]) -> Option<String> {
        let found = self.valued.iter().rfind(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value.clone())
    }

    /// Whether one of these flags is set.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|flag| names.contains(&flag.as_str()))
    }
}

/// Reads a command line.
pub(super) fn read(words: &[String], grammar: &Grammar) -> Options {
    let takes = |name: &str| grammar.valued.contains(&name);
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            options.bare.extend(words.by_ref().cloned());
        } else if let Some((name, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
            options.valued.push((name.to_owned(), value.to_owned()));
        } else if takes(word) {
            options
                .valued
                .extend(words.next().map(|value| (word.clone(), value.clone())));
        } else if word.starts_with("--") {
            options.flags.push(word.clone());
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            // Flags may be combined, and the last letter may have its value with it: `-EB`, `-c4`, `-Ec4`.
            for (at, letter) in letters.char_indices() {
                let name = format!("-{letter}");
                if !takes(&name) {
                    options.flags.push(name);
                    continue;
                }
                let value = letters
                    .get(at + letter.len_utf8()..)
                    .unwrap_or_default()
                    .trim_start_matches('=');
                let value = match value.is_empty() {
                    true => words.next().cloned(),
                    false => Some(value.to_owned()),
                };
                options.valued.extend(value.map(|value| (name, value)));
                break;
            }
        } else {
            options.bare.push(word.clone());
        }
    }
    options
}
