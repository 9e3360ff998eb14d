//! Interactions, features and splits, from files or made up: plain Rust, no tensors.
//!
//! | file | |
//! |---|---|
//! | `dataset` | [`Dataset`], [`TrainSet`], [`Counts`]: what models see and what is held out |
//! | `interactions` | [`Interactions`]: who interacted with what, on `csr` (compressed sparse rows) |
//! | `modality`, `features` | [`Modality`]; [`Features`]: what a catalogue has of each |
//! | `knockout` | [`Knockout`]: features that say nothing, to see whether a modality is used |
//! | `item_features` | [`ItemFeatures`] from `.npy` (`npy`, [`npy_header`]) or `.safetensors` (`safetensors`, [`TensorFile`]), both on `floats` |
//! | `inter`, `inter_reader` | [`InterFile`]: MMRec's `.inter`, on `table` (delimited text) and [`ids`](Ids) |
//! | `feedback`, `time` | [`Labels`]: parts of a split, or what users took; [`parse_time`]: numbers and dates |
//! | `load` | [`Dataset::read`]: a folder, as [`options`](ReadOptions) say, found by `locate`, with its `feature_files` and `sidecar` files |
//! | `log`, `log_report` | [`Dataset::from_log`], [`InteractionLog`]: interactions from memory; [`LogReport`]: what was counted |
//! | `by_id` | [`Dataset::with_features`], [`Dataset::with_titles_by_id`]: vectors and titles from memory |
//! | `provenance`, `mask` | [`Provenance`]: what feature files were made from; [`Mask`]: which items they lack; both checked |
//! | `missing` | [`missing_items`], [`Features::without`]: content taken away, to see what a model does without it |
//! | `attributes` | [`Attributes`]: what items are said to be, in words, as features |
//! | `rows` | [`feature_rows`], [`read_row_ids`]: which item each feature row of a folder is about |
//! | `regular` | [`open_file`], [`read_file`], [`read_text`]: what is read, which is neither a pipe nor a device |
//! | `whole`, `append_log` | [`WholeFile`], [`write_whole`]: files that are written whole or not at all; [`AppendLog`]: line by line |
//! | `folder_lock` | [`FolderLock`]: by one process at a time |
//! | `time` | [`parse_time`]: numbers and dates |
//! | `split`, `ties`, `split_policy`, `n_core` | [`random_split`], [`temporal_split`], [`Ties`]; [`SplitPolicy`]; [`n_core`] |
//! | `planted` | [`PlantedConfig`]: catalogues whose signal is known, with their [`truth`](PlantedTruth) |
//! | `key` | [`StepKey`]: what every random number of a step is a function of |
//! | `sampler` | [`Sampler`]: batches as a function of (seed, epoch, step), on `counter` |
//!
//! ```
//! use viral::data::{Dataset, Modality, Sampler, SplitPolicy};
//!
//! let log = [("ann", "cup"), ("ann", "cot"), ("ann", "hat"), ("zoe", "cot"), ("zoe", "hat"), ("zoe", "cup")];
//! let vectors = [("cot", [0.1, 0.9]), ("cup", [0.8, 0.2]), ("hat", [0.5, 0.5])];
//! let data = Dataset::from_log("shop", log, SplitPolicy::Random { seed: 0 })?.with_features(Modality::Text, vectors)?;
//! assert_eq!((data.n_users(), data.n_items(), data.test.n_pairs()), (2, 3, 2));
//! println!("{data}");
//! // What models see: train pairs and features, in batches with a negative for each pair.
//! let order = Sampler::new(1, 2).epoch(&data.train.interactions, 0);
//! assert_eq!(order.batches().map(|triplets| triplets.len()).sum::<usize>(), data.train.interactions.n_pairs());
//! # Ok::<(), viral::Error>(())
//! ```

mod append_log;
mod attributes;
mod by_id;
mod counter;
mod csr;
mod dataset;
mod feature_files;
mod features;
mod feedback;
mod floats;
mod folder_lock;
mod hold_out;
mod ids;
mod inter;
mod inter_reader;
mod interactions;
mod item_features;
mod key;
mod knockout;
mod load;
mod locate;
mod log;
mod log_report;
mod mask;
mod missing;
mod modality;
mod n_core;
mod npy;
mod options;
mod planted;
mod provenance;
mod regular;
mod rows;
mod safetensors;
mod sampler;
mod sidecar;
mod split;
mod split_policy;
mod table;
mod ties;
mod time;
mod truth;
mod whole;

pub use append_log::{AppendLog, LineReader, Tail, read_lines};
pub use attributes::{AttributeCounts, AttributeOptions, Attributes};
pub use counter::splitmix64;
pub(crate) use counter::{below, draw, stream};
pub(crate) use csr::Csr;
pub use dataset::{Counts, Dataset, TrainSet};
pub use features::Features;
pub use feedback::Labels;
pub use folder_lock::FolderLock;
pub use hold_out::HeldOut;
pub use ids::Ids;
pub use inter::{Duplicates, InterFile, InterRow, Part};
pub use interactions::Interactions;
pub(crate) use interactions::check_ids;
pub use item_features::ItemFeatures;
pub use key::{StepKey, StreamKey};
pub use knockout::Knockout;
pub use log::{InteractionLog, LogEvent};
pub use log_report::LogReport;
pub use mask::Mask;
pub use missing::missing_items;
pub use modality::{Modality, ModalityName};
pub use n_core::n_core;
pub use npy::npy_header;
pub use options::ReadOptions;
pub use planted::{Planted, PlantedConfig};
pub(crate) use provenance::hex;
pub use provenance::{Origin, Provenance, sha256_of_file};
pub(crate) use regular::check_replaceable;
pub use regular::{is_there, open_file, read_file, read_text};
pub use rows::{feature_rows, rows_by_number};
pub use safetensors::TensorFile;
pub(crate) use sampler::absent;
pub use sampler::{EpochOrder, Sampler, Triplets};
pub use sidecar::read_row_ids;
pub use split::{RATIOS, random_split, temporal_split};
pub use split_policy::SplitPolicy;
pub use ties::Ties;
pub use time::parse_time;
pub use truth::{Factor, PlantedTruth};
pub use whole::{WholeFile, check_apart, check_place, write_whole};
