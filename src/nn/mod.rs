//! Neural-network layers, each with a config, `init` and `forward`. Graphs and features are arguments; `forward` has no
//! side effects.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{Device, Tensor};
//! use viral::nn::{FeatureProjectionConfig, InformationFusionConfig, Init, UserModalityWeightsConfig};
//!
//! let device = Device::flex();
//! let mut init = Init::new(0, &device); // parameters are drawn in the order of the layers, from this seed
//! let text_projection = FeatureProjectionConfig::new(16, 8).init(&mut init);
//! let visual_projection = FeatureProjectionConfig::new(24, 8).init(&mut init);
//! let fusion = InformationFusionConfig::paper(8).init(&mut init);
//! let weights = UserModalityWeightsConfig::new(3, 3).init(&mut init);
//!
//! let text = text_projection.forward(Tensor::ones([3, 16], &device));
//! let visual = visual_projection.forward(Tensor::ones([3, 24], &device));
//! let [text, synergy, unique] = fusion.forward(text, visual).into_blocks();
//! let blocks = Tensor::cat(vec![text, synergy, unique], 1);
//! assert_eq!(weights.forward(blocks).dims(), [3, 24]);
//! # }
//! ```

mod affine;
mod edge_attention;
mod encoder;
mod graph_conv;
mod homogeneous;
mod id_tables;
mod information_fusion;
mod init;
mod layer_refined;
mod learned_item_graph;
mod light_gcn;
mod modality_weights;
mod noisy_propagation;
mod projection;
mod redundancy;
mod shapes;
mod synergy;

pub use crate::ops::{l2_normalize, orthogonal_complement};
pub use affine::affine;
pub use edge_attention::{Attended, EdgeAttention, EdgeAttentionConfig, EdgeScore};
pub use encoder::{Encoder, EncoderConfig};
pub use graph_conv::{GraphConv, GraphConvConfig, ResidualGraphConv, ResidualGraphConvConfig};
pub use homogeneous::HomogeneousPropagation;
pub use id_tables::{IdTables, nodes, unit_blocks, users_and_items};
pub use information_fusion::{InformationFusion, InformationFusionConfig, InformationFusionOutput};
pub(crate) use init::with_default_bias;
#[cfg(feature = "flex")]
pub(crate) use init::xavier_uniform_rows;
pub use init::{Init, linear, xavier_normal, xavier_uniform};
pub use layer_refined::{LayerRefinedPropagation, RefinedLayer};
pub use learned_item_graph::{LearnedEdges, LearnedItemGraph, LearnedItemGraphConfig, WeightedEdges};
pub use light_gcn::{LayerAggregation, LightGcnPropagation};
pub use modality_weights::{UserModalityWeights, UserModalityWeightsConfig};
pub use noisy_propagation::NoisyPropagation;
pub use projection::{FeatureProjection, FeatureProjectionConfig, ModalityProjections, ModalityProjectionsConfig};
pub use redundancy::{Mask, Redundancy, RedundancyEstimator, RedundancyEstimatorConfig};
pub use synergy::{CrossModalSynergy, CrossModalSynergyConfig, Synergy};
