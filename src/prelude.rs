//! What a program needs: `use viral::prelude::*;`. [`Result`](crate::Result) is left out, for it would hide the standard one.

pub use crate::data::{
    Dataset, Features, InteractionLog, Interactions, ItemFeatures, LogEvent, Modality, PlantedConfig, ReadOptions,
    SplitPolicy, TrainSet,
};
pub use crate::eval::{Metric, Metrics, paired_bootstrap};
pub use crate::model::{
    BprMfConfig, Embed, Embeddings, FreedomConfig, LightGcnConfig, Model, ModelConfig, PopularityConfig, Trainable,
    VbprConfig, ViralConfig,
};
pub use crate::nn::Init;
pub use crate::ops::MatmulPrecision;
pub use crate::train::{AdamConfig, Checkpoint, Event, Fit, SavedModel, TrainState, TrainerConfig};
pub use burn::tensor::Device;
