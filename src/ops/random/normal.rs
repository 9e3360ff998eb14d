//! The Box–Muller transform by multiplications and additions alone.
//!
//! Drivers differ in logarithms, roots and sines by far more than the last bit. They agree on the exact conversion of
//! 24-bit integers and on the rounding of sums and products (which they may contract to one). So these functions are
//! spelled out, once here and once, operation by operation, in the kernel. No operation here is fused, so every CPU
//! gives the same bits.

/// `ln(1 + x) = x - x²/2 + x³ Σ LN[k] xᵏ` for `√½ ≤ 1 + x ≤ √2`, to 6e-9 of the value (a minimax fit).
pub(super) const LN: [f32; 8] =
    [0.333_333_3, -0.250_008_2, 0.200_012_27, -0.166_233_57, 0.142_017_57, -0.131_601_83, 0.127_615_78, -0.076_344_99];

/// `sin(π t / 4) = t Σ SIN[k] t²ᵏ` for `|t| ≤ 1`, to 4e-9 of the value (a minimax fit).
pub(super) const SIN: [f32; 4] = [std::f32::consts::FRAC_PI_4, -0.080_745_436, 0.002_490_001, -3.595_045e-5];

/// `cos(π t / 4) = 1 + t² Σ COS[k] t²ᵏ` for `|t| ≤ 1`, to 1e-10 (a minimax fit).
pub(super) const COS: [f32; 4] = [-0.308_425_13, 0.015_854_327, -0.000_325_942, 3.531_334_6e-6];

/// The bits of √½, the lowest mantissa that the logarithm takes.
pub(super) const ROOT_HALF: u32 = 0x3F35_04F3;

/// Moves [`ROOT_HALF`] to the bits of 1, where the exponent changes.
pub(super) const TO_ONE: u32 = 0x3F80_0000 - ROOT_HALF;

/// First guess of an inverse square root: half of the exponent, negated.
pub(super) const ROOT_GUESS: u32 = 0x5F37_5A86;

/// Newton steps from a guess within 4 % to the last bits.
pub(super) const ROOT_STEPS: usize = 3;

/// `√(-2 ln u)` for the uniform number `u = (2k + 1) · 2⁻²⁴`, where `k` is the upper 23 bits of the word: from 3e-4 to 5.8.
#[inline(always)]
fn radius(word: u32) -> f32 {
    let u = (word >> 9 << 1 | 1) as i32 as f32 * super::distribution::STEP;
    // u = 2^e (1 + x)
    let moved = u.to_bits() + TO_ONE;
    let e = ((moved >> 23) as i32 - 127) as f32;
    let x = f32::from_bits((moved & 0x007F_FFFF) + ROOT_HALF) - 1.0;
    let p = LN.iter().rev().skip(1).fold(LN[7], |p, c| p * x + c);
    let ln = e * std::f32::consts::LN_2 + (x + x * x * (p * x - 0.5));
    let square = -2.0 * ln;
    let half = -ln;
    let mut root = f32::from_bits(ROOT_GUESS - (square.to_bits() >> 1));
    for _ in 0..ROOT_STEPS {
        root *= 1.5 - half * root * root;
    }
    square * root
}

/// Two independent normal numbers from two words: a radius, and cosine and sine of an angle.
///
/// The upper two bits of the second word are the quadrant, the next 23 an odd multiple `t` of 2⁻²³ in (-1, 1), and the angle
/// is `π t / 4` from the middle of the quadrant.
#[inline(always)]
pub(super) fn pair(a: u32, b: u32) -> (f32, f32) {
    let radius = radius(a);
    let t = ((b & 0x3FFF_FFFF) >> 7 << 1 | 1) as i32 - (1 << 23);
    let t = t as f32 * (1.0 / (1 << 23) as f32);
    let z = t * t;
    let sin = t * (((SIN[3] * z + SIN[2]) * z + SIN[1]) * z + SIN[0]);
    let cos = z * (((COS[3] * z + COS[2]) * z + COS[1]) * z + COS[0]) + 1.0;
    // Odd quadrants add a quarter turn, quadrants 2 and 3 a half turn.
    let quadrant = b >> 30;
    let (x, y) = if quadrant & 1 == 0 { (cos, sin) } else { (-sin, cos) };
    let signed = if quadrant & 2 == 0 { radius } else { -radius };
    (signed * x, signed * y)
}

#[cfg(test)]
mod tests {
    use super::super::reference::normal_pair;
    use super::*;
    use crate::data::splitmix64;

    fn error(found: f32, exact: f64) -> f64 {
        (f64::from(found) - exact).abs() / exact.abs().max(1.0)
    }

    #[test]
    fn pairs_are_those_of_double_precision() {
        let ends = [0, 1, 511, 512, 0x3FFF_FFFF, 0x4000_0000, 0x5FFF_FFFF, 0x6000_0000, 0x7FFF_FFFF, 1 << 31, 3 << 30];
        let more = [u32::MAX, u32::MAX - 511, u32::MAX - 512, 0xB504_F333, 0xB504_F3FF, 0xB504_F100, 0xDFFF_FFFF];
        let words = || ends.into_iter().chain(more);
        let special = words().flat_map(|a| words().map(move |b| (a, b)));
        let random = (0..2_000_000).map(splitmix64).map(|bits| (bits as u32, (bits >> 32) as u32));
        let mut largest = 0f64;
        for (a, b) in special.chain(random) {
            let (found, exact) = (pair(a, b), normal_pair(a, b));
            let off = error(found.0, exact.0).max(error(found.1, exact.1));
            assert!(off < 4e-7, "{a:#x}, {b:#x}: {found:?} for {exact:?}");
            largest = largest.max(off);
        }
        // And not by far: there is room for a driver's contractions.
        assert!(largest > 1e-8, "{largest}");
    }

    #[test]
    fn each_radius_is_that_of_double_precision() {
        for k in 0..1u32 << 23 {
            let u = f64::from(2 * k + 1) / f64::from(1 << 24);
            let (found, exact) = (radius(k << 9), (-2.0 * u.ln()).sqrt());
            assert!((f64::from(found) - exact).abs() < 4e-7 * exact, "{k}: {found} for {exact}");
        }
    }
}
