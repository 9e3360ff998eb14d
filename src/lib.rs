//! Multimodal recommendation on [Burn](https://burn.dev): composable layers, models, training, exact evaluation and serving.
//!
//! The crate trains VIRAL, the model of *Enhancing Multimodal Recommendations with Vision-Language Models and Information-Aware
//! Fusion* ([arXiv 2511.02113](https://arxiv.org/abs/2511.02113)), and the systems it is compared with, on the data folders
//! that [MMRec](https://arxiv.org/abs/2302.03497) uses or on data from memory. The same code runs on the CPU, on NVIDIA GPUs
//! (feature `cuda`) and on any Vulkan, Metal, DirectX or WebGPU adapter (feature `wgpu`).
#![doc = include_str!("../assets/method.md")]
//!
//! # From data to recommendations
//!
//! ```
//! use viral::prelude::*;
//!
//! # fn main() -> viral::Result<()> {
//! let data = PlantedConfig::new().with_n_users(80).with_n_items(60).generate().data; // or Dataset::read("data/baby")?
//! let run = Recipe::viral().seed(1).epochs(2).run(&data, &Device::flex())?; // without epochs(): early stopping
//! println!("{}", run.test(&[10, 20])?);
//! let recommender = run.recommender()?;
//! for found in recommender.recommend("u0007", 10)? {
//!     println!("{:.3} {}", found.score, found.item);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | read a folder, or make a data set from a log in memory | [`data::Dataset`], [`data::InteractionLog`], [`data::Features`] |
//! | train a built-in model, with checkpoints and resumption | [`recipe::Recipe`], [`recipe::Runner`] |
//! | recommend to users, to newcomers, and find similar items | [`serve::Recommender`] |
//! | train over several machines, with the same bits at any number of them | [`dist`] |
//! | run many models on many data sets, with tables and paired tests | [`experiment::Experiment`] |
//! | build your own model | [`model::Embed`], [`model::Trainable`], the layers of [`nn`], [`loss`], [`graph`] |
//! | train it with full control | [`train::TrainerConfig::fit_from`], [`train::Checkpoint`] |
//! | rank and evaluate: accuracy and beyond-accuracy metrics | [`eval`] |
//! | measure what content says about clicks, and draw maps of items | [`insight`] |
//! | draw figures and format tables | [`report`] |
//! | read the chapters: your own data, serving, adding a model, results | [`guide`] |
//! | use single operators | [`ops`]: sparse products, InfoNCE without its matrix, keyed randomness |
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `flex` | the CPU backend; on by default |
//! | `wgpu` | GPUs through Vulkan, Metal, DirectX or WebGPU |
//! | `cuda` | NVIDIA GPUs |
//! | `wgpu-plain`, `cuda-plain` | the same without kernel fusion and autotuning |
//! | `mpi` | training over the ranks of an MPI job, with Open MPI or MPICH |
//! | `args` | command-line arguments for programs that train, with clap |
//!
//! With a given seed, results on the CPU are bit-identical at any number of threads and after any interruption. Invalid
//! input is an [`Error`] that names the file, the line and a remedy. A programmer's mistake, such as a matrix of the
//! wrong shape, panics with both shapes in the message.

// The library does not print: progress goes to callbacks.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

// The layers of the crate, in order: a module imports only from those above it. A test enforces this.
pub mod error;

mod named;

pub mod report;

mod linalg;

pub mod data;

pub mod graph;

pub mod ops;

pub mod nn;

pub mod loss;

pub mod model;

pub mod eval;

pub mod insight;

pub mod train;

pub mod serve;

pub mod recipe;

#[cfg(feature = "flex")]
pub mod dist;

pub mod experiment;

#[cfg(feature = "args")]
pub mod args;

pub mod prelude;

pub mod guide;

pub use error::{Error, Result};

pub use burn;
pub use sprs;

/// Compiles the programs of the README as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
