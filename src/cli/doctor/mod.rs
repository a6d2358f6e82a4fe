//! `kubectl twp doctor`: whether the installation is whole, or one pool: what the operator finds from where it stands, and what only
//! the person who asks may see.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `mod.rs` | shell | the command; the operator's own examination, run in its pod |
//! | `around.rs` | shell | other autoscalers, NetworkPolicies, Events of pods |
//! | `text.rs` | pure | the findings as a text and as a value |

mod around;
mod text;

use super::{
    Answer, OutputArgs,
    cluster::{ClusterArgs, Connection, block_on, stored},
};
use crate::{
    doctor::Finding,
    kube::{
        Key,
        plugin::{self, Viewed},
    },
};

const EXAMPLES: &str = "\
The operator examines from where it stands: `kubectl twp` runs `twp-operator doctor` in its pod, with your right to `create` on pods/exec in
its namespace. It reads, and asks workers only what it asks them anyway. Without that right your own half of the examination is left.
Ends with 2 if something is wrong, and with 1 if nothing was found and the operator could not examine the pool.

Examples:
  kubectl twp doctor
  kubectl twp doctor mail -n shop
  kubectl twp doctor mail -o json";

/// The program in the operator's image.
const PROGRAM: &str = "/twp-operator";
/// Name of the part that is about the operator itself.
const OPERATOR: &str = "Operator";

/// Examines the installation, or a pool: its references, target, broker and workers, and what is in their way.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Name of a pool. Without one the installation is examined, and the state of all pools is shown.
    #[arg(value_name = "POOL")]
    pub pool: Option<String>,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Runs the command.
///
/// # Errors
/// Why nothing can be examined.
pub fn run(args: &DoctorArgs) -> Result<Answer, String> {
    block_on(async {
        let connection = Connection::new(&args.cluster).await?;
        match &args.pool {
            Some(name) => pool(&connection, name).await,
            None => installation(&connection).await,
        }
    })
}

async fn pool(connection: &Connection, name: &str) -> Result<Answer, String> {
    let key = connection.key(name)?;
    let object = connection.object(&key).await?;
    let (operator, mut findings) = find(connection).await;
    let (mut broken, mut whole) = (false, false);
    if let Some(operator) = &operator {
        let found = examined(connection, operator, Some(&key)).await;
        broken = found.iter().any(text::is_of_the_way);
        whole = found.iter().any(|finding| finding.what != OPERATOR);
        findings.extend(found);
    }
    if !whole {
        // What the operator said of it last is better than nothing.
        findings.extend(stored(&object).iter().flat_map(text::by_status));
    }
    findings.extend(around::target(&connection.cluster, &object).await);
    if let Some(operator) = operator.filter(|_| broken) {
        findings.extend(around::policies(&connection.cluster, &operator).await);
    }
    Ok(text::of_pool(&key, &findings, whole))
}

async fn installation(connection: &Connection) -> Result<Answer, String> {
    let (operator, mut findings) = find(connection).await;
    if let Some(operator) = &operator {
        findings.extend(examined(connection, operator, None).await);
    }
    let (pools, source) = connection.pools(true).await?;
    Ok(Answer {
        aside: source.aside(),
        ..text::of_installation(&findings, &pools)
    })
}

/// A pod of the operator, and what is to be said of it.
async fn find(connection: &Connection) -> (Option<Viewed>, Vec<Finding>) {
    let cluster = &connection.cluster;
    let found = match plugin::operators(cluster, connection.operator()).await {
        Ok(found) => found.into_iter().next(),
        Err(why) => {
            let text = plugin::explained(
                "its pods cannot be listed (`--operator-namespace` says where they are)",
                why,
            );
            return (None, vec![Finding::unknown(OPERATOR, text)]);
        }
    };
    let Some(operator) = found else {
        let text = "none runs, or in another namespace than `--operator-namespace` says: no pool is scaled, and only your half is examined";
        return (None, vec![Finding::wrong(OPERATOR, text)]);
    };
    let version = plugin::exec(cluster, &operator.namespace, &operator.pod, &[PROGRAM, "--version"]).await;
    match version {
        Ok(printed) => {
            let finding = text::version(printed.out.trim(), &operator.pod);
            (Some(operator), vec![finding])
        }
        Err(why) => {
            let what = format!(
                "nothing can be run in its pod `{}`, so only your half is examined; it takes `create` on pods/exec in `{}`",
                operator.pod, operator.namespace
            );
            (None, vec![Finding::unknown(OPERATOR, plugin::explained(&what, why))])
        }
    }
}

/// What the operator finds from where it stands.
async fn examined(connection: &Connection, operator: &Viewed, pool: Option<&Key>) -> Vec<Finding> {
    let whole = pool.map(|Key { namespace, name }| format!("{namespace}/{name}"));
    let mut command = vec![PROGRAM, "doctor", "-o", "json"];
    if let Some(pool) = &whole {
        command.extend(["--pool", pool]);
    }
    let Viewed { namespace, pod, .. } = operator;
    match plugin::exec(&connection.cluster, namespace, pod, &command).await {
        Ok(printed) => text::read(&printed.out, &printed.err),
        Err(why) => vec![Finding::unknown(
            OPERATOR,
            plugin::explained(&format!("its examination in the pod `{pod}` gave no answer"), why),
        )],
    }
}
