//! What most users have: for those of whom nothing is known.

use super::Recommender;
use super::answer::{RecommendOptions, Recommendation};
use crate::Result;

impl Recommender {
    /// The `k` items that most users have, in the train part and since; the score is their number, and there are no shares.
    ///
    /// # Errors
    /// A `k` of 0.
    pub fn popular(&self, k: usize) -> Result<Vec<Recommendation>> {
        self.popular_with(&RecommendOptions::new(k))
    }

    /// [`popular`](Self::popular) with exclusions and candidates; weights of blocks do not count.
    ///
    /// # Errors
    /// Those of [`recommend_with`](Self::recommend_with), but for users.
    pub fn popular_with(&self, options: &RecommendOptions) -> Result<Vec<Recommendation>> {
        self.most_taken(options, [&[]; 3])
    }

    /// [`popular_with`](Self::popular_with) without what a user is known to have: what can be said to one without train
    /// interactions, who may have valid or test ones all the same.
    ///
    /// # Errors
    /// Those of [`recommend_with`](Self::recommend_with), but for [`NoHistory`](crate::Error::NoHistory).
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
