//! `kubectl twp convert`: from KEDA's objects, or a HorizontalPodAutoscaler, to pools; what is lost is named, and how the pools
//! take over.
//!
//! | file | concept |
//! |---|---|
//! | `keda.rs`, `hpa.rs` | one object to one draft |
//! | `redis_trigger.rs`, `rabbitmq_trigger.rs`, `trigger.rs` | one trigger |
//! | `behavior.rs` | the speed of scaling |
//! | `source.rs`, `address.rs` | where the broker is, and who says so |
//! | `fields.rs` | fields that must all be taken |
//! | `draft.rs` | the pool, and what became of each field: [`Draft`] |
//! | `plan.rs` | the steps by which a pool takes over: [`PlanStep`] |

mod address;
mod behavior;
mod draft;
mod fields;
mod hpa;
mod keda;
mod plan;
mod rabbitmq_trigger;
mod redis_trigger;
mod source;
mod trigger;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{
    Answer, OutputArgs, files,
    manifest::{self, Object},
};
pub use draft::{Draft, Fate, Note};
pub use plan::PlanStep;
pub(super) use plan::{Takeover, plan};

/// Examples, below the flags.
const AFTER: &str = "\
The pools are written to the standard output, with a comment at each field that is not what it was; what is lost and the steps
by which the pools take over go to the standard error. Nothing is changed in a cluster. Give the manifests of the targets and of
the TriggerAuthentications as well: they say where the broker is. Ends with 2 if an object cannot become a pool that works, or
something has to be added to it.

Examples:
  kubectl twp convert scaledobject.yaml deployment.yaml > pools.yaml
  kubectl get scaledobject,triggerauthentication,deployment -o yaml | kubectl twp convert -
  kubectl twp convert hpa.yaml deployment.yaml -o json";

/// Turns KEDA's ScaledObjects and HorizontalPodAutoscalers on external metrics into TaskWorkerPools, and names what is lost.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct ConvertArgs {
    /// Manifests, YAML or JSON; `-` is the standard input. Of a folder all *.yaml, *.yml and *.json are taken.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Runs the command.
///
/// # Errors
/// Which file cannot be read, or that there is nothing to convert.
pub fn run(args: &ConvertArgs) -> Result<Answer, String> {
    let texts = files::texts(&args.files)?;
    let texts: Vec<_> = texts
        .iter()
        .map(|file| (file.name.as_str(), file.text.as_str()))
        .collect();
    let drafts = convert(&texts)?;
    if drafts.is_empty() {
        return Err("no ScaledObject, ScaledJob or HorizontalPodAutoscaler is there: give their manifests".into());
    }
    let text = drafts
        .iter()
        .filter(|draft| draft.is_pool())
        .filter_map(|draft| draft.yaml().ok());
    let is_open = |draft: &Draft| draft.notes.iter().any(|note| note.fate == Fate::Missing);
    Ok(Answer {
        text: text.collect::<Vec<_>>().join("---\n"),
        aside: drafts.iter().map(aside).collect::<Vec<_>>().join("\n"),
        value: json!({"drafts": drafts}),
        finding: drafts.iter().any(is_open),
        ..Answer::default()
    })
}

/// What is said of a draft beside its pool.
fn aside(draft: &Draft) -> String {
    let mut text = format!("{} ({}:{})\n", draft.from, draft.file, draft.line);
    for (fate, title) in [
        (Fate::Missing, "to be done"),
        (Fate::Dropped, "not kept"),
        (Fate::Changed, "kept otherwise"),
    ] {
        let notes: Vec<_> = draft.told().filter(|note| note.fate == fate).collect();
        if !notes.is_empty() {
            text += &format!("  {title}:\n");
        }
        for note in notes {
            text += &format!("  * {}: {}\n", note.field, note.message);
        }
    }
    for (at, step) in draft.plan.iter().enumerate() {
        text += &format!("  {}. {}\n", at + 1, step.what);
        for command in &step.commands {
            text += &format!("       {command}\n");
        }
    }
    text
}

/// Drafts of all objects in some texts, each with the name of its file.
///
/// # Errors
/// Which text is no YAML.
pub fn convert(texts: &[(&str, &str)]) -> Result<Vec<Draft>, String> {
    let mut objects = Vec::new();
    for (file, text) in texts {
        let (found, unreadable) = manifest::read(text);
        if let Some(part) = unreadable.first() {
            return Err(format!("{file}: line {}: {}; mend the text", part.line, part.message));
        }
        objects.extend(found.into_iter().map(|object| (*file, object)));
    }
    let world = World { objects: &objects };
    let drafts = objects.iter().filter_map(|(file, object)| one(file, object, &world));
    Ok(drafts.map(judged).collect())
}

fn one(file: &str, object: &Object, world: &World) -> Option<Draft> {
    match (object.group(), object.kind.as_str()) {
        ("keda.sh", "ScaledObject") => Some(keda::scaled_object(file, object, world)),
        ("keda.sh", "ScaledJob") => Some(Draft::new(file, object).refuse(
            "kind",
            "a ScaledJob starts a Job for each task, and a pool scales workers that run many: keep KEDA for it, or run the workers in a \
             Deployment",
        )),
        ("autoscaling", "HorizontalPodAutoscaler") => Some(hpa::autoscaler(file, object, world)),
        _ => None,
    }
}

/// The draft, or why its pool would be refused.
fn judged(draft: Draft) -> Draft {
    match draft.is_pool().then(|| draft.yaml()) {
        Some(Err(why)) => draft.refuse("spec", format!("the pool would be refused: {why}")),
        _ => draft,
    }
}

/// Objects that another one may refer to.
struct World<'a> {
    objects: &'a [(&'a str, Object)],
}

impl<'a> World<'a> {
    /// Deployment or StatefulSet in the namespace of an object.
    fn workload(&self, beside: &Object, kind: &str, name: &str) -> Option<&'a Object> {
        self.find(|object| {
            object.group() == "apps" && object.kind == kind && object.name == name && object.is_beside(beside)
        })
    }

    /// Authentication that a trigger of an object refers to.
    fn authentication(&self, beside: &Object, reference: &Value) -> Option<&'a Object> {
        let name = reference["name"].as_str()?;
        let kind = reference["kind"].as_str().unwrap_or("TriggerAuthentication");
        let anywhere = kind == "ClusterTriggerAuthentication";
        self.find(|object| object.kind == kind && object.name == name && (anywhere || object.is_beside(beside)))
    }

    fn find(&self, is_it: impl Fn(&Object) -> bool) -> Option<&'a Object> {
        self.objects
            .iter()
            .map(|(_, object)| object)
            .find(|object| is_it(object))
    }
}
