//! Jobs of an experiment and their states.

use std::fmt;

/// A training run of an experiment. Displays as `baby viral seed 1`, or `baby mmgcn trial 2 of 6 (adam.lr = 0.001)`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// The data set.
    pub data: String,
    /// Name of the model's row.
    pub model: String,
    /// Whether it is a trial or a run.
    pub kind: JobKind,
    /// Its state.
    pub state: JobState,
}

/// Purpose of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobKind {
    /// A trial of settings on the validation part.
    #[non_exhaustive]
    Trial {
        /// Number of the trial, from 1.
        number: usize,
        /// Number of trials of the model on the data set.
        of: usize,
        /// The settings.
        settings: String,
    },
    /// A run to be tested.
    #[non_exhaustive]
    Run {
        /// Its seed.
        seed: u64,
    },
}

/// State of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobState {
    /// Finished: its result is journalled.
    Done,
    /// Begun: it resumes from a checkpoint.
    Begun,
    /// Not begun.
    Waiting,
    /// Not begun: trials have yet to choose its settings.
    AfterTrials,
}

impl JobState {
    /// Name of the state in lists.
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

/// Selection of jobs by model and data set; an empty list selects all.
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
