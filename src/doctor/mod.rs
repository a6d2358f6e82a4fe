//! `twp-operator doctor`: whether an installation is whole, or one pool and its broker, from inside the cluster, with the
//! operator's own rights. It changes nothing. `helm test` runs it, `kubectl twp doctor` as well.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `mod.rs` | shell | what is examined, one after the other |
//! | `finding.rs` | pure | what was seen, or what is wrong and how to mend it |
//! | `pool.rs`, `broker.rs` | pure | what the examination of a pool found; the way to its broker, step by step |
//! | `rights.rs` | pure | the rights that the operator needs |
//! | `schema.rs` | pure | what the operator writes and reads, and the cluster's CRD lacks |

mod broker;
mod finding;
mod pool;
mod rights;
mod schema;

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep};

pub use finding::{Finding, Level};

use crate::{
    api,
    controller::{self, examine},
    kube::{
        CallError, Cluster, Key, Limits,
        client::{self, Client, Config},
        installation::{self, Right},
        pools,
    },
};

/// The oldest version of Kubernetes with which the operator was tried: minor version of 1.x.
const OLDEST: u32 = 30;
/// Time within which whoever leads renews the Lease, with room to spare: it does so every two seconds.
const RENEWS: Duration = Duration::from_secs(20);
/// Pause between two looks at the Lease.
const LOOKS: Duration = Duration::from_secs(1);

/// Installation or pool to examine; the operator's own flags and environment variables.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Pool to examine instead of the installation.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = key)]
    pub pool: Option<Key>,
    /// Form of the findings.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
    /// Namespaces that the operator watches, separated by commas; all where none is given.
    #[arg(long, env = "TWP_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Whether the operator acts only while it holds the Lease.
    #[arg(long, env = "TWP_LEADER_ELECTION", default_value_t = false, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub leader_election: bool,
    /// Name of the Lease.
    #[arg(long, env = "TWP_LEASE_NAME", default_value = "twp-operator")]
    pub lease_name: String,
    /// Namespace of the Lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub pod_namespace: String,
    /// Networks where brokers may be, separated by commas; anywhere where none is given.
    #[arg(long, env = "TWP_BROKER_CIDRS", value_delimiter = ',')]
    pub broker_cidr: Vec<controller::Network>,
    /// Domain of the cluster; that of the pod's /etc/resolv.conf where none is given.
    #[arg(long, env = "TWP_CLUSTER_DOMAIN", default_value = "")]
    pub cluster_domain: String,
}

/// Form of the findings.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// A line for each.
    #[default]
    Text,
    /// A list, for a program.
    Json,
}

impl Output {
    /// Findings in this form.
    ///
    /// # Errors
    /// Never in practice: they cannot be written.
    pub fn of(self, findings: &[Finding]) -> Result<String, String> {
        match self {
            Self::Text => Ok(findings.iter().map(|finding| format!("{finding}\n")).collect()),
            Self::Json => serde_json::to_string_pretty(findings)
                .map(|text| text + "\n")
                .map_err(|error| error.to_string()),
        }
    }
}

fn key(text: &str) -> Result<Key, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => Ok(Key {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        _ => Err("it must be the namespace and the name of a pool, such as shop/mail".to_owned()),
    }
}

/// Examines the installation, or one pool.
///
/// # Errors
/// A sentence: there is no API server that could be asked, or no such pool.
pub async fn examine(settings: &Settings) -> Result<Vec<Finding>, String> {
    let config = client::config()
        .await
        .map_err(|error| format!("no API server is configured: run in a cluster, or set KUBECONFIG ({error})"))?;
    let client =
        client::client(config.clone()).map_err(|_| "the API server's configuration cannot be used".to_owned())?;
    match &settings.pool {
        Some(key) => pool(key, settings, &config, client).await,
        None => installation(settings, client).await,
    }
}

/// Examines one pool.
async fn pool(key: &Key, settings: &Settings, config: &Config, client: Client) -> Result<Vec<Finding>, String> {
    let cluster = Cluster::new(client.clone(), Limits::default(), |_, _| {});
    let egress = controller::egress(&settings.broker_cidr, &settings.cluster_domain, config);
    let object = pools::one(&cluster, key).await.ok().flatten();
    let longest = object.and_then(|object| object.spec.worker?.max_task_seconds);
    let longest = longest.and_then(|seconds| u32::try_from(seconds).ok());
    let seen = examine::examine(&client, &cluster, egress, key).await;
    let mut findings = pool::findings(key, &seen, longest)?;
    let mut watched = settings
        .watch_namespaces
        .iter()
        .filter(|name| !name.trim().is_empty())
        .peekable();
    if watched.peek().is_some() && !watched.any(|name| name.trim() == key.namespace) {
        let cure = format!(
            "it does not watch the namespace `{}`: add that to `watchNamespaces` in the chart (`--watch-namespaces`)",
            key.namespace
        );
        findings.insert(0, Finding::wrong("Operator", cure));
    }
    Ok(findings)
}

/// Examines the installation.
async fn installation(settings: &Settings, client: Client) -> Result<Vec<Finding>, String> {
    let mut findings = vec![server(&client).await];
    if findings[0].is_wrong() {
        // Nothing else would be known of it.
        return Ok(findings);
    }
    let cluster = Cluster::new(client, Limits::default(), |_, _| {});
    findings.push(crd(&cluster).await);
    findings.push(all_rights(&cluster, settings).await);
    findings.push(stateful_sets(&cluster, settings).await);
    if settings.leader_election {
        findings.push(leader(&cluster, settings).await);
    }
    Ok(findings)
}

async fn server(client: &Client) -> Finding {
    let what = "API server";
    match installation::version(client).await {
        Ok(version) if version.minor < OLDEST => Finding::wrong(
            what,
            format!("Kubernetes {version} is older than 1.{OLDEST}: upgrade the cluster"),
        ),
        Ok(version) => Finding::good(what, format!("Kubernetes {version}")),
        Err(why) => Finding::wrong(what, format!("{why}: does a NetworkPolicy keep pods from it?")),
    }
}

async fn crd(cluster: &Cluster) -> Finding {
    let what = "CRD";
    let served = match installation::served(cluster).await {
        Ok(Some(served)) => served,
        Ok(None) => {
            let cure =
                "there is none of TaskWorkerPools: `kubectl apply -f crds/`, or `crds.enabled=true` in the chart";
            return Finding::wrong(what, cure);
        }
        Err(why) => return Finding::wrong(what, format!("its schema could not be read: {why}")),
    };
    let Ok(own) = api::crd() else {
        return Finding::wrong(
            what,
            "the operator's own cannot be written: this is a fault of the operator",
        );
    };
    let missing = schema::missing(&own, &served);
    match missing.first() {
        None => Finding::good(what, "it has every field that the operator knows"),
        Some(first) => Finding::wrong(
            what,
            format!(
                "it is older than the operator, {} fields are missing, such as `{first}`: `kubectl apply -f crds/`",
                missing.len()
            ),
        ),
    }
}

async fn all_rights(cluster: &Cluster, settings: &Settings) -> Finding {
    let what = "Rights";
    let own = Some(settings.pod_namespace.as_str()).filter(|_| settings.leader_election);
    let needed = rights::needed(&settings.watch_namespaces, own, &settings.lease_name);
    match refused(cluster, &needed).await {
        Err(why) => Finding::wrong(what, format!("they could not be asked for: {why}")),
        Ok(refused) if refused.is_empty() => Finding::good(what, format!("all {} are there", needed.len())),
        Ok(refused) => Finding::wrong(
            what,
            format!(
                "the operator may not {}: give it what the chart's templates/rbac.yaml lists",
                refused.join("; not ")
            ),
        ),
    }
}

/// They are a choice, so none of them is wrong.
async fn stateful_sets(cluster: &Cluster, settings: &Settings) -> Finding {
    let what = "StatefulSets";
    match refused(cluster, &rights::stateful_sets(&settings.watch_namespaces)).await {
        Ok(refused) if refused.is_empty() => Finding::good(what, "they can be targets"),
        Ok(_) => Finding::good(
            what,
            "they cannot be targets; `rbac.statefulSets: true` in the chart changes that",
        ),
        Err(why) => Finding::wrong(what, format!("the rights could not be asked for: {why}")),
    }
}

async fn refused(cluster: &Cluster, needed: &[Right]) -> Result<Vec<String>, CallError> {
    let mut refused = Vec::new();
    for right in needed {
        if !installation::may(cluster, right).await? {
            refused.push(right.to_string());
        }
    }
    Ok(refused)
}

/// Whether somebody renews the Lease while it is looked at. No clocks are compared.
async fn leader(cluster: &Cluster, settings: &Settings) -> Finding {
    let (what, namespace, name) = ("Leader", &settings.pod_namespace, &settings.lease_name);
    let begin = Instant::now();
    let mut first = None;
    loop {
        let seen = installation::holder(cluster, namespace, name).await;
        match seen {
            Ok(Some(seen)) if first.as_ref().is_some_and(|first| *first != seen) => {
                return Finding::good(what, format!("`{}` acts", seen.name));
            }
            Ok(Some(seen)) => first = first.or(Some(seen)),
            Ok(None) => {}
            Err(why) => {
                return Finding::wrong(what, format!("the Lease `{namespace}/{name}` could not be read: {why}"));
            }
        }
        if begin.elapsed() > RENEWS {
            let cure = format!(
                "nobody renews the Lease `{namespace}/{name}`, so no pool is scaled: `kubectl -n {namespace} get pods` and the \
                 operator's log say why"
            );
            return Finding::wrong(what, cure);
        }
        sleep(LOOKS).await;
    }
}
