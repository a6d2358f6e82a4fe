//! Functions with names, by which they are compared, ordered and hashed.
#![deny(clippy::disallowed_methods)]

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

/// Function with a name that no other function of its type has.
#[derive(Clone, Copy)]
pub struct Named<F> {
    name: &'static str,
    function: F,
}

impl<F: Copy> Named<F> {
    /// Function of this name.
    pub const fn new(name: &'static str, function: F) -> Self {
        Self { name, function }
    }

    /// Returns the function.
    pub const fn get(self) -> F {
        self.function
    }
}

impl<F> fmt::Debug for Named<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F> PartialEq for Named<F> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<F> Eq for Named<F> {}

impl<F> PartialOrd for Named<F> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<F> Ord for Named<F> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

impl<F> Hash for Named<F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
