//! Evaluation of item cold start: catalogues with items that training did not see.

use super::metrics::{Metrics, evaluate};
use crate::Result;
use crate::data::Dataset;
use crate::model::HostEmbeddings;

/// Metrics for item cold start: for items of training (warm) and for items that were added after it (cold).
///
/// There are three rankings, as in ColdRec: of all items, of the warm items alone, and of the cold items alone. Their
/// metrics cannot be compared with one another, since fewer items are easier to rank. A user's train items are masked
/// in every ranking, including any that are cold.
///
/// ```
/// use viral::eval::ColdMetrics;
/// use viral::prelude::*;
/// use viral::serve::NewItems;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
/// let held_out = data.hold_out_items(0.2, 1)?;
/// let mut recommender = Recipe::named("profile-match")?.run(&held_out.rest, &Device::flex())?.recommender()?;
/// recommender.add_items(&NewItems::of(&data, &held_out.taken)?)?;
/// let found = ColdMetrics::of(&recommender.embeddings_of(&data)?, &data, &held_out.taken, 10)?;
/// println!("recall@10 among the new items: {:.4}", found.cold.recall(10));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ColdMetrics {
    /// All held-out pairs in a ranking of all items.
    pub all: Metrics,
    /// Held-out pairs with warm items, in a ranking of the warm items.
    pub warm: Metrics,
    /// Held-out pairs with cold items, in a ranking of the cold items.
    pub cold: Metrics,
    /// Held-out pairs with cold items, in a ranking of all items: what a customer sees.
    pub cold_among_all: Metrics,
    /// Share of the first `k` places in a ranking of all items that cold items hold, between 0 and 1.
    pub cold_places: f64,
}

impl ColdMetrics {
    /// Evaluates the test part. `vectors` are numbered as in `data`; `cold` lists the items that training did not see,
    /// ascending.
    ///
    /// # Errors
    /// When no test pair has a cold item, or none has a warm item; when `k` is 0 or a vector is not finite.
    pub fn of(vectors: &HostEmbeddings, data: &Dataset, cold: &[u32], k: usize) -> Result<Self> {
        let (train, test, d) = (&data.train.interactions, &data.test, vectors.d());
        let is_cold = |item: u32| cold.binary_search(&item).is_ok();
        let warm: Vec<u32> = (0..data.n_items() as u32).filter(|&item| !is_cold(item)).collect();
        let among = |items: &[u32]| {
            let rows: Vec<f32> = items.iter().flat_map(|&item| vectors.item(item as usize)).copied().collect();
            evaluate(vectors.users(), &rows, d, &train.select_items(items), &test.select_items(items), &[k])
        };
        let with_cold: Vec<(u32, u32)> = test.pairs().filter(|&(_, item)| is_cold(item)).collect();
        let with_cold = crate::data::Interactions::from_pairs(data.n_users(), data.n_items(), &with_cold);
        let all = vectors.evaluate_against(train, test, &[k])?;
        let ranking = vectors.rank(train, all.users(), k)?;
        let places = (0..all.users().len()).map(|row| ranking.items(row));
        let (mut n, mut n_cold) = (0usize, 0usize);
        for items in places {
            n += items.len();
            n_cold += items.iter().filter(|&&item| is_cold(item)).count();
        }
        Ok(Self {
            warm: among(&warm)?,
            cold: among(cold)?,
            cold_among_all: vectors.evaluate_against(train, &with_cold, &[k])?,
            cold_places: n_cold as f64 / n.max(1) as f64,
            all,
        })
    }
}
