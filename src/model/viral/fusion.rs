//! Information-aware fusion: from two modalities to text, synergy and unique visual (7)-(13).

use super::config::{RedundancyAnchor, ViralConfig};
use crate::loss::{Objective, info_nce};
use crate::nn::{
    CrossModalSynergy, CrossModalSynergyConfig, Init, Redundancy, RedundancyEstimator, RedundancyEstimatorConfig,
    Synergy, normalize_rows, orthogonal_complement,
};
use crate::ops::gather_rows;
use burn::module::Module;
use burn::tensor::{Int, Tensor};

/// Both estimators at one width.
#[derive(Module, Debug)]
pub struct InformationFusion {
    /// CSE (7)(8).
    pub synergy: CrossModalSynergy,
    /// TBR (9)-(11), where the redundancy is taken out.
    pub redundancy: Option<RedundancyEstimator>,
    epsilon: f32,
    normalize_unique: bool,
}

/// What the fusion made of the rows it was given.
#[derive(Debug, Clone)]
pub(super) struct Fused {
    pub(super) signal: Tensor<2>,
    pub(super) unique: Tensor<2>,
    synergy: Synergy,
    redundancy: Option<Redundancy>,
}

impl InformationFusion {
    pub(super) fn new(config: &ViralConfig, d: usize, init: &mut Init) -> Self {
        let d_feed_forward = config.feed_forward * d;
        let synergy = CrossModalSynergyConfig::new(d).with_self_encoders(config.self_encoders);
        let synergy = synergy.with_d_feed_forward(d_feed_forward).init(init);
        let redundancy = config.redundancy.then(|| {
            let tbr = RedundancyEstimatorConfig::new(d).with_mask(config.mask).with_sequence(config.redundancy_heads);
            tbr.with_d_feed_forward(d_feed_forward).init(init)
        });
        let (epsilon, normalize_unique) = (config.projection_epsilon as f32, config.normalize_unique);
        Self { synergy, redundancy, epsilon, normalize_unique }
    }

    /// # Shapes
    /// - `text`, `visual` and every output: `[n, d]`
    pub(super) fn forward(&self, text: Tensor<2>, visual: Tensor<2>) -> Fused {
        let redundancy = self.redundancy.as_ref().map(|tbr| tbr.forward(text.clone(), visual.clone()));
        let synergy = self.synergy.forward(text, visual.clone());
        let unique = match &redundancy {
            Some(redundancy) => orthogonal_complement(visual, redundancy.shared(), self.epsilon),
            None => visual,
        };
        let unique = if self.normalize_unique { normalize_rows(unique) } else { unique };
        Fused { signal: synergy.signal(), unique, synergy, redundancy }
    }
}

impl Fused {
    /// Text, synergy and unique visual.
    pub(super) fn into_blocks(self, text: Tensor<2>) -> Vec<Tensor<2>> {
        vec![text, self.signal, self.unique]
    }

    /// `λ (L_s + L_r)` (15)-(17), over all rows or over those of `rows`.
    pub(super) fn objective(&self, config: &ViralConfig, rows: Option<Tensor<1, Int>>) -> Objective {
        let of = |x: &Tensor<2>| match &rows {
            Some(rows) => gather_rows(x.clone(), rows.clone()),
            None => x.clone(),
        };
        let nce = |a: &Tensor<2>, b: &Tensor<2>| info_nce(of(a), of(b), config.temperature as f32);
        let synergy = nce(&self.synergy.text_to_visual, &self.synergy.visual_to_text);
        let objective = Objective::new().with("synergy", config.lambda, synergy);
        let Some(r) = &self.redundancy else {
            return objective;
        };
        let anchor = match config.anchor {
            RedundancyAnchor::Full => r.full.clone(),
            RedundancyAnchor::Shared => r.shared(),
        };
        let redundancy = nce(&r.text, &anchor) + nce(&r.visual, &anchor) + nce(&r.visual, &r.text);
        objective.with("redundancy", config.lambda, redundancy)
    }
}
