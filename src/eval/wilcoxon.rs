//! Wilcoxon's signed-rank test of paired differences, with Pratt's treatment of zeros.

use super::paired::{TestResult, check_values};
use crate::Result;
use statrs::function::erf::erfc;

/// Wilcoxon's signed-rank test. Zeros are ranked and then dropped (Pratt); ties share their mean rank.
///
/// With `rᵤ` the rank of `|dᵤ|` among all `n` differences, of which `n₀` are zero:
///
/// ```text
/// R⁺ = Σ_{dᵤ > 0} rᵤ                   μ  = [n(n+1) − n₀(n₀+1)] / 4
/// z  = (R⁺ − μ) / σ                    σ² = [n(n+1)(2n+1) − n₀(n₀+1)(2n₀+1) − ½ Σ_ties (t³ − t)] / 24
/// p  = 2 Φ(−|z|)
/// ```
///
/// Between two good models, most users' differences are 0. Dropping these before ranking, as is often done, tests only
/// the few other users. Wilcoxon, *Individual Comparisons by Ranking Methods*, 1945; Pratt, *Remarks on Zeros and Ties
/// in the Wilcoxon Signed Rank Procedures*, 1959; the normal approximation with zeros: Cureton, 1967. Equal to SciPy's
/// `wilcoxon(d, zero_method="pratt", method="asymptotic")`, except that `p` is 1 if all differences are zero. The
/// statistic is the smaller of R⁺ and R⁻. O(n log n).
///
/// ```
/// use viral::eval::wilcoxon_test;
///
/// let found = wilcoxon_test(&[0.0, 0.0, 0.5, 0.25, -0.25, 1.0, 0.5, 0.5])?;
/// assert_eq!(found.statistic, 3.5); // R⁻: the one negative difference shares ranks 3 and 4
/// assert!((found.p - 0.0636).abs() < 1e-4);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When `differences` is empty or has a value that is not finite.
pub fn wilcoxon_test(differences: &[f64]) -> Result<TestResult> {
    check_values("a signed-rank test", differences, 1)?;
    let mut sorted: Vec<f64> = differences.to_vec();
    sorted.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    let (mut plus, mut minus, mut ties) = (0.0, 0.0, 0.0);
    let mut ranked = 0.0;
    for equal in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
        let t = equal.len() as f64;
        if equal[0] != 0.0 {
            let rank = ranked + (t + 1.0) / 2.0;
            let n_plus = equal.iter().filter(|d| **d > 0.0).count() as f64;
            plus += rank * n_plus;
            minus += rank * (t - n_plus);
            ties += t * t * t - t;
        }
        ranked += t;
    }
    let (n, zeros) = (sorted.len() as f64, sorted.iter().take_while(|d| **d == 0.0).count() as f64);
    if n == zeros {
        return Ok(TestResult::new(0.0, 1.0));
    }
    let pairs = |n: f64| n * (n + 1.0);
    let mean = (pairs(n) - pairs(zeros)) / 4.0;
    let variance = (pairs(n) * (2.0 * n + 1.0) - pairs(zeros) * (2.0 * zeros + 1.0) - ties / 2.0) / 24.0;
    let z = (plus - mean) / variance.sqrt();
    Ok(TestResult::new(plus.min(minus), erfc(z.abs() / std::f64::consts::SQRT_2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_by_hand() {
        // Absolute values 0, 1, 1, 2, 3 have the ranks 1, 2.5, 2.5, 4, 5, so R⁺ = 2.5 + 5.
        let found = wilcoxon_test(&[3.0, 0.0, -1.0, 1.0, -2.0]).unwrap();
        assert_eq!(found.statistic, 6.5);
        let z: f64 = (7.5 - 7.0) / ((330.0 - 6.0 - 3.0) / 24.0f64).sqrt();
        assert!((found.p - erfc(z / 2f64.sqrt())).abs() < 1e-15);
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(wilcoxon_test(&[0.0, -0.0, 0.0]).unwrap(), TestResult::new(0.0, 1.0));
        assert!(wilcoxon_test(&[]).is_err() && wilcoxon_test(&[f64::NAN]).is_err());
    }
}
