#![cfg_attr(doc, doc = include_str!("../README.md"))]
#![cfg_attr(not(doc), doc = "Multimodal recommendation on Burn.")]

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
