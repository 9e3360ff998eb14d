//! Paired comparisons of an experiment's models on one data set.

use super::journal::Journal;
use super::{ComparisonSettings, Figure, RunRecord};
use crate::eval::{
    Difference, Metrics, benjamini_hochberg, bootstrap_interval, holm, paired_differences, paired_t_test,
    sign_flip_test, wilcoxon_test,
};
use crate::{Error, Result};
use serde::Serialize;

/// Paired comparison of two models: the first minus the second, user by user.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The first model.
    pub of: String,
    /// The second.
    pub against: String,
    /// Number of seeds of each model, over which users' values are averaged.
    pub seeds: [usize; 2],
    /// Number of users.
    pub n_users: usize,
    /// The mean difference with its 95 % interval over users.
    pub difference: Difference,
    /// p value of the sign-flip permutation test, before correction.
    pub p: f64,
    /// p value after Holm's correction for all comparisons of the data set.
    pub holm: f64,
    /// p value after Benjamini and Hochberg's correction.
    pub benjamini_hochberg: f64,
    /// p value of Wilcoxon's signed-rank test with Pratt's zeros.
    pub wilcoxon: f64,
    /// p value of the paired t-test.
    pub t: f64,
}

/// A row's name and its finished runs.
pub(super) struct Runs<'a> {
    pub(super) name: &'a str,
    pub(super) records: Vec<&'a RunRecord>,
}

/// Compares pairs of rows. Rows without per-user files are left out; their names are returned second.
pub(super) fn compare(
    journal: &Journal,
    rows: &[Runs],
    pairs: &[(usize, usize)],
    settings: &ComparisonSettings,
) -> Result<(Vec<Comparison>, Vec<String>)> {
    let (mut metrics, mut missing): (Vec<Option<Vec<Metrics>>>, Vec<String>) = (Vec::new(), Vec::new());
    let is_needed = |i: usize| pairs.iter().any(|&(a, b)| a == i || b == i);
    for (i, runs) in rows.iter().enumerate() {
        let found = match is_needed(i) && !runs.records.is_empty() {
            true => read(journal, runs, settings.figure)?,
            false => None,
        };
        if found.is_none() && is_needed(i) && !runs.records.is_empty() {
            missing.push(runs.name.to_string());
        }
        metrics.push(found);
    }
    let mut comparisons = Vec::new();
    for &(a, b) in pairs {
        let (Some(of), Some(against)) = (&metrics[a], &metrics[b]) else { continue };
        let Figure { metric, k } = settings.figure;
        let differences = paired_differences(of, against, metric, k)
            .map_err(|e| Error::Data(format!("{} minus {}: {e}", rows[a].name, rows[b].name)))?;
        let flips = sign_flip_test(&differences, settings.resamples, settings.seed)?;
        comparisons.push(Comparison {
            of: rows[a].name.to_string(),
            against: rows[b].name.to_string(),
            seeds: [of.len(), against.len()],
            n_users: differences.len(),
            difference: bootstrap_interval(&differences, settings.resamples, settings.seed)?,
            p: flips.p,
            holm: 1.0,
            benjamini_hochberg: 1.0,
            wilcoxon: wilcoxon_test(&differences)?.p,
            // One user has no spread to compare with.
            t: if differences.len() < 2 { 1.0 } else { paired_t_test(&differences)?.p },
        });
    }
    let p: Vec<f64> = comparisons.iter().map(|comparison| comparison.p).collect();
    let corrected = holm(&p).into_iter().zip(benjamini_hochberg(&p));
    for (comparison, (by_holm, by_bh)) in comparisons.iter_mut().zip(corrected) {
        (comparison.holm, comparison.benjamini_hochberg) = (by_holm, by_bh);
    }
    Ok((comparisons, missing))
}

/// Reads a figure for each user in each run; `None` if the file of a run does not exist.
fn read(journal: &Journal, runs: &Runs, figure: Figure) -> Result<Option<Vec<Metrics>>> {
    let mut all = Vec::new();
    for record in &runs.records {
        match journal.hits(record)? {
            Some(hits) => all.push(hits.metrics(&[figure.k])?),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}
