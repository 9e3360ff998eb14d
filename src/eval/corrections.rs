//! Corrections of p values for how many were looked at.

/// Holm's step-down correction: adjusted p values, in the order given.
///
/// ```text
/// p̃₍ᵢ₎ = max_{j ≤ i} min(1, (m − j + 1) p₍ⱼ₎)        p₍₁₎ ≤ … ≤ p₍ₘ₎
/// ```
///
/// Rejecting those up to α keeps the chance of even one false rejection among the `m` below α, whatever depends on whatever. A p
/// value that is not rejected keeps all larger ones from it: the running maximum. Holm, *A Simple Sequentially Rejective Multiple
/// Test Procedure*, 1979. O(m log m).
///
/// ```
/// use viral::eval::holm;
///
/// let adjusted = holm(&[0.03, 0.04, 0.001]);
/// assert!((adjusted[2] - 0.003).abs() < 1e-15 && (adjusted[0] - 0.06).abs() < 1e-15);
/// // The second of two is not rejected at 0.05 either: the first was not.
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

/// Benjamini and Hochberg's step-up correction: adjusted p values, in the order given.
///
/// ```text
/// p̃₍ᵢ₎ = min_{j ≥ i} min(1, m p₍ⱼ₎ / j)        p₍₁₎ ≤ … ≤ p₍ₘ₎
/// ```
///
/// Rejecting those up to α keeps the expected share of false ones among the rejected below α, for tests that are independent or
/// positively dependent. A rejected p value takes all smaller ones with it: the running minimum. Benjamini and Hochberg, *Controlling
/// the False Discovery Rate*, 1995. O(m log m).
///
/// ```
/// use viral::eval::benjamini_hochberg;
///
/// // The larger of two is below 0.05, so both are rejected.
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

/// Places in order of their p values.
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
