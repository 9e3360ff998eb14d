//! The CPU path: SIMD over neighbouring blocks, in chunks that all threads share.

use super::distribution::Distribution;
use super::{normal, threefry};
use crate::linalg::vectorised;
use rayon::prelude::*;

/// Blocks of two numbers that are computed together.
const LANES: usize = 16;

/// Numbers of one task: whole vectors, some tens of microseconds.
const CHUNK: usize = 1 << 14;

vectorised! {
    /// Writes the numbers from block `first` on.
    fn fill(distribution: Distribution, key: u64, first: u64, out: &mut [f32]) {
        let mut first = distribution.counter(first);
        for out in out.chunks_mut(2 * LANES) {
            let (mut a, mut b) = ([0; LANES], [0; LANES]);
            for lane in 0..LANES {
                (a[lane], b[lane]) = threefry::words(key, first.wrapping_add(lane as u64));
            }
            first = first.wrapping_add(LANES as u64);
            let (mut x, mut y) = ([0f32; LANES], [0f32; LANES]);
            match distribution {
                Distribution::Uniform => {
                    for lane in 0..LANES {
                        (x[lane], y[lane]) = (Distribution::uniform(a[lane]), Distribution::uniform(b[lane]));
                    }
                }
                Distribution::Mask { below, kept } => {
                    for lane in 0..LANES {
                        x[lane] = if a[lane] >> 8 < below { kept } else { 0.0 };
                        y[lane] = if b[lane] >> 8 < below { kept } else { 0.0 };
                    }
                }
                Distribution::Normal => {
                    for lane in 0..LANES {
                        (x[lane], y[lane]) = normal::pair(a[lane], b[lane]);
                    }
                }
            }
            let (pairs, last) = out.as_chunks_mut::<2>();
            for (pair, (x, y)) in pairs.iter_mut().zip(x.iter().zip(&y)) {
                *pair = [*x, *y];
            }
            if let [last] = last {
                *last = x[pairs.len()];
            }
        }
    }
}

/// Returns `n` numbers from block `first` on, computed by all threads.
pub(super) fn numbers(distribution: Distribution, key: u64, first: u64, n: usize) -> Vec<f32> {
    let mut out = vec![0f32; n];
    if n <= CHUNK {
        fill(distribution, key, first, &mut out);
    } else {
        let chunks = out.par_chunks_mut(CHUNK).enumerate();
        chunks.for_each(|(i, out)| fill(distribution, key, first + (i * CHUNK / 2) as u64, out));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Distribution; 3] =
        [Distribution::Uniform, Distribution::Mask { below: 1 << 23, kept: 2.0 }, Distribution::Normal];

    /// Computes one position after the other.
    fn plain(distribution: Distribution, key: u64, first: u64, n: usize) -> Vec<f32> {
        let number = |i: usize| {
            let (a, b) = threefry::words(key, distribution.counter(first + i as u64 / 2));
            let word = if i.is_multiple_of(2) { a } else { b };
            match distribution {
                Distribution::Uniform => Distribution::uniform(word),
                Distribution::Mask { below, kept } => f32::from(u8::from(word >> 8 < below)) * kept,
                Distribution::Normal => {
                    let (x, y) = normal::pair(a, b);
                    if i.is_multiple_of(2) { x } else { y }
                }
            }
        };
        (0..n).map(number).collect()
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn vectors_and_chunks_have_the_bits_of_single_positions() {
        for distribution in ALL {
            for n in [0, 1, 2, 3, 31, 32, 33, 63, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
                for first in [0, 5, (1 << 32) - 3, 1 << 60] {
                    let found = numbers(distribution, 9, first, n);
                    assert_eq!(bits(&found), bits(&plain(distribution, 9, first, n)), "{distribution:?} {n} {first}");
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        let (one, two) = (pool(1), pool(2));
        for distribution in ALL {
            let run = || bits(&numbers(distribution, 3, 0, 5 * CHUNK + 3));
            assert_eq!(one.install(run), two.install(run));
        }
    }
}
