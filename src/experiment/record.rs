//! The lines of a file of results.

use super::Figure;
use super::key::{Kind, RESULTS_VERSION, key};
use crate::Result;
use crate::eval::{Metric, Metrics};
use crate::model::ModelConfig;
use crate::recipe::{Recipe, Run};
use crate::train::TrainerConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A trained model: its settings, its data and its validation curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trained {
    /// Hash of everything that the result depends on.
    pub key: String,
    /// [`RESULTS_VERSION`](super::RESULTS_VERSION) of the library that made it.
    pub version: u32,
    /// Name of the data set.
    pub data: String,
    /// Its [`fingerprint`](crate::data::Dataset::fingerprint).
    pub fingerprint: String,
    /// Settings of the model.
    #[serde(rename = "config")]
    pub model: ModelConfig,
    /// Settings of its training, with the seed.
    pub training: TrainerConfig,
    /// Its values on the validation part.
    pub valid: ValidCurve,
}

/// The monitored metric on the validation part, epoch by epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ValidCurve {
    /// Name of the metric, such as `recall@20`.
    pub figure: String,
    /// The epoch with the best value, from 0; `None` for a model that does not train.
    pub best_epoch: Option<usize>,
    /// The best value.
    pub best: Option<f64>,
    /// All values, rounded to six decimals.
    pub curve: Vec<f64>,
}

/// A finished run: trained with early stopping, then tested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunRecord {
    /// Model, data and validation curve.
    #[serde(flatten)]
    pub trained: Trained,
    /// Means over the test users: recall, NDCG, precision and MAP at [`CUTOFFS`](super::CUTOFFS).
    pub test: BTreeMap<String, f64>,
}

/// A finished trial of settings, which never saw the test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrialRecord {
    /// Model, data and validation curve.
    #[serde(flatten)]
    pub trained: Trained,
    /// Why the trial failed: the model diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A line of a file of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    Trial(TrialRecord),
    Run(RunRecord),
}

impl Trained {
    pub(super) fn new(key: &str, data: (&str, &str), recipe: &Recipe, run: Option<&Run>) -> Self {
        let (monitor, k) = (recipe.training.monitor, recipe.training.monitor_k);
        let history = run.map_or(&[][..], |run| run.history());
        let values: Vec<f64> = history.iter().filter_map(|epoch| epoch.valid).collect();
        let best_epoch = run.and_then(|run| run.best_epoch());
        let best = best_epoch.and_then(|best| history.get(best)?.valid);
        let curve = values.iter().map(|value| (value * 1e6).round() / 1e6).collect();
        Self {
            key: key.to_string(),
            version: RESULTS_VERSION,
            data: data.0.to_string(),
            fingerprint: data.1.to_string(),
            model: recipe.model.clone(),
            training: recipe.training.clone(),
            valid: ValidCurve { figure: Figure::new(monitor, k).name(), best_epoch, best, curve },
        }
    }
}

impl RunRecord {
    pub(super) fn new(trained: Trained, test: &Metrics) -> Self {
        Self { trained, test: test.means().collect() }
    }

    /// Returns a figure on the test part, or `None` if the record does not have it.
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        self.test.get(&figure.name()).copied()
    }
}

impl Line {
    pub(super) fn trained(&self) -> &Trained {
        match self {
            Self::Trial(TrialRecord { trained, .. }) | Self::Run(RunRecord { trained, .. }) => trained,
        }
    }

    /// Computes the key of the line with this version of the library; `None` for a line of another version.
    pub(super) fn key_now(&self) -> Result<Option<String>> {
        let kind = match self {
            Self::Trial(_) => Kind::Trial,
            Self::Run(_) => Kind::Run,
        };
        let Trained { version, fingerprint, model, training, .. } = self.trained();
        (*version == RESULTS_VERSION).then(|| key(kind, fingerprint, model, training)).transpose()
    }
}

/// Returns the columns of tables: recall at each cutoff, then NDCG at each.
pub(super) fn figures(cutoffs: &[usize]) -> Vec<Figure> {
    let of = |metric: Metric| cutoffs.iter().map(move |&k| Figure::new(metric, k));
    of(Metric::Recall).chain(of(Metric::Ndcg)).collect()
}
