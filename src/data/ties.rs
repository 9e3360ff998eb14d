//! Tie-breaking between events at the same time.

use super::StreamKey;
use super::counter::{splitmix64, stream};

/// Domain separator of the hashes in their keys.
const TIES: u64 = 6;

/// Breaks ties between events at the same time in a [`temporal_split`](super::temporal_split), by a hash of seed, user
/// and item.
///
/// Many logs have only dates, so this order decides which events become test. It must not follow the ids: larger ids
/// are often newer products, and a test part of these would measure something else. Nor does it depend on the file
/// order.
///
/// ```
/// use viral::data::{Part, RATIOS, Ties, temporal_split};
///
/// let ties = Ties::new(0, &["ann"], &["cup", "cot", "bib"]);
/// let parts = temporal_split(&[(0, 0), (0, 1), (0, 2)], &[5.0; 3], RATIOS, &ties);
/// // With the items listed in reverse, every item is in the same part.
/// let ties = Ties::new(0, &["ann"], &["bib", "cot", "cup"]);
/// let turned = temporal_split(&[(0, 0), (0, 1), (0, 2)], &[5.0; 3], RATIOS, &ties);
/// assert_eq!(parts, turned.into_iter().rev().collect::<Vec<Part>>());
/// ```
#[derive(Debug, Clone)]
pub struct Ties {
    users: Vec<u64>,
    items: Vec<u64>,
}

impl Ties {
    /// Hashes the external ids of all users and items, given in index order. O(ids).
    pub fn new<U: AsRef<str>, I: AsRef<str>>(seed: u64, users: &[U], items: &[I]) -> Self {
        let hash = |side: u64, id: &str| StreamKey(stream(&[seed, TIES, side])).stream(id).0;
        Self {
            users: users.iter().map(|id| hash(0, id.as_ref())).collect(),
            items: items.iter().map(|id| hash(1, id.as_ref())).collect(),
        }
    }

    /// Returns the sort key of a pair among those of the same user at the same time.
    pub(super) fn key(&self, (user, item): (u32, u32)) -> u64 {
        let known = (user as usize) < self.users.len() && (item as usize) < self.items.len();
        assert!(known, "Ties: pair ({user}, {item}) of {} users and {} items", self.users.len(), self.items.len());
        splitmix64(self.users[user as usize] ^ self.items[item as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_seed_user_and_item() {
        let ids = ["a", "b", "c"];
        let ties = Ties::new(0, &ids, &ids);
        let mut keys: Vec<u64> = (0..9).map(|i| ties.key((i / 3, i % 3))).collect();
        keys.push(Ties::new(1, &ids, &ids).key((0, 0)));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 10);
        let listed = Ties::new(0, &["c", "a"], &["b"]);
        assert_eq!(listed.key((1, 0)), ties.key((0, 1)));
    }
}
