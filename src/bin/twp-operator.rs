//! `twp-operator`: parses its arguments, dispatches, and turns errors into an exit code.
//!
//! * `run`: the controller (every flag has an environment variable).
//! * `doctor`: examines the installation, or a pool, from inside the cluster.
//! * `crd`: prints the CustomResourceDefinition as YAML.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use taskworkerpool::{api, controller, doctor, telemetry};
use tokio::runtime::Runtime;

/// Code of an examination that found something wrong.
const FINDING: u8 = 2;

/// Scales background workers by the work that waits for them.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the controller until SIGTERM or SIGINT.
    Run(Box<controller::Settings>),
    /// Examines the installation (API server, CRD, rights, who leads), or one pool: its references, its target, its broker step by
    /// step, its workers. Changes nothing. Ends with 0 if all is well, with 1 if it could not be examined, with 2 if something is
    /// wrong.
    Doctor(doctor::Settings),
    /// Prints the CustomResourceDefinition as YAML.
    Crd,
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Run(settings) => run(*settings),
        Command::Doctor(settings) => examine(&settings),
        Command::Crd => crd(),
    }
}

fn crd() -> ExitCode {
    let yaml = api::crd()
        .map_err(|error| error.to_string())
        .and_then(|crd| serde_saphyr::to_string(&crd).map_err(|error| error.to_string()));
    match yaml {
        Ok(yaml) => {
            print!("{yaml}");
            ExitCode::SUCCESS
        }
        Err(why) => fail(&why),
    }
}

fn run(settings: controller::Settings) -> ExitCode {
    telemetry::init(settings.log_format);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(why) => return fail(&why),
    };
    let outcome = runtime.block_on(controller::run(settings));
    // What still runs now is waiting for a broker or the API server; it must not delay the exit.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn examine(settings: &doctor::Settings) -> ExitCode {
    let findings = runtime().and_then(|runtime| runtime.block_on(doctor::examine(settings)));
    let printed = findings.and_then(|findings| Ok((settings.output.of(&findings)?, findings)));
    match printed {
        Ok((text, findings)) => {
            print!("{text}");
            match findings.iter().any(doctor::Finding::is_wrong) {
                true => ExitCode::from(FINDING),
                false => ExitCode::SUCCESS,
            }
        }
        Err(why) => fail(&why),
    }
}

/// Runtime with the TLS provider of the whole process: kube, lapin and our own streams take this one.
fn runtime() -> Result<Runtime, String> {
    let provider = rustls::crypto::ring::default_provider();
    provider
        .install_default()
        .map_err(|_| "a TLS provider is installed already".to_owned())?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .map_err(|error| format!("the async runtime does not start: {error}"))
}

fn fail(why: &str) -> ExitCode {
    eprintln!("twp-operator: {why}");
    ExitCode::FAILURE
}
