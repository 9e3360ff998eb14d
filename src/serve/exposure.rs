//! Exposure of new items: how many places they get in users' lists.

use super::query::hide;
use crate::data::Interactions;
use crate::linalg::top_of_one;
use crate::model::HostEmbeddings;
use rayon::prelude::*;

/// Number of training items that are embedded as if they were new, and of users who rank them, to calibrate new
/// vectors.
pub(super) const SAMPLE: usize = 1024;
/// Length of the lists in which places are counted.
pub(super) const TOP: usize = 20;
/// Number of users whose held-out pairs measure the ranking.
const HELD_OUT: usize = 8192;

/// Samples at most `most` elements, evenly spaced.
pub(super) fn evenly<T>(all: Vec<T>, most: usize) -> impl Iterator<Item = T> {
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step)
}

/// Keeps the pairs of at most [`HELD_OUT`] users, evenly spaced.
pub(super) fn some_users(pairs: &Interactions) -> Interactions {
    let users: Vec<usize> = (0..pairs.n_users()).filter(|&user| !pairs.of_user(user).is_empty()).collect();
    let of = |user: usize| pairs.of_user(user).iter().map(move |&item| (user as u32, item));
    let some: Vec<(u32, u32)> = evenly(users, HELD_OUT).flat_map(of).collect();
    Interactions::from_pairs(pairs.n_users(), pairs.n_items(), &some)
}

/// Finds the factor of `made` at which the sampled items take as many of the users' top places as their trained vectors
/// do. Users rank all items but their own.
pub(super) fn equal_exposure(train: &Interactions, vectors: &HostEmbeddings, sample: &[u32], made: &[f32]) -> f32 {
    let d = vectors.d();
    let with_history: Vec<usize> = (0..train.n_users()).filter(|&user| !train.of_user(user).is_empty()).collect();
    let users: Vec<usize> = evenly(with_history, SAMPLE).collect();
    // For each user: the number of places that the sample takes, and the factor at which each sampled item enters the
    // list.
    let found: Vec<(usize, Vec<f32>)> = users
        .par_iter()
        .map(|&user| {
            let (vector, own) = (vectors.user(user), train.of_user(user));
            let best = top_of_one(vector, vectors.items(), TOP, |items, scores| {
                hide(&[own], items, scores);
            });
            let Some(&(_, last)) = best.last() else { return (0, Vec::new()) };
            let places = best.iter().filter(|(item, _)| sample.binary_search(item).is_ok()).count();
            let factors = sample
                .iter()
                .zip(made.chunks_exact(d))
                .filter(|(item, _)| own.binary_search(item).is_err())
                .filter_map(|(_, made)| {
                    let score: f32 = vector.iter().zip(made).map(|(x, y)| x * y).sum();
                    // A list's last score is positive unless the model likes nothing.
                    (score > 0.0 && last > 0.0).then(|| last / score)
                })
                .collect();
            (places, factors)
        })
        .collect();
    let places: usize = found.iter().map(|(places, _)| places).sum();
    let mut factors: Vec<f32> = found.into_iter().flat_map(|(_, factors)| factors).collect();
    factors.sort_unstable_by(f32::total_cmp);
    match factors.get(places.saturating_sub(1)) {
        Some(&factor) if places > 0 && factor.is_finite() => factor,
        _ => 1.0,
    }
}
