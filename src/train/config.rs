//! Settings of a training run.

use super::AdamConfig;
use crate::data::TrainSet;
use crate::eval::Metric;
use crate::named::named;
use crate::ops::MatmulPrecision;
use crate::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Settings of a training run.
///
/// The struct may gain fields: start from the defaults and change what a run needs.
///
/// ```
/// use viral::train::{BatchSize, Keep, TrainerConfig};
///
/// let mut config = TrainerConfig::default();
/// config.epochs = 40;
/// config.keep = Keep::Last;
/// config.adam.lr = 5e-3;
/// config.batch_size = BatchSize::StepsPerEpoch { steps_per_epoch: 15 };
/// assert_eq!(config.patience, 20);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TrainerConfig {
    /// Maximum number of epochs. Default: 1000.
    pub epochs: usize,
    /// Patience of early stopping: epochs without a better valid value before the run ends. Default: 20.
    pub patience: usize,
    /// Which epoch's parameters the run returns. Default: `best`, on valid.
    pub keep: Keep,
    /// Triplets per step. Default: 2048.
    pub batch_size: BatchSize,
    /// Seed of the order of batches, the negatives, the pruning and every other draw. Default: 0.
    pub seed: u64,
    /// The metric on valid that selects the best epoch, at [`monitor_k`](Self::monitor_k). Default: `recall`.
    pub monitor: Metric,
    /// Cut-off of the monitored metric. Default: 20.
    pub monitor_k: usize,
    /// The optimizer; its learning rate is that of the first epoch. Default: [`AdamConfig::default`].
    pub adam: AdamConfig,
    /// Factor on the learning rate after each epoch. Default: 1.
    pub lr_decay: f64,
    /// Precision of the dense products of objectives and their gradients. Evaluation is always in f32. Default:
    /// `f32`.
    pub precision: MatmulPrecision,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            epochs: 1000,
            patience: 20,
            keep: Keep::Best,
            batch_size: BatchSize::default(),
            seed: 0,
            monitor: Metric::Recall,
            monitor_k: 20,
            adam: AdamConfig::default(),
            lr_decay: 1.0,
            precision: MatmulPrecision::F32,
        }
    }
}

/// Which epoch's parameters a run returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Keep {
    /// The epoch with the best valid value; early stopping ends the run.
    #[default]
    Best,
    /// The last epoch. All epochs are run and no valid part is needed: for training on all known interactions.
    Last,
}

named! {
    Keep, "choice of the epoch to keep":
    Best => "best",
    Last => "last",
}

/// Triplets per step, as a number or from the size of the data. In files: `2048`, or `{ steps_per_epoch = 15 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum BatchSize {
    /// A fixed number.
    Triplets(usize),
    /// The number that gives about so many steps per epoch: train pairs divided by steps, rounded up to a power of two
    /// and clamped to 256 to 8,192.
    StepsPerEpoch {
        /// Steps per epoch.
        steps_per_epoch: usize,
    },
}

impl BatchSize {
    /// Returns the number of triplets for `data`.
    pub fn triplets(self, data: &TrainSet) -> usize {
        match self {
            Self::Triplets(n) => n,
            Self::StepsPerEpoch { steps_per_epoch } => {
                (data.interactions.n_pairs() / steps_per_epoch.max(1)).next_power_of_two().clamp(256, 8192)
            }
        }
    }
}

/// Not derived: errors should say what may be written, and unknown keys should be errors.
impl<'de> Deserialize<'de> for BatchSize {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        const WANTED: &str = "write a number of triplets, such as 2048, or { steps_per_epoch = 15 }";
        let wrong = |what: &dyn std::fmt::Display| D::Error::custom(format!("{what}; {WANTED}"));
        let number = |value: &Value, what: &str| {
            let n = value.as_u64().and_then(|n| usize::try_from(n).ok());
            n.ok_or_else(|| wrong(&format!("{what} {value} is no whole number from 0 on")))
        };
        match Value::deserialize(from)? {
            Value::Object(fields) => {
                if let Some(other) = fields.keys().find(|key| *key != "steps_per_epoch") {
                    return Err(wrong(&format!("no setting '{other}'")));
                }
                let steps = fields.get("steps_per_epoch").ok_or_else(|| wrong(&"no setting"))?;
                Ok(Self::StepsPerEpoch { steps_per_epoch: number(steps, "steps_per_epoch")? })
            }
            value => number(&value, "batch_size").map(Self::Triplets),
        }
    }
}

/// 2,048 triplets.
impl Default for BatchSize {
    fn default() -> Self {
        Self::Triplets(2048)
    }
}

impl From<usize> for BatchSize {
    fn from(triplets: usize) -> Self {
        Self::Triplets(triplets)
    }
}

/// Largest cut-off of the monitored metric.
const MOST_RANKS: usize = 1 << 20;

impl TrainerConfig {
    /// The training schedule that [`ViralConfig::new`](crate::model::ViralConfig::new) was measured with: about 15
    /// large steps per epoch (256 to 8,192 triplets each), a learning rate of 5e-3 at first, which decays by 8 % per
    /// epoch.
    pub fn for_viral() -> Self {
        Self {
            batch_size: BatchSize::StepsPerEpoch { steps_per_epoch: 15 },
            adam: AdamConfig::new(5e-3),
            lr_decay: 0.92,
            ..Self::default()
        }
    }

    /// Validates the settings, as [`fit`](Self::fit) does first.
    ///
    /// # Errors
    /// [`Error::Config`], which names the setting.
    pub fn check(&self) -> Result<()> {
        let Self { adam: AdamConfig { lr, beta_1, beta_2, epsilon, weight_decay }, lr_decay, .. } = *self;
        let (setting, n) = match self.batch_size {
            BatchSize::Triplets(n) => ("batch_size", n),
            BatchSize::StepsPerEpoch { steps_per_epoch } => ("batch_size.steps_per_epoch", steps_per_epoch),
        };
        Error::require(n > 0, setting, n, "at least 1")?;
        let is_cutoff = (1..=MOST_RANKS).contains(&self.monitor_k);
        Error::require(is_cutoff, "monitor_k", self.monitor_k, &format!("from 1 to {MOST_RANKS}"))?;
        for (setting, value) in [("adam.lr", lr), ("adam.epsilon", epsilon), ("lr_decay", lr_decay)] {
            Error::require_positive(setting, value)?;
        }
        for (setting, value) in [("adam.beta_1", beta_1), ("adam.beta_2", beta_2)] {
            Error::require((0.0..1.0).contains(&value), setting, value, "from 0 to below 1")?;
        }
        Error::require_not_negative("adam.weight_decay", weight_decay)
    }

    /// Checks that settings files can hold all integers.
    pub(crate) fn check_numbers(&self) -> Result<()> {
        let (BatchSize::Triplets(batch_size) | BatchSize::StepsPerEpoch { steps_per_epoch: batch_size }) =
            self.batch_size;
        let numbers = [("epochs", self.epochs), ("patience", self.patience), ("batch_size", batch_size)]
            .map(|(s, n)| (s, n as u64));
        for (setting, n) in numbers.into_iter().chain([("seed", self.seed)]) {
            Error::require(i64::try_from(n).is_ok(), setting, n, &format!("at most {}", i64::MAX))?;
        }
        Ok(())
    }
}
