//! Reports of runs: one run as a file, several side by side as a table.

use super::{EpochSeconds, Run};
use crate::Result;
use crate::data::Counts;
use crate::eval::Metrics;
use crate::model::ModelConfig;
use crate::report::Table;
use crate::train::TrainerConfig;
use serde::Serialize;
use std::collections::BTreeMap;

/// The full report of a run, for serialisation.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct RunReport<'a> {
    /// The data that it was trained on.
    pub data: DataReport<'a>,
    /// The model's settings.
    pub config: &'a ModelConfig,
    /// The training's settings.
    pub trainer: &'a TrainerConfig,
    /// Seed of the run.
    pub seed: u64,
    /// Number of threads.
    pub threads: usize,
    /// Mean seconds per epoch.
    pub seconds_per_epoch: EpochSeconds,
    /// One entry per epoch.
    pub history: Vec<EpochFigures<'a>>,
    /// The epoch whose parameters the model has.
    pub best_epoch: Option<usize>,
    /// Metrics on valid, if anything is held out there.
    pub valid: Option<Metrics>,
    /// Metrics on test, if anything is held out there.
    pub test: Option<Metrics>,
}

/// The data of a run.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct DataReport<'a> {
    /// The data set's name.
    pub name: &'a str,
    /// [`Dataset::fingerprint`](crate::data::Dataset::fingerprint) of the data.
    pub fingerprint: String,
    /// Numbers of users, items and pairs.
    #[serde(flatten)]
    pub counts: Counts,
}

/// An epoch in the report of a run.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct EpochFigures<'a> {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Mean over steps of the weighted sum of the terms.
    pub loss: f64,
    /// Mean of each term over the steps that have it.
    pub terms: &'a BTreeMap<String, f64>,
    /// The monitored metric on valid, by name; empty if nothing is held out.
    pub valid: BTreeMap<String, f64>,
    /// Seconds of training.
    pub train_seconds: f64,
    /// Seconds of evaluation.
    pub eval_seconds: f64,
}

impl Run<'_> {
    /// Makes the report of the run, with metrics at these cut-offs.
    ///
    /// # Errors
    /// If a cut-off is 0 or a vector is not finite.
    pub fn report(&self, cutoffs: &[usize]) -> Result<RunReport<'_>> {
        let (data, trainer) = (self.data(), &self.recipe().training);
        let monitor = format!("{}@{}", trainer.monitor, trainer.monitor_k);
        let epochs = self.history().iter().zip(self.seconds()).map(|(epoch, seconds)| EpochFigures {
            epoch: epoch.epoch,
            loss: epoch.loss,
            terms: &epoch.terms,
            valid: epoch.valid.map(|valid| (monitor.clone(), valid)).into_iter().collect(),
            train_seconds: seconds.train,
            eval_seconds: seconds.evaluation,
        });
        Ok(RunReport {
            data: DataReport { name: &data.name, fingerprint: data.fingerprint(), counts: data.counts() },
            config: &self.recipe().model,
            trainer,
            seed: trainer.seed,
            threads: rayon::current_num_threads(),
            seconds_per_epoch: EpochSeconds::mean(self.seconds()),
            history: epochs.collect(),
            best_epoch: self.best_epoch(),
            valid: (data.valid.n_pairs() > 0).then(|| self.valid(cutoffs)).transpose()?,
            test: (data.test.n_pairs() > 0).then(|| self.test(cutoffs)).transpose()?,
        })
    }
}

/// A table of runs side by side on the test part: recall and NDCG at 10 and 20, epochs and seconds.
#[derive(Debug, Clone)]
pub struct Results(Table);

impl Results {
    /// Cut-offs of the metrics.
    pub const CUTOFFS: [usize; 2] = [10, 20];

    /// Makes a table without rows; `first` heads the column of names.
    pub fn new(first: &str) -> Self {
        Self(Table::new([first, "R@10", "R@20", "N@10", "N@20", "epochs", "seconds"]))
    }

    /// Adds a run; `test` are its metrics, at [`CUTOFFS`](Self::CUTOFFS) at least.
    ///
    /// # Panics
    /// If a cut-off is missing.
    pub fn row(&mut self, name: &str, run: &Run, test: &Metrics) {
        let figures = [test.recall(10), test.recall(20), test.ndcg(10), test.ndcg(20)].map(|x| format!("{x:.4}"));
        let (epochs, seconds) = match run.history().len() {
            0 => ("–".to_string(), "–".to_string()),
            n => (n.to_string(), format!("{:.1}", run.total_seconds())),
        };
        self.0.row([name.to_string()].into_iter().chain(figures).chain([epochs, seconds]));
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.0
    }
}
