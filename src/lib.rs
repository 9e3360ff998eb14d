//! viral
pub mod data;
pub mod error;
mod linalg;
pub mod graph;
pub mod ops;
pub mod nn;
pub mod loss;
pub mod model;
pub mod eval;
pub mod train;
pub use error::{Error, Result};
