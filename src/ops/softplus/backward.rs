//! The gradient node, which keeps only the scores.

use super::SoftplusBackend;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

#[derive(Debug, Clone)]
struct SoftplusRows<B: SoftplusBackend> {
    p: FloatTensor<B>,
    n: FloatTensor<B>,
}

impl<B: SoftplusBackend> Kept<B, 2> for SoftplusRows<B> {
    fn gradients(self, g: FloatTensor<B>, _: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let (dp, dn) = B::softplus_rows_grad(self.p, self.n, g);
        [Some(dp), Some(dn)]
    }
}

impl<B: SoftplusBackend, C: CheckpointStrategy> SoftplusBackend for Autodiff<B, C> {
    fn softplus_rows(p: FloatTensor<Self>, n: FloatTensor<Self>) -> FloatTensor<Self> {
        let [(p, of_p), (n, of_n)] = [p, n].map(|t| t.into_parts());
        let out = B::softplus_rows(p.clone(), n.clone());
        recorded::<B, C, _, 2>([of_p, of_n], out, SoftplusRows { p, n })
    }

    fn softplus_rows_grad(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        no_second_order("softplus_margins")
    }
}
