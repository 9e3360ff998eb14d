//! Interactions, features and splits, read from files or generated: plain Rust, no tensors.
//!
//! | file | |
//! |---|---|
//! | `dataset` | [`Dataset`], [`TrainSet`], [`Counts`]: training data for models, with held-out parts |
//! | `interactions` | [`Interactions`]: user–item pairs, on `csr` (compressed sparse rows) |
//! | `modality`, `features` | [`Modality`]; [`Features`]: item features by modality |
//! | `knockout` | [`Knockout`]: uninformative features, to see whether a modality is used |
//! | `item_features` | [`ItemFeatures`] from `.npy` (`npy`, [`npy_header`]) or `.safetensors` (`safetensors`, [`TensorFile`]), both on `floats` |
//! | `inter`, `inter_reader` | [`InterFile`]: MMRec's `.inter`, on `table` (delimited text) and [`ids`](Ids) |
//! | `feedback` | [`Labels`]: labels as parts of a split, or as user feedback |
//! | `load` | [`Dataset::read`]: a folder, with [`options`](ReadOptions), on `locate`, `feature_files` and `sidecar` |
//! | `log`, `log_report` | [`Dataset::from_log`], [`InteractionLog`]: interactions from memory; [`LogReport`] |
//! | `by_id` | [`Dataset::with_features`], [`Dataset::with_titles_by_id`]: vectors and titles from memory |
//! | `provenance`, `mask` | [`Provenance`]: inputs of feature files; [`Mask`]: items without features; both validated |
//! | `missing` | [`missing_items`], [`Features::without`]: removes content, to test models without it |
//! | `attributes` | [`Attributes`]: categorical item attributes, as features |
//! | `rows` | [`feature_rows`], [`read_row_ids`]: the item of each feature row in a folder |
//! | `regular` | [`open_file`], [`read_file`], [`read_text`]: input files, but no pipes or devices |
//! | `whole`, `append_log` | [`WholeFile`], [`write_whole`]: atomic writes; [`AppendLog`]: append-only line files |
//! | `folder_lock` | [`FolderLock`]: one writing process at a time in a folder |
//! | `time` | [`parse_time`]: numbers and dates |
//! | `split`, `ties`, `split_policy`, `n_core` | [`random_split`], [`temporal_split`], [`Ties`]; [`SplitPolicy`]; [`n_core`] |
//! | `planted` | [`PlantedConfig`]: synthetic catalogues with known signal, with their [`truth`](PlantedTruth) |
//! | `key` | [`StepKey`]: key of all random numbers of a training step |
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
//! // A model sees train pairs and features, in batches with one negative per pair.
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
mod read_report;
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
pub use read_report::ReadReport;
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
pub use time::{TimeUnits, parse_time};
pub use truth::{Factor, PlantedTruth};
pub use whole::{WholeFile, check_apart, check_place, write_whole};
