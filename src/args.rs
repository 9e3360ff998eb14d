//! Command-line arguments for programs that train: where the data are, which device to use and how to train.
//!
//! These are [`clap::Args`] to flatten into your own parser. They need the feature `args`.
//!
//! ```no_run
//! use clap::Parser;
//! use viral::args::{DataArgs, RecipeArgs, TrainArgs};
//!
//! #[derive(Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     data: DataArgs,
//!     #[command(flatten)]
//!     recipe: RecipeArgs,
//!     #[command(flatten)]
//!     train: TrainArgs,
//! }
//!
//! # fn main() -> viral::Result<()> {
//! let args: Args = viral::args::parse();
//! let device = args.train.start()?;
//! let data = args.data.read()?;
//! let recipe = args.train.apply(args.recipe.recipe()?)?;
//! println!("{}", recipe.run(&data, &device)?.test(&[20])?);
//! # Ok(())
//! # }
//! ```

use crate::data::{Dataset, Labels, Modality, ReadOptions, ReadReport, SplitPolicy};
use crate::ops::MatmulPrecision;
use crate::recipe::Recipe;
use crate::train::{BatchSize, Keep};
use crate::{Error, Result};
use burn::tensor::Device;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, ValueEnum};
use std::path::PathBuf;

/// Parses the command line as [`Parser::parse`] does, but accepts a negative number as a value. It is then reported as
/// too small rather than as an unknown option.
pub fn parse<A: Parser>() -> A {
    let command = A::command().allow_negative_numbers(true);
    let command = command.mut_subcommands(|command| command.allow_negative_numbers(true));
    A::from_arg_matches(&command.get_matches()).unwrap_or_else(|e| e.format(&mut A::command()).exit())
}

/// Which data to read, and how to split them.
#[derive(Args, Debug)]
pub struct DataArgs {
    /// Folder in MMRec's layout (NAME.inter, text_feat.npy, image_feat.npy, …); without it, the built-in catalogue
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Name of the data set and of its .inter file [default: the folder's name]
    #[arg(long, requires = "data")]
    name: Option<String>,
    /// NAME=FILE: a modality (text, visual, audio, multimodal or a name of your own) and the file inside DIR with its
    /// features; NAME alone: use only the modalities named; can be repeated
    /// [default: every NAME_feat.npy or .safetensors in DIR]
    #[arg(long, value_name = "NAME[=FILE]", requires = "data")]
    modality: Vec<String>,
    /// Short for --modality text=FILE
    #[arg(long, value_name = "FILE", requires = "data")]
    text: Option<PathBuf>,
    /// Short for --modality visual=FILE
    #[arg(long, value_name = "FILE", requires = "data")]
    visual: Option<PathBuf>,
    /// How to split the interactions: by the file's labels (label), at random (random), by its timestamps (temporal),
    /// or not at all (everything: all in train)
    #[arg(long, default_value_t = SplitPolicy::ByLabel, requires = "data")]
    split: SplitPolicy,
    /// Seed of --split random
    #[arg(long, value_name = "SEED", requires = "data")]
    split_seed: Option<u64>,
    /// What labels mean: parts of a split (parts), or whether a user took what they were shown (feedback: rows with 0
    /// or less are left out)
    #[arg(long, default_value_t = Labels::Parts, requires = "data")]
    labels: Labels,
}

impl DataArgs {
    /// Returns whether the data are the built-in catalogue.
    pub fn is_planted(&self) -> bool {
        self.data.is_none()
    }

    /// Reads the folder, or generates the built-in catalogue.
    pub fn read(&self) -> Result<Dataset> {
        Ok(self.read_reported()?.0)
    }

    /// Like [`read`](Self::read); also reports what was left out or taken on trust.
    pub fn read_reported(&self) -> Result<(Dataset, ReadReport)> {
        match &self.data {
            Some(dir) => Dataset::read_reported(dir, &self.options()?),
            None => Ok((Dataset::planted(), ReadReport::default())),
        }
    }

    fn options(&self) -> Result<ReadOptions> {
        let split = match (self.split, self.split_seed) {
            (split, None) => split,
            (SplitPolicy::Random { .. }, Some(seed)) => SplitPolicy::Random { seed },
            (split, Some(_)) => {
                return Err(Error::Config(format!("--split-seed is for --split random; a {split} split has none")));
            }
        };
        let mut options = ReadOptions::new().with_split(split).with_labels(self.labels);
        options.name.clone_from(&self.name);
        for (modality, file) in [(Modality::Text, &self.text), (Modality::Visual, &self.visual)] {
            if let Some(file) = file {
                options = options.with_modality(modality, file);
            }
        }
        for argument in &self.modality {
            options = options.with_modality_argument(argument)?;
        }
        Ok(options)
    }
}

/// Which device to train on, and how many threads to use.
#[derive(Args, Debug)]
pub struct DeviceArgs {
    /// Where tensors live; wgpu and cuda need the feature of that name
    #[arg(long, value_enum, default_value_t = DeviceName::Flex)]
    device: DeviceName,
    /// Number of threads [default: one per core]; results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// Which device to train on, and how to train.
#[derive(Args, Debug)]
pub struct TrainArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// Maximum number of epochs [default: 1000]
    #[arg(long, value_parser = number())]
    epochs: Option<usize>,
    /// Stops after so many epochs without a better valid metric [default: by model]
    #[arg(long, value_parser = number())]
    patience: Option<usize>,
    /// Triplets per step [default: by model]
    #[arg(long, value_parser = number())]
    batch_size: Option<usize>,
    /// Learning rate [default: by model]
    #[arg(long)]
    lr: Option<f64>,
    /// Factor on the learning rate after each epoch [default: by model]
    #[arg(long)]
    lr_decay: Option<f64>,
    /// Trains all epochs and keeps the last one: with --split everything there is no valid part for early stopping
    #[arg(long, requires = "epochs")]
    keep_last: bool,
    /// Precision of the operands of dense products in training [default: f32]
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// Seed of the initial parameters, the order of batches and the negatives [default: 0]
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=MOST))]
    seed: Option<u64>,
}

/// The largest integer that a settings file can hold.
const MOST: u64 = i64::MAX as u64;

fn number() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(..=MOST)
}

/// Precision of the operands of dense products; sums and results are f32.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Precision {
    F32,
    Bf16,
}

/// Where tensors live, as a command line names it.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceName {
    /// The CPU
    Flex,
    /// A Vulkan, Metal, DirectX or WebGPU adapter
    Wgpu,
    /// An NVIDIA GPU
    Cuda,
}

/// Returns an error if no adapter of this kind exists: the backend itself would panic at the first tensor.
#[cfg(any(feature = "wgpu-plain", feature = "cuda-plain"))]
fn adapter(kind: burn::tensor::DeviceType, needs: &str) -> Result<()> {
    match Device::enumerate(kind).into_vec().is_empty() {
        true => Err(Error::Config(format!("there is no adapter for --device: it takes {needs}"))),
        false => Ok(()),
    }
}

impl DeviceName {
    /// Opens the device.
    ///
    /// # Errors
    /// If it does not exist, or the program was built without it.
    pub fn open(self) -> Result<Device> {
        Ok(match self {
            #[cfg(feature = "flex")]
            DeviceName::Flex => Device::flex(),
            #[cfg(feature = "wgpu-plain")]
            DeviceName::Wgpu => {
                adapter(burn::tensor::DeviceType::Wgpu, "a driver of Vulkan, Metal or DirectX 12")?;
                Device::wgpu(Default::default())
            }
            #[cfg(feature = "cuda-plain")]
            DeviceName::Cuda => {
                adapter(burn::tensor::DeviceType::Cuda, "NVIDIA's driver and a GPU of theirs")?;
                Device::cuda(0)
            }
            #[allow(unreachable_patterns)] // reached when a feature is off
            other => {
                let name = other.to_possible_value().map_or_else(String::new, |v| v.get_name().to_string());
                let message = format!("this program was built without {name}; build it with `--features {name}`");
                return Err(Error::Config(message));
            }
        })
    }
}

impl DeviceArgs {
    /// Opens the device to train on, and sets the number of threads of the whole process. Call it first.
    ///
    /// # Errors
    /// If the program was built without the device, or it has no adapter.
    pub fn start(&self) -> Result<Device> {
        if let Some(n) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(n)).build_global();
            pool.map_err(|e| Error::Config(format!("{n} threads: {e}")))?;
        }
        self.device.open()
    }
}

impl TrainArgs {
    /// Opens the device to train on, as [`DeviceArgs::start`] does.
    ///
    /// # Errors
    /// If the program was built without the device, or it has no adapter.
    pub fn start(&self) -> Result<Device> {
        self.device.start()
    }

    /// Applies the command line to the training settings of a recipe.
    ///
    /// # Errors
    /// If the learning rate is not positive and finite.
    pub fn apply(&self, mut recipe: Recipe) -> Result<Recipe> {
        let training = &mut recipe.training;
        if let Some(lr) = self.lr {
            if !(lr.is_finite() && lr > 0.0) {
                return Err(Error::Config(format!("--lr {lr}: it must be a number above 0, such as 0.001")));
            }
            training.adam.lr = lr;
        }
        training.epochs = self.epochs.unwrap_or(training.epochs);
        training.patience = self.patience.unwrap_or(training.patience);
        training.batch_size = self.batch_size.map_or(training.batch_size, BatchSize::from);
        training.lr_decay = self.lr_decay.unwrap_or(training.lr_decay);
        training.seed = self.seed.unwrap_or(training.seed);
        if self.keep_last {
            training.keep = Keep::Last;
        }
        match self.precision {
            Some(Precision::F32) => training.precision = MatmulPrecision::F32,
            Some(Precision::Bf16) => training.precision = MatmulPrecision::Bf16,
            None => {}
        }
        Ok(recipe)
    }
}

/// Which model to train, with which settings.
#[derive(Args, Debug)]
pub struct RecipeArgs {
    /// A recipe as a TOML file; other options override it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "preset"])]
    recipe: Option<PathBuf>,
    /// A row of the model table: popularity, profile-match, attribute-knn, bpr-mf, lightgcn, vbpr, mmgcn, grcn, slmrec, lattice, freedom, dragon, mentor, cohesion, viral [default: viral]
    #[arg(long)]
    model: Option<String>,
    /// Settings and training: default; for viral also paper, reference and reference-synergy; for the other models that
    /// take content, except profile-match and attribute-knn, also published
    #[arg(long)]
    preset: Option<String>,
    /// Changes one setting of the model; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl RecipeArgs {
    /// Returns whether a model was chosen by name or by file.
    pub fn is_named(&self) -> bool {
        self.model.is_some() || self.recipe.is_some()
    }

    /// Builds the recipe from a file or a model's preset, and applies each `key=value`.
    ///
    /// # Errors
    /// If a model, preset or setting is unknown, or a value is of the wrong kind.
    pub fn recipe(&self) -> Result<Recipe> {
        let mut recipe = match &self.recipe {
            Some(path) => Recipe::read(path)?,
            None => {
                Recipe::preset(self.model.as_deref().unwrap_or("viral"), self.preset.as_deref().unwrap_or("default"))?
            }
        };
        let mut keys: Vec<&str> = Vec::new();
        for setting in &self.set {
            let Some((key, value)) = setting.split_once('=') else {
                return Err(Error::Config(format!("--set {setting}: write key=value, such as d_embed=32")));
            };
            let key = key.trim();
            if keys.contains(&key) {
                return Err(Error::Config(format!("--set {setting}: {key} is given twice; give it once")));
            }
            keys.push(key);
            recipe = recipe.set(key, value.trim())?;
        }
        Ok(recipe)
    }
}
