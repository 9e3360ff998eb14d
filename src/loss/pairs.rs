//! Scores of pairs and squared norms of rows: the inputs of ranking losses and penalties.

use crate::ops::sddmm;
use burn::tensor::{Int, Tensor};

/// Computes the inner product of each row of `a` with the same row of `b`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::row_products;
///
/// let device = Device::flex();
/// let (a, b) = (Tensor::from_floats([[1.0, 2.0]], &device), Tensor::from_floats([[3.0, 4.0]], &device));
/// assert_eq!(row_products(a, b).into_scalar::<f32>(), 11.0);
/// # }
/// ```
///
/// # Shapes
/// - `a`, `b`: `[n, d]`; output: `[n]`
///
/// # Panics
/// When the shapes differ.
pub fn row_products(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    let (of_a, of_b) = (a.dims(), b.dims());
    assert!(of_a == of_b, "row_products: a is {of_a:?} but b is {of_b:?}");
    (a * b).sum_dim(1).squeeze_dim::<1>(1)
}

/// Scores a batch's [pairs](crate::model::Batch::pairs): users with their positives, and users with their negatives.
///
/// No row is copied; both matrices receive gradients.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::data::{StepKey, Triplets};
/// use viral::loss::{bpr, pair_scores};
/// use viral::model::Batch;
///
/// let device = Device::flex();
/// let users = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let items = Tensor::from_floats([[2.0, 0.0], [0.0, 3.0]], &device);
/// let triplets = Triplets::new(vec![0, 1], vec![0, 1], vec![1, 0]);
/// let batch = Batch::new(&triplets, StepKey::default(), &device);
/// let [positive, negative] = pair_scores(users, items, batch.pairs());
/// assert_eq!(positive.clone().into_data().iter::<f32>().collect::<Vec<_>>(), [2.0, 3.0]);
/// assert!(bpr(positive, negative).into_scalar::<f32>() < 0.1);
/// # }
/// ```
///
/// # Shapes
/// - `users`: `[n_users, d]`, `items`: `[n_items, d]`, the pairs: `[2 n]` each
/// - output: `[n]` each
///
/// # Panics
/// When the shapes do not agree; on the CPU where an id is out of range.
pub fn pair_scores(users: Tensor<2>, items: Tensor<2>, [u, i]: [Tensor<1, Int>; 2]) -> [Tensor<1>; 2] {
    halves(sddmm(users, u, items, i))
}

/// Splits a vector into its first and second half, such as the values of positives and of negatives.
///
/// # Shapes
/// - `x`: `[2 n]`; output: `[n]` each
///
/// # Panics
/// When the length is odd.
pub fn halves(x: Tensor<1>) -> [Tensor<1>; 2] {
    let [length] = x.dims();
    assert!(length.is_multiple_of(2), "halves: x is [{length}]");
    let n = length / 2;
    [x.clone().narrow(0, 0, n), x.narrow(0, n, n)]
}

/// Squared L2 norms of the given rows of several matrices, concatenated and then cut into `parts` of equal length.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::{embedding_norms, squared_lengths};
///
/// let device = Device::flex();
/// let x = Tensor::from_floats([[3.0, 4.0], [0.0, 1.0]], &device);
/// let squares = squared_lengths([(x, Tensor::from_ints([0, 1], &device))], 2);
/// assert_eq!(squares.clone().into_data().iter::<f32>().collect::<Vec<_>>(), [25.0, 1.0]);
/// assert_eq!(embedding_norms(squares).into_scalar::<f32>(), 6.0); // a norm for each part
/// # }
/// ```
///
/// # Shapes
/// - `rows`: `[n_k, d_k]` with ids `[m_k]`, for each matrix `k`; output: `[parts, Σ m_k / parts]`
///
/// # Panics
/// When the parts do not divide the number of rows; on the CPU where an id is out of range.
pub fn squared_lengths<const N: usize>(rows: [(Tensor<2>, Tensor<1, Int>); N], parts: usize) -> Tensor<2> {
    let squares = rows.map(|(x, ids)| sddmm(x.clone(), ids.clone(), x, ids));
    let squares = Tensor::cat(squares.to_vec(), 0);
    let [length] = squares.dims();
    assert!(parts > 0 && length.is_multiple_of(parts), "squared_lengths: {length} rows in {parts} parts");
    squares.reshape([parts, length / parts])
}
