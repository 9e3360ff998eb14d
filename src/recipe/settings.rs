//! Model and training settings that belong together.

use super::{Run, Runner};
use crate::data::Dataset;
use crate::model::{CohesionConfig, DragonConfig, ModelConfig, ViralConfig};
use crate::train::{AdamConfig, BatchSize, Keep, TrainerConfig};
use crate::{Error, Result};
use burn::tensor::Device;

/// The settings of a model and of its training.
///
/// Each model comes with the training it is known to work with; methods change single settings. Data and recipe together
/// determine the result: on the CPU the same bits at any number of threads.
///
/// ```
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
/// let run = Recipe::lightgcn().seed(1).epochs(3).run(&data, &Device::flex())?;
/// println!("{}", run.test(&[10, 20])?);
/// let recommender = run.recommender()?;
/// assert_eq!(recommender.recommend("u0007", 10)?.len(), 10);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Recipe {
    /// The model's settings.
    pub model: ModelConfig,
    /// The training's settings.
    pub training: TrainerConfig,
    /// The preset that both started from: see [`preset`](Self::preset).
    pub preset: String,
}

impl Recipe {
    /// VIRAL with the library's defaults: [`ViralConfig::new`] and [`TrainerConfig::for_viral`].
    pub fn viral() -> Self {
        Self::new(ModelConfig::Viral(ViralConfig::new()))
    }

    /// LightGCN with its defaults.
    pub fn lightgcn() -> Self {
        Self::new(ModelConfig::LightGcn(Default::default()))
    }

    /// FREEDOM with its defaults.
    pub fn freedom() -> Self {
        Self::new(ModelConfig::Freedom(Default::default()))
    }

    /// A model's settings with the training that this model has by default.
    pub fn new(model: ModelConfig) -> Self {
        let training = match &model {
            ModelConfig::Viral(_) => TrainerConfig::for_viral(),
            // The authors' on Baby, Sports and Clothing.
            ModelConfig::Dragon(_) => TrainerConfig { adam: AdamConfig::new(1e-4), ..TrainerConfig::default() },
            _ => TrainerConfig::default(),
        };
        Self { model, training, preset: "default".into() }
    }

    /// A model of the table by name, such as `freedom`, with its defaults.
    ///
    /// # Errors
    /// A name that is not in [`ModelConfig::NAMES`].
    pub fn named(model: &str) -> Result<Self> {
        Ok(Self::new(ModelConfig::by_name(model)?))
    }

    /// A preset of a model: for VIRAL `default`, `paper`, `reference` and `reference-synergy`, each with the learning rate,
    /// batch size and patience that belong to it; for DRAGON and COHESION `default` and `published`, the authors' code with their
    /// training; for other models `default`.
    ///
    /// # Errors
    /// An unknown model, or a preset that it does not have.
    pub fn preset(model: &str, preset: &str) -> Result<Self> {
        let mut recipe = Self::named(model)?;
        let presets = recipe.presets();
        if preset == "published" && recipe.publish() {
            return Ok(recipe);
        }
        let ModelConfig::Viral(config) = &mut recipe.model else {
            return match preset {
                "default" => Ok(recipe),
                _ => Err(Error::Config(format!("no preset '{preset}': {model} has {presets}"))),
            };
        };
        *config = ViralConfig::preset(preset)?;
        let training = |lr: f64, batch_size: usize, patience: usize| TrainerConfig {
            batch_size: batch_size.into(),
            patience,
            adam: AdamConfig::new(lr),
            ..TrainerConfig::default()
        };
        match preset {
            "paper" => recipe.training = training(1e-3, 1024, 20),
            "reference" | "reference-synergy" => recipe.training = training(1e-4, 2048, 30),
            _ => {}
        }
        recipe.preset = preset.to_string();
        Ok(recipe)
    }

    /// Makes this the published form, where the model has one.
    fn publish(&mut self) -> bool {
        match &mut self.model {
            // With the default's training.
            ModelConfig::Dragon(config) => *config = DragonConfig::published(),
            ModelConfig::Cohesion(config) => {
                *config = CohesionConfig::published();
                self.training.monitor_k = 10;
            }
            _ => return false,
        }
        self.preset = "published".into();
        true
    }

    /// The presets of a model other than VIRAL.
    fn presets(&self) -> &'static str {
        if self.clone().publish() { "'default' and 'published'" } else { "'default' only" }
    }

    /// Sets the seed of the first parameters and of everything that training draws.
    pub fn seed(mut self, seed: u64) -> Self {
        self.training.seed = seed;
        self
    }

    /// Sets the largest number of epochs.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.training.epochs = epochs;
        self
    }

    /// Sets the number of epochs without a better valid value before the run ends.
    pub fn patience(mut self, patience: usize) -> Self {
        self.training.patience = patience;
        self
    }

    /// Sets the learning rate.
    pub fn learning_rate(mut self, lr: f64) -> Self {
        self.training.adam.lr = lr;
        self
    }

    /// Sets the number of triplets a step.
    pub fn batch_size(mut self, batch_size: impl Into<BatchSize>) -> Self {
        self.training.batch_size = batch_size.into();
        self
    }

    /// Trains a fixed number of epochs and keeps the last, so that no valid part is needed: for training on all the data.
    pub fn fixed_epochs(mut self, epochs: usize) -> Self {
        (self.training.epochs, self.training.keep) = (epochs, Keep::Last);
        self
    }

    /// Changes one setting of the model, as `key=value` on a command line does: see [`ModelConfig::set`].
    ///
    /// # Errors
    /// A key that the model does not have, which are then listed, or a value of the wrong kind.
    pub fn set(mut self, key: &str, value: &str) -> Result<Self> {
        self.model.set(key, value)?;
        Ok(self)
    }

    /// Trains in memory: no files, no progress. [`runner`](Self::runner) has both.
    ///
    /// `device` may be given with or without gradients: `Device::flex()`.
    ///
    /// # Errors
    /// Impossible settings, a modality that the data lack, an empty train or valid part, a loss that stops being a number.
    pub fn run<'a>(&self, data: &'a Dataset, device: &Device) -> Result<Run<'a>> {
        self.runner(data, device).run()
    }

    /// A run with checkpoints, resumption or an observer.
    pub fn runner<'a>(&self, data: &'a Dataset, device: &Device) -> Runner<'a> {
        Runner::new(self.clone(), data, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_bring_their_training() {
        let paper = Recipe::preset("viral", "paper").unwrap();
        assert_eq!((paper.training.adam.lr, paper.training.batch_size), (1e-3, 1024.into()));
        let reference = Recipe::preset("viral", "reference").unwrap();
        assert_eq!((reference.training.adam.lr, reference.training.patience), (1e-4, 30));
        assert_eq!(Recipe::preset("viral", "default").unwrap(), Recipe::viral());
        assert_eq!(Recipe::viral().training.adam.lr, 5e-3);
        assert!(Recipe::preset("lightgcn", "paper").is_err() && Recipe::preset("viral", "best").is_err());
        assert_eq!(Recipe::preset("lightgcn", "default").unwrap(), Recipe::named("lightgcn").unwrap());
    }

    #[test]
    fn published_forms_bring_their_training() {
        let dragon = Recipe::preset("dragon", "published").unwrap();
        assert_eq!(dragon.model, ModelConfig::Dragon(DragonConfig::published()));
        assert_eq!((dragon.training.adam.lr, dragon.training.batch_size), (1e-4, 2048.into()));
        let cohesion = Recipe::preset("cohesion", "published").unwrap();
        assert_eq!(cohesion.model, ModelConfig::Cohesion(CohesionConfig::published()));
        assert_eq!((cohesion.training.adam.lr, cohesion.training.monitor_k), (1e-3, 10));
        for recipe in [dragon, cohesion] {
            assert_eq!(recipe.preset, "published");
            assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe);
            assert_ne!(recipe, Recipe::named(recipe.model.name()).unwrap());
        }
        let message = |model: &str, preset: &str| Recipe::preset(model, preset).unwrap_err().to_string();
        assert!(message("lightgcn", "published").contains("'default' only"));
        assert!(message("dragon", "paper").contains("'default' and 'published'"));
    }
}
