//! Filled in a moment.
