//! Training: Adam, early stopping on valid, checkpoints and exact resume.

mod adam;
mod checkpoint;
mod early_stopping;
mod saved;
mod tensors;
mod trainer;

pub use adam::{Adam, AdamConfig};
pub use checkpoint::Checkpoint;
pub use early_stopping::EarlyStopping;
pub use saved::{Recommendation, SavedModel};
pub use trainer::{EpochReport, Event, Fit, TrainState, TrainerConfig};
