//! Experiments: several models, data sets and seeds, from one TOML file to tables with confidence intervals.
//!
//! A file names the data, the models with their settings, the seeds and the comparisons to make. Results are
//! journalled, so that nothing runs twice: a killed run resumes from its checkpoint, and a finished run is skipped,
//! even if another file asks for it.
//!
//! | file | |
//! |---|---|
//! | `spec`, `source` | [`Experiment`], [`ModelRow`], [`Contrast`]; [`DataSource`] |
//! | `tune`, `figure` | [`Tune`]: hyperparameter search on the validation part; [`Figure`]: a metric at a cutoff |
//! | `file` | the TOML file; errors name line and key |
//! | `session`, `job`, `run` | [`Session`]: an experiment with its data and results; [`Job`]s; running them |
//! | `journal`, `record`, `key`, `usage` | [`RunRecord`], [`TrialRecord`]: results; their keys; [`Usage`]: costs |
//! | `missing`, `missing_report` | [`MissingGrid`]: evaluation with missing content; [`MissingReport`]: its tables |
//! | `probe` | [`Probe`]: ablation of content by retraining; [`ProbeReport`]: its table and conclusions |
//! | `comparison`, `report` | [`Comparison`]: paired tests; [`Report`]: the tables |
//! | `folder` | [`ResultsFolder`]: results, read without the experiment's file |
//!
//! ```
//! use std::ops::ControlFlow;
//! use viral::experiment::{Experiment, Selection};
//! use viral::prelude::*;
//!
//! # fn main() -> viral::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let out = folder.path().join("out");
//! let experiment = Experiment::from_toml(
//!     r#"
//!     name = "toys"
//!     seeds = [1, 2]
//!     training = { epochs = 3, patience = 20 }
//!
//!     [[data]]
//!     name = "planted"
//!     planted = { n_users = 80, n_items = 60 } # or folder = "baby", under the root of all data
//!
//!     [[models]]
//!     model = "popularity"
//!     seeds = [1]
//!
//!     [[models]]
//!     model = "lightgcn"
//!     settings = { d_embed = 16 }
//!     published = { "R@20" = 0.46 }
//!     [models.tune] # on valid, before the runs
//!     epochs = 2
//!     settings.n_layers = [1, 2]
//!     training.adam.lr = [1e-2, 1e-3]
//!
//!     [[contrasts]]
//!     of = "lightgcn"
//!     "#,
//! )?;
//! let mut session = experiment.open("data", &out)?;
//! session.run(&Device::flex(), &Selection::all(), |_| ControlFlow::Continue(()))?;
//! let report = session.report("viral experiment toys.toml")?;
//! println!("{}", report.to_text());
//! assert!(report.to_text().contains("lightgcn − popularity"));
//! // Nothing is left to do.
//! let again = session.run(&Device::flex(), &Selection::all(), |_| ControlFlow::Continue(()))?;
//! assert_eq!(again.n_finished, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # The folder of results
//!
//! | file | |
//! |---|---|
//! | `results.jsonl` | a line per finished run or trial: settings, valid curve, test metrics; bit-reproducible |
//! | `users/KEY.safetensors` | the ranks of each test user's held-out items, for paired tests |
//! | `times.jsonl` | times, memory, and each reading of the test part |
//! | `running/KEY/` | checkpoints of unfinished runs |

mod comparison;
mod figure;
mod file;
mod folder;
mod job;
mod journal;
mod key;
mod missing;
mod missing_report;
mod probe;
mod record;
mod report;
mod run;
mod session;
mod source;
mod spec;
mod tune;
mod usage;

pub use comparison::Comparison;
pub use figure::Figure;
pub use folder::{ResultsFolder, ResultsRow};
pub use job::{Job, JobKind, JobState, Selection};
pub use key::RESULTS_VERSION;
pub use missing::{MissingGrid, MissingIn};
pub use missing_report::{Figures, MissingReport, MissingRow};
pub use probe::{Probe, ProbeArm, ProbeReport};
pub use record::{RunRecord, Trained, TrialRecord, ValidCurve};
pub use report::Report;
pub use run::{Notice, Outcome};
pub use session::Session;
pub use source::DataSource;
pub use spec::{ComparisonSettings, Contrast, Experiment, ModelRow};
pub use tune::{Choice, Tune};
pub use usage::Usage;

/// The cutoffs of the metrics in every line of results.
pub const CUTOFFS: [usize; 5] = [5, 10, 20, 50, 100];

/// Depth of the rankings whose hits are stored for each user.
pub const DEPTH: usize = 100;
