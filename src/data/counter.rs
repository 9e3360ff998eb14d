//! Counter-based random numbers: every draw is a hash of its position, so results depend on neither order nor threads.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// One step of SplitMix64: adds the golden-ratio increment to `x` and mixes the sum (Steele, Lea and Flood, 2014).
///
/// A bijection of `u64`; `splitmix64(0)` is `0xe220a8397b1dcdaf`.
pub fn splitmix64(x: u64) -> u64 {
    let mut z = x.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Derives the key of a random stream from `words`, in order: seed, purpose, epoch, …
pub(crate) fn stream(words: &[u64]) -> u64 {
    words.iter().fold(0, |key, &word| splitmix64(key ^ word))
}

/// Returns a draw from a stream: output number `position` of SplitMix64 seeded with `key`.
pub(crate) fn draw(key: u64, position: u64) -> u64 {
    splitmix64(key.wrapping_add(position.wrapping_mul(GOLDEN)))
}

/// Maps 64 random bits to a number below `n` (Lemire's multiply-shift; its bias is below n / 2⁶⁴).
pub(crate) fn below(n: u32, bits: u64) -> u32 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u32
}

/// Maps 64 random bits to the open interval (0, 1).
pub(crate) fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// Returns standard normal number `position` of the stream of `key` (Box–Muller).
pub(crate) fn normal(key: u64, position: u64) -> f64 {
    let radius = (-2.0 * unit(draw(key, 2 * position)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(draw(key, 2 * position + 1))).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix64_gives_the_published_stream() {
        // The outputs of the reference implementation (prng.di.unimi.it/splitmix64.c) seeded with 0.
        assert_eq!(splitmix64(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(
            [draw(0, 0), draw(0, 1), draw(0, 2)],
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]
        );
    }

    #[test]
    fn streams_of_other_words_or_another_order_differ() {
        let keys = [stream(&[1, 2]), stream(&[2, 1]), stream(&[1, 3]), stream(&[1]), stream(&[1, 2, 0])];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn draws_cover_their_range_evenly() {
        let key = stream(&[7]);
        let mut seen = [0u32; 10];
        (0..100_000).for_each(|i| seen[below(10, draw(key, i)) as usize] += 1);
        // Binomial(100000, 0.1) has a standard deviation of 95; five of them are allowed.
        assert!(seen.iter().all(|&n| n.abs_diff(10_000) < 475), "{seen:?}");
        assert_eq!((below(10, 0), below(10, u64::MAX)), (0, 9));
        assert!(unit(0) > 0.0 && unit(u64::MAX) < 1.0);
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let n = 100_000u64;
        let (sum, squares) = (0..n).map(|i| normal(3, i)).fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
        let mean = sum / n as f64;
        assert!(mean.abs() < 0.016, "mean {mean}"); // five standard errors
        assert!((squares / n as f64 - 1.0).abs() < 0.025, "variance {}", squares / n as f64);
    }
}
