//! The fusion layer of VIRAL and its loss terms.

use super::config::ViralConfig;
use crate::loss::Objective;
use crate::nn::{InformationFusionConfig, InformationFusionOutput};
use burn::tensor::{Int, Tensor};

impl ViralConfig {
    /// Returns the settings of the fusion layer of width `d`.
    pub(super) fn fusion_layer(&self, d: usize) -> InformationFusionConfig {
        InformationFusionConfig::paper(d)
            .with_self_encoders(self.self_encoders)
            .with_redundancy(self.redundancy)
            .with_mask(self.mask)
            .with_sequence((self.redundancy_heads > 0).then_some(self.redundancy_heads))
            .with_d_feed_forward(self.feed_forward * d)
            .with_epsilon(self.projection_epsilon as f32)
            .with_normalize_unique(self.normalize_unique)
    }
}

/// Computes `λ (L_s + L_r)` (15)-(17) over all rows or over `rows`; no terms if `rows` is empty.
pub(super) fn fusion_objective(
    fused: &InformationFusionOutput,
    config: &ViralConfig,
    rows: Option<Tensor<1, Int>>,
) -> Objective {
    if rows.as_ref().is_some_and(|rows| rows.dims()[0] == 0) {
        return Objective::new();
    }
    let temperature = config.temperature as f32;
    let synergy = fused.synergy_loss(temperature, rows.clone());
    let objective = Objective::new().with("synergy", config.lambda, synergy);
    match fused.redundancy_loss(temperature, config.anchor, rows) {
        Some(redundancy) => objective.with("redundancy", config.lambda, redundancy),
        None => objective,
    }
}

/// Averages blocks: `[n, blocks · d]` to `[n, d]`.
pub(super) fn mean_of_blocks(x: Tensor<2>, d: usize) -> Tensor<2> {
    let [n, width] = x.dims();
    x.reshape([n, width / d, d]).mean_dim(1).squeeze_dim::<2>(1)
}
