//! The test suite: one binary, a module for each topic.
//!
//! `VIRAL_GOLDEN=DIR` reads reference values from another folder of files of the same names; `VIRAL_DATA=DIR` names the
//! folder with the real data sets, for the tests that `-- --ignored` runs. `VIRAL_TEST_DEVICE=wgpu` (or `cuda`, with the feature of that
//! name) runs operators and parity on a GPU: `cargo test --features wgpu --test suite -- operators parity`.

// The tests' device is the CPU backend's; others are compared with it.
#![cfg(feature = "flex")]
// A test that cannot unwrap has failed, and says where.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod baby_stats;
mod bad_input;
mod devices;
mod divergence;
mod exactness;
mod experiments;
mod files;
mod floors;
mod foreign_model;
mod from_memory;
mod golden;
mod graphs;
mod insight;
mod living;
mod metrics;
mod missing;
mod operators;
mod packaged;
mod parity_blocks;
mod parity_content_graphs;
mod parity_edges;
mod parity_models;
mod parity_self_supervised;
mod parity_user_graphs;
mod parts;
mod probe;
mod programs;
mod ranks;
mod replays;
mod serving;
mod settings;
mod shapes;
mod statistics;
mod support;
mod table;
