//! Alignment of positives and uniformity on the sphere: contrastive learning without sampled negatives.

use crate::ops::{l2_normalize, log_sum_exp_products};
use burn::tensor::{Int, Tensor};

/// Up to this many rows, all pairs are held in memory. Beyond it there are enough pairs that subtracting each row's
/// pair with itself from the sum over all costs no accuracy.
const ROWS_OF_THE_DEFINITION: usize = 1024;

/// Alignment loss: `mean_i ‖x_i − y_i‖²` of L2-normalised rows.
///
/// It is twice the cosine loss `mean_i (1 − cos(x_i, y_i))` of BYOL and BM3.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::alignment;
///
/// let device = Device::flex();
/// let users = Tensor::from_floats([[1.0, 0.0], [0.0, 2.0]], &device);
/// let items = Tensor::from_floats([[3.0, 0.0], [4.0, 0.0]], &device);
/// // The first pair has the same direction, the second is orthogonal.
/// assert_eq!(alignment(users, items).into_scalar::<f32>(), 1.0);
/// # }
/// ```
///
/// # Shapes
/// - `x`, `y`: `[n, d]`; output: `[1]`
///
/// # Panics
/// When the shapes differ.
pub fn alignment(x: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
    let (of_x, of_y) = (x.dims(), y.dims());
    assert!(of_x == of_y, "alignment: x is {of_x:?} but y is {of_y:?}");
    (l2_normalize(x) - l2_normalize(y)).square().sum_dim(1).mean()
}

/// Uniformity loss: `ln mean_{i<j} exp(−2 ‖x_i − x_j‖²)` of L2-normalised rows, over all distinct pairs.
///
/// It falls as rows spread over the sphere, from 0 if all are alike. The `n × n` distances of many rows are never held
/// on the CPU: memory is O(n d), time that of one product of `2 n² d` operations forward and three backward.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::{alignment, uniformity};
///
/// let device = Device::flex();
/// let opposite = Tensor::<2>::from_floats([[1.0, 0.0], [-5.0, 0.0]], &device);
/// assert!((uniformity(opposite.clone()).into_scalar::<f32>() + 8.0).abs() < 1e-5);
/// // DirectAU's objective for users and their items.
/// let (users, items) = (opposite.clone(), opposite);
/// let spread = (uniformity(users.clone()) + uniformity(items.clone())) / 2.0;
/// let loss = alignment(users, items) + spread;
/// assert_eq!(loss.dims(), [1]);
/// # }
/// ```
///
/// # Shapes
/// - `x`: `[n, d]`; output: `[1]`
///
/// # Panics
/// When there are fewer than two rows.
pub fn uniformity(x: Tensor<2>) -> Tensor<1> {
    let [n, d] = x.dims();
    assert!(n > 1, "uniformity: x is [{n}, {d}], and it takes two rows to make a pair");
    if n <= ROWS_OF_THE_DEFINITION {
        return reference_uniformity(x);
    }
    // −2 ‖x − y‖² = 4 (x·y − ½ ‖x‖² − ½ ‖y‖²), an inner product of rows with two more columns. The norms are not taken
    // for 1: zero rows stay zero.
    let x = l2_normalize(x);
    let square = x.clone().square().sum_dim(1) * -0.5; // [n, 1]
    let one = square.ones_like();
    let a = Tensor::cat(vec![x.clone(), square.clone(), one.clone()], 1); // [n, d + 2]
    let b = Tensor::cat(vec![x, one, square], 1);
    let (rows, _) = log_sum_exp_products(a, b, 4.0);
    // A row's distance from itself is 0, and its exponential 1.
    ((rows.exp() - 1.0) / (n - 1) as f32).mean().log()
}

/// Reference implementation of [`uniformity`], with all pairs in memory.
#[doc(hidden)]
pub fn reference_uniformity(x: Tensor<2>) -> Tensor<1> {
    let [n, _] = x.dims();
    let x = l2_normalize(x);
    let square = x.clone().square().sum_dim(1); // [n, 1]
    let distances = square.clone() + square.transpose() - x.clone().matmul(x.transpose()) * 2.0; // [n, n], squared
    let all = Tensor::<1, Int>::arange(0..n as i64, &distances.device().inner());
    let own = all.clone().unsqueeze_dim::<2>(1).expand([n, n]).equal(all.unsqueeze_dim::<2>(0).expand([n, n]));
    let potentials = (distances * -2.0).exp().mask_fill(own, 0.0);
    (potentials.sum() / (n * (n - 1)) as f32).log()
}
