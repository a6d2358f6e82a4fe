//! What the tests on the test bed share.

pub mod bed;
pub mod bystander;
pub mod celery;
pub mod figures;
pub mod operator;
pub mod shop;
pub mod stage;
