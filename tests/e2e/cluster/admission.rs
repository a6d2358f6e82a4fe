//! What the API server refuses or changes for one namespace only.

use serde_json::{Value, json};

use crate::support::bed::{Namespace, kubectl};

/// An admission policy that binds in one namespace. It goes with the namespace, also when the test fails.
pub struct Policy {
    kind: &'static str,
    name: String,
}

impl Policy {
    /// `kind` is `ValidatingAdmissionPolicy` or `MutatingAdmissionPolicy`; it concerns one operation on pods. `spec` and
    /// `binding` are what else their specs say.
    pub async fn new(ns: &Namespace, kind: &'static str, operation: &str, spec: Value, binding: Value) -> Self {
        let name = format!("policy-{}", ns.name);
        let uid = ["get", "namespace", &ns.name, "-o", "jsonpath={.metadata.uid}"];
        let owner = json!([{"apiVersion": "v1", "kind": "Namespace", "name": ns.name, "uid": ns.kubectl(&uid).await}]);
        let object = |kind: String, spec: Value| {
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                "metadata": {"name": name, "ownerReferences": owner}, "spec": spec,
            })
        };
        let matches = json!({
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.name}},
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": ["pods"]},
                ],
            },
        });
        let policy = object(kind.to_owned(), both(matches, spec));
        let binding = object(format!("{kind}Binding"), both(json!({"policyName": name}), binding));
        ns.apply(format!("{policy}\n---\n{binding}\n")).await;
        Self { kind, name }
    }

    pub async fn goes(&self) {
        for kind in [format!("{}Binding", self.kind), self.kind.to_owned()] {
            kubectl(&["delete", &kind, &self.name], "")
                .await
                .expect("it is deleted");
        }
    }
}

/// The fields of two objects.
fn both(mut one: Value, other: Value) -> Value {
    let fields = one.as_object_mut().expect("an object");
    fields.extend(other.as_object().expect("an object").clone());
    one
}
