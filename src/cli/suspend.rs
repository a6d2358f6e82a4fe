//! `kubectl twp suspend` and `resume`: leaves pools as they are, and lets them follow their work again.

use serde_json::json;

use super::{
    Answer, OutputArgs,
    cluster::{ClusterArgs, Connection, block_on},
};
use crate::{
    api::TaskWorkerPool,
    kube::{Identity, plugin},
};

const EXAMPLES: &str = "\
Suspended: nothing is counted or scaled, and the replicas stay as they are. A GitOps tool that holds the pool puts its own value back:
change it there.

Examples:
  kubectl twp suspend mail
  kubectl twp suspend mail pdf -n shop
  kubectl twp resume mail";

/// Pools to suspend or to resume.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SuspendArgs {
    /// Names of pools.
    #[arg(value_name = "POOL", required = true)]
    pub pools: Vec<String>,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Runs the command. All pools are read before the first is changed.
///
/// # Errors
/// Which pool could not be read or changed, and what was done before.
pub fn run(args: &SuspendArgs, suspend: bool) -> Result<Answer, String> {
    let changed = block_on(async {
        let connection = Connection::new(&args.cluster).await?;
        let mut objects = Vec::new();
        for name in &args.pools {
            objects.push(connection.object(&connection.key(name)?).await?);
        }
        let mut changed = Vec::new();
        for object in objects {
            let identity = Identity::of(&object.metadata).ok_or("a pool has no UID, which no API server returns")?;
            let was = object.spec.suspend;
            if was != suspend {
                let done = plugin::suspend(&connection.cluster, &identity, suspend).await;
                done.map_err(|why| failed(&identity, why, &changed))?;
            }
            changed.push((object, was));
        }
        Ok(changed)
    })?;
    Ok(answer(&changed, suspend))
}

fn failed(identity: &Identity, why: crate::kube::CallError, changed: &[(TaskWorkerPool, bool)]) -> String {
    let before: Vec<_> = changed.iter().map(|(object, _)| name(object)).collect();
    let before = match before.is_empty() {
        true => String::new(),
        false => format!("; done before: {}", before.join(", ")),
    };
    plugin::explained(&format!("`{}` could not be changed", identity.key.name), why) + &before
}

fn name(object: &TaskWorkerPool) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

/// What was done; with each pool whether it was suspended before.
fn answer(changed: &[(TaskWorkerPool, bool)], suspend: bool) -> Answer {
    let (text, aside): (Vec<_>, Vec<_>) = changed
        .iter()
        .map(|(object, was)| (line(object, *was, suspend), held(object)))
        .unzip();
    let pools: Vec<_> = changed
        .iter()
        .map(|(object, was)| {
            let metadata = &object.metadata;
            json!({"namespace": metadata.namespace, "name": metadata.name, "suspend": suspend, "changed": *was != suspend})
        })
        .collect();
    Answer {
        text: text.concat(),
        aside: aside.concat(),
        value: json!({"pools": pools}),
        finding: false,
        ..Answer::default()
    }
}

fn line(object: &TaskWorkerPool, was: bool, suspend: bool) -> String {
    let name = name(object);
    match (was, suspend) {
        (false, true) => format!("`{name}` is suspended: its replicas stay as they are.\n"),
        (true, false) => format!("`{name}` is resumed: it follows its work again.\n"),
        (_, true) => format!("`{name}` was suspended already.\n"),
        (_, false) => format!("`{name}` was not suspended.\n"),
    }
}

/// Who may put the value back.
fn held(object: &TaskWorkerPool) -> String {
    let metadata = &object.metadata;
    let has = |key: &str| {
        let of = |map: &Option<std::collections::BTreeMap<String, String>>| {
            map.as_ref().is_some_and(|map| map.contains_key(key))
        };
        of(&metadata.annotations) || of(&metadata.labels)
    };
    let tool = if has("argocd.argoproj.io/tracking-id") || has("argocd.argoproj.io/instance") {
        "Argo CD"
    } else if has("kustomize.toolkit.fluxcd.io/name") || has("helm.toolkit.fluxcd.io/name") {
        "Flux"
    } else {
        return String::new();
    };
    format!(
        "`{}` is managed by {tool}, which may put its own value back: change `spec.suspend` in its repository, too.\n",
        name(object)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(annotations: serde_json::Value) -> TaskWorkerPool {
        let object = json!({
            "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool",
            "metadata": {"name": "mail", "namespace": "shop", "annotations": annotations},
            "spec": {"targetRef": {"name": "mail-worker"}, "broker": {"url": "redis://redis:6379/0"}},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn what_was_done_is_said_and_what_was_so_already() {
        for (was, suspend, said) in [
            (false, true, "`mail` is suspended: its replicas stay as they are.\n"),
            (true, false, "`mail` is resumed: it follows its work again.\n"),
            (true, true, "`mail` was suspended already.\n"),
            (false, false, "`mail` was not suspended.\n"),
        ] {
            let answer = answer(&[(object(json!({})), was)], suspend);
            assert_eq!((answer.text.as_str(), answer.aside.as_str()), (said, ""));
            assert_eq!(answer.value["pools"][0]["changed"], was != suspend);
        }
    }

    #[test]
    fn a_tool_that_may_put_it_back_is_named() {
        for (key, tool) in [
            ("argocd.argoproj.io/tracking-id", "Argo CD"),
            ("kustomize.toolkit.fluxcd.io/name", "Flux"),
        ] {
            let answer = answer(&[(object(json!({key: "x"})), false)], true);
            assert!(answer.aside.contains(tool), "{}", answer.aside);
        }
    }
}
