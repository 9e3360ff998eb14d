//! The CPU path: rows are distributed among threads in fixed blocks, and each row is summed by one thread.

use super::{GatherBackend, SpmmBackend};
use crate::linalg::{MulAdd, dot, vectorised};
use crate::ops::host::{added, dense, filled, floats, ints, written};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use std::mem::MaybeUninit;

/// Rows of one task: small enough to balance rows of very different degree, large enough to hide the scheduling.
const ROWS: usize = 64;
/// Nonzeros of one task of the sampled product.
const EDGES: usize = 512;

/// Returns `alpha · A y + beta · x`, or `A y` if there is no `x`. If `taken` marks the nonzero rows of `y`, no other
/// row is read.
fn product(
    [row_ptr, col_idx]: [&IntTensor<Flex>; 2],
    values: &FloatTensor<Flex>,
    y: &FloatTensor<Flex>,
    alpha: f32,
    x: Option<(&FloatTensor<Flex>, f32)>,
    taken: Option<&[bool]>,
) -> FloatTensor<Flex> {
    let (y, values) = (dense(y), dense(values));
    let d = y.shape()[1];
    let (rp, ci, v, ys) = (ints(row_ptr), ints(col_idx), floats(&values), floats(&y));
    let n = rp.len() - 1;
    let x = x.map(|(x, beta)| (dense(x), beta));
    let (xs, beta) = x.as_ref().map_or((&[] as &[f32], 0.0), |(x, beta)| (floats(x), *beta));
    let out = written(n * d, ROWS * d, |block, out| {
        let own = if xs.is_empty() { xs } else { &xs[block * ROWS * d..][..out.len()] };
        let rp = &rp[block * ROWS..];
        match taken {
            None => rows(rp, ci, v, ys, d, alpha, own, beta, out),
            Some(taken) => {
                let (rp, ci, v) = only(taken, &rp[..out.len() / d + 1], ci, v);
                rows(&rp, &ci, &v, ys, d, alpha, own, beta, out);
            }
        }
        // SAFETY: the block is made of whole rows, and `rows` writes all columns of each.
        unsafe { out.assume_init_mut() }
    });
    Flex::float_from_data(TensorData::new(out, [n, d]), &y.device())
}

/// Returns the nonzeros of some rows in the columns that are `taken`.
fn only(taken: &[bool], row_ptr: &[i32], col_idx: &[i32], values: &[f32]) -> (Vec<i32>, Vec<i32>, Vec<f32>) {
    let all = row_ptr[0] as usize..row_ptr[row_ptr.len() - 1] as usize;
    let (mut ptr, mut cols, mut kept) = (vec![0], vec![0; all.len()], vec![0.0; all.len()]);
    let mut n = 0;
    for span in row_ptr.windows(2) {
        for e in span[0] as usize..span[1] as usize {
            // Without a branch, which would be mispredicted: an entry that is not taken is overwritten.
            (cols[n], kept[n]) = (col_idx[e], values[e]);
            n += usize::from(taken[col_idx[e] as usize]);
        }
        ptr.push(n as i32);
    }
    (ptr, cols, kept)
}

/// Computes `Σ_l coefficients[l] Aˡ X` by Horner's rule; `taken` marks rows of X as in [`product`].
fn polynomial(
    [row_ptr, col_idx]: [&IntTensor<Flex>; 2],
    values: &FloatTensor<Flex>,
    x: &FloatTensor<Flex>,
    coefficients: &[f32],
    taken: Option<&[bool]>,
) -> FloatTensor<Flex> {
    let Some((&last, lower)) = coefficients.split_last() else {
        panic!("spmm_polynomial: no coefficient");
    };
    let mut y: Option<FloatTensor<Flex>> = None;
    for &c in lower.iter().rev() {
        // The innermost term is `last · x`: its factor goes into the first product, the only one of X itself.
        let (of, alpha, taken) = y.as_ref().map_or((x, last, taken), |y| (y, 1.0, None));
        y = Some(product([row_ptr, col_idx], values, of, alpha, Some((x, c)), taken));
    }
    y.unwrap_or_else(|| Flex::float_mul_scalar(x.clone(), last.into()))
}

/// Columns of a row that are summed in registers at a time: three blocks of 64, one, a half or a quarter of one.
const WIDE: usize = 192;
const NARROW: usize = 64;
const HALF: usize = 32;
const QUARTER: usize = 16;

/// `Σ values[e] y[cols[e]]` over `W` columns from `first` on.
#[inline(always)]
fn sums<M: MulAdd, const W: usize>(cols: &[i32], values: &[f32], y: &[f32], d: usize, first: usize) -> [f32; W] {
    let mut sums = [0f32; W];
    for (&c, &w) in cols.iter().zip(values) {
        // A column out of range must not count as zeros.
        let Some(y) = y[c as usize * d + first..].first_chunk::<W>() else {
            panic!("spmm: column {c} of {} rows of {d}", y.len() / d)
        };
        for (s, &y) in sums.iter_mut().zip(y) {
            *s = M::mul_add(w, y, *s);
        }
    }
    sums
}

/// [`sums`] over fewer columns than [`QUARTER`].
#[inline(always)]
fn few_sums<M: MulAdd>(cols: &[i32], values: &[f32], y: &[f32], d: usize, first: usize) -> [f32; QUARTER] {
    let mut sums = [0f32; QUARTER];
    for (&c, &w) in cols.iter().zip(values) {
        for (s, &y) in sums.iter_mut().zip(&y[c as usize * d..][first..d]) {
            *s = M::mul_add(w, y, *s);
        }
    }
    sums
}

/// Writes `alpha · sums + beta · own`, or the sums alone if there is no `own`.
#[inline(always)]
fn put<M: MulAdd>(sums: &mut [f32], alpha: f32, own: Option<&[f32]>, beta: f32, out: &mut [MaybeUninit<f32>]) {
    if let Some(own) = own {
        for (s, &x) in sums.iter_mut().zip(own) {
            *s = M::mul_add(alpha, *s, beta * x);
        }
    }
    out.write_copy_of_slice(sums);
}

vectorised! {
    /// `out[r] = alpha · Σ values[e] y[col_idx[e]] + beta · own[r]` for the rows from the first of `row_ptr` on; with
    /// an empty `own`, the sums alone. Every entry of `out` is written once.
    pub(super) fn rows(
        row_ptr: &[i32], col_idx: &[i32], values: &[f32], y: &[f32], d: usize, alpha: f32, own: &[f32], beta: f32,
        out: &mut [MaybeUninit<f32>],
    ) {
        // The callers rely on every entry being written.
        let n = out.len() / d;
        assert!(n * d == out.len() && n < row_ptr.len(), "spmm: {n} rows of {d} and {} row pointers", row_ptr.len());
        for (r, (out, span)) in out.chunks_exact_mut(d).zip(row_ptr.windows(2)).enumerate() {
            let span = span[0] as usize..span[1] as usize;
            let (cols, values) = (&col_idx[span.clone()], &values[span]);
            let own = (!own.is_empty()).then(|| &own[r * d..][..d]);
            let mut first = 0;
            while first < d {
                let (own, out) = (own.map(|own| &own[first..]), &mut out[first..]);
                // Not a closure: one called from several places is not inlined, and then not vectorised either.
                macro_rules! columns {
                    ($width:ident) => {{
                        let mut sums = sums::<M, $width>(cols, values, y, d, first);
                        put::<M>(&mut sums, alpha, own, beta, &mut out[..$width]);
                        $width
                    }};
                }
                first += match d - first {
                    WIDE.. => columns!(WIDE),
                    NARROW.. => columns!(NARROW),
                    HALF.. => columns!(HALF),
                    QUARTER.. => columns!(QUARTER),
                    rest => {
                        put::<M>(&mut few_sums::<M>(cols, values, y, d, first)[..rest], alpha, own, beta, out);
                        rest
                    }
                };
            }
        }
    }
}

vectorised! {
    /// `out[e] = ⟨y[row_idx[e]], x[col_idx[e]]⟩`.
    fn edges(row_idx: &[i32], col_idx: &[i32], y: &[f32], x: &[f32], d: usize, out: &mut [f32]) {
        for ((out, &r), &c) in out.iter_mut().zip(row_idx).zip(col_idx) {
            let (y, x) = (&y[r as usize * d..][..d], &x[c as usize * d..][..d]);
            *out = dot::<M>(y, x);
        }
    }
}

vectorised! {
    /// `out[here[e] - first] += g[e] x[there[e]]` for the rows of `out`, which are those from `first` on.
    fn scatter(here: &[i32], there: &[i32], g: &[f32], x: &[f32], d: usize, first: usize, out: &mut [f32]) {
        let held = first..first + out.len() / d;
        for ((&r, &c), &g) in here.iter().zip(there).zip(g) {
            if held.contains(&(r as usize)) {
                let (out, x) = (&mut out[(r as usize - first) * d..][..d], &x[c as usize * d..][..d]);
                for (o, &x) in out.iter_mut().zip(x) {
                    *o = M::mul_add(g, x, *o);
                }
            }
        }
    }
}

impl SpmmBackend for Flex {
    fn csr_spmm(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        product([&row_ptr, &col_idx], &values, &x, 1.0, None, None)
    }

    fn csr_polynomial(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        x: FloatTensor<Self>,
        coefficients: Vec<f32>,
    ) -> FloatTensor<Self> {
        polynomial([&row_ptr, &col_idx], &values, &x, &coefficients, None)
    }

    fn csr_polynomial_rows(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        x: FloatTensor<Self>,
        coefficients: Vec<f32>,
        ids: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let (&c, higher) = match coefficients.split_first() {
            Some((c, higher)) if !higher.is_empty() => (c, higher),
            _ => {
                let all = polynomial([&row_ptr, &col_idx], &values, &x, &coefficients, None);
                return Self::gather_rows(all, ids);
            }
        };
        // All terms but the last product, which is computed for the given rows alone.
        let (y, alpha) = match higher {
            [last] => (x.clone(), *last),
            _ => (polynomial([&row_ptr, &col_idx], &values, &x, higher, None), 1.0),
        };
        let (x, y, values, ids) = (dense(&x), dense(&y), dense(&values), dense(&ids));
        let d = x.shape()[1];
        let (rp, ci, v) = (ints(&row_ptr), ints(&col_idx), floats(&values));
        let (xs, ys, picked) = (floats(&x), floats(&y), ints(&ids));
        let out = written(picked.len() * d, ROWS * d, |block, out| {
            for (out, &id) in out.chunks_exact_mut(d).zip(&picked[block * ROWS..]) {
                let id = id as usize;
                rows(&rp[id..id + 2], ci, v, ys, d, alpha, &xs[id * d..][..d], c, out);
            }
            // SAFETY: the block is made of whole rows, and `rows` writes all columns of each.
            unsafe { out.assume_init_mut() }
        });
        Self::float_from_data(TensorData::new(out, [picked.len(), d]), &x.device())
    }

    fn csr_polynomial_rows_grad(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        g: FloatTensor<Self>,
        coefficients: Vec<f32>,
        ids: IntTensor<Self>,
        n_rows: usize,
    ) -> FloatTensor<Self> {
        let ids = dense(&ids);
        let mut taken = vec![false; n_rows];
        ints(&ids).iter().for_each(|&id| taken[id as usize] = true);
        let x = Self::gather_rows_grad(ids, g, n_rows);
        polynomial([&row_ptr, &col_idx], &values, &x, &coefficients, Some(&taken))
    }

    fn csr_sddmm(
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        y: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (y, x) = (dense(&y), dense(&x));
        let d = x.shape()[1];
        let (ri, ci, ys, xs) = (ints(&row_idx), ints(&col_idx), floats(&y), floats(&x));
        let n = ri.len();
        let out = filled(n, EDGES, |block, out| edges(&ri[block * EDGES..], &ci[block * EDGES..], ys, xs, d, out));
        Self::float_from_data(TensorData::new(out, [n]), &x.device())
    }

    fn csr_sddmm_grad(
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        g: FloatTensor<Self>,
        x: FloatTensor<Self>,
        n_rows: usize,
    ) -> FloatTensor<Self> {
        let (g, x) = (dense(&g), dense(&x));
        let d = x.shape()[1];
        let (ri, ci, gs, xs) = (ints(&row_idx), ints(&col_idx), floats(&g), floats(&x));
        let out = added(n_rows, d, |first, out| scatter(ri, ci, gs, xs, d, first, out));
        Self::float_from_data(TensorData::new(out, [n_rows, d]), &x.device())
    }

    fn csr_spmm_values(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        values: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        product([&row_ptr, &col_idx], &values, &x, 1.0, None, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Csr, splitmix64};

    fn noise(n: usize, tag: u64) -> Vec<f32> {
        (0..n as u64).map(|i| (splitmix64(tag << 32 | i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    fn signed(values: &[u32]) -> Vec<i32> {
        values.iter().map(|&i| i as i32).collect()
    }

    /// [`rows`] of all rows at once.
    fn all_rows(row_ptr: &[i32], cols: &[i32], values: &[f32], y: &[f32], d: usize, own: &[f32]) -> Vec<f32> {
        let n = row_ptr.len() - 1;
        written(n * d, (n * d).max(1), |_, out| {
            rows(row_ptr, cols, values, y, d, 0.5, own, 2.0, out);
            // SAFETY: `rows` wrote all columns of all rows.
            unsafe { out.assume_init_mut() }
        })
    }

    /// Widths around those that are summed in registers; rows without nonzeros, and one with all.
    #[test]
    fn rows_are_sums_of_any_width() {
        let (n, m) = (5, 7);
        let pairs: Vec<(u32, u32)> = (0..7).map(|c| (3, c)).chain([(0, 6), (0, 0), (4, 2)]).collect();
        let csr = Csr::from_pairs(n, m, &pairs);
        let (row_ptr, cols, values) = (signed(csr.row_ptr()), signed(csr.col_idx()), noise(csr.nnz(), 1));
        for d in [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 128, 191, 192, 193, 260] {
            let (y, x) = (noise(m * d, 2), noise(n * d, 3));
            let taken: Vec<bool> = (0..m).map(|row| row % 3 != 1).collect();
            let zeroed: Vec<f32> = y.iter().enumerate().map(|(i, &y)| if taken[i / d] { y } else { 0.0 }).collect();
            let (some_ptr, some_cols, some_values) = only(&taken, &row_ptr, &cols, &values);
            for (found, y, own) in [
                (all_rows(&row_ptr, &cols, &values, &y, d, &[]), &y, None),
                (all_rows(&row_ptr, &cols, &values, &y, d, &x), &y, Some(&x)),
                (all_rows(&some_ptr, &some_cols, &some_values, &y, d, &x), &zeroed, Some(&x)),
            ] {
                for (i, &found) in found.iter().enumerate() {
                    let (row, column) = (i / d, i % d);
                    let sum: f32 = csr.span(row).map(|e| values[e] * y[cols[e] as usize * d + column]).sum();
                    let expected = own.map_or(sum, |x| 0.5 * sum + 2.0 * x[i]);
                    assert!((found - expected).abs() < 1e-5, "row {row}, column {column} of {d}: {found}, {expected}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_matrix_panics_and_does_not_count_as_zeros() {
        let message = |row_ptr: &[i32], cols: &[i32], d: usize, n: usize| {
            let found = std::panic::catch_unwind(|| {
                let (values, y) = (noise(2, 1), noise(3 * d, 2));
                written(n * d, n * d, |_, out| {
                    rows(row_ptr, cols, &values, &y, d, 1.0, &[], 0.0, out);
                    // SAFETY: `rows` wrote all columns of all rows, or has panicked.
                    unsafe { out.assume_init_mut() }
                })
            });
            let panic = found.unwrap_err();
            panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref().map(|s: &&str| s.to_string()))
                .unwrap()
        };
        for d in [64, 192, 320] {
            assert_eq!(message(&[0, 2], &[1, 3], d, 1), format!("spmm: column 3 of 3 rows of {d}"));
        }
        assert_eq!(message(&[0, 2], &[0, 1], 4, 2), "spmm: 2 rows of 4 and 2 row pointers");
        for (row_ptr, cols) in [([0, 3], [0, 1]), ([2, 1], [0, 1]), ([-1, 2], [0, 1]), ([0, 2], [0, -1])] {
            for d in [1, 64, 192] {
                let found = message(&row_ptr, &cols, d, 1);
                let is_of_a_place = ["range", "slice index", "overflow"].iter().any(|word| found.contains(word));
                assert!(is_of_a_place, "{row_ptr:?} {cols:?}: {found}");
            }
        }
    }
}
