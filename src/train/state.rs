//! The state of a run between two epochs.

use super::{Adam, EarlyStopping, EpochReport, TrainerConfig};
use crate::model::{Parameters, Trainable, parameters};

/// Everything that the next epoch depends on, besides settings and data.
///
/// Its parts belong together: a state is made from a fresh model or read from a [`Checkpoint`](super::Checkpoint),
/// which has an example, and only training changes it.
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
    /// Makes the state before the first epoch.
    pub fn new(model: M, config: &TrainerConfig) -> Self {
        let best = parameters(&model);
        let (adam, stopping) = (Adam::new(config.adam), EarlyStopping::new(config.patience));
        Self { model, next_epoch: 0, history: Vec::new(), adam, stopping, best }
    }

    /// The model, with the parameters of the last epoch.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The next epoch, from 0.
    pub fn next_epoch(&self) -> usize {
        self.next_epoch
    }

    /// The reports of the epochs so far.
    pub fn history(&self) -> &[EpochReport] {
        &self.history
    }

    /// Takes over the settings of `config`, whatever the state was made with.
    pub(super) fn adopt(&mut self, config: &TrainerConfig) {
        self.adam.set_config(config.adam);
        self.stopping.set_patience(config.patience);
    }
}
