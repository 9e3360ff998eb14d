//! Accuracy metrics of rankings against held-out interactions, as MMRec defines them.

use super::hits::Hits;
use super::ranking::{Ranking, rank};
use crate::data::Interactions;
use crate::named::named;
use crate::{Error, Result};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An accuracy metric. Let `T` be a user's held-out items, and `r` the ranks, counted from 1, at which a ranking holds
/// one:
///
/// ```text
/// recall@k    = |{r ≤ k}| / |T|
/// ndcg@k      = Σ_{r ≤ k} 1/log2(r + 1) / Σ_{r ≤ min(|T|, k)} 1/log2(r + 1)
/// precision@k = |{r ≤ k}| / k
/// map@k       = Σ_{r ≤ k} precision@r / min(|T|, k)
/// ```
///
/// ```
/// use viral::eval::Metric;
///
/// assert_eq!("ndcg".parse::<Metric>()?, Metric::Ndcg);
/// assert_eq!(Metric::Ndcg.to_string(), "ndcg");
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Share of the held-out items that are among the first `k`.
    #[default]
    Recall,
    /// Normalised discounted cumulative gain (nDCG) with binary relevance.
    Ndcg,
    /// Share of the first `k` ranks that hold held-out items.
    Precision,
    /// Mean average precision: the mean of the precisions at the hits.
    Map,
}

impl Metric {
    /// All four metrics, in the order of reports.
    pub const ALL: &'static [Self] = &[Self::Recall, Self::Ndcg, Self::Precision, Self::Map];
}

named! {
    Metric, "metric":
    Recall => "recall",
    Ndcg => "ndcg",
    Precision => "precision",
    Map => "map",
}

/// Values of every metric at every cutoff for every user.
///
/// Serialises as the map of means, `{"recall@20": 0.07636, …}`. [`evaluate`] has an example.
///
/// ```
/// use viral::data::Interactions;
/// use viral::eval::{Metric, Metrics, rank};
///
/// let (seen, held_out) = (Interactions::from_pairs(1, 3, &[]), Interactions::from_pairs(1, 3, &[(0, 1)]));
/// let ranking = rank(&[1.0], &[0.3, 0.2, 0.1], 1, &seen, &[0], 2)?;
/// let metrics = Metrics::of(&ranking, &held_out, &[1, 2])?;
/// assert_eq!((metrics.recall(1), metrics.recall(2), metrics.mean(Metric::Map, 2)), (0.0, 1.0, 0.5));
/// assert_eq!(metrics.per_user(Metric::Precision, 2), [0.5]);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    cutoffs: Vec<usize>,
    users: Vec<u32>,
    /// `[metric, cutoff, user]`.
    values: Vec<f64>,
}

impl Metrics {
    /// Computes the metrics of a ranking against held-out interactions. Users without held-out items are skipped.
    ///
    /// An unfilled rank counts as a miss. MMRec fills it with a masked item, which gives the same numbers.
    ///
    /// Returns an error if no cutoff is given, one is 0 or above [`Ranking::k`], or no ranked user has held-out items.
    pub fn of(ranking: &Ranking, held_out: &Interactions, cutoffs: &[usize]) -> Result<Self> {
        Hits::of(ranking, held_out)?.metrics(cutoffs)
    }

    /// Values as `[metric, cutoff, user]`.
    pub(super) fn new(cutoffs: Vec<usize>, users: Vec<u32>, values: Vec<f64>) -> Self {
        Self { cutoffs, users, values }
    }

    /// The cutoffs, in the order given.
    pub fn cutoffs(&self) -> &[usize] {
        &self.cutoffs
    }

    /// The evaluated users: those with held-out items.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// The mean of a metric at a cutoff over users.
    ///
    /// # Panics
    /// When `k` is not one of the [`cutoffs`](Self::cutoffs).
    pub fn mean(&self, metric: Metric, k: usize) -> f64 {
        let values = self.per_user(metric, k);
        values.iter().sum::<f64>() / values.len() as f64
    }

    /// Mean recall at a cutoff. Panics as [`mean`](Self::mean).
    pub fn recall(&self, k: usize) -> f64 {
        self.mean(Metric::Recall, k)
    }

    /// Mean NDCG at a cutoff. Panics as [`mean`](Self::mean).
    pub fn ndcg(&self, k: usize) -> f64 {
        self.mean(Metric::Ndcg, k)
    }

    /// Mean precision at a cutoff. Panics as [`mean`](Self::mean).
    pub fn precision(&self, k: usize) -> f64 {
        self.mean(Metric::Precision, k)
    }

    /// Mean average precision at a cutoff. Panics as [`mean`](Self::mean).
    pub fn map(&self, k: usize) -> f64 {
        self.mean(Metric::Map, k)
    }

    /// Values of a metric at a cutoff, one for each of [`users`](Self::users).
    ///
    /// # Panics
    /// When `k` is not one of the [`cutoffs`](Self::cutoffs).
    pub fn per_user(&self, metric: Metric, k: usize) -> &[f64] {
        let Some(c) = self.cutoffs.iter().position(|&cutoff| cutoff == k) else {
            panic!("metrics: {metric}@{k} was not computed; the cutoffs are {:?}", self.cutoffs);
        };
        let m = metric as usize;
        &self.values[(m * self.cutoffs.len() + c) * self.users.len()..][..self.users.len()]
    }

    /// All means with their names, such as `recall@20`.
    pub fn means(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        let all = Metric::ALL.iter().flat_map(|&metric| self.cutoffs.iter().map(move |&k| (metric, k)));
        all.map(|(metric, k)| (format!("{metric}@{k}"), self.mean(metric, k)))
    }
}

/// Writes a table of means: a row for each metric, a column for each cutoff.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9}", "")?;
        self.cutoffs.iter().try_for_each(|k| write!(f, "  {:>6}", format!("@{k}")))?;
        for &metric in Metric::ALL {
            write!(f, "\n{:<9}", metric.name())?;
            self.cutoffs.iter().try_for_each(|&k| write!(f, "  {:.4}", self.mean(metric, k)))?;
        }
        Ok(())
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Metric::ALL.len() * self.cutoffs.len()))?;
        for (name, mean) in self.means() {
            map.serialize_entry(&name, &mean)?;
        }
        map.end()
    }
}

/// Ranks all unseen items for every user with held-out items, and computes the metrics.
///
/// A cutoff above the number of items is allowed: missing ranks count as misses. Shapes, complexity and panics are
/// those of [`rank`], errors those of [`rank`] and [`Metrics::of`].
///
/// ```
/// use viral::data::Interactions;
/// use viral::eval::{Metric, evaluate};
///
/// // One-dimensional embeddings: an item's score is its value.
/// let (users, items) = ([1.0], [0.1, 0.4, 0.3, 0.9]);
/// let train = Interactions::from_pairs(1, 4, &[(0, 3)]);
/// let test = Interactions::from_pairs(1, 4, &[(0, 2)]);
/// // Item 3 is seen, so the ranking is 1, 2, 0.
/// let metrics = evaluate(&users, &items, 1, &train, &test, &[1, 2])?;
/// assert_eq!(metrics.mean(Metric::Recall, 1), 0.0);
/// assert_eq!(metrics.mean(Metric::Recall, 2), 1.0);
/// assert_eq!(metrics.mean(Metric::Precision, 2), 0.5);
/// # Ok::<(), viral::Error>(())
/// ```
pub fn evaluate(
    users: &[f32],
    items: &[f32],
    d: usize,
    seen: &Interactions,
    held_out: &Interactions,
    cutoffs: &[usize],
) -> Result<Metrics> {
    evaluate_ranked(seen, held_out, cutoffs, |with_truth, k| rank(users, items, d, seen, with_truth, k))
}

/// [`evaluate`] with any function that ranks `k` items for the given users.
pub(super) fn evaluate_ranked(
    seen: &Interactions,
    held_out: &Interactions,
    cutoffs: &[usize],
    rank: impl FnOnce(&[u32], usize) -> Result<Ranking>,
) -> Result<Metrics> {
    let sizes = |x: &Interactions| (x.n_users(), x.n_items());
    assert_eq!(sizes(seen), sizes(held_out), "evaluate: seen and held out are of other numbers of users or items");
    check_cutoffs(cutoffs)?;
    let with_truth = users_of(held_out);
    let deepest = cutoffs.iter().copied().max().unwrap_or(0);
    Metrics::of(&rank(&with_truth, deepest)?, held_out, cutoffs)
}

/// The users with held-out items.
pub(super) fn users_of(held_out: &Interactions) -> Vec<u32> {
    (0..held_out.n_users()).filter(|&u| !held_out.of_user(u).is_empty()).map(|u| u as u32).collect()
}

pub(super) fn check_cutoffs(cutoffs: &[usize]) -> Result<()> {
    match cutoffs {
        [] => Err(Error::Config("metrics need at least one cutoff".into())),
        _ if cutoffs.contains(&0) => Err(Error::Config("a cutoff of 0 ranks nothing".into())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items rank 0, 1, …, 9 by falling score; items 1, 3 and 9 are held out for user 0, nothing for user 1.
    fn metrics(cutoffs: &[usize]) -> Metrics {
        let items: Vec<f32> = (0..10).map(|i| -(i as f32)).collect();
        let none = Interactions::from_pairs(2, 10, &[]);
        let held_out = Interactions::from_pairs(2, 10, &[(0, 1), (0, 3), (0, 9)]);
        evaluate(&[1.0, 1.0], &items, 1, &none, &held_out, cutoffs).unwrap()
    }

    #[test]
    fn the_four_metrics_by_hand() {
        let found = metrics(&[1, 2, 5]);
        assert_eq!(found.users(), [0]);
        let log = |x: f64| 1.0 / x.log2();
        for (name, k, expected) in [
            ("recall", 1, 0.0),
            ("recall", 2, 1.0 / 3.0),
            ("recall", 5, 2.0 / 3.0),
            ("precision", 2, 0.5),
            ("precision", 5, 0.4),
            ("ndcg", 2, log(3.0) / (log(2.0) + log(3.0))),
            ("ndcg", 5, (log(3.0) + log(5.0)) / (log(2.0) + log(3.0) + log(4.0))),
            ("map", 2, 0.5 / 2.0),
            ("map", 5, (0.5 + 0.5) / 3.0),
        ] {
            let value = found.mean(name.parse().unwrap(), k);
            assert!((value - expected).abs() < 1e-15, "{name}@{k}: {value} for {expected}");
        }
        assert!("hits".parse::<Metric>().unwrap_err().to_string().contains("recall, ndcg, precision, map"));
        let shown = "               @1      @2      @5\nrecall     0.0000  0.3333  0.6667\n";
        assert!(found.to_string().starts_with(shown), "{found}");
    }

    #[test]
    #[should_panic(expected = "recall@3 was not computed; the cutoffs are [1, 2]")]
    fn a_cutoff_that_was_not_asked_for_panics() {
        metrics(&[1, 2]).recall(3);
    }

    #[test]
    fn missing_ranks_are_misses() {
        // 50 ranks of 10 items: precision still divides by 50, recall saturates.
        let found = metrics(&[50]);
        assert_eq!(found.recall(50), 1.0);
        assert_eq!(found.precision(50), 3.0 / 50.0);
    }

    #[test]
    fn means_serialise_under_their_names() {
        let json = serde_json::to_value(metrics(&[2, 5])).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 8);
        assert_eq!(json["precision@5"], 0.4);
    }

    #[test]
    fn useless_questions_are_errors() {
        let none = Interactions::from_pairs(1, 2, &[]);
        let some = Interactions::from_pairs(1, 2, &[(0, 1)]);
        let run = |held_out, cutoffs: &[usize]| evaluate(&[1.0], &[1.0, 2.0], 1, &none, held_out, cutoffs);
        assert!(run(&some, &[]).unwrap_err().to_string().contains("at least one cutoff"));
        assert!(run(&some, &[1, 0]).unwrap_err().to_string().contains("cutoff of 0"));
        assert!(run(&none, &[1]).unwrap_err().to_string().contains("nothing is held out"));
        let ranking = rank(&[1.0], &[1.0, 2.0], 1, &none, &[0], 1).unwrap();
        assert!(Metrics::of(&ranking, &some, &[2]).is_err());
    }
}
