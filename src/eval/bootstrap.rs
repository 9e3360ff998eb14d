//! Bootstrap confidence intervals of the difference between two models.

use super::metrics::{Metric, Metrics};
use super::paired::{check_values, paired_differences};
use crate::data::splitmix64;
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::slice::from_ref;

/// The mean difference of a metric between two models on the same users, with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Difference {
    /// First model minus second, mean over users.
    pub mean: f64,
    /// 2.5 % quantile of the resampled means.
    pub low: f64,
    /// 97.5 % quantile of the resampled means.
    pub high: f64,
}

impl Difference {
    /// Whether the interval excludes 0.
    pub fn is_significant(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Returns the [`bootstrap_interval`] of a metric's paired differences between two models on the same users.
///
/// ```
/// use viral::data::Interactions;
/// use viral::eval::{Metric, evaluate, paired_bootstrap};
///
/// let (users, train) = ([1.0; 40], Interactions::from_pairs(40, 3, &[]));
/// let pairs: Vec<(u32, u32)> = (0..40).map(|user| (user, 2)).collect();
/// let test = Interactions::from_pairs(40, 3, &pairs);
/// // The first model ranks everybody's test item first, the second ranks it last.
/// let good = evaluate(&users, &[0.1, 0.2, 0.3], 1, &train, &test, &[1])?;
/// let bad = evaluate(&users, &[0.3, 0.2, 0.1], 1, &train, &test, &[1])?;
/// let difference = paired_bootstrap(&good, &bad, Metric::Recall, 1, 1000, 7)?;
/// assert!(difference.is_significant() && difference.mean == 1.0);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// Returns an error if the models were not evaluated on the same users in the same order, `k` is not a cutoff of both,
/// or `n_resamples` is 0.
pub fn paired_bootstrap(
    a: &Metrics,
    b: &Metrics,
    metric: Metric,
    k: usize,
    n_resamples: usize,
    seed: u64,
) -> Result<Difference> {
    bootstrap_interval(&paired_differences(from_ref(a), from_ref(b), metric, k)?, n_resamples, seed)
}

/// Computes the mean of paired differences and its 95 % percentile bootstrap interval.
///
/// Users are resampled with replacement. Pairing by user cancels what makes some users easier than others.
///
/// Deterministic: each resample draws from `(seed, resample)`. Time O(users · n_resamples), in parallel.
///
/// ```
/// use viral::eval::bootstrap_interval;
///
/// let differences: Vec<f64> = (0..200).map(|user| f64::from(user % 4) - 1.0).collect();
/// let found = bootstrap_interval(&differences, 1000, 7)?;
/// assert_eq!(found.mean, 0.5);
/// assert!(found.low > 0.3 && found.high < 0.7);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When `differences` is empty or has a value that is not finite, or `n_resamples` is 0.
pub fn bootstrap_interval(differences: &[f64], n_resamples: usize, seed: u64) -> Result<Difference> {
    check_values("a bootstrap", differences, 1)?;
    if n_resamples == 0 {
        return Err(Error::Config("a bootstrap needs at least one resample".into()));
    }
    let n = differences.len();
    let mut means: Vec<f64> = (0..n_resamples as u64)
        .into_par_iter()
        .map(|resample| {
            let stream = splitmix64(splitmix64(seed) ^ resample);
            // The high half of a product maps 64 random bits onto 0..n.
            let draw = |i: u64| ((u128::from(splitmix64(stream ^ i)) * n as u128) >> 64) as usize;
            (0..n as u64).map(|i| differences[draw(i)]).sum::<f64>() / n as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let mean = differences.iter().sum::<f64>() / n as f64;
    Ok(Difference { mean, low: quantile(&means, 0.025), high: quantile(&means, 0.975) })
}

/// Returns a quantile by linear interpolation between the two nearest of the sorted values.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Interactions;
    use crate::eval::evaluate;

    const N: usize = 400;

    /// `N` users, two items, item 1 held out; a user's recall@1 is 1 where `likes(user)`.
    fn metrics(likes: impl Fn(usize) -> bool, held_out: usize) -> Metrics {
        let pairs: Vec<(u32, u32)> = (0..held_out as u32).map(|u| (u, 1)).collect();
        let users: Vec<f32> = (0..N).map(|u| if likes(u) { 1.0 } else { -1.0 }).collect();
        let none = Interactions::from_pairs(N, 2, &[]);
        evaluate(&users, &[0.0, 1.0], 1, &none, &Interactions::from_pairs(N, 2, &pairs), &[1]).unwrap()
    }

    #[test]
    fn the_interval_is_the_normal_one_for_many_users() {
        // The first model is right for 3/4 of the users, the second for 1/2 of them, nested: differences are 1 for a quarter.
        let (a, b) = (metrics(|u| u % 4 != 0, N), metrics(|u| u % 4 > 1, N));
        let found = paired_bootstrap(&a, &b, Metric::Recall, 1, 4000, 7).unwrap();
        assert_eq!(found.mean, 0.25);
        let error = (0.25 * 0.75 / N as f64).sqrt();
        assert!((found.low - (0.25 - 1.96 * error)).abs() < 0.15 * error, "{found:?}");
        assert!((found.high - (0.25 + 1.96 * error)).abs() < 0.15 * error, "{found:?}");
        assert!(found.is_significant());
        assert_eq!(found, paired_bootstrap(&a, &b, Metric::Recall, 1, 4000, 7).unwrap());
        assert_ne!(found, paired_bootstrap(&a, &b, Metric::Recall, 1, 4000, 8).unwrap());
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let a = metrics(|u| u % 3 == 0, N);
        let found = paired_bootstrap(&a, &a, Metric::Ndcg, 1, 100, 1).unwrap();
        assert_eq!(found, Difference { mean: 0.0, low: 0.0, high: 0.0 });
        assert!(!found.is_significant());
    }

    #[test]
    fn other_users_or_cutoffs_are_errors() {
        let (a, b) = (metrics(|_| true, N), metrics(|_| true, N - 1));
        let error = paired_bootstrap(&a, &b, Metric::Recall, 1, 10, 1).unwrap_err().to_string();
        assert!(error.contains("the same users"), "{error}");
        let error = paired_bootstrap(&a, &a, Metric::Recall, 2, 10, 1).unwrap_err().to_string();
        assert!(error.contains("recall@2"), "{error}");
        assert!(paired_bootstrap(&a, &a, Metric::Recall, 1, 0, 1).is_err());
        assert!(bootstrap_interval(&[], 10, 1).is_err() && bootstrap_interval(&[f64::NAN], 10, 1).is_err());
    }
}
