//! The gradient node: the inputs are kept, the layer is computed again.

use super::EncoderBackend;
use crate::ops::MatmulPrecision;
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct Layer;

impl<B: EncoderBackend> Backward<B, 3> for Layer {
    type State = ([FloatTensor<B>; 3], [f32; 2], MatmulPrecision);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([x, kv, weights], [x_scale, kv_scale], precision) = ops.state;
        let dy = grads.consume::<B>(&ops.node);
        let (dx, d_kv, d_weights) = B::encoder_layer_grad(x, kv, weights, dy, x_scale, kv_scale, precision);
        for (node, gradient) in ops.parents.into_iter().zip([dx, d_kv, d_weights]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
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
        let prepared = Layer.prepare::<C>([x.node(), kv.node(), weights.node()]).compute_bound().stateful();
        let inputs = [x, kv, weights].map(|t| t.into_primitive());
        let [x, kv, weights] = inputs.clone();
        let y = B::encoder_layer(x, kv, weights, x_scale, kv_scale, precision);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((inputs, [x_scale, kv_scale], precision), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn encoder_layer_grad(
        x: FloatTensor<Self>,
        kv: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        x_scale: f32,
        kv_scale: f32,
        precision: MatmulPrecision,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        // The gradient of a gradient is not offered: the results are constants.
        let [x, kv, weights, dy] = [x, kv, weights, dy].map(|t| t.into_primitive());
        let (dx, d_kv, d_weights) = B::encoder_layer_grad(x, kv, weights, dy, x_scale, kv_scale, precision);
        (FloatTensor::<Self>::new(dx), FloatTensor::<Self>::new(d_kv), FloatTensor::<Self>::new(d_weights))
    }
}
