//! Transformer-based redundancy estimation, TBR (9)-(11).

use super::shapes::{expect_same, expect_width};
use super::{Encoder, EncoderConfig, Init, affine, linear};
use crate::named::named;
use crate::ops::{matmul, row_range};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What replaces a removed modality (9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mask {
    /// Zeros, as in the authors' code.
    Zeros,
    /// A learnable token for each modality, as in the paper.
    Learned,
}

named! {
    Mask, "mask":
    Zeros => "zeros",
    Learned => "learned",
}

/// Settings of [`RedundancyEstimator`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{Init, Mask, RedundancyEstimatorConfig};
///
/// let device = Device::flex();
/// let config = RedundancyEstimatorConfig::paper(8).with_sequence(Some(2)).with_mask(Mask::Zeros);
/// let redundancy = config.init(&mut Init::new(0, &device)).forward(Tensor::ones([3, 8], &device), Tensor::zeros([3, 8], &device));
/// assert_eq!(redundancy.shared().dims(), [3, 8]);
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RedundancyEstimatorConfig {
    d_model: usize,
    mask: Mask,
    n_heads: Option<usize>,
    d_feed_forward: usize,
}

impl RedundancyEstimatorConfig {
    /// Returns the settings of the equations as printed: `v` and `t` are two tokens that attend to each other with one
    /// head, `g = Linear(2 d, d)` follows the encoder, and a learnable token replaces a removed modality.
    pub fn paper(d_model: usize) -> Self {
        Self { d_model, mask: Mask::Learned, n_heads: Some(1), d_feed_forward: 4 * d_model }
    }

    /// Returns the settings of the authors' code: the concatenation `[t ‖ v]` goes through `Linear(2 d, d)` and an
    /// encoder of one token, with zeros for a removed modality.
    pub fn reference(d_model: usize) -> Self {
        Self { d_model, mask: Mask::Zeros, n_heads: None, d_feed_forward: 4 * d_model }
    }

    /// What replaces a removed modality. Default: a learned token in the paper, zeros in the reference.
    pub fn with_mask(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    /// Heads of the encoder over the sequence `[v, t]` of two tokens, with `g = Linear(2 d, d)` after it. `None`
    /// concatenates the modalities, with the linear layer before an encoder of one token. Default: one head in the
    /// paper, none in the reference.
    pub fn with_sequence(mut self, n_heads: Option<usize>) -> Self {
        self.n_heads = n_heads;
        self
    }

    /// Width of the encoder's hidden layer. Default: `4 d_model`.
    pub fn with_d_feed_forward(mut self, d_feed_forward: usize) -> Self {
        self.d_feed_forward = d_feed_forward;
        self
    }

    /// Initialises the encoder as Xavier uniform, the linear layer with PyTorch's defaults, and mask tokens as small
    /// normal values.
    ///
    /// # Panics
    /// When the heads of a sequence do not divide `d_model`.
    pub fn init(&self, init: &mut Init) -> RedundancyEstimator {
        let d = self.d_model;
        let encoder = EncoderConfig::new(d).with_d_feed_forward(self.d_feed_forward);
        let encoder = match self.n_heads {
            Some(n_heads) => encoder.with_attention(n_heads),
            None => encoder,
        };
        let token = |init: &mut Init| (self.mask == Mask::Learned).then(|| init.normal_param([1, d], 0.02));
        RedundancyEstimator {
            encoder: encoder.init(init),
            join: linear(2 * d, d, init),
            mask_text: token(init),
            mask_visual: token(init),
            sequence: self.n_heads.is_some(),
        }
    }
}

/// Encodings of both modalities and of each alone.
#[derive(Debug, Clone)]
pub struct Redundancy {
    /// `h`: both modalities.
    pub full: Tensor<2>,
    /// `h_t`: text alone.
    pub text: Tensor<2>,
    /// `h_v`: visual alone.
    pub visual: Tensor<2>,
}

impl Redundancy {
    /// Computes the shared part `r = ⅓ (h + h_v + h_t)` (11).
    pub fn shared(&self) -> Tensor<2> {
        (self.full.clone() + self.text.clone() + self.visual.clone()) / 3.0
    }
}

/// Transformer-based redundancy estimation (TBR): one encoder over `X = [v, t]`, `X_v = [v, MASK]`, `X_t = [MASK, t]` (9)(10);
/// the three run as one batch.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{Init, RedundancyEstimatorConfig, orthogonal_complement};
///
/// let device = Device::flex();
/// let tbr = RedundancyEstimatorConfig::paper(16).init(&mut Init::new(0, &device));
/// let (text, visual) = (Tensor::ones([5, 16], &device), Tensor::<2>::zeros([5, 16], &device));
/// let redundancy = tbr.forward(text, visual.clone());
/// assert_eq!([redundancy.full.dims(), redundancy.text.dims(), redundancy.visual.dims()], [[5, 16]; 3]);
/// // What is left of the image when the shared part (11) is taken out (12).
/// let unique = orthogonal_complement(visual, redundancy.shared(), 1e-12);
/// assert_eq!(unique.dims(), [5, 16]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct RedundancyEstimator {
    /// `F`, shared by the three variants.
    pub encoder: Encoder,
    /// `Linear(2 d, d)`: before the encoder for one token, after it (`g`) for a sequence.
    pub join: Linear,
    /// Learned token for a removed text, `[1, d]`.
    pub mask_text: Option<Param<Tensor<2>>>,
    /// Learned token for a removed image, `[1, d]`.
    pub mask_visual: Option<Param<Tensor<2>>>,
    sequence: bool,
}

impl RedundancyEstimator {
    /// Encodes both modalities together, and each alone.
    ///
    /// # Shapes
    /// - `text`, `visual` and the three outputs: `[n, d_model]`
    ///
    /// # Panics
    /// When the shapes differ from each other or from the layer's width.
    pub fn forward(&self, text: Tensor<2>, visual: Tensor<2>) -> Redundancy {
        expect_same("redundancy estimator", ["text", "visual"], &text, &visual);
        expect_width("redundancy estimator", "text", &text, self.encoder.width());
        let [n, d] = text.dims();
        let h = match self.sequence {
            false => self.encoder.forward_self(self.joined(text, visual)),
            true => {
                let (texts, visuals) = self.masked(text, visual);
                let tokens = Tensor::stack::<3>(vec![visuals, texts], 1); // [3n, 2, d]
                affine(&self.join, self.encoder.forward_tokens(tokens, None).reshape([3 * n, 2 * d]))
            }
        };
        let part = |i: usize| row_range(h.clone(), i * n, n);
        Redundancy { full: part(0), text: part(1), visual: part(2) }
    }

    /// Returns the text and visual tokens of the three variants, `[3n, d]` each.
    fn masked(&self, text: Tensor<2>, visual: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let mask = |token: &Option<Param<Tensor<2>>>| match token {
            Some(token) => token.val().expand(text.dims()),
            None => text.zeros_like(),
        };
        let (no_text, no_visual) = (mask(&self.mask_text), mask(&self.mask_visual));
        let texts = Tensor::cat(vec![text.clone(), text.clone(), no_text], 0);
        (texts, Tensor::cat(vec![visual.clone(), no_visual, visual], 0))
    }

    /// Computes `Linear([text, visual])` of the three variants, `[3n, d]`. Each modality passes its half of the weight
    /// once.
    fn joined(&self, text: Tensor<2>, visual: Tensor<2>) -> Tensor<2> {
        let d = text.dims()[1];
        let half = |x: Tensor<2>, i: usize| matmul(x, self.join.weight.val().narrow(0, i * d, d));
        let mask = |token: &Option<Param<Tensor<2>>>, i: usize| token.as_ref().map(|token| half(token.val(), i));
        let (text, visual) = (half(text, 0), half(visual, 1));
        let without = |x: &Tensor<2>, mask: Option<Tensor<2>>| match mask {
            Some(mask) => x.clone() + mask,
            None => x.clone(),
        };
        let (text_alone, visual_alone) =
            (without(&text, mask(&self.mask_visual, 1)), without(&visual, mask(&self.mask_text, 0)));
        let all = Tensor::cat(vec![text + visual, text_alone, visual_alone], 0);
        match &self.join.bias {
            Some(bias) => all + bias.val().unsqueeze_dim::<2>(0),
            None => all,
        }
    }
}
