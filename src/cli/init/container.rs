//! Which container of a workload runs its workers, or why there is none that a pool may scale.
#![deny(clippy::disallowed_methods)]

use super::{
    Stop,
    env::Environment,
    world::{World, pod},
};
use crate::cli::{
    manifest::{Node, Object},
    workload::{self, Runs, Worker},
};

/// Container that runs workers.
pub(super) struct Found<'a> {
    pub(super) name: String,
    pub(super) node: &'a Node,
    pub(super) environment: Environment,
    /// Workers that it runs: more than one below a shell.
    pub(super) workers: Vec<Worker>,
    /// Other containers of the pod that run workers or serve web pages.
    pub(super) others: Vec<String>,
}

struct One<'a> {
    name: String,
    node: &'a Node,
    environment: Environment,
    runs: Vec<Runs>,
    says: bool,
}

impl One<'_> {
    fn workers(&self) -> Vec<Worker> {
        let worker = |runs: &Runs| match runs {
            Runs::Worker(worker) => Some((**worker).clone()),
            _ => None,
        };
        self.runs.iter().filter_map(worker).collect()
    }

    fn web(&self) -> Option<&str> {
        self.runs.iter().find_map(|runs| match runs {
            Runs::Web(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// Containers of an object, with what they run.
fn all<'a>(object: &'a Object, world: &World) -> Vec<One<'a>> {
    let containers = pod(object)
        .and_then(|pod| pod.get("containers"))
        .map(Node::items)
        .unwrap_or_default();
    let one = |node: &'a Node| {
        let environment = Environment::of(node, object, world);
        let words = |field: &str| -> Vec<String> {
            let items = node.get(field).map(Node::items).unwrap_or_default();
            items
                .iter()
                .filter_map(|item| item.value().as_str().map(str::to_owned))
                .collect()
        };
        let command = [words("command"), words("args")].concat();
        // An address stays a reference: what it says is asked for later.
        let lookup = |name: &str| environment.text(name).filter(|text| !text.contains("://"));
        One {
            name: node.text("name").unwrap_or_default().to_owned(),
            runs: workload::read(&command, &lookup),
            says: !command.is_empty(),
            node,
            environment,
        }
    };
    containers.iter().map(one).collect()
}

/// Whether any container of an object runs workers.
pub(super) fn has_workers(object: &Object, world: &World) -> bool {
    all(object, world).iter().any(|one| !one.workers().is_empty())
}

/// The container that runs the workers.
pub(super) fn find<'a>(object: &'a Object, world: &World, wished: Option<&str>) -> Result<Found<'a>, Stop> {
    let all = all(object, world);
    let names = |of: &[&One]| {
        of.iter()
            .map(|one| format!("`{}`", one.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let working: Vec<_> = all.iter().filter(|one| !one.workers().is_empty()).collect();
    let chosen = match wished {
        Some(name) => {
            let one = all.iter().find(|one| one.name == name);
            let one = one.ok_or_else(|| {
                let every: Vec<_> = all.iter().collect();
                Stop::Asks(format!(
                    "`--container {name}`: there is none of this name; there are {}",
                    names(&every)
                ))
            })?;
            if one.workers().is_empty() {
                return Err(Stop::Refused(without_workers(&[one])));
            }
            one
        }
        None => match working.as_slice() {
            [] => return Err(Stop::Refused(without_workers(&all.iter().collect::<Vec<_>>()))),
            [one] => *one,
            several => {
                return Err(Stop::Asks(format!(
                    "the containers {} run workers: name the one whose work decides with `--container`",
                    names(several)
                )));
            }
        },
    };
    if let Some(program) = chosen.web() {
        return Err(Stop::Refused(format!(
            "container `{}` serves web pages (`{program}`) and runs workers in one: a pool would stop the web server with the \
             workers; give the workers a Deployment of their own",
            chosen.name
        )));
    }
    let web = all.iter().find_map(|one| Some((one, one.web()?)));
    if let (Some((one, program)), None) = (web, wished) {
        return Err(Stop::Refused(format!(
            "container `{}` serves web pages (`{program}`) beside the workers in `{}`: a pool would stop it with them; give the workers \
             a Deployment of their own (or say `--container {}`, if that server is for the workers alone)",
            one.name, chosen.name, chosen.name
        )));
    }
    let others = all.iter().filter(|one| one.name != chosen.name);
    let others = others.filter(|one| one.web().is_some() || !one.workers().is_empty());
    Ok(Found {
        name: chosen.name.clone(),
        node: chosen.node,
        environment: chosen.environment.clone(),
        workers: chosen.workers(),
        others: others.map(|one| one.name.clone()).collect(),
    })
}

/// Why no pool can be for these containers: the most telling reason.
fn without_workers(containers: &[&One]) -> String {
    let runs = || {
        containers
            .iter()
            .flat_map(|one| one.runs.iter().map(move |runs| (&one.name, runs)))
    };
    for (name, run) in runs() {
        match run {
            Runs::Unsupported(framework) => {
                return format!(
                    "container `{name}` runs {framework}, whose work the operator does not count: pools are for Celery, RQ and taskiq"
                );
            }
            Runs::Aside(program) => {
                return format!("container `{name}` runs {program}, of which there must be one: keep it out of pools");
            }
            Runs::Supervisor(program) => {
                return format!(
                    "container `{name}` runs `{program}`, which starts others as its own configuration says: what they are cannot be \
                     seen here; give the workers a container whose command is theirs"
                );
            }
            _ => {}
        }
    }
    if let Some((name, program)) = containers.iter().find_map(|one| Some((&one.name, one.web()?))) {
        return format!("container `{name}` serves web pages (`{program}`), and no container runs workers");
    }
    if let Some(one) = containers.iter().find(|one| !one.says) {
        return format!(
            "container `{}` has no command: its image's own is not seen here; write the command out, or the pool by hand \
             (docs/quick-start.md)",
            one.name
        );
    }
    let seen: Vec<_> = runs()
        .filter_map(|(_, run)| match run {
            Runs::Other(program) if !program.is_empty() => Some(format!("`{program}`")),
            _ => None,
        })
        .collect();
    format!(
        "no container's command is `celery … worker`, `rq worker` or `taskiq worker` (seen: {})",
        if seen.is_empty() {
            "none".to_owned()
        } else {
            seen.join(", ")
        }
    )
}
