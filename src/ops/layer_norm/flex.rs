//! The CPU path: each row is read once forward, and twice backward.

use super::LayerNormBackend;
use super::rows::{norm, norm_grad};
use crate::ops::host::{dense, filled, filled_beside, floats};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

const ROWS: usize = 256;
/// Parts of the rows that sum the gradients of gain and shift by themselves: what the bits depend on, besides the sizes.
const PARTS: usize = 16;

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
        let part = n.div_ceil(PARTS).max(1) * d;
        let (dx, sums) = filled_beside(n * d, part, |i, dx| {
            let (mut d_gain, mut d_shift, mut scratch) = (vec![0f32; d], vec![0f32; d], vec![0f32; 3 * d]);
            let (x, dy) = (&xs[i * part..][..dx.len()], &dys[i * part..][..dx.len()]);
            norm_grad(x, 1.0, floats(&gain), dy, 0.0, dx, &mut d_gain, &mut d_shift, &mut scratch);
            [d_gain, d_shift]
        });
        let of = |values: Vec<f32>, shape: &[usize]| Self::float_from_data(TensorData::new(values, shape), &x.device());
        let summed = |which: usize| {
            let mut sum = vec![0f32; d];
            for part in &sums {
                sum.iter_mut().zip(&part[which]).for_each(|(sum, part)| *sum += part);
            }
            of(sum, &[d])
        };
        (of(dx, &[n, d]), summed(0), summed(1))
    }
}
