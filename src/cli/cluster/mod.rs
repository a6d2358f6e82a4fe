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
    collections::BTreeSet,
    future::Future,
    io::{self, IsTerminal},
    pin::pin,
    time::Duration,
};

use tokio::{runtime::Builder, time::timeout};

use crate::{
    api::TaskWorkerPool,
    kube::{CallError, Cluster, Key, plugin},
    model::tame,
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
        let namespace = args.namespace.clone().unwrap_or(namespace);
        proper("namespace", &namespace)?;
        if let Some(operator) = &args.operator_namespace {
            proper("namespace", operator)?;
        }
        Ok(Self {
            cluster,
            namespace,
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

    /// Object of this name, in the namespace that is meant.
    ///
    /// # Errors
    /// Nothing can have this name.
    pub fn key(&self, name: &str) -> Result<Key, String> {
        proper("object", name)?;
        Ok(Key {
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        })
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
                worst_first(&mut pools);
                Ok((pools, Source::Objects(why)))
            }
        }
    }

    /// Pools that there are and that the operator did not name, as their objects show them; none where they cannot be read.
    pub async fn overlooked(&self, everywhere: bool, named: &[Pool]) -> Vec<Pool> {
        let namespace = (!everywhere).then_some(self.namespace.as_str());
        let objects = plugin::pools(&self.cluster, namespace).await.unwrap_or_default();
        let named: BTreeSet<_> = named.iter().map(|pool| (&pool.namespace, &pool.name)).collect();
        let pools = objects.iter().filter_map(stored::pool);
        pools
            .filter(|pool| !named.contains(&(&pool.namespace, &pool.name)))
            .collect()
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

/// Pool as its object alone shows it.
pub fn stored(object: &TaskWorkerPool) -> Option<Pool> {
    stored::pool(object)
}

/// Sorts them as the operator does.
pub fn worst_first(pools: &mut [Pool]) {
    pools.sort_by(|a, b| (a.state, &a.namespace, &a.name).cmp(&(b.state, &b.namespace, &b.name)));
}

/// Whether an object can have this name, which becomes a part of a path.
fn proper(what: &str, name: &str) -> Result<(), String> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (1..=253).contains(&name.len())
        && name.starts_with(word)
        && name.ends_with(word)
        && name.chars().all(|c| word(c) || c == '-' || c == '.');
    fits.then_some(()).ok_or_else(|| {
        let name = tame(name, 253);
        format!("no {what} can have the name `{name}`: names have small letters, digits, `-` and `.`")
    })
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

#[cfg(test)]
mod tests {
    use super::proper;

    #[test]
    fn what_no_object_can_be_called_is_no_path() {
        let longest = "a".repeat(253);
        for name in ["mail", "mail.eu-1", "0", longest.as_str()] {
            assert_eq!(proper("object", name), Ok(()), "{name}");
        }
        let longer = "a".repeat(254);
        for name in [
            "",
            "LATE x",
            "late?x",
            "late#x",
            "late%2f",
            "a/b",
            "..",
            ".",
            "-a",
            "a-",
            "réports",
            "a\n",
            longer.as_str(),
        ] {
            let said = proper("object", name).unwrap_err();
            assert!(said.contains("small letters") && !said.contains('\n'), "{said}");
        }
    }
}
