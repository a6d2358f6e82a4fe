//! What a set-up says of itself: one file each in `set_ups/`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::support::app::Load;

/// The broker that everybody of the set-up shares.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Broker {
    Redis,
    RabbitMq,
}

/// An application as people run it, and what is expected where that is not "all is well".
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetUp {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What is special, and who runs it so.
    pub about: String,
    /// It is among the third that `make test` runs.
    #[serde(default)]
    pub quick: bool,
    pub broker: Broker,
    /// What the operator's own user may do: without it the operator has the application's.
    pub rights: Option<Rights>,
    /// Where the operator's URL leads, if not to the application's broker.
    pub elsewhere: Option<Elsewhere>,
    /// The settings of the Celery application.
    #[serde(default)]
    pub app: Map<String, Value>,
    /// More arguments of `celery -A zoo worker -l info`. Default: one process.
    #[serde(default = "one_process")]
    pub worker: Vec<String>,
    /// The containers of a worker's pod, where they are not that one: name, command, and whatever Kubernetes knows.
    #[serde(default)]
    pub containers: Vec<Value>,
    /// What goes over the spec of a worker's pod.
    #[serde(default)]
    pub pod: Value,
    /// The workers' Deployment begins with so many replicas.
    #[serde(default)]
    pub replicas: i32,
    /// The first pod's worker never starts.
    #[serde(default)]
    pub crash: bool,
    /// A second Deployment and pool, `v`, of the same make.
    #[serde(default)]
    pub twin: bool,
    /// More objects of the namespace: `$IMAGE` and `$ENV` stand for the application's.
    #[serde(default)]
    pub beside: Vec<Value>,
    /// What goes over the pool's spec: at most three replicas, one for each task, the last gone after five seconds.
    #[serde(default)]
    pub pool: Value,
    /// What is published; see `app/clients.py`. Default: three tasks, of which one is still running when the others are not.
    #[serde(default = "usual_load")]
    pub load: Vec<Load>,
    /// The application moves to another broker.
    pub moves: Option<Moves>,
    #[serde(default)]
    pub bystander: Bystander,
    #[serde(default)]
    pub expect: Expect,
}

/// What the operator's user may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rights {
    /// `ACL SETUSER` of Redis; `$DB` is the database.
    #[serde(default)]
    pub acl: Vec<String>,
    /// RabbitMQ: configure, write, read.
    #[serde(default)]
    pub rabbitmq: Vec<String>,
    #[serde(default)]
    pub tags: String,
}

/// Another server for the operator than the application's.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Elsewhere {
    /// `$HOST` is the server's address.
    pub url: String,
    /// A Redis with these arguments. Default: the Redis that all share.
    #[serde(default)]
    pub redis: Vec<String>,
    /// And in its pod these commands.
    #[serde(default)]
    pub say: Vec<String>,
}

/// Another database in the Secret, and a rollout; the old one stays up.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Moves {
    /// What is published there, when all of the first load is done, while the workers are rolled.
    pub load: Vec<Load>,
    /// And when they have been. Work raises the number while they are rolled, so pods of the old template start, too, and the
    /// rollout stops them with what they took: a longer task than the grace period is its victim, not the operator's.
    pub rolled: Vec<Load>,
}

/// How the application is pinged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bystander {
    /// Only so many seconds after the load: it changes what the set-up is about.
    #[serde(default)]
    pub after: u64,
    /// Who runs a task cannot answer (`-P solo`).
    #[serde(default)]
    pub busy_are_silent: bool,
    /// Several workers share a name, and one answer.
    #[serde(default)]
    pub one_name: bool,
    /// It may be that nobody is up for long enough to have to answer.
    #[serde(default)]
    pub short_lived: bool,
    /// Nobody answers at all, whoever asks.
    #[serde(default)]
    pub nobody_answers: bool,
}

/// What the answers are where they may differ.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// Conditions that are neither usual nor wrong here.
    #[serde(default)]
    pub says: Vec<Says>,
    /// The replicas at the end, where that is not the minimum; at least one of `says` has to say why.
    pub replicas: Option<i32>,
    /// What must be in the text of an ERROR of a worker's log, for each that is the application's own, and why.
    #[serde(default)]
    pub errors: BTreeMap<String, String>,
    /// So many tasks may run more than once, by the broker's or the application's own doing.
    #[serde(default)]
    pub again: usize,
    /// So many attempts are cut off by the application itself.
    #[serde(default)]
    pub cut_off: usize,
    /// Containers restart by themselves.
    #[serde(default)]
    pub restarts: bool,
    /// Tasks that are left in the broker at the end.
    #[serde(default)]
    pub left: usize,
    /// Questions that cannot be answered with yes, and why.
    #[serde(default)]
    pub cannot: BTreeMap<String, String>,
}

/// A condition that is expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Says {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    /// One of them; any if none is given.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Words of the message, each of them.
    #[serde(default)]
    pub contains: Vec<String>,
    /// It may be said, but need not.
    #[serde(default)]
    pub maybe: bool,
    /// It must be said at the end.
    #[serde(default)]
    pub at_end: bool,
}

fn one_process() -> Vec<String> {
    ["-c", "1"].map(str::to_owned).to_vec()
}

fn usual_load() -> Vec<Load> {
    [5, 9, 25].map(|seconds| Load::new(1, seconds)).to_vec()
}

impl SetUp {
    /// All of them, or those that `TWP_ZOO` names: `quick`, `all` or names with commas between. Default: the quick ones.
    pub fn chosen() -> Vec<Self> {
        let chosen = std::env::var("TWP_ZOO").unwrap_or_else(|_| "quick".to_owned());
        let names: Vec<&str> = chosen.split(',').map(str::trim).collect();
        let all = Self::all();
        for name in &names {
            let known = ["quick", "all"].contains(name) || all.iter().any(|set_up| set_up.name == *name);
            assert!(known, "no set-up is called {name}");
        }
        let is_chosen = |set_up: &Self| match chosen.as_str() {
            "all" => true,
            "quick" => set_up.quick,
            _ => names.contains(&set_up.name.as_str()),
        };
        all.into_iter().filter(is_chosen).collect()
    }

    /// In the order of their names.
    pub fn all() -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/zoo/set_ups");
        let files = fs::read_dir(folder)
            .expect("the set-ups")
            .map(|file| file.expect("a file").path());
        let mut all: Vec<_> = files.map(|path| Self::read(&path)).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    fn read(path: &std::path::Path) -> Self {
        let text = fs::read_to_string(path).expect("a text");
        let mut set_up: Self =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        set_up.name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        set_up
    }

    /// The least replicas that the pool may have.
    pub fn minimum(&self) -> i32 {
        let minimum = self.pool.get("minReplicas").and_then(Value::as_i64);
        minimum.map_or(0, |minimum| i32::try_from(minimum).expect("a number of replicas"))
    }
}
