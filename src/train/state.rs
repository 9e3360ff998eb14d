//! What goes through a run: reports of epochs, the state between two of them, events, and the end.

use super::{Adam, EarlyStopping, TrainerConfig};
use crate::model::{Embeddings, Parameters, Trainable, parameters};
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

/// All that the next epoch depends on, besides config and data. [`Checkpoint`](super::Checkpoint) has an example.
///
/// Its parts belong together, so it is made of a fresh model or read from a checkpoint, and only training changes it.
#[derive(Debug, Clone)]
pub struct TrainState<M> {
    pub(super) model: M,
    pub(super) next_epoch: usize,
    pub(super) history: Vec<EpochReport>,
    pub(super) adam: Adam,
    pub(super) stopping: EarlyStopping,
    pub(super) best: Parameters,
}

impl<M: Trainable> TrainState<M> {
    /// Before the first epoch.
    pub fn new(model: M, config: &TrainerConfig) -> Self {
        let best = parameters(&model);
        let (adam, stopping) = (Adam::new(config.adam), EarlyStopping::new(config.patience));
        Self { model, next_epoch: 0, history: Vec::new(), adam, stopping, best }
    }

    /// The model, with the parameters of the last epoch.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The epoch to come, from 0.
    pub fn next_epoch(&self) -> usize {
        self.next_epoch
    }

    /// What happened so far, one report for each finished epoch.
    pub fn history(&self) -> &[EpochReport] {
        &self.history
    }

    /// Goes on as `config` says, whatever the state was made with.
    pub(super) fn adopt(&mut self, config: &TrainerConfig) {
        self.adam.set_config(config.adam);
        self.stopping.set_patience(config.patience);
    }
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
    /// With the parameters that [`TrainerConfig::keep`] asks for.
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
