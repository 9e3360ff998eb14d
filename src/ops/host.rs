//! What the CPU paths share: tensors as slices, buffers that are written once.

use burn::backend::Flex;
use burn::backend::tensor::{FloatTensor, IntTensor};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// The values of a contiguous tensor.
pub(crate) fn floats(tensor: &FloatTensor<Flex>) -> &[f32] {
    match tensor.as_slice() {
        Some(slice) => slice,
        None => panic!("operators on the CPU take contiguous f32, not {:?}", tensor.dtype()),
    }
}

/// The values of a contiguous index tensor.
pub(crate) fn ints(tensor: &IntTensor<Flex>) -> &[i32] {
    match tensor.as_slice() {
        Some(slice) => slice,
        None => panic!("operators on the CPU take contiguous i32 indices, not {:?}", tensor.dtype()),
    }
}

/// A vector of `n` values whose chunks of `chunk` values `write(index, chunk)` fills, each by one worker.
///
/// Each chunk is zeroed just before, by the worker that has it in cache: zeroing the whole would touch every page twice.
pub(crate) fn filled(n: usize, chunk: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out: Vec<f32> = Vec::with_capacity(n);
    if n > 0 {
        let room = &mut out.spare_capacity_mut()[..n];
        room.par_chunks_mut(chunk).enumerate().for_each(|(i, part)| {
            part.fill(MaybeUninit::new(0.0));
            // SAFETY: every value of the chunk was written on the line above.
            let part = unsafe { part.assume_init_mut() };
            write(i, part);
        });
    }
    // SAFETY: the chunks cover 0..n, and each was initialised.
    unsafe { out.set_len(n) };
    out
}
