#![doc = include_str!("../README.md")]
// Progress goes to callbacks.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

// The floors, in order: a module imports from those above it. A test holds the code to it.
pub mod error;
mod linalg;

pub mod data;

pub mod graph;

pub mod ops;

pub mod nn;

pub mod loss;

pub mod model;

pub mod eval;

pub mod train;

pub mod report;

pub mod prelude;

pub use error::{Error, Result};
