//! Per-user metric values, paired between two models.

use super::metrics::{Metric, Metrics};
use crate::{Error, Result};

/// Result of a significance test.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TestResult {
    /// The test statistic.
    pub statistic: f64,
    /// Two-sided p value: the probability of a statistic at least as extreme if there were no difference.
    pub p: f64,
}

impl TestResult {
    pub(super) fn new(statistic: f64, p: f64) -> Self {
        Self { statistic, p }
    }
}

/// Averages each user's value of a metric at a cutoff over the runs of one model with several seeds.
///
/// Users are the unit of paired tests. Averaging over seeds first keeps the pairs and reduces the noise of the seeds.
///
/// ```
/// use viral::data::Interactions;
/// use viral::eval::{Metric, evaluate, user_means};
///
/// let none = Interactions::from_pairs(2, 2, &[]);
/// let test = Interactions::from_pairs(2, 2, &[(0, 1), (1, 1)]);
/// // The first seed finds the second user's item, the second seed finds both users'.
/// let seeds = [[-1.0, 1.0], [1.0, 1.0]].map(|users| evaluate(&users, &[0.0, 1.0], 1, &none, &test, &[1]).unwrap());
/// assert_eq!(user_means(&seeds, Metric::Recall, 1)?, [0.5, 1.0]);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When `runs` is empty, the runs were not evaluated on the same users in the same order, or `k` is not a cutoff of
/// every run.
pub fn user_means(runs: &[Metrics], metric: Metric, k: usize) -> Result<Vec<f64>> {
    let Some(first) = runs.first() else {
        return Err(Error::Data("a mean over seeds needs at least one run".into()));
    };
    let mut sums = vec![0.0; first.users().len()];
    for run in runs {
        same_users(first, run)?;
        if !run.cutoffs().contains(&k) {
            return Err(Error::Config(format!("{metric}@{k} was not measured for every run")));
        }
        sums.iter_mut().zip(run.per_user(metric, k)).for_each(|(sum, value)| *sum += value);
    }
    let n = runs.len() as f64;
    Ok(sums.into_iter().map(|sum| sum / n).collect())
}

/// Returns, for each user, [`user_means`] of the first model minus those of the second: the input of the paired tests.
///
/// # Errors
/// Those of [`user_means`]; when the two models were evaluated on different users.
pub fn paired_differences(a: &[Metrics], b: &[Metrics], metric: Metric, k: usize) -> Result<Vec<f64>> {
    if let (Some(a), Some(b)) = (a.first(), b.first()) {
        same_users(a, b)?;
    }
    let (a, b) = (user_means(a, metric, k)?, user_means(b, metric, k)?);
    Ok(a.iter().zip(&b).map(|(a, b)| a - b).collect())
}

fn same_users(a: &Metrics, b: &Metrics) -> Result<()> {
    if a.users() == b.users() {
        return Ok(());
    }
    let (n, m) = (a.users().len(), b.users().len());
    Err(Error::Data(format!("a paired comparison needs the same users: these are {n} and {m} that differ")))
}

/// Returns an error unless there are at least `at_least` values and all are finite.
pub(super) fn check_values(what: &str, values: &[f64], at_least: usize) -> Result<()> {
    if values.len() < at_least {
        return Err(Error::Data(format!("{what} needs at least {at_least} values: there are {}", values.len())));
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::Data(format!("{what} of values that are not finite: one is {value}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Interactions;
    use crate::eval::evaluate;

    fn metrics(users: &[f32], held_out: &[(u32, u32)]) -> Metrics {
        let of = |pairs: &[(u32, u32)]| Interactions::from_pairs(3, 2, pairs);
        evaluate(users, &[0.0, 1.0], 1, &of(&[]), &of(held_out), &[1]).unwrap()
    }

    #[test]
    fn differences_are_of_means_over_seeds() {
        let all = [(0, 1), (1, 1), (2, 1)];
        let a = [metrics(&[1.0, 1.0, -1.0], &all), metrics(&[1.0, -1.0, -1.0], &all)];
        let b = [metrics(&[-1.0, 1.0, -1.0], &all)];
        assert_eq!(paired_differences(&a, &b, Metric::Recall, 1).unwrap(), [1.0, -0.5, 0.0]);
        let other = [metrics(&[1.0; 3], &all[1..])];
        for (a, b) in [(&a[..], &other[..]), (&[], &b), (&a, &[])] {
            assert!(paired_differences(a, b, Metric::Recall, 1).is_err());
        }
        let mixed = [a[0].clone(), other[0].clone()];
        assert!(user_means(&mixed, Metric::Recall, 1).unwrap_err().to_string().contains("the same users"));
        assert!(user_means(&a, Metric::Recall, 2).unwrap_err().to_string().contains("recall@2"));
    }
}
