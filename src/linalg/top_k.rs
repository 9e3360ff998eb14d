//! Exact top-k search: the largest entries of each row of a matrix product.
//!
//! Nearest neighbours of items and rankings for users are the same question: which rows of a matrix have the largest
//! inner products with a query? [`top_products`] answers it exactly, tile by tile, without ever holding all products.

use super::largest::Largest;
use super::{Left, View, matmul_by_rows};
use rayon::prelude::*;
use std::ops::Range;

/// Queries of a block, which one worker scores at a time. Larger blocks pack `base` less often.
const BLOCK: usize = 512;
/// Minimum number of rows of a block, padded with zeros if necessary, so that a single query takes the same path
/// through the product as many, and its sums round the same way.
const MIN_BLOCK: usize = 16;
/// Columns of a tile: so many rows of `base`, at a usual width, stay in the L2 cache.
const TILE: usize = 384;

/// The ids and scores of each query's largest products, best first: at most `k`, fewer if too many are masked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TopK {
    pub(crate) offsets: Vec<usize>,
    pub(crate) ids: Vec<u32>,
    pub(crate) scores: Vec<f32>,
}

impl TopK {
    /// Returns the range of a query's ids and scores.
    pub(crate) fn places(&self, query: usize) -> Range<usize> {
        self.offsets[query]..self.offsets[query + 1]
    }

    fn with_capacity(n_queries: usize, k: usize) -> Self {
        let mut offsets = Vec::with_capacity(n_queries + 1);
        offsets.push(0);
        Self { offsets, ids: Vec::with_capacity(n_queries * k), scores: Vec::with_capacity(n_queries * k) }
    }

    /// Appends the results of one query, best first; `order` is scratch.
    fn push(&mut self, best: &mut Largest, order: &mut Vec<u64>) {
        best.drain(order, |id, score| {
            self.ids.push(id);
            self.scores.push(score);
        });
        self.offsets.push(self.ids.len());
    }

    fn concat(parts: Vec<Self>, n_queries: usize, k: usize) -> Self {
        let mut all = Self::with_capacity(n_queries, k);
        for part in parts {
            let start = all.ids.len();
            all.offsets.extend(part.offsets[1..].iter().map(|end| start + end));
            all.ids.extend_from_slice(&part.ids);
            all.scores.extend_from_slice(&part.scores);
        }
        all
    }
}

/// Buffers that a worker reuses from block to block.
#[derive(Default)]
struct Scratch {
    vectors: Vec<f32>,
    group: Vec<f32>,
    best: Vec<Largest>,
    order: Vec<u64>,
}

/// Finds the `k` rows of `base` with the largest inner products with each query, exactly.
///
/// `query(q)` is the vector of query `q`; `mask(q, columns, scores)` may set scores of the given columns to minus
/// infinity to exclude them. All products must be finite. The result does not depend on the number of threads.
///
/// Time O(n_queries · n_base · d); memory O(n_queries · k) and one tile a thread.
///
/// # Shapes
/// - `base`: `[n_base, d]`
pub(crate) fn top_products<'q>(
    n_queries: usize,
    query: impl Fn(usize) -> &'q [f32] + Sync,
    base: &[f32],
    d: usize,
    k: usize,
    mask: impl Fn(usize, Range<usize>, &mut [f32]) + Sync,
) -> TopK {
    let n_base = base.len().checked_div(d).unwrap_or(0);
    // Tiles of nearly equal width: a last tile of a few columns would round its sums differently.
    let width = n_base.div_ceil(n_base.div_ceil(TILE).max(1));
    let parts: Vec<TopK> = (0..n_queries.div_ceil(BLOCK))
        .into_par_iter()
        .map_init(Scratch::default, |Scratch { vectors, group, best, order }, block| {
            let queries = block * BLOCK..n_queries.min((block + 1) * BLOCK);
            let rows = queries.len().max(MIN_BLOCK);
            vectors.clear();
            for q in queries.clone() {
                vectors.extend_from_slice(query(q));
            }
            vectors.resize(rows * d, 0.0);
            best.resize_with(queries.len(), || Largest::new(k));
            best.iter_mut().for_each(Largest::clear);
            let left = Left::new(View::new(vectors, [rows, d]));
            let mut start = 0;
            while start < n_base {
                let columns = start..n_base.min(start + width);
                let part = View::new(&base[start * d..columns.end * d], [columns.len(), d]);
                matmul_by_rows(group, &left, part.t(), |row, scores| {
                    if row < queries.len() {
                        mask(queries.start + row, columns.clone(), scores);
                        best[row].scan(start, scores);
                    }
                });
                start = columns.end;
            }
            let mut part = TopK::with_capacity(queries.len(), k);
            best.iter_mut().for_each(|best| part.push(best, order));
            part
        })
        .collect();
    TopK::concat(parts, n_queries, k)
}

/// Like [`top_products`], for scores that are already computed: `scores` is `[n_queries, n_base]`.
pub(crate) fn top_scores(
    scores: &[f32],
    n_base: usize,
    k: usize,
    mask: impl Fn(usize, Range<usize>, &mut [f32]) + Sync,
) -> TopK {
    let n_queries = scores.len().checked_div(n_base).unwrap_or(0);
    let parts: Vec<TopK> = scores
        .par_chunks(n_base.max(1) * BLOCK)
        .enumerate()
        .map_init(
            || (vec![0.0; n_base], Largest::new(k), Vec::new()),
            |(row, best, order), (block, scores)| {
                let mut part = TopK::with_capacity(scores.len() / n_base, k);
                for (r, scores) in scores.chunks(n_base).enumerate() {
                    row.copy_from_slice(scores);
                    mask(block * BLOCK + r, 0..n_base, row);
                    best.clear();
                    best.scan(0, row);
                    part.push(best, order);
                }
                part
            },
        )
        .collect();
    TopK::concat(parts, n_queries, k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splitmix64;

    /// Uniform in [-1, 1), from the counter.
    fn noise(n: usize, tag: u64) -> Vec<f32> {
        (0..n as u64).map(|i| (splitmix64(tag << 32 | i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    /// Sorts all scores: the reference for `Largest`.
    fn sorted(scores: &[f32], k: usize) -> Vec<(u32, f32)> {
        let mut all: Vec<(u32, f32)> =
            scores.iter().enumerate().filter(|x| *x.1 > f32::NEG_INFINITY).map(|(i, &s)| (i as u32, s)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(k);
        all
    }

    #[test]
    fn the_largest_equal_a_full_sort_with_ties() {
        for (n, k) in [(1, 1), (15, 4), (16, 16), (1000, 0), (1000, 1), (1000, 50), (3000, 2000), (5, 9)] {
            // Few distinct values, so that every threshold falls into a tie.
            let scores: Vec<f32> = noise(n, 1).iter().map(|x| (x * 8.0).round() / 8.0 + 0.0).collect();
            let found = top_scores(&scores, n, k, |_, _, _| ());
            let pairs: Vec<(u32, f32)> = found.ids.iter().copied().zip(found.scores).collect();
            assert_eq!(pairs, sorted(&scores, k), "n = {n}, k = {k}");
        }
    }

    #[test]
    fn products_equal_the_definition_for_any_block_and_thread_count() {
        let (n, m, d, k) = (300, 2500, 7, 20);
        let (a, b) = (noise(n * d, 2), noise(m * d, 3));
        let run = || {
            top_products(
                n,
                |q| &a[q * d..][..d],
                &b,
                d,
                k,
                |q, columns, scores| {
                    for (column, score) in columns.zip(scores) {
                        if column % (q + 2) == 0 {
                            *score = f32::NEG_INFINITY;
                        }
                    }
                },
            )
        };
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(run);
        let three = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap().install(run);
        assert_eq!(one, three);
        for q in [0, 1, 255, 256, 299] {
            let scores: Vec<f32> = (0..m)
                .map(|j| match j % (q + 2) {
                    0 => f32::NEG_INFINITY,
                    _ => (0..d).map(|c| a[q * d + c] * b[j * d + c]).sum(),
                })
                .collect();
            let expected = sorted(&scores, k);
            let range = one.places(q);
            assert_eq!(one.ids[range.clone()], expected.iter().map(|x| x.0).collect::<Vec<_>>());
            assert!(one.scores[range].iter().zip(&expected).all(|(x, y)| (x - y.1).abs() < 1e-5));
        }
    }

    #[test]
    fn one_query_alone_scores_like_one_of_many() {
        let (m, d) = (2100, 192);
        let (a, b) = (noise(200 * d, 4), noise(m * d, 5));
        let many = top_products(200, |q| &a[q * d..][..d], &b, d, 30, |_, _, _| ());
        for q in [0, 77, 199] {
            let one = top_products(1, |_| &a[q * d..][..d], &b, d, 30, |_, _, _| ());
            assert_eq!(one.ids, many.ids[many.places(q)]);
            assert_eq!(one.scores, many.scores[many.places(q)]);
        }
    }
}
