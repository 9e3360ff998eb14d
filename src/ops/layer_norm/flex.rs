//! The CPU path, which reads each row once forward and twice backward.

use super::LayerNormBackend;
use super::rows::{norm, norm_grad};
use crate::ops::host::{dense, filled, filled_and_summed, floats};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

const ROWS: usize = 256;

impl LayerNormBackend for Flex {
    fn norm_rows(x: FloatTensor<Self>, gain: FloatTensor<Self>, shift: FloatTensor<Self>) -> FloatTensor<Self> {
        let [x, gain, shift] = [x, gain, shift].map(|t| dense(&t));
        let ([n, d], xs) = ([x.shape()[0], x.shape()[1]], floats(&x));
        let out = filled(n * d, ROWS * d, |block, out| {
            norm(&xs[block * ROWS * d..][..out.len()], 1.0, floats(&gain), floats(&shift), out);
        });
        Self::float_from_data(TensorData::new(out, [n, d]), &x.device())
    }

    fn norm_rows_grad(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gain, dy] = [x, gain, dy].map(|t| dense(&t));
        let ([n, d], xs, dys) = ([x.shape()[0], x.shape()[1]], floats(&x), floats(&dy));
        let (dx, mut d_gain) = filled_and_summed(n, d, 2 * d, |first, dx, sums| {
            let (d_gain, d_shift) = sums.split_at_mut(d);
            let (x, dy) = (&xs[first..][..dx.len()], &dys[first..][..dx.len()]);
            norm_grad(x, 1.0, floats(&gain), dy, 0.0, dx, d_gain, d_shift, &mut vec![0f32; 3 * d]);
        });
        let d_shift = d_gain.split_off(d);
        let of = |values, shape: &[usize]| Self::float_from_data(TensorData::new(values, shape), &x.device());
        (of(dx, &[n, d]), of(d_gain, &[d]), of(d_shift, &[d]))
    }
}
