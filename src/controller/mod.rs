//! What ties the core to the cluster: a pure state machine, and the shell that performs what it asks for.
//!
//! ```text
//! watches, samplers, ended effects ──► Input ──► Fleet::on ──► PoolState::on ──► Effects ──► performed in tasks ──► Input …
//! ```
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `mod.rs` | shell | [`Settings`] and [`run()`]: what starts and ends with the process |
//! | `input.rs`, `effect.rs` | data | all that can happen; all that can be asked for |
//! | `fleet.rs`, `registry.rs`, `shared.rs` | pure | all pools, and what they share: targets, queues, turns |
//! | `state.rs` | pure | one pool: from what happened to what is to be done |
//! | `pool.rs`, `validate.rs` | pure | from the objects as written to a pool and its broker's address |
//! | `ownership.rs` | pure | what the operator did to its target, and whether it still stands |
//! | `late.rs`, `vanished.rs` | pure | pods that do not become ready; tasks that vanish |
//! | `learned.rs` | pure | queues that the workers name |
//! | `status.rs`, `report.rs` | pure | the status a pool ought to have; notes, Events and metrics |
//! | `event_loop.rs`, `effects.rs` | shell | the one task that owns the state; the tasks that perform what it asks for |
//! | `scale.rs` | shell | pods to spare, then `/scale` |
//! | `uncordon.rs` | shell | workers told to stop fetch again when nobody looks after them any more |
//! | `endpoints.rs`, `resolve.rs` | shell | samplers; the broker's address, from Secrets and ConfigMaps |
//! | `examine.rs` | shell | one pool as the operator finds it, for some seconds; reads only |
//! | `watches.rs`, `notes.rs` | shell | what is watched, as inputs; log lines and counters |
//! | `signals.rs` | shell | what asks the process to end |

mod effect;
mod effects;
mod endpoints;
mod event_loop;
pub mod examine;
#[cfg(test)]
mod fixture;
mod fleet;
mod input;
mod late;
mod learned;
mod notes;
mod ownership;
pub mod pool;
mod registry;
mod report;
mod resolve;
mod scale;
mod shared;
mod signals;
mod state;
pub mod status;
mod uncordon;
pub mod validate;
mod vanished;
mod watches;

use std::{collections::BTreeSet, net::SocketAddr, pin::pin, time::Duration};

use clap::Args;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

pub use report::is_well;

pub use crate::broker::Network;

use self::{
    effects::Effects, endpoints::Endpoints, event_loop::Controller, fleet::Fleet, input::Input, signals::Signals,
};
use crate::{
    broker::{Clock, Egress, cluster_domain},
    kube::{
        Cluster, Limits,
        client::{self, Client, Config, InferConfigError},
        lease::{self, Leadership},
        watch::Scope,
    },
    telemetry::{Events, Health, LogFormat, Metrics, Page, server},
    view::{HostRule, Question, View, types::Leader},
};

/// Largest number of watch inputs that wait for the event loop.
const WATCHED: usize = 256;
/// Time after SIGTERM for telling workers to fetch again: less than the 30 s that a pod has to end.
const ENDING: Duration = Duration::from_secs(20);
/// Largest number of samples that wait for the event loop; a sampler waits when it is full.
const SAMPLES: usize = 4096;

/// The operator's flags; each has an environment variable.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Namespaces to watch, separated by commas; all where none is given.
    #[arg(long, env = "TWP_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Address that serves /metrics.
    #[arg(long, env = "TWP_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Address that serves /livez and /readyz.
    #[arg(long, env = "TWP_PROBES", default_value = "0.0.0.0:8081")]
    pub probes: SocketAddr,
    /// Address that serves the view: what is known of the pools, as JSON and on a page. Off where none is given. There is no
    /// login: whoever reaches it sees all pools.
    #[arg(long, env = "TWP_VIEW_LISTEN")]
    pub view_listen: Option<SocketAddr>,
    /// Names by which the view may be asked, separated by commas, beside IP addresses, localhost and, unless it listens on
    /// loopback, its own in the cluster: a proxy before it may leave the name in the request by which it was asked itself.
    #[arg(long, env = "TWP_VIEW_HOSTS", value_delimiter = ',')]
    pub view_host: Vec<String>,
    /// Log format: json or text. RUST_LOG sets the level.
    #[arg(long, env = "TWP_LOG_FORMAT", default_value_t)]
    pub log_format: LogFormat,
    /// Act only while holding the Lease; for more than one replica.
    #[arg(long, env = "TWP_LEADER_ELECTION", default_value_t = false, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub leader_election: bool,
    /// Name of the Lease.
    #[arg(long, env = "TWP_LEASE_NAME", default_value = "twp-operator")]
    pub lease_name: String,
    /// Calls to the API server a second, on average: statuses and Events wait for it, all others never do.
    #[arg(long, env = "TWP_KUBE_API_QPS", default_value_t = 50)]
    pub kube_api_qps: u32,
    /// Calls to the API server at once.
    #[arg(long, env = "TWP_KUBE_API_IN_FLIGHT", default_value_t = 32)]
    pub kube_api_in_flight: usize,
    /// Networks where brokers may be, such as 10.0.0.0/8, separated by commas; anywhere where none is given. Loopback,
    /// link-local, metadata and API server addresses are refused unless one of these networks lies within them.
    #[arg(long, env = "TWP_BROKER_CIDRS", value_delimiter = ',')]
    pub broker_cidr: Vec<Network>,
    /// Domain of the cluster, with which names of Services end; that of the pod's /etc/resolv.conf where none is given, else
    /// cluster.local.
    #[arg(long, env = "TWP_CLUSTER_DOMAIN", default_value = "")]
    pub cluster_domain: String,
    /// Name of this pod: who holds the Lease, and the reporter of Events.
    #[arg(long, env = "POD_NAME", default_value = "twp-operator")]
    pub pod_name: String,
    /// Namespace of the Lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub pod_namespace: String,
}

/// Reason why the process ends, other than a signal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No API server is configured.
    #[error("no API server is configured: run in a cluster, or set KUBECONFIG ({0})")]
    Config(#[from] InferConfigError),
    /// No client can be created from the configuration.
    #[error("the API server's configuration cannot be used")]
    Client,
    /// The address is taken.
    #[error("cannot listen on {0}: is it in use? ({1})")]
    Listen(SocketAddr, std::io::Error),
    /// Signals cannot be handled.
    #[error("signals cannot be caught: {0}")]
    Signal(std::io::Error),
    /// Another replica has the Lease, or it could not be renewed.
    #[error("the Lease was lost: another replica may act now")]
    LostLease,
    /// A task that must not end has ended.
    #[error("a task that must live ended")]
    Ended,
}

/// Runs until SIGTERM or SIGINT, then returns within a second or two; within some 20 s if workers are to fetch again.
///
/// # Errors
/// [`RunError`]: the process must end, and be started again.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let signals = Signals::new().map_err(RunError::Signal)?;
    let (for_metrics, listen) = bind(settings.listen)?;
    let (for_probes, probes) = bind(settings.probes)?;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let health = Health::default();
    let mut servers = JoinSet::new();
    servers.spawn(server::serve(for_metrics, Page::new(metrics.clone())));
    servers.spawn(server::serve(for_probes, health.clone()));
    let holder = watch::Sender::new(None);
    let mut questions = None;
    if let Some(address) = settings.view_listen {
        let (for_view, address) = bind(address)?;
        let (view, asked) = view(&settings, address, &holder);
        servers.spawn(server::serve(for_view, view));
        tracing::info!(view = %address, "the pools can be looked at");
        questions = Some(asked);
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, %probes, "started");
    let result = tokio::select! {
        result = act(&settings, &metrics, &health, signals, holder, questions) => result,
        _ = servers.join_next() => Err(RunError::Ended),
    };
    tracing::info!("ended");
    result
}

/// View at this address, and the questions that it asks. Who leads is told to `holder`.
fn view(
    settings: &Settings,
    address: SocketAddr,
    holder: &watch::Sender<Option<String>>,
) -> (View, mpsc::Receiver<Question>) {
    let own = Leader {
        pod: settings.pod_name.clone(),
        namespace: settings.pod_namespace.clone(),
        port: address.port(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    let rule = match address.ip().is_loopback() {
        true => HostRule::loopback(),
        false => HostRule::of_pod(
            &settings.pod_name,
            &settings.pod_namespace,
            &domain(&settings.cluster_domain),
        ),
    };
    let rule = rule.and(&settings.view_host);
    View::new(own, rule, holder.subscribe())
}

/// Creates a listener, and returns its address: the system chooses the port where 0 is given.
fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), RunError> {
    let failed = |error| RunError::Listen(address, error);
    let listener = server::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Watches from the beginning and acts once this process leads, until a signal comes; then tells workers of draining
/// pods to fetch again, and releases the Lease, so that a standby need not wait until it expires. A second signal ends
/// it at once.
async fn act(
    settings: &Settings,
    metrics: &Metrics,
    health: &Health,
    mut signals: Signals,
    holder: watch::Sender<Option<String>>,
    questions: Option<mpsc::Receiver<Question>>,
) -> Result<(), RunError> {
    // The Lease has a connection of its own: nothing else may delay it.
    let config = client::config().await?;
    let connect = || client::client(config.clone()).map_err(|_| RunError::Client);
    let (own, client) = (connect()?, connect()?);
    let egress = egress(&settings.broker_cidr, &settings.cluster_domain, &config);
    let (stop, stopped) = oneshot::channel();
    let (lead, leads) = oneshot::channel();
    let mut work = pin!(work(
        settings,
        client,
        egress,
        metrics.clone(),
        health.clone(),
        Told {
            leads,
            stopped,
            questions
        }
    ));
    let mut leadership = None;
    if settings.leader_election {
        let config = lease::Config {
            holder,
            ..lease::Config::new(&settings.pod_namespace, &settings.lease_name, &settings.pod_name)
        };
        metrics.leads(&settings.lease_name, false);
        leadership = tokio::select! {
            gained = lease::lead(own, config) => Some(gained),
            () = &mut work => return Err(RunError::Ended),
            () = signals.received() => return Ok(()),
        };
        metrics.leads(&settings.lease_name, true);
    } else {
        holder.send_replace(Some(settings.pod_name.clone()));
    }
    let _told = lead.send(());
    tokio::select! {
        () = &mut work => return Err(RunError::Ended),
        () = lost(&mut leadership) => return Err(RunError::LostLease),
        () = signals.received() => {}
    }
    let _ended = stop.send(());
    tokio::select! {
        () = work => {}
        // The next leader looks after them.
        () = lost(&mut leadership) => {}
        () = signals.received() => tracing::warn!("asked to end a second time: {LEFT}"),
        () = tokio::time::sleep(ENDING) => tracing::warn!("no more time: {LEFT}"),
    }
    if let Some(leadership) = leadership {
        leadership.release().await;
    }
    Ok(())
}

/// Log line for an end before all workers fetch again.
const LEFT: &str = "workers that were told to stop may not fetch again until an operator runs";

/// Ends when the leadership is lost; never, without leader election.
async fn lost(leadership: &mut Option<Leadership>) {
    match leadership {
        Some(leadership) => leadership.lost().await,
        None => std::future::pending().await,
    }
}

/// Rules for connections to brokers, in these networks or anywhere: the API server is excluded.
pub fn egress(networks: &[Network], cluster_domain: &str, config: &Config) -> Egress {
    let api_server = client::hosts(config).into_iter().collect();
    Egress::new(networks.to_vec(), api_server, &domain(cluster_domain))
}

/// Domain of the cluster, if it is not given that of this pod.
fn domain(given: &str) -> String {
    match given {
        "" => cluster_domain(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
        given => given.to_owned(),
    }
}

/// What the event loop is told while it works.
struct Told {
    /// This process leads.
    leads: oneshot::Receiver<()>,
    /// It is to end.
    stopped: oneshot::Receiver<()>,
    /// Questions of the view, if it is on.
    questions: Option<mpsc::Receiver<Question>>,
}

/// Starts the watches and the event loop; ends some time after it was told to, or if a watch ends, which none does.
async fn work(settings: &Settings, client: Client, egress: Egress, metrics: Metrics, health: Health, told: Told) {
    let Told {
        leads,
        stopped,
        questions,
    } = told;
    let (watched, inputs) = mpsc::channel(WATCHED);
    let (inbox, own) = mpsc::unbounded_channel();
    let (out, samples) = mpsc::channel(SAMPLES);
    let scopes = scopes(&settings.watch_namespaces);
    let limits = Limits {
        in_flight: settings.kube_api_in_flight,
        per_second: settings.kube_api_qps,
    };
    let counts = metrics.clone();
    let cluster = Cluster::new(client.clone(), limits, move |class, outcome| {
        counts.api_call(class.label(), outcome.label());
    });
    let events = Events::new(cluster.clone(), settings.pod_name.clone());
    let clock = Clock::start();
    let endpoints = Endpoints::new(clock, egress, out);
    let effects = Effects::new(
        cluster.clone(),
        clock,
        metrics,
        events,
        health.clone(),
        endpoints,
        inbox.clone(),
    );
    let mut watches = JoinSet::new();
    for scope in scopes.clone() {
        let (client, out) = (client.clone(), watched.clone());
        let wanted = effects.stateful_sets();
        watches.spawn(watches::deployments(client.clone(), scope.clone(), out.clone()));
        watches.spawn(watches::stateful_sets(
            client.clone(),
            scope.clone(),
            out.clone(),
            wanted,
        ));
        watches.spawn(watches::pools(client, scope, out));
    }
    tokio::spawn(take_over(leads, inbox, cluster, scopes.clone(), watched));
    let fleet = Fleet::new(scopes).showing(questions.is_some());
    // A channel that nobody sends to.
    let questions = questions.unwrap_or_else(|| mpsc::channel(1).1);
    let controller = Controller::new(fleet, effects, clock, health);
    tokio::select! {
        () = controller.run(inputs, own, samples, questions, stopped) => {}
        _ = watches.join_next() => tracing::error!("a watch has ended"),
    }
}

/// Starts to act once this process leads, and looks for pods that the leader before it left draining.
async fn take_over(
    leads: oneshot::Receiver<()>,
    inbox: mpsc::UnboundedSender<Input>,
    cluster: Cluster,
    scopes: Vec<Scope>,
    watched: mpsc::Sender<Input>,
) {
    if leads.await.is_ok() {
        // This fails only if the event loop has ended.
        let _gone = inbox.send(Input::Leads);
        for scope in scopes {
            tokio::spawn(watches::draining(cluster.clone(), scope, watched.clone()));
        }
    }
}

/// One scope for each namespace, or one for all.
fn scopes(namespaces: &[String]) -> Vec<Scope> {
    let named: BTreeSet<_> = namespaces
        .iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty())
        .collect();
    if named.is_empty() {
        vec![None]
    } else {
        named.into_iter().map(|name| Some(name.to_owned())).collect()
    }
}
