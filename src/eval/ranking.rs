//! Full ranking: the top-k items of each user among all items they have not seen.

use crate::data::Interactions;
use crate::linalg::{TopK, top_products, top_scores};
use crate::{Error, Result};
use std::ops::Range;

/// The top-k items of each ranked user, best first.
///
/// A user has fewer than `k` items if the catalogue has fewer unseen ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    users: Vec<u32>,
    k: usize,
    top: TopK,
}

impl Ranking {
    pub(super) fn new(users: &[u32], k: usize, top: TopK) -> Self {
        Self { users: users.to_vec(), k, top }
    }

    /// The ranked users, in the order asked for.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// Number of ranks asked for: `k`.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The items of the `row`-th user, best first.
    pub fn items(&self, row: usize) -> &[u32] {
        &self.top.ids[self.top.places(row)]
    }

    /// The scores of [`items`](Self::items), in the same order.
    pub fn scores(&self, row: usize) -> &[f32] {
        &self.top.scores[self.top.places(row)]
    }
}

/// Ranks all unseen items for the given users by the inner product of their vectors.
///
/// ```text
/// y(u, i) = z_uᵀ z_i                                               (4)
/// ```
///
/// Ties go to the lower item id. The result depends neither on the number of threads nor on which other users are
/// ranked. Returns an error if the vector of an item or a ranked user is not finite, or if vectors are so long that a
/// score could overflow `f32`.
///
/// Time O(users ranked · items · d), as a blocked matrix product; memory O(users ranked · k) plus one tile per thread.
///
/// # Shapes
/// - `users`: `[seen.n_users(), d]`
/// - `items`: `[seen.n_items(), d]`
///
/// # Panics
/// When the shapes do not fit or a user is out of range.
pub fn rank(
    users: &[f32],
    items: &[f32],
    d: usize,
    seen: &Interactions,
    users_to_rank: &[u32],
    k: usize,
) -> Result<Ranking> {
    let (n_users, n_items) = (seen.n_users(), seen.n_items());
    assert_eq!(users.len(), n_users * d, "rank: users must be [{n_users}, {d}]");
    assert_eq!(items.len(), n_items * d, "rank: items must be [{n_items}, {d}]");
    check_users(users_to_rank, n_users);
    rank_from(0, users, items, d, seen, users_to_rank, k)
}

/// [`rank`] with the vectors of only the users from `first` on.
pub(crate) fn rank_from(
    first: usize,
    users: &[f32],
    items: &[f32],
    d: usize,
    seen: &Interactions,
    users_to_rank: &[u32],
    k: usize,
) -> Result<Ranking> {
    let n_items = seen.n_items();
    let vector = |user: u32| &users[(user as usize - first) * d..][..d];
    let longest_user = longest(users_to_rank.iter().map(|&user| (user as usize, vector(user))), "user")?;
    let longest_item = longest((0..n_items).map(|item| (item, &items[item * d..][..d])), "item")?;
    // By Cauchy–Schwarz |y(u, i)| ≤ ‖z_u‖ ‖z_i‖, so this one comparison keeps every score and partial sum finite.
    if longest_user * longest_item >= f64::from(f32::MAX) {
        return Err(Error::Data(format!(
            "vectors of length {longest_user:.1e} and {longest_item:.1e} have no finite score: the model diverged"
        )));
    }
    let query = |row: usize| vector(users_to_rank[row]);
    let mask = |row: usize, columns: Range<usize>, scores: &mut [f32]| {
        mask_seen(seen.of_user(users_to_rank[row] as usize), columns, scores);
    };
    let top = top_products(users_to_rank.len(), query, items, d, k.min(n_items), mask);
    Ok(Ranking::new(users_to_rank, k, top))
}

/// Ranks all unseen items for the given users by precomputed scores, as [`rank`] does by vectors. Returns an error if a
/// score is not finite.
///
/// ```
/// use viral::data::Interactions;
/// use viral::eval::rank_scores;
///
/// let seen = Interactions::from_pairs(1, 3, &[(0, 2)]);
/// let ranking = rank_scores(&[0.1, 0.3, 0.9], &seen, &[0], 2)?;
/// assert_eq!(ranking.items(0), [1, 0]);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Shapes
/// - `scores`: `[users_to_rank.len(), seen.n_items()]`
///
/// # Panics
/// When the shapes do not fit or a user is out of range.
pub fn rank_scores(scores: &[f32], seen: &Interactions, users_to_rank: &[u32], k: usize) -> Result<Ranking> {
    let (n_rows, n_items) = (users_to_rank.len(), seen.n_items());
    assert_eq!(scores.len(), n_rows * n_items, "rank_scores: scores must be [{n_rows}, {n_items}]");
    check_users(users_to_rank, seen.n_users());
    if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
        let (user, item) = (users_to_rank[at / n_items], at % n_items);
        return Err(Error::Data(format!("the score of user {user} and item {item} is {}", scores[at])));
    }
    let top = top_scores(scores, n_items, k.min(n_items), |row, columns, scores| {
        mask_seen(seen.of_user(users_to_rank[row] as usize), columns, scores);
    });
    Ok(Ranking::new(users_to_rank, k, top))
}

/// Returns the largest L2 norm, or an error if a vector is not finite.
fn longest<'v>(vectors: impl Iterator<Item = (usize, &'v [f32])>, what: &str) -> Result<f64> {
    let mut longest = 0f64;
    for (id, vector) in vectors {
        // A NaN or infinity in the vector makes the sum non-finite; squares of finite `f32` cannot overflow `f64`.
        let mut squares = [0f64; 8]; // lanes that add up side by side
        for part in vector.chunks(squares.len()) {
            squares.iter_mut().zip(part).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
        }
        let square: f64 = squares.iter().sum();
        if !square.is_finite() {
            return Err(Error::Data(format!("the vector of {what} {id} is not finite: the model diverged")));
        }
        longest = longest.max(square);
    }
    Ok(longest.sqrt())
}

pub(super) fn check_users(users: &[u32], n_users: usize) {
    if let Some(user) = users.iter().find(|&&user| user as usize >= n_users) {
        panic!("user {user} of {n_users}");
    }
}

/// Sets the scores of seen items among `columns` to minus infinity.
fn mask_seen(seen: &[u32], columns: Range<usize>, scores: &mut [f32]) {
    let first = seen.partition_point(|&item| (item as usize) < columns.start);
    for &item in seen[first..].iter().take_while(|&&item| (item as usize) < columns.end) {
        scores[item as usize - columns.start] = f32::NEG_INFINITY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One-dimensional vectors, so that a score is a product: user 0 prefers large items, user 1 small ones.
    const USERS: [f32; 3] = [1.0, -1.0, 0.0];
    const ITEMS: [f32; 4] = [3.0, 1.0, 4.0, 1.0];

    fn seen() -> Interactions {
        Interactions::from_pairs(3, 4, &[(0, 2), (1, 1), (1, 2), (1, 0)])
    }

    #[test]
    fn seen_items_never_appear_and_ties_go_to_the_lower_id() {
        let ranking = rank(&USERS, &ITEMS, 1, &seen(), &[2, 0, 1], 3).unwrap();
        assert_eq!(ranking.users(), [2, 0, 1]);
        assert_eq!(ranking.items(0), [0, 1, 2]);
        assert_eq!(ranking.items(1), [0, 1, 3]);
        assert_eq!(ranking.scores(1), [3.0, 1.0, 1.0]);
        // User 1 has seen all but item 3: one rank, not three.
        assert_eq!(ranking.items(2), [3]);
    }

    #[test]
    fn given_scores_rank_alike() {
        let scores: Vec<f32> = USERS.iter().flat_map(|u| ITEMS.iter().map(move |i| u * i)).collect();
        let users = [0, 1, 2];
        let given = rank_scores(&scores, &seen(), &users, 9).unwrap();
        assert_eq!(given, rank(&USERS, &ITEMS, 1, &seen(), &users, 9).unwrap());
        assert_eq!(given.k(), 9);
    }

    #[test]
    fn a_diverged_model_is_an_error_never_a_ranking() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = rank(&USERS, &[1.0, bad, 1.0, 1.0], 1, &seen(), &[0], 2).unwrap_err().to_string();
            assert_eq!(error, "the vector of item 1 is not finite: the model diverged");
            assert!(rank(&[bad, 0.0, 0.0], &ITEMS, 1, &seen(), &[0], 2).is_err());
            assert!(rank_scores(&[0.0, 0.0, bad, 0.0], &seen(), &[0], 2).is_err());
        }
        let error = rank(&[1e30, 0.0, 0.0], &[1e30; 4], 1, &seen(), &[0], 2).unwrap_err().to_string();
        assert!(error.contains("have no finite score"), "{error}");
    }

    #[test]
    #[should_panic(expected = "rank: users must be [3, 2]")]
    fn a_wrong_shape_panics() {
        let _ = rank(&USERS, &ITEMS, 2, &seen(), &[0], 1);
    }

    #[test]
    #[should_panic(expected = "user 3 of 3")]
    fn an_unknown_user_panics() {
        let _ = rank(&USERS, &ITEMS, 1, &seen(), &[3], 1);
    }
}
