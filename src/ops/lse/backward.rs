//! The gradient node, which keeps operands and output, but not the matrix.

use super::LogSumExpBackend;
use crate::ops::MatmulPrecision;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

#[derive(Debug, Clone)]
struct LseProducts<B: LogSumExpBackend> {
    a: FloatTensor<B>,
    b: FloatTensor<B>,
    lse: FloatTensor<B>,
    scale: f32,
    precision: MatmulPrecision,
    columns: bool,
}

impl<B: LogSumExpBackend> Kept<B, 2> for LseProducts<B> {
    fn gradients(self, d_lse: FloatTensor<B>, _: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let Self { a, b, lse, scale, precision, columns } = self;
        let (da, db) = B::lse_products_grad(a, b, lse, d_lse, scale, precision, columns);
        [Some(da), Some(db)]
    }
}

impl<B: LogSumExpBackend, C: CheckpointStrategy> LogSumExpBackend for Autodiff<B, C> {
    fn lse_products(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f32,
        precision: MatmulPrecision,
        columns: bool,
    ) -> FloatTensor<Self> {
        let [(a, of_a), (b, of_b)] = [a, b].map(|t| t.into_parts());
        let lse = B::lse_products(a.clone(), b.clone(), scale, precision, columns);
        let kept = LseProducts { a, b, lse: lse.clone(), scale, precision, columns };
        recorded::<B, C, _, 2>([of_a, of_b], lse, kept)
    }

    fn lse_products_grad(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: f32,
        _: MatmulPrecision,
        _: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        no_second_order("log_sum_exp_products")
    }
}
