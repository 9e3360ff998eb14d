//! Mean and variance of embeddings, and a distance between distributions based on them.

use burn::tensor::Tensor;

/// Mean and variance over all entries of a representation.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::Moments;
///
/// let device = Device::flex();
/// let (users, items) = (Tensor::from_floats([[1.0, 2.0]], &device), Tensor::from_floats([[3.0, 6.0]], &device));
/// let moments = Moments::new(&[users, items], 1);
/// assert_eq!(moments.mean.clone().into_scalar::<f32>(), 3.0);
/// assert!((moments.variance.clone().into_scalar::<f32>() - 14.0 / 3.0).abs() < 1e-6);
/// // The same numbers, one higher: only the means differ, by 1.
/// let higher = Moments::new(&[Tensor::from_floats([[2.0, 3.0, 4.0, 7.0]], &device)], 1);
/// assert!((moments.distance(&higher).into_scalar::<f32>() - 1.0).abs() < 1e-5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Moments {
    /// `m = Σ x / n`, `[1]`.
    pub mean: Tensor<1>,
    /// `Σ (x − m)² / (n − 1)`, `[1]`.
    pub variance: Tensor<1>,
}

impl Moments {
    /// Computes the moments over all entries of several matrices, such as users and items. Each entry counts `times`
    /// times: use 2 for a representation that has the same columns twice.
    ///
    /// Sums are taken by rows first. Time O(entries).
    ///
    /// # Shapes
    /// - `parts`: `[n_k, d_k]` each
    ///
    /// # Panics
    /// When there are fewer than two entries, repetitions included.
    pub fn new(parts: &[Tensor<2>], times: usize) -> Self {
        let n = times * parts.iter().map(|part| part.dims().iter().product::<usize>()).sum::<usize>();
        assert!(n > 1, "moments: {n} entries, and a variance takes two");
        let mean = total(parts.iter().cloned()) * (times as f64 / n as f64);
        // The sum of squares is stationary in the mean, so the mean has no gradient here.
        let middle = mean.clone().detach().reshape([1, 1]);
        let squares = total(parts.iter().map(|part| (part.clone() - middle.clone()).square()));
        Self { mean, variance: squares * (times as f64 / (n - 1) as f64) }
    }

    /// MENTOR's distance `|σ² − σ'²| + |m − m'|`, `[1]` (arXiv 2402.19407), with gradients to both.
    pub fn distance(&self, other: &Self) -> Tensor<1> {
        (self.variance.clone() - other.variance.clone()).abs() + (self.mean.clone() - other.mean.clone()).abs()
    }
}

/// The sum of all entries, `[1]`.
fn total(parts: impl Iterator<Item = Tensor<2>>) -> Tensor<1> {
    let sums = parts.map(|part| part.sum_dim(1).sum());
    match sums.reduce(|a, b| a + b) {
        Some(total) => total,
        None => panic!("moments: no matrix"),
    }
}
