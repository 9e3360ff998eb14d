//! Host buffers that are written once, in parallel.

use rayon::prelude::*;

/// A vector of `n` values whose chunks of `chunk` values `write(index, chunk)` fills, each by one worker.
///
/// Zeroing first would touch every page twice; `write` must not read what it was not the one to write.
pub(crate) fn filled(n: usize, chunk: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out: Vec<f32> = Vec::with_capacity(n);
    if n > 0 {
        // SAFETY: the capacity is n, every bit pattern is an f32, and every chunk is handed to `write` exactly once.
        let room = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr(), n) };
        room.par_chunks_mut(chunk).enumerate().for_each(|(i, part)| write(i, part));
    }
    // SAFETY: as above.
    unsafe { out.set_len(n) };
    out
}
