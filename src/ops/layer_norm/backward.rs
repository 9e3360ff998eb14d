//! The gradient node, which keeps the input and the gain.

use super::LayerNormBackend;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

#[derive(Debug, Clone)]
struct Norm<B: LayerNormBackend> {
    x: FloatTensor<B>,
    gain: FloatTensor<B>,
}

impl<B: LayerNormBackend> Kept<B, 3> for Norm<B> {
    fn gradients(self, dy: FloatTensor<B>, _: [bool; 3]) -> [Option<FloatTensor<B>>; 3] {
        let (dx, d_gain, d_shift) = B::norm_rows_grad(self.x, self.gain, dy);
        [dx, d_gain, d_shift].map(Some)
    }
}

impl<B: LayerNormBackend, C: CheckpointStrategy> LayerNormBackend for Autodiff<B, C> {
    fn norm_rows(x: FloatTensor<Self>, gain: FloatTensor<Self>, shift: FloatTensor<Self>) -> FloatTensor<Self> {
        let [(x, of_x), (gain, of_gain), (shift, of_shift)] = [x, gain, shift].map(|t| t.into_parts());
        let y = B::norm_rows(x.clone(), gain.clone(), shift);
        recorded::<B, C, _, 3>([of_x, of_gain, of_shift], y, Norm { x, gain })
    }

    fn norm_rows_grad(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        no_second_order("layer_norm")
    }
}
