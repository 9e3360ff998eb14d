//! Projections from raw features to the embedding width, for one modality or all of them.

use super::affine::affine_leaky;
use super::shapes::expect_width;
use super::{Init, affine, linear};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`FeatureProjection`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{FeatureProjectionConfig, Init};
///
/// let device = Device::flex();
/// let layer = FeatureProjectionConfig::new(384, 64).with_d_hidden(256).init(&mut Init::new(0, &device));
/// assert_eq!(layer.forward(Tensor::ones([5, 384], &device)).dims(), [5, 64]);
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeatureProjectionConfig {
    d_in: usize,
    d_out: usize,
    d_hidden: Option<usize>,
    negative_slope: f32,
}

impl FeatureProjectionConfig {
    /// `LeakyReLU(x W + b)` from width `d_in` to `d_out`, with PyTorch's slope of 0.01.
    pub fn new(d_in: usize, d_out: usize) -> Self {
        Self { d_in, d_out, d_hidden: None, negative_slope: 0.01 }
    }

    /// `LeakyReLU(x W₁ + b₁) W₂ + b₂` with a hidden layer instead. Default: none.
    pub fn with_d_hidden(mut self, d_hidden: usize) -> Self {
        self.d_hidden = Some(d_hidden);
        self
    }

    /// Slope of the LeakyReLU below zero: 0 makes it a ReLU, 1 the identity. Default: 0.01.
    pub fn with_negative_slope(mut self, negative_slope: f32) -> Self {
        self.negative_slope = negative_slope;
        self
    }

    /// Initialises the linear layers with PyTorch's defaults.
    pub fn init(&self, init: &mut Init) -> FeatureProjection {
        let d_first = self.d_hidden.unwrap_or(self.d_out);
        let first = linear(self.d_in, d_first, init);
        let second = self.d_hidden.map(|d| linear(d, self.d_out, init));
        FeatureProjection { first, second, negative_slope: self.negative_slope }
    }
}

/// A linear layer with a LeakyReLU, or two layers with one between them.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{FeatureProjectionConfig, Init};
///
/// let device = Device::flex();
/// let projection = FeatureProjectionConfig::new(384, 64).with_d_hidden(256).init(&mut Init::new(0, &device));
/// assert_eq!(projection.forward(Tensor::ones([10, 384], &device)).dims(), [10, 64]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct FeatureProjection {
    /// First layer, `[d_in, d_hidden or d_out]`.
    pub first: Linear,
    /// Second layer, `[d_hidden, d_out]`, if there is a hidden layer.
    pub second: Option<Linear>,
    negative_slope: f32,
}

impl FeatureProjection {
    /// Projects each row.
    ///
    /// # Shapes
    /// - `x`: `[n, d_in]`
    /// - output: `[n, d_out]`
    ///
    /// # Panics
    /// When `x` has another width.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        expect_width("feature projection", "x", &x, self.first.weight.dims()[0]);
        let hidden = affine_leaky(&self.first, x, self.negative_slope);
        match &self.second {
            Some(second) => affine(second, hidden),
            None => hidden,
        }
    }
}

/// Settings of [`ModalityProjections`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModalityProjectionsConfig {
    d_out: usize,
    d_hidden: Option<usize>,
    negative_slope: f32,
}

impl ModalityProjectionsConfig {
    /// `LeakyReLU(x W + b)` to width `d_out` for each modality, with PyTorch's slope of 0.01.
    pub fn new(d_out: usize) -> Self {
        Self { d_out, d_hidden: None, negative_slope: 0.01 }
    }

    /// `LeakyReLU(x W₁ + b₁) W₂ + b₂` with a hidden layer instead. Default: none.
    pub fn with_d_hidden(mut self, d_hidden: usize) -> Self {
        self.d_hidden = Some(d_hidden);
        self
    }

    /// Slope of the LeakyReLU below zero: 0 makes it a ReLU, 1 the identity. Default: 0.01.
    pub fn with_negative_slope(mut self, negative_slope: f32) -> Self {
        self.negative_slope = negative_slope;
        self
    }

    /// Initialises a projection for each width, in their order.
    pub fn init(&self, widths: impl IntoIterator<Item = usize>, init: &mut Init) -> ModalityProjections {
        let config = |d_in: usize| FeatureProjectionConfig {
            d_in,
            d_out: self.d_out,
            d_hidden: self.d_hidden,
            negative_slope: self.negative_slope,
        };
        let projections = widths.into_iter().map(|width| config(width).init(init)).collect();
        ModalityProjections { projections }
    }
}

/// A [`FeatureProjection`] for each modality, all to the same width.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{Init, ModalityProjectionsConfig};
///
/// let device = Device::flex();
/// let widths = [384, 4096];
/// let projections = ModalityProjectionsConfig::new(64).init(widths, &mut Init::new(0, &device));
/// let projected = projections.forward(widths.map(|width| Tensor::ones([10, width], &device)));
/// assert!(projected.iter().all(|x| x.dims() == [10, 64]));
/// # }
/// ```
#[derive(Module, Debug)]
pub struct ModalityProjections {
    /// One projection for each modality, in their order.
    pub projections: Vec<FeatureProjection>,
}

impl ModalityProjections {
    /// Projects the features of each modality.
    ///
    /// # Shapes
    /// - `features`: `[n, d_m]` for each modality `m`, in order
    /// - output: `[n, d_out]` for each
    ///
    /// # Panics
    /// When there are more or fewer modalities than projections, or one has another width than its projection.
    pub fn forward(&self, features: impl IntoIterator<Item = Tensor<2>>) -> Vec<Tensor<2>> {
        let features: Vec<Tensor<2>> = features.into_iter().collect();
        let (found, expected) = (features.len(), self.projections.len());
        assert!(found == expected, "modality projections: features of {found} modalities for {expected} projections");
        self.projections.iter().zip(features).map(|(projection, x)| projection.forward(x)).collect()
    }
}
