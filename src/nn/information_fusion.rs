//! Information-aware fusion: from two modalities to text, synergy and unique visual (7)-(13).

use super::shapes::{expect_same, expect_width};
use super::{
    CrossModalSynergy, CrossModalSynergyConfig, Init, Mask, Redundancy, RedundancyEstimator, RedundancyEstimatorConfig,
    Synergy,
};
use crate::ops::{l2_normalize, orthogonal_complement};
use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`InformationFusion`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{InformationFusionConfig, Init};
///
/// let device = Device::flex();
/// // Without an estimate of the redundancy the visual block stays as it is.
/// let fusion = InformationFusionConfig::paper(8).with_redundancy(false).init(&mut Init::new(0, &device));
/// let [_, _, visual] = fusion.forward(Tensor::zeros([3, 8], &device), Tensor::ones([3, 8], &device)).into_blocks();
/// assert!(visual.into_data().iter::<f32>().all(|x| x == 1.0));
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InformationFusionConfig {
    synergy: CrossModalSynergyConfig,
    redundancy: RedundancyEstimatorConfig,
    estimates_redundancy: bool,
    epsilon: f32,
    normalize_unique: bool,
}

impl InformationFusionConfig {
    /// Returns the settings of the equations as printed: the paper's [CSE](CrossModalSynergyConfig::paper) and
    /// [TBR](RedundancyEstimatorConfig::paper), and `v'` as (12) gives it, with 1e-12 added to `‖r‖²` so that `r = 0`
    /// has no effect.
    pub fn paper(d_model: usize) -> Self {
        Self {
            synergy: CrossModalSynergyConfig::paper(d_model),
            redundancy: RedundancyEstimatorConfig::paper(d_model),
            estimates_redundancy: true,
            epsilon: 1e-12,
            normalize_unique: false,
        }
    }

    /// Returns the settings of the authors' code: its [CSE](CrossModalSynergyConfig::reference) and
    /// [TBR](RedundancyEstimatorConfig::reference), 1e-8 added to `‖r‖²`, and an L2-normalised `v'`.
    pub fn reference(d_model: usize) -> Self {
        Self {
            synergy: CrossModalSynergyConfig::reference(d_model),
            redundancy: RedundancyEstimatorConfig::reference(d_model),
            estimates_redundancy: true,
            epsilon: 1e-8,
            normalize_unique: true,
        }
    }

    /// Whether a self-attending encoder follows each cross-modal one. Default: no in the paper, yes in the reference.
    pub fn with_self_encoders(mut self, self_encoders: bool) -> Self {
        self.synergy = self.synergy.with_self_encoders(self_encoders);
        self
    }

    /// Whether redundancy is estimated and removed from the visual block; without it `v' = v`. Default: yes.
    pub fn with_redundancy(mut self, redundancy: bool) -> Self {
        self.estimates_redundancy = redundancy;
        self
    }

    /// What replaces a removed modality (9). Default: [`Mask::Learned`] in the paper, [`Mask::Zeros`] in the reference.
    pub fn with_mask(mut self, mask: Mask) -> Self {
        self.redundancy = self.redundancy.with_mask(mask);
        self
    }

    /// Heads of the redundancy encoder over the sequence `[v, t]`; `None` concatenates the modalities instead. Default:
    /// one in the paper, none in the reference.
    pub fn with_sequence(mut self, n_heads: Option<usize>) -> Self {
        self.redundancy = self.redundancy.with_sequence(n_heads);
        self
    }

    /// Width of the hidden layer of all encoders. Default: `4 d_model`.
    pub fn with_d_feed_forward(mut self, d_feed_forward: usize) -> Self {
        self.synergy = self.synergy.with_d_feed_forward(d_feed_forward);
        self.redundancy = self.redundancy.with_d_feed_forward(d_feed_forward);
        self
    }

    /// Epsilon added to `‖r‖²` in (12). Default: 1e-12 in the paper, 1e-8 in the reference.
    pub fn with_epsilon(mut self, epsilon: f32) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Whether `v'` is L2-normalised. Default: no in the paper, yes in the reference.
    pub fn with_normalize_unique(mut self, normalize_unique: bool) -> Self {
        self.normalize_unique = normalize_unique;
        self
    }

    /// Initialises both estimators, the synergy first.
    ///
    /// # Panics
    /// When the heads of a sequence do not divide `d_model`.
    pub fn init(&self, init: &mut Init) -> InformationFusion {
        InformationFusion {
            synergy: self.synergy.init(init),
            redundancy: self.estimates_redundancy.then(|| self.redundancy.init(init)),
            epsilon: self.epsilon,
            normalize_unique: self.normalize_unique,
        }
    }
}

/// Information-aware fusion: text, the synergy of both modalities (7)(8), and the image without its redundancy
/// (9)-(12).
///
/// The loss terms (15)(16) are methods of its [output](InformationFusionOutput).
///
/// A row that lacks a modality has neither synergy nor redundancy. With `m_t` and `m_v` 1 if there is text and an
/// image, else 0,
///
/// ```text
/// s ← m_t m_v s,    r ← m_t m_v r,    so that v' = v if only the image is there
/// ```
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::RedundancyAnchor;
/// use viral::nn::{InformationFusionConfig, Init};
///
/// let device = Device::flex().autodiff();
/// let mut init = Init::new(0, &device);
/// let fusion = InformationFusionConfig::paper(8).init(&mut init);
/// let [text, visual]: [Tensor<2>; 2] = std::array::from_fn(|_| init.normal_param([5, 8], 1.0).val());
/// let fused = fusion.forward(text, visual);
/// assert_eq!([fused.text.dims(), fused.synergy.dims(), fused.unique.dims()], [[5, 8]; 3]);
/// let loss = fused.synergy_loss(0.1, None) + fused.redundancy_loss(0.1, RedundancyAnchor::Full, None).unwrap();
/// let gradients = loss.backward();
/// assert!(fusion.synergy.text_to_visual.norm.gamma.grad(&gradients).is_some());
/// # }
/// ```
#[derive(Module, Debug)]
pub struct InformationFusion {
    /// CSE (7)(8).
    pub synergy: CrossModalSynergy,
    /// TBR (9)-(11), if redundancy is removed.
    pub redundancy: Option<RedundancyEstimator>,
    epsilon: f32,
    normalize_unique: bool,
}

/// The blocks of [`InformationFusion`], and the encodings that its loss terms compare.
#[derive(Debug, Clone)]
pub struct InformationFusionOutput {
    /// The text, unchanged, `[n, d]`.
    pub text: Tensor<2>,
    /// Synergy `s` of both modalities (8), `[n, d]`.
    pub synergy: Tensor<2>,
    /// Unique visual content `v'`: the image without its redundant component (12), `[n, d]`.
    pub unique: Tensor<2>,
    /// Both directions of the synergy, which (15) aligns.
    pub directions: Synergy,
    /// The encodings that (16) aligns, if redundancy is estimated.
    pub redundancy: Option<Redundancy>,
}

impl InformationFusionOutput {
    /// Returns text, synergy and unique visual, the order of (13).
    pub fn into_blocks(self) -> [Tensor<2>; 3] {
        [self.text, self.synergy, self.unique]
    }
}

impl InformationFusion {
    /// Fuses each row of the two modalities, independently of other rows.
    ///
    /// # Shapes
    /// - `text`, `visual` and every output: `[n, d]`
    ///
    /// # Panics
    /// When the shapes differ from each other or from the layer's width.
    pub fn forward(&self, text: Tensor<2>, visual: Tensor<2>) -> InformationFusionOutput {
        self.forward_where(text, visual, None)
    }

    /// Like [`forward`](Self::forward), for rows that may lack a modality and have zeros for it: `both` is 0 for these,
    /// and 1 for the others.
    ///
    /// The encodings for the loss terms are computed for all rows; take the terms over rows with both modalities.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use viral::nn::{InformationFusionConfig, Init};
    ///
    /// let device = Device::flex();
    /// let fusion = InformationFusionConfig::paper(2).init(&mut Init::new(0, &device));
    /// let text = Tensor::from_floats([[1.0, 2.0], [0.0, 0.0]], &device);
    /// let visual = Tensor::from_floats([[3.0, 4.0], [5.0, 6.0]], &device);
    /// let both = Tensor::from_floats([[1.0], [0.0]], &device);
    /// let [_, synergy, visual] = fusion.forward_where(text, visual, Some(both)).into_blocks();
    /// let row = |x: Tensor<2>| x.into_data().iter::<f32>().skip(2).collect::<Vec<_>>();
    /// assert_eq!((row(synergy), row(visual)), (vec![0.0, 0.0], vec![5.0, 6.0]));
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - `both`: `[n, 1]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_where(
        &self,
        text: Tensor<2>,
        visual: Tensor<2>,
        both: Option<Tensor<2>>,
    ) -> InformationFusionOutput {
        let only = |x: Tensor<2>| match &both {
            Some(both) => x * both.clone(),
            None => x,
        };
        expect_same("information fusion", ["text", "visual"], &text, &visual);
        expect_width("information fusion", "text", &text, self.synergy.text_to_visual.width());
        let redundancy = self.redundancy.as_ref().map(|tbr| tbr.forward(text.clone(), visual.clone()));
        let directions = self.synergy.forward(text.clone(), visual.clone());
        let unique = match &redundancy {
            Some(redundancy) => orthogonal_complement(visual, only(redundancy.shared()), self.epsilon),
            None => visual,
        };
        let unique = if self.normalize_unique { l2_normalize(unique) } else { unique };
        InformationFusionOutput { text, synergy: only(directions.signal()), unique, directions, redundancy }
    }
}
