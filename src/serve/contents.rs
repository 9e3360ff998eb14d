//! What a recommender knows: vectors, settings, ids, titles and histories.

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

    /// [`Dataset::fingerprint`](crate::data::Dataset::fingerprint) of what the model was trained on; `None` in files of version 0.1.0.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The model's settings, as they were given to [`new`](Self::new).
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The name of a model of the table, such as `viral`; `None` for a model from elsewhere.
    pub fn model_name(&self) -> Option<&str> {
        self.config.get("model").and_then(Value::as_str)
    }

    /// External ids of the users, by number.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.users.iter()
    }

    /// External ids of the items, by number; those that were [removed](Self::remove_items) after training are among them.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.items.iter()
    }

    /// The external ids that a text names as people write them: the text itself where it is an id, be there commas in it or not, or
    /// else the ids between its commas.
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

    /// The title of an item by external id, where the data have titles.
    pub fn title(&self, item: &str) -> Option<&str> {
        let item = self.items.find(item)?;
        self.titles.as_ref().map(|titles| titles.get(item as usize))
    }

    /// External ids of the items in the catalogue with their titles, where the data have titles, by number.
    pub fn catalogue(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let title = |item: usize| self.titles.as_ref().map(|titles| titles.get(item));
        let there = self.items.iter().enumerate().filter(|&(number, _)| !self.is_withdrawn(number as u32));
        there.map(move |(number, item)| (item, title(number)))
    }

    /// The vector of an item by external id, `[d]`: its blocks side by side.
    ///
    /// # Errors
    /// [`Error::UnknownItem`](crate::Error::UnknownItem).
    pub fn item_vector(&self, item: &str) -> Result<&[f32]> {
        Ok(self.vectors.item(self.item_number(item)? as usize))
    }

    /// The present vector of a user by external id, `[d]`: its blocks side by side, moved by what came since training.
    ///
    /// # Errors
    /// [`Error::UnknownUser`](crate::Error::UnknownUser).
    pub fn user_vector(&self, user: &str) -> Result<Cow<'_, [f32]>> {
        Ok(self.vector_of(self.user_number(user)?))
    }

    /// External ids of what a user has in the train part, in the catalogue's order, and then of what came since by
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

    /// The present vectors: of the [users](Self::users), moved by what came since training, and of the items in the
    /// [catalogue](Self::catalogue), each in its order.
    ///
    /// # Errors
    /// None but those of a damaged model.
    pub fn present_embeddings(&self) -> Result<HostEmbeddings> {
        let users = (0..self.users.len()).flat_map(|user| self.vector_of(user).into_owned()).collect();
        let there = (0..self.items.len()).filter(|&item| !self.is_withdrawn(item as u32));
        let items = there.flat_map(|item| self.vectors.item(item)).copied().collect();
        HostEmbeddings::new(users, items, self.vectors.blocks().to_vec())
    }

    /// The present vectors in the numbering of a data set, whose users and items the recommender must all know: to rank and
    /// evaluate what was added since training.
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

    /// The train interactions, which evaluation masks.
    pub fn train_interactions(&self) -> &Interactions {
        &self.train
    }

    /// Bytes in memory besides the vectors of users and items, and besides the parameters that a recommender has which was
    /// made from a model and not loaded.
    pub fn overhead_bytes(&self) -> usize {
        let titles = self.titles.as_ref().map_or(0, Names::size);
        let pairs = |x: &Interactions| 4 * x.n_pairs() + size_of_val(x.offsets());
        let floats = self.fold_in.map().len() + self.inverse_lengths.len();
        self.users.size() + self.items.size() + titles + pairs(&self.train) + pairs(&self.held_out) + 4 * floats
    }
}
