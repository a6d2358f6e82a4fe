//! Pool in a manifest: what the API server and the operator say of it.
#![deny(clippy::disallowed_methods)]

use super::{Fault, Object, schema};
use crate::{
    api::{GROUP, TaskWorkerPool, TaskWorkerPoolSpec, VERSION},
    controller::{pool::Pool, validate},
};

/// Namespace of an object that names none.
const NAMESPACE: &str = "default";

/// Pool that both accept.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedPool {
    /// Spec as it is stored, with all defaults.
    pub spec: TaskWorkerPoolSpec,
    /// The same in the operator's own words.
    pub pool: Pool,
    /// Namespace, `default` where the manifest names none.
    pub namespace: String,
}

/// Whether an object is a pool, of whatever version.
pub fn is_pool(object: &Object) -> bool {
    object.kind == "TaskWorkerPool" && object.group() == GROUP
}

impl CheckedPool {
    /// Reads a pool.
    ///
    /// # Errors
    /// All that the API server has against it; if it has nothing, the first thing that the operator has.
    pub fn read(object: &Object) -> Result<Self, Vec<Fault>> {
        if object.api_version != format!("{GROUP}/{VERSION}") {
            let text = format!("must be `{GROUP}/{VERSION}`: the CRD has no other version");
            return Err(vec![Fault::refused("apiVersion", &text)]);
        }
        let mut stored = schema::stored(&object.node.value())?;
        let spec: TaskWorkerPoolSpec = serde_json::from_value(stored["spec"].take())
            .map_err(|error| vec![Fault::refused("spec", &error.to_string())])?;
        let written = TaskWorkerPool::new(&object.name, spec);
        let stalled = |message: &str| vec![Fault::stalled(message)];
        let pool = validate::pool(&written).map_err(|problem| stalled(&problem.message))?;
        let namespace = object.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
        match validate::plain(&pool, &namespace) {
            Some(Err(problem)) => Err(stalled(&problem.message)),
            _ => Ok(Self {
                spec: written.spec,
                pool,
                namespace,
            }),
        }
    }
}
