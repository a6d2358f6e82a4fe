//! `twp-operator`: parses its arguments, dispatches, and turns errors into an exit code.
//!
//! * `run`: the controller (every flag has an environment variable).
//! * `crd`: prints the CustomResourceDefinition as YAML.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use taskworkerpool::{api, controller, telemetry};

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
    /// Prints the CustomResourceDefinition as YAML.
    Crd,
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Run(settings) => run(*settings),
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
    // One TLS provider for the whole process: kube, lapin and our own streams take this one.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return fail("a TLS provider is installed already");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the async runtime does not start: {error}")),
    };
    let outcome = runtime.block_on(controller::run(settings));
    // What still runs now is waiting for a broker or the API server; it must not delay the exit.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("twp-operator: {why}");
    ExitCode::FAILURE
}
