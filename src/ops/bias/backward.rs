//! The gradient node, which keeps only the output.

use super::BiasBackend;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

#[derive(Debug, Clone)]
struct Bias<B: BiasBackend> {
    y: FloatTensor<B>,
    slope: f32,
}

impl<B: BiasBackend> Kept<B, 2> for Bias<B> {
    fn gradients(self, dy: FloatTensor<B>, _: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let (dx, d_bias) = B::bias_rows_grad(self.y, dy, self.slope);
        [Some(dx), Some(d_bias)]
    }
}

impl<B: BiasBackend, C: CheckpointStrategy> BiasBackend for Autodiff<B, C> {
    fn bias_rows(x: FloatTensor<Self>, bias: FloatTensor<Self>, slope: f32) -> FloatTensor<Self> {
        let [(x, of_x), (bias, of_bias)] = [x, bias].map(|t| t.into_parts());
        let y = B::bias_rows(x, bias, slope);
        recorded::<B, C, _, 2>([of_x, of_bias], y.clone(), Bias { y, slope })
    }

    fn bias_rows_grad(_: FloatTensor<Self>, _: FloatTensor<Self>, _: f32) -> (FloatTensor<Self>, FloatTensor<Self>) {
        no_second_order("bias_leaky_relu")
    }
}
