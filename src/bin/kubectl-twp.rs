//! `kubectl twp`: parses its arguments, has the command run, prints its answer, and turns it into an exit code:
//! 0 all is well, 1 no answer, 2 a finding.

use std::{
    io::{Write, stderr, stdout},
    process::ExitCode,
};

use clap::Parser;
use taskworkerpool::cli::Args;

/// Code of an answer that is something to be mended.
const FINDING: u8 = 2;

fn main() -> ExitCode {
    let command = match Args::try_parse() {
        Ok(args) => args.command,
        Err(told) => {
            let _closed = told.print();
            // The parser's own code is 2, which is a finding here.
            return match told.use_stderr() {
                true => ExitCode::FAILURE,
                false => ExitCode::SUCCESS,
            };
        }
    };
    let answer = command.run();
    let printed = answer.and_then(|answer| Ok((answer.printed(command.format())?, answer)));
    match printed {
        // Whoever closes a pipe has read enough.
        Ok((text, answer)) => {
            let _closed = stderr().write_all(answer.aside.as_bytes());
            let _closed = stdout().write_all(text.as_bytes());
            match (answer.finding, answer.unanswered) {
                (true, _) => ExitCode::from(FINDING),
                (false, true) => ExitCode::FAILURE,
                (false, false) => ExitCode::SUCCESS,
            }
        }
        Err(why) => {
            eprintln!("kubectl twp: {why}");
            ExitCode::FAILURE
        }
    }
}
