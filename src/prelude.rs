//! The types that most programs need: `use viral::prelude::*;`.
//!
//! [`viral::Result`](crate::Result) is not included: it would shadow `std::result::Result`.
//!
//! ```
//! use viral::prelude::*;
//!
//! let mut recipe = Recipe::lightgcn().seed(1).epochs(40);
//! recipe.training.monitor = Metric::Ndcg;
//! ```

pub use crate::data::{
    Dataset, Features, InteractionLog, Interactions, ItemFeatures, LogEvent, Modality, Part, PlantedConfig,
    ReadOptions, SplitPolicy, TrainSet,
};
pub use crate::eval::{Metric, Metrics, paired_bootstrap};
pub use crate::model::{
    BprMfConfig, CohesionConfig, DragonConfig, Embed, Embeddings, FreedomConfig, GrcnConfig, LatticeConfig,
    LightGcnConfig, MentorConfig, MmgcnConfig, Model, ModelConfig, PopularityConfig, SlmrecConfig, Trainable,
    VbprConfig, ViralConfig,
};
pub use crate::nn::Init;
pub use crate::ops::MatmulPrecision;
pub use crate::recipe::{Recipe, Run};
pub use crate::serve::{RecommendOptions, Recommendation, Recommender};
pub use crate::train::{AdamConfig, Checkpoint, Event, Fit, TrainState, TrainerConfig};
pub use burn::tensor::Device;
