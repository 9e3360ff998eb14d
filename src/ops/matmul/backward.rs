//! The gradient node: products of its own kind, whatever the option says by then.

use super::{MatmulBackend, MatmulPrecision, product, turned};
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct Product(MatmulPrecision);

impl<B: MatmulBackend> Backward<B, 2> for Product {
    /// Each operand where the other wants a gradient.
    type State = [Option<FloatTensor<B>>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([to_a, to_b], [a, b]) = (ops.parents, ops.state);
        let dc = grads.consume::<B>(&ops.node);
        if let (Some(node), Some(b)) = (to_a, b) {
            grads.register::<B>(node.id, product::<B>(dc.clone(), turned::<B>(b), self.0));
        }
        if let (Some(node), Some(a)) = (to_b, a) {
            grads.register::<B>(node.id, product::<B>(turned::<B>(a), dc, self.0));
        }
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
    let prepared = Product(precision).prepare::<C>([a.node(), b.node()]).compute_bound().stateful();
    let [of_a, of_b] = [a.is_tracked(), b.is_tracked()];
    let (a, b) = (a.into_primitive(), b.into_primitive());
    let out = product::<B>(a.clone(), b.clone(), precision);
    match prepared {
        OpsKind::Tracked(prep) => prep.finish([of_b.then_some(a), of_a.then_some(b)], out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
