//! The GPU path: tensor cores that multiply bf16 and accumulate in f32, if there are any.

use super::MatmulBackend;
use burn::backend::tensor::FloatTensor;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::ir::{ElemType, FloatKind};
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::kernel::{cast, into_contiguous};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// Rounds `x` to the nearest bf16 value, ties to even, and stores it as f32.
#[cube(launch)]
fn round(x: &[f32], out: &mut [f32]) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let bits = u32::reinterpret(x[ABSOLUTE_POS]);
    let mut rounded = bits + 0x7fff + ((bits >> 16) & 1);
    // Rounding up a NaN could carry over into the sign.
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        rounded = bits | 0x40_0000;
    }
    out[ABSOLUTE_POS] = f32::reinterpret(rounded & 0xffff_0000);
}

/// Rounds to bf16 values, stored as f32.
fn rounded(x: CubeTensor) -> CubeTensor {
    let x = into_contiguous(x);
    let (client, shape, n) = (x.client.clone(), x.meta.shape().clone(), x.meta.num_elements());
    let out = empty_device_contiguous_dtype(client.clone(), x.device.clone(), shape, x.dtype);
    if n > 0 {
        let cube_dim = CubeDim::new(&client, n);
        let count = calculate_cube_count_elemwise(&client, n, cube_dim);
        round::launch(&client, count, cube_dim, x.into_buffer_arg(), out.clone().into_buffer_arg());
    }
    out
}

/// Returns whether the device has instructions that multiply bf16 and accumulate in f32.
fn multiplies_bf16(x: &CubeTensor) -> bool {
    let (half, single) = (ElemType::Float(FloatKind::BF16), ElemType::Float(FloatKind::F32));
    let features = &x.client.properties().features.matmul;
    let mut configs = features.cmma.iter().chain(&features.mma);
    configs.any(|c| c.a_type == half && c.b_type == half && c.cd_type == single)
}

impl MatmulBackend for CubeBackend {
    fn bf16_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let (dtype, native) = (a.dtype, multiplies_bf16(&a));
        let (a, b) = match native {
            true => (cast(a, DType::BF16), cast(b, DType::BF16)),
            false => (rounded(a), rounded(b)),
        };
        match matmul(a, b, None, MatmulStrategy::default(), dtype) {
            Ok(out) => out,
            Err(error) => panic!("matmul with bf16 operands: {error:?}"),
        }
    }
}
