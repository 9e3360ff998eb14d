//! What there is to do, and how far it is.

use std::fmt;

/// A training run of an experiment. It displays as `baby viral seed 1`, or `baby mmgcn trial 2 of 6 (adam.lr = 0.001)`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// The data set.
    pub data: String,
    /// The model's row.
    pub model: String,
    /// What it is for.
    pub kind: JobKind,
    /// Whether it is done.
    pub state: JobState,
}

/// What a run is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobKind {
    /// To find out on valid what settings are worth.
    #[non_exhaustive]
    Trial {
        /// From 1.
        number: usize,
        /// All trials of the model on the data set.
        of: usize,
        /// The settings.
        settings: String,
    },
    /// To be tested.
    #[non_exhaustive]
    Run {
        /// Its seed.
        seed: u64,
    },
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobState {
    /// Its line is there.
    Done,
    /// It was begun and has a checkpoint to go on from.
    Begun,
    /// It is to be run.
    Waiting,
    /// It is to be run with settings that trials have yet to choose.
    AfterTrials,
}

impl JobState {
    /// What it is called in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Begun => "begun",
            Self::Waiting => "to run",
            Self::AfterTrials => "after trials",
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.data, self.model)?;
        match &self.kind {
            JobKind::Trial { number, of, settings } => write!(f, "trial {number} of {of} ({settings})"),
            JobKind::Run { seed } => write!(f, "seed {seed}"),
        }
    }
}

/// Which jobs are meant: those of some models, on some data sets; empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// Names of models.
    pub models: Vec<String>,
    /// Names of data sets.
    pub data: Vec<String>,
}

impl Selection {
    /// All jobs.
    pub fn all() -> Self {
        Self::default()
    }

    pub(super) fn includes(&self, job: &Job) -> bool {
        let is_in = |names: &[String], name: &String| names.is_empty() || names.contains(name);
        is_in(&self.models, &job.model) && is_in(&self.data, &job.data)
    }
}
