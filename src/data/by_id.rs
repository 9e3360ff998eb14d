//! Features and titles from memory, matched to items by external id.

use std::collections::HashMap;

use super::{Dataset, ItemFeatures, Mask, Modality};
use crate::Result;

/// Maximum number of ids that an error names.
const NAMED: usize = 3;

impl Dataset {
    /// Sets the features of a modality from pairs of external id and vector, one for each item, in any order.
    ///
    /// ```
    /// use viral::data::{Dataset, Modality, SplitPolicy};
    ///
    /// let log = [("ann", "cup"), ("ann", "cot"), ("zoe", "cot")];
    /// let vectors = [("cot", [0.1, 0.9]), ("cup", [0.8, 0.2])];
    /// let data = Dataset::from_log("shop", log, SplitPolicy::Everything)?.with_features(Modality::Text, vectors)?;
    /// let text = data.features().get(&Modality::Text).unwrap();
    /// assert_eq!(text.row(data.item_index("cup")?), [0.8, 0.2]);
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Errors
    /// An item without a vector (see [`with_partial_features`](Self::with_partial_features)); an unknown or repeated
    /// id; vectors that are empty, differ in length, or contain NaN or infinity. Each error names the ids.
    pub fn with_features<I: ToString, V: AsRef<[f32]>>(
        self,
        modality: Modality,
        vectors: impl IntoIterator<Item = (I, V)>,
    ) -> Result<Self> {
        let (rows, features) = self.rows_by_id(&modality, vectors)?;
        let missing = rows.iter().zip(&self.item_ids).filter(|(row, _)| !**row).map(|(_, id)| id.as_str());
        let missing: Vec<&str> = missing.collect();
        if !missing.is_empty() {
            return Err(self.fault(format!(
                "{modality} features: {} of {} items have no vector ({}); give one each, or use with_partial_features, \
                 which gives these rows of zeros",
                missing.len(),
                rows.len(),
                some_of(&missing)
            )));
        }
        self.with_rows(modality, features)
    }

    /// Sets the features of a modality that only some items have: the others get rows of zeros. Also returns the mask
    /// of items without features, which includes those whose vector is all zeros.
    ///
    /// # Errors
    /// Those of [`with_features`](Self::with_features), except the first.
    pub fn with_partial_features<I: ToString, V: AsRef<[f32]>>(
        self,
        modality: Modality,
        vectors: impl IntoIterator<Item = (I, V)>,
    ) -> Result<(Self, Mask)> {
        let (rows, features) = self.rows_by_id(&modality, vectors)?;
        let mut mask = Mask::default();
        for ((item, row), id) in rows.iter().enumerate().zip(&self.item_ids) {
            if !row {
                mask.reasons.insert(id.clone(), "no vector".to_string());
            } else if features.row(item).iter().all(|&value| value == 0.0) {
                mask.reasons.insert(id.clone(), "a vector of zeros".to_string());
            }
        }
        Ok((self.with_rows(modality, features)?, mask))
    }

    /// Sets titles from pairs of external id and title, in any order. Items without one get an empty title.
    ///
    /// # Errors
    /// An unknown or repeated id.
    pub fn with_titles_by_id<I: ToString, T: Into<String>>(
        self,
        titles: impl IntoIterator<Item = (I, T)>,
    ) -> Result<Self> {
        let mut by_item: Vec<Option<String>> = vec![None; self.n_items()];
        let mut places = Places::new(&self.item_ids);
        for (id, title) in titles {
            if let Some(item) = places.take(&id.to_string()) {
                by_item[item] = Some(title.into());
            }
        }
        places.finish().map_err(|message| self.fault(format!("titles: {message}")))?;
        self.with_titles(by_item.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Builds the feature matrix, zero where an item has no vector, and a flag for each item that has one.
    fn rows_by_id<I: ToString, V: AsRef<[f32]>>(
        &self,
        modality: &Modality,
        vectors: impl IntoIterator<Item = (I, V)>,
    ) -> Result<(Vec<bool>, ItemFeatures)> {
        let fault = |message: String| self.fault(format!("{modality} features: {message}"));
        let n_items = self.n_items();
        let mut places = Places::new(&self.item_ids);
        let (mut values, mut first): (Vec<f32>, Option<(String, usize)>) = (Vec::new(), None);
        for (id, vector) in vectors {
            let (id, vector) = (id.to_string(), vector.as_ref());
            if first.is_none() {
                if vector.is_empty() {
                    return Err(fault(format!("the vector of item '{id}' is empty; leave this modality out")));
                }
                first = Some((id.clone(), vector.len()));
                values = vec![0.0; n_items * vector.len()];
            }
            if let Some((other, width)) = first.as_ref().filter(|(_, width)| *width != vector.len()) {
                let found = vector.len();
                let message = format!("item '{other}' has {width} numbers and item '{id}' {found}; give all as many");
                return Err(fault(message));
            }
            if !vector.iter().all(|value| value.is_finite()) {
                return Err(fault(format!("the vector of item '{id}' holds NaN or infinity; recompute it")));
            }
            if let Some(item) = places.take(&id) {
                values[item * vector.len()..][..vector.len()].copy_from_slice(vector);
            }
        }
        let rows = places.finish().map_err(fault)?;
        let Some((_, width)) = first else {
            return Err(fault("there is not one vector; leave this modality out".to_string()));
        };
        Ok((rows, ItemFeatures::from_finite(n_items, width, values)))
    }

    fn with_rows(mut self, modality: Modality, features: ItemFeatures) -> Result<Self> {
        self.train.features.insert(modality, features);
        self.validated()
    }
}

/// Matches external ids to items and records which have been seen.
struct Places<'a> {
    index: HashMap<&'a str, usize>,
    taken: Vec<bool>,
    unknown: Vec<String>,
    repeated: Vec<String>,
    n_items: usize,
    example: &'a str,
}

impl<'a> Places<'a> {
    fn new(ids: &'a [String]) -> Self {
        let index = ids.iter().enumerate().map(|(index, id)| (id.as_str(), index)).collect();
        let example = ids.first().map_or("", String::as_str);
        let (unknown, repeated) = (Vec::new(), Vec::new());
        Self { index, taken: vec![false; ids.len()], unknown, repeated, n_items: ids.len(), example }
    }

    /// Returns the item with an id, if there is one and it is seen for the first time.
    fn take(&mut self, id: &str) -> Option<usize> {
        let Some(&item) = self.index.get(id) else {
            self.unknown.push(id.to_string());
            return None;
        };
        if std::mem::replace(&mut self.taken[item], true) {
            self.repeated.push(id.to_string());
            return None;
        }
        Some(item)
    }

    /// Returns which items were seen, or an error if an id was unknown or repeated.
    fn finish(self) -> std::result::Result<Vec<bool>, String> {
        if !self.unknown.is_empty() {
            return Err(format!(
                "{} ids are of none of the {} items ({}; ids are like {}); leave them out, or make them part of the \
                 catalogue with InteractionLog::with_items",
                self.unknown.len(),
                self.n_items,
                some_of(&self.unknown),
                self.example
            ));
        }
        if !self.repeated.is_empty() {
            return Err(format!(
                "{} ids come twice ({}); give each once",
                self.repeated.len(),
                some_of(&self.repeated)
            ));
        }
        Ok(self.taken)
    }
}

/// Lists the first few ids for an error message.
fn some_of<S: AsRef<str>>(ids: &[S]) -> String {
    let mut named = ids.iter().take(NAMED).map(S::as_ref).collect::<Vec<_>>().join(", ");
    if ids.len() > NAMED {
        named.push_str(", …");
    }
    named
}

#[cfg(test)]
mod tests {
    use super::super::SplitPolicy;
    use super::*;

    fn shop() -> Dataset {
        let log = [("ann", "cup"), ("ann", "cot"), ("zoe", "bib"), ("zoe", "lamp")];
        Dataset::from_log("shop", log, SplitPolicy::Everything).unwrap()
    }

    fn message<T>(result: Result<T>) -> String {
        result.err().unwrap().to_string()
    }

    #[test]
    fn vectors_find_their_items_whatever_their_order_and_the_kind_of_their_ids() -> Result<()> {
        let vectors =
            [("lamp", vec![4.0, 0.5]), ("cot", vec![2.0, 0.5]), ("cup", vec![1.0, 0.5]), ("bib", vec![3.0, 0.5])];
        let data = shop().with_features(Modality::Audio, vectors)?;
        assert_eq!(
            data.features().require([Modality::Audio], "test")?[0].values(),
            [1.0, 0.5, 2.0, 0.5, 3.0, 0.5, 4.0, 0.5]
        );
        // Numeric ids are sorted numerically.
        let data = Dataset::from_log("n", [(7u64, 30u64), (7, 4)], SplitPolicy::Everything)?;
        let data = data.with_features(Modality::Text, [(30u64, [30.0]), (4, [4.0])])?;
        assert_eq!(data.features().require([Modality::Text], "test")?[0].values(), [4.0, 30.0]);
        Ok(())
    }

    #[test]
    fn items_without_a_vector_are_an_error_or_named_in_the_mask() -> Result<()> {
        let vectors = || [("cot", [1.0]), ("bib", [0.0])];
        let found = message(shop().with_features(Modality::Text, vectors()));
        assert!(found.starts_with("data set shop: text features: 2 of 4 items have no vector (cup, lamp)"), "{found}");
        let (data, mask) = shop().with_partial_features(Modality::Text, vectors())?;
        assert_eq!(data.features().require([Modality::Text], "test")?[0].values(), [0.0, 1.0, 0.0, 0.0]);
        let reasons: Vec<_> = mask.reasons.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
        assert_eq!(reasons, [("bib", "a vector of zeros"), ("cup", "no vector"), ("lamp", "no vector")]);
        Ok(())
    }

    #[test]
    fn vectors_that_do_not_fit_are_named() {
        let with = |vectors: &[(&str, &[f32])]| message(shop().with_partial_features(Modality::Text, vectors.to_vec()));
        for (vectors, words) in [
            (
                &[("cup", &[1.0][..]), ("mug", &[1.0]), ("jar", &[1.0])][..],
                "2 ids are of none of the 4 items (mug, jar;",
            ),
            (&[("cup", &[1.0]), ("cup", &[1.0])], "1 ids come twice (cup)"),
            (&[("cup", &[1.0]), ("cot", &[1.0, 2.0])], "item 'cup' has 1 numbers and item 'cot' 2"),
            (&[("cup", &[])], "the vector of item 'cup' is empty"),
            (&[("cup", &[1.0]), ("cot", &[f32::NAN])], "the vector of item 'cot' holds NaN"),
            (&[], "not one vector"),
        ] {
            let found = with(vectors);
            assert!(found.starts_with("data set shop: text features: ") && found.contains(words), "{found}");
        }
    }

    #[test]
    fn titles_find_their_items() -> Result<()> {
        let data = shop().with_titles_by_id([("bib", "A bib"), ("cup", "A cup")])?;
        assert_eq!(data.titles.unwrap(), ["A cup", "", "A bib", ""]);
        let found = message(shop().with_titles_by_id([("mug", "A mug")]));
        assert!(found.starts_with("data set shop: titles: 1 ids are of none") && found.contains("(mug;"), "{found}");
        assert!(message(shop().with_titles_by_id([("cup", "x"), ("cup", "y")])).contains("come twice (cup)"));
        Ok(())
    }
}
