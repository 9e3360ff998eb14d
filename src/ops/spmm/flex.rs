//! The CPU path: rows are shared out among threads in fixed blocks, and each row is summed by one of them.

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

/// `alpha · A y + beta · x`, or `A y` where there is no `x`. Where `taken` says which rows of `y` are not zero, no other is
/// read.
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

/// The nonzeros of some rows in the columns that are taken.
fn only(taken: &[bool], row_ptr: &[i32], col_idx: &[i32], values: &[f32]) -> (Vec<i32>, Vec<i32>, Vec<f32>) {
    let all = row_ptr[0] as usize..row_ptr[row_ptr.len() - 1] as usize;
    let (mut ptr, mut cols, mut kept) = (vec![0], vec![0; all.len()], vec![0.0; all.len()]);
    let mut n = 0;
    for span in row_ptr.windows(2) {
        for e in span[0] as usize..span[1] as usize {
            // Without a branch that could be guessed wrong: what is not taken is overwritten.
            (cols[n], kept[n]) = (col_idx[e], values[e]);
            n += usize::from(taken[col_idx[e] as usize]);
        }
        ptr.push(n as i32);
    }
    (ptr, cols, kept)
}

/// `Σ_l coefficients[l] Aˡ X`, by Horner's rule; `taken` of the rows of X as in [`product`].
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
        // The innermost term is `last · x`: its factor goes into the first product, which alone is of X.
        let (of, alpha, taken) = y.as_ref().map_or((x, last, taken), |y| (y, 1.0, None));
        y = Some(product([row_ptr, col_idx], values, of, alpha, Some((x, c)), taken));
    }
    y.unwrap_or_else(|| Flex::float_mul_scalar(x.clone(), last.into()))
}

/// Columns of a row that are summed in registers at a time: all of three blocks of 64, or of one.
const WIDE: usize = 192;
const NARROW: usize = 64;

/// `Σ values[e] y[cols[e]]` over `W` columns from `first` on.
#[inline(always)]
fn sums<M: MulAdd, const W: usize>(cols: &[i32], values: &[f32], y: &[f32], d: usize, first: usize) -> [f32; W] {
    let mut sums = [0f32; W];
    for (&c, &w) in cols.iter().zip(values) {
        let y: &[f32; W] = y[c as usize * d + first..].first_chunk().unwrap_or(&[0.0; W]);
        for (s, &y) in sums.iter_mut().zip(y) {
            *s = M::mul_add(w, y, *s);
        }
    }
    sums
}

/// [`sums`] over fewer columns than [`NARROW`].
#[inline(always)]
fn few_sums<M: MulAdd>(cols: &[i32], values: &[f32], y: &[f32], d: usize, first: usize) -> [f32; NARROW] {
    let mut sums = [0f32; NARROW];
    for (&c, &w) in cols.iter().zip(values) {
        for (s, &y) in sums.iter_mut().zip(&y[c as usize * d..][first..d]) {
            *s = M::mul_add(w, y, *s);
        }
    }
    sums
}

/// Writes `alpha · sums + beta · own`, or the sums alone where there is no `own`.
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
    /// `out[r] = alpha · Σ values[e] y[col_idx[e]] + beta · own[r]` for the rows that `row_ptr` begins with; an empty
    /// `own` counts as zero. Every place of `out` is written once.
    fn rows(
        row_ptr: &[i32], col_idx: &[i32], values: &[f32], y: &[f32], d: usize, alpha: f32, own: &[f32], beta: f32,
        out: &mut [MaybeUninit<f32>],
    ) {
        for (r, (out, span)) in out.chunks_exact_mut(d).zip(row_ptr.windows(2)).enumerate() {
            let span = span[0] as usize..span[1] as usize;
            let (cols, values) = (&col_idx[span.clone()], &values[span]);
            let own = (!own.is_empty()).then(|| &own[r * d..][..d]);
            let mut first = 0;
            while first < d {
                let own = own.map(|own| &own[first..]);
                let out = &mut out[first..];
                first += match d - first {
                    WIDE.. => {
                        let mut sums = sums::<M, WIDE>(cols, values, y, d, first);
                        put::<M>(&mut sums, alpha, own, beta, &mut out[..WIDE]);
                        WIDE
                    }
                    NARROW.. => {
                        let mut sums = sums::<M, NARROW>(cols, values, y, d, first);
                        put::<M>(&mut sums, alpha, own, beta, &mut out[..NARROW]);
                        NARROW
                    }
                    rest => {
                        let mut sums = few_sums::<M>(cols, values, y, d, first);
                        put::<M>(&mut sums[..rest], alpha, own, beta, out);
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
    /// `out[here[e] - first] += g[e] x[there[e]]` for the rows from `first` on that `out` holds.
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
        // All terms but the last product, which is made for the rows alone.
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
