//! User–item interactions: the one type for train, seen and held-out pairs.

use super::csr::Csr;

/// A set of `(user, item)` pairs in CSR format: a sorted list of distinct items for each user.
///
/// Memory: 4 bytes per pair and 4 per user.
///
/// ```
/// use viral::data::Interactions;
///
/// let seen = Interactions::from_pairs(2, 3, &[(1, 2), (0, 1), (1, 0), (1, 2)]);
/// assert_eq!(seen.of_user(1), [0, 2]);
/// assert_eq!(seen.item_degrees(), [1, 1, 1]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interactions(Csr);

impl Interactions {
    /// Builds the set from pairs in any order; duplicates are merged. O(pairs + users + items).
    ///
    /// # Panics
    /// When a user is not below `n_users` or an item not below `n_items`, or there are 2³² pairs or more.
    pub fn from_pairs(n_users: usize, n_items: usize, pairs: &[(u32, u32)]) -> Self {
        check_ids(n_users, n_items, pairs);
        Self(Csr::from_pairs(n_users, n_items, pairs))
    }

    /// Returns the sparsity pattern: a row for each user, a column for each item.
    pub(crate) fn csr(&self) -> &Csr {
        &self.0
    }

    /// Number of users, including those without items.
    pub fn n_users(&self) -> usize {
        self.0.n_rows()
    }

    /// Number of items, including those without users.
    pub fn n_items(&self) -> usize {
        self.0.n_cols()
    }

    /// Number of pairs.
    pub fn n_pairs(&self) -> usize {
        self.0.nnz()
    }

    /// Returns the items of a user, ascending.
    pub fn of_user(&self, user: usize) -> &[u32] {
        self.0.row(user)
    }

    /// Whether the set contains a pair. O(log items of the user).
    pub fn contains(&self, user: usize, item: u32) -> bool {
        self.of_user(user).binary_search(&item).is_ok()
    }

    /// Returns the offset of each user's items in [`items`](Self::items); `n_users + 1` entries.
    pub fn offsets(&self) -> &[u32] {
        self.0.row_ptr()
    }

    /// Returns the items of all users, concatenated in user order.
    pub fn items(&self) -> &[u32] {
        self.0.col_idx()
    }

    /// Iterates over all pairs, by user and then by item.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + Clone + '_ {
        (0..self.n_users()).flat_map(move |u| self.of_user(u).iter().map(move |&i| (u as u32, i)))
    }

    /// Returns the first pair that is in both sets. O(pairs of `self` · log(items of a user in `other`)).
    pub fn first_common(&self, other: &Self) -> Option<(u32, u32)> {
        self.pairs().find(|&(user, item)| (user as usize) < other.n_users() && other.contains(user as usize, item))
    }

    /// Returns the union of both sets, such as train and valid: all that a user has seen. O(pairs + users + items).
    ///
    /// # Panics
    /// When the sizes differ.
    pub fn union(&self, other: &Self) -> Self {
        let (a, b) = ([self.n_users(), self.n_items()], [other.n_users(), other.n_items()]);
        assert_eq!(a, b, "union: {a:?} users and items with {b:?}");
        let pairs: Vec<(u32, u32)> = self.pairs().chain(other.pairs()).collect();
        Self::from_pairs(self.n_users(), self.n_items(), &pairs)
    }

    /// Returns the number of items of each user.
    pub fn user_degrees(&self) -> Vec<u32> {
        self.0.row_degrees()
    }

    /// Returns the number of users of each item.
    pub fn item_degrees(&self) -> Vec<u32> {
        self.0.col_degrees()
    }
}

/// Panics if an id is out of range; names the first.
pub(crate) fn check_ids(n_users: usize, n_items: usize, pairs: &[(u32, u32)]) {
    for &(user, item) in pairs {
        assert!((user as usize) < n_users, "user {user} of {n_users}");
        assert!((item as usize) < n_items, "item {item} of {n_items}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sorted_and_counted_once() {
        let x = Interactions::from_pairs(3, 4, &[(2, 1), (0, 3), (2, 1), (0, 0)]);
        assert_eq!(x.pairs().collect::<Vec<_>>(), [(0, 0), (0, 3), (2, 1)]);
        assert_eq!((x.n_users(), x.n_items(), x.n_pairs()), (3, 4, 3));
        assert_eq!(x.of_user(1), &[] as &[u32]);
        assert_eq!(x.item_degrees(), [1, 1, 0, 1]);
        assert_eq!(x.user_degrees(), [2, 0, 1]);
        assert!(x.contains(2, 1) && !x.contains(1, 1));
    }

    #[test]
    fn sets_meet_and_unite() {
        let a = Interactions::from_pairs(2, 3, &[(0, 1), (1, 2)]);
        let b = Interactions::from_pairs(2, 3, &[(1, 2), (1, 0)]);
        assert_eq!(a.first_common(&b), Some((1, 2)));
        assert_eq!(a.union(&b).pairs().collect::<Vec<_>>(), [(0, 1), (1, 0), (1, 2)]);
        assert_eq!(a.first_common(&Interactions::from_pairs(1, 3, &[(0, 0)])), None);
    }

    #[test]
    #[should_panic(expected = "item 4 of 4")]
    fn an_item_out_of_range_panics() {
        Interactions::from_pairs(1, 4, &[(0, 4)]);
    }
}
