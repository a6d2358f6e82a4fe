//! controller

pub mod leader;
