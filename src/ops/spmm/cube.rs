//! The GPU path: CubeCL kernels for every runtime, balanced by nonzeros.
//!
//! Rows differ in length by orders of magnitude, and a unit that walked a popular item's row alone would outlast all
//! others. So the product is split by nonzeros: a unit owns [`CHUNK`] consecutive nonzeros and a few neighbouring
//! columns, and walks through the rows of these nonzeros. Its sums are of two kinds:
//!
//! - the sum of a row that begins and ends in the chunk goes to the result at once;
//! - the share of a row that extends into other chunks goes to a buffer, which a second kernel adds up by row.
//!
//! Neighbouring units read neighbouring columns, four at a time if the width allows. Nothing is added atomically: the
//! order of every sum follows from the pattern alone, so a product has the same bits in every run.

use super::SpmmBackend;
use crate::ops::cube::vector_size;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;

/// Nonzeros of a unit: enough to pay for finding the first row, few enough that Baby's graph fills a large GPU.
const CHUNK: usize = 32;
/// Units that share one inner product of [`csr_sddmm`](SpmmBackend::csr_sddmm).
const GROUP: usize = 8;

/// `Σ_e values[e] X[col_idx[e]]` over each row's nonzeros in chunk `c`. It goes to `out[row]` if the chunk holds the
/// whole row, else to `shares[c]`: first the share of the row that began before the chunk, then that of the row that
/// begins there and extends beyond it.
#[cube(launch)]
fn sum_chunks<F: Float, I: Int, N: Size>(
    row_ptr: &[I],
    col_idx: &[I],
    values: &[F],
    x: &[Vector<F, N>],
    out: &mut [Vector<F, N>],
    shares: &mut [Vector<F, N>],
    n_chunks: usize,
    width: usize,
    #[comptime] chunk: usize,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    let (c, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    if c >= n_chunks {
        terminate!();
    }
    let first = c * chunk;
    let end = (first + chunk).min(values.len());

    // The row of the first nonzero, by bisection: row_ptr[row] <= first < row_ptr[above].
    let mut row = 0;
    let mut above = row_ptr.len() - 1;
    while above - row > 1 {
        let middle = (row + above) / 2;
        if usize::cast_from(row_ptr[middle]) <= first {
            row = middle;
        } else {
            above = middle;
        }
    }

    let mut e = first;
    while e < end {
        let row_end = usize::cast_from(row_ptr[row + 1]);
        let stop = row_end.min(end);
        let mut sum = Vector::<F, N>::new(F::new(0.0_f32));
        while e < stop {
            sum += Vector::<F, N>::new(values[e]) * x[usize::cast_from(col_idx[e]) * width + column];
            e += 1;
        }
        if usize::cast_from(row_ptr[row]) < first {
            shares[2 * c * width + column] = sum;
        } else if row_end > end {
            shares[(2 * c + 1) * width + column] = sum;
        } else {
            out[row * width + column] = sum;
        }
        row += 1;
    }
}

/// Adds up, in order, the shares of rows that span several chunks, and zeroes the rows without nonzeros.
#[cube(launch)]
fn join_chunks<F: Float, I: Int, N: Size>(
    row_ptr: &[I],
    shares: &[Vector<F, N>],
    out: &mut [Vector<F, N>],
    width: usize,
    #[comptime] chunk: usize,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    let (row, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    if row >= row_ptr.len() - 1 {
        terminate!();
    }
    let (first, end) = (usize::cast_from(row_ptr[row]), usize::cast_from(row_ptr[row + 1]));
    if first == end {
        out[row * width + column] = Vector::<F, N>::new(F::new(0.0_f32));
    } else {
        let (begins, ends) = (first / chunk, (end - 1) / chunk);
        if begins < ends {
            let mut sum = shares[(2 * begins + 1) * width + column];
            for c in begins + 1..ends + 1 {
                sum += shares[2 * c * width + column];
            }
            out[row * width + column] = sum;
        }
    }
}

/// `out[e] = ⟨Y[row_idx[e]], X[col_idx[e]]⟩`: each unit of a group sums over every `group`-th vector of columns, and
/// the first unit adds up the group.
#[cube(launch)]
fn sample_products<F: Float, I: Int, N: Size>(
    row_idx: &[I],
    col_idx: &[I],
    y: &[Vector<F, N>],
    x: &[Vector<F, N>],
    out: &mut [F],
    width: usize,
    #[comptime] group: usize,
    #[comptime] n_units: usize,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    let (e, lane, unit) = (ABSOLUTE_POS / group, ABSOLUTE_POS % group, UNIT_POS as usize);
    let mut shares = Shared::<[F]>::new_slice(n_units);
    let mut products = Vector::<F, N>::new(F::new(0.0_f32));
    if e < out.len() {
        let (row, col) = (usize::cast_from(row_idx[e]) * width, usize::cast_from(col_idx[e]) * width);
        let mut column = lane;
        while column < width {
            products += y[row + column] * x[col + column];
            column += group;
        }
    }
    let mut share = F::new(0.0_f32);
    #[unroll]
    for i in 0..products.vector_size() {
        share += products.extract(i);
    }
    shares[unit] = share;
    sync_cube();
    if lane == 0 && e < out.len() {
        let mut sum = F::new(0.0_f32);
        for i in 0..group {
            sum += shares[unit + i];
        }
        out[e] = sum;
    }
}

impl SpmmBackend for CubeBackend {
    fn csr_spmm(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (row_ptr, col_idx) = (into_contiguous(row_ptr), into_contiguous(col_idx));
        let (values, x) = (into_contiguous(values), into_contiguous(x));
        let (n, d, nnz) = (row_ptr.meta.shape()[0] - 1, x.meta.shape()[1], col_idx.meta.shape()[0]);
        let (client, device, dtype) = (x.client.clone(), x.device.clone(), x.dtype);
        let dtypes = [dtype_to_storage_type(dtype), dtype_to_storage_type(row_ptr.dtype)];
        let empty =
            |shape: [usize; 2]| empty_device_contiguous_dtype(client.clone(), device.clone(), shape.into(), dtype);
        let out = empty([n, d]);
        if n * d == 0 {
            return out;
        }
        let vector = vector_size(d);
        let (width, n_chunks) = (d / vector, nnz.div_ceil(CHUNK));
        let shares = empty([2 * n_chunks.max(1), d]);
        if nnz > 0 {
            let cube_dim = CubeDim::new(&client, n_chunks * width);
            sum_chunks::launch(
                &client,
                calculate_cube_count_elemwise(&client, n_chunks * width, cube_dim),
                cube_dim,
                vector,
                row_ptr.clone().into_buffer_arg(),
                col_idx.into_buffer_arg(),
                values.into_buffer_arg(),
                x.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                shares.clone().into_buffer_arg(),
                n_chunks,
                width,
                CHUNK,
                dtypes,
            );
        }
        let cube_dim = CubeDim::new(&client, n * width);
        join_chunks::launch(
            &client,
            calculate_cube_count_elemwise(&client, n * width, cube_dim),
            cube_dim,
            vector,
            row_ptr.into_buffer_arg(),
            shares.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            width,
            CHUNK,
            dtypes,
        );
        out
    }

    fn csr_sddmm(
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        y: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (row_idx, col_idx) = (into_contiguous(row_idx), into_contiguous(col_idx));
        let (y, x) = (into_contiguous(y), into_contiguous(x));
        let (nnz, d) = (row_idx.meta.shape()[0], x.meta.shape()[1]);
        let (client, dtype) = (x.client.clone(), x.dtype);
        let dtypes = [dtype_to_storage_type(dtype), dtype_to_storage_type(row_idx.dtype)];
        let out = empty_device_contiguous_dtype(client.clone(), x.device.clone(), [nnz].into(), dtype);
        if nnz == 0 {
            return out;
        }
        let vector = vector_size(d);
        let cube_dim = CubeDim::new_1d(64);
        sample_products::launch(
            &client,
            calculate_cube_count_elemwise(&client, nnz * GROUP, cube_dim),
            cube_dim,
            vector,
            row_idx.into_buffer_arg(),
            col_idx.into_buffer_arg(),
            y.into_buffer_arg(),
            x.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            d / vector,
            GROUP,
            cube_dim.num_elems() as usize,
            dtypes,
        );
        out
    }
}
