//! How many places new items get in the lists of users.

use super::query::hide;
use crate::data::Interactions;
use crate::linalg::top_of_one;
use crate::model::HostEmbeddings;
use rayon::prelude::*;

/// Items of training that are embedded again as if they were new, and users who rank them, to weigh new items right.
pub(super) const SAMPLE: usize = 1024;
/// Places of a list that are counted there.
pub(super) const TOP: usize = 20;
/// Users whose held-out pairs tell how well they rank.
const HELD_OUT: usize = 8192;

/// At most so many of all, spread evenly over them.
pub(super) fn evenly<T>(all: Vec<T>, most: usize) -> impl Iterator<Item = T> {
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step)
}

/// The pairs of [`HELD_OUT`] users at most, spread over all.
pub(super) fn some_users(pairs: &Interactions) -> Interactions {
    let users: Vec<usize> = (0..pairs.n_users()).filter(|&user| !pairs.of_user(user).is_empty()).collect();
    let of = |user: usize| pairs.of_user(user).iter().map(move |&item| (user as u32, item));
    let some: Vec<(u32, u32)> = evenly(users, HELD_OUT).flat_map(of).collect();
    Interactions::from_pairs(pairs.n_users(), pairs.n_items(), &some)
}

/// The factor of `made` at which these vectors of the sampled items take as many of the users' first places, among all items
/// and without the user's own, as the trained vectors do.
pub(super) fn equal_exposure(train: &Interactions, vectors: &HostEmbeddings, sample: &[u32], made: &[f32]) -> f32 {
    let d = vectors.d();
    let with_history: Vec<usize> = (0..train.n_users()).filter(|&user| !train.of_user(user).is_empty()).collect();
    let users: Vec<usize> = evenly(with_history, SAMPLE).collect();
    // Of each user: how many places the sample has, and for each sampled item the factor at which it would reach the list.
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
                    // The list's last score is above zero wherever the model likes anything.
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
