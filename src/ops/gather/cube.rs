//! The GPU path of the gradient: one CubeCL kernel for every runtime.
//!
//! A unit owns one vector of columns in a run of neighbouring rows of the result. It scans all ids and adds the rows
//! that belong to its run, so every sum is in the order of the ids and no two units write the same place. The ids are
//! those of a batch, some thousands, and neighbouring units read the same one at the same time; a single walk along
//! them would take much longer.

use super::GatherBackend;
use crate::ops::cube::vector_size;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;

/// Maximum number of runs of rows: times the columns of a row, enough units to fill a large GPU.
const RUNS: usize = 4096;

/// `out[r] = Σ rows[e]` over all `e` with `ids[e] = r`.
#[cube(launch)]
fn add_rows<F: Float, I: Int, N: Size>(
    ids: &[I],
    rows: &[Vector<F, N>],
    out: &mut [Vector<F, N>],
    run: usize,
    width: usize,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    let (first, column) = (ABSOLUTE_POS / width * run, ABSOLUTE_POS % width);
    let end = (first + run).min(out.len() / width);
    for row in first..end {
        out[row * width + column] = Vector::<F, N>::new(F::new(0.0_f32));
    }
    if first < end {
        for e in 0..ids.len() {
            let row = usize::cast_from(ids[e]);
            if first <= row && row < end {
                out[row * width + column] += rows[e * width + column];
            }
        }
    }
}

impl GatherBackend for CubeBackend {
    fn gather_rows_grad(ids: IntTensor<Self>, g: FloatTensor<Self>, n_rows: usize) -> FloatTensor<Self> {
        let (ids, g) = (into_contiguous(ids), into_contiguous(g));
        let (client, dtype, d) = (g.client.clone(), g.dtype, g.meta.shape()[1]);
        let dtypes = [dtype_to_storage_type(dtype), dtype_to_storage_type(ids.dtype)];
        let out = empty_device_contiguous_dtype(client.clone(), g.device.clone(), [n_rows, d].into(), dtype);
        if n_rows * d == 0 {
            return out;
        }
        let (vector, run) = (vector_size(d), n_rows.div_ceil(RUNS));
        let width = d / vector;
        let n_units = n_rows.div_ceil(run) * width;
        let cube_dim = CubeDim::new(&client, n_units);
        add_rows::launch(
            &client,
            calculate_cube_count_elemwise(&client, n_units, cube_dim),
            cube_dim,
            vector,
            ids.into_buffer_arg(),
            g.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            run,
            width,
            dtypes,
        );
        out
    }
}
