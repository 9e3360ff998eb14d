//! Corrections of p values for multiple testing.

/// Adjusts p values by Holm's step-down method, which controls the family-wise error rate. Keeps the order given.
///
/// ```text
/// p̃₍ᵢ₎ = max_{j ≤ i} min(1, (m − j + 1) p₍ⱼ₎)        p₍₁₎ ≤ … ≤ p₍ₘ₎
/// ```
///
/// Rejecting adjusted values up to α keeps the probability of even one false rejection among the `m` tests at most α,
/// under any dependence. The running maximum ensures that a p value is rejected only if all smaller ones are. Holm, *A
/// Simple Sequentially Rejective Multiple Test Procedure*, 1979. O(m log m).
///
/// ```
/// use viral::eval::holm;
///
/// let adjusted = holm(&[0.03, 0.04, 0.001]);
/// assert!((adjusted[2] - 0.003).abs() < 1e-15 && (adjusted[0] - 0.06).abs() < 1e-15);
/// // 0.04 is not rejected at 0.05 either, because the smaller 0.03 is not.
/// assert!(holm(&[0.03, 0.04]).iter().all(|p| *p > 0.05));
/// ```
///
/// # Panics
/// When a value is not from 0 to 1.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let (m, mut largest, mut adjusted) = (p.len(), 0f64, vec![0.0; p.len()]);
    for (rank, &at) in order.iter().enumerate() {
        largest = largest.max((p[at] * (m - rank) as f64).min(1.0));
        adjusted[at] = largest;
    }
    adjusted
}

/// Adjusts p values by Benjamini and Hochberg's step-up method, which controls the false discovery rate. Keeps the
/// order given.
///
/// ```text
/// p̃₍ᵢ₎ = min_{j ≥ i} min(1, m p₍ⱼ₎ / j)        p₍₁₎ ≤ … ≤ p₍ₘ₎
/// ```
///
/// Rejecting adjusted values up to α keeps the expected share of false rejections at most α, for tests that are
/// independent or positively dependent. The running minimum ensures that all p values below a rejected one are rejected
/// too. Benjamini and Hochberg, *Controlling the False Discovery Rate*, 1995. O(m log m).
///
/// ```
/// use viral::eval::benjamini_hochberg;
///
/// // The larger of the two is below 0.05, so both are rejected.
/// assert!(benjamini_hochberg(&[0.03, 0.04]).iter().all(|p| *p <= 0.05));
/// ```
///
/// # Panics
/// When a value is not from 0 to 1.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let (m, mut smallest, mut adjusted) = (p.len() as f64, 1f64, vec![0.0; p.len()]);
    for (rank, &at) in order.iter().enumerate().rev() {
        smallest = smallest.min(p[at] * m / (rank + 1) as f64);
        adjusted[at] = smallest;
    }
    adjusted
}

/// Returns the indices of the p values in ascending order.
fn ascending(p: &[f64]) -> Vec<usize> {
    if let Some(p) = p.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        panic!("a p value is from 0 to 1, not {p}");
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_are_by_rank_whatever_the_order() {
        let (p, turned) = ([0.01, 0.04, 0.03, 0.8], [0.8, 0.03, 0.04, 0.01]);
        for correct in [holm, benjamini_hochberg] {
            let mut other = correct(&turned);
            other.reverse();
            assert_eq!(correct(&p), other);
            assert!(correct(&[]).is_empty());
            assert_eq!(correct(&[0.2]), [0.2]);
        }
        assert_eq!(holm(&[0.5, 0.6]), [1.0, 1.0]);
    }

    #[test]
    #[should_panic(expected = "from 0 to 1, not 1.5")]
    fn a_p_value_above_one_panics() {
        holm(&[0.1, 1.5]);
    }
}
