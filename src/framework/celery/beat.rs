//! Whether a container's command starts a worker that runs Celery's beat as well. Pure.
#![deny(clippy::disallowed_methods)]

use crate::framework::registry::Scheduler;

/// Beat, as part of a worker.
pub const BEAT: Scheduler = Scheduler {
    runs: runs_beat,
    stops: "The workers run beat (`-B`), which stops with the last of them, so nothing is scheduled any more: set \
                      `minReplicas: 1`, or run `celery beat` in a Deployment of its own.",
    runs_twice: "The workers run beat (`-B`), and each replica runs one: the schedule comes as many times as there \
                           are replicas. Run `celery beat` in a Deployment of its own, or set `maxReplicas: 1`.",
};

/// One-letter worker flags without a value, which may be combined (`-EB`).
const FLAGS: [char; 3] = ['B', 'D', 'E'];

/// Whether one of the containers' commands runs a worker with beat: `celery … worker … -B`, also inside `sh -c "…"`.
fn runs_beat(commands: &[Vec<String>]) -> bool {
    commands.iter().any(|words| of_container(words))
}

fn of_container(words: &[String]) -> bool {
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    // The image's entry point may be `celery` itself.
    let arguments_only = plain
        .first()
        .is_some_and(|first| *first == "worker" || first.starts_with("-A") || first.starts_with("--app"));
    let scripts = words.iter().filter(|word| word.contains(char::is_whitespace));
    is_beat(&plain, arguments_only)
        || scripts.map(|script| script.replace("\\\n", " ")).any(|script| {
            script.split([';', '&', '|', '\n']).any(|command| {
                let bare = |word| str::trim_matches(word, ['"', '\'', '(', ')']);
                let words: Vec<_> = command.split_whitespace().map(bare).collect();
                is_beat(&words, false)
            })
        })
}

/// Whether these words of one command start a worker with beat.
fn is_beat(words: &[&str], celery: bool) -> bool {
    let named = |word: &&str| word.rsplit('/').next() == Some("celery");
    let from = match words.iter().position(named) {
        Some(at) => at + 1,
        None if celery => 0,
        None => return false,
    };
    let rest = words.get(from..).unwrap_or_default();
    let mut after = rest.iter().skip_while(|word| **word != "worker").skip(1);
    after.any(|word| *word == "--beat" || is_flag(word))
}

/// Whether a word is `-B`, alone or combined with other flags.
fn is_flag(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    letters.contains('B') && letters.chars().all(|letter| FLAGS.contains(&letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> bool {
        runs_beat(&[
            vec!["nginx".into()],
            words.iter().map(|word| (*word).to_owned()).collect(),
        ])
    }

    #[test]
    fn a_worker_with_a_beat_is_known_by_its_command() {
        for words in [
            &["celery", "-A", "app", "worker", "-B"][..],
            &["/venv/bin/celery", "-A", "app", "worker", "-l", "info", "--beat"],
            &["python", "-m", "celery", "-A", "app", "worker", "-EB", "-c", "4"],
            &["worker", "-B"],
            &["-A", "app", "worker", "-c", "2", "-B"],
            &[
                "sh",
                "-c",
                "python manage.py migrate && exec celery -A app worker -B -l info",
            ],
            &["/bin/bash", "-lc", "celery --app=app worker \\\n --beat"],
            &["sh", "-c", "'celery' -A app worker \"-B\""],
        ] {
            assert!(said(words), "{words:?}");
        }
    }

    #[test]
    fn another_flag_or_program_is_none() {
        for words in [
            &["celery", "-A", "app", "worker", "-E"][..],
            &["celery", "-A", "app", "beat"],
            &["celery", "-A", "app", "worker", "-n", "B@%h"],
            &["celery", "-A", "app", "worker", "-Bfoo"],
            &["gcc", "-B", "worker"],
            &["python", "worker", "-B"],
            &["sh", "-c", "celery -A app worker; other -B"],
            &["sh", "-c", "celery -A app worker & celery -A app beat -B"],
            &[],
        ] {
            assert!(!said(words), "{words:?}");
        }
    }
}
