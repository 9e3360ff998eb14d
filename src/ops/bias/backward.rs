//! The gradient node: only the output is kept.

use super::BiasBackend;
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct Bias;

impl<B: BiasBackend> Backward<B, 2> for Bias {
    type State = (FloatTensor<B>, f32);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([of_x, of_bias], (y, slope)) = (ops.parents, ops.state);
        let (dx, d_bias) = B::bias_rows_grad(y, grads.consume::<B>(&ops.node), slope);
        if let Some(node) = of_x {
            grads.register::<B>(node.id, dx);
        }
        if let Some(node) = of_bias {
            grads.register::<B>(node.id, d_bias);
        }
    }
}

impl<B: BiasBackend, C: CheckpointStrategy> BiasBackend for Autodiff<B, C> {
    fn bias_rows(x: FloatTensor<Self>, bias: FloatTensor<Self>, slope: f32) -> FloatTensor<Self> {
        let prepared = Bias.prepare::<C>([x.node(), bias.node()]).compute_bound().stateful();
        let y = B::bias_rows(x.into_primitive(), bias.into_primitive(), slope);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((y.clone(), slope), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn bias_rows_grad(
        y: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        // The gradient of a gradient is not offered: the results are constants.
        let (dx, d_bias) = B::bias_rows_grad(y.into_primitive(), dy.into_primitive(), slope);
        (FloatTensor::<Self>::new(dx), FloatTensor::<Self>::new(d_bias))
    }
}
