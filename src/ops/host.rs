//! Helpers shared by the CPU paths: tensors as slices, and buffers filled in parallel.

use crate::linalg::vectorised;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{BackendTensor, DispatchTensorKind, Flex};
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::OnceLock;

/// Returns the tensor with a contiguous layout; copies only if it is not contiguous. A range of rows is.
pub(crate) fn dense(tensor: &FloatTensor<Flex>) -> FloatTensor<Flex> {
    if tensor.is_contiguous() { tensor.clone() } else { tensor.to_contiguous() }
}

/// Returns the values of a contiguous tensor.
pub(crate) fn floats(tensor: &FloatTensor<Flex>) -> &[f32] {
    match tensor.as_slice() {
        Some(slice) => slice,
        None => panic!("operators on the CPU take contiguous f32, not {:?}", tensor.dtype()),
    }
}

/// Returns the values of a contiguous index tensor.
pub(crate) fn ints(tensor: &IntTensor<Flex>) -> &[i32] {
    match tensor.as_slice() {
        Some(slice) => slice,
        None => panic!("operators on the CPU take contiguous i32 indices, not {:?}", tensor.dtype()),
    }
}

/// Modifies the values of a tensor on the CPU in place, given those of a second one. Copies them first if another
/// tensor shares them.
pub(crate) fn changed<const D: usize>(
    x: Tensor<D>,
    beside: Tensor<D>,
    change: impl FnOnce(&mut [f32], &[f32]),
) -> Tensor<D> {
    let (mut x, beside) = (x.into_dispatch(), beside.into_dispatch());
    match (&mut x.kind, beside.kind) {
        (DispatchTensorKind::Flex(BackendTensor::Float(x)), DispatchTensorKind::Flex(BackendTensor::Float(beside))) => {
            // Contiguous, and without the old handle: a buffer that is uniquely owned is modified in place.
            *x = x.to_contiguous();
            change(x.storage_mut(), floats(&dense(&beside)));
        }
        (x, beside) => panic!("values in host memory are wanted, not {x:?} and {beside:?}"),
    }
    Tensor::from_dispatch(x)
}

/// Passes the row-major values of a tensor on the CPU to `look`; copies only if the layout is not contiguous.
pub(crate) fn read_floats<const D: usize, T>(x: &Tensor<D>, look: impl FnOnce(&[f32]) -> T) -> T {
    match x.clone().into_dispatch().kind {
        DispatchTensorKind::Flex(BackendTensor::Float(x)) => look(floats(&dense(&x))),
        other => panic!("values in host memory are wanted, not {other:?}"),
    }
}

/// Memory budget of all groups' own results, in bytes.
const GROUP_BYTES: usize = 48 << 20;

/// Splits a sequence of blocks into groups. Each group accumulates into a result of its own, of `bytes_each` bytes.
/// Groups depend on sizes alone, not on threads, and so do the bits of the sum over groups. They are nearly equal in
/// size: half of the groups is half of the work.
pub(crate) fn groups(n_blocks: usize, bytes_each: usize) -> Vec<Range<usize>> {
    let n = (GROUP_BYTES / bytes_each.max(1)).clamp(2, 16).min(n_blocks);
    (0..n).map(|g| g * n_blocks / n..(g + 1) * n_blocks / n).collect()
}

/// Number of parts of a matrix that gradients are added to.
const PARTS: usize = 16;

/// Returns `[n_rows, d]`, zeroed and then filled in [`PARTS`] parts by `add(first row, part)`. The worker of a part
/// scans everything that is to be added for its rows, so the order of a row's sum does not depend on the threads.
pub(crate) fn added(n_rows: usize, d: usize, add: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let rows = n_rows.div_ceil(PARTS).max(1);
    filled(n_rows * d, rows * d, |part, out| add(part * rows, out))
}

/// Rows that are summed first: gradients of gains and biases nearly cancel, and long sums would lose them.
pub(crate) const FEW: usize = 32;

/// Returns `[n_rows, d]`, filled in [`PARTS`] parts by `write(first value, part, sums)`, and the totals of `n_sums`
/// sums that start at zero in each part: gradients of rows, and of parameters that the rows share.
pub(crate) fn filled_and_summed(
    n_rows: usize,
    d: usize,
    n_sums: usize,
    write: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let rows = n_rows.div_ceil(PARTS).max(1);
    let sums: Vec<OnceLock<Vec<f32>>> = (0..PARTS).map(|_| OnceLock::new()).collect();
    let out = filled(n_rows * d, rows * d, |part, out| {
        let mut sum = vec![0f32; n_sums];
        write(part * rows * d, out, &mut sum);
        sums[part].get_or_init(|| sum);
    });
    let sums: Vec<Vec<f32>> = sums.into_iter().filter_map(OnceLock::into_inner).collect();
    (out, summed(&sums, n_sums))
}

vectorised! {
    /// `sum += part`, up to the shorter length.
    pub(crate) fn add_to(sum: &mut [f32], part: &[f32]) {
        for (s, p) in sum.iter_mut().zip(part) {
            *s += p;
        }
    }
}

/// Adds up vectors of `n` values, in their order.
pub(crate) fn summed(parts: &[Vec<f32>], n: usize) -> Vec<f32> {
    const CHUNK: usize = 1 << 14;
    filled(n, CHUNK, |i, sum| parts.iter().for_each(|part| add_to(sum, &part[i * CHUNK..])))
}

vectorised! {
    /// Adds the sum of each column of `x` to `sums`; `scratch` has room for one row.
    pub(crate) fn add_columns(x: &[f32], sums: &mut [f32], scratch: &mut [f32]) {
        let part = &mut scratch[..sums.len()];
        for x in x.chunks(FEW * part.len()) {
            part.fill(0.0);
            for x in x.chunks_exact(part.len()) {
                part.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
            }
            sums.iter_mut().zip(part.iter()).for_each(|(sum, part)| *sum += part);
        }
    }
}

/// Returns `n` zeros, written by all threads.
pub(crate) fn zeros(n: usize) -> Vec<f32> {
    const CHUNK: usize = 1 << 16;
    filled(n, CHUNK, |_, _| ())
}

/// Returns `n` values, filled in chunks of `chunk` values by `write(index, chunk)`, each chunk by one worker.
pub(crate) fn filled(n: usize, chunk: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    filled_with(n, chunk, || (), |(), i, part| write(i, part))
}

/// [`filled`] with a state for each worker, made by `own`.
///
/// A worker zeroes each chunk just before it fills it, in cache: zeroing the whole first would touch every page twice.
pub(crate) fn filled_with<T>(
    n: usize,
    chunk: usize,
    own: impl Fn() -> T + Sync + Send,
    write: impl Fn(&mut T, usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    written_with(n, chunk, own, |own, i, part| {
        part.fill(MaybeUninit::new(0.0));
        // SAFETY: every value of the chunk was written on the line above.
        let part = unsafe { part.assume_init_mut() };
        write(own, i, part);
        part
    })
}

/// [`filled`] without zeroing: `write` returns the chunk once every value of it is initialised.
pub(crate) fn written(
    n: usize,
    chunk: usize,
    write: impl for<'a> Fn(usize, &'a mut [MaybeUninit<f32>]) -> &'a mut [f32] + Sync,
) -> Vec<f32> {
    written_with(n, chunk, || (), |(), i, part| write(i, part))
}

fn written_with<T>(
    n: usize,
    chunk: usize,
    own: impl Fn() -> T + Sync + Send,
    write: impl for<'a> Fn(&mut T, usize, &'a mut [MaybeUninit<f32>]) -> &'a mut [f32] + Sync,
) -> Vec<f32> {
    let mut out: Vec<f32> = Vec::with_capacity(n);
    if n > 0 {
        let room = &mut out.spare_capacity_mut()[..n];
        room.par_chunks_mut(chunk).enumerate().for_each_init(own, |own, (i, part)| {
            let expected = (part.as_ptr().cast::<f32>(), part.len());
            let done = write(own, i, part);
            assert!((done.as_ptr(), done.len()) == expected, "a chunk was not handed back as it was");
        });
    }
    // SAFETY: the chunks cover 0..n, and each was returned initialised.
    unsafe { out.set_len(n) };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_written_by_its_worker() {
        for (n, chunk) in [(0, 3), (1, 3), (3, 3), (7, 3), (50, 1), (50, 49)] {
            let expected: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let from_zeros = filled(n, chunk, |i, part| {
                assert!(part.iter().all(|&x| x == 0.0));
                part.iter_mut().enumerate().for_each(|(j, x)| *x = (i * chunk + j) as f32);
            });
            let at_once = written(n, chunk, |i, part| {
                part.iter_mut().enumerate().for_each(|(j, x)| _ = x.write((i * chunk + j) as f32));
                // SAFETY: the line above wrote every value.
                unsafe { part.assume_init_mut() }
            });
            assert_eq!((&from_zeros, &at_once), (&expected, &expected), "{n} by {chunk}");
        }
    }

    #[test]
    fn a_chunk_that_comes_back_as_another_panics() {
        type Cut = fn(&mut [f32]) -> &mut [f32];
        let others: [Cut; 3] = [|part| &mut part[1..], |part| &mut part[..3], |_| &mut []];
        for other in others {
            let found = std::panic::catch_unwind(|| {
                written(8, 4, |_, part| {
                    part.fill(MaybeUninit::new(0.0));
                    // SAFETY: the line above wrote every value.
                    other(unsafe { part.assume_init_mut() })
                })
            });
            let message = found.unwrap_err().downcast_ref::<&str>().map(|message| message.to_string());
            assert_eq!(message.as_deref(), Some("a chunk was not handed back as it was"));
        }
    }

    #[test]
    fn parts_hold_every_row_once_and_sums_every_part() {
        for (n_rows, d) in [(0, 3), (1, 3), (16, 2), (37, 3), (100, 1)] {
            let rows: Vec<f32> = (0..n_rows * d).map(|i| (i / d) as f32).collect();
            let numbered = added(n_rows, d, |first, part| {
                part.chunks_exact_mut(d).enumerate().for_each(|(r, row)| row.fill((first + r) as f32));
            });
            let (from_first, sums) = filled_and_summed(n_rows, d, 2, |first, part, sums| {
                part.iter_mut().enumerate().for_each(|(i, x)| *x = ((first + i) / d) as f32);
                (sums[0], sums[1]) = (part.len() as f32, 1.0);
            });
            assert_eq!((&numbered, &from_first), (&rows, &rows), "[{n_rows}, {d}]");
            assert_eq!((sums[0], sums[1] > 0.0), ((n_rows * d) as f32, n_rows > 0));
        }
    }
}
