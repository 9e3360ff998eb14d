//! The gradient node: only the scores are kept.

use super::SoftplusBackend;
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct SoftplusRows;

impl<B: SoftplusBackend> Backward<B, 2> for SoftplusRows {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [to_p, to_n] = ops.parents;
        let (p, n) = ops.state;
        let g = grads.consume::<B>(&ops.node);
        let (dp, dn) = B::softplus_rows_grad(p, n, g);
        if let Some(node) = to_p {
            grads.register::<B>(node.id, dp);
        }
        if let Some(node) = to_n {
            grads.register::<B>(node.id, dn);
        }
    }
}

impl<B: SoftplusBackend, C: CheckpointStrategy> SoftplusBackend for Autodiff<B, C> {
    fn softplus_rows(p: FloatTensor<Self>, n: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = SoftplusRows.prepare::<C>([p.node(), n.node()]).compute_bound().stateful();
        let (p, n) = (p.into_primitive(), n.into_primitive());
        let out = B::softplus_rows(p.clone(), n.clone());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((p, n), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn softplus_rows_grad(
        p: FloatTensor<Self>,
        n: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        // The gradient of a gradient is not offered: the results are constants.
        let (dp, dn) = B::softplus_rows_grad(p.into_primitive(), n.into_primitive(), g.into_primitive());
        (FloatTensor::<Self>::new(dp), FloatTensor::<Self>::new(dn))
    }
}
