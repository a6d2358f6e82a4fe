//! Connections to the API server, as the environment describes them.

use std::{collections::BTreeSet, time::Duration};

pub use kube::{Client, Config, config::InferConfigError};
use kube::{Error, client::ClientBuilder};
use tower::timeout::TimeoutLayer;

/// Longest time until an answer of the API server begins.
const HEADERS: Duration = Duration::from_secs(10);

/// Configuration of the pod, or of a kubeconfig file.
///
/// # Errors
/// There is neither.
pub async fn config() -> Result<Config, InferConfigError> {
    let mut config = Config::infer().await?;
    // kube's own retries would hide refusals for minutes; every call here has a deadline and its own way to try again.
    config.default_retry = false;
    Ok(config)
}

/// Client with a connection of its own.
///
/// # Errors
/// The configuration cannot be used.
pub fn client(config: Config) -> Result<Client, Error> {
    let builder = ClientBuilder::try_from(config)?;
    Ok(builder.with_layer(&TimeoutLayer::new(HEADERS)).build())
}

/// Hosts at which the API server is reached: names and addresses.
pub fn hosts(config: &Config) -> BTreeSet<String> {
    let hosts = [
        config.cluster_url.host().map(str::to_owned),
        std::env::var("KUBERNETES_SERVICE_HOST").ok(),
    ];
    let without_brackets = |host: String| host.trim_matches(['[', ']']).to_owned();
    hosts.into_iter().flatten().map(without_brackets).collect()
}
