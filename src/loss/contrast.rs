//! Contrastive losses: a softmax cross-entropy that discriminates each row's positive from other rows.

use super::row_products;
use crate::named::named;
use crate::ops::{gather_rows, l2_normalize, log_sum_exp_products, log_sum_exp_rows, matmul};
use burn::tensor::{Bool, Int, Tensor};
use serde::{Deserialize, Serialize};

/// The similarity behind the logits of a [contrast], before they are divided by the temperature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Similarity {
    /// The cosine; a zero row has cosine 0 with everything.
    #[default]
    Cosine,
    /// The inner product of the rows, without normalisation.
    InnerProduct,
}

named! {
    Similarity, "similarity":
    Cosine => "cosine",
    InnerProduct => "inner_product",
}

/// Settings of a [contrast].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::{ContrastConfig, Similarity, contrast};
///
/// let device = Device::flex();
/// let config = ContrastConfig::new(0.2).one_sided().with_similarity(Similarity::InnerProduct);
/// // Two rows that cannot be told apart.
/// let loss = contrast(Tensor::ones([2, 4], &device), Tensor::ones([2, 4], &device), &config);
/// assert!((loss.into_scalar::<f32>() - 2f32.ln()).abs() < 1e-5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ContrastConfig {
    temperature: f32,
    similarity: Similarity,
    symmetric: bool,
    excluded: Option<Tensor<2, Bool>>,
}

impl ContrastConfig {
    /// Contrasts cosines divided by `temperature`, in both directions: [InfoNCE](super::info_nce).
    ///
    /// # Panics
    /// When the temperature is not a positive number.
    pub fn new(temperature: f32) -> Self {
        assert!(temperature > 0.0 && temperature.is_finite(), "contrast: the temperature is {temperature}");
        Self { temperature, similarity: Similarity::Cosine, symmetric: true, excluded: None }
    }

    /// Contrasts only from `a` to `b`: rows of `b` are candidates, never anchors. Default: both directions.
    pub fn one_sided(mut self) -> Self {
        self.symmetric = false;
        self
    }

    /// Sets the similarity behind the logits. Default: [`Similarity::Cosine`].
    pub fn with_similarity(mut self, similarity: Similarity) -> Self {
        self.similarity = similarity;
        self
    }

    /// Excludes pairs from the negatives: if entry `[i, j]` is true, candidate `j` is left out of the softmax of anchor
    /// `i`, in either direction. Entries of positives are ignored. Default: none.
    ///
    /// All logits are then held in memory, O(anchors · candidates): use it for batches.
    pub fn with_excluded(mut self, excluded: Tensor<2, Bool>) -> Self {
        self.excluded = Some(excluded);
        self
    }
}

/// Contrastive loss of two views of the same `n` rows: the negatives of each row are all others.
///
/// ```text
/// L(a → b) = 1/n Σ_i ( ln Σ_j exp(s(a_i, b_j) / τ) − s(a_i, b_i) / τ ),    j = i or not excluded for i
/// contrast = ½ (L(a → b) + L(b → a)),  or L(a → b) where it is one-sided
/// ```
///
/// Without excluded pairs the `n × n` logits are never held on the CPU: memory is O(n d). The rows of a batch give
/// in-batch negatives; to contrast a batch with all rows, see [`contrast_rows`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::{ContrastConfig, Similarity, contrast};
///
/// let device = Device::flex();
/// let a = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let config = ContrastConfig::new(0.5).one_sided().with_similarity(Similarity::InnerProduct);
/// let loss: f32 = contrast(a.clone(), a.clone(), &config).into_scalar();
/// // Logits are 2 for the positive and 0 for the negative.
/// assert!((loss - (1.0 + (-2f32).exp()).ln()).abs() < 1e-6);
/// // Without any negative left, the loss is 0.
/// let excluded = Tensor::from_data([[false, true], [true, false]], &device);
/// let loss: f32 = contrast(a.clone(), a, &config.with_excluded(excluded)).into_scalar();
/// assert!(loss.abs() < 1e-6);
/// # }
/// ```
///
/// # Shapes
/// - `a`, `b`: `[n, d]`; excluded pairs: `[n, n]`
/// - output: `[1]`
///
/// # Panics
/// When the shapes do not agree or there is no row.
pub fn contrast(a: Tensor<2>, b: Tensor<2>, config: &ContrastConfig) -> Tensor<1> {
    let (a, b) = prepared(a, b, config);
    if config.excluded.is_some() {
        return dense(a, b, None, config);
    }
    let positives = row_products(a.clone(), b.clone()) / config.temperature; // [n]
    let scale = 1.0 / config.temperature;
    let log_sums = match config.symmetric {
        true => {
            let (rows, columns) = log_sum_exp_products(a, b, scale);
            (rows + columns) / 2.0
        }
        false => log_sum_exp_rows(a, b, scale),
    };
    (log_sums - positives).mean()
}

/// The [contrast] of the rows `anchors` alone, with all `m` rows of the other view as candidates of each.
///
/// Without excluded pairs the logits are never held on the CPU: memory is O((n + m) d).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Int, Tensor};
/// use viral::loss::{ContrastConfig, contrast, contrast_rows};
///
/// let device = Device::flex();
/// let a = Tensor::<2>::from_floats([[1.0, 0.2], [0.1, 1.0], [-1.0, 0.3]], &device);
/// let b = Tensor::<2>::from_floats([[0.9, 0.1], [0.3, 1.0], [-0.7, 0.5]], &device);
/// let config = ContrastConfig::new(0.2);
/// let all = Tensor::<1, Int>::from_ints([0, 1, 2], &device);
/// let (some, whole) = (contrast_rows(a.clone(), b.clone(), all, &config), contrast(a, b, &config));
/// assert!((some - whole).into_scalar::<f32>().abs() < 1e-6);
/// # }
/// ```
///
/// # Shapes
/// - `a`, `b`: `[m, d]`; `anchors`: `[n]`, each below `m`; excluded pairs: `[n, m]`
/// - output: `[1]`
///
/// # Panics
/// When the shapes do not agree or there is no row; on the CPU where an anchor is out of range.
pub fn contrast_rows(a: Tensor<2>, b: Tensor<2>, anchors: Tensor<1, Int>, config: &ContrastConfig) -> Tensor<1> {
    let (a, b) = prepared(a, b, config);
    if config.excluded.is_some() {
        return dense(a, b, Some(anchors), config);
    }
    let direction = |a: Tensor<2>, b: Tensor<2>| {
        let of_anchors = gather_rows(a, anchors.clone());
        let positives = row_products(of_anchors.clone(), gather_rows(b.clone(), anchors.clone())) / config.temperature;
        (log_sum_exp_rows(of_anchors, b, 1.0 / config.temperature) - positives).mean()
    };
    both(a, b, config, direction)
}

/// Reference implementation of [`contrast`], or of [`contrast_rows`] if there are anchors, with all logits in memory.
#[doc(hidden)]
pub fn reference_contrast(
    a: Tensor<2>,
    b: Tensor<2>,
    anchors: Option<Tensor<1, Int>>,
    config: &ContrastConfig,
) -> Tensor<1> {
    let (a, b) = prepared(a, b, config);
    dense(a, b, anchors, config)
}

/// L2-normalises both views if the similarity is the cosine, so that their inner products are the similarity.
fn prepared(a: Tensor<2>, b: Tensor<2>, config: &ContrastConfig) -> (Tensor<2>, Tensor<2>) {
    let (of_a, of_b) = (a.dims(), b.dims());
    assert!(of_a == of_b && of_a[0] > 0, "contrast: a is {of_a:?} but b is {of_b:?}");
    match config.similarity {
        Similarity::Cosine => (l2_normalize(a), l2_normalize(b)),
        Similarity::InnerProduct => (a, b),
    }
}

/// Returns the loss of one direction, or the mean of both.
fn both(
    a: Tensor<2>,
    b: Tensor<2>,
    config: &ContrastConfig,
    direction: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>,
) -> Tensor<1> {
    match config.symmetric {
        true => (direction(a.clone(), b.clone()) + direction(b, a)) / 2.0,
        false => direction(a, b),
    }
}

/// A logit whose exponential vanishes beside any other's; infinity would be unsafe on GPUs.
const NO_CANDIDATE: f32 = -1e30;

/// The definition, with all logits in memory; without `anchors` every row is an anchor.
fn dense(a: Tensor<2>, b: Tensor<2>, anchors: Option<Tensor<1, Int>>, config: &ContrastConfig) -> Tensor<1> {
    let (m, device) = (a.dims()[0], a.device().inner());
    let all = Tensor::<1, Int>::arange(0..m as i64, &device);
    let of = |x: Tensor<2>| match &anchors {
        Some(anchors) => gather_rows(x, anchors.clone()),
        None => x,
    };
    let ids = anchors.clone().unwrap_or_else(|| all.clone());
    let n = ids.dims()[0];
    let own = ids.unsqueeze_dim::<2>(1).expand([n, m]).equal(all.unsqueeze_dim::<2>(0).expand([n, m])); // [n, m]
    let excluded = config.excluded.as_ref().map(|excluded| {
        let found = excluded.dims();
        assert!(found == [n, m], "contrast: the excluded pairs are {found:?} for [{n}, {m}] logits");
        excluded.clone().bool_and(own.bool_not())
    });
    both(a, b, config, |a, b| {
        let of_anchors = of(a);
        let positives = row_products(of_anchors.clone(), of(b.clone())) / config.temperature; // [n]
        let logits = matmul(of_anchors, b.transpose()) / config.temperature; // [n, m]
        let logits = match &excluded {
            Some(excluded) => logits.mask_fill(excluded.clone(), NO_CANDIDATE),
            None => logits,
        };
        let max = logits.clone().detach().max_dim(1);
        let log_sums = ((logits - max.clone()).exp().sum_dim(1).log() + max).squeeze_dim::<1>(1);
        (log_sums - positives).mean()
    })
}
