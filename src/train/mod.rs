//! Training: Adam, early stopping, checkpoints and exact resumption.
//!
//! | file | |
//! |---|---|
//! | `config` | [`TrainerConfig`]: how long, how fast, which epoch to keep |
//! | `trainer` | the loop: [`TrainerConfig::fit`], [`TrainerConfig::fit_from`] with an observer |
//! | `state` | [`TrainState`]: what the next epoch depends on |
//! | `event` | [`EpochReport`], [`Event`]: what an observer receives; [`Fit`]: the result of a run |
//! | `divergence`, `term_sum` | detection of divergence; sums of terms by name |
//! | `adam` | [`Adam`]: the optimizer |
//! | `early_stopping` | [`EarlyStopping`]: the best epoch so far |
//! | `checkpoint` | [`Checkpoint`]: a state as a file |
//! | `tensors`, `pieces` | the file itself: as a whole, or piece by piece |
//!
//! [`Recipe`](crate::recipe::Recipe) does all of this in one call. Its parts are here, for your own models and for full
//! control.
//!
//! ```
//! use std::ops::ControlFlow;
//! use viral::prelude::*;
//!
//! # fn main() -> viral::Result<()> {
//! let data = PlantedConfig::new().with_n_users(60).with_n_items(40).generate().data;
//! let device = Device::flex().autodiff();
//! let model = LightGcnConfig::default().init(&data.train, &mut Init::new(0, &device))?;
//!
//! let mut trainer = TrainerConfig::default();
//! trainer.epochs = 3;
//! let mut losses = Vec::new();
//! let state = TrainState::new(model, &trainer);
//! let fit = trainer.fit_from(state, &data.train, &data.valid, &device, |event| {
//!     if let Event::Epoch { report, .. } = event {
//!         losses.push(report.loss);
//!     }
//!     Ok(ControlFlow::Continue(()))
//! })?;
//! assert_eq!((losses.len(), fit.history.len()), (3, 3));
//! println!("{}", fit.embeddings().evaluate(&data, Part::Test, &[10, 20])?);
//! # Ok(())
//! # }
//! ```

mod adam;
mod checkpoint;
mod config;
mod divergence;
mod early_stopping;
mod event;
mod pieces;
mod state;
pub(crate) mod tensors;
mod term_sum;
mod trainer;

pub use adam::{Adam, AdamConfig};
pub use checkpoint::Checkpoint;
pub(crate) use checkpoint::Header;
pub use config::{BatchSize, Keep, TrainerConfig};
pub(crate) use divergence::sizes;
pub use early_stopping::EarlyStopping;
pub use event::{EpochReport, Event, Fit};
pub(crate) use pieces::{PiecesFile, read_in_pieces};
pub use state::TrainState;
pub(crate) use trainer::{Holds, Step};
