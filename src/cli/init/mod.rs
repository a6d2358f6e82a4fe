//! `kubectl twp init`: from workers that run already to a pool to review.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `mod.rs` | shell | the command; its answer |
//! | `fetch.rs` | shell | a workload of a cluster, with all that it refers to |
//! | `world.rs` | pure | objects, and what may be known of Secrets: [`World`] |
//! | `env.rs` | pure | environment of a container |
//! | `container.rs` | pure | which container runs workers, or why none may be scaled |
//! | `candidate.rs` | pure | which variable says where the broker is |
//! | `address.rs`, `tls.rs` | pure | `spec.broker` from it |
//! | `command.rs` | pure | what the command says of queues, slots and the rest |
//! | `autoscaler.rs` | pure | other autoscalers on the target |
//! | `propose.rs` | pure | one workload to its proposal |
//! | `proposal.rs` | pure | the pool, and a word on each field: [`Proposal`] |

mod address;
mod autoscaler;
mod candidate;
mod command;
mod container;
mod env;
mod fetch;
mod proposal;
mod propose;
mod tls;
mod world;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{
    Answer, OutputArgs,
    cluster::{ClusterArgs, block_on},
    files,
    manifest::Object,
};
pub use proposal::{Proposal, Remark};
pub use world::{Keys, Placed, World};

/// Codes and examples, below the flags.
const AFTER: &str = "\
The pool is written to the standard output, with a comment at each field that says where it comes from; nothing is changed. Of
Secrets only the names of keys are told: in a cluster a URL's scheme is looked at, and no value is ever printed. Ends
with 1 if it has to ask which container or variable is meant, with 2 if there is no pool for the workload, or a line has a TODO.

Examples:
  kubectl twp init deploy/mail-worker > pool.yaml
  kubectl twp init sts/worker -n shop --container worker
  helm template chart | kubectl twp init -f - > pools.yaml
  kubectl twp init deploy/mail-worker -f deploy/ --broker-env REDIS_URL";

/// Writes a TaskWorkerPool for workers that run already, to be reviewed: from their Deployment or StatefulSet.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct InitArgs {
    /// Workload: `deploy`, `deployment`, `sts` or `statefulset`, a slash and the name. With `-f` all that run workers, if none is named.
    #[arg(value_name = "KIND/NAME", required_unless_present = "files")]
    pub target: Option<String>,
    /// Manifests in place of a cluster, YAML or JSON; `-` is the standard input. Of a folder all *.yaml, *.yml and *.json are taken.
    #[arg(short, long = "filename", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub choice: Choice,
    /// Context of the kubeconfig. Default: the current one.
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    pub context: Option<String>,
    /// Namespace of the workload in the cluster. Default: that of the context.
    #[arg(short, long, value_name = "NAME", conflicts_with = "files")]
    pub namespace: Option<String>,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What is chosen where two would fit.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Choice {
    /// Container that runs the workers. Default: the only one whose command does.
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Variable of the container that says where the broker is. Default: the one that fits best.
    #[arg(long, value_name = "NAME")]
    pub broker_env: Option<String>,
}

/// Why there is no proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Two would fit: what to choose, and how.
    Asks(String),
    /// There cannot be a pool, and why.
    Refused(String),
}

/// Workload that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: String,
}

impl Wanted {
    /// Reads `KIND/NAME`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let (kind, name) = text
            .split_once('/')
            .filter(|(_, name)| !name.is_empty() && !name.contains('/'))
            .ok_or_else(|| format!("`{text}`: give a kind and a name, such as `deploy/{text}`"))?;
        let bare = kind.split('.').next().unwrap_or(kind).to_ascii_lowercase();
        let kind = match bare.as_str() {
            "deploy" | "deployment" | "deployments" => "Deployment",
            "sts" | "statefulset" | "statefulsets" => "StatefulSet",
            _ => {
                return Err(format!(
                    "`{text}`: a pool scales Deployments and StatefulSets alone: give `deploy/NAME` or `sts/NAME`"
                ));
            }
        };
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

/// Runs the command.
///
/// # Errors
/// Which file or object cannot be read, or what has to be chosen.
pub fn run(args: &InitArgs) -> Result<Answer, String> {
    let wanted = args.target.as_deref().map(Wanted::read).transpose()?;
    let world = match (&wanted, args.files.is_empty()) {
        (Some(wanted), true) => {
            let cluster = ClusterArgs {
                context: args.context.clone(),
                namespace: args.namespace.clone(),
                operator_namespace: None,
            };
            block_on(fetch::world(&cluster, wanted))?
        }
        _ => {
            let texts = files::texts(&args.files)?;
            let texts: Vec<_> = texts
                .iter()
                .map(|file| (file.name.as_str(), file.text.as_str()))
                .collect();
            World::of_files(&texts)?
        }
    };
    answer(&init(&world, wanted.as_ref(), &args.choice)?)
}

/// What became of one workload.
pub type Outcome = (Placed, Result<Proposal, Stop>);

/// Proposals for the workloads of a world: for the one that is wanted, or for all that there are.
///
/// # Errors
/// There is none.
pub fn init(world: &World, wanted: Option<&Wanted>, choice: &Choice) -> Result<Vec<Outcome>, String> {
    let is_meant = |object: &Object| match wanted {
        Some(wanted) => object.group() == "apps" && object.kind == wanted.kind && object.name == wanted.name,
        None if object.group() == "apps" && world::SCALED.contains(&object.kind.as_str()) => true,
        // Others are only of interest if they run workers, and are no part of another one.
        None => object.get(&["metadata", "ownerReferences"]).is_none() && container::has_workers(object, world),
    };
    let meant = world.objects.iter().filter(|(_, object)| is_meant(object));
    let outcomes: Vec<_> = meant
        .map(|placed| (placed.clone(), propose::propose(placed, world, choice)))
        .collect();
    match (outcomes.is_empty(), wanted) {
        (true, Some(wanted)) => Err(format!(
            "there is no {} `{}` among the manifests",
            wanted.kind, wanted.name
        )),
        (true, None) => Err("no Deployment or StatefulSet is there: give the manifests of workers".to_owned()),
        (false, _) => Ok(outcomes),
    }
}

fn answer(outcomes: &[Outcome]) -> Result<Answer, String> {
    let (mut pools, mut aside, mut targets) = (Vec::new(), String::new(), Vec::new());
    let mut asks = Vec::new();
    let mut open = false;
    for ((file, object), outcome) in outcomes {
        let target = format!("{}/{}", object.kind, object.name);
        match outcome {
            Ok(proposal) => {
                let yaml = proposal.yaml();
                pools.push(yaml.map_err(|why| format!("{target}: the pool would be refused: {why}"))?);
                open |= proposal.is_open();
                aside += &told(proposal);
                targets.push(json!(proposal));
            }
            Err(Stop::Asks(what)) => asks.push(format!("{target}: {what}")),
            Err(Stop::Refused(why)) => {
                aside += &format!("{target}: no pool: {why}\n");
                targets.push(json!({"target": target, "file": file, "pool": Value::Null, "refused": why}));
            }
        }
    }
    if !asks.is_empty() {
        return Err(asks.join("\n"));
    }
    Ok(Answer {
        finding: open || pools.is_empty(),
        text: pools.join("---\n"),
        aside,
        value: json!({"targets": targets}),
        ..Answer::default()
    })
}

/// What is said of a proposal beside its pool.
fn told(proposal: &Proposal) -> String {
    let mut text = String::new();
    for remark in proposal.remarks.iter().filter(|remark| remark.todo) {
        text += &format!("{}: {}: {}\n", proposal.target, remark.field, remark.message);
    }
    for (at, step) in proposal.steps.iter().enumerate() {
        text += &format!("  {}. {}\n", at + 1, step.what);
        for command in &step.commands {
            text += &format!("       {command}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests;
