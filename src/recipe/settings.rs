//! Model and training settings that belong together.

use super::{Run, Runner};
use crate::data::Dataset;
use crate::model::{
    CohesionConfig, DragonConfig, FreedomConfig, GrcnConfig, LatticeConfig, MentorConfig, MmgcnConfig, ModelConfig,
    SlmrecConfig, VbprConfig, ViralConfig,
};
use crate::train::{AdamConfig, BatchSize, Keep, TrainerConfig};
use crate::{Error, Result};
use burn::tensor::Device;

/// The settings of a model and of its training.
///
/// Each model comes with training settings that are known to work; methods change single settings. Data and recipe
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
    /// The preset that both started from: `default`, `published`, or one of [`ViralConfig::preset`].
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

    /// A model's settings with the default training of this model.
    pub fn new(model: ModelConfig) -> Self {
        let training = match &model {
            ModelConfig::Viral(_) => TrainerConfig::for_viral(),
            ModelConfig::Slmrec(_) => slmrec_training(1e-3),
            // For DRAGON and MENTOR, the authors' choice on Baby, Sports and Clothing.
            ModelConfig::Dragon(_) | ModelConfig::Mentor(_) => {
                TrainerConfig { adam: AdamConfig::new(1e-4), ..TrainerConfig::default() }
            }
            // At small learning rates the model memorises the items of the train part: R@20 on the built-in catalogue
            // is 0.19 at 1e-3, 0.27 at 3e-3 and 0.32 at 1e-2.
            ModelConfig::Mmgcn(_) => TrainerConfig { adam: AdamConfig::new(1e-2), ..TrainerConfig::default() },
            _ => TrainerConfig::default(),
        };
        Self { model, training, preset: "default".into() }
    }

    /// A built-in model by name, such as `freedom`, with its defaults.
    ///
    /// # Errors
    /// If the name is not in [`ModelConfig::NAMES`].
    pub fn named(model: &str) -> Result<Self> {
        Ok(Self::new(ModelConfig::by_name(model)?))
    }

    /// A preset of a model. VIRAL has `default`, `paper`, `reference` and `reference-synergy`, each with its own
    /// learning rate, batch size and patience. Other models have `default`. Those that take content, except
    /// [`ProfileMatch`](crate::model::ProfileMatch) and [`AttributeKnn`](crate::model::AttributeKnn), also have
    /// `published`: what their published code computes, with the training that its authors state.
    ///
    /// # Errors
    /// An unknown model, or a preset that it does not have.
    pub fn preset(model: &str, preset: &str) -> Result<Self> {
        let mut recipe = Self::named(model)?;
        let published = published(&recipe.model);
        let ModelConfig::Viral(config) = &mut recipe.model else {
            return match (preset, published) {
                ("default", _) => Ok(recipe),
                ("published", Some((model, training))) => Ok(Self { model, training, preset: preset.to_string() }),
                (_, None) => {
                    Err(Error::Config(format!("no preset '{preset}': {model} has 'default' only; viral has others")))
                }
                _ => Err(Error::Config(format!("no preset '{preset}': {model} has 'default' and 'published'"))),
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

    /// Sets the seed of the initial parameters and of everything that training draws.
    pub fn seed(mut self, seed: u64) -> Self {
        self.training.seed = seed;
        self
    }

    /// Sets the maximum number of epochs.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.training.epochs = epochs;
        self
    }

    /// Sets the patience of early stopping: the number of epochs without a better valid value before the run ends.
    pub fn patience(mut self, patience: usize) -> Self {
        self.training.patience = patience;
        self
    }

    /// Sets the learning rate.
    pub fn learning_rate(mut self, lr: f64) -> Self {
        self.training.adam.lr = lr;
        self
    }

    /// Sets the number of triplets per step.
    pub fn batch_size(mut self, batch_size: impl Into<BatchSize>) -> Self {
        self.training.batch_size = batch_size.into();
        self
    }

    /// Trains a fixed number of epochs and keeps the last, which needs no valid part: for training on all the data.
    pub fn fixed_epochs(mut self, epochs: usize) -> Self {
        (self.training.epochs, self.training.keep) = (epochs, Keep::Last);
        self
    }

    /// Changes one setting of the model, as `key=value` on a command line does: see [`ModelConfig::set`].
    ///
    /// # Errors
    /// If the model does not have the key (the error lists those it has), or the value is of the wrong kind.
    pub fn set(mut self, key: &str, value: &str) -> Result<Self> {
        self.model.set(key, value)?;
        Ok(self)
    }

    /// Validates the settings, as far as that does not depend on the data, as a run does first.
    ///
    /// # Errors
    /// [`Error::Config`], which names the setting.
    pub fn check(&self) -> Result<()> {
        self.model.check()?;
        self.training.check()
    }

    /// Checks that at least one epoch is asked for; for a model with parameters.
    pub(crate) fn check_epochs(&self) -> Result<()> {
        match self.training.epochs {
            0 => Err(Error::Config(format!("0 epochs train nothing: give {} at least one", self.model.name()))),
            _ => Ok(()),
        }
    }

    /// Trains in memory, without files or progress; [`runner`](Self::runner) has both.
    ///
    /// `device` may be given with or without gradients: `Device::flex()`.
    ///
    /// # Errors
    /// If settings are impossible, the data lack a modality, the train part is empty, the valid part is empty and the
    /// best epoch is to be kept, or the run diverges.
    pub fn run<'a>(&self, data: &'a Dataset, device: &Device) -> Result<Run<'a>> {
        self.runner(data, device).run()
    }

    /// Makes a run with checkpoints, resumption or an observer.
    pub fn runner<'a>(&self, data: &'a Dataset, device: &Device) -> Runner<'a> {
        Runner::new(self.clone(), data, device)
    }
}

/// What the published code of a model computes, and how its authors train it, in batches of 2,048 as in MMRec.
fn published(model: &ModelConfig) -> Option<(ModelConfig, TrainerConfig)> {
    let training = |lr: f64| TrainerConfig { adam: AdamConfig::new(lr), ..TrainerConfig::default() };
    let published = match model {
        ModelConfig::Vbpr(_) => (ModelConfig::Vbpr(VbprConfig::published()), training(1e-3)),
        ModelConfig::Freedom(_) => (ModelConfig::Freedom(FreedomConfig::published()), training(1e-3)),
        ModelConfig::Mmgcn(_) => (ModelConfig::Mmgcn(MmgcnConfig::published()), training(5e-4)),
        ModelConfig::Grcn(_) => (ModelConfig::Grcn(GrcnConfig::published()), training(1e-4)),
        ModelConfig::Lattice(_) => {
            // Decays by 4 % in 50 epochs.
            let training = TrainerConfig { lr_decay: 0.96f64.powf(1.0 / 50.0), ..training(5e-4) };
            (ModelConfig::Lattice(LatticeConfig::published()), training)
        }
        ModelConfig::Slmrec(_) => (ModelConfig::Slmrec(SlmrecConfig::published()), slmrec_training(0.01)),
        ModelConfig::Dragon(_) => (ModelConfig::Dragon(DragonConfig::published()), training(1e-4)),
        ModelConfig::Mentor(_) => {
            (ModelConfig::Mentor(MentorConfig::published()), TrainerConfig { monitor_k: 10, ..training(1e-4) })
        }
        ModelConfig::Cohesion(_) => {
            (ModelConfig::Cohesion(CohesionConfig::published()), TrainerConfig { monitor_k: 10, ..training(1e-3) })
        }
        _ => return None,
    };
    Some(published)
}

/// Weight decay keeps SLMRec's vectors small: its objective has no such term.
fn slmrec_training(lr: f64) -> TrainerConfig {
    let adam = AdamConfig { weight_decay: 1e-4, ..AdamConfig::new(lr) };
    TrainerConfig { adam, ..TrainerConfig::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_forms_bring_the_training_of_their_authors() {
        for (name, lr, decay, fifty, k) in [
            ("vbpr", 1e-3, 0.0, 1.0, 20),
            ("freedom", 1e-3, 0.0, 1.0, 20),
            ("mmgcn", 5e-4, 0.0, 1.0, 20),
            ("grcn", 1e-4, 0.0, 1.0, 20),
            ("lattice", 5e-4, 0.0, 0.96, 20),
            ("slmrec", 0.01, 1e-4, 1.0, 20),
            ("dragon", 1e-4, 0.0, 1.0, 20),
            ("mentor", 1e-4, 0.0, 1.0, 10),
            ("cohesion", 1e-3, 0.0, 1.0, 10),
        ] {
            let recipe = Recipe::preset(name, "published").unwrap();
            let TrainerConfig { adam, lr_decay, batch_size, monitor_k, .. } = recipe.training;
            assert_eq!((adam.lr, adam.weight_decay, batch_size, monitor_k), (lr, decay, 2048.into(), k), "{name}");
            assert!((lr_decay.powi(50) - fifty).abs() < 1e-12, "{name}: {lr_decay}");
            assert_eq!(recipe.preset, "published");
            assert_ne!(recipe.model, ModelConfig::by_name(name).unwrap());
            assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe, "{name}");
            let unknown = Recipe::preset(name, "best").unwrap_err().to_string();
            assert!(unknown.contains("'best'") && unknown.contains("'published'"), "{unknown}");
        }
        let unknown = Recipe::preset("lightgcn", "published").unwrap_err().to_string();
        assert!(unknown.contains("'published'") && unknown.contains("'default' only"), "{unknown}");
        let (slmrec, mentor) = (Recipe::named("slmrec").unwrap(), Recipe::named("mentor").unwrap());
        assert_eq!((slmrec.training.adam.weight_decay, mentor.training.adam.weight_decay), (1e-4, 0.0));
    }

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
}
