//! Loops compiled for several SIMD instruction sets, one of which is chosen at run time.

/// Multiply-add: one fused instruction if the instruction set has one, otherwise two.
pub(crate) trait MulAdd {
    /// Returns `a b + c`.
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// Fused multiply-add, which rounds once.
pub(crate) struct Fused;

/// Multiplication and addition, for processors that would have to emulate the fused instruction.
pub(crate) struct Separate;

impl MulAdd for Fused {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

impl MulAdd for Separate {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

#[cfg(target_arch = "aarch64")]
pub(crate) type Baseline = Fused;
#[cfg(not(target_arch = "aarch64"))]
pub(crate) type Baseline = Separate;

/// Returns whether [`vectorised`] functions use fused multiply-add on this processor.
#[cfg(feature = "flex")]
pub(crate) fn is_fused() -> bool {
    vectorised! {
        fn ask(fused: &mut bool) {
            // Of two roundings, the first loses the product's last bit.
            let x = 1.0 + f32::EPSILON;
            *fused = M::mul_add(x, x, -x * x) != 0.0;
        }
    }
    let mut fused = false;
    ask(&mut fused);
    fused
}

/// Declares a function whose body LLVM vectorises for AVX-512, for AVX2 and for the baseline. A call runs the widest
/// instruction set that the processor supports. In the body, `M` is that set's [`MulAdd`].
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $ty),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, clippy::extra_unused_type_parameters)]
            fn body<M: $crate::linalg::MulAdd>($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn v4($($arg: $ty),*) {
                    body::<$crate::linalg::Fused>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn v3($($arg: $ty),*) {
                    body::<$crate::linalg::Fused>($($arg),*)
                }
                use std::arch::is_x86_feature_detected as has;
                let fused = has!("avx2") && has!("fma");
                if fused && has!("avx512f") && has!("avx512dq") && has!("avx512bw") && has!("avx512vl") {
                    // SAFETY: the processor has every feature that `v4` enables.
                    return unsafe { v4($($arg),*) };
                }
                if fused {
                    // SAFETY: the processor has every feature that `v3` enables.
                    return unsafe { v3($($arg),*) };
                }
            }
            body::<$crate::linalg::Baseline>($($arg),*)
        }
    };
}
pub(crate) use vectorised;

/// `⟨x, y⟩`, summed in 16 lanes that the compiler keeps in one register.
#[inline(always)]
pub(crate) fn dot<M: MulAdd>(x: &[f32], y: &[f32]) -> f32 {
    let ((xs, x_tail), (ys, y_tail)) = (x.as_chunks::<16>(), y.as_chunks::<16>());
    let tail: f32 = x_tail.iter().zip(y_tail).map(|(a, b)| a * b).sum();
    let mut lanes = [0f32; 16];
    for (x, y) in xs.iter().zip(ys) {
        for (lane, (&x, &y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane = M::mul_add(x, y, *lane);
        }
    }
    lanes.iter().sum::<f32>() + tail
}

/// `Σ a b c`, accumulated as in [`dot`].
#[inline(always)]
pub(crate) fn dot3<M: MulAdd>(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    let mut lanes = [0f32; 16];
    for ((a, b), c) in a.chunks(16).zip(b.chunks(16)).zip(c.chunks(16)) {
        for (lane, ((&a, &b), &c)) in lanes.iter_mut().zip(a.iter().zip(b).zip(c)) {
            *lane = M::mul_add(a * b, c, *lane);
        }
    }
    lanes.iter().sum()
}

/// `Σ x`, accumulated as in [`dot`].
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let (heads, tail) = x.as_chunks::<16>();
    let mut lanes = [0f32; 16];
    for head in heads {
        for (lane, x) in lanes.iter_mut().zip(head) {
            *lane += x;
        }
    }
    lanes.iter().sum::<f32>() + tail.iter().sum::<f32>()
}

/// Returns the larger of both, or `x` if it is NaN: `f32::max` would hide that.
#[inline(always)]
pub(crate) fn at_least(bound: f32, x: f32) -> f32 {
    if x < bound { bound } else { x }
}

/// Returns the smaller of both, or `x` if it is NaN.
#[inline(always)]
pub(crate) fn at_most(bound: f32, x: f32) -> f32 {
    if x > bound { bound } else { x }
}

/// `exp x` for `x ≤ 0` to 2 ulp: `2^k · p(r)` with `x = k ln 2 + r`, `|r| ≤ ln 2 / 2`. Zero below -87; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<M: MulAdd>(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer, which its lowest bits then hold
    let clamped = at_least(-87.0, x);
    let shifted = M::mul_add(clamped, std::f32::consts::LOG2_E, MAGIC);
    let k = shifted - MAGIC;
    let r = M::mul_add(k, 2.121_944_4e-4, M::mul_add(k, -0.693_359_4, clamped));
    let p = 1.987_569_1e-4_f32;
    let p = M::mul_add(p, r, 1.398_2e-3);
    let p = M::mul_add(p, r, 8.333_452e-3);
    let p = M::mul_add(p, r, 4.166_579_6e-2);
    let p = M::mul_add(p, r, 1.666_666_5e-1);
    let p = M::mul_add(p, r, 0.5);
    let y = M::mul_add(p * r, r, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < -87.0 { 0.0 } else { y * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_double_precision() {
        for i in 0..=87_000 {
            let x = -(i as f32) / 1000.0;
            let exact = f64::from(x).exp();
            for found in [exp::<Fused>(x), exp::<Separate>(x)] {
                assert!((f64::from(found) / exact - 1.0).abs() < 2.5e-7, "exp({x}) = {found}, not {exact}");
            }
        }
        assert!(exp::<Fused>(f32::NAN).is_nan() && exp::<Separate>(f32::NAN).is_nan());
        assert_eq!([exp::<Fused>(-87.1), exp::<Fused>(f32::NEG_INFINITY), exp::<Separate>(-1e30)], [0.0; 3]);
    }
}
