//! The result of training.

use super::Recipe;
use crate::data::{Dataset, Features, Part, TrainSet};
use crate::eval::Metrics;
use crate::model::{Embed, Embeddings, Model, ModelConfig, load_parameters, parameters};
use crate::nn::Init;
use crate::serve::Recommender;
use crate::train::{EpochReport, Fit};
use crate::{Error, Result};
use burn::module::Module;
use serde::{Deserialize, Serialize};

/// Seconds of an epoch. Models and checkpoints hold no times, so that equal runs give equal files; times lie beside
/// them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSeconds {
    /// Seconds of training.
    pub train: f64,
    /// Seconds of evaluation on valid.
    pub evaluation: f64,
}

impl EpochSeconds {
    /// Mean over epochs; 0 if there are none.
    pub fn mean(epochs: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| epochs.iter().map(of).sum::<f64>() / epochs.len().max(1) as f64;
        Self { train: mean(|s| s.train), evaluation: mean(|s| s.evaluation) }
    }
}

/// A finished run: the trained model, its history and its metrics.
///
/// ```
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let run = Recipe::named("bpr-mf")?.seed(1).epochs(2).run(&data, &Device::flex())?;
/// println!("{}", run.test(&[10, 20])?);
/// assert_eq!((run.history().len(), run.embeddings().items().dims()), (2, [40, 64]));
/// let report = run.report(&[10, 20])?; // everything, for a file
/// assert_eq!(report.best_epoch, run.best_epoch());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Run<'a> {
    recipe: Recipe,
    data: &'a Dataset,
    fit: Fit<Model>,
    seconds: Vec<EpochSeconds>,
    embeddings: Embeddings,
}

impl<'a> Run<'a> {
    pub(super) fn new(recipe: Recipe, data: &'a Dataset, fit: Fit<Model>, seconds: Vec<EpochSeconds>) -> Self {
        let embeddings = fit.embeddings();
        Self { recipe, data, fit, seconds, embeddings }
    }

    /// Metrics on the test part; every user's train items are left out of their ranking.
    ///
    /// # Errors
    /// If the test part is empty, a cut-off is 0, or a vector is not finite.
    pub fn test(&self, cutoffs: &[usize]) -> Result<Metrics> {
        self.evaluate(Part::Test, cutoffs)
    }

    /// Metrics on the valid part; every user's train items are left out of their ranking.
    ///
    /// # Errors
    /// If the valid part is empty, a cut-off is 0, or a vector is not finite.
    pub fn valid(&self, cutoffs: &[usize]) -> Result<Metrics> {
        self.evaluate(Part::Valid, cutoffs)
    }

    fn evaluate(&self, part: Part, cutoffs: &[usize]) -> Result<Metrics> {
        self.embeddings.evaluate(self.data, part, cutoffs)
    }

    /// Makes a recommender, which serves from vectors, ids, titles and histories without the data.
    ///
    /// # Errors
    /// If a vector is not finite: the model diverged.
    pub fn recommender(&self) -> Result<Recommender> {
        Recommender::new(&self.fit.model, &self.recipe.model, self.data)
    }

    /// The trained model.
    pub fn model(&self) -> &Model {
        &self.fit.model
    }

    /// The vectors of users and items, on the device of the run.
    pub fn embeddings(&self) -> &Embeddings {
        &self.embeddings
    }

    /// Embeds users and items with other item features than the model was trained on, without training.
    ///
    /// Graphs of content are rebuilt; the parameters do not change.
    ///
    /// ```
    /// use viral::data::missing_items;
    /// use viral::prelude::*;
    ///
    /// # fn main() -> viral::Result<()> {
    /// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
    /// let run = Recipe::viral().seed(1).epochs(2).run(&data, &Device::flex())?;
    /// let fewer = data.features().without(&[Modality::Text], &missing_items(40, 0.5, 0));
    /// println!("{}", run.embed_with(&fewer)?.evaluate(&data, Part::Test, &[20])?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the modalities or widths differ from those of training, or the model has trained the features themselves.
    pub fn embed_with(&self, features: &Features) -> Result<Embeddings> {
        embed_with(&self.recipe, &self.fit.model, self.data, features)
    }

    /// The data that the model was trained on.
    pub fn data(&self) -> &'a Dataset {
        self.data
    }

    /// The settings of the run.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The epoch whose parameters the model has, from 0; `None` if nothing was trained.
    pub fn best_epoch(&self) -> Option<usize> {
        self.fit.best_epoch
    }

    /// One report per epoch.
    pub fn history(&self) -> &[EpochReport] {
        &self.fit.history
    }

    /// Seconds of each epoch; 0 for epochs of an earlier process whose times were lost.
    pub fn seconds(&self) -> &[EpochSeconds] {
        &self.seconds
    }

    /// Seconds of all epochs together, including evaluation.
    pub fn total_seconds(&self) -> f64 {
        self.seconds.iter().map(|s| s.train + s.evaluation).sum()
    }
}

/// [`Run::embed_with`] for a model that was trained on `data`.
pub(crate) fn embed_with(recipe: &Recipe, model: &Model, data: &Dataset, features: &Features) -> Result<Embeddings> {
    if let ModelConfig::Lattice(config) = &recipe.model
        && config.train_features
    {
        let message =
            "lattice with train_features has the features among its parameters; train it on the others instead";
        return Err(Error::Config(message.into()));
    }
    let data = TrainSet { interactions: data.train.interactions.clone(), features: features.clone() };
    // Trained parameters replace the fresh ones, however these were drawn; graphs and content are new.
    let fresh = recipe.model.init(&data, &mut Init::new(recipe.training.seed, &model.devices()[0].clone().inner()))?;
    Ok(load_parameters(fresh, parameters(model))?.embed())
}
