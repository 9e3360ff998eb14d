//! The pre-norm Transformer encoder of the fusion blocks, for items of one or several tokens.

use super::init::xavier_linear;
use super::shapes::{expect_same, expect_width};
use super::{Init, affine};
use crate::ops::{layer_norm, matmul, one_token_layer};
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, softmax};
use serde::{Deserialize, Serialize};

/// Settings of [`Encoder`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{EncoderConfig, Init};
///
/// let device = Device::flex();
/// let encoder = EncoderConfig::new(8).with_n_layers(2).with_attention(2).init(&mut Init::new(0, &device));
/// // Five sequences of three tokens that attend to themselves.
/// assert_eq!(encoder.forward_tokens(Tensor::ones([5, 3, 8], &device), None).dims(), [5, 3, 8]);
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EncoderConfig {
    d_model: usize,
    n_layers: usize,
    n_heads: usize,
    attention: bool,
    d_feed_forward: usize,
}

impl EncoderConfig {
    /// One layer for items of one token. The softmax over one key is 1, so there are no query and key projections.
    pub fn new(d_model: usize) -> Self {
        Self { d_model, n_layers: 1, n_heads: 1, attention: false, d_feed_forward: 4 * d_model }
    }

    /// Number of layers. Default: 1.
    pub fn with_n_layers(mut self, n_layers: usize) -> Self {
        self.n_layers = n_layers;
        self
    }

    /// Adds query and key projections with `n_heads` heads, for [`Encoder::forward_tokens`]. Default: neither.
    ///
    /// # Panics
    /// When `n_heads` is 0 or does not divide `d_model`.
    pub fn with_attention(mut self, n_heads: usize) -> Self {
        let divides = n_heads > 0 && self.d_model.is_multiple_of(n_heads);
        assert!(divides, "encoder: {n_heads} heads do not divide {}", self.d_model);
        (self.n_heads, self.attention) = (n_heads, true);
        self
    }

    /// Width of the feed-forward's hidden layer. Default: `4 d_model`.
    pub fn with_d_feed_forward(mut self, d_feed_forward: usize) -> Self {
        self.d_feed_forward = d_feed_forward;
        self
    }

    /// Initialises the encoder with Xavier uniform weights and zero biases.
    pub fn init(&self, init: &mut Init) -> Encoder {
        let layers = (0..self.n_layers).map(|_| self.layer(init)).collect();
        Encoder { layers, norm: LayerNormConfig::new(self.d_model).init(init.device()) }
    }

    fn layer(&self, init: &mut Init) -> EncoderLayer {
        let d = self.d_model;
        EncoderLayer {
            norm_attention: LayerNormConfig::new(d).init(init.device()),
            query: self.attention.then(|| xavier_linear(d, d, init)),
            key: self.attention.then(|| xavier_linear(d, d, init)),
            value: xavier_linear(d, d, init),
            output: xavier_linear(d, d, init),
            norm_feed_forward: LayerNormConfig::new(d).init(init.device()),
            up: xavier_linear(d, self.d_feed_forward, init),
            down: xavier_linear(self.d_feed_forward, d, init),
            n_heads: self.n_heads,
        }
    }
}

/// One pre-norm layer: attention and a feed-forward, each with a residual.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Layer norm before the attention, for queries, keys and values alike.
    pub norm_attention: LayerNorm,
    /// Query projection, if there is more than one key.
    pub query: Option<Linear>,
    /// Key projection, if there is more than one key.
    pub key: Option<Linear>,
    /// Value projection.
    pub value: Linear,
    /// Output projection after the heads.
    pub output: Linear,
    /// Layer norm before the feed-forward.
    pub norm_feed_forward: LayerNorm,
    /// First feed-forward layer, `d → d_feed_forward`.
    pub up: Linear,
    /// Second feed-forward layer, `d_feed_forward → d`.
    pub down: Linear,
    n_heads: usize,
}

impl EncoderLayer {
    fn feed_forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        x.clone() + affine(&self.down, relu(affine(&self.up, self.norm_feed_forward.forward(x))))
    }

    /// Applies the layer with one key: the attention weight is 1, and attention returns the value itself. Scales inputs
    /// first.
    fn forward(&self, x: Tensor<2>, kv: Tensor<2>, scales: [f32; 2]) -> Tensor<2> {
        one_token_layer(x, kv, self.weights(), scales)
    }

    /// Computes the same from separate layers.
    fn reference_forward(&self, x: Tensor<2>, kv: Tensor<2>, [x_scale, kv_scale]: [f32; 2]) -> Tensor<2> {
        let value = affine(&self.value, self.norm_attention.forward(kv * kv_scale));
        self.feed_forward(x * x_scale + affine(&self.output, value))
    }

    /// Concatenates all weights of one-token attention, in the order of [`one_token_layer`].
    fn weights(&self) -> Tensor<1> {
        let norm = |norm| gain_and_shift(norm).to_vec();
        let linear = |linear: &Linear| match &linear.bias {
            Some(bias) => vec![linear.weight.val().flatten(0, 1), bias.val()],
            None => panic!("encoder: its linear layers have a bias"),
        };
        let parts = [
            norm(&self.norm_attention),
            linear(&self.value),
            linear(&self.output),
            norm(&self.norm_feed_forward),
            linear(&self.up),
            linear(&self.down),
        ];
        Tensor::cat(parts.concat(), 0)
    }

    fn forward_tokens(&self, x: Tensor<3>, kv: Tensor<3>) -> Tensor<3> {
        let (Some(query), Some(key)) = (&self.query, &self.key) else {
            panic!("encoder: several tokens need EncoderConfig::with_attention");
        };
        let [n, n_queries, d] = x.dims();
        let d_head = d / self.n_heads;
        let heads = |x: Tensor<3>| {
            let [_, tokens, _] = x.dims();
            x.reshape([n, tokens, self.n_heads, d_head]).swap_dims(1, 2) // [n, heads, tokens, d_head]
        };
        let normed = self.norm_attention.forward(kv);
        let q = heads(affine(query, self.norm_attention.forward(x.clone())) * (d_head as f32).powf(-0.5));
        let (k, v) = (heads(affine(key, normed.clone())), heads(affine(&self.value, normed)));
        let attended = matmul(softmax(matmul(q, k.swap_dims(2, 3)), 3), v);
        let joined = attended.swap_dims(1, 2).reshape([n, n_queries, d]);
        self.feed_forward(x + affine(&self.output, joined))
    }
}

fn gain_and_shift(norm: &LayerNorm) -> [Tensor<1>; 2] {
    match &norm.beta {
        Some(shift) => [norm.gamma.val(), shift.val()],
        None => panic!("encoder: its norms have a shift"),
    }
}

/// Transformer encoder, `Trans(q, kv)` of equation (7): inputs times √d, pre-norm layers, a final norm, no dropout.
///
/// Each layer is `h = x + W_o(attention(LN x, LN kv))`, `y = h + W₂ relu(W₁ LN h)`; every layer attends to the same
/// `kv`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{EncoderConfig, Init};
///
/// let device = Device::flex();
/// let encoder = EncoderConfig::new(8).init(&mut Init::new(0, &device));
/// let (q, kv) = (Tensor::ones([5, 8], &device), Tensor::zeros([5, 8], &device));
/// assert_eq!(encoder.forward(q, kv).dims(), [5, 8]);
/// // With query and key projections, items may have several tokens.
/// let encoder = EncoderConfig::new(8).with_attention(2).init(&mut Init::new(0, &device));
/// assert_eq!(encoder.forward_tokens(Tensor::ones([5, 3, 8], &device), None).dims(), [5, 3, 8]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct Encoder {
    /// The layers in order.
    pub layers: Vec<EncoderLayer>,
    /// Final layer norm.
    pub norm: LayerNorm,
}

impl Encoder {
    /// Returns `d`, the width of queries, keys and output.
    pub(super) fn width(&self) -> usize {
        self.norm.gamma.dims()[0]
    }

    fn norm(&self, x: Tensor<2>) -> Tensor<2> {
        let [gain, shift] = gain_and_shift(&self.norm);
        layer_norm(x, gain, shift)
    }

    /// Encodes items of one token; `kv` is `q` for self-attention.
    ///
    /// # Shapes
    /// - `q`, `kv`, output: `[n, d]`
    ///
    /// # Panics
    /// When the shapes differ from each other or from the layer's width.
    pub fn forward(&self, q: Tensor<2>, kv: Tensor<2>) -> Tensor<2> {
        expect_same("encoder", ["q", "kv"], &q, &kv);
        expect_width("encoder", "q", &q, self.width());
        let scale = (self.width() as f32).sqrt();
        let layer = |(x, x_scale): (Tensor<2>, f32), layer: &EncoderLayer| {
            (layer.forward(x, kv.clone(), [x_scale, scale]), 1.0) // the first layer scales its queries
        };
        self.norm(self.layers.iter().fold((q, scale), layer).0)
    }

    /// Computes [`forward`](Self::forward) from separate layers that keep all intermediate values: its reference in
    /// tests.
    #[doc(hidden)]
    pub fn reference_forward(&self, q: Tensor<2>, kv: Tensor<2>) -> Tensor<2> {
        let scale = (q.dims()[1] as f32).sqrt();
        let layer = |(x, x_scale): (Tensor<2>, f32), layer: &EncoderLayer| {
            (layer.reference_forward(x, kv.clone(), [x_scale, scale]), 1.0)
        };
        self.norm.forward(self.layers.iter().fold((q, scale), layer).0)
    }

    /// Encodes items of one token by self-attention: every layer attends to its own input.
    ///
    /// # Shapes
    /// - `x`, output: `[n, d]`
    ///
    /// # Panics
    /// When `x` has another width than the layer.
    pub fn forward_self(&self, x: Tensor<2>) -> Tensor<2> {
        expect_width("encoder", "x", &x, self.width());
        let d = self.width();
        let layer = |(x, scale): (Tensor<2>, f32), layer: &EncoderLayer| {
            (layer.forward(x.clone(), x, [scale, scale]), 1.0) // the first layer scales its input
        };
        self.norm(self.layers.iter().fold((x, (d as f32).sqrt()), layer).0)
    }

    /// Encodes items of several tokens; each of the `n` sequences attends within itself.
    ///
    /// # Shapes
    /// - `q`, output: `[n, n_queries, d]`; `kv`: `[n, n_keys, d]`, or none for self-attention
    ///
    /// # Panics
    /// When the encoder was made without [`EncoderConfig::with_attention`], or the shapes do not agree.
    pub fn forward_tokens(&self, q: Tensor<3>, kv: Option<Tensor<3>>) -> Tensor<3> {
        expect_width("encoder", "q", &q, self.width());
        if let Some(kv) = &kv {
            expect_width("encoder", "kv", kv, self.width());
            let (of_q, of_kv) = (q.dims(), kv.dims());
            assert!(of_q[0] == of_kv[0], "encoder: q is {of_q:?} but kv is {of_kv:?}");
        }
        let scale = (q.dims()[2] as f32).sqrt();
        let kv = kv.map(|kv| kv * scale);
        let layer = |x: Tensor<3>, layer: &EncoderLayer| {
            let kv = kv.clone().unwrap_or_else(|| x.clone());
            layer.forward_tokens(x, kv)
        };
        self.norm.forward(self.layers.iter().fold(q * scale, layer))
    }
}
