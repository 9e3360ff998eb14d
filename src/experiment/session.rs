//! An experiment with its data and its results so far.

use super::job::{Job, JobKind, JobState, Selection};
use super::journal::Journal;
use super::key::{Kind, key};
use super::tune::Combination;
use super::{Experiment, ModelRow, RunRecord};
use crate::data::Dataset;
use crate::recipe::Recipe;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An experiment with its data and the results in a folder. [`run`](Self::run) executes the missing runs,
/// [`report`](Self::report) makes tables of the finished ones; see the [module](super) for an example.
#[derive(Debug)]
pub struct Session {
    pub(super) experiment: Experiment,
    pub(super) out: PathBuf,
    pub(super) data: Vec<OpenData>,
    pub(super) journal: Journal,
}

/// A data set and its fingerprint.
#[derive(Debug)]
pub(super) struct OpenData {
    pub(super) set: Dataset,
    fingerprint: String,
    /// Fingerprints of the data with knockouts, by index of the model that has them.
    knocked_out: BTreeMap<usize, String>,
}

impl OpenData {
    pub(super) fn new(set: Dataset, models: &[ModelRow]) -> Result<Self> {
        let mut knocked_out = BTreeMap::new();
        for (place, row) in models.iter().enumerate() {
            if row.is_on(&set.name) && !row.knockout.is_empty() {
                knocked_out.insert(place, row.data(&set)?.fingerprint());
            }
        }
        Ok(Self { fingerprint: set.fingerprint(), set, knocked_out })
    }

    /// Returns the fingerprint of the data that a model of the experiment is trained on.
    pub(super) fn fingerprint(&self, model: usize) -> &str {
        self.knocked_out.get(&model).unwrap_or(&self.fingerprint)
    }
}

/// A job, by its indices in the experiment.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) data: usize,
    pub(super) model: usize,
    pub(super) part: TaskPart,
}

#[derive(Debug, Clone)]
pub(super) enum TaskPart {
    Trial(usize, Combination),
    Run(u64),
}

/// The trial with the best validation value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Winner {
    pub(super) combination: Combination,
    pub(super) valid: f64,
}

/// What is to be trained for a task.
pub(super) enum Wanted {
    Recipe(Box<Recipe>),
    /// Its settings are not chosen yet.
    AfterTrials,
    /// Every trial failed, so that settings cannot be chosen.
    NoTrialSucceeded,
}

impl Experiment {
    /// Reads all data from folders under `data_root`, and the results in the folder `out`. Nothing is written.
    ///
    /// # Errors
    /// Data that cannot be read; a damaged line of results.
    pub fn open(self, data_root: impl AsRef<Path>, out: impl AsRef<Path>) -> Result<Session> {
        let open = |source: &super::DataSource| OpenData::new(source.read(data_root.as_ref())?, &self.models);
        let data = self.data.iter().map(open).collect::<Result<Vec<_>>>()?;
        let (out, journal) = (out.as_ref().to_path_buf(), Journal::read(out.as_ref())?);
        Ok(Session { experiment: self, out, data, journal })
    }
}

impl Session {
    /// The experiment.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The folder of results.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The data sets, in the order of the experiment.
    pub fn data(&self) -> impl Iterator<Item = &Dataset> {
        self.data.iter().map(|data| &data.set)
    }

    /// Returns all jobs, in the order in which they are run.
    ///
    /// # Errors
    /// Settings that cannot be written as JSON.
    pub fn jobs(&self) -> Result<Vec<Job>> {
        self.tasks().iter().map(|task| self.job(task)).collect()
    }

    /// Checks that all names are known.
    pub(super) fn check(&self, selection: &Selection) -> Result<()> {
        let models = self.experiment.models.iter().map(|row| &row.name).collect::<Vec<_>>();
        let data = self.experiment.data.iter().map(|source| &source.name).collect::<Vec<_>>();
        for (what, names, known) in [("model", &selection.models, models), ("data set", &selection.data, data)] {
            if let Some(name) = names.iter().find(|name| !known.contains(name)) {
                let known = known.into_iter().cloned().collect::<Vec<_>>().join(", ");
                return Err(Error::Config(format!("the experiment has no {what} '{name}'; it has {known}")));
            }
        }
        Ok(())
    }

    pub(super) fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (data, source) in self.experiment.data.iter().enumerate() {
            for (model, row) in self.experiment.models.iter().enumerate() {
                if !row.is_on(&source.name) {
                    continue;
                }
                let trials = row.tune.iter().flat_map(|tune| tune.combinations().into_iter().enumerate());
                let trials = trials.map(|(i, combination)| TaskPart::Trial(i, combination));
                let parts = trials.chain(row.seeds.iter().map(|&seed| TaskPart::Run(seed)));
                tasks.extend(parts.map(|part| Task { data, model, part }));
            }
        }
        tasks
    }

    pub(super) fn row(&self, task: &Task) -> &ModelRow {
        &self.experiment.models[task.model]
    }

    pub(super) fn job(&self, task: &Task) -> Result<Job> {
        let row = self.row(task);
        let kind = match (&task.part, &row.tune) {
            (TaskPart::Trial(i, combination), Some(tune)) => {
                JobKind::Trial { number: i + 1, of: tune.combinations().len(), settings: tune.describe(combination) }
            }
            (TaskPart::Trial(i, _), None) => JobKind::Trial { number: i + 1, of: i + 1, settings: String::new() },
            (TaskPart::Run(seed), _) => JobKind::Run { seed: *seed },
        };
        let state = match self.wanted(task)? {
            Wanted::AfterTrials | Wanted::NoTrialSucceeded => JobState::AfterTrials,
            Wanted::Recipe(recipe) => {
                let key = self.key(task, &recipe)?;
                match self.is_done(task, &key) {
                    true => JobState::Done,
                    false if self.journal.running(&key).join("checkpoint.safetensors").is_file() => JobState::Begun,
                    false => JobState::Waiting,
                }
            }
        };
        let data = self.experiment.data[task.data].name.clone();
        Ok(Job { data, model: row.name.clone(), kind, state })
    }

    pub(super) fn key(&self, task: &Task, recipe: &Recipe) -> Result<String> {
        let kind = match task.part {
            TaskPart::Trial(..) => Kind::Trial,
            TaskPart::Run(_) => Kind::Run,
        };
        key(kind, self.data[task.data].fingerprint(task.model), &recipe.model, &recipe.training)
    }

    pub(super) fn is_done(&self, task: &Task, key: &str) -> bool {
        match task.part {
            TaskPart::Trial(..) => self.journal.trial(key).is_some(),
            TaskPart::Run(_) => self.journal.run(key).is_some(),
        }
    }

    pub(super) fn wanted(&self, task: &Task) -> Result<Wanted> {
        let row = self.row(task);
        let recipe = match (&task.part, &row.tune) {
            (TaskPart::Trial(_, combination), Some(tune)) => tune.trial(&row.recipe, combination)?,
            (TaskPart::Run(seed), Some(tune)) => match self.winner(task.data, task.model)? {
                None => return Ok(Wanted::AfterTrials),
                Some(None) => return Ok(Wanted::NoTrialSucceeded),
                Some(Some(winner)) => tune.chosen(&row.recipe, &winner.combination)?.seed(*seed),
            },
            (TaskPart::Trial(..), None) => row.recipe.clone(),
            (TaskPart::Run(seed), None) => row.recipe.clone().seed(*seed),
        };
        Ok(Wanted::Recipe(Box::new(recipe)))
    }

    /// Returns the best trial of a row: `None` while trials are missing or if there is nothing to choose, `Some(None)`
    /// if no trial succeeded.
    pub(super) fn winner(&self, data: usize, model: usize) -> Result<Option<Option<Winner>>> {
        let row = &self.experiment.models[model];
        let Some(tune) = &row.tune else { return Ok(None) };
        let mut best: Option<Winner> = None;
        for combination in tune.combinations() {
            let trial = tune.trial(&row.recipe, &combination)?;
            let key = key(Kind::Trial, self.data[data].fingerprint(model), &trial.model, &trial.training)?;
            let Some(record) = self.journal.trial(&key) else { return Ok(None) };
            if let Some(valid) = record.trained.valid.best
                && best.as_ref().is_none_or(|best| valid > best.valid)
            {
                best = Some(Winner { combination, valid });
            }
        }
        Ok(Some(best))
    }

    /// Returns the finished runs of a row on a data set, in the order of its seeds, and the missing seeds.
    pub(super) fn runs(&self, data: usize, model: usize) -> Result<(Vec<&RunRecord>, Vec<u64>)> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for &seed in &self.experiment.models[model].seeds {
            let task = Task { data, model, part: TaskPart::Run(seed) };
            let record = match self.wanted(&task)? {
                Wanted::Recipe(recipe) => self.journal.run(&self.key(&task, &recipe)?),
                Wanted::AfterTrials | Wanted::NoTrialSucceeded => None,
            };
            match record {
                Some(record) => found.push(record),
                None => missing.push(seed),
            }
        }
        Ok((found, missing))
    }
}
