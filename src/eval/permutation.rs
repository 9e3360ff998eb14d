//! The sign-flip permutation test of paired differences.

use super::paired::{TestResult, check_values};
use crate::data::splitmix64;
use crate::{Error, Result};
use rayon::prelude::*;

/// Paired permutation test by sign flips.
///
/// If two models do not differ, each user's difference could equally well have had the opposite sign:
///
/// ```text
/// S  = Σᵤ dᵤ            S* = Σᵤ ±dᵤ, signs at random
/// p  = (1 + #{|S*| ≥ |S|}) / (1 + n_flips)
/// ```
///
/// Users with a difference of 0 do not affect `p`. If the others have at most `n_flips` sign assignments in total, all
/// of these are enumerated and the test is exact: `p` is the share that is at least as extreme. The returned statistic
/// is the mean difference. The test assumes nothing about the distribution of differences except that signs are
/// exchangeable: Fisher, *The Design of Experiments*, 1935, §21. For the plus ones see Phipson and Smyth, *Permutation
/// P-values Should Never Be Zero*, 2010.
///
/// Deterministic: each flip draws from `(seed, flip)`. Time O(users · n_flips), in parallel.
///
/// ```
/// use viral::eval::sign_flip_test;
///
/// // Only two of the 2⁴ sign assignments are as extreme as the observed one.
/// assert_eq!(sign_flip_test(&[0.1, 0.0, 0.3, 0.2, 0.2], 10_000, 0)?.p, 2.0 / 16.0);
/// let many: Vec<f64> = (0..100).map(|user| f64::from(user % 5) - 1.0).collect();
/// assert_eq!(sign_flip_test(&many, 999, 7)?.p, 1.0 / 1000.0);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When `differences` is empty or has a value that is not finite, or `n_flips` is 0.
pub fn sign_flip_test(differences: &[f64], n_flips: usize, seed: u64) -> Result<TestResult> {
    check_values("a permutation test", differences, 1)?;
    if n_flips == 0 {
        return Err(Error::Config("a permutation test needs at least one flip".into()));
    }
    let sum: f64 = differences.iter().sum();
    let mean = sum / differences.len() as f64;
    let moved: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    // Sums of the same terms in another order differ in their last bits; they count as equal.
    let slack = 1e-12 * moved.iter().map(|d| d.abs()).sum::<f64>();
    let is_as_far = |flipped: f64| flipped.abs() >= sum.abs() - slack;
    let is_few = moved.len() < usize::BITS as usize && 1usize << moved.len() <= n_flips;
    let p = if is_few {
        let all = 1u64 << moved.len();
        let far = (0..all).into_par_iter().filter(|&signs| is_as_far(flipped(&moved, |_| signs))).count();
        far as f64 / all as f64
    } else {
        let far = (0..n_flips as u64)
            .into_par_iter()
            .filter(|&flip| {
                let stream = splitmix64(splitmix64(seed) ^ flip);
                is_as_far(flipped(&moved, |block| splitmix64(stream ^ block)))
            })
            .count();
        (1 + far) as f64 / (1 + n_flips) as f64
    };
    Ok(TestResult::new(mean, p))
}

/// Sums the differences with signs from bits: `bits(block)` has the signs of a block of 64 differences.
fn flipped(differences: &[f64], bits: impl Fn(u64) -> u64) -> f64 {
    let mut sum = 0.0;
    for (block, chunk) in differences.chunks(64).enumerate() {
        let bits = bits(block as u64);
        for (i, d) in chunk.iter().enumerate() {
            // Multiplying by ±1 is exact, and cheaper than an unpredictable branch.
            sum += d * (1.0 - 2.0 * ((bits >> i) & 1) as f64);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_flips_at_any_number_of_threads() {
        let differences: Vec<f64> = (0..500).map(|i| ((i * 37) % 101) as f64 / 101.0 - 0.47).collect();
        let p = |n: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| sign_flip_test(&differences, 2000, seed).unwrap().p)
        };
        assert_eq!(p(1, 3), p(4, 3));
        assert!(p(1, 3) > 0.001 && p(1, 3) < 0.999, "{}", p(1, 3));
        assert_ne!(p(1, 3), p(1, 4));
    }

    #[test]
    fn no_difference_is_no_evidence_and_the_sign_of_all_says_nothing() {
        assert_eq!(sign_flip_test(&[0.0; 30], 100, 1).unwrap(), TestResult::new(0.0, 1.0));
        let differences: Vec<f64> = (0..90).map(|i| (i % 7) as f64 - 2.5).collect();
        let turned: Vec<f64> = differences.iter().map(|d| -d).collect();
        let (a, b) = (sign_flip_test(&differences, 500, 1).unwrap(), sign_flip_test(&turned, 500, 1).unwrap());
        assert_eq!((a.p, a.statistic), (b.p, -b.statistic));
    }

    #[test]
    fn useless_questions_are_errors() {
        assert!(sign_flip_test(&[], 10, 0).is_err());
        assert!(sign_flip_test(&[1.0], 0, 0).is_err());
        assert!(sign_flip_test(&[f64::INFINITY], 10, 0).is_err());
    }
}
