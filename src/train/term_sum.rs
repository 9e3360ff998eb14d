//! The sum of an objective's term over the steps of an epoch.

use crate::loss::Term;
use burn::tensor::Tensor;

/// A term's values summed over the steps of an epoch, on the device.
pub(super) struct TermSum {
    pub(super) name: &'static str,
    /// One sum for each run of steps with the same weight.
    pub(super) runs: Vec<(f64, Tensor<1>)>,
    /// Number of steps that had the term.
    pub(super) n: usize,
}

impl TermSum {
    pub(super) fn add(sums: &mut Vec<Self>, term: &Term) {
        let value = term.value.clone().inner();
        let at = sums.iter().position(|sum| sum.name == term.name).unwrap_or_else(|| {
            sums.push(Self { name: term.name, runs: Vec::new(), n: 0 });
            sums.len() - 1
        });
        let sum = &mut sums[at];
        sum.n += 1;
        match sum.runs.last_mut() {
            Some((weight, run)) if *weight == term.weight => *run = run.clone() + value,
            _ => sum.runs.push((term.weight, value)),
        }
    }
}
