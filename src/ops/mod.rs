//! Sparse, dense and streaming operators with hand-written gradients: the only layer of the crate that knows backends.
//!
//! Each operator has a plain reference implementation that reads like its equation. The fast paths beside it are tested
//! against the reference, in outputs and in every gradient.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{Device, Tensor};
//! use viral::ops::{SparseMatrix, sddmm, spmm};
//!
//! let device = Device::flex().autodiff();
//! let graph = SparseMatrix::from_edges(2, 3, &[(0, 0, 1.0), (0, 2, 0.5), (1, 1, 2.0)], &device);
//! let x = Tensor::from_floats([[1.0], [2.0], [4.0]], &device).require_grad();
//! let y = spmm(&graph, x.clone()); // [2, 1]
//! assert_eq!(y.to_data().iter::<f32>().collect::<Vec<_>>(), [3.0, 4.0]);
//! // One product per edge, of the receiving and the sending node.
//! let scores = sddmm(y, graph.rows(), x.clone(), graph.cols());
//! assert_eq!(scores.to_data().iter::<f32>().collect::<Vec<_>>(), [3.0, 12.0, 8.0]);
//! assert!(x.grad(&scores.sum().backward()).is_some());
//! # }
//! ```

// Run-time SIMD dispatch, matrix products on slices, and buffers that are written only once need `unsafe`.
#![allow(unsafe_code)]

mod bias;
mod blocks;
#[cfg(feature = "cube")]
mod cube;
mod edges;
mod encoder;
mod gather;
mod gelu;
#[cfg(feature = "flex")]
mod host;
mod knn_pattern;
mod layer_norm;
mod lse;
mod matmul;
mod node;
mod normalize;
mod orthogonal;
mod random;
#[cfg(feature = "flex")]
mod seed;
mod softplus;
mod sparse;
mod spmm;
mod top_k;

pub use bias::{BiasBackend, bias_leaky_relu, reference_bias_leaky_relu};
pub use blocks::{BlocksBackend, block_products, reference_block_products, reference_weigh_blocks, weigh_blocks};
pub use edges::{
    EdgeBackend, degree_factors, edge_products, edge_softmax, expand_columns, expand_rows, normalize_bipartite_values,
    normalize_row_values, normalize_symmetric_values, reference_edge_softmax, reference_segment_sum,
    reference_segment_sum_columns, scale_values, segment_sum, segment_sum_columns,
};
pub use encoder::{EncoderBackend, one_token_layer};
pub use gather::{GatherBackend, gather_rows, row_range};
pub use gelu::{bias_gelu, reference_bias_gelu};
pub use knn_pattern::knn_pattern;
pub use layer_norm::{LayerNormBackend, layer_norm, reference_layer_norm};
pub use lse::{LogSumExpBackend, log_sum_exp_products, log_sum_exp_rows, reference_log_sum_exp_products};
pub use matmul::{MatmulBackend, MatmulPrecision, matmul, matmul_precision, with_matmul_precision};
pub use normalize::{NormalizeBackend, l2_normalize, reference_l2_normalize};
pub use orthogonal::{OrthogonalBackend, orthogonal_complement, reference_orthogonal_complement};
pub use random::{dropout, keep_mask, normal, uniform};
#[doc(hidden)]
pub use random::{reference_dropout, reference_keep_mask, reference_normal, reference_uniform, uniform_from};
#[cfg(feature = "flex")]
#[doc(hidden)]
pub use seed::SeedBackend;
pub use softplus::{SoftplusBackend, reference_softplus_margins, softplus_margins};
pub use sparse::SparseMatrix;
pub use spmm::{
    SpmmBackend, reference_sddmm, reference_spmm, reference_spmm_polynomial, reference_spmm_values, sddmm, spmm,
    spmm_polynomial, spmm_polynomial_rows, spmm_values,
};
pub use top_k::{TopKBackend, masked_top_k, reference_masked_top_k};

#[cfg(feature = "flex")]
pub(crate) use host::{changed, read_floats};
#[cfg(feature = "flex")]
pub(crate) use seed::with_gradient;
pub(crate) use sparse::indices;
#[cfg(feature = "flex")]
pub(crate) use spmm::{HostRows, cut_columns, put_columns};

use burn::tensor::Device;

/// Returns whether tensors of this device live in host memory, where reading them costs nothing.
pub(crate) fn lives_in_host_memory(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return device.clone().inner() == Device::flex();
    #[cfg(not(feature = "flex"))]
    {
        let _ = device;
        false
    }
}

/// Panics: without the CPU backend, no tensor lives in host memory.
#[cfg(not(feature = "flex"))]
pub(crate) fn changed<const D: usize>(
    x: burn::tensor::Tensor<D>,
    _: burn::tensor::Tensor<D>,
    _: impl FnOnce(&mut [f32], &[f32]),
) -> burn::tensor::Tensor<D> {
    panic!("values in host memory are wanted, and there is no backend for them: {:?}", x.device())
}
