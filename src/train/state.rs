//! Where a run stands between two epochs.

use super::{Adam, EarlyStopping, EpochReport, TrainerConfig};
use crate::model::{Parameters, Trainable, parameters};

/// All that the next epoch depends on, besides config and data.
///
/// Its parts belong together, so it is made of a fresh model or read from a [`Checkpoint`](super::Checkpoint), and only training
/// changes it. [`Checkpoint`](super::Checkpoint) has an example.
#[derive(Debug, Clone)]
pub struct TrainState<M> {
    pub(super) model: M,
    pub(super) next_epoch: usize,
    pub(super) history: Vec<EpochReport>,
    pub(crate) adam: Adam,
    pub(super) stopping: EarlyStopping,
    pub(crate) best: Parameters,
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

    /// What happened so far, one report an epoch.
    pub fn history(&self) -> &[EpochReport] {
        &self.history
    }

    /// Goes on as `config` says, whatever the state was made with.
    pub(super) fn adopt(&mut self, config: &TrainerConfig) {
        self.adam.set_config(config.adam);
        self.stopping.set_patience(config.patience);
    }
}
