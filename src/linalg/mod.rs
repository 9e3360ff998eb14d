//! CPU kernels shared by all layers of the crate: SIMD loops, matrix products of slices, and exact top-k search.

// Vector instructions chosen at run time and matrix products on slices need `unsafe`.
#![allow(unsafe_code)]

mod cholesky;
mod eigen;
#[cfg(target_arch = "x86_64")]
mod kernel;
mod largest;
mod matmul;
mod points;
mod scores;
mod simd;
mod top_k;

pub(crate) use cholesky::solve_positive_definite;
pub(crate) use eigen::symmetric_eigen;
use matmul::matmul_by_rows;
#[cfg(feature = "flex")]
pub(crate) use matmul::matmul_strided;
pub(crate) use matmul::{Left, Right, View, matmul};
pub(crate) use points::{forces, squared_distances};
pub(crate) use scores::{products_of_halves, to_halves, top_of_one};
pub(crate) use simd::dot;
pub(crate) use simd::{Baseline, Fused, MulAdd, vectorised};
#[cfg(feature = "flex")]
pub(crate) use simd::{at_least, at_most, dot3, exp, is_fused, sum};
pub(crate) use top_k::{TopK, top_products, top_scores};
