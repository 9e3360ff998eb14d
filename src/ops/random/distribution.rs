//! Distributions of numbers made from pairs of random words.

/// The distribution of the numbers of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Distribution {
    /// Uniform in [0, 1).
    Uniform,
    /// `kept` where the upper 24 bits of the word are below `below`, else 0.
    Mask { below: u32, kept: f32 },
    /// Normal with mean 0 and variance 1.
    Normal,
}

/// Spacing of uniform numbers, 2⁻²⁴: each of them is exact in f32.
pub(super) const STEP: f32 = 1.0 / (1 << 24) as f32;

/// Counter bit that normal numbers set, which makes those of a stream independent of its uniform numbers.
pub(super) const NORMAL: u64 = 1 << 63;

impl Distribution {
    /// Returns the mask that is `kept` with probability `keep`: exactly where the uniform number `k · 2⁻²⁴` of the
    /// position is below `keep`, which means `k < keep · 2²⁴` and is exact in double precision.
    pub(super) fn mask(keep: f64, kept: f32) -> Self {
        Self::Mask { below: (keep * f64::from(1 << 24)).ceil() as u32, kept }
    }

    /// Returns the counter of the block whose two numbers are at positions `2 block` and `2 block + 1`.
    pub(super) fn counter(self, block: u64) -> u64 {
        match self {
            Self::Normal => block | NORMAL,
            Self::Uniform | Self::Mask { .. } => block,
        }
    }

    /// Returns the uniform number of a word.
    #[inline(always)]
    pub(super) fn uniform(word: u32) -> f32 {
        (word >> 8) as i32 as f32 * STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_numbers_are_in_the_half_open_unit_interval() {
        assert_eq!((Distribution::uniform(0), Distribution::uniform(255)), (0.0, 0.0));
        assert_eq!(Distribution::uniform(256), STEP);
        assert_eq!(Distribution::uniform(u32::MAX), 1.0 - STEP);
    }

    #[test]
    fn masks_keep_what_is_below_the_probability() {
        let below = |keep| match Distribution::mask(keep, 1.0) {
            Distribution::Mask { below, .. } => below,
            other => panic!("{other:?}"),
        };
        let step = f64::from(STEP);
        assert_eq!([below(0.0), below(0.5), below(1.0)], [0, 1 << 23, 1 << 24]);
        // Number 7 is 7 · 2⁻²⁴: below anything larger, not below itself.
        assert_eq!([below(7.0 * step), below(7.0 * step + 1e-16), below(1e-300)], [7, 8, 1]);
    }
}
