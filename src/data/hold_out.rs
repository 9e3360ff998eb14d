//! Holds out items or users entirely, to simulate cold start: as if they arrived after training.

use super::{Dataset, Interactions, TrainSet, splitmix64};
use crate::{Error, Result};

/// A data set without some of its items or users, from [`Dataset::hold_out_items`] or [`Dataset::hold_out_users`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeldOut {
    /// The remaining data, to train on.
    pub rest: Dataset,
    /// Indices, in the whole data set, of the held-out items or users, ascending.
    pub taken: Vec<u32>,
    /// Indices, in the whole data set, of the remaining ones, ascending.
    pub left: Vec<u32>,
}

impl Interactions {
    /// Keeps the interactions with some items, which are renumbered in the given order.
    ///
    /// ```
    /// use viral::data::Interactions;
    ///
    /// let all = Interactions::from_pairs(2, 4, &[(0, 1), (0, 3), (1, 0)]);
    /// let some = all.select_items(&[3, 0]);
    /// assert_eq!(some.pairs().collect::<Vec<_>>(), [(0, 0), (1, 1)]);
    /// ```
    ///
    /// # Panics
    /// When an item is not below `n_items`.
    pub fn select_items(&self, items: &[u32]) -> Self {
        let mut numbers = vec![u32::MAX; self.n_items()];
        items.iter().enumerate().for_each(|(number, &item)| numbers[item as usize] = number as u32);
        let pairs = self.pairs().map(|(user, item)| (user, numbers[item as usize])).filter(|pair| pair.1 != u32::MAX);
        Self::from_pairs(self.n_users(), items.len(), &pairs.collect::<Vec<_>>())
    }

    /// Keeps the interactions of some users, who are renumbered in the given order.
    ///
    /// # Panics
    /// When a user is not below `n_users`.
    pub fn select_users(&self, users: &[u32]) -> Self {
        let of =
            |(number, &user): (usize, &u32)| self.of_user(user as usize).iter().map(move |&item| (number as u32, item));
        let pairs: Vec<(u32, u32)> = users.iter().enumerate().flat_map(of).collect();
        Self::from_pairs(users.len(), self.n_items(), &pairs)
    }
}

impl Dataset {
    /// Holds out a uniformly drawn share of the items with all their interactions. The rest does not contain them, as
    /// if they arrived after training (cold start). If there are features, only items that have some are drawn, because
    /// nothing is known of the others without interactions.
    ///
    /// ```
    /// use viral::data::PlantedConfig;
    ///
    /// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).generate().data;
    /// let held_out = data.hold_out_items(0.1, 1)?;
    /// assert_eq!((held_out.taken.len(), held_out.rest.n_items(), held_out.rest.n_users()), (5, 45, 60));
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Errors
    /// A share that is not between 0 and 1, or that takes no items or all of them.
    pub fn hold_out_items(&self, share: f64, seed: u64) -> Result<HeldOut> {
        let features = &self.train.features;
        let items = (0..self.n_items() as u32).filter(|&item| features.is_empty() || features.has(item as usize));
        let (taken, left) = draw("items", self.n_items(), items.collect(), share, seed)?;
        let of = |all: &Interactions| all.select_items(&left);
        let rows: Vec<usize> = left.iter().map(|&item| item as usize).collect();
        let features = self.train.features.select(&rows);
        let train = TrainSet { interactions: of(&self.train.interactions), features };
        let mut rest = Dataset::new(self.name.clone(), train, of(&self.valid), of(&self.test))?
            .with_user_ids(self.user_ids.clone())?
            .with_item_ids(rows.iter().map(|&item| self.item_ids[item].clone()).collect())?;
        if let Some(titles) = &self.titles {
            rest = rest.with_titles(rows.iter().map(|&item| titles[item].clone()).collect())?;
        }
        Ok(HeldOut { rest, taken, left })
    }

    /// Holds out a uniformly drawn share of the users with all their interactions. The rest does not contain them. Only
    /// users with train interactions are drawn: without a history there is nothing to recommend from.
    ///
    /// # Errors
    /// A share that is not between 0 and 1, or that takes no users or all of them.
    pub fn hold_out_users(&self, share: f64, seed: u64) -> Result<HeldOut> {
        let has_history = |&user: &u32| !self.train.interactions.of_user(user as usize).is_empty();
        let users = (0..self.n_users() as u32).filter(has_history).collect();
        let (taken, left) = draw("users", self.n_users(), users, share, seed)?;
        let of = |all: &Interactions| all.select_users(&left);
        let train = TrainSet { interactions: of(&self.train.interactions), features: self.train.features.clone() };
        let mut rest = Dataset::new(self.name.clone(), train, of(&self.valid), of(&self.test))?
            .with_user_ids(left.iter().map(|&user| self.user_ids[user as usize].clone()).collect())?
            .with_item_ids(self.item_ids.clone())?;
        if let Some(titles) = &self.titles {
            rest = rest.with_titles(titles.clone())?;
        }
        Ok(HeldOut { rest, taken, left })
    }
}

/// Draws a share of the candidates among `0..n`, those with the smallest keyed hashes; returns them and all others, both
/// ascending.
fn draw(what: &str, n: usize, candidates: Vec<u32>, share: f64, seed: u64) -> Result<(Vec<u32>, Vec<u32>)> {
    let count = (share * candidates.len() as f64).round();
    if !(share > 0.0 && share < 1.0 && count >= 1.0 && count < n as f64) {
        return Err(Error::Config(format!(
            "a share of {share} takes {count} of {n} {what}: choose one between 0 and 1 that takes some and leaves some"
        )));
    }
    let mut taken = candidates;
    taken.sort_by_key(|&number| (splitmix64(splitmix64(seed) ^ u64::from(number)), number));
    taken.truncate(count as usize);
    taken.sort_unstable();
    let left = (0..n as u32).filter(|number| taken.binary_search(number).is_err()).collect();
    Ok((taken, left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PlantedConfig;

    #[test]
    fn what_was_taken_is_unknown_to_the_rest_and_the_rest_is_unchanged() -> Result<()> {
        let data = PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data;
        let items = data.hold_out_items(0.2, 7)?;
        assert_eq!((items.taken.len(), items.rest.n_items(), items.rest.n_users()), (6, 24, 40));
        for (number, &item) in items.left.iter().enumerate() {
            assert_eq!(items.rest.item_ids[number], data.item_ids[item as usize]);
            for (modality, rows) in &data.train.features {
                assert_eq!(items.rest.train.features.get(modality).unwrap().row(number), rows.row(item as usize));
            }
        }
        let users = data.hold_out_users(0.2, 7)?;
        assert_eq!((users.rest.n_items(), users.rest.n_users()), (30, 32));
        for (number, &user) in users.left.iter().enumerate() {
            for part in [crate::data::Part::Train, crate::data::Part::Valid, crate::data::Part::Test] {
                assert_eq!(users.rest.part(part).of_user(number), data.part(part).of_user(user as usize));
            }
        }
        let pairs = |data: &Dataset| data.train.interactions.n_pairs() + data.valid.n_pairs() + data.test.n_pairs();
        assert!(pairs(&items.rest) < pairs(&data) && pairs(&users.rest) < pairs(&data));
        Ok(())
    }

    #[test]
    fn items_without_content_and_users_without_history_are_not_drawn() -> Result<()> {
        let mut data = PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data;
        let without: Vec<bool> = (0..30).map(|item| item % 3 == 0).collect();
        let features =
            data.train.features.iter().map(|(modality, rows)| (modality.clone(), rows.clone().without(&without)));
        data.train.features = features.collect();
        let pairs: Vec<(u32, u32)> = data.train.interactions.pairs().filter(|(user, _)| user % 4 != 0).collect();
        data.train.interactions = Interactions::from_pairs(40, 30, &pairs);
        for seed in 0..20 {
            let items = data.hold_out_items(0.5, seed)?;
            assert!(items.taken.len() == 10 && items.taken.iter().all(|item| item % 3 != 0), "{:?}", items.taken);
            assert_eq!(items.taken.len() + items.left.len(), 30);
            let users = data.hold_out_users(0.5, seed)?;
            assert!(users.taken.len() == 15 && users.taken.iter().all(|user| user % 4 != 0), "{:?}", users.taken);
        }
        Ok(())
    }

    #[test]
    fn a_seed_draws_the_same_and_shares_that_take_none_or_all_are_errors() -> Result<()> {
        let data = PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data;
        assert_eq!(data.hold_out_items(0.5, 1)?.taken, data.hold_out_items(0.5, 1)?.taken);
        assert_ne!(data.hold_out_items(0.5, 1)?.taken, data.hold_out_items(0.5, 2)?.taken);
        for share in [0.0, 1.0, -0.1, f64::NAN, 0.001, 0.999] {
            assert!(data.hold_out_items(share, 1).unwrap_err().to_string().contains("of 30 items"), "{share}");
        }
        Ok(())
    }
}
