//! Changes to a catalogue without retraining: new items, removed items, new interactions and new users.

use super::induction::Induction;
use super::new_items::check_new_id;
use super::query::{check_scores, inverse, length};
use super::{NewItems, Recommender};
use crate::{Error, Result};
use std::borrow::Cow;
use std::sync::Arc;

/// How far the catalogue and its users have moved from the training data: see [`Recommender::drift`].
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Drift {
    /// Items added since training, without those that were removed again.
    pub new_items: usize,
    /// Training items that were removed.
    pub removed_items: usize,
    /// Users added since training.
    pub new_users: usize,
    /// Interactions added since training.
    pub new_interactions: usize,
    /// New interactions as a share of all train and new interactions, between 0 and 1.
    pub interactions_share: f64,
    /// Mean of `1 - cos(z_u, z_u')` between the trained and the current vectors of the training users with new
    /// interactions; 0 if there are none.
    pub users_moved: f64,
}

impl Drift {
    /// Returns whether nothing has changed since training.
    pub fn is_none(&self) -> bool {
        self.new_items + self.removed_items + self.new_users + self.new_interactions == 0
    }
}

/// The outcome of [`Recommender::update`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Update {
    /// New interactions.
    pub added: usize,
    /// Interactions that were already known.
    pub known: usize,
    /// Users who were not known before.
    pub new_users: usize,
}

impl Recommender {
    /// Returns whether [`add_items`](Self::add_items) can embed an item from its content.
    pub fn takes_new_items(&self) -> bool {
        self.induction.is_some()
    }

    /// The features that a new item needs: each modality with its width.
    ///
    /// # Errors
    /// If the model cannot embed new items, or its file is gone or has changed since it was loaded.
    pub fn new_item_features(&self) -> Result<Vec<(crate::data::Modality, usize)>> {
        Ok(self.induction()?.header.modalities.clone())
    }

    /// Adds items to the catalogue without retraining; from then on they are recommended like any other.
    ///
    /// The vector of a new item is computed from its features with the trained weights, and from its nearest neighbours
    /// by content among the training items:
    ///
    /// ```text
    /// z_new = g ∘ (c(x_new) (1 + o) + Σ_j S_j h_j) + w M x̂_new
    /// ```
    ///
    /// where `c` is the model's embedding of content, `S_j` are the edge weights of its item graph, `h_j` is what
    /// neighbours pass on, and `o` is the item's own weight in the graph. For VIRAL, DRAGON, FREEDOM, VBPR and
    /// ProfileMatch this is, up to `g`, the vector that the model itself gives to an item without interactions; other
    /// models have the mean of the neighbours' vectors. `M` maps users' vectors to their content profiles, the means of
    /// the unit rows `x̂` of their items (ridge regression), so its part of a score is the score of a profile. The
    /// factors `g`, one for each block, and `w` are fitted to training items that are embedded as if they were new: `w`
    /// to the number of valid pairs found (0 if nothing is held out), and both so that new items get as many places in
    /// lists of 20 as these items have. Shorter lists hold fewer new items.
    ///
    /// All other vectors stay as they are, so scores of the other items keep their bits. An item that was
    /// [removed](Self::remove_items) returns with its trained vector, if it has one, and with the new title, unless
    /// that is empty.
    ///
    /// # Errors
    /// An id that is already in the catalogue; features of another modality or width than the model was trained on; a
    /// model that cannot embed new items, because it was trained without features or is not a built-in one. Nothing is
    /// added then.
    ///
    /// ```
    /// use viral::prelude::*;
    /// use viral::serve::NewItems;
    ///
    /// # fn main() -> viral::Result<()> {
    /// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
    /// let mut recommender = Recipe::viral().epochs(2).run(&data, &Device::flex())?.recommender()?;
    /// let features = data.train.features.select(&[3]); // the content of item 3
    /// recommender.add_items(&NewItems::new(["new"], features)?)?;
    /// assert!(recommender.similar("new", 3)?.iter().any(|found| found.item == "i0003"));
    /// recommender.remove_items(&["new"])?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_items(&mut self, items: &NewItems) -> Result<()> {
        let induction = self.induction()?;
        induction.check(&items.features)?;
        if let Some(id) = items.ids.iter().find(|id| self.items.find(id).is_some_and(|item| !self.is_withdrawn(item))) {
            return Err(Error::Data(format!(
                "the catalogue has an item '{id}'; remove it first, or choose another id"
            )));
        }
        let d = self.vectors.d();
        let vectors = induction.embed(&items.features, d, self.vectors.blocks())?;
        let lengths: Vec<f64> = vectors.chunks_exact(d).map(length).collect();
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        if let Some(row) = lengths.iter().position(|length| !length.is_finite()) {
            return Err(Error::Data(format!(
                "the vector of new item '{}' is not finite; look at its features",
                items.ids[row]
            )));
        }
        check_scores(self.longest_user, longest.max(self.longest_item))?;
        let titled = items.titles.iter().any(|title| !title.is_empty());
        if titled && self.titles.is_none() {
            let empty = vec![""; self.items.len()];
            self.titles = Some(super::names::Names::listed(&empty).map_err(Error::Data)?);
        }
        for (row, (id, title)) in items.ids.iter().zip(&items.titles).enumerate() {
            if let Some(item) = self.items.find(id) {
                self.withdrawn.retain(|&withdrawn| withdrawn != item);
                if let (Some(titles), false) = (&mut self.titles, title.is_empty()) {
                    titles.set_listed(item as usize, title).map_err(Error::Data)?;
                }
                if item as usize >= self.train.n_items() {
                    self.vectors.set_item(item as usize, &vectors[row * d..][..d]);
                    self.inverse_lengths[item as usize] = inverse(lengths[row]);
                }
                continue;
            }
            self.items.push(id).map_err(Error::Data)?;
            if let Some(titles) = &mut self.titles {
                titles.push_listed(title).map_err(Error::Data)?;
            }
            self.vectors.push_items(&vectors[row * d..][..d]);
            self.inverse_lengths.push(inverse(lengths[row]));
        }
        self.longest_item = self.longest_item.max(longest);
        Ok(())
    }

    /// Removes items from the catalogue: they are no longer recommended. They still count in users' histories.
    ///
    /// An item that was [added](Self::add_items) and that no user has is deleted without a trace.
    ///
    /// # Errors
    /// [`Error::UnknownItem`]; nothing is removed then.
    pub fn remove_items<S: AsRef<str>>(&mut self, items: &[S]) -> Result<()> {
        let mut numbers = self.item_numbers(items.iter().map(AsRef::as_ref))?;
        let taken = |item: &u32| self.later.values().any(|items| items.binary_search(item).is_ok());
        let gone: Vec<u32> =
            numbers.iter().copied().filter(|item| *item as usize >= self.train.n_items() && !taken(item)).collect();
        numbers.retain(|item| !gone.contains(item) && !self.is_withdrawn(*item));
        self.withdrawn.extend(numbers);
        self.withdrawn.sort_unstable();
        for &item in gone.iter().rev() {
            self.items.remove(item as usize);
            self.vectors.remove_item(item as usize);
            self.inverse_lengths.remove(item as usize);
            if let Some(titles) = &mut self.titles {
                titles.remove(item as usize);
            }
            self.withdrawn.retain(|&withdrawn| withdrawn != item);
            let moved = self.withdrawn.iter_mut().chain(self.later.values_mut().flatten());
            moved.filter(|number| **number > item).for_each(|number| *number -= 1);
        }
        if self.titles.as_ref().is_some_and(|titles| titles.iter().all(str::is_empty)) && !self.trained_with_titles {
            self.titles = None;
        }
        if !gone.is_empty() {
            let d = self.vectors.d();
            self.longest_item = self.vectors.items().chunks_exact(d).map(length).fold(0.0, f64::max);
        }
        Ok(())
    }

    /// Adds interactions without retraining: the users' next recommendations take them into account.
    ///
    /// ```text
    /// z_u' = z_u + f(H_u ∪ H_u') - f(H_u)
    /// ```
    ///
    /// where `H_u` is the user's history in training, `H_u'` what came since, and `f` the map from histories to vectors
    /// that [`recommend_for`](Self::recommend_for) uses. A user who was not in training has the vector `f(H_u')`.
    /// Stored vectors do not change, so the order of updates does not matter.
    ///
    /// # Errors
    /// [`Error::UnknownItem`]; a new user whose id is empty or begins or ends with a blank. Nothing is added then.
    ///
    /// ```
    /// use viral::prelude::*;
    ///
    /// # fn main() -> viral::Result<()> {
    /// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
    /// let mut recommender = Recipe::lightgcn().epochs(2).run(&data, &Device::flex())?.recommender()?;
    /// let update = recommender.update(&[("u0007", "i0003"), ("somebody new", "i0005")])?;
    /// assert_eq!(update.new_users, 1);
    /// assert_eq!(recommender.recommend("somebody new", 5)?.len(), 5);
    /// println!("{:?}", recommender.drift());
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<U: AsRef<str>, I: AsRef<str>>(&mut self, interactions: &[(U, I)]) -> Result<Update> {
        let items =
            interactions.iter().map(|(_, item)| self.item_number(item.as_ref())).collect::<Result<Vec<u32>>>()?;
        for (user, _) in interactions.iter().filter(|(user, _)| self.users.find(user.as_ref()).is_none()) {
            check_new_id(user.as_ref()).map_err(|why| Error::Data(format!("new users: {why}")))?;
        }
        let mut update = Update { added: 0, known: 0, new_users: 0 };
        for ((user, _), item) in interactions.iter().zip(items) {
            let number = match self.users.find(user.as_ref()) {
                Some(number) => number,
                None => {
                    self.users.push(user.as_ref()).map_err(Error::Data)?;
                    self.vectors.push_users(&vec![0.0; self.vectors.d()]);
                    update.new_users += 1;
                    self.users.len() as u32 - 1
                }
            };
            if self.of_training(number as usize).binary_search(&item).is_ok() {
                update.known += 1;
                continue;
            }
            let later = self.later.entry(number).or_default();
            match later.binary_search(&item) {
                Ok(_) => update.known += 1,
                Err(at) => {
                    later.insert(at, item);
                    update.added += 1;
                }
            }
        }
        Ok(update)
    }

    /// Measures how far the catalogue and its users have moved from the training data.
    pub fn drift(&self) -> Drift {
        let new_interactions: usize = self.later.values().map(Vec::len).sum();
        let total = new_interactions + self.train.n_pairs();
        let moved: Vec<f64> = self
            .later
            .keys()
            .filter(|&&user| !self.of_training(user as usize).is_empty())
            .map(|&user| {
                let (before, now) = (self.vectors.user(user as usize), self.vector_of(user as usize));
                let product: f64 = before.iter().zip(now.iter()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let lengths = length(before) * length(&now);
                if lengths > 0.0 { 1.0 - product / lengths } else { 0.0 }
            })
            .collect();
        let n_trained = self.train.n_items();
        let removed_items = self.withdrawn.iter().filter(|&&item| (item as usize) < n_trained).count();
        Drift {
            new_items: self.items.len() - n_trained - (self.withdrawn.len() - removed_items),
            removed_items,
            new_users: self.users.len() - self.train.n_users(),
            new_interactions,
            interactions_share: new_interactions as f64 / total.max(1) as f64,
            // `sum` of an empty iterator is -0.
            users_moved: moved.iter().fold(0.0, |sum, x| sum + x) / moved.len().max(1) as f64,
        }
    }

    /// Train items of a user; none for a user added later.
    pub(super) fn of_training(&self, user: usize) -> &[u32] {
        if user < self.train.n_users() { self.train.of_user(user) } else { &[] }
    }

    /// Items that a user is known to have: from the train part, from valid and test, and since training.
    pub(super) fn taken(&self, user: usize) -> [&[u32]; 3] {
        let held_out = if user < self.held_out.n_users() { self.held_out.of_user(user) } else { &[] };
        [self.of_training(user), held_out, self.later_of(user)]
    }

    pub(super) fn later_of(&self, user: usize) -> &[u32] {
        self.later.get(&(user as u32)).map_or(&[], Vec::as_slice)
    }

    /// The current vector of a user: the trained one, updated with the interactions since.
    pub(super) fn vector_of(&self, user: usize) -> Cow<'_, [f32]> {
        let (trained, later) = (self.vectors.user(user), self.later_of(user));
        if later.is_empty() {
            return Cow::Borrowed(trained);
        }
        let before = self.of_training(user);
        let all: Vec<u32> = before.iter().chain(later).copied().collect();
        let mut vector = self.fold_in.vector(&self.vectors, &all);
        if !before.is_empty() {
            let then = self.fold_in.vector(&self.vectors, before);
            vector.iter_mut().zip(trained.iter().zip(then)).for_each(|(now, (trained, then))| *now += trained - then);
        }
        Cow::Owned(vector)
    }

    pub(super) fn is_withdrawn(&self, item: u32) -> bool {
        self.withdrawn.binary_search(&item).is_ok()
    }

    pub(super) fn induction(&self) -> Result<Arc<Induction>> {
        match &self.induction {
            Some(kept) => kept.get(),
            None => Err(Error::Config(
                "this model cannot embed new items: it was trained without features, is not one of the table, or its file is of \
                 an earlier format; train it again"
                    .into(),
            )),
        }
    }
}
