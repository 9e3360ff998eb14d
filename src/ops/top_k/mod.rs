//! Masked top-k: the best unmasked entries of each row of a matrix of scores, for rankings.

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

/// Takes and returns constants, so it needs no gradient.
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

/// Returns the ids and scores of the `k` best unmasked entries of each row, best first, without a gradient.
///
/// `items[row_ptr[r]..row_ptr[r + 1]]` are masked in row `r`. Ties go to the lower id. If fewer than `k` entries are
/// left, the other ranks have id -1 and score `-∞`. A score that is NaN or infinite ranks before all others, so the
/// first rank tells whether a row has any.
///
/// The result depends on the values alone, not on GPU scheduling. On GPUs the scores may be overwritten if no one else
/// holds them.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::masked_top_k;
///
/// let device = Device::flex();
/// let scores = Tensor::from_floats([[0.1, 0.9, 0.5]], &device);
/// // Item 1 is masked in the only row.
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
