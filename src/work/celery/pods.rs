//! Pods.

/// The pod that runs this node, if it is one of the Deployment's.
pub fn pod_of<'a>(_node: &'a str, _deployment: &str) -> Option<&'a str> {
    None
}
