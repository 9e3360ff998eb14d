//! Training: Adam, early stopping on valid, checkpoints and exact resume.

mod adam;
mod checkpoint;
mod early_stopping;
pub(crate) mod tensors;
mod trainer;

pub use adam::{Adam, AdamConfig};
pub use checkpoint::Checkpoint;
pub use early_stopping::EarlyStopping;
pub use trainer::{BatchSize, EpochReport, Event, Fit, Keep, TrainState, TrainerConfig};
