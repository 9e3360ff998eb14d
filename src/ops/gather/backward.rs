//! The gradient nodes, which keep the ids and the number of rows, but no values.

use super::GatherBackend;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, TensorMetadata};

#[derive(Debug, Clone)]
struct Gather<B: GatherBackend> {
    ids: IntTensor<B>,
    n_rows: usize,
}

impl<B: GatherBackend> Kept<B, 1> for Gather<B> {
    fn gradients(self, g: FloatTensor<B>, _: [bool; 1]) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::gather_rows_grad(self.ids, g, self.n_rows))]
    }
}

#[derive(Debug, Clone)]
struct Range {
    first: usize,
    n_rows: usize,
}

impl<B: GatherBackend> Kept<B, 1> for Range {
    fn gradients(self, g: FloatTensor<B>, _: [bool; 1]) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::row_range_grad(g, self.first, self.n_rows))]
    }
}

impl<B: GatherBackend, C: CheckpointStrategy> GatherBackend for Autodiff<B, C> {
    fn gather_rows(x: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        let n_rows = x.shape()[0];
        recorded::<B, C, _, 1>([of_x], B::gather_rows(x, ids.clone()), Gather { ids, n_rows })
    }

    fn row_range(x: FloatTensor<Self>, first: usize, len: usize) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        let n_rows = x.shape()[0];
        recorded::<B, C, _, 1>([of_x], B::row_range(x, first, len), Range { first, n_rows })
    }

    fn row_range_grad(_: FloatTensor<Self>, _: usize, _: usize) -> FloatTensor<Self> {
        no_second_order("row_range")
    }

    fn gather_rows_grad(_: IntTensor<Self>, _: FloatTensor<Self>, _: usize) -> FloatTensor<Self> {
        no_second_order("gather_rows")
    }
}
