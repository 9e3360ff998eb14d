//! The CPU path: this crate's own product by blocks of rows and columns. For bf16, rounded copies are multiplied in
//! f32: a product of two bf16 is exact in f32, so tensor cores compute the same up to the order of sums.

use super::{MatmulBackend, MatmulPrecision};
use crate::linalg::{Right, View, vectorised};
use crate::ops::host::{dense, filled, floats};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use rayon::prelude::*;
use std::borrow::Cow;

/// Maximum number of rows of a block: whole panels of the AVX-512 kernel.
const ROWS: usize = 252;
/// Number of row blocks of a small product; each goes through the whole packed right operand.
const BLOCKS: usize = 8;
/// Columns that are packed together.
const COLUMNS: usize = 256;
/// Values that a worker copies at a time.
const CHUNK: usize = 1 << 14;

/// Rounds to the nearest bf16 value; ties to even.
#[inline(always)]
fn nearest(x: f32) -> f32 {
    let bits = x.to_bits();
    let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // Rounding up a NaN could carry over into the sign.
    let rounded = if bits & 0x7fff_ffff > 0x7f80_0000 { bits | 0x40_0000 } else { up };
    f32::from_bits(rounded & 0xffff_0000)
}

vectorised! {
    fn round(x: &mut [f32]) {
        for x in x.iter_mut() {
            *x = nearest(*x);
        }
    }
}

impl MatmulPrecision {
    /// Rounds an operand in place.
    pub(crate) fn round(self, x: &mut [f32]) {
        match self {
            Self::F32 => (),
            Self::Bf16 => round(x),
        }
    }

    /// Returns `x` rounded as an operand: `x` itself, or a rounded copy in `room`.
    pub(crate) fn operand_in<'a>(self, x: &'a [f32], room: &'a mut Vec<f32>) -> &'a [f32] {
        match self {
            Self::F32 => x,
            Self::Bf16 => {
                room.clear();
                room.extend_from_slice(x);
                round(room);
                room
            }
        }
    }

    /// Returns `x` rounded as an operand, on all threads.
    pub(crate) fn operand(self, x: &[f32]) -> Cow<'_, [f32]> {
        let copy = |i: usize, out: &mut [f32]| {
            out.copy_from_slice(&x[i * CHUNK..][..out.len()]);
            self.round(out);
        };
        match self {
            Self::F32 => Cow::Borrowed(x),
            Self::Bf16 => Cow::Owned(filled(x.len(), CHUNK, copy)),
        }
    }
}

/// A matrix operand, which may be stored transposed.
struct Operand {
    tensor: FloatTensor<Flex>,
    turned: bool,
}

impl Operand {
    fn new(tensor: FloatTensor<Flex>) -> Self {
        let turned = tensor.transpose(0, 1);
        match !tensor.is_contiguous() && turned.is_contiguous() {
            true => Self { tensor: turned, turned: true },
            false => Self { tensor: dense(&tensor), turned: false },
        }
    }

    fn view(&self) -> View<'_> {
        let view = View::new(floats(&self.tensor), [self.tensor.shape()[0], self.tensor.shape()[1]]);
        if self.turned { view.t() } else { view }
    }
}

impl MatmulBackend for Flex {
    fn f32_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((m, k), n, device) = ((a.shape()[0], a.shape()[1]), b.shape()[1], a.device());
        let (a, b) = (Operand::new(a), Operand::new(b));
        let firsts: Vec<usize> = (0..n).step_by(COLUMNS).collect();
        let pack = |first: usize| Right::new(b.view().part([0, first], [k, COLUMNS.min(n - first)]));
        let columns: Vec<Right> = firsts.into_par_iter().map(pack).collect();
        // Depends on sizes alone: not every product gives a row the same bits in every block.
        let rows = m.div_ceil(BLOCKS).clamp(1, ROWS);
        let out = filled(m * n, rows * n, |block, out| {
            let of_rows = a.view().part([block * rows, 0], [out.len() / n, k]);
            for (i, b) in columns.iter().enumerate() {
                b.multiply_strided(&mut out[i * COLUMNS..], n, of_rows, 1.0, false);
            }
        });
        Self::float_from_data(TensorData::new(out, [m, n]), &device)
    }

    fn bf16_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let rounded = |x: FloatTensor<Self>| {
            let x = dense(&x);
            let values = MatmulPrecision::Bf16.operand(floats(&x)).into_owned();
            Self::float_from_data(TensorData::new(values, x.shape().to_vec()), &x.device())
        };
        Self::float_matmul(rounded(a), rounded(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_crate_half() {
        // A stride through all bit patterns that is no multiple of anything, and values around ties and at the ends.
        let stepped = (0..u32::MAX).step_by(65_521 * 3 + 1);
        let ties = (0..=u16::MAX).flat_map(|high| [0x7fff, 0x8000, 0x8001].map(|low| u32::from(high) << 16 | low));
        let before: Vec<f32> = stepped.chain(ties).map(f32::from_bits).collect();
        let mut after = before.clone();
        MatmulPrecision::Bf16.round(&mut after);
        for (before, after) in before.iter().zip(&after) {
            let expected = half::bf16::from_f32(*before).to_f32();
            assert_eq!(after.to_bits(), expected.to_bits(), "{before} ({:#x})", before.to_bits());
        }
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        assert!(
            bits(&MatmulPrecision::Bf16.operand(&before)) == bits(&after),
            "a copy is rounded as what lies there is"
        );
        assert!(
            bits(MatmulPrecision::Bf16.operand_in(&before, &mut vec![1.0; 3])) == bits(&after),
            "and so is one into a room"
        );
        assert!(matches!(MatmulPrecision::F32.operand(&before), Cow::Borrowed(_)));
    }
}
