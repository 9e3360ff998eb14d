//! The item features of a catalogue, by modality.

use std::collections::{BTreeMap, btree_map};
use std::fmt;

use super::{ItemFeatures, Modality};
use crate::{Error, Result};

/// The item features of a catalogue, by modality; iterated in the order text, visual, audio, multimodal, then by name.
///
/// ```
/// use viral::data::{Features, ItemFeatures, Modality};
///
/// let features = Features::new()
///     .with(Modality::Visual, ItemFeatures::new(2, 3, vec![0.5; 6])?)
///     .with(Modality::Text, ItemFeatures::new(2, 4, vec![0.5; 8])?);
/// // A model requests the modalities it needs, in its own order, and gives its name for errors.
/// let [visual, text] = features.require([Modality::Visual, Modality::Text], "my-model")?;
/// assert_eq!((visual.width(), text.width()), (3, 4));
/// // A model that takes any number of modalities iterates.
/// let widths: usize = features.iter().map(|(_, features)| features.width()).sum();
/// assert_eq!(widths, 7);
/// let missing = features.require([Modality::Audio], "my-model").unwrap_err();
/// assert!(missing.to_string().starts_with("my-model needs audio features; the data have text and visual"));
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features(BTreeMap<Modality, ItemFeatures>);

impl Features {
    /// Creates an empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces the features of a modality.
    pub fn with(mut self, modality: Modality, features: ItemFeatures) -> Self {
        self.insert(modality, features);
        self
    }

    /// Adds or replaces the features of a modality; returns the previous ones.
    pub fn insert(&mut self, modality: Modality, features: ItemFeatures) -> Option<ItemFeatures> {
        self.0.insert(modality, features)
    }

    /// Removes and returns the features of a modality.
    pub fn remove(&mut self, modality: &Modality) -> Option<ItemFeatures> {
        self.0.remove(modality)
    }

    /// Returns the features of a modality, if there are any.
    pub fn get(&self, modality: &Modality) -> Option<&ItemFeatures> {
        self.0.get(modality)
    }

    /// Iterates over modalities and features, in the order text, visual, audio, multimodal, then by name.
    pub fn iter(&self) -> btree_map::Iter<'_, Modality, ItemFeatures> {
        self.0.iter()
    }

    /// Iterates over the modalities, in the order of [`iter`](Self::iter).
    pub fn modalities(&self) -> impl Iterator<Item = &Modality> {
        self.0.keys()
    }

    /// Number of modalities.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no features.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an item has content in any modality: see [`ItemFeatures::has`].
    pub fn has(&self, item: usize) -> bool {
        self.iter().any(|(_, rows)| rows.has(item))
    }

    /// Selects the rows of some items, in the given order, in every modality: see [`ItemFeatures::select`].
    ///
    /// ```
    /// use viral::data::{Features, ItemFeatures, Modality};
    ///
    /// let text = ItemFeatures::new(3, 1, vec![1.0, 2.0, 3.0])?;
    /// let some = Features::new().with(Modality::Text, text).select(&[2, 0]);
    /// assert_eq!(some.get(&Modality::Text).unwrap().values(), [3.0, 1.0]);
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Panics
    /// When a row is not below the number of items.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self(self.0.iter().map(|(modality, all)| (modality.clone(), all.clone().select(rows))).collect())
    }

    /// Returns the features of all modalities that a model needs, in the order requested; `who` is the model's name.
    ///
    /// # Errors
    /// [`Error::MissingModality`] for the first modality that is missing.
    pub fn require<const N: usize>(&self, modalities: [Modality; N], who: &str) -> Result<[&ItemFeatures; N]> {
        match modalities.iter().find(|modality| !self.0.contains_key(modality)) {
            Some(missing) => Err(self.missing(Some(missing), who)),
            None => Ok(modalities.each_ref().map(|modality| &self.0[modality])),
        }
    }

    /// Returns all features, for a model that needs at least one modality and takes any.
    ///
    /// # Errors
    /// [`Error::MissingModality`] when there are none.
    pub fn require_any(&self, who: &str) -> Result<&Self> {
        if self.is_empty() { Err(self.missing(None, who)) } else { Ok(self) }
    }

    /// Returns the two modalities of a model designed for text and image. If one of them is missing,
    /// [`Modality::Multimodal`], which combines both, replaces it; if both are missing, it is the only modality. Other
    /// modalities are ignored.
    ///
    /// # Errors
    /// [`Error::MissingModality`] for the first of text and image that is missing, if `multimodal` is missing too.
    pub(crate) fn require_pair(&self, who: &str) -> Result<Pair<'_>> {
        let of = |modality: Modality, name| self.get(&modality).map(|rows| Part { modality, name, rows });
        let (text, visual) = (of(Modality::Text, "text"), of(Modality::Visual, "visual"));
        let both = || of(Modality::Multimodal, "multimodal");
        match (text, visual, both()) {
            (Some(text), Some(visual), _) => Ok(Pair { first: text, second: Some(visual) }),
            (Some(text), None, Some(both)) => Ok(Pair { first: text, second: Some(both) }),
            (None, Some(visual), Some(both)) => Ok(Pair { first: both, second: Some(visual) }),
            (None, None, Some(both)) => Ok(Pair { first: both, second: None }),
            (text, ..) => {
                let missing = if text.is_some() { Modality::Visual } else { Modality::Text };
                Err(self.missing(Some(&missing), who))
            }
        }
    }

    fn missing(&self, modality: Option<&Modality>, who: &str) -> Error {
        Error::MissingModality {
            model: who.to_string(),
            modality: modality.map(Modality::to_string),
            file: format!("{}.npy", modality.unwrap_or(&Modality::Text).file_stem()),
            available: self.modalities().map(Modality::to_string).collect(),
        }
    }
}

/// The result of [`Features::require_pair`].
pub(crate) struct Pair<'a> {
    /// Text, or its replacement.
    pub(crate) first: Part<'a>,
    /// Image, or its replacement; `None` if there is only one modality.
    pub(crate) second: Option<Part<'a>>,
}

/// A modality with its name and its features.
pub(crate) struct Part<'a> {
    pub(crate) modality: Modality,
    pub(crate) name: &'static str,
    pub(crate) rows: &'a ItemFeatures,
}

impl<'a> Pair<'a> {
    /// Pairs features with weights: the second modality gets `second`, the first the rest; a single one gets 1.
    pub(crate) fn shares(&self, second: f32) -> Vec<(&Modality, &'a ItemFeatures, f32)> {
        match &self.second {
            Some(part) => {
                vec![(&part.modality, part.rows, second), (&self.first.modality, self.first.rows, 1.0 - second)]
            }
            None => vec![(&self.first.modality, self.first.rows, 1.0)],
        }
    }
}

/// The modalities and their widths: `text 384 wide, visual 128 wide`, or `no features`.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no features");
        }
        for (index, (modality, features)) in self.iter().enumerate() {
            write!(f, "{}{modality} {} wide", if index > 0 { ", " } else { "" }, features.width())?;
        }
        Ok(())
    }
}

impl FromIterator<(Modality, ItemFeatures)> for Features {
    fn from_iter<T: IntoIterator<Item = (Modality, ItemFeatures)>>(features: T) -> Self {
        Self(features.into_iter().collect())
    }
}

impl Extend<(Modality, ItemFeatures)> for Features {
    fn extend<T: IntoIterator<Item = (Modality, ItemFeatures)>>(&mut self, features: T) {
        self.0.extend(features);
    }
}

impl IntoIterator for Features {
    type Item = (Modality, ItemFeatures);
    type IntoIter = btree_map::IntoIter<Modality, ItemFeatures>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Features {
    type Item = (&'a Modality, &'a ItemFeatures);
    type IntoIter = btree_map::Iter<'a, Modality, ItemFeatures>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(width: usize) -> ItemFeatures {
        ItemFeatures::new(2, width, vec![0.5; 2 * width]).unwrap()
    }

    #[test]
    fn features_come_in_the_order_of_their_modalities_however_they_went_in() -> Result<()> {
        let brand = Modality::named("brand")?;
        let widths = [(brand.clone(), 4), (Modality::Audio, 3), (Modality::Visual, 2), (Modality::Text, 1)];
        let mut features: Features = widths.map(|(modality, width)| (modality, rows(width))).into_iter().collect();
        assert_eq!(features.to_string(), "text 1 wide, visual 2 wide, audio 3 wide, brand 4 wide");
        let [own, text] = features.require([brand.clone(), Modality::Text], "m")?;
        assert_eq!((own.width(), text.width()), (4, 1));
        assert_eq!(features.insert(Modality::Text, rows(9)).map(|old| old.width()), Some(1));
        assert_eq!(features.remove(&brand).map(|old| old.width()), Some(4));
        assert_eq!(
            (features.len(), features.get(&brand), Features::new().to_string()),
            (3, None, "no features".into())
        );
        Ok(())
    }

    #[test]
    fn what_is_missing_is_named_with_what_is_there_and_what_to_do() {
        let features = Features::new().with(Modality::Visual, rows(1)).with(Modality::Audio, rows(1));
        let error = features.require([Modality::Visual, Modality::Text], "freedom").unwrap_err();
        assert!(matches!(&error, Error::MissingModality { model, modality, available, .. }
                if model == "freedom" && modality.as_deref() == Some("text") && available == &["visual", "audio"]));
        let message = error.to_string();
        assert!(message.contains("text_feat.npy") && message.contains("--modality text=FILE"), "{message}");
        assert!(message.contains("lightgcn"), "{message}");
        let visual = Features::new().require([Modality::Visual], "m").unwrap_err().to_string();
        assert!(visual.contains("image_feat.npy"), "{visual}");
        let any = Features::new().require_any("vbpr").unwrap_err().to_string();
        assert!(any.starts_with("vbpr needs features of at least one modality; the data have none"), "{any}");
    }
}
