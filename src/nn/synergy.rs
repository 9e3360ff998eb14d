//! Cross-modal synergy estimation, CSE (7)(8).

use super::{Encoder, EncoderConfig, Init};
use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`CrossModalSynergy`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CrossModalSynergyConfig {
    d_model: usize,
    n_heads: usize,
    self_encoders: bool,
    d_feed_forward: usize,
}

impl CrossModalSynergyConfig {
    /// One cross-modal encoder a direction, as in the paper.
    pub fn new(d_model: usize) -> Self {
        Self { d_model, n_heads: 0, self_encoders: false, d_feed_forward: 4 * d_model }
    }

    /// A second, self-attending encoder after each cross-modal one, as in the authors' code.
    pub fn with_self_encoders(mut self, self_encoders: bool) -> Self {
        self.self_encoders = self_encoders;
        self
    }

    /// Queries and keys, for [`CrossModalSynergy::forward_tokens`].
    pub fn with_n_heads(mut self, n_heads: usize) -> Self {
        self.n_heads = n_heads;
        self
    }

    /// Width of the encoders' hidden layer; `4 d_model` unless said otherwise.
    pub fn with_d_feed_forward(mut self, d_feed_forward: usize) -> Self {
        self.d_feed_forward = d_feed_forward;
        self
    }

    /// The encoders' parameters: Xavier uniform weights, zero biases.
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

/// What arises from both modalities together.
#[derive(Debug, Clone)]
pub struct Synergy {
    /// Text queries over visual keys: `h_{t→v}`.
    pub text_to_visual: Tensor<2>,
    /// Visual queries over text keys: `h_{v→t}`.
    pub visual_to_text: Tensor<2>,
}

impl Synergy {
    /// `s = ½ (h_{v→t} + h_{t→v})` (8).
    pub fn signal(&self) -> Tensor<2> {
        (self.text_to_visual.clone() + self.visual_to_text.clone()) / 2.0
    }
}

/// `h_{v→t} = Trans(v, t)` and `h_{t→v} = Trans(t, v)` (7), with weights of their own.
#[derive(Module, Debug)]
pub struct CrossModalSynergy {
    /// Text queries over visual keys.
    pub text_to_visual: Encoder,
    /// After `text_to_visual`, in the authors' code.
    pub text_self: Option<Encoder>,
    /// Visual queries over text keys.
    pub visual_to_text: Encoder,
    /// After `visual_to_text`, in the authors' code.
    pub visual_self: Option<Encoder>,
}

impl CrossModalSynergy {
    /// One token an item.
    ///
    /// # Shapes
    /// - `text`, `visual` and both outputs: `[n, d_model]`
    pub fn forward(&self, text: Tensor<2>, visual: Tensor<2>) -> Synergy {
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

    /// Several tokens: each of the `n` batches attends within itself; returns `(h_{t→v}, h_{v→t})`.
    ///
    /// With one batch of all items as its tokens this is attention over the whole catalogue, O(items²).
    ///
    /// # Shapes
    /// - `text`, first output: `[n, n_text, d_model]`; `visual`, second output: `[n, n_visual, d_model]`
    ///
    /// # Panics
    /// When made without [`CrossModalSynergyConfig::with_n_heads`].
    pub fn forward_tokens(&self, text: Tensor<3>, visual: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
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
