//! A cluster as the commands see it: which one, which pools, and what its operator tells of them.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `mod.rs` | shell | the flags that say which cluster and namespace; [`Connection`] |
//! | `live.rs` | shell | the operator's read API, through the API server |
//! | `stored.rs` | pure | a pool as its object alone shows it |

mod live;
mod stored;

use std::{
    future::Future,
    io::{self, IsTerminal},
    pin::pin,
    time::Duration,
};

use tokio::{runtime::Builder, time::timeout};

use crate::{
    api::TaskWorkerPool,
    kube::{CallError, Cluster, Key, plugin},
    view::types::Pool,
};

use live::Operator;
pub use live::Source;

/// Time after which somebody who waits is told so.
const PATIENCE: Duration = Duration::from_secs(1);

/// Which cluster, and where in it.
#[derive(clap::Args, Clone, Debug)]
pub struct ClusterArgs {
    /// Context of the kubeconfig. Default: the current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace of the pools. Default: that of the context.
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Namespace of the operator. Default: all are searched for it.
    #[arg(long, value_name = "NAME")]
    pub operator_namespace: Option<String>,
}

impl ClusterArgs {
    /// Whether one of them is given.
    pub fn is_given(&self) -> bool {
        self.context.is_some() || self.namespace.is_some() || self.operator_namespace.is_some()
    }
}

/// Connection to a cluster.
pub struct Connection {
    /// Calls to its API server.
    pub cluster: Cluster,
    /// Namespace that is meant where none is given.
    namespace: String,
    /// Its operator.
    operator: Operator,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// A sentence: no such cluster.
    pub async fn new(args: &ClusterArgs) -> Result<Self, String> {
        let (cluster, namespace) = plugin::connect(args.context.as_deref()).await?;
        Ok(Self {
            cluster,
            namespace: args.namespace.clone().unwrap_or(namespace),
            operator: Operator::new(args.operator_namespace.clone()),
        })
    }

    /// Namespace of the operator, where it is given.
    pub fn operator(&self) -> Option<&str> {
        self.operator.namespace.as_deref()
    }

    /// Namespace that is meant where none is given.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Pool of this name, in the namespace that is meant.
    pub fn key(&self, name: &str) -> Key {
        Key {
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        }
    }

    /// Object of a pool.
    ///
    /// # Errors
    /// A sentence: there is none, or it cannot be read.
    pub async fn object(&self, key: &Key) -> Result<TaskWorkerPool, String> {
        let Key { namespace, name } = key;
        match plugin::pool(&self.cluster, key).await {
            Ok(Some(object)) => Ok(object),
            Ok(None) => Err(format!(
                "there is no TaskWorkerPool `{name}` in the namespace `{namespace}`: `kubectl get twp -A` lists all"
            )),
            Err(why) => Err(unread(why)),
        }
    }

    /// Pools of the namespace that is meant, or of all: as the operator knows them, else as their objects show them.
    ///
    /// # Errors
    /// A sentence: they cannot be read.
    pub async fn pools(&self, everywhere: bool) -> Result<(Vec<Pool>, Source), String> {
        let namespace = (!everywhere).then_some(self.namespace.as_str());
        match self.operator.pools(&self.cluster).await {
            Ok(mut pools) => {
                pools.retain(|pool| namespace.is_none_or(|namespace| pool.namespace == namespace));
                Ok((pools, Source::Operator))
            }
            Err(why) => {
                let objects = plugin::pools(&self.cluster, namespace).await.map_err(unread)?;
                let mut pools: Vec<_> = objects.iter().filter_map(stored::pool).collect();
                pools.sort_by(|a, b| (a.state, &a.namespace, &a.name).cmp(&(b.state, &b.namespace, &b.name)));
                Ok((pools, Source::Objects(why)))
            }
        }
    }

    /// One pool, likewise.
    ///
    /// # Errors
    /// A sentence: it cannot be read.
    pub async fn pool(&self, key: &Key) -> Result<(Pool, Source), String> {
        // Who may not read the object gets no answer by another way.
        let object = self.object(key).await?;
        match self.live(key).await {
            Ok(pool) => Ok((pool, Source::Operator)),
            Err(why) => match stored::pool(&object) {
                Some(pool) => Ok((pool, Source::Objects(why))),
                None => Err(format!(
                    "the pool `{}` has no name, which no cluster can mean",
                    key.name
                )),
            },
        }
    }

    /// One pool as the operator knows it now. There is no answer without the operator.
    ///
    /// # Errors
    /// A sentence: the operator cannot be asked.
    pub async fn live(&self, key: &Key) -> Result<Pool, String> {
        self.operator.pool(&self.cluster, key).await
    }
}

fn unread(why: CallError) -> String {
    match why {
        CallError::Refused { code: 404 } => {
            "the cluster knows no TaskWorkerPools: install the operator first (docs/install.md)".to_owned()
        }
        why => plugin::explained("TaskWorkerPools cannot be read", why),
    }
}

/// Runs what waits for a cluster to its end.
///
/// # Errors
/// Its own.
pub fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(patiently(work))
}

/// The work; to a person who waits for longer than a second it says that it goes on.
pub async fn patiently<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = timeout(PATIENCE, &mut work).await {
        return done;
    }
    if io::stderr().is_terminal() {
        eprintln!("Asking the cluster …");
    }
    work.await
}
