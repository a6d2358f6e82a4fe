//! Containers by their commands: what each of them runs, and what a worker is told on its command line.
//!
//! | file | concept |
//! |---|---|
//! | `mod.rs` | what a container runs: [`Runs`], [`Worker`] |
//! | `shell.rs` | scripts of a shell as simple commands |
//! | `wrapper.rs` | programs that run another one |
//! | `program.rs` | which program a command is |
//! | `options.rs` | options of a worker's command line |
#![deny(clippy::disallowed_methods)]

mod options;
mod program;
mod shell;
mod wrapper;

pub use shell::Lookup;
pub(super) use shell::is_name;

/// What one command of a container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runs {
    /// Workers of a framework that pools have.
    Worker(Box<Worker>),
    /// Workers of a framework that no pool has: its name.
    Unsupported(&'static str),
    /// Web server: its program.
    Web(String),
    /// Scheduler or monitor of a framework: its name.
    Aside(&'static str),
    /// Program that starts others as its own configuration says: its name.
    Supervisor(&'static str),
    /// Anything else: its program.
    Other(String),
}

/// Worker, as far as its command says it. Texts are as they are written, with what is known of variables put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// Name of its framework, as in a pool.
    pub framework: &'static str,
    /// Program of its command, such as `celery worker`.
    pub program: &'static str,
    /// Queues that it names.
    pub queues: Vec<String>,
    /// Option that names them.
    pub queues_by: &'static str,
    /// Queue that the framework, or its program, has by default.
    pub usual_queue: &'static str,
    /// Whether it takes all queues but some.
    pub excludes: bool,
    /// Number of tasks at a time.
    pub concurrency: Option<String>,
    /// Option that says so.
    pub concurrency_by: &'static str,
    /// Kind of its pool, such as `solo`.
    pub pool: Option<String>,
    /// Name of its node.
    pub node: Option<String>,
    /// Number of tasks that it prefetches for each slot.
    pub prefetch: Option<String>,
    /// Seconds after which a task is killed.
    pub time_limit: Option<String>,
    /// Whether it runs the scheduler as well.
    pub beat: bool,
    /// URL of the broker, perhaps a variable's name: `$(NAME)` or `${NAME}`.
    pub broker: Option<String>,
    /// Whether a shell is its parent, which does not hand SIGTERM on.
    pub below_shell: bool,
}

/// All that a container with this command runs.
pub fn read(command: &[String], lookup: Lookup) -> Vec<Runs> {
    let words: Vec<_> = command.iter().map(|word| shell::substituted(word, lookup)).collect();
    let commands = wrapper::unwrapped(&words, lookup, wrapper::DEEPEST);
    let alone = commands.len() == 1;
    commands
        .into_iter()
        .map(|one| match program::read(&one.words) {
            Runs::Worker(mut worker) => {
                worker.below_shell = one.in_shell && !one.replaces && !alone;
                Runs::Worker(worker)
            }
            other => other,
        })
        .collect()
}

/// Workers among what the containers with these commands run, without the values of variables.
pub fn workers(commands: &[Vec<String>]) -> Vec<Worker> {
    let runs = commands.iter().flat_map(|command| read(command, &|_| None));
    let worker = |runs| match runs {
        Runs::Worker(worker) => Some(*worker),
        _ => None,
    };
    runs.filter_map(worker).collect()
}

/// Whether one of the containers with these commands serves web pages.
pub fn serves_web(commands: &[Vec<String>]) -> bool {
    let mut runs = commands.iter().flat_map(|command| read(command, &|_| None));
    runs.any(|runs| matches!(runs, Runs::Web(_)))
}

#[cfg(test)]
mod tests;
