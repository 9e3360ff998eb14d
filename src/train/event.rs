//! What a run tells: reports of epochs, events, and what it came to.

use super::TrainState;
use crate::model::{Embeddings, Trainable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EpochReport {
    /// From 0.
    pub epoch: usize,
    /// Mean over steps of the weighted sum.
    pub loss: f64,
    /// Mean over steps of each term before weighting.
    pub terms: BTreeMap<String, f64>,
    /// The monitored metric on valid; `None` where nothing is held out for it.
    pub valid: Option<f64>,
    /// Seconds of training.
    #[serde(skip)]
    pub train_seconds: f64,
    /// Seconds of evaluation.
    #[serde(skip)]
    pub eval_seconds: f64,
}

/// What a run tells its observer; the [module](super) has an example.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a, M> {
    /// A step is done.
    #[non_exhaustive]
    Step {
        /// From 0.
        epoch: usize,
        /// From 0.
        step: usize,
        /// Steps of the epoch.
        n_steps: usize,
    },
    /// An epoch is done and evaluated; `state` can be saved as a checkpoint.
    #[non_exhaustive]
    Epoch {
        /// The epoch.
        report: &'a EpochReport,
        /// Where the run stands.
        state: &'a TrainState<M>,
    },
}

/// A finished run of a trainer; the [module](super) has an example.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fit<M> {
    /// With the parameters that [`TrainerConfig::keep`](super::TrainerConfig::keep) asks for.
    pub model: M,
    /// The epoch whose parameters these are, from 0; `None` where no epoch was run, as for a model without parameters.
    pub best_epoch: Option<usize>,
    /// One report an epoch.
    pub history: Vec<EpochReport>,
}

impl<M: Trainable> Fit<M> {
    /// The best epoch's vectors, on the device that the model is on.
    pub fn embeddings(&self) -> Embeddings {
        self.model.valid().embed()
    }
}
