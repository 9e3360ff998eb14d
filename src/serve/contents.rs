//! Contents of a recommender: vectors, settings, ids, titles and histories.

use super::Recommender;
use super::names::Names;
use crate::Result;
use crate::data::{Dataset, Interactions};
use crate::model::HostEmbeddings;
use serde_json::Value;
use std::borrow::Cow;

impl Recommender {
    /// The vectors of users and items in host memory.
    pub fn embeddings(&self) -> &HostEmbeddings {
        &self.vectors
    }

    /// The name of the data set that the model was trained on.
    pub fn data_name(&self) -> &str {
        &self.data
    }

    /// [`Dataset::fingerprint`](crate::data::Dataset::fingerprint) of the data that the model was trained on; `None` in
    /// files of version 0.1.0.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The model's settings, as given to [`new`](Self::new).
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The name of a built-in model, such as `viral`; `None` for any other model.
    pub fn model_name(&self) -> Option<&str> {
        self.config.get("model").and_then(Value::as_str)
    }

    /// External ids of the users, by number.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.users.iter()
    }

    /// External ids of the items, by number, including items of training that were [removed](Self::remove_items).
    pub fn items(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.items.iter()
    }

    /// Splits a comma-separated list of external ids, as people write it. A text that is itself an id, even one with
    /// commas, is taken as that id.
    ///
    /// ```
    /// use viral::prelude::*;
    ///
    /// # fn main() -> viral::Result<()> {
    /// let log = [("ann", "cup"), ("ann", "cot"), ("bob", "cup,red")];
    /// let data = Dataset::from_log("shop", log, SplitPolicy::Everything)?;
    /// let recommender = Recipe::named("popularity")?.run(&data, &Device::flex())?.recommender()?;
    /// assert_eq!(recommender.listed_items("cup,cot")?, ["cup", "cot"]);
    /// assert_eq!(recommender.listed_items("cup,red")?, ["cup,red"]);
    /// assert!(recommender.listed_items("cup,blue").is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownItem`](crate::Error::UnknownItem).
    pub fn listed_items<'t>(&self, text: &'t str) -> Result<Vec<&'t str>> {
        let ids = match self.items.find(text) {
            Some(_) => vec![text],
            None => text.split(',').filter(|id| !id.is_empty()).collect(),
        };
        ids.iter().try_for_each(|id| self.item_number(id).map(drop))?;
        Ok(ids)
    }

    /// The title of an item by external id, if the data have titles.
    pub fn title(&self, item: &str) -> Option<&str> {
        let item = self.items.find(item)?;
        self.titles.as_ref().map(|titles| titles.get(item as usize))
    }

    /// External ids and, if the data have them, titles of the items in the catalogue, by number.
    pub fn catalogue(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let title = |item: usize| self.titles.as_ref().map(|titles| titles.get(item));
        let there = self.items.iter().enumerate().filter(|&(number, _)| !self.is_withdrawn(number as u32));
        there.map(move |(number, item)| (item, title(number)))
    }

    /// The vector of an item by external id, `[d]`: its blocks concatenated.
    ///
    /// # Errors
    /// [`Error::UnknownItem`](crate::Error::UnknownItem).
    pub fn item_vector(&self, item: &str) -> Result<&[f32]> {
        Ok(self.vectors.item(self.item_number(item)? as usize))
    }

    /// The current vector of a user by external id, `[d]`: its blocks concatenated, updated with the interactions since
    /// training.
    ///
    /// # Errors
    /// [`Error::UnknownUser`](crate::Error::UnknownUser).
    pub fn user_vector(&self, user: &str) -> Result<Cow<'_, [f32]>> {
        Ok(self.vector_of(self.user_number(user)?))
    }

    /// External ids of the items that a user has: those of the train part in the catalogue's order, then those added by
    /// [`update`](Self::update).
    ///
    /// # Errors
    /// [`Error::UnknownUser`](crate::Error::UnknownUser).
    ///
    /// ```
    /// use viral::prelude::*;
    ///
    /// # fn main() -> viral::Result<()> {
    /// let split = SplitPolicy::Everything;
    /// let data = Dataset::from_log("shop", [("ann", "kite"), ("bob", "drum"), ("ann", "ball")], split)?;
    /// let recommender = Recipe::named("popularity")?.run(&data, &Device::flex())?.recommender()?;
    /// assert_eq!(recommender.history("ann")?, ["kite", "ball"]);
    /// assert!(recommender.history("eve").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn history(&self, user: &str) -> Result<Vec<&str>> {
        let user = self.user_number(user)?;
        let items = self.of_training(user).iter().chain(self.later_of(user));
        Ok(items.map(|&item| self.items.get(item as usize)).collect())
    }

    /// The current vectors: of the [users](Self::users), updated with the interactions since training, and of the items
    /// in the [catalogue](Self::catalogue), each in its order.
    ///
    /// # Errors
    /// Only if the model is damaged.
    pub fn present_embeddings(&self) -> Result<HostEmbeddings> {
        let users = (0..self.users.len()).flat_map(|user| self.vector_of(user).into_owned()).collect();
        let there = (0..self.items.len()).filter(|&item| !self.is_withdrawn(item as u32));
        let items = there.flat_map(|item| self.vectors.item(item)).copied().collect();
        HostEmbeddings::new(users, items, self.vectors.blocks().to_vec())
    }

    /// The current vectors in the numbering of a data set, to rank and evaluate users and items added since training.
    /// The recommender must know all users and items of the data set.
    ///
    /// # Errors
    /// [`Error::UnknownUser`](crate::Error::UnknownUser), [`Error::UnknownItem`](crate::Error::UnknownItem).
    pub fn embeddings_of(&self, data: &Dataset) -> Result<HostEmbeddings> {
        let d = self.vectors.d();
        let (mut users, mut items) = (Vec::with_capacity(data.n_users() * d), Vec::with_capacity(data.n_items() * d));
        for user in &data.user_ids {
            users.extend_from_slice(&self.user_vector(user)?);
        }
        for item in &data.item_ids {
            items.extend_from_slice(self.item_vector(item)?);
        }
        HostEmbeddings::new(users, items, self.vectors.blocks().to_vec())
    }

    /// The vectors as they were trained, of the users and items of training, without what came since.
    ///
    /// # Errors
    /// Only if the model is damaged.
    pub fn trained_embeddings(&self) -> Result<HostEmbeddings> {
        let (n_users, n_items, d) = (self.train.n_users(), self.train.n_items(), self.vectors.d());
        let (users, items) = (&self.vectors.users()[..n_users * d], &self.vectors.items()[..n_items * d]);
        HostEmbeddings::new(users.to_vec(), items.to_vec(), self.vectors.blocks().to_vec())
    }

    /// The vectors as they were trained, in the numbering of a data set: what held-out interactions can be evaluated
    /// with, even if the users have made them since.
    ///
    /// # Errors
    /// [`Error::UnknownUser`](crate::Error::UnknownUser), [`Error::UnknownItem`](crate::Error::UnknownItem), also for
    /// users and items that came after training.
    pub fn trained_embeddings_of(&self, data: &Dataset) -> Result<HostEmbeddings> {
        let (n_users, n_items, d) = (self.train.n_users(), self.train.n_items(), self.vectors.d());
        let (mut users, mut items) = (Vec::with_capacity(data.n_users() * d), Vec::with_capacity(data.n_items() * d));
        for id in &data.user_ids {
            let user = self.users.find(id).filter(|&user| (user as usize) < n_users);
            let user = user.ok_or_else(|| self.unknown_user(id))?;
            users.extend_from_slice(self.vectors.user(user as usize));
        }
        for id in &data.item_ids {
            let item = self.items.find(id).filter(|&item| (item as usize) < n_items);
            let item = item.ok_or_else(|| self.unknown_item(id))?;
            items.extend_from_slice(self.vectors.item(item as usize));
        }
        HostEmbeddings::new(users, items, self.vectors.blocks().to_vec())
    }

    /// The train interactions, which evaluation masks.
    pub fn train_interactions(&self) -> &Interactions {
        &self.train
    }

    /// Bytes in memory, without the vectors of users and items. The parameters, which a recommender holds if it was
    /// made from a model rather than loaded, are not counted either.
    pub fn overhead_bytes(&self) -> usize {
        let titles = self.titles.as_ref().map_or(0, Names::size);
        let pairs = |x: &Interactions| 4 * x.n_pairs() + size_of_val(x.offsets());
        let floats = self.fold_in.map().len() + self.inverse_lengths.len();
        self.users.size() + self.items.size() + titles + pairs(&self.train) + pairs(&self.held_out) + 4 * floats
    }
}
