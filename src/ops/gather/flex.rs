//! The CPU path, which copies rows and sums gradients in blocks of rows of the result.

use super::GatherBackend;
use crate::ops::host::{added, dense, filled, floats, ints, written};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

/// Rows of a copying task.
const ROWS: usize = 256;

impl GatherBackend for Flex {
    fn gather_rows(x: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        let (x, ids) = (dense(&x), dense(&ids));
        let (d, xs, ids) = (x.shape()[1], floats(&x), ints(&ids));
        let out = written(ids.len() * d, ROWS * d, |block, out| {
            for (out, &id) in out.chunks_exact_mut(d).zip(&ids[block * ROWS..]) {
                out.write_copy_of_slice(&xs[id as usize * d..][..d]);
            }
            // SAFETY: the block is made of whole rows, and there is an id for each.
            unsafe { out.assume_init_mut() }
        });
        Self::float_from_data(TensorData::new(out, [ids.len(), d]), &x.device())
    }

    fn gather_rows_grad(ids: IntTensor<Self>, g: FloatTensor<Self>, n_rows: usize) -> FloatTensor<Self> {
        let (g, ids) = (dense(&g), dense(&ids));
        let (d, gs, ids) = (g.shape()[1], floats(&g), ints(&ids));
        let out = added(n_rows, d, |first, out| {
            let held = first..first + out.len() / d;
            for (&id, g) in ids.iter().zip(gs.chunks_exact(d)) {
                if held.contains(&(id as usize)) {
                    let row = &mut out[(id as usize - first) * d..][..d];
                    row.iter_mut().zip(g).for_each(|(sum, g)| *sum += g);
                }
            }
        });
        Self::float_from_data(TensorData::new(out, [n_rows, d]), &g.device())
    }

    fn row_range(x: FloatTensor<Self>, first: usize, len: usize) -> FloatTensor<Self> {
        let x = dense(&x);
        let d = x.shape()[1];
        let rows = &floats(&x)[first * d..][..len * d];
        let out =
            written(len * d, ROWS * d, |block, out| out.write_copy_of_slice(&rows[block * ROWS * d..][..out.len()]));
        Self::float_from_data(TensorData::new(out, [len, d]), &x.device())
    }

    fn row_range_grad(g: FloatTensor<Self>, first: usize, n_rows: usize) -> FloatTensor<Self> {
        let g = dense(&g);
        let (d, gs) = (g.shape()[1], floats(&g));
        let held = first * d..first * d + gs.len();
        let out = filled(n_rows * d, ROWS * d, |block, out| {
            let here = block * ROWS * d..block * ROWS * d + out.len();
            let (from, to) = (here.start.max(held.start), here.end.min(held.end));
            if from < to {
                out[from - here.start..to - here.start].copy_from_slice(&gs[from - held.start..to - held.start]);
            }
        });
        Self::float_from_data(TensorData::new(out, [n_rows, d]), &g.device())
    }
}
