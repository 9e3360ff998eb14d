//! Items to add to a catalogue after training.

use crate::data::{Dataset, Features};
use crate::{Error, Result};

/// Items to add to a catalogue: ids, optional titles, and features like those the model was trained on.
///
/// ```
/// use viral::data::{Features, ItemFeatures, Modality};
/// use viral::serve::NewItems;
///
/// let text = ItemFeatures::new(2, 3, vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6])?;
/// let items = NewItems::new(["lamp", "vase"], Features::new().with(Modality::Text, text))?.with_titles(["A lamp", ""])?;
/// assert_eq!(items.ids().len(), 2);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NewItems {
    pub(super) ids: Vec<String>,
    pub(super) titles: Vec<String>,
    pub(super) features: Features,
}

impl NewItems {
    /// Takes items by external id, with one row of features each, in the order of the ids.
    ///
    /// # Errors
    /// If a modality does not have one row for each id; an id is a duplicate, is empty, or begins or ends with a blank;
    /// or an item has no content in any modality.
    pub fn new<S: Into<String>>(ids: impl IntoIterator<Item = S>, features: Features) -> Result<Self> {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        for (modality, rows) in &features {
            let (n, found) = (ids.len(), rows.n_items());
            if found != n {
                return Err(Error::Data(format!(
                    "new items: {found} rows of {modality} features for {n} ids; give one each"
                )));
            }
        }
        ids.iter().try_for_each(|id| check_new_id(id)).map_err(|why| Error::Data(format!("new items: {why}")))?;
        let is_bare = |row: &usize| !features.is_empty() && !features.has(*row);
        if let Some(id) = (0..ids.len()).find(is_bare).map(|row| &ids[row]) {
            return Err(Error::Data(format!("new items: '{id}' has no content; give it some, or leave it out")));
        }
        let mut sorted: Vec<&String> = ids.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::Data(format!("new items: the id '{}' comes twice", pair[0])));
        }
        Ok(Self { titles: vec![String::new(); ids.len()], ids, features })
    }

    /// Takes items from a data set by their numbers there, with titles and all features.
    ///
    /// # Errors
    /// If a number is a duplicate.
    ///
    /// # Panics
    /// If a number is not below the number of items.
    pub fn of(data: &Dataset, items: &[u32]) -> Result<Self> {
        let rows: Vec<usize> = items.iter().map(|&item| item as usize).collect();
        let ids = rows.iter().map(|&item| data.item_ids[item].as_str());
        let new = Self::new(ids, data.train.features.select(&rows))?;
        match &data.titles {
            Some(titles) => new.with_titles(rows.iter().map(|&item| titles[item].as_str())),
            None => Ok(new),
        }
    }

    /// Sets the titles, in the order of the ids; an item without a title has an empty one.
    ///
    /// # Errors
    /// If the number of titles differs from that of the ids.
    pub fn with_titles<S: Into<String>>(mut self, titles: impl IntoIterator<Item = S>) -> Result<Self> {
        self.titles = titles.into_iter().map(Into::into).collect();
        match self.titles.len() == self.ids.len() {
            true => Ok(self),
            false => Err(Error::Data(format!(
                "new items: {} titles for {} ids; give one each",
                self.titles.len(),
                self.ids.len()
            ))),
        }
    }

    /// The features of the items.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The external ids of the items.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }
}

/// Checks a new id: two ids that differ in surrounding blanks alone would be confused without anybody noticing.
pub(super) fn check_new_id(id: &str) -> std::result::Result<(), String> {
    let is_good = id.trim() == id && !id.is_empty();
    is_good
        .then_some(())
        .ok_or_else(|| format!("the id '{id}' is empty, or begins or ends with a blank; take blanks off"))
}
