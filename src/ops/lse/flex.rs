//! The CPU path: tiles of `S` that stay in cache, one exponential per entry.
//!
//! Rows are cut into blocks of [`ROWS`]. A group of neighbouring blocks is processed in order and keeps column results
//! of its own; the groups' results are added in order. Groups depend on the sizes alone, so the bits do not depend on
//! the number of threads.

use super::LogSumExpBackend;
use crate::linalg::{Left, Right, View, at_least, at_most, dot, exp, matmul, vectorised};
use crate::ops::MatmulPrecision;
use crate::ops::host::{add_to, dense, floats, groups, summed, zeros};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// A tile is 256 KiB: it stays in the L2 cache beside the operands that are packed for its products.
const ROWS: usize = 256;
const COLS: usize = 256;
/// Beyond this bound on |S|, a shift common to all entries could underflow, and the true maxima are found first.
const SAFE_BOUND: f32 = 40.0;

/// Both operands, rounded to `precision`.
struct Operands<'a> {
    a: Cow<'a, [f32]>,
    b: Cow<'a, [f32]>,
    n: usize,
    m: usize,
    d: usize,
    scale: f32,
    precision: MatmulPrecision,
}

/// Neighbouring columns of `S`, with their rows of `b` as the right operand of a product.
struct Columns<'a> {
    first: usize,
    n: usize,
    b: Right<'a>,
}

impl Operands<'_> {
    fn rows_of_a(&self, i: usize, rows: usize) -> View<'_> {
        View::new(&self.a[i * self.d..], [rows, self.d])
    }

    fn rows_of_b(&self, j: usize, cols: usize) -> View<'_> {
        View::new(&self.b[j * self.d..], [cols, self.d])
    }

    /// Returns an upper bound on the absolute values of all entries of `S`.
    fn bound(&self) -> f32 {
        self.scale.abs() * largest_norm(&self.a, self.d) * largest_norm(&self.b, self.d)
    }

    /// Returns the column blocks, each with its first column, its number of columns and its part of `bᵀ`.
    fn columns(&self) -> Vec<Columns<'_>> {
        let firsts: Vec<usize> = (0..self.m).step_by(COLS).collect();
        let pack = |j| {
            let n = COLS.min(self.m - j);
            Columns { first: j, n, b: Right::new(self.rows_of_b(j, n).t()) }
        };
        firsts.into_par_iter().map(pack).collect()
    }

    fn groups(&self, bytes_each: usize) -> Vec<Range<usize>> {
        groups(self.n.div_ceil(ROWS), bytes_each)
    }

    /// Returns the row blocks of one group, in order: `(first row, rows)`.
    fn blocks(&self, group: Range<usize>) -> impl Iterator<Item = (usize, usize)> + use<> {
        let n = self.n;
        group.map(move |block| (block * ROWS, ROWS.min(n - block * ROWS)))
    }
}

vectorised! {
    /// Adds `exp(S_ij - row_i)` to `row_sums` and `exp(S_ij - col_j)` to `col_sums`. If all shifts are `common`, one
    /// exponential serves both.
    fn add_exponentials(
        tile: &[f32], cols: usize, row_max: &[f32], col_max: &[f32], common: bool, row_sums: &mut [f32], col_sums: &mut [f32],
    ) {
        for ((row, &max), sum) in tile.chunks_exact(cols).zip(row_max).zip(row_sums) {
            let mut lanes = [0f32; 16];
            if common {
                let (heads, tail) = row.as_chunks::<16>();
                let (col_heads, col_tail) = col_sums.as_chunks_mut::<16>();
                for (s, c) in heads.iter().zip(col_heads) {
                    for l in 0..16 {
                        let e = exp::<M>(s[l] - max);
                        lanes[l] += e;
                        c[l] += e;
                    }
                }
                for (s, c) in tail.iter().zip(col_tail) {
                    let e = exp::<M>(s - max);
                    lanes[0] += e;
                    *c += e;
                }
            } else {
                for ((&s, &c_max), c) in row.iter().zip(col_max).zip(col_sums.iter_mut()) {
                    lanes[0] += exp::<M>(s - max);
                    *c += exp::<M>(s - c_max);
                }
            }
            *sum += lanes.iter().sum::<f32>();
        }
    }
}

vectorised! {
    /// `tile_ij ← (exp(S_ij - row_i) · row_weight_i + exp(S_ij - col_j) · col_weight_j) · scale`: the gradient of `S`.
    /// `row` and `col` are the log-sum-exps, which no entry exceeds.
    fn weigh(tile: &mut [f32], cols: usize, row: &[f32], row_weight: &[f32], col: &[f32], col_weight: &[f32], scale: f32) {
        for ((s, &r), &rw) in tile.chunks_exact_mut(cols).zip(row).zip(row_weight) {
            for ((s, &c), &cw) in s.iter_mut().zip(col).zip(col_weight) {
                *s = (exp::<M>(at_most(0.0, *s - r)) * rw + exp::<M>(at_most(0.0, *s - c)) * cw) * scale;
            }
        }
    }
}

vectorised! {
    /// [`weigh`] with one exponential per entry: `tile_ij ← exp(S_ij - shift) · (row_i + col_j)`, where the weights are
    /// `exp(shift - lse) · weight · scale`.
    fn weigh_by_one_shift(tile: &mut [f32], cols: usize, shift: f32, row: &[f32], col: &[f32]) {
        for (s, &r) in tile.chunks_exact_mut(cols).zip(row) {
            for (s, &c) in s.iter_mut().zip(col) {
                *s = exp::<M>(*s - shift) * (r + c);
            }
        }
    }
}

vectorised! {
    /// Online log-sum-exp: updates each row's maximum and its sum of `exp(S_ij - max_i)` with the entries of a tile.
    fn add_to_rows(tile: &[f32], cols: usize, max: &mut [f32], sums: &mut [f32]) {
        for ((row, max), sum) in tile.chunks_exact(cols).zip(max).zip(sums) {
            let (heads, tail) = row.as_chunks::<16>();
            let mut lanes = [*max; 16];
            for head in heads {
                for (lane, &s) in lanes.iter_mut().zip(head) {
                    *lane = at_least(*lane, s);
                }
            }
            let largest = lanes.iter().chain(tail).fold(*max, |largest, &s| at_least(largest, s));
            let mut lanes = [0f32; 16];
            for head in heads {
                for (lane, &s) in lanes.iter_mut().zip(head) {
                    *lane += exp::<M>(s - largest);
                }
            }
            let rest: f32 = tail.iter().map(|&s| exp::<M>(s - largest)).sum();
            // Before the first tile the maximum is minus infinity, and there is no sum to carry over.
            *sum = *sum * exp::<M>(*max - largest) + lanes.iter().sum::<f32>() + rest;
            *max = largest;
        }
    }
}

vectorised! {
    /// `tile_ij ← exp(S_ij - row_i) · weight_i · scale`: the gradient of `S` through the rows' results.
    fn weigh_rows(tile: &mut [f32], cols: usize, row: &[f32], weight: &[f32], scale: f32) {
        for ((s, &r), &w) in tile.chunks_exact_mut(cols).zip(row).zip(weight) {
            let w = w * scale;
            for s in s {
                *s = exp::<M>(at_most(0.0, *s - r)) * w;
            }
        }
    }
}

vectorised! {
    fn take_maxima(tile: &[f32], cols: usize, row_max: &mut [f32], col_max: &mut [f32]) {
        for (row, max) in tile.chunks_exact(cols).zip(row_max) {
            for (&s, c) in row.iter().zip(col_max.iter_mut()) {
                *max = max.max(s);
                *c = c.max(s);
            }
        }
    }
}

vectorised! {
    /// Raises `largest` to the largest squared L2 norm of a row.
    fn take_largest(x: &[f32], d: usize, largest: &mut f32) {
        for row in x.chunks_exact(d) {
            *largest = largest.max(dot::<M>(row, row));
        }
    }
}

fn largest_norm(x: &[f32], d: usize) -> f32 {
    let of_part = |part| {
        let mut largest = 0.0;
        take_largest(part, d.max(1), &mut largest);
        largest
    };
    x.par_chunks(ROWS * d.max(1)).map(of_part).reduce(|| 0.0, f32::max).sqrt()
}

/// Runs `visit(first row, rows, first column, columns, tile, row results, column results)` over every tile and merges
/// the groups' column results with `join`.
fn over_tiles(
    o: &Operands,
    init: f32,
    visit: impl Fn([usize; 4], &mut [f32], &mut [f32], &mut [f32]) + Sync,
    join: impl Fn(&mut [f32], &[f32]),
) -> (Vec<f32>, Vec<f32>) {
    let columns = o.columns();
    let work = |group: Range<usize>| {
        let mut cols_out = vec![init; o.m];
        let mut tile = vec![0f32; ROWS * COLS.min(o.m)];
        let mut rows_out = Vec::new();
        for (i, rows) in o.blocks(group) {
            let mut block = vec![init; rows];
            let a = Left::new(o.rows_of_a(i, rows));
            for &Columns { first: j, n: cols, ref b } in &columns {
                let tile = &mut tile[..rows * cols];
                b.multiply_left(tile, &a, o.scale, false);
                visit([i, rows, j, cols], tile, &mut block, &mut cols_out[j..j + cols]);
            }
            rows_out.push((i, block));
        }
        (rows_out, cols_out)
    };
    let parts: Vec<_> = o.groups(o.m * 4).into_par_iter().with_max_len(1).map(work).collect();
    let (mut rows, mut cols) = (vec![init; o.n], vec![init; o.m]);
    for (blocks, part) in &parts {
        for (i, block) in blocks {
            rows[*i..i + block.len()].copy_from_slice(block);
        }
        join(&mut cols, part);
    }
    (rows, cols)
}

fn forward(o: &Operands) -> Vec<f32> {
    let bound = o.bound();
    let common = bound <= SAFE_BOUND;
    let (row_max, col_max) = if common {
        (vec![bound; o.n], vec![bound; o.m])
    } else {
        let visit =
            |[_, _, _, cols]: [usize; 4], tile: &mut [f32], r: &mut [f32], c: &mut [f32]| take_maxima(tile, cols, r, c);
        over_tiles(o, f32::NEG_INFINITY, visit, |all, part| all.iter_mut().zip(part).for_each(|(a, p)| *a = a.max(*p)))
    };
    let visit = |[i, rows, j, cols]: [usize; 4], tile: &mut [f32], r: &mut [f32], c: &mut [f32]| {
        add_exponentials(tile, cols, &row_max[i..i + rows], &col_max[j..j + cols], common, r, c);
    };
    let (row_sums, col_sums) = over_tiles(o, 0.0, visit, add_to);
    let logs = |(sum, max): (&f32, &f32)| sum.ln() + max;
    row_sums.iter().zip(&row_max).chain(col_sums.iter().zip(&col_max)).map(logs).collect()
}

/// Log-sum-exp of rows alone: one pass and one exponential per entry, because the maxima are found on the way.
fn forward_rows(o: &Operands) -> Vec<f32> {
    let columns = o.columns();
    let mut out = zeros(o.n);
    let blocks = out.par_chunks_mut(ROWS).enumerate().with_max_len(1);
    let with_tile = || vec![0f32; ROWS * COLS.min(o.m)];
    blocks.for_each_init(with_tile, |tile, (block, out)| {
        let (rows, a) = (out.len(), Left::new(o.rows_of_a(block * ROWS, out.len())));
        let (mut max, mut sums) = (vec![f32::NEG_INFINITY; rows], vec![0f32; rows]);
        for &Columns { n: cols, ref b, .. } in &columns {
            let tile = &mut tile[..rows * cols];
            b.multiply_left(tile, &a, o.scale, false);
            add_to_rows(tile, cols, &mut max, &mut sums);
        }
        out.iter_mut().zip(max.iter().zip(&sums)).for_each(|(out, (max, sum))| *out = sum.ln() + max);
    });
    out
}

/// Returns the gradients of both operands from those of the row and column results.
fn backward(o: &Operands, lse: &[f32], d_lse: &[f32]) -> [Vec<f32>; 2] {
    let ((row, col), (row_w, col_w)) = (lse.split_at(o.n), d_lse.split_at(o.n));
    let bound = o.bound();
    let shifted = (bound <= SAFE_BOUND).then(|| {
        lse.iter().zip(d_lse).map(|(lse, weight)| (bound - lse).exp() * weight * o.scale).collect::<Vec<f32>>()
    });
    gradients(o, |[i, rows, j, cols], tile| {
        let (of_rows, of_cols) = (i..i + rows, j..j + cols);
        match &shifted {
            Some(w) => weigh_by_one_shift(tile, cols, bound, &w[of_rows], &w[o.n..][of_cols]),
            None => {
                let (r, c) = (of_rows.clone(), of_cols.clone());
                weigh(tile, cols, &row[r], &row_w[of_rows], &col[c], &col_w[of_cols], o.scale);
            }
        }
    })
}

/// Returns the gradients of both operands from those of the row results.
fn backward_rows(o: &Operands, lse: &[f32], d_lse: &[f32]) -> [Vec<f32>; 2] {
    gradients(o, |[i, rows, _, cols], tile| {
        weigh_rows(tile, cols, &lse[i..i + rows], &d_lse[i..i + rows], o.scale);
    })
}

/// Returns both gradients; `weigh(first row, rows, first column, columns)` turns a tile of `S` into its gradient.
fn gradients(o: &Operands, weigh: impl Fn([usize; 4], &mut [f32]) + Sync) -> [Vec<f32>; 2] {
    let columns = o.columns();
    let mut da = zeros(o.n * o.d);
    let mut rows_of_da = da.chunks_mut((ROWS * o.d).max(1));
    let groups = o.groups(o.m * o.d * 4).into_iter();
    let groups: Vec<Vec<_>> = groups.map(|group| o.blocks(group).zip(&mut rows_of_da).collect()).collect();
    let work = |group: Vec<((usize, usize), &mut [f32])>| {
        let mut db = vec![0f32; o.m * o.d];
        let mut tile = vec![0f32; ROWS * COLS.min(o.m)];
        for ((i, rows), da) in group {
            let (a_left, a) = (Left::new(o.rows_of_a(i, rows)), Right::new(o.rows_of_a(i, rows)));
            for &Columns { first: j, n: cols, ref b } in &columns {
                let tile = &mut tile[..rows * cols];
                b.multiply_left(tile, &a_left, o.scale, false);
                weigh([i, rows, j, cols], tile);
                o.precision.round(tile);
                let tile = View::new(tile, [rows, cols]);
                matmul(da, tile, o.rows_of_b(j, cols), 1.0, true);
                a.multiply(&mut db[j * o.d..][..cols * o.d], tile.t(), 1.0, true);
            }
        }
        db
    };
    let parts: Vec<Vec<f32>> = groups.into_par_iter().with_max_len(1).map(work).collect();
    let db = summed(&parts, o.m * o.d);
    [da, db]
}

impl LogSumExpBackend for Flex {
    fn lse_products(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f32,
        precision: MatmulPrecision,
        columns: bool,
    ) -> FloatTensor<Self> {
        let (a, b) = (dense(&a), dense(&b));
        let o = operands(&a, &b, scale, precision);
        let out = if columns { forward(&o) } else { forward_rows(&o) };
        let n = out.len();
        Self::float_from_data(TensorData::new(out, [n]), &a.device())
    }

    fn lse_products_grad(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        d_lse: FloatTensor<Self>,
        scale: f32,
        precision: MatmulPrecision,
        columns: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [a, b, lse, d_lse] = [a, b, lse, d_lse].map(|t| dense(&t));
        let o = operands(&a, &b, scale, precision);
        let backward = if columns { backward } else { backward_rows };
        let [da, db] = backward(&o, floats(&lse), floats(&d_lse));
        let of = |values, rows| Self::float_from_data(TensorData::new(values, [rows, o.d]), &a.device());
        (of(da, o.n), of(db, o.m))
    }
}

fn operands<'a>(
    a: &'a FloatTensor<Flex>,
    b: &'a FloatTensor<Flex>,
    scale: f32,
    precision: MatmulPrecision,
) -> Operands<'a> {
    let (n, m, d) = (a.shape()[0], b.shape()[0], a.shape()[1]);
    let [a, b] = [a, b].map(|x| precision.operand(floats(x)));
    Operands { a, b, n, m, d, scale, precision }
}
