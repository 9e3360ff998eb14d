//! Ranks of held-out items, from which every metric of a ranking follows.

use super::metrics::{Metric, Metrics};
use super::ranking::Ranking;
use crate::data::Interactions;
use crate::{Error, Result};

/// Number of held-out items of each user, and the ranks, counted from 1, at which a ranking holds them.
///
/// Every metric at every cutoff up to [`depth`](Self::depth) can be computed from these few numbers, bit for bit as
/// from the ranking itself, so they are all that needs to be stored of an evaluation. Memory O(users + hits).
///
/// ```
/// use viral::data::Interactions;
/// use viral::eval::{Hits, rank};
///
/// let (seen, held_out) = (Interactions::from_pairs(1, 3, &[]), Interactions::from_pairs(1, 3, &[(0, 1), (0, 2)]));
/// let ranking = rank(&[1.0], &[0.3, 0.2, 0.1], 1, &seen, &[0], 2)?;
/// let hits = Hits::of(&ranking, &held_out)?;
/// assert_eq!((hits.n_held_out(), hits.ranks(0)), (&[2][..], &[2][..]));
/// assert_eq!(hits.metrics(&[1, 2])?.recall(2), 0.5);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hits {
    users: Vec<u32>,
    n_held_out: Vec<u32>,
    /// CSR offsets: where each user's `ranks` begin, and the end.
    offsets: Vec<usize>,
    ranks: Vec<u32>,
    depth: usize,
}

impl Hits {
    /// Finds the held-out items in a ranking. Users without held-out items are skipped.
    ///
    /// # Errors
    /// When no ranked user has anything held out.
    pub fn of(ranking: &Ranking, held_out: &Interactions) -> Result<Self> {
        let mut hits =
            Self { users: Vec::new(), n_held_out: Vec::new(), offsets: vec![0], ranks: Vec::new(), depth: ranking.k() };
        for (row, &user) in ranking.users().iter().enumerate() {
            let truth = held_out.of_user(user as usize);
            if truth.is_empty() {
                continue;
            }
            let ranked = (1..).zip(ranking.items(row));
            hits.ranks.extend(ranked.filter(|(_, item)| truth.binary_search(item).is_ok()).map(|(rank, _)| rank));
            hits.users.push(user);
            hits.n_held_out.push(truth.len() as u32);
            hits.offsets.push(hits.ranks.len());
        }
        match hits.users.is_empty() {
            true => Err(Error::Data("nothing is held out for any of the users to evaluate".into())),
            false => Ok(hits),
        }
    }

    /// Builds hits from their parts: `rows` and `ranks` list the hits, sorted by row, then by rank.
    ///
    /// # Errors
    /// When the parts are inconsistent; the sentence says what is wrong.
    pub(crate) fn from_parts(
        users: Vec<u32>,
        n_held_out: Vec<u32>,
        rows: &[u32],
        ranks: Vec<u32>,
        depth: usize,
    ) -> std::result::Result<Self, String> {
        if users.is_empty() || users.len() != n_held_out.len() || rows.len() != ranks.len() {
            let sizes = [users.len(), n_held_out.len(), rows.len(), ranks.len()];
            return Err(format!("numbers of users, held-out counts, rows and ranks are {sizes:?}"));
        }
        let hits: Vec<(u32, u32)> = rows.iter().copied().zip(ranks.iter().copied()).collect();
        if !hits.is_sorted_by(|a, b| a < b) {
            return Err("hits are out of order".into());
        }
        if let Some((row, rank)) =
            hits.iter().find(|(row, rank)| *row as usize >= users.len() || *rank == 0 || *rank as usize > depth)
        {
            return Err(format!("row {row} has a hit at rank {rank}"));
        }
        let offsets: Vec<usize> = (0..=users.len()).map(|row| rows.partition_point(|&r| (r as usize) < row)).collect();
        let too_many = |row: &usize| offsets[row + 1] - offsets[*row] > n_held_out[*row] as usize;
        match (0..users.len()).find(too_many) {
            Some(row) => Err(format!("row {row} has more hits than held-out items")),
            None => Ok(Self { users, n_held_out, offsets, ranks, depth }),
        }
    }

    /// The evaluated users: those with held-out items.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// Number of held-out items of each of [`users`](Self::users).
    pub fn n_held_out(&self) -> &[u32] {
        &self.n_held_out
    }

    /// The ranks, ascending and from 1, at which the `row`-th user's ranking has a held-out item.
    pub fn ranks(&self, row: usize) -> &[u32] {
        &self.ranks[self.offsets[row]..self.offsets[row + 1]]
    }

    /// Depth of the ranking: the largest cutoff at which metrics can be computed.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Computes all metrics at the given cutoffs.
    ///
    /// # Errors
    /// When no cutoff is given, or one is 0 or above [`depth`](Self::depth).
    pub fn metrics(&self, cutoffs: &[usize]) -> Result<Metrics> {
        super::metrics::check_cutoffs(cutoffs)?;
        if let Some(k) = cutoffs.iter().find(|&&k| k > self.depth) {
            return Err(Error::Config(format!("metrics at {k} of a ranking with {} ranks", self.depth)));
        }
        let deepest = cutoffs.iter().copied().max().unwrap_or(0);
        let discounts: Vec<f64> = (0..deepest).map(|r| 1.0 / (r as f64 + 2.0).log2()).collect();
        let mut ideal = vec![0.0];
        ideal.extend(discounts.iter().scan(0.0, |sum, discount| {
            *sum += discount;
            Some(*sum)
        }));
        let n_users = self.users.len();
        let mut values = vec![0.0; Metric::ALL.len() * cutoffs.len() * n_users];
        for row in 0..n_users {
            let (ranks, n_held_out) = (self.ranks(row), self.n_held_out[row] as usize);
            for (c, &k) in cutoffs.iter().enumerate() {
                let (mut found, mut gain, mut precisions) = (0.0, 0.0, 0.0);
                for &rank in ranks.iter().take_while(|&&rank| rank as usize <= k) {
                    found += 1.0;
                    gain += discounts[rank as usize - 1];
                    precisions += found / f64::from(rank);
                }
                let best = k.min(n_held_out);
                let here = [found / n_held_out as f64, gain / ideal[best], found / k as f64, precisions / best as f64];
                for (m, value) in here.into_iter().enumerate() {
                    values[(m * cutoffs.len() + c) * n_users + row] = value;
                }
            }
        }
        Ok(Metrics::new(cutoffs.to_vec(), self.users.clone(), values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(rows: &[u32], ranks: &[u32]) -> std::result::Result<Hits, String> {
        Hits::from_parts(vec![4, 7], vec![1, 2], rows, ranks.to_vec(), 10)
    }

    #[test]
    fn parts_make_the_hits_that_they_came_from() {
        let hits = parts(&[0, 1, 1], &[3, 1, 10]).unwrap();
        assert_eq!((hits.ranks(0), hits.ranks(1), hits.depth()), (&[3][..], &[1, 10][..], 10));
        assert_eq!(hits.metrics(&[10]).unwrap().per_user(Metric::Recall, 10), [1.0, 1.0]);
        assert_eq!(hits.metrics(&[2]).unwrap().per_user(Metric::Recall, 2), [0.0, 0.5]);
        assert!(hits.metrics(&[11]).unwrap_err().to_string().contains("metrics at 11 of a ranking with 10 ranks"));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        for (rows, ranks, words) in [
            (&[0, 0][..], &[3, 4][..], "more hits than held-out"),
            (&[1, 0], &[1, 3], "out of order"),
            (&[1, 1], &[4, 4], "out of order"),
            (&[2], &[1], "row 2"),
            (&[1], &[0], "rank 0"),
            (&[1], &[11], "rank 11"),
            (&[1], &[], "numbers of users"),
        ] {
            let found = parts(rows, ranks).unwrap_err();
            assert!(found.contains(words), "{found}");
        }
    }
}
