//! What each framework keeps in its broker, and how that adds up to work. Pure: values in, values out.
#![deny(clippy::disallowed_methods)]

pub mod celery;
