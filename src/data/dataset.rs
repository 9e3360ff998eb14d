//! A catalogue with its train, valid and test split.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

use super::{Features, Interactions, ItemFeatures, Modality, Part, hex};
use crate::{Error, Result};

/// The data a model may see: train interactions and item features. Held-out interactions are excluded.
#[derive(Debug, Clone)]
pub struct TrainSet {
    /// Train pairs.
    pub interactions: Interactions,
    /// Item features by modality; empty if the catalogue has no content.
    pub features: Features,
}

/// A catalogue with its train, valid and test interactions.
///
/// ```
/// use viral::data::{Dataset, Features, Interactions, Part, TrainSet};
///
/// let part = |pairs: &[(u32, u32)]| Interactions::from_pairs(2, 3, pairs);
/// let train = TrainSet { interactions: part(&[(0, 0), (1, 1)]), features: Features::new() };
/// let data = Dataset::new("shop", train, part(&[(0, 1)]), part(&[(1, 2)]))?;
/// assert_eq!((data.part(Part::Test).n_pairs(), data.counts().items_without_train), (1, 1));
/// // A pair that is in two parts is refused: no held-out pair can leak into train.
/// let (train, again) = (data.train.clone(), data.train.interactions.clone());
/// assert!(Dataset::new("shop", train, again, part(&[])).is_err());
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Name for reports.
    pub name: String,
    /// The data models see.
    pub train: TrainSet,
    /// Held out for early stopping.
    pub valid: Interactions,
    /// Held out for the final evaluation.
    pub test: Interactions,
    /// External id of each user.
    pub user_ids: Vec<String>,
    /// External id of each item.
    pub item_ids: Vec<String>,
    /// Title of each item, if the data have titles.
    pub titles: Option<Vec<String>>,
}

/// Sizes of a [`Dataset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Users, including those without interactions.
    pub n_users: usize,
    /// Items, including those without interactions.
    pub n_items: usize,
    /// Train pairs.
    pub n_train: usize,
    /// Valid pairs.
    pub n_valid: usize,
    /// Test pairs.
    pub n_test: usize,
    /// Users without a train pair.
    pub users_without_train: usize,
    /// Items without a train pair: training sees them only through their content and as negatives.
    pub items_without_train: usize,
}

impl Dataset {
    /// Builds a data set from its parts, without titles. The indices of users and items become their external ids.
    ///
    /// Parts may be empty, and users and items may lack train interactions.
    ///
    /// # Errors
    /// When the parts disagree about the number of users or items, when features have the wrong number of rows, or when
    /// two parts share a pair.
    pub fn new(name: impl Into<String>, train: TrainSet, valid: Interactions, test: Interactions) -> Result<Self> {
        let (n_users, n_items) = (train.interactions.n_users(), train.interactions.n_items());
        let numbers = |n: usize| (0..n).map(|number| number.to_string()).collect();
        let (user_ids, item_ids) = (numbers(n_users), numbers(n_items));
        Self { name: name.into(), train, valid, test, user_ids, item_ids, titles: None }.validated()
    }

    /// Replaces the external ids of the users; fails if their number is wrong or one is repeated.
    pub fn with_user_ids(mut self, user_ids: Vec<String>) -> Result<Self> {
        self.check_distinct("user", &user_ids)?;
        self.user_ids = user_ids;
        self.validated()
    }

    /// Replaces the external ids of the items; fails if their number is wrong or one is repeated.
    pub fn with_item_ids(mut self, item_ids: Vec<String>) -> Result<Self> {
        self.check_distinct("item", &item_ids)?;
        self.item_ids = item_ids;
        self.validated()
    }

    /// Sets the titles of the items; fails if their number is wrong.
    pub fn with_titles(mut self, titles: Vec<String>) -> Result<Self> {
        self.titles = Some(titles);
        self.validated()
    }

    pub(super) fn validated(self) -> Result<Self> {
        let (n_users, n_items) = (self.n_users(), self.n_items());
        let parts = [("train", &self.train.interactions), ("valid", &self.valid), ("test", &self.test)];
        for (part, x) in &parts[1..] {
            if (x.n_users(), x.n_items()) != (n_users, n_items) {
                return Err(self.fault(format!(
                    "{part} has {} users and {} items, train {n_users} and {n_items}; build all parts with the same sizes",
                    x.n_users(),
                    x.n_items()
                )));
            }
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            if let Some((user, item)) = parts[a].1.first_common(parts[b].1) {
                let (a, b) = (parts[a].0, parts[b].0);
                let message =
                    format!("user {user}, item {item} is in {a} and in {b}; keep it in one, or {b} leaks into {a}");
                return Err(self.fault(message));
            }
        }
        for (modality, features) in &self.train.features {
            let rows = features.n_items();
            if rows != n_items {
                let message =
                    format!("{modality} features have {rows} rows for {n_items} items; give one row per item");
                return Err(self.fault(message));
            }
        }
        let titles = self.titles.as_ref().map_or(n_items, Vec::len);
        for (what, found, wanted) in [
            ("user ids", self.user_ids.len(), n_users),
            ("item ids", self.item_ids.len(), n_items),
            ("titles", titles, n_items),
        ] {
            if found != wanted {
                return Err(self.fault(format!("{found} {what}, {wanted} are needed; give one each")));
            }
        }
        Ok(self)
    }

    fn check_distinct(&self, whose: &str, ids: &[String]) -> Result<()> {
        let mut seen = HashSet::with_capacity(ids.len());
        match ids.iter().find(|id| !seen.insert(id.as_str())) {
            Some(id) => Err(self.fault(format!("two {whose}s have the id '{id}'; give each its own"))),
            None => Ok(()),
        }
    }

    pub(super) fn fault(&self, message: String) -> Error {
        Error::Data(format!("data set {}: {message}", self.name))
    }

    /// Number of users.
    pub fn n_users(&self) -> usize {
        self.train.interactions.n_users()
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.train.interactions.n_items()
    }

    /// Returns the interactions of a part.
    pub fn part(&self, part: Part) -> &Interactions {
        match part {
            Part::Train => &self.train.interactions,
            Part::Valid => &self.valid,
            Part::Test => &self.test,
        }
    }

    /// Returns the item features by modality.
    pub fn features(&self) -> &Features {
        &self.train.features
    }

    /// Returns the index of the user with an external id. O(users); build a map for many look-ups.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], with examples of ids.
    pub fn user_index(&self, id: &str) -> Result<usize> {
        let found = self.user_ids.iter().position(|known| known == id);
        found.ok_or_else(|| Error::unknown_user(id, &self.user_ids))
    }

    /// Returns the index of the item with an external id. O(items); build a map for many look-ups.
    ///
    /// # Errors
    /// [`Error::UnknownItem`], with examples of ids.
    pub fn item_index(&self, id: &str) -> Result<usize> {
        let found = self.item_ids.iter().position(|known| known == id);
        found.ok_or_else(|| Error::unknown_item(id, &self.item_ids))
    }

    /// Counts users, items and pairs. O(users + items + train pairs).
    pub fn counts(&self) -> Counts {
        let train = &self.train.interactions;
        let without = |degrees: Vec<u32>| degrees.iter().filter(|&&degree| degree == 0).count();
        Counts {
            n_users: self.n_users(),
            n_items: self.n_items(),
            n_train: train.n_pairs(),
            n_valid: self.valid.n_pairs(),
            n_test: self.test.n_pairs(),
            users_without_train: without(train.user_degrees()),
            items_without_train: without(train.item_degrees()),
        }
    }

    /// Returns the external id of the first user with both train and test items, or else of the first user.
    pub fn example_user(&self) -> Option<&str> {
        let has_both = |&u: &usize| !self.train.interactions.of_user(u).is_empty() && !self.test.of_user(u).is_empty();
        self.user_ids.get((0..self.n_users()).find(has_both).unwrap_or(0)).map(String::as_str)
    }

    /// Returns the SHA-256, in hexadecimal, of everything that results depend on: sizes, pairs and features, not names.
    /// A checkpoint stores it and cannot be resumed on other data. O(all data).
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let number = |hash: &mut Sha256, n: usize| hash.update((n as u64).to_le_bytes());
        hash.update(b"viral data set 1\n");
        number(&mut hash, self.n_users());
        number(&mut hash, self.n_items());
        for part in [&self.train.interactions, &self.valid, &self.test] {
            number(&mut hash, part.n_pairs());
            part.user_degrees().iter().chain(part.items()).for_each(|n| hash.update(n.to_le_bytes()));
        }
        let content = |hash: &mut Sha256, features: Option<&ItemFeatures>| {
            number(hash, features.map_or(0, ItemFeatures::width));
            let values = features.into_iter().flat_map(ItemFeatures::values);
            values.for_each(|value| hash.update(value.to_le_bytes()));
            // A row of zeros means missing features unless it is marked as present, which the values alone do not show.
            if let Some(features) = features {
                let is_zero = |item: &usize| features.row(*item).iter().all(|&value| value == 0.0);
                let there = (0..features.n_items()).filter(|&item| features.has(item));
                there.filter(is_zero).for_each(|item| hash.update(format!("zeros of {item} are there\n")));
            }
        };
        // These two are always hashed, present or not: checkpoints of earlier versions stay valid.
        let first = [Modality::Text, Modality::Visual];
        first.iter().for_each(|modality| content(&mut hash, self.train.features.get(modality)));
        for (modality, features) in self.train.features.iter().filter(|(modality, _)| !first.contains(modality)) {
            number(&mut hash, modality.as_str().len());
            hash.update(modality.as_str());
            content(&mut hash, Some(features));
        }
        hex(hash.finalize())
    }
}

/// A one-line summary.
impl std::fmt::Display for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = self.counts();
        write!(f, "{}: {} users, {} items, ", self.name, n.n_users, n.n_items)?;
        write!(f, "{} train, {} valid and {} test pairs; ", n.n_train, n.n_valid, n.n_test)?;
        if self.train.features.is_empty() {
            return f.write_str("no features");
        }
        for (i, (modality, features)) in self.train.features.iter().enumerate() {
            write!(f, "{}{modality} {} wide", if i > 0 { ", " } else { "" }, features.width())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(pairs: &[(u32, u32)]) -> Interactions {
        Interactions::from_pairs(3, 4, pairs)
    }

    fn features(modality: Modality, n_items: usize) -> Features {
        Features::new().with(modality, ItemFeatures::new(n_items, 2, vec![0.5; n_items * 2]).unwrap())
    }

    fn toy() -> Dataset {
        let train = TrainSet { interactions: part(&[(0, 0), (0, 1), (1, 1)]), features: features(Modality::Text, 4) };
        Dataset::new("toy", train, part(&[(0, 2)]), part(&[(1, 3)])).unwrap()
    }

    #[test]
    fn ids_are_distinct() {
        let twice = |n: usize| vec!["a".to_string(); n];
        for message in
            [toy().with_user_ids(twice(3)), toy().with_item_ids(twice(4))].map(|r| r.unwrap_err().to_string())
        {
            assert!(message.contains("the id 'a'"), "{message}");
        }
    }

    #[test]
    fn counts_include_users_and_items_without_train() {
        let expected = Counts {
            n_users: 3,
            n_items: 4,
            n_train: 3,
            n_valid: 1,
            n_test: 1,
            users_without_train: 1,
            items_without_train: 2,
        };
        assert_eq!(toy().counts(), expected);
        assert_eq!(toy().user_ids, ["0", "1", "2"]);
    }

    #[test]
    fn parts_that_do_not_fit_are_named() {
        let message = |result: Result<Dataset>| result.unwrap_err().to_string();
        let new = |valid, test| {
            let train = TrainSet { interactions: part(&[(0, 0), (2, 1)]), features: Features::new() };
            message(Dataset::new("toy", train, valid, test))
        };
        assert_eq!(
            new(part(&[]), Interactions::from_pairs(3, 5, &[])),
            "data set toy: test has 3 users and 5 items, train 3 and 4; build all parts with the same sizes"
        );
        assert_eq!(
            new(part(&[(2, 1)]), part(&[])),
            "data set toy: user 2, item 1 is in train and in valid; keep it in one, or valid leaks into train"
        );
        assert!(new(part(&[]), part(&[(0, 0)])).contains("in train and in test"));
        assert!(new(part(&[(1, 1)]), part(&[(1, 1)])).contains("in valid and in test"));

        let train = TrainSet { interactions: part(&[(0, 0)]), features: features(Modality::Visual, 3) };
        assert_eq!(
            message(Dataset::new("toy", train, part(&[]), part(&[]))),
            "data set toy: visual features have 3 rows for 4 items; give one row per item"
        );
        let few = || vec!["x".to_string()];
        assert_eq!(message(toy().with_user_ids(few())), "data set toy: 1 user ids, 3 are needed; give one each");
        assert_eq!(message(toy().with_item_ids(few())), "data set toy: 1 item ids, 4 are needed; give one each");
        assert_eq!(message(toy().with_titles(few())), "data set toy: 1 titles, 4 are needed; give one each");
    }

    #[test]
    fn the_fingerprint_follows_pairs_and_features_not_names() {
        let print = toy().fingerprint();
        assert_eq!(print.len(), 64);
        let named = toy().with_titles(vec!["a".to_string(); 4]).unwrap();
        assert_eq!(Dataset { name: "other".to_string(), ..named }.fingerprint(), print);
        let mut others = vec![toy(); 8];
        others[0].train.interactions = part(&[(0, 0), (0, 1), (1, 2)]);
        others[1].train.features = features(Modality::Visual, 4);
        others[2].train.features = Features::new();
        let swapped = &mut others[3];
        std::mem::swap(&mut swapped.valid, &mut swapped.test);
        others[4].train.features = features(Modality::Audio, 4);
        others[5].train.features = features(Modality::named("brand").unwrap(), 4);
        let zeros = ItemFeatures::new(4, 2, vec![0.0; 8]).unwrap();
        others[6].train.features = Features::new().with(Modality::Text, zeros.clone());
        others[7].train.features = Features::new().with(Modality::Text, zeros.with_there(&[true; 4]));
        let prints: HashSet<String> = others.iter().map(Dataset::fingerprint).chain([print]).collect();
        assert_eq!(prints.len(), 9);
    }

    #[test]
    fn the_fingerprint_of_text_and_visual_features_is_that_of_earlier_versions() {
        // SHA-256, by Python's hashlib, of the layout that version 0.1.0 hashed: sizes, parts, text, visual.
        assert_eq!(toy().fingerprint(), "3b0535948172a13c8b0466b775f25a710b9409fe7c0ce416ed0d314aec048f82");
    }

    #[test]
    fn ids_are_looked_up() {
        let data = toy().with_item_ids(["a", "b", "c", "d"].map(str::to_string).to_vec()).unwrap();
        assert_eq!((data.user_index("2").unwrap(), data.item_index("d").unwrap()), (2, 3));
        let user = data.user_index("3").unwrap_err();
        assert!(matches!(&user, Error::UnknownUser { id, n_users: 3, .. } if id == "3"));
        assert_eq!(user.to_string(), "no user '3' among 3; ids are like 0, 1, 2");
        let item = data.item_index("x").unwrap_err();
        assert!(matches!(&item, Error::UnknownItem { id, n_items: 4, .. } if id == "x"));
        assert_eq!(item.to_string(), "no item 'x' among 4; ids are like a, b, c");
    }
}
