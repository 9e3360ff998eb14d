//! Requests by number, and the search for the best items.

use super::Recommender;
use super::answer::{RecommendOptions, Recommendation};
use crate::linalg::top_of_one;
use crate::{Error, Result};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Candidates beyond `k` that are rescored in double precision, because rounding may have swapped neighbours.
pub(super) const MARGIN: usize = 8;

/// A request in terms of a vector and of item numbers.
pub(super) struct Query<'a> {
    /// `[d]`, before weighting.
    pub(super) vector: Cow<'a, [f32]>,
    /// Weight of each block.
    pub(super) weights: &'a [f64],
    /// Excluded items, each list ascending.
    pub(super) hidden: [&'a [u32]; 5],
    /// The only eligible items, ascending.
    pub(super) candidates: Option<&'a [u32]>,
    /// Whether to divide scores by the items' lengths.
    pub(super) cosine: bool,
}

/// The options of a request, with ids resolved to numbers.
pub(super) struct Resolved {
    pub(super) k: usize,
    pub(super) exclude: Vec<u32>,
    pub(super) candidates: Option<Vec<u32>>,
    pub(super) weights: Vec<f64>,
    pub(super) with_known: bool,
}

impl Recommender {
    pub(super) fn user_number(&self, user: &str) -> Result<usize> {
        let number = self.users.find(user).ok_or_else(|| self.unknown_user(user))?;
        Ok(number as usize)
    }

    pub(super) fn unknown_user(&self, user: &str) -> Error {
        let examples = self.users.iter().take(3).map(str::to_string).collect();
        Error::UnknownUser { id: user.to_string(), n_users: self.users.len(), examples }
    }

    pub(super) fn user_with_history(&self, user: &str) -> Result<usize> {
        let number = self.user_number(user)?;
        match self.of_training(number).is_empty() && self.later_of(number).is_empty() {
            true => Err(Error::NoHistory { id: user.to_string() }),
            false => Ok(number),
        }
    }

    pub(super) fn item_number(&self, item: &str) -> Result<u32> {
        self.items.find(item).ok_or_else(|| self.unknown_item(item))
    }

    pub(super) fn unknown_item(&self, item: &str) -> Error {
        let examples = self.items.iter().take(3).map(str::to_string).collect();
        Error::UnknownItem { id: item.to_string(), n_items: self.items.len(), examples }
    }

    /// Numbers of the items, ascending, without duplicates.
    pub(super) fn item_numbers<'s>(&self, items: impl Iterator<Item = &'s str>) -> Result<Vec<u32>> {
        let mut numbers = items.map(|item| self.item_number(item)).collect::<Result<Vec<u32>>>()?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    pub(super) fn resolve(&self, options: &RecommendOptions) -> Result<Resolved> {
        Error::require(options.k > 0, "k", options.k, "at least 1")?;
        let exclude = self.item_numbers(options.exclude.iter().map(String::as_str))?;
        let candidates = options.candidates.as_ref();
        let candidates = candidates.map(|items| self.item_numbers(items.iter().map(String::as_str))).transpose()?;
        let blocks = self.vectors.blocks();
        let mut weights = vec![1.0; blocks.len()];
        for (block, weight) in &options.weights {
            let Some(at) = blocks.iter().position(|(name, _)| name == block) else {
                let known: Vec<&str> = blocks.iter().map(|(name, _)| name.as_str()).collect();
                return Err(Error::Config(format!("no block '{block}'; this model has: {}", known.join(", "))));
            };
            Error::require(weight.is_finite(), &format!("the weight of block {block}"), weight, "a finite number")?;
            weights[at] = *weight;
        }
        let k = options.k.min(self.items.len());
        Ok(Resolved { k, exclude, candidates, weights, with_known: options.with_known })
    }

    pub(super) fn query<'a>(&'a self, user: usize, options: &'a Resolved) -> Query<'a> {
        let [train, held_out, later] = if options.with_known { [&[][..]; 3] } else { self.taken(user) };
        Query {
            vector: self.vector_of(user),
            weights: &options.weights,
            hidden: [train, held_out, later, &options.exclude, &self.withdrawn],
            candidates: options.candidates.as_deref(),
            cosine: false,
        }
    }

    /// Multiplies each block of the vector by its weight over the largest weight. This keeps the order of items, and
    /// works for weights that single precision cannot hold.
    ///
    /// # Errors
    /// If an item's vector of length `longest` could have a score that is not finite.
    pub(super) fn weighed(&self, vector: &[f32], weights: &[f64], longest: f64) -> Result<Vec<f32>> {
        let largest = weights.iter().fold(0.0f64, |largest, weight| largest.max(weight.abs()));
        let mut vector = vector.to_vec();
        let mut rest = &mut vector[..];
        for ((_, width), &weight) in self.vectors.blocks().iter().zip(weights) {
            let (block, behind) = std::mem::take(&mut rest).split_at_mut(*width);
            let share = if largest > 0.0 { (weight / largest) as f32 } else { 0.0 };
            block.iter_mut().for_each(|x| *x *= share);
            rest = behind;
        }
        check_scores(length(&vector) * largest, longest)?;
        Ok(vector)
    }

    /// Finds the best items for a query, on the calling thread.
    pub(super) fn answer(&self, query: &Query, k: usize) -> Result<Vec<Recommendation>> {
        let is_hidden = |item: &u32| query.hidden.iter().any(|list| list.binary_search(item).is_ok());
        let longest = if query.cosine { 1.0 } else { self.longest_item };
        let vector = match query.weights.iter().all(|&weight| weight == 1.0) {
            true => {
                check_scores(length(&query.vector), longest)?;
                Cow::Borrowed(&*query.vector)
            }
            false => self.weighed(&query.vector, query.weights, longest)?.into(),
        };
        if let Some(candidates) = query.candidates {
            return Ok(self.finish(query, candidates.iter().copied().filter(|item| !is_hidden(item)), k));
        }
        let n_best = (k + MARGIN).min(self.items.len());
        let best = top_of_one(&vector, self.vectors.items(), n_best, |items, scores| {
            if query.cosine {
                scores.iter_mut().zip(&self.inverse_lengths[items.clone()]).for_each(|(score, inverse)| {
                    *score *= inverse;
                });
            }
            hide(&query.hidden, items, scores);
        });
        Ok(self.finish(query, best.into_iter().map(|(item, _)| item), k))
    }

    /// Scores items in double precision, block by block, and keeps the `k` best.
    pub(super) fn finish(&self, query: &Query, items: impl Iterator<Item = u32>, k: usize) -> Vec<Recommendation> {
        let scale = |item: u32| if query.cosine { f64::from(self.inverse_lengths[item as usize]) } else { 1.0 };
        let mut scored: Vec<(u32, f64, Vec<f64>)> = items
            .map(|item| {
                let scale = scale(item);
                let mut shares = self.vectors.shares(&query.vector, item as usize);
                shares.iter_mut().zip(query.weights).for_each(|(share, weight)| *share *= weight * scale);
                (item, shares.iter().sum(), shares)
            })
            .collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scored.truncate(k);
        scored.into_iter().map(|(item, score, shares)| self.recommendation(item, score, shares)).collect()
    }

    pub(super) fn recommendation(&self, item: u32, score: f64, shares: Vec<f64>) -> Recommendation {
        Recommendation {
            item: self.items.get(item as usize).to_string(),
            title: self.titles.as_ref().map(|titles| titles.get(item as usize).to_string()),
            score,
            shares: self.vectors.blocks().iter().map(|(name, _)| name.clone()).zip(shares).collect(),
        }
    }
}

/// Sets the scores of hidden items to minus infinity.
pub(super) fn hide(hidden: &[&[u32]], items: Range<usize>, scores: &mut [f32]) {
    for list in hidden {
        let first = list.partition_point(|&item| (item as usize) < items.start);
        for &item in list[first..].iter().take_while(|&&item| (item as usize) < items.end) {
            scores[item as usize - items.start] = f32::NEG_INFINITY;
        }
    }
}

pub(super) fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// The reciprocal of a length; 0 if that is infinite, as for a zero vector or one so short that rounding destroys its
/// direction.
pub(super) fn inverse(length: f64) -> f32 {
    Some((1.0 / length) as f32).filter(|inverse| inverse.is_finite()).unwrap_or(0.0)
}

/// The length of each row; returns an error if one is not finite.
pub(super) fn lengths(vectors: &[f32], d: usize, what: &str) -> Result<Vec<f64>> {
    let lengths: Vec<f64> = vectors.par_chunks(d.max(1)).map(length).collect();
    match lengths.iter().position(|length| !length.is_finite()) {
        Some(id) => Err(Error::Data(format!("the vector of {what} {id} is not finite: the model diverged"))),
        None => Ok(lengths),
    }
}

/// By `|y| ≤ ‖z_u‖ ‖z_i‖`, this one comparison ensures that every score and every partial sum of it is finite.
pub(super) fn check_scores(user: f64, item: f64) -> Result<()> {
    match user * item < f64::from(f32::MAX) {
        true => Ok(()),
        false => Err(Error::Data(format!(
            "vectors of length {user:.1e} and {item:.1e} have no finite score: the model diverged, or a weight is too large"
        ))),
    }
}
