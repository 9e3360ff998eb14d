//! Products of some rows of a sparse matrix with a dense one, in host memory: for a process that owns these rows alone.

use super::flex::rows;
use crate::ops::SparseMatrix;
use crate::ops::host::written;
use rayon::prelude::*;
use std::ops::Range;

/// Rows of a task, as in the product of whole matrices.
const ROWS: usize = 64;
/// Rows of a copying task.
const COPIED: usize = 1024;

/// Some rows of a sparse matrix. Their nonzeros keep their order, so that every sum has the same bits.
#[derive(Debug)]
pub(crate) struct HostRows {
    row_ptr: Vec<i32>,
    col_idx: Vec<i32>,
    values: Vec<f32>,
}

impl HostRows {
    /// Takes the rows in `ranges` from `matrix` or its transpose; `place` maps each column to its row in the dense
    /// operand.
    pub(crate) fn of(
        matrix: &SparseMatrix,
        transposed: bool,
        ranges: &[Range<usize>],
        place: impl Fn(u32) -> u32,
    ) -> Self {
        let of = if transposed { &matrix.at } else { &matrix.a };
        let [row_ptr, col_idx] = [of.row_ptr.to_data(), of.col_idx.to_data()];
        let values = of.values.to_data();
        let (row_ptr, col_idx) = (ints(&row_ptr), ints(&col_idx));
        let values = match values.as_slice::<f32>() {
            Ok(values) => values,
            Err(error) => panic!("values of a sparse matrix are f32: {error:?}"),
        };
        let mut found = Self { row_ptr: vec![0], col_idx: Vec::new(), values: Vec::new() };
        for range in ranges {
            let span = row_ptr[range.start] as usize..row_ptr[range.end] as usize;
            let shift = found.col_idx.len() as i32 - span.start as i32;
            found.row_ptr.extend(row_ptr[range.start + 1..=range.end].iter().map(|end| end + shift));
            found.col_idx.extend(col_idx[span.clone()].iter().map(|&column| place(column as u32) as i32));
            found.values.extend(&values[span]);
        }
        found.col_idx.shrink_to_fit();
        found.values.shrink_to_fit();
        found
    }

    /// Takes rows in CSR form; `place` as in [`of`](Self::of).
    pub(crate) fn new((row_ptr, col_idx, values): (Vec<i32>, Vec<u32>, Vec<f32>), place: impl Fn(u32) -> u32) -> Self {
        let col_idx = col_idx.into_iter().map(|column| place(column) as i32).collect();
        Self { row_ptr, col_idx, values }
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.row_ptr.len() - 1
    }

    pub(crate) fn nnz(&self) -> usize {
        self.col_idx.len()
    }

    /// `alpha · A y + beta · own`, `[n_rows, d]`.
    pub(crate) fn times(&self, y: &[f32], d: usize, alpha: f32, (own, beta): (&[f32], f32)) -> Vec<f32> {
        self.in_blocks(d, own, |rp, own, out| rows(rp, &self.col_idx, &self.values, y, d, alpha, own, beta, out))
    }

    /// [`times`](Self::times) for a `y` that holds only nonzero rows: `at[column]` is the position of such a row, and
    /// negative for the others, which are left out of the sums.
    pub(crate) fn times_some(
        &self,
        at: &[i32],
        y: &[f32],
        d: usize,
        alpha: f32,
        (own, beta): (&[f32], f32),
    ) -> Vec<f32> {
        self.in_blocks(d, own, |rp, own, out| {
            let (mut ptr, mut cols, mut kept) = (vec![0], Vec::new(), Vec::new());
            for span in rp[..out.len() / d + 1].windows(2) {
                for e in span[0] as usize..span[1] as usize {
                    let place = at[self.col_idx[e] as usize];
                    if place >= 0 {
                        cols.push(place);
                        kept.push(self.values[e]);
                    }
                }
                ptr.push(cols.len() as i32);
            }
            rows(&ptr, &cols, &kept, y, d, alpha, own, beta, out);
        })
    }

    fn in_blocks(
        &self,
        d: usize,
        own: &[f32],
        write: impl Fn(&[i32], &[f32], &mut [std::mem::MaybeUninit<f32>]) + Sync,
    ) -> Vec<f32> {
        let n = self.n_rows();
        assert_eq!(own.len(), n * d, "rows of a sparse matrix: {n} rows of {d}");
        written(n * d, ROWS * d, |block, out| {
            write(&self.row_ptr[block * ROWS..], &own[block * ROWS * d..][..out.len()], out);
            // SAFETY: the block is made of whole rows, and `rows` writes all columns of each.
            unsafe { out.assume_init_mut() }
        })
    }

    /// Returns the rows `picked` of [`times`](Self::times), `[picked, d]`.
    pub(crate) fn picked_times(
        &self,
        picked: &[u32],
        y: &[f32],
        d: usize,
        alpha: f32,
        (own, beta): (&[f32], f32),
    ) -> Vec<f32> {
        written(picked.len() * d, ROWS * d, |block, out| {
            for (out, &id) in out.chunks_exact_mut(d).zip(&picked[block * ROWS..]) {
                let id = id as usize;
                let (rp, own) = (&self.row_ptr[id..id + 2], &own[id * d..][..d]);
                rows(rp, &self.col_idx, &self.values, y, d, alpha, own, beta, out);
            }
            // SAFETY: the block is made of whole rows, and `rows` writes all columns of each.
            unsafe { out.assume_init_mut() }
        })
    }
}

/// Copies neighbouring columns of `x`, `[n, d]`, to a matrix of their own.
pub(crate) fn cut_columns(x: &[f32], d: usize, columns: &Range<usize>) -> Vec<f32> {
    let (n, width) = (x.len() / d, columns.len());
    written(n * width, COPIED * width, |block, out| {
        let rows = x[block * COPIED * d..].chunks_exact(d);
        for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
            out.write_copy_of_slice(&row[columns.clone()]);
        }
        // SAFETY: the block is made of whole rows, and there is a row of `x` for each.
        unsafe { out.assume_init_mut() }
    })
}

/// The inverse of [`cut_columns`], into an existing matrix.
pub(crate) fn put_columns(part: &[f32], columns: &Range<usize>, out: &mut [f32], d: usize) {
    let width = columns.len();
    out.par_chunks_mut(COPIED * d).zip(part.par_chunks(COPIED * width)).for_each(|(out, part)| {
        for (row, part) in out.chunks_exact_mut(d).zip(part.chunks_exact(width)) {
            row[columns.clone()].copy_from_slice(part);
        }
    });
}

fn ints(data: &burn::tensor::TensorData) -> &[i32] {
    match data.as_slice::<i32>() {
        Ok(values) => values,
        Err(error) => panic!("indices of a sparse matrix are i32: {error:?}"),
    }
}
