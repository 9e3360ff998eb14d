//! The gradient node: input and gain are kept.

use super::LayerNormBackend;
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct Norm;

impl<B: LayerNormBackend> Backward<B, 3> for Norm {
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x, gain] = ops.state;
        let dy = grads.consume::<B>(&ops.node);
        let (dx, d_gain, d_shift) = B::norm_rows_grad(x, gain, dy);
        for (node, gradient) in ops.parents.into_iter().zip([dx, d_gain, d_shift]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: LayerNormBackend, C: CheckpointStrategy> LayerNormBackend for Autodiff<B, C> {
    fn norm_rows(x: FloatTensor<Self>, gain: FloatTensor<Self>, shift: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = Norm.prepare::<C>([x.node(), gain.node(), shift.node()]).compute_bound().stateful();
        let [x, gain, shift] = [x, gain, shift].map(|t| t.into_primitive());
        let y = B::norm_rows(x.clone(), gain.clone(), shift);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish([x, gain], y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn norm_rows_grad(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        // The gradient of a gradient is not offered: the results are constants.
        let [x, gain, dy] = [x, gain, dy].map(|t| t.into_primitive());
        let (dx, d_gain, d_shift) = B::norm_rows_grad(x, gain, dy);
        (FloatTensor::<Self>::new(dx), FloatTensor::<Self>::new(d_gain), FloatTensor::<Self>::new(d_shift))
    }
}
