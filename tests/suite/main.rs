//! The test suite: one binary, a module for each topic.
//!
//! `VIRAL_GOLDEN=DIR` reads reference values from another folder of files of the same names; `VIRAL_DATA=DIR` names the
//! folder with the real data sets and runs what needs them.

mod baby_stats;
mod golden;
mod graphs;
mod metrics;
mod parity_blocks;
mod parity_models;
