//! The sentence.
