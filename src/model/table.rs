//! The registry of models. A row gives a model its name, its settings in files and on command lines, and its tests.

use super::*;
use crate::data::{Features, Modality, TrainSet};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! table {
    ($($(#[$doc:meta])* $tag:literal => $variant:ident, $config:ident;)*) => {
        /// Settings of any built-in model; in JSON an object with the model's name under `"model"`.
        ///
        /// ```
        /// use viral::prelude::*;
        ///
        /// # fn main() -> viral::Result<()> {
        /// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
        /// let mut config: ModelConfig = "lightgcn".parse()?; // one of ModelConfig::NAMES
        /// config.set("n_layers", "3")?;
        /// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
        /// assert_eq!((config.name(), model.embed().items().dims()), ("lightgcn", [40, 64]));
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model")]
        #[allow(clippy::large_enum_variant)]
        #[non_exhaustive]
        pub enum ModelConfig {
            $($(#[$doc])* #[serde(rename = $tag)] $variant($config),)*
        }

        /// Any built-in model.
        #[derive(Module, Debug)]
        #[allow(clippy::large_enum_variant)]
        #[non_exhaustive]
        pub enum Model {
            $($(#[$doc])* $variant($variant),)*
        }

        impl ModelConfig {
            /// Names of all models.
            pub const NAMES: &'static [&'static str] = &[$($tag),*];

            /// Returns the default settings of the model called `name`.
            pub fn by_name(name: &str) -> Result<Self> {
                match name {
                    $($tag => Ok(Self::$variant($config::default())),)*
                    _ => Err(Error::Config(format!("no model '{name}'; there are {}", Self::NAMES.join(", ")))),
                }
            }

            /// Returns the model's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $tag,)*
                }
            }

            /// Builds the model for `data` with newly initialised parameters.
            pub fn init(&self, data: &TrainSet, init: &mut Init) -> Result<Model> {
                self.check()?;
                match self {
                    $(Self::$variant(config) => Ok(Model::$variant(config.init(data, init)?)),)*
                }
            }
        }

        impl Embed for Model {
            fn embed(&self) -> Embeddings {
                match self {
                    $(Self::$variant(model) => model.embed(),)*
                }
            }
        }

        impl Trainable for Model {
            fn objective(&self, batch: &Batch) -> Objective {
                match self {
                    $(Self::$variant(model) => model.objective(batch),)*
                }
            }

            fn begin_epoch(&mut self, seed: u64, epoch: usize) -> Result<()> {
                match self {
                    $(Self::$variant(model) => model.begin_epoch(seed, epoch),)*
                }
            }
        }
    };
}

table! {
    /// [`Popularity`]
    "popularity" => Popularity, PopularityConfig;
    /// [`ProfileMatch`]
    "profile-match" => ProfileMatch, ProfileMatchConfig;
    /// [`AttributeKnn`]
    "attribute-knn" => AttributeKnn, AttributeKnnConfig;
    /// [`BprMf`]
    "bpr-mf" => BprMf, BprMfConfig;
    /// [`LightGcn`]
    "lightgcn" => LightGcn, LightGcnConfig;
    /// [`Vbpr`]
    "vbpr" => Vbpr, VbprConfig;
    /// [`Mmgcn`]
    "mmgcn" => Mmgcn, MmgcnConfig;
    /// [`Grcn`]
    "grcn" => Grcn, GrcnConfig;
    /// [`Slmrec`]
    "slmrec" => Slmrec, SlmrecConfig;
    /// [`Lattice`]
    "lattice" => Lattice, LatticeConfig;
    /// [`Freedom`]
    "freedom" => Freedom, FreedomConfig;
    /// [`Dragon`]
    "dragon" => Dragon, DragonConfig;
    /// [`Mentor`]
    "mentor" => Mentor, MentorConfig;
    /// [`Cohesion`]
    "cohesion" => Cohesion, CohesionConfig;
    /// [`Viral`]
    "viral" => Viral, ViralConfig;
}

/// Parses a model's name, as [`ModelConfig::by_name`].
impl std::str::FromStr for ModelConfig {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::by_name(name)
    }
}

/// Maximum width of a vector: serving maps vectors by square matrices of this size.
const WIDEST: u64 = 1 << 13;
/// Maximum number of layers, of routing rounds, and of model widths in a feed-forward's hidden layer.
const DEEPEST: u64 = 1 << 8;

/// Maximum number of rows or negatives sampled in a step.
const MOST_DRAWN: u64 = 1 << 16;

impl ModelConfig {
    /// Checks that all sizes among the settings are within limits; [`init`](Self::init) does so first.
    ///
    /// # Errors
    /// When a width, a number of layers or another count is too large for any memory; the message names it.
    pub fn check(&self) -> Result<()> {
        let all = serde_json::to_value(self).map_err(|e| Error::Config(format!("{}: {e}", self.name())))?;
        for (key, value) in all.as_object().into_iter().flatten() {
            let most = match key.as_str() {
                // The largest integer that files can hold.
                key if key.ends_with("seed") => i64::MAX as u64,
                key if key.starts_with("d_") => WIDEST,
                key if ["layers", "routings", "feed_forward"].iter().any(|word| key.contains(word)) => DEEPEST,
                key if key.ends_with("_rows") || key.ends_with("_negatives") => MOST_DRAWN,
                _ => i32::MAX as u64,
            };
            if let Some(n) = value.as_u64() {
                Error::require(n <= most, key, n, &format!("at most {most}"))?;
            }
        }
        Ok(())
    }

    /// Returns the modalities in `features` that the model ignores. VIRAL, FREEDOM and MENTOR take text and visual, with
    /// [`Multimodal`](Modality::Multimodal) in place of a missing one; attribute-knn takes `attributes` alone. For all
    /// other models the list is empty.
    ///
    /// ```
    /// use viral::data::{Features, ItemFeatures, Modality};
    /// use viral::model::ModelConfig;
    ///
    /// let of = || ItemFeatures::new(2, 1, vec![0.5, 1.0]);
    /// let features = Features::new().with(Modality::Text, of()?).with(Modality::Visual, of()?).with(Modality::Audio, of()?);
    /// assert_eq!(ModelConfig::by_name("viral")?.unused_modalities(&features), [Modality::Audio]);
    /// assert_eq!(ModelConfig::by_name("vbpr")?.unused_modalities(&features), []);
    /// assert_eq!(ModelConfig::by_name("attribute-knn")?.unused_modalities(&features).len(), 3);
    /// # Ok::<(), viral::Error>(())
    /// ```
    pub fn unused_modalities(&self, features: &Features) -> Vec<Modality> {
        let other = |modality: &&Modality| modality.as_str() != "attributes";
        match (self, features.require_pair(self.name())) {
            (Self::AttributeKnn(_), _) => features.modalities().filter(other).cloned().collect(),
            (Self::Viral(_) | Self::Freedom(_) | Self::Mentor(_), Ok(pair)) => {
                let is_taken = |modality: &Modality| pair.shares(0.5).iter().any(|(taken, ..)| *taken == modality);
                features.modalities().filter(|modality| !is_taken(modality)).cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns whether the model uses item content: all but popularity, BPR-MF and LightGCN do.
    pub fn takes_content(&self) -> bool {
        !matches!(self, Self::Popularity(_) | Self::BprMf(_) | Self::LightGcn(_))
    }

    /// Lists the settings that differ from those of `other`, such as `d_embed is 32, here 64`: first theirs, then ours.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let [here, there] = [self, other].map(|config| serde_json::to_value(config).unwrap_or_default());
        differing("", &here, &there)
    }

    /// Changes one setting, like `key=value` on a command line; `value` is JSON or a bare word.
    ///
    /// Returns an error if the key is unknown, with a list of the known ones, or if the value has the wrong type.
    ///
    /// ```
    /// use viral::model::ModelConfig;
    ///
    /// let mut config = ModelConfig::by_name("viral")?;
    /// config.set("d_embed", "32")?;
    /// config.set("fusion", "mean_pooling")?;
    /// let unknown = config.set("width", "32").unwrap_err();
    /// assert!(unknown.to_string().contains("viral has no setting 'width'; it has: "));
    /// # Ok::<(), viral::Error>(())
    /// ```
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let broken = |e: serde_json::Error| Error::Config(format!("{}: {key} = {value}: {e}", self.name()));
        let mut all = serde_json::to_value(&*self).map_err(broken)?;
        let Value::Object(fields) = &mut all else {
            return Err(Error::Config(format!("{} has no settings", self.name())));
        };
        if key == "model" || !fields.contains_key(key) {
            let known: Vec<&str> = fields.keys().map(String::as_str).filter(|k| *k != "model").collect();
            let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
            return Err(Error::Config(format!("{} has no setting '{key}'; it has: {known}", self.name())));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_string()));
        fields.insert(key.to_string(), value);
        *self = serde_json::from_value(all).map_err(broken)?;
        Ok(())
    }
}

/// Lists the settings in which two JSON values differ, such as `adam.lr is 0.01, here 0.001`.
pub(crate) fn differing(path: &str, wanted: &Value, found: &Value) -> Vec<String> {
    // Two models differ in all settings: name the models only.
    let of_models = [wanted, found].map(|value| value.get("model").and_then(Value::as_str));
    if let (true, [Some(here), Some(there)]) = (path.is_empty(), of_models)
        && here != there
    {
        return vec![format!("it is {there}, here {here}")];
    }
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let keys: std::collections::BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
            let below = |key: &&String| {
                let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
                let of = |object: &serde_json::Map<String, Value>| object.get(*key).cloned().unwrap_or_default();
                differing(&path, &of(wanted), &of(found))
            };
            keys.iter().flat_map(below).collect()
        }
        _ if wanted == found => Vec::new(),
        _ => vec![format!("{path} is {found}, here {wanted}")],
    }
}
