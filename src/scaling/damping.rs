//! The two scale-down windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wishes;
