//! The gradient node: products of its own kind, whatever the option says by then.

use super::{MatmulBackend, turned};
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct Product;

impl<B: MatmulBackend> Backward<B, 2> for Product {
    /// Each operand where the other wants a gradient.
    type State = [Option<FloatTensor<B>>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([to_a, to_b], [a, b]) = (ops.parents, ops.state);
        let dc = grads.consume::<B>(&ops.node);
        if let (Some(node), Some(b)) = (to_a, b) {
            grads.register::<B>(node.id, B::bf16_matmul(dc.clone(), turned::<B>(b)));
        }
        if let (Some(node), Some(a)) = (to_b, a) {
            grads.register::<B>(node.id, B::bf16_matmul(turned::<B>(a), dc));
        }
    }
}

impl<B: MatmulBackend, C: CheckpointStrategy> MatmulBackend for Autodiff<B, C> {
    fn bf16_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = Product.prepare::<C>([a.node(), b.node()]).compute_bound().stateful();
        let [of_a, of_b] = [a.is_tracked(), b.is_tracked()];
        let (a, b) = (a.into_primitive(), b.into_primitive());
        let out = B::bf16_matmul(a.clone(), b.clone());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish([of_b.then_some(a), of_a.then_some(b)], out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}
