//! How sure a decomposition is: what labels of no use would give, and how far other users would lead.

use super::pid::{Pid, PidOptions, decompose_checked};
use super::samples::Samples;
use crate::report::{Bars, Table};
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How other sets of users are imagined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resampling {
    /// Half of the groups, without replacement: as far from the whole as another whole set would be, and no cell is counted twice.
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
    /// Permutations of labels. Default: 20.
    pub permutations: usize,
    /// Resamples of groups. Default: 100.
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

/// What is known of one part, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Estimate {
    /// For the table as it is.
    pub plug_in: f64,
    /// Corrected for the number of observations.
    pub corrected: f64,
    /// Mean of the plug-in values with permuted labels: what chance alone gives.
    pub null_mean: f64,
    /// The largest of them.
    pub null_max: f64,
    /// Standard deviation of the corrected value between sets of users.
    pub deviation: f64,
    /// Lower end of the 95 % interval of the corrected value.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A decomposition of samples with its null and its intervals.
///
/// ```text
/// null       decompositions with the labels permuted within each group
/// corrected  plug-in − (cells(x1, x2, y) − cells(x1, x2) − cells(y) + 1) / (2 n ln 2) for I(X1 X2; Y), alike for I(X1; Y), I(X2; Y)
/// interval   [2 θ − q₀.₉₇₅, 2 θ − q₀.₀₂₅] with q the quantiles of corrected values of resampled groups, θ that of all;
///            widened to θ, which values near zero fall out of, for resampling makes them larger
/// ```
///
/// Tables with few observations a cell look synergistic whatever the truth is: read a synergy beside its null. `x1 · x2 · y` cells
/// want some fifty observations each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PidEvidence {
    /// The decomposition of all samples.
    pub pid: Pid,
    /// What either source says.
    pub redundancy: Estimate,
    /// What only the first or only the second says.
    pub unique: [Estimate; 2],
    /// What only both together say.
    pub synergy: Estimate,
    /// All of it, `I(X1 X2; Y)`.
    pub total: Estimate,
    /// Observations.
    pub n: usize,
    /// Groups that they come in.
    pub n_groups: usize,
    /// Numbers of values of `x1`, `x2` and `y`.
    pub sizes: [usize; 3],
}

impl PidEvidence {
    /// Decomposes the samples, samples with permuted labels, and samples of resampled groups, on all threads.
    ///
    /// The result is a function of the arguments, whatever the number of threads.
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
        // One pool of work: both kinds take about as long.
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

    /// A row for each quantity, in bits.
    pub fn table(&self, sources: [&str; 2]) -> Table {
        let mut table = Table::new(["bits", "plug-in", "null", "corrected", "95 % from", "to"]);
        for (name, e) in self.estimates(sources) {
            // No minus before what rounds to zero.
            let four = |x: f64| format!("{:.4}", if x.abs() < 5e-5 { 0.0 } else { x });
            let numbers = [e.plug_in, e.null_mean, e.corrected, e.low, e.high].map(four);
            table.row(std::iter::once(name).chain(numbers));
        }
        table
    }

    /// Corrected values with their intervals, and the plug-in values that chance alone gives, as a picture.
    pub fn bars(&self, title: &str, sources: [&str; 2]) -> Bars {
        self.estimates(sources).into_iter().fold(Bars::new(title, "bits"), |bars, (name, e)| {
            bars.bar(name, e.corrected, Some([e.low, e.high]), Some(e.null_mean))
        })
    }
}

impl Estimate {
    /// Whether it is told from what chance alone gives: above every permutation of the labels, with its interval above zero.
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

/// Samples are counts, whose decompositions always are corrected.
fn corrected(pid: &Pid) -> [f64; 5] {
    pid.corrected.unwrap_or(pid.atoms).all()
}
