//! The cluster: a namespace for each test, gone with it, and waiting for what ought to become true.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::{
            self,
            v1::{Pod, Service},
        },
    },
};
use kube::{
    Api, Client, Config, Resource,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use taskworkerpool::api::{Condition, TaskWorkerPool};
use tokio::{io::AsyncWriteExt, sync::OnceCell, time::Instant};

/// Long enough for everything that a slow machine does.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The script that runs the test bed.
fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/testbed/bed")
}

/// The kubeconfig of the cluster: `KUBECONFIG`, or the bed's.
pub fn kubeconfig() -> String {
    std::env::var("KUBECONFIG").unwrap_or_else(|_| {
        let said = Command::new(script())
            .arg("kubeconfig")
            .output()
            .expect("the test bed's script");
        String::from_utf8(said.stdout).expect("a path").trim().to_owned()
    })
}

/// A copy of the kubeconfig with these texts replaced, in a file of its own.
pub fn kubeconfig_with(change: impl Fn(&mut serde_json::Value)) -> String {
    let text = std::fs::read_to_string(kubeconfig()).expect("the kubeconfig");
    let mut config: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    change(&mut config);
    let file = std::env::temp_dir().join(format!("twp-kubeconfig-{}", unique()));
    std::fs::write(&file, config.to_string()).expect("a kubeconfig");
    file.to_str().expect("a path").to_owned()
}

/// The same with this namespace as the one that is meant where none is named.
pub fn kubeconfig_in(namespace: &str) -> String {
    kubeconfig_with(|config| config["contexts"][0]["context"]["namespace"] = namespace.into())
}

/// A client with the administrator's rights, of the runtime that it is made in.
pub async fn client() -> Client {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(kubeconfig()).expect("the kubeconfig: is the test bed up? `tests/testbed/bed up`");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .expect("a usable kubeconfig");
    Client::try_from(config).expect("a client")
}

/// An image by the bed's name for it, such as `REDIS`.
pub fn image(name: &str) -> String {
    let usual = match name {
        "OPERATOR" => "localhost/twp-operator:dev",
        "APP" => "localhost/django-celery:1",
        "REDIS" => "localhost/redis:8",
        "RABBITMQ" => "localhost/rabbitmq:4",
        "RABBITMQ3" => "localhost/rabbitmq:3",
        "RQ" => "localhost/rq:1",
        "TASKIQ" => "localhost/taskiq:1",
        other => panic!("no image is called {other}"),
    };
    std::env::var(format!("TWP_IMAGE_{name}")).unwrap_or_else(|_| usual.to_owned())
}

/// How often is looked: every look costs the cluster something.
const LOOK: Duration = Duration::from_millis(250);

/// Tries until it works. `attempt` gives the result, or (an `Err`) what it saw instead.
///
/// # Panics
/// At the deadline, with what was awaited and what was seen last.
pub async fn eventually<T>(what: &str, deadline: Duration, mut attempt: impl AsyncFnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + deadline;
    loop {
        // One attempt must not outlive the deadline either.
        let seen = match tokio::time::timeout(Duration::from_secs(30), attempt()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(seen)) => seen,
            Err(_) => "no answer in 30 s".to_owned(),
        };
        assert!(
            Instant::now() < end,
            "awaited for {deadline:?}: {what}; seen last: {seen}"
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Looks again and again for a while: `holds` says what is wrong as soon as something is.
pub async fn throughout(what: &str, time: Duration, mut holds: impl AsyncFnMut() -> Result<(), String>) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Err(seen) = holds().await {
            panic!("for {time:?} it had to hold that {what}; seen: {seen}");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The machine's clock, which the pods have too: seconds since 1970.
pub fn clock() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock").as_secs_f64()
}

/// A suffix that no other test has.
pub fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}{:x}{count:x}", std::process::id(), now.subsec_micros())
}

/// A namespace of a test's own; deleted when it goes out of scope, also when the test fails.
pub struct Namespace {
    pub name: String,
    pub client: Client,
}

impl Namespace {
    /// A new one whose name begins with this.
    pub async fn new(name: &str) -> Self {
        let client = client().await;
        let name = format!("{name}-{}", unique());
        let object = core::v1::Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            ..core::v1::Namespace::default()
        };
        let namespaces: Api<core::v1::Namespace> = Api::all(client.clone());
        let made = namespaces.create(&PostParams::default(), &object).await;
        made.expect("a namespace");
        Self { name, client }
    }

    /// The same, in a cluster that knows pools: the CRD is installed as people do it.
    pub async fn with_pools(name: &str) -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        INSTALLED.get_or_init(install_crd).await;
        Self::new(name).await
    }

    /// The objects of one kind.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// kubectl in this namespace, with this on its standard input.
    pub async fn try_kubectl(&self, args: &[&str], input: &str) -> Result<String, String> {
        let mut all = vec!["-n", self.name.as_str()];
        all.extend(args);
        kubectl(&all, input).await
    }

    /// kubectl in this namespace; it must succeed.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args, "")
            .await
            .unwrap_or_else(|said| panic!("kubectl {args:?}: {said}"))
    }

    /// `kubectl apply`, client-side, as people do.
    pub async fn apply(&self, yaml: impl AsRef<str>) {
        let yaml = yaml.as_ref();
        self.try_kubectl(&["apply", "-f", "-"], yaml)
            .await
            .unwrap_or_else(|said| panic!("kubectl apply: {said}\n{yaml}"));
    }

    /// Deletes objects by `kind/name` and waits until they are gone.
    pub async fn delete(&self, what: &str) {
        self.kubectl(&["delete", what, "--wait=true"]).await;
    }

    /// Waits until all replicas of a Deployment are ready. Among many others a RabbitMQ takes minutes to start.
    pub async fn wait_ready(&self, deployment: &str) {
        let what = format!("Deployment {deployment} is ready");
        eventually(&what, 2 * PATIENCE, async || {
            let found = self.deployment(deployment).await?;
            let wished = found.spec.and_then(|spec| spec.replicas).unwrap_or(1);
            let status = found.status.unwrap_or_default();
            let seen = (
                status.observed_generation,
                status.updated_replicas,
                status.ready_replicas,
            );
            let ready = status.observed_generation >= found.metadata.generation
                && status.updated_replicas.unwrap_or(0) == wished
                && status.ready_replicas.unwrap_or(0) == wished;
            if ready {
                Ok(())
            } else {
                Err(format!("{seen:?} of {wished}"))
            }
        })
        .await;
    }

    /// A Deployment as it is now.
    pub async fn deployment(&self, name: &str) -> Result<Deployment, String> {
        self.api::<Deployment>()
            .get(name)
            .await
            .map_err(|error| error.to_string())
    }

    /// `spec.replicas` of a Deployment.
    pub async fn replicas(&self, deployment: &str) -> Result<i32, String> {
        let found = self.deployment(deployment).await?;
        Ok(found.spec.and_then(|spec| spec.replicas).unwrap_or(1))
    }

    /// Waits until a Deployment has so many replicas wished.
    pub async fn wait_replicas(&self, deployment: &str, wished: i32) {
        let what = format!("Deployment {deployment} has {wished} replicas");
        eventually(&what, PATIENCE, async || match self.replicas(deployment).await? {
            seen if seen == wished => Ok(()),
            seen => Err(match self.pool(deployment).await {
                Ok(pool) => format!("{seen} replicas; {}", in_short(&pool)),
                Err(_) => format!("{seen} replicas"),
            }),
        })
        .await;
    }

    /// A Service's ClusterIP, which the machine reaches.
    pub async fn cluster_ip(&self, service: &str) -> String {
        let found = self.api::<Service>().get(service).await.expect("the Service");
        found.spec.and_then(|spec| spec.cluster_ip).expect("its ClusterIP")
    }

    /// Runs a command in a pod (`name`, or `deploy/name`): what it printed.
    pub async fn exec(&self, pod: &str, command: &[&str]) -> String {
        let mut args = vec!["exec", pod, "--"];
        args.extend(command);
        self.kubectl(&args).await
    }

    /// The pods with this label selector.
    pub async fn pods(&self, selector: &str) -> Vec<Pod> {
        let parameters = ListParams::default().labels(selector);
        self.api::<Pod>().list(&parameters).await.expect("the pods").items
    }

    /// A pool as it is now.
    pub async fn pool(&self, name: &str) -> Result<TaskWorkerPool, String> {
        self.api::<TaskWorkerPool>()
            .get(name)
            .await
            .map_err(|error| error.to_string())
    }

    /// Changes a pool's spec by a merge patch.
    pub async fn change_pool(&self, name: &str, spec: serde_json::Value) {
        let patch = Patch::Merge(serde_json::json!({ "spec": spec }));
        self.api::<TaskWorkerPool>()
            .patch(name, &PatchParams::default(), &patch)
            .await
            .expect("the pool changed");
    }

    /// Waits for a condition of a pool, by status (`True`) and reason; returns its message.
    pub async fn wait_condition(&self, pool: &str, kind: &str, status: &str, reason: &str) -> String {
        let what = format!("pool {pool} has {kind}={status} ({reason})");
        eventually(&what, PATIENCE, async || {
            let pool = self.pool(pool).await?;
            let mut conditions = pool.status.iter().flat_map(|status| &status.conditions);
            let found = conditions.find(|condition| condition.kind == kind);
            match found {
                Some(found) if format!("{:?}", found.status) == status && found.reason == reason => {
                    Ok(found.message.clone())
                }
                _ => Err(in_short(&pool)),
            }
        })
        .await
    }

    /// Waits until a pool's status speaks of its present spec and the broker has been read.
    pub async fn wait_working(&self, pool: &str) {
        self.wait_condition(pool, "Ready", "True", "Working").await;
    }

    /// All Events of the namespace: `reason: note` of each.
    pub async fn events(&self) -> Vec<String> {
        let format = "jsonpath={range .items[*]}{.reason}: {.message}{\"\\n\"}{end}";
        let text = self.kubectl(&["get", "events", "-o", format]).await;
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for an Event whose `reason: note` contains all of these.
    pub async fn wait_event(&self, parts: &[&str]) -> String {
        eventually(&format!("an Event with {parts:?}"), PATIENCE, async || {
            let events = self.events().await;
            let found = events
                .iter()
                .find(|event| parts.iter().all(|part| event.contains(part)));
            found.cloned().ok_or_else(|| format!("{events:#?}"))
        })
        .await
    }
}

/// What a pool says, for messages.
fn in_short(pool: &TaskWorkerPool) -> String {
    let status = pool.status.clone().unwrap_or_default();
    let name = pool.metadata.name.as_deref().unwrap_or_default();
    let why = status.decision.map(|decision| decision.message);
    let short = |condition: &Condition| {
        format!(
            "{}={:?} ({}: {})",
            condition.kind, condition.status, condition.reason, condition.message
        )
    };
    let conditions: Vec<_> = status.conditions.iter().map(short).collect();
    format!("{name}: {why:?} {conditions:?}")
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::env::var_os("TWP_KEEP").is_some() {
            eprintln!("namespace {} stays (TWP_KEEP)", self.name);
            return;
        }
        // Workers may take their grace period: nobody waits for the end.
        let _ended = kubectl_command(&["delete", "namespace", &self.name, "--wait=false"])
            .into_std()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

async fn install_crd() {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    // Two test programs may begin at one moment: the second one finds it there.
    let mut applied = kubectl(&["apply", "-f", files], "").await;
    if applied.as_ref().is_err_and(|said| said.contains("AlreadyExists")) {
        applied = kubectl(&["apply", "-f", files], "").await;
    }
    applied.expect("the CRD");
    let established = ["wait", "--for=condition=Established", "--timeout=60s", "-f", files];
    kubectl(&established, "").await.expect("the CRD is served");
}

/// A kubectl with the administrator's rights, not yet started.
pub fn kubectl_command(args: &[&str]) -> tokio::process::Command {
    let mut command = match std::env::var_os("TWP_KUBECTL") {
        Some(program) => tokio::process::Command::new(program),
        None => {
            let mut command = tokio::process::Command::new(script());
            command.arg("kubectl");
            command
        }
    };
    command
        .args(args)
        .env("KUBECONFIG", kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// kubectl with the administrator's rights: what it printed, or what it complained of.
pub async fn kubectl(args: &[&str], input: &str) -> Result<String, String> {
    let mut child = kubectl_command(args).spawn().expect("kubectl");
    let mut stdin = child.stdin.take().expect("its input");
    let _closed = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let said = child.wait_with_output().await.expect("its end");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if said.status.success() {
        Ok(text(&said.stdout))
    } else {
        Err(text(&said.stderr))
    }
}
