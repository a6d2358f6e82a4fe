//! `kubectl twp top`: pools on a terminal, live.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `mod.rs` | shell | the command: keys and answers in, the screen out |
//! | `state.rs` | pure | what is looked at and known; what a key or an answer makes of it |
//! | `draw.rs` | pure | the screen: its head, its notices, its keys |
//! | `list.rs` | pure | all pools, and the columns that there is room for |
//! | `one.rs` | pure | one pool |
//! | `spark.rs` | pure | an hour as a line of bars |
//! | `fit.rs` | pure | texts of strangers in columns |
//! | `look.rs` | pure | colours and weights |
//! | `watch.rs` | shell | asks the cluster again and again |
//! | `screen.rs` | shell | the terminal, its keys, and what ends the program from outside |

mod draw;
mod fit;
mod list;
mod look;
mod one;
mod screen;
mod spark;
mod state;
#[cfg(test)]
mod tests;
mod watch;

use std::{io, pin::pin, time::Duration};

use jiff::Timestamp;
use tokio::{
    runtime::Builder,
    select,
    sync::{mpsc, watch as latest},
    time::{MissedTickBehavior, interval},
};

pub use screen::Screen;

use self::{
    look::Look,
    state::{Told, Top, Wanted},
};
use super::{
    Answer,
    cluster::{ClusterArgs, Connection, patiently},
};

const EXAMPLES: &str = "\
Keys: up and down (or j, k) select or scroll; Enter shows one pool, Esc all of them; / filters by name, state or sentence; q ends it.
A number with ? is old: the broker cannot be read now. ? alone is not known.
Pods, the last hour and the last scalings come from the operator (view.enabled=true in its chart); without it the objects' statuses are
shown, which may be some seconds old. NO_COLOR leaves out colours.
For a file or a program: `kubectl twp status`, with -o json or -o yaml.

Examples:
  kubectl twp top -A
  kubectl twp top mail -n shop --every 1";

/// Shows pools on the terminal, live.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TopArgs {
    /// Name of a pool to begin with. Default: all pools, the worst first.
    #[arg(value_name = "POOL", conflicts_with = "all_namespaces")]
    pub pool: Option<String>,
    /// Pools of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Seconds between two looks, 1 to 3600.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Runs the command, until somebody ends it.
///
/// # Errors
/// There is no terminal, or the pools cannot be read.
pub fn run(args: &TopArgs) -> Result<Answer, String> {
    if !screen::is_there() {
        return Err(
            "`top` needs a terminal: `kubectl twp status` prints the pools once, with -o json for a program".to_owned(),
        );
    }
    // Answers are read beside the thread that draws: a large one must not hold up a key.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let ended = runtime.block_on(show(args));
    runtime.shutdown_background();
    ended.map(|()| Answer::default())
}

async fn show(args: &TopArgs) -> Result<(), String> {
    let connection = Connection::new(&args.cluster).await?;
    let every = Duration::from_secs(args.every);
    let scope = match args.all_namespaces {
        true => "All namespaces".to_owned(),
        false => format!("Namespace {}", connection.namespace()),
    };
    let one = args.pool.as_ref().map(|name| connection.key(name)).transpose()?;
    let mut top = Top::new(scope, args.all_namespaces, every, one);
    let (wanted, wants) = latest::channel(top.wanted());
    let (told, mut answers) = mpsc::channel(1);
    tokio::spawn(watch::watch(connection, args.all_namespaces, every, wants, told));
    // What cannot be read at all is told as by the other commands.
    let (asked, first) = patiently(answers.recv()).await.ok_or_else(ended)?;
    if let Told::Failed(why, _) = first {
        return Err(why);
    }
    top.tell(first, &asked, Timestamp::now());
    on_screen(&mut top, &wanted, &mut answers).await
}

/// Draws what keys, answers and the time make of it.
async fn on_screen(
    top: &mut Top,
    wanted: &latest::Sender<Wanted>,
    answers: &mut mpsc::Receiver<(Wanted, Told)>,
) -> Result<(), String> {
    let no_terminal = |error: io::Error| format!("the terminal cannot be used: {error}");
    let look = Look {
        colours: screen::has_colours(),
    };
    let mut told_to_end = pin!(screen::told_to_end().map_err(no_terminal)?);
    // Ages are shown in seconds.
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut screen = Screen::take().map_err(no_terminal)?;
    let mut keys = screen::keys();
    while !top.over {
        let drawn = screen.draw(|buffer| draw::draw(top, buffer, look, Timestamp::now()));
        drawn.map_err(no_terminal)?;
        select! {
            key = keys.recv() => match key {
                Some(key) => key.into_iter().for_each(|key| top.press(key)),
                None => return Err(no_terminal(io::ErrorKind::UnexpectedEof.into())),
            },
            answer = answers.recv() => {
                let (asked, answer) = answer.ok_or_else(ended)?;
                top.tell(answer, &asked, Timestamp::now());
            }
            _ = seconds.tick() => {}
            () = &mut told_to_end => return Ok(()),
        }
        // A key that is held down is drawn once.
        while let Ok(key) = keys.try_recv() {
            key.into_iter().for_each(|key| top.press(key));
        }
        wanted.send_if_modified(|before| {
            let now = top.wanted();
            let changed = *before != now;
            *before = now;
            changed
        });
    }
    Ok(())
}

fn ended() -> String {
    "what asks the cluster has ended, which is a fault of this program".to_owned()
}
