//! Plain loops compiled once for each vector instruction set and chosen at run time.

/// Declares a function whose body LLVM vectorises for AVX-512, for AVX2 and for the baseline; the widest set that the
/// processor has runs.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $ty),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
                #[allow(clippy::too_many_arguments)]
                fn v4($($arg: $ty),*) {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn v3($($arg: $ty),*) {
                    body($($arg),*)
                }
                use std::arch::is_x86_feature_detected as has;
                if has!("avx512f") && has!("avx512dq") && has!("avx512bw") && has!("avx512vl") {
                    // SAFETY: the processor has every feature that `v4` enables.
                    return unsafe { v4($($arg),*) };
                }
                if has!("avx2") && has!("fma") {
                    // SAFETY: the processor has every feature that `v3` enables.
                    return unsafe { v3($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(crate) use vectorised;

/// `exp x` for `x ≤ 0` to 2 ulp: `2^k · p(r)` with `x = k ln 2 + r`, `|r| ≤ ln 2 / 2`. Zero below -87.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer
    let clamped = x.max(-87.0);
    let shifted = clamped * std::f32::consts::LOG2_E + MAGIC;
    let k = shifted - MAGIC;
    let r = (clamped - k * 0.693_359_4) - k * -2.121_944_4e-4;
    let p = 1.987_569_1e-4_f32;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    let power = f32::from_bits(((k as i32 + 127) << 23) as u32);
    if x < -87.0 { 0.0 } else { y * power }
}
