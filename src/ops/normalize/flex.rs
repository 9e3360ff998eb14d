//! The CPU path, which reads and writes each row once.

use super::{EPSILON, NormalizeBackend};
use crate::linalg::{at_least, dot, vectorised};
use crate::ops::host::{dense, filled, floats};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

const ROWS: usize = 256;

vectorised! {
    fn forward(x: &[f32], d: usize, out: &mut [f32]) {
        for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
            let inverse = 1.0 / at_least(EPSILON, dot::<M>(x, x)).sqrt();
            for (o, x) in out.iter_mut().zip(x) {
                *o = x * inverse;
            }
        }
    }
}

vectorised! {
    fn backward(x: &[f32], g: &[f32], d: usize, out: &mut [f32]) {
        for ((x, g), out) in x.chunks_exact(d).zip(g.chunks_exact(d)).zip(out.chunks_exact_mut(d)) {
            let square = dot::<M>(x, x);
            let inverse = 1.0 / at_least(EPSILON, square).sqrt();
            let along = if square < EPSILON { 0.0 } else { dot::<M>(x, g) * inverse * inverse };
            for ((o, x), g) in out.iter_mut().zip(x).zip(g) {
                *o = (g - along * x) * inverse;
            }
        }
    }
}

impl NormalizeBackend for Flex {
    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = dense(&x);
        let (shape, xs) = ([x.shape()[0], x.shape()[1]], floats(&x));
        let d = shape[1].max(1);
        let out = filled(xs.len(), ROWS * d, |i, out| forward(&xs[i * ROWS * d..][..out.len()], d, out));
        Self::float_from_data(TensorData::new(out, shape), &x.device())
    }

    fn normalize_grad(x: FloatTensor<Self>, g: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, g) = (dense(&x), dense(&g));
        let (shape, xs, gs) = ([x.shape()[0], x.shape()[1]], floats(&x), floats(&g));
        let d = shape[1].max(1);
        let out = filled(xs.len(), ROWS * d, |i, out| {
            let (x, g) = (&xs[i * ROWS * d..][..out.len()], &gs[i * ROWS * d..][..out.len()]);
            backward(x, g, d, out);
        });
        Self::float_from_data(TensorData::new(out, shape), &x.device())
    }
}
