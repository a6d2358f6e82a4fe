//! Commands as a page or a plan has them, run against the test bed.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use crate::support::bed::kubeconfig;

const TESTBED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testbed/bed");

/// Runs them beside the files that they name.
pub async fn run(folder: &Path, commands: &str) {
    let script = format!(
        "kubectl() {{ ${{TWP_KUBECTL:-{TESTBED} kubectl}} \"$@\"; }}\nhelm() {{ ${{TWP_HELM:-{TESTBED} helm}} \"$@\"; }}\n\
         helm3() {{ \"${{TWP_HELM3:?bed env sets it}}\" \"$@\"; }}\n{commands}"
    );
    let said = Command::new("bash")
        .args(["-euc", &script])
        .env("KUBECONFIG", kubeconfig())
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("bash");
    let error = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{commands}\n{error}");
}
