//! Paired tests, corrections and intervals against SciPy and statsmodels; and a model against itself.

use serde::Deserialize;
use viral::data::{Interactions, splitmix64};
use viral::eval::{
    Metric, Metrics, benjamini_hochberg, bootstrap_interval, evaluate, holm, paired_differences, paired_t_test,
    seed_mean, sign_flip_test, wilcoxon_test,
};

/// What `tests/golden/statistics.py` writes.
#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    corrections: Vec<Corrected>,
    intervals: Vec<Interval>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    n: usize,
    t: [f64; 2],
    wilcoxon: [f64; 2],
    permutation: f64,
    n_moved: usize,
    sixtieths: Option<Vec<i64>>,
}

impl Case {
    fn differences(&self) -> Vec<f64> {
        let rule = |i: i64| if (i * 7919) % 1000 < 150 { (i * 104_729) % 61 - 28 } else { 0 };
        let numerators = self.sixtieths.clone().unwrap_or_else(|| (0..self.n as i64).map(rule).collect());
        assert_eq!(numerators.iter().filter(|x| **x != 0).count(), self.n_moved, "{}", self.name);
        numerators.into_iter().map(|x| x as f64 / 60.0).collect()
    }
}

#[derive(Deserialize)]
struct Corrected {
    p: Vec<f64>,
    holm: Vec<f64>,
    benjamini_hochberg: Vec<f64>,
}

#[derive(Deserialize)]
struct Interval {
    values: Vec<f64>,
    mean: f64,
    low: f64,
    high: f64,
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/statistics.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn close(what: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{what}: {found} for {expected}");
}

#[test]
fn p_values_are_those_of_scipy() {
    let golden = golden();
    assert!(golden.cases.iter().any(|case| case.n_moved < case.n) && golden.cases.iter().any(|case| case.n > 10_000));
    for case in &golden.cases {
        let d = case.differences();
        let (t, wilcoxon) = (paired_t_test(&d).unwrap(), wilcoxon_test(&d).unwrap());
        close(&format!("{}: t", case.name), t.statistic, case.t[0]);
        close(&format!("{}: p of t", case.name), t.p, case.t[1]);
        close(&format!("{}: rank sum", case.name), wilcoxon.statistic, case.wilcoxon[0]);
        close(&format!("{}: p of rank sum", case.name), wilcoxon.p, case.wilcoxon[1]);
        let p = sign_flip_test(&d, 99_999, 3).unwrap().p;
        if case.n_moved <= 16 {
            close(&format!("{}: p of all permutations", case.name), p, case.permutation);
        } else {
            // Two draws of a hundred thousand: five standard deviations of their difference.
            let slack = 5.0 * (2.0 * case.permutation * (1.0 - case.permutation) / 1e5).sqrt() + 2e-5;
            assert!((p - case.permutation).abs() <= slack, "{}: {p} for {}", case.name, case.permutation);
        }
    }
}

#[test]
fn corrections_are_those_of_statsmodels() {
    let golden = golden();
    for Corrected { p, holm: by_holm, benjamini_hochberg: by_bh } in &golden.corrections {
        for (what, found, expected) in [("Holm", holm(p), by_holm), ("BH", benjamini_hochberg(p), by_bh)] {
            found.iter().zip(expected).for_each(|(found, expected)| close(what, *found, *expected));
            assert_eq!(found.len(), expected.len());
        }
    }
    // Rank by rank, the second alone would be rejected by either.
    let rejected = |adjusted: Vec<f64>| adjusted.iter().filter(|p| **p <= 0.05).count();
    assert_eq!((rejected(holm(&[0.03, 0.04])), rejected(benjamini_hochberg(&[0.03, 0.04]))), (0, 2));
}

#[test]
fn intervals_over_seeds_are_those_of_scipy() {
    for Interval { values, mean, low, high } in golden().intervals {
        let found = seed_mean(&values).unwrap();
        let half_width = found.half_width.unwrap();
        close("mean", found.mean, mean);
        close("low", found.mean - half_width, low);
        close("high", found.mean + half_width, high);
    }
}

/// Uniform in [0, 1).
fn uniform(stream: u64, place: u64) -> f64 {
    (splitmix64(splitmix64(stream) ^ place) >> 11) as f64 / (1u64 << 53) as f64
}

const N_USERS: usize = 600;

/// A run of a model: each user's item is found with a chance of the user's own, that differs widely between users, or a
/// little oftener.
fn run(seed: u64, gain: f64) -> Metrics {
    let found = |user: u64| uniform(seed + 100, user) < 0.6 * uniform(1, user).powi(2) + gain;
    let users: Vec<f32> = (0..N_USERS as u64).map(|user| if found(user) { 1.0 } else { -1.0 }).collect();
    let pairs: Vec<(u32, u32)> = (0..N_USERS as u32).map(|user| (user, 1)).collect();
    let of = |pairs| Interactions::from_pairs(N_USERS, 2, pairs);
    evaluate(&users, &[0.0, 1.0], 1, &of(&[]), &of(&pairs), &[1]).unwrap()
}

/// Forty runs in two halves, by chance.
fn halves(runs: &[Metrics], split: u64) -> [Vec<Metrics>; 2] {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|&i| splitmix64(splitmix64(split + 10_000) ^ i as u64));
    let half = |order: &[usize]| order.iter().map(|&i| runs[i].clone()).collect();
    [half(&order[..runs.len() / 2]), half(&order[runs.len() / 2..])]
}

#[test]
fn a_model_is_found_to_differ_from_itself_in_one_split_of_twenty() {
    let runs: Vec<Metrics> = (0..40).map(|seed| run(seed, 0.0)).collect();
    let (mut by_flips, mut by_ranks, mut by_t, mut by_interval) = (0, 0, 0, 0);
    for split in 0..200 {
        let [a, b] = halves(&runs, split);
        let d = paired_differences(&a, &b, Metric::Recall, 1).unwrap();
        by_flips += usize::from(sign_flip_test(&d, 999, split).unwrap().p <= 0.05);
        by_ranks += usize::from(wilcoxon_test(&d).unwrap().p <= 0.05);
        by_t += usize::from(paired_t_test(&d).unwrap().p <= 0.05);
        by_interval += usize::from(bootstrap_interval(&d, 999, split).unwrap().is_significant());
    }
    for (what, n) in [("flips", by_flips), ("ranks", by_ranks), ("t", by_t), ("interval", by_interval)] {
        assert!((4..=16).contains(&n), "{what}: {n} of 200 splits, which is not 5 ± 3 %");
    }
}

#[test]
fn a_model_that_is_better_is_found_to_be() {
    let runs = |gain: f64| -> Vec<Metrics> { (0..3).map(|seed| run(seed + (gain * 1e4) as u64, gain)).collect() };
    let d = paired_differences(&runs(0.05), &runs(0.0), Metric::Recall, 1).unwrap();
    let interval = bootstrap_interval(&d, 2000, 1).unwrap();
    assert!(interval.low > 0.02 && interval.high < 0.08, "{interval:?}");
    for p in [sign_flip_test(&d, 2000, 1).unwrap().p, wilcoxon_test(&d).unwrap().p, paired_t_test(&d).unwrap().p] {
        assert!(p < 0.002, "{p}");
    }
}
