//! Experiments: several models on several data sets with several seeds, from one file to tables with intervals.
//!
//! A file names data, models with their settings, seeds and the differences that are asked for. Whatever is done is
//! journalled, so that nothing is run twice: a run that was killed goes on, one that is done is skipped, also by another file that
//! wants the same.
//!
//! | file | |
//! |---|---|
//! | `spec`, `source`, `tune`, `figure` | [`Experiment`], [`ModelRow`], [`Contrast`]; [`DataSource`]; [`Tune`]: settings chosen on valid; [`Figure`]: a metric at a cutoff |
//! | `file`, `place` | the TOML file, with errors that name line and key |
//! | `session`, `job`, `run` | [`Session`]: an experiment with its data and what is done; [`Job`]s; doing the rest |
//! | `journal`, `record`, `key`, `usage` | [`RunRecord`], [`TrialRecord`]: a line each; what they are known by; [`Usage`]: what they cost |
//! | `missing`, `missing_report` | [`MissingGrid`]: a model where items lack content; [`MissingReport`]: its tables |
//! | `probe` | [`Probe`]: a model trained without what its content says; [`ProbeReport`]: its table, and what follows in words |
//! | `comparison`, `report` | [`Comparison`]: paired tests; [`Report`]: the tables |
//! | `folder` | [`ResultsFolder`]: what is done, without the experiment's file |
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
//! | `results.jsonl` | a line for each finished run or trial: settings, the curve on valid, metrics on test; the same bytes whenever and wherever it was run |
//! | `users/KEY.safetensors` | at which ranks each test user's items were found: what paired tests need |
//! | `times.jsonl` | times, memory, and each reading of the test part |
//! | `running/KEY/` | checkpoints of runs that are not done |

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

/// How deep the rankings are of which users' hits are kept.
pub const DEPTH: usize = 100;
