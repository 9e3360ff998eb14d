//! What of a vector another one does not explain (12).

use burn::tensor::{Tensor, assert_shape};

/// `v' = v - (vᵀr / (‖r‖² + ε)) r`, row by row (12).
///
/// The paper has ε = 0; the authors' code 1e-8, which keeps rows with `r = 0` finite: there `v' = v`.
///
/// # Shapes
/// - `v`, `r`, output: `[n, d]`
pub fn orthogonal_complement(v: Tensor<2>, r: Tensor<2>, epsilon: f32) -> Tensor<2> {
    let [n, d] = v.dims();
    assert_shape!(r, [n, d]);
    let dot = (v.clone() * r.clone()).sum_dim(1); // [n, 1]
    let norm = r.clone().square().sum_dim(1) + epsilon;
    v - dot / norm * r
}
