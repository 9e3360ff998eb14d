//! The CPU path, which reads and writes each row once.

use super::BlocksBackend;
use crate::linalg::{dot, vectorised};
use crate::ops::host::{dense, filled, floats};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

/// Rows of a task.
const ROWS: usize = 256;

vectorised! {
    fn weigh(x: &[f32], w: &[f32], d: usize, out: &mut [f32]) {
        for ((x, out), w) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)).zip(w) {
            for (o, x) in out.iter_mut().zip(x) {
                *o = x * w;
            }
        }
    }
}

vectorised! {
    fn products(a: &[f32], b: &[f32], d: usize, out: &mut [f32]) {
        for ((a, b), out) in a.chunks_exact(d).zip(b.chunks_exact(d)).zip(out) {
            *out = dot::<M>(a, b);
        }
    }
}

impl BlocksBackend for Flex {
    fn weigh_blocks(x: FloatTensor<Self>, w: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, w) = (dense(&x), dense(&w));
        let (shape, blocks) = ([x.shape()[0], x.shape()[1]], w.shape()[1]);
        let (xs, ws, d) = (floats(&x), floats(&w), shape[1] / blocks);
        let out = filled(xs.len(), ROWS * shape[1], |i, out| {
            weigh(&xs[i * ROWS * shape[1]..][..out.len()], &ws[i * ROWS * blocks..], d, out);
        });
        Self::float_from_data(TensorData::new(out, shape), &x.device())
    }

    fn block_products(a: FloatTensor<Self>, b: FloatTensor<Self>, blocks: usize) -> FloatTensor<Self> {
        let (a, b) = (dense(&a), dense(&b));
        let [n, width] = [a.shape()[0], a.shape()[1]];
        let (xs, ys, d) = (floats(&a), floats(&b), width / blocks);
        // Without columns the sums are 0, and `chunks_exact` must not be called.
        let out = filled(n * blocks, ROWS * blocks, |i, out| {
            if d > 0 {
                products(&xs[i * ROWS * width..], &ys[i * ROWS * width..], d, out);
            }
        });
        Self::float_from_data(TensorData::new(out, [n, blocks]), &a.device())
    }
}
