//! The CPU path: rounded copies, multiplied in f32. A product of two bf16 is an f32, so what tensor cores compute is this up to
//! the order of sums.

use super::{MatmulBackend, MatmulPrecision};
use crate::linalg::vectorised;
use crate::ops::host::{filled, floats};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use std::borrow::Cow;

/// Values that a worker copies at a time.
const CHUNK: usize = 1 << 14;

/// The nearest number with the upper sixteen bits of an f32 only; of two, the one whose last bit is 0.
#[inline(always)]
fn nearest(x: f32) -> f32 {
    let bits = x.to_bits();
    let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // What is no number would carry over into the sign.
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
    /// Rounds what is to be an operand where it lies.
    pub(crate) fn round(self, x: &mut [f32]) {
        match self {
            Self::F32 => (),
            Self::Bf16 => round(x),
        }
    }

    /// The operand that is `x` rounded: `x` itself, or what is put into `room`.
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

    /// The operand that is `x` rounded, as a whole tensor.
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

impl MatmulBackend for Flex {
    fn bf16_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let rounded = |x: FloatTensor<Self>| {
            let x = x.to_contiguous();
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
        // A step through all bit patterns that is no multiple of anything, and what lies around ties and at the ends.
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
