//! The CPU path, which reads and writes each value once.

use super::BiasBackend;
use crate::linalg::vectorised;
use crate::ops::host::{add_columns, dense, filled, filled_and_summed, floats};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

const ROWS: usize = 256;

vectorised! {
    fn forward(x: &[f32], bias: &[f32], slope: f32, out: &mut [f32]) {
        for (x, out) in x.chunks_exact(bias.len()).zip(out.chunks_exact_mut(bias.len())) {
            for ((o, x), b) in out.iter_mut().zip(x).zip(bias) {
                let z = x + b;
                *o = if z > 0.0 { z } else { slope * z };
            }
        }
    }
}

vectorised! {
    fn backward(y: &[f32], dy: &[f32], slope: f32, out: &mut [f32]) {
        for ((o, y), dy) in out.iter_mut().zip(y).zip(dy) {
            *o = if *y > 0.0 { *dy } else { slope * dy };
        }
    }
}

impl BiasBackend for Flex {
    fn bias_rows(x: FloatTensor<Self>, bias: FloatTensor<Self>, slope: f32) -> FloatTensor<Self> {
        let (x, bias) = (dense(&x), dense(&bias));
        let ([n, d], xs) = ([x.shape()[0], x.shape()[1]], floats(&x));
        let out = filled(n * d, ROWS * d, |block, out| {
            forward(&xs[block * ROWS * d..][..out.len()], floats(&bias), slope, out);
        });
        Self::float_from_data(TensorData::new(out, [n, d]), &x.device())
    }

    fn bias_rows_grad(
        y: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (y, dy) = (dense(&y), dense(&dy));
        let ([n, d], ys, dys) = ([y.shape()[0], y.shape()[1]], floats(&y), floats(&dy));
        let (dx, d_bias) = filled_and_summed(n, d, d, |first, dx, sums| {
            let scratch = &mut vec![0f32; d];
            let block = ROWS * d;
            for ((y, dy), dx) in ys[first..].chunks(block).zip(dys[first..].chunks(block)).zip(dx.chunks_mut(block)) {
                backward(y, dy, slope, dx);
                add_columns(dx, sums, scratch);
            }
        });
        let of = |values, shape: &[usize]| Self::float_from_data(TensorData::new(values, shape), &y.device());
        (of(dx, &[n, d]), of(d_bias, &[d]))
    }
}
