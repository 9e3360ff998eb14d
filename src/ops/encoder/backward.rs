//! The gradient node, which keeps the inputs and recomputes the layer.

use super::EncoderBackend;
use crate::ops::MatmulPrecision;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

#[derive(Debug, Clone)]
struct Layer<B: EncoderBackend> {
    inputs: [FloatTensor<B>; 3],
    scales: [f32; 2],
    precision: MatmulPrecision,
}

impl<B: EncoderBackend> Kept<B, 3> for Layer<B> {
    fn gradients(self, dy: FloatTensor<B>, _: [bool; 3]) -> [Option<FloatTensor<B>>; 3] {
        let Self { inputs: [x, kv, weights], scales: [x_scale, kv_scale], precision } = self;
        let (dx, d_kv, d_weights) = B::encoder_layer_grad(x, kv, weights, dy, x_scale, kv_scale, precision);
        [dx, d_kv, d_weights].map(Some)
    }
}

impl<B: EncoderBackend, C: CheckpointStrategy> EncoderBackend for Autodiff<B, C> {
    fn encoder_layer(
        x: FloatTensor<Self>,
        kv: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        x_scale: f32,
        kv_scale: f32,
        precision: MatmulPrecision,
    ) -> FloatTensor<Self> {
        let [(x, of_x), (kv, of_kv), (weights, of_weights)] = [x, kv, weights].map(|t| t.into_parts());
        let inputs = [x.clone(), kv.clone(), weights.clone()];
        let y = B::encoder_layer(x, kv, weights, x_scale, kv_scale, precision);
        recorded::<B, C, _, 3>([of_x, of_kv, of_weights], y, Layer { inputs, scales: [x_scale, kv_scale], precision })
    }

    fn encoder_layer_grad(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: f32,
        _: f32,
        _: MatmulPrecision,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        no_second_order("one_token_layer")
    }
}
