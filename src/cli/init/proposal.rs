//! Proposal of a pool: its fields, each with where it comes from, and what a person has to check.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use crate::{
    api::{GROUP, VERSION},
    cli::{
        commented::{self, Comment, wrapped},
        convert::PlanStep,
        manifest::Object,
    },
};

/// Remark on a field of the pool.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remark {
    /// Path in the pool.
    pub field: String,
    /// Where the value comes from, or what it means.
    pub message: String,
    /// Whether there is something to do before the pool can work as it is meant.
    pub todo: bool,
}

/// Proposal of a pool.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// Kind and name of the workload.
    pub target: String,
    /// File that it stands in; empty: it is in a cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Line in the file.
    pub line: u64,
    /// Container whose command runs the workers.
    pub container: String,
    /// Program of that command.
    pub program: &'static str,
    /// The pool.
    pub pool: Value,
    /// Remarks on its fields.
    pub remarks: Vec<Remark>,
    /// What to check before it is applied.
    pub checks: Vec<String>,
    /// Steps by which it takes over from another autoscaler.
    pub steps: Vec<PlanStep>,
}

impl Proposal {
    pub(super) fn new(file: &str, object: &Object, container: &str, program: &'static str) -> Self {
        let mut metadata = json!({"name": object.name});
        if let Some(namespace) = &object.namespace {
            metadata["namespace"] = namespace.as_str().into();
        }
        Self {
            target: format!("{}/{}", object.kind, object.name),
            file: file.to_owned(),
            line: object.node.line_of("kind"),
            container: container.to_owned(),
            program,
            pool: json!({
                "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "TaskWorkerPool", "metadata": metadata,
                "spec": {"targetRef": {"kind": object.kind, "name": object.name}},
            }),
            remarks: Vec::new(),
            checks: Vec::new(),
            steps: Vec::new(),
        }
    }

    pub(super) fn namespace(&self) -> Option<String> {
        self.pool["metadata"]["namespace"].as_str().map(str::to_owned)
    }

    /// Sets a field of the spec.
    pub(super) fn set(&mut self, path: &str, value: impl Into<Value>) {
        let spec = &mut self.pool["spec"];
        let place = path.split('.').fold(spec, |at, name| &mut at[name]);
        *place = value.into();
    }

    /// Sets the broker, beside what is known of its encryption.
    pub(super) fn broker(&mut self, broker: Value) {
        for (name, value) in broker.as_object().into_iter().flatten() {
            self.set(&format!("broker.{name}"), value.clone());
        }
    }

    /// Broker's URL in a Secret that has to be made.
    pub(super) fn broker_in_secret(&mut self, why: &str) {
        let name = self.pool["metadata"]["name"].as_str().unwrap_or("pool");
        let secret = format!("{name}-broker");
        let space = self
            .namespace()
            .map(|namespace| format!("-n {namespace} "))
            .unwrap_or_default();
        self.todo(
            "broker",
            format!(
                "{why}; put the URL, as the application has it, into a Secret, or name a key that there is: kubectl {space}create \
                 secret generic {secret} --from-file=url=FILE (a file with the URL alone, without an end of line)"
            ),
        );
        self.broker(json!({"urlFrom": {"secretKeyRef": {"name": secret, "key": "url"}}}));
    }

    pub(super) fn note(&mut self, field: &str, message: impl Into<String>) {
        self.remark(field, message.into(), false);
    }

    pub(super) fn todo(&mut self, field: &str, message: impl Into<String>) {
        self.remark(field, message.into(), true);
    }

    fn remark(&mut self, field: &str, message: String, todo: bool) {
        self.remarks.push(Remark {
            field: format!("spec.{field}"),
            message,
            todo,
        });
    }

    pub(super) fn check(&mut self, text: impl Into<String>) {
        self.checks.push(text.into());
    }

    /// Whether something has to be done before the pool works as it is meant.
    pub fn is_open(&self) -> bool {
        self.remarks.iter().any(|remark| remark.todo)
    }

    /// The two commands that come next.
    fn next(&self) -> [String; 2] {
        let space = self
            .namespace()
            .map(|namespace| format!(" -n {namespace}"))
            .unwrap_or_default();
        let name = self.pool["metadata"]["name"].as_str().unwrap_or_default();
        [
            format!("kubectl{space} apply -f {FILE}"),
            format!("kubectl twp why {name}{space}"),
        ]
    }

    /// The pool as commented YAML.
    ///
    /// # Errors
    /// What the API server or the operator would have against it.
    pub fn yaml(&self) -> Result<String, String> {
        let Self {
            target,
            container,
            program,
            ..
        } = self;
        let place = match self.file.as_str() {
            "" => String::new(),
            file => format!(" ({file}:{})", self.line),
        };
        let mut head = format!("# Pool for {target}{place}: its container `{container}` runs `{program}`.\n# Check:\n");
        for check in &self.checks {
            head += &wrapped("# * ", "#   ", check);
        }
        head += "# Then:\n";
        for command in self.next() {
            head += &format!("#   {command}\n");
        }
        let comment = |remark: &Remark| Comment {
            to: remark.field.clone(),
            text: format!("{}{}", if remark.todo { "TODO " } else { "" }, remark.message),
        };
        let comments: Vec<_> = self.remarks.iter().map(comment).collect();
        commented::yaml(&self.pool, &head, &comments)
    }
}

/// File that the commands take the pool to be in.
pub(super) const FILE: &str = "pool.yaml";
