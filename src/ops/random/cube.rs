//! The GPU path: one CubeCL kernel for every runtime, one unit per block of two numbers.
//!
//! The generator's words are integers, and uniform numbers and masks follow from them exactly. Normal numbers are
//! computed with the additions and multiplications of [`super::normal`], so they do not depend on a driver's logarithm,
//! root or sine.

use super::distribution::{Distribution, STEP};
use super::normal::{COS, LN, ROOT_GUESS, ROOT_HALF, ROOT_STEPS, SIN, TO_ONE};
use super::threefry::{EVEN, ODD, PARITY};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;

/// The kinds of numbers that the kernel makes of its words.
const UNIFORM: u32 = 0;
const MASK: u32 = 1;
const NORMAL: u32 = 2;

#[cube]
fn rotate(x: u32, #[comptime] by: u32) -> u32 {
    (x << by) | (x >> comptime!(32 - by))
}

#[cube]
fn four_rounds(x: u32, y: u32, #[comptime] rotations: [u32; 4]) -> (u32, u32) {
    let a = x + y;
    let b = rotate(y, comptime!(rotations[0])) ^ a;
    let c = a + b;
    let d = rotate(b, comptime!(rotations[1])) ^ c;
    let e = c + d;
    let f = rotate(d, comptime!(rotations[2])) ^ e;
    let g = e + f;
    let h = rotate(f, comptime!(rotations[3])) ^ g;
    (g, h)
}

/// [`words`](super::threefry::words) of a key and a counter, lower halves first.
#[cube]
fn words(k: u32, l: u32, x: u32, y: u32) -> (u32, u32) {
    let m = k ^ l ^ PARITY;
    let (a, b) = four_rounds(x + k, y + l, ODD);
    let (c, d) = four_rounds(a + l, b + m + 1u32, EVEN);
    let (e, f) = four_rounds(c + m, d + k + 2u32, ODD);
    let (g, h) = four_rounds(e + k, f + l + 3u32, EVEN);
    let (i, j) = four_rounds(g + l, h + m + 4u32, ODD);
    (i + m, j + k + 5u32)
}

/// `√(-2 ln u)`, as on the CPU.
#[cube]
fn radius(word: u32) -> f32 {
    let u = f32::cast_from(((word >> 9u32) << 1u32) | 1u32) * STEP;
    let moved = u32::reinterpret(u) + TO_ONE;
    let e = f32::cast_from(moved >> 23u32) - 127.0f32;
    let x = f32::reinterpret((moved & 0x007F_FFFFu32) + ROOT_HALF) - 1.0f32;
    let mut p = f32::new(comptime!(LN[7]));
    #[unroll]
    for k in 1..8usize {
        p = p * x + f32::new(comptime!(LN[7 - k]));
    }
    let ln = e * f32::new(core::f32::consts::LN_2) + (x + x * x * (p * x - 0.5f32));
    let square = ln * (-2.0f32);
    let half = -ln;
    let mut root = f32::reinterpret(ROOT_GUESS - (u32::reinterpret(square) >> 1u32));
    #[unroll]
    for _ in 0..ROOT_STEPS {
        root *= 1.5f32 - half * root * root;
    }
    square * root
}

/// Returns two normal numbers from two words, as on the CPU.
#[cube]
fn normal_pair(a: u32, b: u32) -> (f32, f32) {
    let radius = radius(a);
    let t = f32::cast_from((((b & 0x3FFF_FFFFu32) >> 7u32) << 1u32) | 1u32) - 8_388_608.0f32;
    let t = t * f32::new(1.0 / 8_388_608.0);
    let z = t * t;
    let mut s = f32::new(comptime!(SIN[3]));
    let mut c = f32::new(comptime!(COS[3]));
    #[unroll]
    for k in 1..4usize {
        s = s * z + f32::new(comptime!(SIN[3 - k]));
        c = c * z + f32::new(comptime!(COS[3 - k]));
    }
    let sin = t * s;
    let cos = z * c + 1.0f32;
    let mut x = cos;
    let mut y = sin;
    if (b >> 30u32) & 1u32 == 1u32 {
        x = -sin;
        y = cos;
    }
    let mut signed = radius;
    if b >> 31u32 == 1u32 {
        signed = -radius;
    }
    (signed * x, signed * y)
}

/// Writes numbers `2 i` and `2 i + 1` in unit `i`. `start`: key and counter of the first block, lower halves first.
#[cube(launch, address_type = "dynamic")]
fn write_numbers(start: &[u32], out: &mut [f32], below: u32, kept: f32, #[comptime] kind: u32) {
    let block = ABSOLUTE_POS;
    if 2 * block >= out.len() {
        terminate!();
    }
    // A shift by 32 would exceed the width of 32-bit positions; two shifts by 16 leave 0.
    let low = start[2] + u32::cast_from(block);
    let mut high = start[3] + u32::cast_from((block >> 16) >> 16);
    if low < start[2] {
        high += 1u32;
    }
    let (a, b) = words(start[0], start[1], low, high);
    let mut x = f32::new(0.0);
    let mut y = f32::new(0.0);
    if comptime!(kind == NORMAL) {
        let (first, second) = normal_pair(a, b);
        x = first;
        y = second;
    } else if comptime!(kind == MASK) {
        if a >> 8u32 < below {
            x = kept;
        }
        if b >> 8u32 < below {
            y = kept;
        }
    } else {
        x = f32::cast_from(a >> 8u32) * STEP;
        y = f32::cast_from(b >> 8u32) * STEP;
    }
    out[2 * block] = x;
    if 2 * block + 1 < out.len() {
        out[2 * block + 1] = y;
    }
}

/// Takes and returns constants, so it needs no gradient.
#[backend_extension(Cube, Fusion: cfg(feature = "fusion"))]
pub(super) trait RandomBackend: Backend {
    /// Returns the stream's numbers from `start` on, `[4]`: the key and the first block's counter, lower halves first.
    #[fusion(dtype = DType::F32, shape = dims.clone())]
    fn random_numbers(start: IntTensor<Self>, dims: Shape, distribution: Distribution) -> FloatTensor<Self>;
}

impl RandomBackend for CubeBackend {
    fn random_numbers(start: IntTensor<Self>, dims: Shape, distribution: Distribution) -> FloatTensor<Self> {
        let start = into_contiguous(start);
        let (client, n) = (start.client.clone(), dims.num_elements());
        let out = empty_device_contiguous_dtype(client.clone(), start.device.clone(), dims, DType::F32);
        let (kind, below, kept) = match distribution {
            Distribution::Uniform => (UNIFORM, 0, 0.0),
            Distribution::Mask { below, kept } => (MASK, below, kept),
            Distribution::Normal => (NORMAL, 0, 0.0),
        };
        let n_units = n.div_ceil(2);
        if n_units > 0 {
            let cube_dim = CubeDim::new(&client, n_units);
            write_numbers::launch(
                &client,
                calculate_cube_count_elemwise(&client, n_units, cube_dim),
                cube_dim,
                out.required_address_type(),
                start.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                below,
                kept,
                kind,
            );
        }
        out
    }
}
