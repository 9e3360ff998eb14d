//! Changes to a catalogue after training, without training: new items, removed items, new interactions and users.

use super::induction::Induction;
use super::new_items::check_new_id;
use super::query::{check_scores, inverse, length};
use super::{NewItems, Recommender};
use crate::{Error, Result};
use std::borrow::Cow;
use std::sync::Arc;

/// How far the present is from what a model was trained on: [`Recommender::drift`].
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Drift {
    /// Items added since.
    pub new_items: usize,
    /// Items of training that are not recommended any more.
    pub removed_items: usize,
    /// Users added since.
    pub new_users: usize,
    /// Interactions added since.
    pub new_interactions: usize,
    /// These as a share of all interactions that vectors stand on, between 0 and 1.
    pub interactions_share: f64,
    /// Mean of `1 - cos(z_u, z_u')` between the trained and the present vectors of the users of training who have new
    /// interactions; 0 where there is none.
    pub users_moved: f64,
}

/// What [`Recommender::update`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Update {
    /// Interactions that are new.
    pub added: usize,
    /// Interactions that were known before.
    pub known: usize,
    /// Users who were not known before.
    pub new_users: usize,
}

impl Recommender {
    /// Whether [`add_items`](Self::add_items) can embed an item from its content.
    pub fn takes_new_items(&self) -> bool {
        self.induction.is_some()
    }

    /// The features that a new item needs: each modality with its width.
    ///
    /// # Errors
    /// A model that cannot embed new items; its file is gone or has changed since it was loaded.
    pub fn new_item_features(&self) -> Result<Vec<(crate::data::Modality, usize)>> {
        Ok(self.induction()?.header.modalities.clone())
    }

    /// Adds items to the catalogue without training: from now on they are recommended as others are.
    ///
    /// An item's vector is made of its features with the trained weights, and of its nearest neighbours in content among
    /// the items of training:
    ///
    /// ```text
    /// z_new = g ∘ (c(x_new) (1 + o) + Σ_j S_j h_j) + w M x̂_new
    /// ```
    ///
    /// where `c` is what the model makes of content, `S_j` are the edges of its item graph and `h_j` what neighbours hand on.
    /// For VIRAL, DRAGON, FREEDOM, VBPR and ProfileMatch this is the vector that the model itself gives to an item without
    /// interactions, up to `g`; other models have the mean of the neighbours' vectors. `M` maps users' vectors to their profiles of
    /// content, the means of the unit rows `x̂` of what they have (ridge regression): its part of a score is what a profile gives.
    /// The factors `g`, one for each block, and `w` are fitted to items of training that are embedded as if they were new: `w` to
    /// how many of the valid part's pairs are found (0 where nothing is held out), and both so that new items get as many places
    /// as these have.
    ///
    /// All other vectors stay as they are, so scores of the other items keep their bits. An item that was
    /// [removed](Self::remove_items) comes back with the vector it had, if training gave it one, and with the title that is
    /// given, if that is not empty.
    ///
    /// # Errors
    /// An id that the catalogue has; features of another modality or width than the model was trained on; a model that
    /// cannot embed new items, because it was trained without features or is not one of the table. Nothing is added then.
    ///
    /// ```
    /// use viral::prelude::*;
    /// use viral::serve::NewItems;
    ///
    /// # fn main() -> viral::Result<()> {
    /// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
    /// let mut recommender = Recipe::viral().epochs(2).run(&data, &Device::flex())?.recommender()?;
    /// let features = data.train.features.select(&[3]); // it reads and looks like item 3
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

    /// Takes items out of the catalogue: they are recommended no more. Histories with them still count.
    ///
    /// An item that was [added](Self::add_items) and that nobody took goes without a trace.
    ///
    /// # Errors
    /// [`Error::UnknownItem`], and then none is removed.
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

    /// Takes up what users have done since training, without training: their next recommendations know it.
    ///
    /// ```text
    /// z_u' = z_u + f(H_u ∪ H_u') - f(H_u)
    /// ```
    ///
    /// where `H_u` is what the user had in training, `H_u'` what came since, and `f` the map from histories to vectors that
    /// [`recommend_for`](Self::recommend_for) uses. A user who was not there in training has `f(H_u')`. Vectors on file stay
    /// as they are, so the order of updates does not matter.
    ///
    /// # Errors
    /// [`Error::UnknownItem`]; a new user whose id is empty or begins or ends with a blank. Then nothing is taken up.
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

    /// How far the present catalogue and its users are from those of the last training.
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
        Drift {
            new_items: self.items.len() - self.train.n_items(),
            removed_items: self.withdrawn.iter().filter(|&&item| (item as usize) < self.train.n_items()).count(),
            new_users: self.users.len() - self.train.n_users(),
            new_interactions,
            interactions_share: new_interactions as f64 / total.max(1) as f64,
            // The sum of no numbers is -0.
            users_moved: moved.iter().fold(0.0, |sum, x| sum + x) / moved.len().max(1) as f64,
        }
    }

    /// Train items of a user; none for one who came later.
    pub(super) fn of_training(&self, user: usize) -> &[u32] {
        if user < self.train.n_users() { self.train.of_user(user) } else { &[] }
    }

    /// What a user is known to have: of the train part, of valid and test, and since.
    pub(super) fn taken(&self, user: usize) -> [&[u32]; 3] {
        let held_out = if user < self.held_out.n_users() { self.held_out.of_user(user) } else { &[] };
        [self.of_training(user), held_out, self.later_of(user)]
    }

    pub(super) fn later_of(&self, user: usize) -> &[u32] {
        self.later.get(&(user as u32)).map_or(&[], Vec::as_slice)
    }

    /// The present vector of a user: the trained one, moved by what came since.
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
