//! The largest entries of each row of a product.
//!
//! Neighbours of items and rankings of users are the same question: which rows of a matrix have the largest inner product
//! with this one? [`top_products`] answers it exactly, tile by tile, without ever holding all products.

use super::{View, matmul};
use rayon::prelude::*;
use std::ops::Range;

/// Queries of one block: one worker scores a block at a time. Larger ones pack `base` less often.
const BLOCK: usize = 512;
/// A block has at least so many rows, if need be of zeros, so that one query takes the same path through the product as
/// many, and its sums round the same way.
const MIN_BLOCK: usize = 16;
/// Columns of one tile: 256 x 512 products are 512 KiB, which stay in the second-level cache for the selection.
const TILE: usize = 256;

/// Scores that are compared before what passed is looked at: few, for meanwhile the threshold does not rise.
const STRETCH: usize = 128;

/// Scores above a threshold and their places, in order: the first `n` of each. A worker's scratch.
struct Passed {
    n: usize,
    scores: [f32; STRETCH],
    places: [u32; STRETCH],
}

impl Passed {
    fn new() -> Self {
        Self { n: 0, scores: [0.0; STRETCH], places: [0; STRETCH] }
    }

    /// Those of at most [`STRETCH`] scores.
    fn compare(&mut self, scores: &[f32], threshold: f32) {
        self.n = 0;
        let (blocks, rest) = scores.as_chunks::<16>();
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the feature that the function enables.
            unsafe { self.take_v4(blocks, threshold) };
        } else {
            self.take_plain(blocks, threshold);
        }
        #[cfg(not(target_arch = "x86_64"))]
        self.take_plain(blocks, threshold);
        self.take_each(16 * blocks.len(), rest, threshold);
    }

    /// A comparison and two compressed stores a block, without a branch that could be guessed wrong.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn take_v4(&mut self, blocks: &[[f32; 16]], threshold: f32) {
        use std::arch::x86_64::*;
        let threshold = _mm512_set1_ps(threshold);
        let mut places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for block in blocks {
            assert!(self.n + 16 <= STRETCH);
            // SAFETY: sixteen values are read, as many as the block has; at most sixteen are written behind the first `n`, and
            // the line above saw that they have room.
            unsafe {
                let block = _mm512_loadu_ps(block.as_ptr());
                let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(block, threshold);
                _mm512_mask_compressstoreu_ps(self.scores.as_mut_ptr().add(self.n), mask, block);
                _mm512_mask_compressstoreu_epi32(self.places.as_mut_ptr().add(self.n).cast(), mask, places);
                self.n += mask.count_ones() as usize;
            }
            places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
        }
    }

    fn take_plain(&mut self, blocks: &[[f32; 16]], threshold: f32) {
        for (b, block) in blocks.iter().enumerate() {
            let mut any = false;
            for &score in block {
                any |= score > threshold;
            }
            if any {
                self.take_each(16 * b, block, threshold);
            }
        }
    }

    fn take_each(&mut self, first: usize, scores: &[f32], threshold: f32) {
        for (place, &score) in (first as u32..).zip(scores) {
            if score > threshold {
                (self.scores[self.n], self.places[self.n]) = (score, place);
                self.n += 1;
            }
        }
    }
}

/// The `k` largest of a stream of scores, exactly; among equal scores the lower id wins.
///
/// Scores are compared 16 at a time with the smallest that still counts, so most cost a sixteenth of an instruction.
/// What passes goes to a buffer of `2 k` (at least `k + 64`), which is cut back to `k` whenever it is full.
pub(crate) struct Largest {
    k: usize,
    capacity: usize,
    threshold: f32,
    /// Score and id in one integer, larger is better.
    kept: Vec<u64>,
}

impl Largest {
    pub(crate) fn new(k: usize) -> Self {
        let capacity = k + k.max(64);
        Self { k, capacity, threshold: f32::NEG_INFINITY, kept: Vec::with_capacity(capacity) }
    }

    pub(crate) fn clear(&mut self) {
        self.threshold = f32::NEG_INFINITY;
        self.kept.clear();
    }

    /// Takes the scores of ids `first`, `first + 1`, …; ids must come in ascending order. Minus infinity never enters.
    fn scan(&mut self, first: usize, scores: &[f32], passed: &mut Passed) {
        if self.k == 0 {
            return;
        }
        for (first, scores) in (first..).step_by(STRETCH).zip(scores.chunks(STRETCH)) {
            passed.compare(scores, self.threshold);
            for (&score, &place) in passed.scores[..passed.n].iter().zip(&passed.places) {
                // The threshold may have risen since the comparison.
                if score > self.threshold {
                    self.take(first as u32 + place, score);
                }
            }
        }
    }

    fn take(&mut self, id: u32, score: f32) {
        self.kept.push(pack(score, id));
        if self.kept.len() == self.capacity {
            self.kept.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
            self.kept.truncate(self.k);
            self.threshold = unpack(self.kept[self.k - 1]).1;
        }
    }

    /// Appends what is left, best first.
    fn drain_into(&mut self, out: &mut TopK) {
        self.kept.sort_unstable_by(|a, b| b.cmp(a));
        self.kept.truncate(self.k);
        for &kept in &self.kept {
            let (id, score) = unpack(kept);
            out.ids.push(id);
            out.scores.push(score);
        }
        out.offsets.push(out.ids.len());
    }
}

/// Bits of a float in the order of its value (both zeros alike), then the id reversed.
fn pack(score: f32, id: u32) -> u64 {
    let bits = (score + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!id)
}

fn unpack(packed: u64) -> (u32, f32) {
    let ordered = (packed >> 32) as u32;
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    (!(packed as u32), f32::from_bits(bits))
}

/// For each query the ids and scores of its largest products, best first; at most `k`, fewer where more was masked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopK {
    pub(crate) offsets: Vec<usize>,
    pub(crate) ids: Vec<u32>,
    pub(crate) scores: Vec<f32>,
}

impl TopK {
    /// Where a query's ids and scores are.
    pub(crate) fn places(&self, query: usize) -> Range<usize> {
        self.offsets[query]..self.offsets[query + 1]
    }

    fn with_capacity(n_queries: usize, k: usize) -> Self {
        let mut offsets = Vec::with_capacity(n_queries + 1);
        offsets.push(0);
        Self { offsets, ids: Vec::with_capacity(n_queries * k), scores: Vec::with_capacity(n_queries * k) }
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

/// The `k` rows of `base` with the largest inner products with each query, exactly.
///
/// `query(q)` is the vector of query `q`; `mask(q, columns, scores)` may set scores of the given columns to minus infinity,
/// which keeps them out. All products must be finite. The result does not depend on the number of threads.
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
    // Tiles of nearly equal width: a last tile of a few columns would round its sums another way.
    let width = n_base.div_ceil(n_base.div_ceil(TILE).max(1));
    let parts: Vec<TopK> = (0..n_queries.div_ceil(BLOCK))
        .into_par_iter()
        .map_init(
            || (Vec::new(), Vec::new(), Vec::new(), Passed::new()),
            |(vectors, tile, best, passed): &mut (Vec<f32>, Vec<f32>, Vec<Largest>, Passed), block| {
                let queries = block * BLOCK..n_queries.min((block + 1) * BLOCK);
                let rows = queries.len().max(MIN_BLOCK);
                vectors.clear();
                for q in queries.clone() {
                    vectors.extend_from_slice(query(q));
                }
                vectors.resize(rows * d, 0.0);
                best.resize_with(BLOCK, || Largest::new(k));
                best.iter_mut().for_each(Largest::clear);
                let mut start = 0;
                while start < n_base {
                    let columns = start..n_base.min(start + width);
                    tile.resize(rows * columns.len(), 0.0);
                    let part = View::new(&base[start * d..columns.end * d], [columns.len(), d]);
                    matmul(tile, View::new(vectors, [rows, d]), part.t(), 1.0, false);
                    for ((q, scores), best) in queries.clone().zip(tile.chunks_mut(columns.len())).zip(best.iter_mut())
                    {
                        mask(q, columns.clone(), scores);
                        best.scan(start, scores, passed);
                    }
                    start = columns.end;
                }
                let mut part = TopK::with_capacity(queries.len(), k);
                best[..queries.len()].iter_mut().for_each(|best| best.drain_into(&mut part));
                part
            },
        )
        .collect();
    TopK::concat(parts, n_queries, k)
}

/// As [`top_products`], of scores that are there already: `scores` is `[n_queries, n_base]`.
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
            || (vec![0.0; n_base], Largest::new(k), Passed::new()),
            |(row, best, passed), (block, scores)| {
                let mut part = TopK::with_capacity(scores.len() / n_base, k);
                for (r, scores) in scores.chunks(n_base).enumerate() {
                    row.copy_from_slice(scores);
                    mask(block * BLOCK + r, 0..n_base, row);
                    best.clear();
                    best.scan(0, row, passed);
                    best.drain_into(&mut part);
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

    /// All scores sorted: the definition that `Largest` must meet.
    fn sorted(scores: &[f32], k: usize) -> Vec<(u32, f32)> {
        let mut all: Vec<(u32, f32)> =
            scores.iter().enumerate().filter(|x| *x.1 > f32::NEG_INFINITY).map(|(i, &s)| (i as u32, s)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(k);
        all
    }

    #[test]
    fn packed_scores_keep_their_order() {
        let scores = [f32::MIN, -1.5, -1e-40, 0.0, 1e-40, 2.0, f32::MAX];
        for pair in scores.windows(2) {
            assert!(pack(pair[0], 0) < pack(pair[1], 9), "{} {}", pair[0], pair[1]);
        }
        assert!(pack(1.0, 3) > pack(1.0, 4));
        assert_eq!(pack(-0.0, 3), pack(0.0, 3));
        assert_eq!(unpack(pack(-1.5, 7)), (7, -1.5));
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
