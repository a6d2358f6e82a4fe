//! Arguments of `kubectl twp`: one variant a command, and what runs it.

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::{Answer, Format, convert, doctor, init, lint, simulate, status, suspend, top, why};

/// Name of the program's file, by which `kubectl` finds it and a shell completes it.
const FILE: &str = "kubectl-twp";

/// Codes and examples, below the flags.
const AFTER: &str = "\
Ends with 0 if all is well, with 1 if the question could not be answered, with 2 if the answer is something to be mended.

Examples:
  kubectl twp convert scaledobject.yaml deployment.yaml > pools.yaml
  kubectl twp init deploy/mail-worker > pool.yaml
  kubectl twp lint deploy/
  kubectl twp simulate pool.yaml --trace arrivals.csv -o json
  kubectl twp status -A
  kubectl twp top -A
  kubectl twp why mail
  kubectl twp doctor mail
  kubectl-twp completions bash > /etc/bash_completion.d/kubectl-twp";

/// Asks about TaskWorkerPools.
#[derive(Parser, Clone, Debug)]
#[command(name = "kubectl twp", bin_name = "kubectl twp", version, after_help = AFTER)]
pub struct Args {
    /// What is asked.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    // Their words are those of their arguments.
    #[expect(missing_docs)]
    Convert(convert::ConvertArgs),
    #[expect(missing_docs)]
    Init(init::InitArgs),
    #[expect(missing_docs)]
    Lint(lint::LintArgs),
    #[expect(missing_docs)]
    Simulate(simulate::SimulateArgs),
    #[expect(missing_docs)]
    Status(status::StatusArgs),
    #[expect(missing_docs)]
    Top(top::TopArgs),
    #[expect(missing_docs)]
    Why(why::WhyArgs),
    #[expect(missing_docs)]
    Doctor(doctor::DoctorArgs),
    /// Suspends pools: nothing is counted or scaled until they are resumed.
    Suspend(suspend::SuspendArgs),
    /// Lets suspended pools follow their work again.
    Resume(suspend::SuspendArgs),
    /// Prints a script that completes `kubectl-twp` in a shell.
    #[command(
        after_help = "Examples:\n  kubectl-twp completions bash > /etc/bash_completion.d/kubectl-twp\n  \
                            kubectl-twp completions zsh > \"${fpath[1]}/_kubectl-twp\""
    )]
    Completions {
        /// Shell that is to complete.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Prints the manual page of the program, or of one of its commands.
    #[command(hide = true)]
    Man {
        /// Command whose page is wanted.
        command: Option<String>,
    },
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// Why there is no answer, and what to change.
    pub fn run(&self) -> Result<Answer, String> {
        match self {
            Self::Convert(args) => convert::run(args),
            Self::Init(args) => init::run(args),
            Self::Lint(args) => lint::run(args),
            Self::Simulate(args) => simulate::run(args),
            Self::Status(args) => status::run(args),
            Self::Top(args) => top::run(args),
            Self::Why(args) => why::run(args),
            Self::Doctor(args) => doctor::run(args),
            Self::Suspend(args) => suspend::run(args, true),
            Self::Resume(args) => suspend::run(args, false),
            Self::Completions { shell } => Ok(completions(*shell)),
            Self::Man { command } => man(command.as_deref()),
        }
    }

    /// Form in which the answer is wanted.
    pub fn format(&self) -> Format {
        match self {
            Self::Convert(args) => args.output.output,
            Self::Init(args) => args.output.output,
            Self::Lint(args) => args.output.output,
            Self::Simulate(args) => args.output.output,
            Self::Status(args) => args.output.output,
            Self::Why(args) => args.output.output,
            Self::Doctor(args) => args.output.output,
            Self::Suspend(args) | Self::Resume(args) => args.output.output,
            Self::Top(_) | Self::Completions { .. } | Self::Man { .. } => Format::Text,
        }
    }
}

fn completions(shell: Shell) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), FILE, &mut script);
    Answer::text(String::from_utf8_lossy(&script))
}

fn man(command: Option<&str>) -> Result<Answer, String> {
    let mut whole = Args::command().name(FILE);
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => {
            let found = whole.find_subcommand(name).cloned();
            found.ok_or_else(|| format!("there is no command `{name}`; `kubectl twp --help` lists them"))?
        }
    };
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(page).render(&mut text);
    rendered.map_err(|error| error.to_string())?;
    Ok(Answer::text(String::from_utf8_lossy(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Args::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let after = command.get_after_long_help().or(command.get_after_help());
            let text = after.map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            let example = format!("{name} ");
            assert!(
                text.contains("Examples:\n") && text.contains(&example),
                "{name}: {text}"
            );
        }
    }
}
