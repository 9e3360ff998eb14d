//! The most popular items, for users of whom nothing is known.

use super::Recommender;
use super::answer::{RecommendOptions, Recommendation};
use crate::Result;

impl Recommender {
    /// The `k` most popular items: the score is the number of users who have the item, from the train part and since.
    /// There are no shares.
    ///
    /// # Errors
    /// If `k` is 0.
    pub fn popular(&self, k: usize) -> Result<Vec<Recommendation>> {
        self.popular_with(&RecommendOptions::new(k))
    }

    /// [`popular`](Self::popular) with exclusions and candidates; weights of blocks are ignored.
    ///
    /// # Errors
    /// Those of [`recommend_with`](Self::recommend_with), except those about users.
    pub fn popular_with(&self, options: &RecommendOptions) -> Result<Vec<Recommendation>> {
        self.most_taken(options, [&[]; 3])
    }

    /// [`popular_with`](Self::popular_with) without the items that a user is known to have: an answer for a user
    /// without train interactions, who may still have valid or test ones.
    ///
    /// # Errors
    /// Those of [`recommend_with`](Self::recommend_with), except [`NoHistory`](crate::Error::NoHistory).
    pub fn popular_for(&self, user: &str, options: &RecommendOptions) -> Result<Vec<Recommendation>> {
        let user = self.user_number(user)?;
        match options.with_known {
            true => self.most_taken(options, [&[]; 3]),
            false => self.most_taken(options, self.taken(user)),
        }
    }

    fn most_taken(&self, options: &RecommendOptions, known: [&[u32]; 3]) -> Result<Vec<Recommendation>> {
        let options = self.resolve(options)?;
        let mut degrees = self.train.item_degrees();
        degrees.resize(self.items.len(), 0);
        self.later.values().flatten().for_each(|&item| degrees[item as usize] += 1);
        let mut order: Vec<u32> = match options.candidates {
            Some(candidates) => candidates,
            None => (0..degrees.len() as u32).collect(),
        };
        let is_hidden = |item: &u32| known.iter().any(|items| items.binary_search(item).is_ok());
        order.retain(|item| {
            options.exclude.binary_search(item).is_err() && !self.is_withdrawn(*item) && !is_hidden(item)
        });
        order.sort_by_key(|&item| (std::cmp::Reverse(degrees[item as usize]), item));
        let best = order.into_iter().take(options.k);
        Ok(best.map(|item| self.recommendation(item, f64::from(degrees[item as usize]), Vec::new())).collect())
    }
}
