//! The GPU path: one CubeCL kernel for every runtime. A unit owns one element of the result and walks its row, so
//! neighbouring units read neighbouring columns and results do not depend on scheduling.

use super::SpmmBackend;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;

#[cube(launch)]
fn csr_spmm_kernel<F: Float, I: Int>(
    row_ptr: &[I],
    col_idx: &[I],
    values: &[F],
    x: &[F],
    out: &mut [F],
    width: usize,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let row = ABSOLUTE_POS / width;
    let col = ABSOLUTE_POS % width;
    let first = usize::cast_from(row_ptr[row]);
    let end = usize::cast_from(row_ptr[row + 1]);
    let mut sum = F::new(0.0_f32);
    for e in first..end {
        sum += values[e] * x[usize::cast_from(col_idx[e]) * width + col];
    }
    out[ABSOLUTE_POS] = sum;
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
        let (n, d) = (row_ptr.meta.shape()[0] - 1, x.meta.shape()[1]);
        let (client, dtype, index) = (x.client.clone(), x.dtype, row_ptr.dtype);
        let out = empty_device_contiguous_dtype(client.clone(), x.device.clone(), [n, d].into(), dtype);
        if n * d == 0 {
            return out;
        }
        let cube_dim = CubeDim::new(&client, n * d);
        csr_spmm_kernel::launch(
            &client,
            calculate_cube_count_elemwise(&client, n * d, cube_dim),
            cube_dim,
            row_ptr.into_buffer_arg(),
            col_idx.into_buffer_arg(),
            values.into_buffer_arg(),
            x.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            d,
            [dtype_to_storage_type(dtype), dtype_to_storage_type(index)],
        );
        out
    }
}
