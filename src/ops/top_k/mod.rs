//! The best unmasked entries of each row: what a ranking needs of a matrix of scores.

#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::reference_masked_top_k;

#[cfg(feature = "fusion")]
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Int, Tensor};

/// Ids and scores are `[rows, k]`.
#[cfg(feature = "fusion")]
fn best(scores: &TensorSpec, row_ptr: &TensorSpec, _: &TensorSpec, k: &usize) -> (TensorSpec, TensorSpec) {
    let of = |dtype| TensorSpec::new([scores.shape[0], *k].into(), dtype);
    (of(row_ptr.dtype), of(scores.dtype))
}

/// Constants in, constants out: there is nothing here for a gradient.
#[doc(hidden)]
#[backend_extension(Flex: cfg(feature = "flex"), Cube: cfg(feature = "cube"), Fusion: cfg(feature = "fusion"))]
#[doc(hidden)]
pub trait TopKBackend: Backend {
    /// Ids and scores of [`masked_top_k`].
    #[fusion(meta = best)]
    fn csr_masked_top_k(
        scores: FloatTensor<Self>,
        row_ptr: IntTensor<Self>,
        items: IntTensor<Self>,
        k: usize,
    ) -> (IntTensor<Self>, FloatTensor<Self>);
}

fn check_operands(scores: &Tensor<2>, row_ptr: &Tensor<1, Int>) {
    let ([rows, n_items], [n]) = (scores.dims(), row_ptr.dims());
    assert_eq!(rows + 1, n, "masked_top_k: scores are [{rows}, {n_items}] but row_ptr is [{n}]");
}

/// The ids and scores of the `k` best entries of each row that are not masked, best first, without a gradient.
///
/// Row `r` must not have `items[row_ptr[r]..row_ptr[r + 1]]`. Equal scores rank the lower id first. Where fewer than `k` are
/// left, the rest has id -1 and score `-∞`. A score that is NaN or infinite ranks before all others: one look at the first
/// rank tells whether a row has any.
///
/// The result depends on the values alone, not on how a GPU schedules its work. On GPUs the scores may be overwritten where
/// no one else holds them.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::masked_top_k;
///
/// let device = Device::flex();
/// let scores = Tensor::from_floats([[0.1, 0.9, 0.5]], &device);
/// // The only row must not have item 1.
/// let (row_ptr, items) = (Tensor::from_ints([0, 1], &device), Tensor::from_ints([1], &device));
/// let (ids, _) = masked_top_k(scores, row_ptr, items, 3);
/// assert_eq!(ids.into_data().iter::<i32>().collect::<Vec<_>>(), [2, 0, -1]);
/// # }
/// ```
///
/// # Shapes
/// - `scores`: `[rows, n_items]`
/// - `row_ptr`: `[rows + 1]`, `items`: `[row_ptr[rows]]`, 32-bit
/// - outputs: `[rows, k]`
///
/// # Panics
/// When the shapes do not agree.
pub fn masked_top_k(
    scores: Tensor<2>,
    row_ptr: Tensor<1, Int>,
    items: Tensor<1, Int>,
    k: usize,
) -> (Tensor<2, Int>, Tensor<2>) {
    check_operands(&scores, &row_ptr);
    let (ids, scores) = <Dispatch as TopKBackend>::csr_masked_top_k(
        scores.inner().cast(DType::F32).into_dispatch(),
        row_ptr.inner().cast(DType::I32).into_dispatch(),
        items.inner().cast(DType::I32).into_dispatch(),
        k,
    );
    (Tensor::from_dispatch(ids), Tensor::from_dispatch(scores))
}
