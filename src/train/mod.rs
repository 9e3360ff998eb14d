//! Training: Adam, early stopping on valid, checkpoints and exact resume.

mod adam;
mod checkpoint;
mod divergence;
mod early_stopping;
mod state;
pub(crate) mod tensors;
mod term_sum;
mod trainer;

pub use adam::{Adam, AdamConfig};
pub use checkpoint::Checkpoint;
pub use early_stopping::EarlyStopping;
pub use state::TrainState;
pub use trainer::{BatchSize, EpochReport, Event, Fit, Keep, TrainerConfig};
