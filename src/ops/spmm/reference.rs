//! Reference implementations: gather, scale, scatter-add. They run on every backend and hold nnz × d temporaries.

use crate::ops::SparseMatrix;
use burn::tensor::{IndexingUpdateOp, Int, Tensor};

/// Reference implementation of [`spmm`](super::spmm), by gather and scatter-add.
#[doc(hidden)]
pub fn reference_spmm(a: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
    let values = Tensor::from_data(a.values().into_data(), &x.device());
    reference_spmm_values(a, values, x)
}

/// Reference implementation of [`spmm_values`](super::spmm_values), by gather and scatter-add.
#[doc(hidden)]
pub fn reference_spmm_values(a: &SparseMatrix, values: Tensor<1>, x: Tensor<2>) -> Tensor<2> {
    let ([n_rows, _], [_, d], device) = (a.dims(), x.dims(), x.device());
    let (row, col) = (a.edges().row_idx.clone(), a.a.col_idx.clone());
    let messages = x.select(0, col) * values.unsqueeze_dim::<2>(1); // [nnz, d]
    Tensor::zeros([n_rows, d], &device).select_assign(0, row, messages, IndexingUpdateOp::Add)
}

/// Reference implementation of [`spmm_polynomial`](super::spmm_polynomial), term by term.
#[doc(hidden)]
pub fn reference_spmm_polynomial(a: &SparseMatrix, x: Tensor<2>, coefficients: &[f32]) -> Tensor<2> {
    let mut power = x.clone();
    let mut sum = x * coefficients[0];
    for &c in &coefficients[1..] {
        power = reference_spmm(a, power);
        sum = sum + power.clone() * c;
    }
    sum
}

/// Reference implementation of [`sddmm`](super::sddmm), by gathers.
#[doc(hidden)]
pub fn reference_sddmm(x: Tensor<2>, rows: Tensor<1, Int>, y: Tensor<2>, cols: Tensor<1, Int>) -> Tensor<1> {
    (x.select(0, rows) * y.select(0, cols)).sum_dim(1).squeeze_dim::<1>(1)
}
