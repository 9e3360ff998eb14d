//! Nodes of the autodiff graph: common code of all operators with a hand-written gradient.

use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, NodeGuard, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};
use std::fmt::Debug;
use std::marker::PhantomData;

/// State that an operator with `N` inputs keeps for its gradients.
pub(super) trait Kept<B: Backend, const N: usize>: Clone + Send + Debug + 'static {
    /// Returns the gradient of each input, given that of the output. Gradients that are not `wanted` may be left out.
    fn gradients(self, dy: FloatTensor<B>, wanted: [bool; N]) -> [Option<FloatTensor<B>>; N];
}

struct Node<S>(PhantomData<fn(S)>);

impl<S> Debug for Node<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::any::type_name::<S>())
    }
}

impl<B: Backend, S: Kept<B, N>, const N: usize> Backward<B, N> for Node<S> {
    type State = S;

    fn backward(self, ops: Ops<S, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        for (node, gradient) in ops.parents.into_iter().zip(ops.state.gradients(dy, wanted)) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Adds the output of an operator to the graph as a node after its inputs; drops `kept` if none of them has a gradient.
pub(super) fn recorded<B: Backend, C: CheckpointStrategy, S: Kept<B, N>, const N: usize>(
    inputs: [NodeGuard; N],
    output: FloatTensor<B>,
    kept: S,
) -> FloatTensor<Autodiff<B, C>> {
    match Node::<S>(PhantomData).prepare::<C>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(kept, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// Panics: gradients of gradients are not supported.
pub(super) fn no_second_order(operator: &str) -> ! {
    panic!("{operator} has first derivatives alone: its gradient cannot be differentiated again")
}
