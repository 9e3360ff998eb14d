//! Who interacted with what: the one interaction type, used as train, seen and held-out.

/// A set of `(user, item)` pairs in compressed rows: one sorted, duplicate-free list of items a user.
///
/// Memory: 4 bytes a pair and 8 a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interactions {
    n_items: usize,
    offsets: Vec<usize>,
    items: Vec<u32>,
}

impl Interactions {
    /// Builds from pairs in any order; a pair given twice counts once. O(pairs · log(pairs of a user)).
    ///
    /// # Panics
    /// When a user is not below `n_users` or an item not below `n_items`.
    pub fn from_pairs(n_users: usize, n_items: usize, pairs: &[(u32, u32)]) -> Self {
        let mut counts = vec![0usize; n_users + 1];
        for &(user, item) in pairs {
            assert!((user as usize) < n_users, "user {user} of {n_users}");
            assert!((item as usize) < n_items, "item {item} of {n_items}");
            counts[user as usize + 1] += 1;
        }
        for u in 0..n_users {
            counts[u + 1] += counts[u];
        }
        let mut next = counts.clone();
        let mut rows = vec![0u32; pairs.len()];
        for &(user, item) in pairs {
            rows[next[user as usize]] = item;
            next[user as usize] += 1;
        }
        let mut offsets = Vec::with_capacity(n_users + 1);
        let mut items = Vec::with_capacity(pairs.len());
        offsets.push(0);
        for u in 0..n_users {
            let row = &mut rows[counts[u]..counts[u + 1]];
            row.sort_unstable();
            let start = items.len();
            for &item in row.iter() {
                if items.len() == start || items[items.len() - 1] != item {
                    items.push(item);
                }
            }
            offsets.push(items.len());
        }
        Self { n_items, offsets, items }
    }

    /// Number of users, those without items included.
    pub fn n_users(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of items, those without users included.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Number of pairs.
    pub fn n_pairs(&self) -> usize {
        self.items.len()
    }

    /// The items of a user, ascending.
    pub fn of_user(&self, user: usize) -> &[u32] {
        &self.items[self.offsets[user]..self.offsets[user + 1]]
    }

    /// Whether the pair is in the set. O(log items of the user).
    pub fn contains(&self, user: usize, item: u32) -> bool {
        self.of_user(user).binary_search(&item).is_ok()
    }

    /// Where each user's items begin in [`items`](Self::items); `n_users + 1` entries.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// The items of all users, user after user.
    pub fn items(&self) -> &[u32] {
        &self.items
    }

    /// All pairs, by user and then by item.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + Clone + '_ {
        (0..self.n_users()).flat_map(move |u| self.of_user(u).iter().map(move |&i| (u as u32, i)))
    }

    /// The first pair that both sets have. O(pairs of the one · log(items of a user in the other)).
    pub fn first_common(&self, other: &Self) -> Option<(u32, u32)> {
        self.pairs().find(|&(user, item)| (user as usize) < other.n_users() && other.contains(user as usize, item))
    }

    /// The pairs of either set: what a user has seen is train and valid together. O(pairs · log(pairs of a user)).
    ///
    /// # Panics
    /// When the sizes differ.
    pub fn union(&self, other: &Self) -> Self {
        let (a, b) = ([self.n_users(), self.n_items], [other.n_users(), other.n_items]);
        assert_eq!(a, b, "union: {a:?} users and items with {b:?}");
        let pairs: Vec<(u32, u32)> = self.pairs().chain(other.pairs()).collect();
        Self::from_pairs(self.n_users(), self.n_items, &pairs)
    }

    /// Items of each user.
    pub fn user_degrees(&self) -> Vec<u32> {
        self.offsets.windows(2).map(|w| (w[1] - w[0]) as u32).collect()
    }

    /// Users of each item.
    pub fn item_degrees(&self) -> Vec<u32> {
        let mut degrees = vec![0u32; self.n_items];
        for &item in &self.items {
            degrees[item as usize] += 1;
        }
        degrees
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
