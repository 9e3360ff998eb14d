//! Inner products of one vector with every row of a matrix, to answer a single request.

use super::largest::Largest;
use super::{dot, vectorised};
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use std::ops::Range;

/// Rows scored before the best of them are selected: their scores stay in the L1 cache.
const TILE: usize = 512;

/// Returns the ids and scores of the `k` rows of `base` with the largest inner products with `query`, best first, on
/// the calling thread.
///
/// `mask(rows, scores)` may set scores of the given rows to minus infinity to exclude them. All products must be
/// finite. Time O(n_base · d): the matrix is read once, at the speed of memory.
///
/// # Shapes
/// - `query`: `[d]`
/// - `base`: `[n_base, d]`
pub(crate) fn top_of_one(
    query: &[f32],
    base: &[f32],
    k: usize,
    mut mask: impl FnMut(Range<usize>, &mut [f32]),
) -> Vec<(u32, f32)> {
    let d = query.len();
    let n_base = base.len().checked_div(d).unwrap_or(0);
    let mut best = Largest::new(k);
    let mut scores = [0f32; TILE];
    for (tile, rows) in base.chunks(TILE * d.max(1)).enumerate() {
        let start = tile * TILE;
        let rows_here = start..n_base.min(start + TILE);
        let scores = &mut scores[..rows_here.len()];
        products(query, rows, scores);
        mask(rows_here, scores);
        best.scan(start, scores);
    }
    let mut found = Vec::with_capacity(k);
    best.drain(&mut Vec::new(), |id, score| found.push((id, score)));
    found
}

vectorised! {
/// `out[r] = ⟨query, rows[r]⟩`.
fn products(query: &[f32], rows: &[f32], out: &mut [f32]) {
    let d = query.len();
    for (row, out) in rows.chunks_exact(d).zip(out) {
        *out = dot::<M>(query, row);
    }
}
}

/// `out[r] = ⟨query, base[r]⟩` for rows in half precision, on all threads.
///
/// # Shapes
/// - `query`: `[d]`
/// - `base`: `[n_base, d]`
pub(crate) fn products_of_halves(query: &[f32], base: &[f16], out: &mut [f32]) {
    let d = query.len();
    out.par_chunks_mut(TILE).zip(base.par_chunks(TILE * d.max(1))).for_each_init(Vec::new, |rows, (out, base)| {
        rows.resize(base.len(), 0.0);
        base.convert_to_f32_slice(rows);
        products(query, rows, out);
    });
}

/// Converts to half precision, rounding to nearest.
pub(crate) fn to_halves(values: &[f32]) -> Vec<f16> {
    let mut halves = vec![f16::ZERO; values.len()];
    halves.convert_from_f32_slice(values);
    halves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splitmix64;
    use crate::linalg::top_products;

    fn noise(n: usize, tag: u64) -> Vec<f32> {
        (0..n as u64).map(|i| (splitmix64(tag << 32 | i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    #[test]
    fn one_vector_finds_what_many_find() {
        for (n, d, k) in [(1, 1, 1), (511, 7, 20), (512, 64, 5), (1025, 192, 30), (3, 5, 9), (0, 4, 2)] {
            let (query, base) = (noise(d, 1), noise(n * d, 2));
            let skip = |columns: Range<usize>, scores: &mut [f32]| {
                columns.zip(scores).filter(|(c, _)| c % 3 == 1).for_each(|(_, score)| *score = f32::NEG_INFINITY);
            };
            let one = top_of_one(&query, &base, k, skip);
            let many = top_products(1, |_| &query, &base, d, k, |_, columns, scores| skip(columns, scores));
            assert_eq!(one.iter().map(|found| found.0).collect::<Vec<_>>(), many.ids, "{n} x {d}");
            assert!(one.iter().zip(&many.scores).all(|(one, many)| (one.1 - many).abs() < 1e-5));
            assert!(one.iter().all(|(id, _)| id % 3 != 1));
        }
    }

    #[test]
    fn products_of_halves_are_those_of_the_same_numbers_in_full() {
        for (n, d) in [(1, 3), (700, 37), (1030, 16)] {
            let halves = to_halves(&noise(n * d, 5));
            let rows: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
            let (query, mut found, mut expected) = (noise(d, 6), vec![0f32; n], vec![0f32; n]);
            products_of_halves(&query, &halves, &mut found);
            products(&query, &rows, &mut expected);
            assert_eq!(found, expected);
        }
    }
}
