//! The gradient node: its products have the precision of the forward one, whatever is set by then.

use super::{MatmulBackend, MatmulPrecision, product, turned};
use crate::ops::node::{Kept, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

/// Keeps each operand only if the other wants a gradient.
#[derive(Debug, Clone)]
struct Product<B: MatmulBackend> {
    a: Option<FloatTensor<B>>,
    b: Option<FloatTensor<B>>,
    precision: MatmulPrecision,
}

impl<B: MatmulBackend> Kept<B, 2> for Product<B> {
    fn gradients(self, dc: FloatTensor<B>, _: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let Self { a, b, precision } = self;
        let da = b.map(|b| product::<B>(dc.clone(), turned::<B>(b), precision));
        [da, a.map(|a| product::<B>(turned::<B>(a), dc, precision))]
    }
}

impl<B: MatmulBackend, C: CheckpointStrategy> MatmulBackend for Autodiff<B, C> {
    fn f32_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        tracked::<B, C>(a, b, MatmulPrecision::F32)
    }

    fn bf16_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        tracked::<B, C>(a, b, MatmulPrecision::Bf16)
    }
}

fn tracked<B: MatmulBackend, C: CheckpointStrategy>(
    a: FloatTensor<Autodiff<B, C>>,
    b: FloatTensor<Autodiff<B, C>>,
    precision: MatmulPrecision,
) -> FloatTensor<Autodiff<B, C>> {
    let wanted = [a.is_tracked(), b.is_tracked()];
    let [(a, of_a), (b, of_b)] = [a, b].map(|t| t.into_parts());
    let out = product::<B>(a.clone(), b.clone(), precision);
    let kept = Product { a: wanted[1].then_some(a), b: wanted[0].then_some(b), precision };
    recorded::<B, C, _, 2>([of_a, of_b], out, kept)
}
