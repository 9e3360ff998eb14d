//! Epoch reports, events for observers, and the result of a run.

use super::TrainState;
use crate::model::{Embeddings, Trainable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The report of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EpochReport {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Mean over steps of the objective, the weighted sum of its terms.
    pub loss: f64,
    /// Mean of each term before weighting, over the steps that have it.
    pub terms: BTreeMap<String, f64>,
    /// The monitored metric on valid; `None` if nothing is held out there.
    pub valid: Option<f64>,
    /// Seconds of training.
    #[serde(skip)]
    pub train_seconds: f64,
    /// Seconds of evaluation.
    #[serde(skip)]
    pub eval_seconds: f64,
}

/// An event that a run reports to its observer; the [module](super) has an example.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a, M> {
    /// A step has finished.
    #[non_exhaustive]
    Step {
        /// The epoch, from 0.
        epoch: usize,
        /// The step, from 0.
        step: usize,
        /// Number of steps in the epoch.
        n_steps: usize,
    },
    /// An epoch has finished and was evaluated; `state` can be saved as a checkpoint.
    #[non_exhaustive]
    Epoch {
        /// The epoch.
        report: &'a EpochReport,
        /// The state of the run.
        state: &'a TrainState<M>,
    },
}

/// The result of a finished training run; the [module](super) has an example.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fit<M> {
    /// The model, with the parameters that [`TrainerConfig::keep`](super::TrainerConfig::keep) selects.
    pub model: M,
    /// The epoch whose parameters these are, from 0; `None` if no epoch was run, as for a model without parameters.
    pub best_epoch: Option<usize>,
    /// One report per epoch.
    pub history: Vec<EpochReport>,
}

impl<M: Trainable> Fit<M> {
    /// Embeds users and items with the returned model, on the device that it is on.
    pub fn embeddings(&self) -> Embeddings {
        self.model.valid().embed()
    }
}
