//! Registry with one row per framework: all that other modules know of it. A new framework is a file beside this one,
//! and a row.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use serde_json::Value;

use super::{celery, rq, taskiq};
use crate::model::{Application, BrokerKind, Delayed, UrlDialect, Words, Workload};

/// Framework of a pool that names none.
pub static DEFAULT: &FrameworkRow = {
    let [first, ..] = &ROWS;
    first
};

impl Default for &'static FrameworkRow {
    fn default() -> Self {
        DEFAULT
    }
}

/// Rows of all frameworks.
static ROWS: [FrameworkRow; 3] = [
    FrameworkRow {
        name: celery::NAME,
        queue: "celery",
        programs: &["celery"],
        rabbitmq: true,
        tells_queues: true,
        key_prefix: true,
        dialect: UrlDialect::Kombu,
        check: celery::check,
        application: celery::from_app,
        scheduler: Some(celery::BEAT),
        words: &celery::WORDS,
    },
    FrameworkRow {
        name: rq::NAME,
        queue: "default",
        programs: &["rq"],
        rabbitmq: false,
        tells_queues: true,
        key_prefix: true,
        dialect: UrlDialect::RedisPy,
        check: |_| Ok(()),
        application: rq::from_app,
        scheduler: None,
        words: &rq::WORDS,
    },
    FrameworkRow {
        name: taskiq::NAME,
        queue: "taskiq",
        programs: &["taskiq"],
        rabbitmq: false,
        tells_queues: false,
        key_prefix: false,
        dialect: UrlDialect::RedisPy,
        check: |_| Ok(()),
        application: taskiq::from_app,
        scheduler: None,
        words: &taskiq::WORDS,
    },
];

/// Row of a framework: all that other modules know of it.
pub struct FrameworkRow {
    /// Name as in `spec.framework`.
    pub name: &'static str,
    /// Name of the queue that an application uses if it names none.
    pub queue: &'static str,
    /// Names with which the programs begin that run its workers, in the command lines of containers.
    pub programs: &'static [&'static str],
    /// Whether its work can also be counted on RabbitMQ; on Redis it always can.
    pub rabbitmq: bool,
    /// Whether its workers say which queues they fetch from (`spec.queuesFrom`).
    pub tells_queues: bool,
    /// Whether its applications can give all their Redis keys a prefix (`spec.broker.keyPrefix`).
    pub key_prefix: bool,
    /// Dialect in which its applications read a broker URL.
    pub dialect: UrlDialect,
    /// Checks an application's options; the error is a sentence that names the field and the fix.
    pub check: fn(&App) -> Result<(), String>,
    /// Creates the application, whose options have been checked.
    pub application: fn(&App, BrokerKind, Option<Delayed>) -> Application,
    /// Scheduler of its own that workers can run, if it has one.
    pub scheduler: Option<Scheduler>,
    /// Terms for messages to users.
    pub words: &'static Words,
}

/// Framework's own scheduler, of which there must be exactly one.
pub struct Scheduler {
    /// Whether workers with these commands of containers run it.
    pub runs: fn(&[Vec<String>]) -> bool,
    /// Consequence and fix where it stops with the last worker.
    pub stops: &'static str,
    /// Consequence and fix where each worker runs one.
    pub runs_twice: &'static str,
}

impl FrameworkRow {
    /// Whether workers with these commands of containers run the framework's own scheduler.
    pub fn schedules(&self, commands: &[Vec<String>]) -> bool {
        self.scheduler
            .as_ref()
            .is_some_and(|scheduler| (scheduler.runs)(commands))
    }
}

impl fmt::Debug for FrameworkRow {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name)
    }
}

impl PartialEq for FrameworkRow {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Row of this name; the default, if there is none, because the schema accepts no other names.
pub fn row(name: &str) -> &'static FrameworkRow {
    ROWS.iter().find(|row| row.name == name).unwrap_or(DEFAULT)
}

/// Application of a pool, as its spec describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// Framework of the application.
    pub framework: &'static FrameworkRow,
    /// Names of its queues: at least one, but for an application whose workers have not told them yet.
    pub queues: Vec<String>,
    /// Whether its workers tell them, and not the pool.
    pub told: bool,
    /// Prefix of all its Redis keys; usually empty.
    pub key_prefix: String,
    /// Target, whose pods run its workers.
    pub target: Workload,
    /// Options of its framework alone, as JSON; null where there are none.
    pub options: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_the_schema_has_a_row() {
        for row in &ROWS {
            assert_eq!(super::row(row.name), row);
        }
        assert_eq!(row("Celery").queue, "celery");
    }
}
