//! Student's t: the paired t-test, and confidence intervals of means over seeds.

use super::paired::{TestResult, check_values};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::beta::checked_beta_reg;
use std::fmt;

/// Student's paired t-test.
///
/// ```text
/// t = d̄ / (s / √n)        s² = Σᵤ (dᵤ − d̄)² / (n − 1)
/// p = I_{ν/(ν + t²)}(ν/2, ½)    ν = n − 1
/// ```
///
/// where I is the regularised incomplete beta function: `p` is the probability of a |t| at least as large under
/// Student's distribution with ν degrees of freedom. Student, *The Probable Error of a Mean*, 1908. Equal to SciPy's
/// `ttest_rel`, except if all differences are equal: then `p` is 1 if they are 0, else 0. The statistic is t. O(n).
///
/// ```
/// use viral::eval::paired_t_test;
///
/// let found = paired_t_test(&[0.1, 0.3, -0.1, 0.2, 0.0])?;
/// assert!((found.statistic - 2f64.sqrt()).abs() < 1e-12 && (found.p - 0.2302).abs() < 1e-4);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When there are fewer than two differences, or one is not finite.
pub fn paired_t_test(differences: &[f64]) -> Result<TestResult> {
    check_values("a t-test", differences, 2)?;
    let (mean, error) = mean_and_error(differences);
    if error == 0.0 {
        let p = if mean == 0.0 { 1.0 } else { 0.0 };
        return Ok(TestResult::new(if mean == 0.0 { 0.0 } else { mean.signum() * f64::INFINITY }, p));
    }
    let (t, freedom) = (mean / error, (differences.len() - 1) as f64);
    let p = checked_beta_reg(freedom / 2.0, 0.5, freedom / (freedom + t * t))
        .map_err(|e| Error::Data(format!("the p value of t = {t} with {freedom} degrees of freedom: {e}")))?;
    Ok(TestResult::new(t, p))
}

/// A mean over seeds with its 95 % confidence interval.
///
/// Displays as `0.0985 ± 0.0015`, or as the mean alone for a single seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeedMean {
    /// The mean.
    pub mean: f64,
    /// Half the width of the interval; `None` for a single seed.
    pub half_width: Option<f64>,
    /// Number of seeds.
    pub n: usize,
}

/// Computes the mean over seeds and its 95 % confidence interval.
///
/// ```text
/// x̄ ± t_{0.975, n−1} · s / √n
/// ```
///
/// The interval says how far the mean of another set of seeds would be from this one. It does not say whether one model
/// is better than another on these users: a paired test such as [`sign_flip_test`](super::sign_flip_test) does.
///
/// ```
/// use viral::eval::seed_mean;
///
/// let found = seed_mean(&[0.0990, 0.0978, 0.0985])?;
/// assert_eq!(found.to_string(), "0.0984 ± 0.0015");
/// assert_eq!(seed_mean(&[0.0990])?.to_string(), "0.0990");
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When `values` is empty or has a value that is not finite.
pub fn seed_mean(values: &[f64]) -> Result<SeedMean> {
    check_values("a mean over seeds", values, 1)?;
    let (mean, error) = mean_and_error(values);
    let n = values.len();
    let half_width = match n {
        1 => None,
        _ => {
            let student = StudentsT::new(0.0, 1.0, (n - 1) as f64);
            let student = student.map_err(|e| Error::Data(format!("an interval of {n} values: {e}")))?;
            Some(student.inverse_cdf(0.975) * error)
        }
    };
    Ok(SeedMean { mean, half_width, n })
}

impl fmt::Display for SeedMean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.mean)?;
        match self.half_width {
            Some(half_width) => write!(f, " ± {half_width:.4}"),
            None => Ok(()),
        }
    }
}

/// The mean and its standard error; the error of one value is 0.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    // Without this, rounding of the mean would give equal values a spread.
    if values.iter().all(|value| *value == values[0]) {
        return (values[0], 0.0);
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_differences_have_no_spread() {
        assert_eq!(paired_t_test(&[0.0; 4]).unwrap(), TestResult::new(0.0, 1.0));
        assert_eq!(paired_t_test(&[-0.1; 3]).unwrap(), TestResult::new(f64::NEG_INFINITY, 0.0));
        assert_eq!(seed_mean(&[0.1; 3]).unwrap(), SeedMean { mean: 0.1, half_width: Some(0.0), n: 3 });
    }

    #[test]
    fn useless_questions_are_errors() {
        assert!(paired_t_test(&[0.1]).unwrap_err().to_string().contains("at least 2"));
        assert!(paired_t_test(&[0.1, f64::NAN]).unwrap_err().to_string().contains("not finite"));
        assert!(seed_mean(&[]).is_err());
    }
}
