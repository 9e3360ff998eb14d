//! Cross-modal synergy estimation, CSE (7)(8).

use super::shapes::{expect_same, expect_width};
use super::{Encoder, EncoderConfig, Init};
use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`CrossModalSynergy`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{CrossModalSynergyConfig, Init};
///
/// let device = Device::flex();
/// let cse = CrossModalSynergyConfig::reference(8).with_d_feed_forward(16).init(&mut Init::new(0, &device));
/// assert!(cse.text_self.is_some()); // the second encoder of the authors' code
/// assert_eq!(cse.forward(Tensor::ones([3, 8], &device), Tensor::zeros([3, 8], &device)).signal().dims(), [3, 8]);
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CrossModalSynergyConfig {
    d_model: usize,
    n_heads: usize,
    self_encoders: bool,
    d_feed_forward: usize,
}

impl CrossModalSynergyConfig {
    /// Returns the settings of the equations as printed: one cross-modal encoder for each direction.
    pub fn paper(d_model: usize) -> Self {
        Self { d_model, n_heads: 0, self_encoders: false, d_feed_forward: 4 * d_model }
    }

    /// Returns the settings of the authors' code: a second, self-attending encoder after each cross-modal one.
    pub fn reference(d_model: usize) -> Self {
        Self::paper(d_model).with_self_encoders(true)
    }

    /// Whether a second, self-attending encoder follows each cross-modal one. Default: no in the paper, yes in the
    /// reference.
    pub fn with_self_encoders(mut self, self_encoders: bool) -> Self {
        self.self_encoders = self_encoders;
        self
    }

    /// Adds query and key projections with `n_heads` heads, for [`CrossModalSynergy::forward_tokens`]. Default:
    /// neither.
    pub fn with_n_heads(mut self, n_heads: usize) -> Self {
        self.n_heads = n_heads;
        self
    }

    /// Width of the encoders' hidden layer. Default: `4 d_model`.
    pub fn with_d_feed_forward(mut self, d_feed_forward: usize) -> Self {
        self.d_feed_forward = d_feed_forward;
        self
    }

    /// Initialises the encoders with Xavier uniform weights and zero biases.
    pub fn init(&self, init: &mut Init) -> CrossModalSynergy {
        let encoder = EncoderConfig::new(self.d_model).with_d_feed_forward(self.d_feed_forward);
        let encoder = if self.n_heads > 0 { encoder.with_attention(self.n_heads) } else { encoder };
        CrossModalSynergy {
            text_to_visual: encoder.init(init),
            text_self: self.self_encoders.then(|| encoder.init(init)),
            visual_to_text: encoder.init(init),
            visual_self: self.self_encoders.then(|| encoder.init(init)),
        }
    }
}

/// Encodings of each modality that attends to the other.
#[derive(Debug, Clone)]
pub struct Synergy {
    /// Text queries over visual keys: `h_{t→v}`.
    pub text_to_visual: Tensor<2>,
    /// Visual queries over text keys: `h_{v→t}`.
    pub visual_to_text: Tensor<2>,
}

impl Synergy {
    /// Computes the synergy `s = ½ (h_{v→t} + h_{t→v})` (8).
    pub fn signal(&self) -> Tensor<2> {
        (self.text_to_visual.clone() + self.visual_to_text.clone()) / 2.0
    }
}

/// Cross-modal synergy estimation (CSE): `h_{v→t} = Trans(v, t)` and `h_{t→v} = Trans(t, v)` (7), with separate
/// weights.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{CrossModalSynergyConfig, Init};
///
/// let device = Device::flex();
/// let cse = CrossModalSynergyConfig::paper(16).init(&mut Init::new(0, &device));
/// let (text, visual) = (Tensor::ones([5, 16], &device), Tensor::zeros([5, 16], &device));
/// let synergy = cse.forward(text, visual);
/// // Both directions, which the loss (15) aligns, and their mean (8).
/// assert_eq!([synergy.text_to_visual.dims(), synergy.signal().dims()], [[5, 16]; 2]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct CrossModalSynergy {
    /// Encoder of text queries over visual keys.
    pub text_to_visual: Encoder,
    /// Self-attending encoder after `text_to_visual`, in the authors' code.
    pub text_self: Option<Encoder>,
    /// Encoder of visual queries over text keys.
    pub visual_to_text: Encoder,
    /// Self-attending encoder after `visual_to_text`, in the authors' code.
    pub visual_self: Option<Encoder>,
}

impl CrossModalSynergy {
    /// Encodes items of one token in both directions.
    ///
    /// # Shapes
    /// - `text`, `visual` and both outputs: `[n, d_model]`
    ///
    /// # Panics
    /// When the shapes differ from each other or from the layer's width.
    pub fn forward(&self, text: Tensor<2>, visual: Tensor<2>) -> Synergy {
        expect_same("cross-modal synergy", ["text", "visual"], &text, &visual);
        expect_width("cross-modal synergy", "text", &text, self.text_to_visual.width());
        let direction = |q: Tensor<2>, kv: Tensor<2>, cross: &Encoder, own: &Option<Encoder>| {
            let h = cross.forward(q, kv);
            match own {
                Some(encoder) => encoder.forward_self(h),
                None => h,
            }
        };
        Synergy {
            text_to_visual: direction(text.clone(), visual.clone(), &self.text_to_visual, &self.text_self),
            visual_to_text: direction(visual, text, &self.visual_to_text, &self.visual_self),
        }
    }

    /// Encodes items of several tokens; each of the `n` sequences attends within itself. Returns `(h_{t→v}, h_{v→t})`.
    ///
    /// With all items as the tokens of one sequence, this is attention over the whole catalogue, O(items²).
    ///
    /// # Shapes
    /// - `text`, first output: `[n, n_text, d_model]`; `visual`, second output: `[n, n_visual, d_model]`
    ///
    /// # Panics
    /// When made without [`CrossModalSynergyConfig::with_n_heads`], or the shapes do not agree.
    pub fn forward_tokens(&self, text: Tensor<3>, visual: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        expect_width("cross-modal synergy", "text", &text, self.text_to_visual.width());
        expect_width("cross-modal synergy", "visual", &visual, self.text_to_visual.width());
        let direction = |q: Tensor<3>, kv: Tensor<3>, cross: &Encoder, own: &Option<Encoder>| {
            let h = cross.forward_tokens(q, Some(kv));
            match own {
                Some(encoder) => encoder.forward_tokens(h, None),
                None => h,
            }
        };
        (
            direction(text.clone(), visual.clone(), &self.text_to_visual, &self.text_self),
            direction(visual, text, &self.visual_to_text, &self.visual_self),
        )
    }
}
