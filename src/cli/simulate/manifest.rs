//! The one pool of a manifest; errors name the line.
#![deny(clippy::disallowed_methods)]

use crate::{
    api::GROUP,
    cli::manifest::{self, CheckedPool, is_pool},
    controller::pool::Pool,
};

/// Pool as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    /// Name of the pool.
    pub(super) name: String,
    /// Content of the spec.
    pub(super) pool: Pool,
}

/// Reads the only pool of a text, which may have other objects beside it.
pub(super) fn read(text: &str) -> Result<Manifest, String> {
    let (objects, unreadable) = manifest::read(text);
    if let Some(part) = unreadable.first() {
        return Err(format!("line {}: {}", part.line, part.message));
    }
    let pools: Vec<_> = objects.iter().filter(|object| is_pool(object)).collect();
    let [object] = pools.as_slice() else {
        return Err(format!(
            "{} objects of apiVersion {GROUP}/v1alpha1 and kind TaskWorkerPool: the file must have exactly one",
            pools.len()
        ));
    };
    let checked = CheckedPool::read(object).map_err(|faults| {
        let said = faults
            .iter()
            .map(|fault| format!("line {}: {}", object.node.line_of(&fault.path), fault.message));
        said.collect::<Vec<_>>().join("\n  ")
    })?;
    Ok(Manifest {
        name: object.name.clone(),
        pool: checked.pool,
    })
}
