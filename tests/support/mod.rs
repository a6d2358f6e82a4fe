//! What the tests on the test bed share. Each target uses its part.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub mod bed;
pub mod bystander;
pub mod celery;
pub mod figures;
pub mod operator;
