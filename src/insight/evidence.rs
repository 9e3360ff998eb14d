//! Uncertainty of a decomposition: a permutation null, and confidence intervals over groups such as users.

use super::pid::{Pid, PidOptions, decompose_checked};
use super::samples::Samples;
use crate::report::{Bars, Table};
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How groups are resampled for intervals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resampling {
    /// Half of the groups, without replacement. A half deviates from the whole as much as another whole set would, and
    /// no group is counted twice.
    #[default]
    Half,
    /// As many groups as there are, with replacement.
    Bootstrap,
}

/// Settings of [`PidEvidence::of`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EvidenceOptions {
    /// Number of permutations of the labels. Default: 20.
    pub permutations: usize,
    /// Number of resamples of the groups. Default: 100.
    pub resamples: usize,
    /// How groups are resampled. Default: half of them, without replacement.
    pub resampling: Resampling,
    /// Seed of both. Default: 0.
    pub seed: u64,
    /// Settings of each decomposition.
    pub pid: PidOptions,
}

impl Default for EvidenceOptions {
    fn default() -> Self {
        Self {
            permutations: 20,
            resamples: 100,
            resampling: Resampling::default(),
            seed: 0,
            pid: PidOptions::default(),
        }
    }
}

/// Estimate of one part of a decomposition, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Estimate {
    /// Plug-in value: that of the table as it is.
    pub plug_in: f64,
    /// Value corrected for the bias of few observations.
    pub corrected: f64,
    /// Mean of the plug-in values with permuted labels: what chance alone gives.
    pub null_mean: f64,
    /// Largest of these plug-in values.
    pub null_max: f64,
    /// Standard deviation of the corrected value over resamples.
    pub deviation: f64,
    /// Lower end of the 95 % interval of the corrected value.
    pub low: f64,
    /// Upper end of that interval.
    pub high: f64,
}

/// A partial information decomposition of samples, with a permutation null and confidence intervals.
///
/// ```text
/// null       decompositions with the labels permuted within each group
/// corrected  plug-in − (cells(x1, x2, y) − cells(x1, x2) − cells(y) + 1) / (2 n ln 2) for I(X1 X2; Y), alike for I(X1; Y), I(X2; Y)
/// interval   [2 θ − q₀.₉₇₅, 2 θ − q₀.₀₂₅] with q the quantiles of corrected values over resamples, θ that of all;
///            widened to include θ: resampling increases values near zero, so that θ falls out
/// ```
///
/// Tables with few observations per cell look synergistic whatever the truth is: compare a synergy with its null. Each
/// of the `x1 · x2 · y` cells needs some fifty observations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PidEvidence {
    /// The decomposition of all samples.
    pub pid: Pid,
    /// Redundant information, which both sources share.
    pub redundancy: Estimate,
    /// Unique information, which only the first or only the second source has.
    pub unique: [Estimate; 2],
    /// Synergistic information, which only both sources have together.
    pub synergy: Estimate,
    /// The total, `I(X1 X2; Y)`.
    pub total: Estimate,
    /// Number of observations.
    pub n: usize,
    /// Number of groups.
    pub n_groups: usize,
    /// Numbers of values of `x1`, `x2` and `y`.
    pub sizes: [usize; 3],
}

impl PidEvidence {
    /// Decomposes the samples, samples with permuted labels, and samples of resampled groups, on all threads.
    ///
    /// Deterministic, whatever the number of threads.
    ///
    /// ```
    /// use viral::insight::{EvidenceOptions, PidEvidence, Samples};
    ///
    /// // 300 groups of a yes and a no; the first source knows the answer in two cases of three, the second says nothing.
    /// let labels: Vec<u32> = (0..600).map(|i| i % 2).collect();
    /// let groups: Vec<u32> = (0..600).map(|i| i / 2).collect();
    /// let knows: Vec<u32> = (0..600).map(|i| if i / 2 % 3 < 2 { i % 2 } else { (i + 1) % 2 }).collect();
    /// let says_nothing: Vec<u32> = (0..600).map(|i| i / 6 % 2).collect();
    /// let found = PidEvidence::of(&Samples::new([&knows, &says_nothing], &labels, &groups)?, &EvidenceOptions::default())?;
    /// assert!(found.unique[0].low > 0.02 && found.unique[0].plug_in > found.unique[0].null_max);
    /// assert!(found.synergy.corrected.abs() < 0.01);
    /// println!("{}", found.table(["knows", "says nothing"]).to_text());
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Errors
    /// When an option is out of range, or there are fewer than two groups.
    pub fn of(samples: &Samples, options: &EvidenceOptions) -> Result<Self> {
        options.pid.check()?;
        for (setting, n) in [("permutations", options.permutations), ("resamples", options.resamples)] {
            Error::require(n >= 2, setting, n, "at least 2")?;
        }
        if samples.n_groups() < 2 {
            return Err(Error::Data(
                "one group says nothing of others; give the groups that observations come in".into(),
            ));
        }
        let pid = decompose_checked(&samples.table(), &options.pid);
        let n_nulls = options.permutations;
        // One parallel loop for permutations and resamples, which take about as long.
        let found: Vec<[f64; 5]> = (0..n_nulls + options.resamples)
            .into_par_iter()
            .map(|i| match i.checked_sub(n_nulls) {
                None => decompose_checked(&samples.permuted(options.seed, i as u64), &options.pid).atoms.all(),
                Some(i) => {
                    let table = match options.resampling {
                        Resampling::Half => samples.halved(options.seed, i as u64),
                        Resampling::Bootstrap => samples.resampled(options.seed, i as u64),
                    };
                    corrected(&decompose_checked(&table, &options.pid))
                }
            })
            .collect();
        let (nulls, resampled) = found.split_at(n_nulls);
        let (plug_in, all) = (pid.atoms.all(), corrected(&pid));
        let estimate = |part: usize| {
            let of = |rows: &[[f64; 5]]| rows.iter().map(|row| row[part]).collect::<Vec<f64>>();
            Estimate::new(plug_in[part], all[part], &of(nulls), of(resampled))
        };
        let [redundancy, first, second, synergy, total] = [0, 1, 2, 3, 4].map(estimate);
        let (n, n_groups, sizes) = (samples.n(), samples.n_groups(), samples.sizes());
        Ok(Self { pid, redundancy, unique: [first, second], synergy, total, n, n_groups, sizes })
    }

    /// The five quantities with their names, redundancy first and the total last; `sources` are the names of the two.
    pub fn estimates(&self, sources: [&str; 2]) -> [(String, Estimate); 5] {
        let [first, second] = sources.map(|source| format!("only {source}"));
        [
            ("redundant".to_string(), self.redundancy),
            (first, self.unique[0]),
            (second, self.unique[1]),
            ("synergy".to_string(), self.synergy),
            ("total".to_string(), self.total),
        ]
    }

    /// Returns a table with a row for each quantity, in bits.
    pub fn table(&self, sources: [&str; 2]) -> Table {
        let mut table = Table::new(["bits", "plug-in", "null", "corrected", "95 % from", "to"]);
        for (name, e) in self.estimates(sources) {
            // No minus sign before a value that rounds to zero.
            let four = |x: f64| format!("{:.4}", if x.abs() < 5e-5 { 0.0 } else { x });
            let numbers = [e.plug_in, e.null_mean, e.corrected, e.low, e.high].map(four);
            table.row(std::iter::once(name).chain(numbers));
        }
        table
    }

    /// Returns a bar chart of the corrected values with their intervals, and the plug-in values that chance alone
    /// gives.
    pub fn bars(&self, title: &str, sources: [&str; 2]) -> Bars {
        self.estimates(sources).into_iter().fold(Bars::new(title, "bits"), |bars, (name, e)| {
            bars.bar(name, e.corrected, Some([e.low, e.high]), Some(e.null_mean))
        })
    }
}

impl Estimate {
    /// Whether the value exceeds chance: above every permutation of the labels, with its interval above zero.
    pub fn is_above_chance(&self) -> bool {
        self.plug_in > self.null_max && self.low > 0.0
    }

    fn new(plug_in: f64, corrected: f64, nulls: &[f64], mut resampled: Vec<f64>) -> Self {
        resampled.sort_unstable_by(f64::total_cmp);
        let quantile = |q: f64| {
            let at = q * (resampled.len() - 1) as f64;
            let (below, above) = (resampled[at.floor() as usize], resampled[at.ceil() as usize]);
            below + (above - below) * at.fract()
        };
        let n = resampled.len() as f64;
        let mean = resampled.iter().sum::<f64>() / n;
        let squares: f64 = resampled.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            plug_in,
            corrected,
            null_mean: nulls.iter().sum::<f64>() / nulls.len() as f64,
            null_max: nulls.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b)),
            deviation: (squares / (n - 1.0)).sqrt(),
            low: corrected.min(2.0 * corrected - quantile(0.975)),
            high: corrected.max(2.0 * corrected - quantile(0.025)),
        }
    }
}

/// Returns the corrected atoms, which decompositions of counts always have.
fn corrected(pid: &Pid) -> [f64; 5] {
    pid.corrected.unwrap_or(pid.atoms).all()
}
