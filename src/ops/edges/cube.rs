//! The GPU path: CubeCL kernels for every runtime.
//!
//! Segment sums are sparse products with ones, which are balanced by edges. In the softmax a group of units shares a
//! row: each unit takes every [`GROUP`]-th edge, and all add up the units' partial results in the same order. Nothing
//! is added atomically, so results have the same bits in every run.

use super::{EdgeBackend, SpmmBackend};
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;

/// Units that share a row: few, as most rows are short, but enough for the rows of popular items.
const GROUP: usize = 16;
/// Units of a cube; a multiple of [`GROUP`].
const UNITS: u32 = 64;

/// `y = exp(x - largest) / Σ exp(x - largest)` over each row's edges, head by head.
#[cube(launch)]
fn softmax_rows<F: Float, I: Int>(
    row_ptr: &[I],
    x: &[F],
    y: &mut [F],
    heads: usize,
    #[comptime] group: usize,
    #[comptime] n_units: usize,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    let (row, lane, unit) = (ABSOLUTE_POS / group, ABSOLUTE_POS % group, UNIT_POS as usize);
    let mut shares = Shared::<[F]>::new_slice(n_units);
    let mut first = 0;
    let mut end = 0;
    if row < row_ptr.len() - 1 {
        first = usize::cast_from(row_ptr[row]);
        end = usize::cast_from(row_ptr[row + 1]);
    }
    for head in 0..heads {
        // The row's first logit is a lower bound of its maximum.
        let mut largest = F::new(0.0_f32);
        if first < end {
            largest = x[first * heads + head];
        }
        let mut e = first + lane;
        while e < end {
            let logit = x[e * heads + head];
            if logit > largest {
                largest = logit;
            }
            e += group;
        }
        shares[unit] = largest;
        sync_cube();
        for i in 0..group {
            let other = shares[unit - lane + i];
            if other > largest {
                largest = other;
            }
        }
        sync_cube();
        let mut share = F::new(0.0_f32);
        let mut e = first + lane;
        while e < end {
            share += (x[e * heads + head] - largest).exp();
            e += group;
        }
        shares[unit] = share;
        sync_cube();
        let mut sum = F::new(0.0_f32);
        for i in 0..group {
            sum += shares[unit - lane + i];
        }
        sync_cube();
        let mut e = first + lane;
        while e < end {
            y[e * heads + head] = (x[e * heads + head] - largest).exp() / sum;
            e += group;
        }
    }
}

/// `dx = y (g - Σ y g)` over each row's edges, head by head.
#[cube(launch)]
fn softmax_rows_grad<F: Float, I: Int>(
    row_ptr: &[I],
    y: &[F],
    g: &[F],
    dx: &mut [F],
    heads: usize,
    #[comptime] group: usize,
    #[comptime] n_units: usize,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    let (row, lane, unit) = (ABSOLUTE_POS / group, ABSOLUTE_POS % group, UNIT_POS as usize);
    let mut shares = Shared::<[F]>::new_slice(n_units);
    let mut first = 0;
    let mut end = 0;
    if row < row_ptr.len() - 1 {
        first = usize::cast_from(row_ptr[row]);
        end = usize::cast_from(row_ptr[row + 1]);
    }
    for head in 0..heads {
        let mut share = F::new(0.0_f32);
        let mut e = first + lane;
        while e < end {
            share += y[e * heads + head] * g[e * heads + head];
            e += group;
        }
        shares[unit] = share;
        sync_cube();
        let mut sum = F::new(0.0_f32);
        for i in 0..group {
            sum += shares[unit - lane + i];
        }
        sync_cube();
        let mut e = first + lane;
        while e < end {
            dx[e * heads + head] = y[e * heads + head] * (g[e * heads + head] - sum);
            e += group;
        }
    }
}

impl EdgeBackend for CubeBackend {
    fn segment_sum(row_ptr: IntTensor<Self>, _: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let nnz = x.meta.shape()[0];
        let edges = Self::int_arange(0..nnz as i64, &x.device, row_ptr.dtype.into());
        let ones = Self::float_ones([nnz].into(), &x.device, x.dtype.into());
        // The kernels of the product do not read the transpose.
        Self::csr_spmm(row_ptr.clone(), edges.clone(), ones.clone(), row_ptr, edges, ones, x)
    }

    fn edge_softmax(row_ptr: IntTensor<Self>, _: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (row_ptr, x) = (into_contiguous(row_ptr), into_contiguous(x));
        let (client, dtype, shape) = (x.client.clone(), x.dtype, x.meta.shape().clone());
        let dtypes = [dtype_to_storage_type(dtype), dtype_to_storage_type(row_ptr.dtype)];
        let heads = shape[1];
        let out = empty_device_contiguous_dtype(client.clone(), x.device.clone(), shape.clone(), dtype);
        if shape[0] * heads == 0 {
            return out;
        }
        let n_units = (row_ptr.meta.shape()[0] - 1) * GROUP;
        let cube_dim = CubeDim::new_1d(UNITS);
        softmax_rows::launch(
            &client,
            calculate_cube_count_elemwise(&client, n_units, cube_dim),
            cube_dim,
            row_ptr.into_buffer_arg(),
            x.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            heads,
            GROUP,
            UNITS as usize,
            dtypes,
        );
        out
    }

    fn edge_softmax_grad(
        row_ptr: IntTensor<Self>,
        _: IntTensor<Self>,
        y: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (row_ptr, y, g) = (into_contiguous(row_ptr), into_contiguous(y), into_contiguous(g));
        let (client, dtype, shape) = (y.client.clone(), y.dtype, y.meta.shape().clone());
        let dtypes = [dtype_to_storage_type(dtype), dtype_to_storage_type(row_ptr.dtype)];
        let heads = shape[1];
        let out = empty_device_contiguous_dtype(client.clone(), y.device.clone(), shape.clone(), dtype);
        if shape[0] * heads == 0 {
            return out;
        }
        let n_units = (row_ptr.meta.shape()[0] - 1) * GROUP;
        let cube_dim = CubeDim::new_1d(UNITS);
        softmax_rows_grad::launch(
            &client,
            calculate_cube_count_elemwise(&client, n_units, cube_dim),
            cube_dim,
            row_ptr.into_buffer_arg(),
            y.into_buffer_arg(),
            g.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            heads,
            GROUP,
            UNITS as usize,
            dtypes,
        );
        out
    }
}
