//! Insight into what a model has learned: how much content tells about clicks, in bits; maps of items.
//!
//! | file | |
//! |---|---|
//! | `table`, `broja`, `pid` | [`decompose`]: partial information decomposition (PID) of a joint distribution |
//! | `samples`, `evidence` | [`Samples`], [`PidEvidence`]: PID of observations, with null, correction, intervals |
//! | `clicks` | [`ClickPairs`]: clicks against sampled negatives, by content and by blocks of a model's score |
//! | `pca`, `tsne`, `sample` | [`Pca`], [`Tsne`]: maps of rows; [`stratified_sample`]; [`trustworthiness`] of a map |
//!
//! ```
//! use viral::data::{Modality, Part, PlantedConfig};
//! use viral::insight::{ClickPairs, EvidenceOptions, Negatives, PidEvidence};
//!
//! # fn main() -> viral::Result<()> {
//! let data = PlantedConfig::new().with_n_users(300).with_n_items(200).generate().data;
//! let pairs = ClickPairs::draw(&data, Part::Test, Negatives::Uniform, 1)?;
//! let text = pairs.profile_cosines(&data.train, &Modality::Text)?;
//! let visual = pairs.profile_cosines(&data.train, &Modality::Visual)?;
//! let found = PidEvidence::of(&pairs.samples([&text, &visual], 4)?, &EvidenceOptions::default())?;
//! println!("{}", found.table(["text", "visual"]).to_text());
//! # Ok(())
//! # }
//! ```

mod broja;
mod clicks;
mod evidence;
mod pca;
mod pid;
mod sample;
mod samples;
mod table;
mod tsne;

pub use broja::Stopped;
pub use clicks::{ClickPairs, Negatives, mean_block_shares};
pub use evidence::{Estimate, EvidenceOptions, PidEvidence, Resampling};
pub use pca::Pca;
pub use pid::{Atoms, Pid, PidOptions, decompose};
pub use sample::{stratified_sample, trustworthiness};
pub use samples::Samples;
pub use table::JointTable;
pub use tsne::{Tsne, TsneOptions};
