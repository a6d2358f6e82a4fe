//! `kubectl twp`: parses its arguments, dispatches, and turns errors into an exit code.
//!
//! * `simulate`: how a pool would have scaled recorded work.

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use taskworkerpool::cli::simulate;

/// Asks about TaskWorkerPools.
#[derive(Parser)]
#[command(name = "kubectl twp", bin_name = "kubectl twp", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    // Its words are those of its arguments.
    Simulate(simulate::SimulateArgs),
}

fn main() -> ExitCode {
    let answer = match Args::parse().command {
        Command::Simulate(args) => simulate::run(&args),
    };
    match answer {
        // Whoever closes the pipe has read enough.
        Ok(text) => {
            let _closed = stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("kubectl twp: {why}");
            ExitCode::FAILURE
        }
    }
}
