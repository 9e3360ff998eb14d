//! From raw features to the width of the embeddings.

use super::affine::affine_leaky;
use super::{Init, affine, linear};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`FeatureProjection`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeatureProjectionConfig {
    d_in: usize,
    d_out: usize,
    d_hidden: Option<usize>,
}

impl FeatureProjectionConfig {
    /// `LeakyReLU(x W + b)` from width `d_in` to `d_out`.
    pub fn new(d_in: usize, d_out: usize) -> Self {
        Self { d_in, d_out, d_hidden: None }
    }

    /// `LeakyReLU(x W₁ + b₁) W₂ + b₂` with a hidden layer instead.
    pub fn with_d_hidden(mut self, d_hidden: usize) -> Self {
        self.d_hidden = Some(d_hidden);
        self
    }

    /// PyTorch's default initialisation of linear layers.
    pub fn init(&self, init: &mut Init) -> FeatureProjection {
        let d_first = self.d_hidden.unwrap_or(self.d_out);
        let first = linear(self.d_in, d_first, init);
        let second = self.d_hidden.map(|d| linear(d, self.d_out, init));
        FeatureProjection { first, second }
    }
}

/// One linear layer and a LeakyReLU (slope 0.01), or two with it between them.
#[derive(Module, Debug)]
pub struct FeatureProjection {
    /// `[d_in, d_hidden or d_out]`.
    pub first: Linear,
    /// `[d_hidden, d_out]`, where there is a hidden layer.
    pub second: Option<Linear>,
}

impl FeatureProjection {
    /// # Shapes
    /// - `x`: `[n, d_in]`
    /// - output: `[n, d_out]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = affine_leaky(&self.first, x, 0.01);
        match &self.second {
            Some(second) => affine(second, hidden),
            None => hidden,
        }
    }
}
