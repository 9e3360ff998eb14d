//! Command lines: where the data are, on which device and how to train.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use viral::data::{Dataset, Modality, ReadOptions, SplitPolicy};
use viral::model::{ModelConfig, ViralConfig};
use viral::prelude::{Device, MatmulPrecision};
use viral::train::{AdamConfig, TrainerConfig};
use viral::{Error, Result};

/// Which data.
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    /// Folder in MMRec's layout (NAME.inter, text_feat.npy, image_feat.npy, …); without it, a planted catalogue
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Name of the data set and of its .inter file [default: the folder's name]
    #[arg(long, requires = "data")]
    name: Option<String>,
    /// NAME=FILE: a modality (text, visual, audio or a name of your own) and the file inside DIR with its features;
    /// NAME alone: no others than those named; can be repeated [default: every NAME_feat.npy or .safetensors in DIR]
    #[arg(long, value_name = "NAME[=FILE]", requires = "data")]
    modality: Vec<String>,
    /// Short for --modality text=FILE
    #[arg(long, value_name = "FILE", requires = "data")]
    text: Option<PathBuf>,
    /// Short for --modality visual=FILE
    #[arg(long, value_name = "FILE", requires = "data")]
    visual: Option<PathBuf>,
    /// How to divide the interactions: by the file's labels (label), at random (random), by its timestamps (temporal), or
    /// not at all (everything: all in train)
    #[arg(long, default_value_t = SplitPolicy::ByLabel, requires = "data")]
    split: SplitPolicy,
    /// Seed of --split random
    #[arg(long, value_name = "SEED", requires = "data")]
    split_seed: Option<u64>,
}

impl DataArgs {
    /// Whether the catalogue is the built-in one.
    pub(crate) fn is_planted(&self) -> bool {
        self.data.is_none()
    }

    /// Reads the folder, or makes the built-in catalogue.
    pub(crate) fn read(&self) -> Result<Dataset> {
        let Some(dir) = &self.data else {
            return Ok(Dataset::planted());
        };
        let split = match (self.split, self.split_seed) {
            (split, None) => split,
            (SplitPolicy::Random { .. }, Some(seed)) => SplitPolicy::Random { seed },
            (split, Some(_)) => {
                return Err(Error::Config(format!("--split-seed is for --split random; a {split} split has none")));
            }
        };
        let mut options = ReadOptions::new().with_split(split);
        options.name.clone_from(&self.name);
        for (modality, file) in [(Modality::Text, &self.text), (Modality::Visual, &self.visual)] {
            if let Some(file) = file {
                options = options.with_modality(modality, file);
            }
        }
        for argument in &self.modality {
            options = options.with_modality_argument(argument)?;
        }
        Dataset::read_with(dir, &options)
    }
}

/// Where and how to train.
#[derive(Args, Debug)]
pub(crate) struct TrainArgs {
    /// Where tensors live; wgpu and cuda need the feature of that name
    #[arg(long, value_enum, default_value_t = DeviceName::Flex)]
    device: DeviceName,
    /// At most so many epochs [default: 1000]
    #[arg(long)]
    epochs: Option<usize>,
    /// Epochs without a better valid recall@20 before a run ends [default: by model]
    #[arg(long)]
    patience: Option<usize>,
    /// Triplets a step [default: by model]
    #[arg(long)]
    batch_size: Option<usize>,
    /// Learning rate [default: by model]
    #[arg(long)]
    lr: Option<f64>,
    /// What the learning rate is multiplied by after each epoch [default: by model]
    #[arg(long)]
    lr_decay: Option<f64>,
    /// To what operands of dense products are rounded in training
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Seed of the first parameters, the order and the negatives
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads [default: one a core]; results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// To what operands of dense products are rounded; sums and results are f32.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Precision {
    F32,
    Bf16,
}

/// Where tensors live.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum DeviceName {
    Flex,
    Wgpu,
    Cuda,
}

/// Fails where a kind of device has no adapter: the backend itself would panic at the first tensor.
#[cfg(any(feature = "wgpu-plain", feature = "cuda-plain"))]
fn adapter(kind: burn::tensor::DeviceType, needs: &str) -> Result<()> {
    match Device::enumerate(kind).into_vec().is_empty() {
        true => Err(Error::Config(format!("there is no adapter for --device: it takes {needs}"))),
        false => Ok(()),
    }
}

impl DeviceName {
    /// The device of that name.
    pub(crate) fn open(self) -> Result<Device> {
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
                let message = format!("this program was built without {name}; run it with `--features {name}`");
                return Err(Error::Config(message));
            }
        })
    }
}

impl TrainArgs {
    /// The device to train on; sets the number of threads.
    pub(crate) fn start(&self) -> Result<Device> {
        if let Some(n) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(n)).build_global();
            pool.map_err(|e| Error::Config(format!("{n} threads: {e}")))?;
        }
        Ok(self.device.open()?.autodiff())
    }

    /// The defaults of a model, changed as the command line says.
    pub(crate) fn trainer(&self, model: &str, preset: &str, data: &Dataset) -> Result<TrainerConfig> {
        let defaults = trainer_defaults(model, preset, data);
        let lr = self.lr.unwrap_or(defaults.adam.lr);
        if !(lr.is_finite() && lr > 0.0) {
            return Err(Error::Config(format!("--lr {lr}: it must be a number above 0, such as 0.001")));
        }
        Ok(TrainerConfig {
            epochs: self.epochs.unwrap_or(defaults.epochs),
            patience: self.patience.unwrap_or(defaults.patience),
            batch_size: self.batch_size.unwrap_or(defaults.batch_size),
            lr_decay: self.lr_decay.unwrap_or(defaults.lr_decay),
            seed: self.seed,
            precision: match self.precision {
                Precision::F32 => MatmulPrecision::F32,
                Precision::Bf16 => MatmulPrecision::Bf16,
            },
            adam: AdamConfig { lr, ..defaults.adam },
            ..defaults
        })
    }
}

/// What each model is trained with where the command line does not say.
pub(crate) fn trainer_defaults(model: &str, preset: &str, data: &Dataset) -> TrainerConfig {
    let (lr, batch_size, patience) = match (model, preset) {
        ("viral", "paper") => (1e-3, 1024, 20),
        ("viral", "reference" | "reference-synergy") => (1e-4, 2048, 30),
        ("viral", _) => return TrainerConfig::for_viral(&data.train),
        _ => (1e-3, 2048, 20),
    };
    let adam = AdamConfig { lr, ..AdamConfig::default() };
    TrainerConfig { batch_size, patience, adam, ..TrainerConfig::default() }
}

/// A model of the table with its settings: a preset (of VIRAL only), then `key=value` each.
pub(crate) fn model_config(model: &str, preset: Option<&str>, settings: &[String]) -> Result<ModelConfig> {
    let mut config = match (model, preset) {
        ("viral", Some(preset)) => ModelConfig::Viral(ViralConfig::preset(preset)?),
        (_, None) => ModelConfig::by_name(model)?,
        (_, Some(_)) => return Err(Error::Config(format!("--preset is for viral; {model} has none"))),
    };
    for setting in settings {
        let Some((key, value)) = setting.split_once('=') else {
            return Err(Error::Config(format!("--set {setting}: write key=value, such as d_embed=32")));
        };
        config.set(key.trim(), value.trim())?;
    }
    Ok(config)
}
