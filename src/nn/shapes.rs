//! Shape checks of layer inputs, with panics that name the layer and both shapes.

use crate::ops::SparseMatrix;
use burn::tensor::Tensor;

/// Panics unless the rows of `x` have the layer's input width.
#[track_caller]
pub(super) fn expect_width<const D: usize>(layer: &str, input: &str, x: &Tensor<D>, width: usize) {
    let found = x.dims();
    assert!(found[D - 1] == width, "{layer}: {input} is {found:?} but the layer takes [.., {width}]");
}

/// Panics unless two inputs have the same shape.
#[track_caller]
pub(super) fn expect_same<const D: usize>(layer: &str, names: [&str; 2], a: &Tensor<D>, b: &Tensor<D>) {
    let ([first, second], of_a, of_b) = (names, a.dims(), b.dims());
    assert!(of_a == of_b, "{layer}: {first} is {of_a:?} but {second} is {of_b:?}");
}

/// Panics unless the graph is square with one node for each row of `x`.
#[track_caller]
pub(super) fn expect_nodes(layer: &str, graph: &SparseMatrix, x: &Tensor<2>) {
    let (of_graph, found) = (graph.dims(), x.dims());
    assert!(of_graph == [found[0]; 2], "{layer}: the graph is {of_graph:?} but x is {found:?}");
}
