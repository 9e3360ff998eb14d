//! What training gives back.

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

/// How long an epoch took. Models and checkpoints hold no times, so that equal runs are equal files; these lie beside them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSeconds {
    /// Seconds of training.
    pub train: f64,
    /// Seconds of evaluation on valid.
    pub evaluation: f64,
}

impl EpochSeconds {
    /// The mean over epochs; 0 when there is none.
    pub fn mean(epochs: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| epochs.iter().map(of).sum::<f64>() / epochs.len().max(1) as f64;
        Self { train: mean(|s| s.train), evaluation: mean(|s| s.evaluation) }
    }
}

/// A finished run: the trained model, its history and its figures.
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

    /// Metrics on the test part, with every user's train items left out of their ranking.
    ///
    /// # Errors
    /// When the test part is empty, a cutoff is 0, or a vector is not finite.
    pub fn test(&self, cutoffs: &[usize]) -> Result<Metrics> {
        self.evaluate(Part::Test, cutoffs)
    }

    /// Metrics on the valid part, with every user's train items left out of their ranking.
    ///
    /// # Errors
    /// When the valid part is empty, a cutoff is 0, or a vector is not finite.
    pub fn valid(&self, cutoffs: &[usize]) -> Result<Metrics> {
        self.evaluate(Part::Valid, cutoffs)
    }

    fn evaluate(&self, part: Part, cutoffs: &[usize]) -> Result<Metrics> {
        self.embeddings.evaluate(self.data, part, cutoffs)
    }

    /// What serves: vectors, ids, titles and histories, without the data.
    ///
    /// # Errors
    /// When a vector is not finite: the model diverged.
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

    /// The vectors that the trained model has where items have other features than it was trained on: nothing is learned.
    ///
    /// Graphs of content are made anew. What its parameters are does not change.
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
    /// Features of other modalities or widths than those it was trained on, and a model that has trained the features themselves.
    pub fn embed_with(&self, features: &Features) -> Result<Embeddings> {
        embed_with(&self.recipe, &self.fit.model, self.data, features)
    }

    /// The data that it was trained on.
    pub fn data(&self) -> &'a Dataset {
        self.data
    }

    /// The settings that the run had.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The epoch whose parameters the model has, from 0; `None` where nothing was trained.
    pub fn best_epoch(&self) -> Option<usize> {
        self.fit.best_epoch
    }

    /// One report an epoch.
    pub fn history(&self) -> &[EpochReport] {
        &self.fit.history
    }

    /// How long each epoch took; 0 for epochs of an earlier process whose times were lost.
    pub fn seconds(&self) -> &[EpochSeconds] {
        &self.seconds
    }

    /// All epochs together, evaluation included.
    pub fn total_seconds(&self) -> f64 {
        self.seconds.iter().map(|s| s.train + s.evaluation).sum()
    }
}

/// [`Run::embed_with`] of a model that was trained on `data`.
pub(crate) fn embed_with(recipe: &Recipe, model: &Model, data: &Dataset, features: &Features) -> Result<Embeddings> {
    if let ModelConfig::Lattice(config) = &recipe.model
        && config.train_features
    {
        let message =
            "lattice with train_features has the features among its parameters; train it on the others instead";
        return Err(Error::Config(message.into()));
    }
    let data = TrainSet { interactions: data.train.interactions.clone(), features: features.clone() };
    // Parameters are replaced, whatever they are drawn from; graphs and content are not.
    let fresh = recipe.model.init(&data, &mut Init::new(recipe.training.seed, &model.devices()[0].clone().inner()))?;
    Ok(load_parameters(fresh, parameters(model))?.embed())
}
