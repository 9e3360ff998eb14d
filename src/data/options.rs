//! Options for reading a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Duplicates, Labels, Modality, SplitPolicy};
use crate::{Error, Result};

/// Options for reading a data folder; the defaults suit MMRec's folder layout.
///
/// ```
/// use viral::data::{Modality, ReadOptions, SplitPolicy};
///
/// // Text features from another file, audio as the only other modality, and a temporal split.
/// let options = ReadOptions::new()
///     .with_modality(Modality::Text, "titles.npy")
///     .only([Modality::Audio])
///     .with_split(SplitPolicy::Temporal);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Name of the data set and of its `.inter` file; `None`: the folder's name.
    pub name: Option<String>,
    /// Modalities to read from their usual files, which must exist; `None`: all that exist.
    pub only: Option<BTreeSet<Modality>>,
    /// Feature files by modality, which replace or complement the usual ones; they must exist. Paths are relative to
    /// the folder: `.npy`, `.safetensors`, `x.safetensors#name`, or `.jsonl` for attributes, read as
    /// [`Attributes`](super::Attributes) with the default [`AttributeOptions`](super::AttributeOptions).
    pub files: BTreeMap<Modality, PathBuf>,
    /// How to treat duplicate rows.
    pub duplicates: Duplicates,
    /// The meaning of the interaction labels.
    pub labels: Labels,
    /// How to split. `None`: by label, which fails if the file has no labels.
    pub split: Option<SplitPolicy>,
}

impl ReadOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name of the data set and of its `.inter` file.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the feature file of a modality; it must exist.
    pub fn with_modality(mut self, modality: Modality, path: impl Into<PathBuf>) -> Self {
        self.files.insert(modality, path.into());
        self
    }

    /// Restricts the usual feature files to these modalities; files set by [`with_modality`](Self::with_modality) are
    /// read as well.
    pub fn only(mut self, modalities: impl IntoIterator<Item = Modality>) -> Self {
        self.only = Some(modalities.into_iter().collect());
        self
    }

    /// Disables features.
    pub fn without_features(mut self) -> Self {
        self.files.clear();
        self.only([])
    }

    /// Applies a command-line argument: `name=FILE` is [`with_modality`](Self::with_modality), and a bare `name` adds
    /// to the modalities of [`only`](Self::only).
    ///
    /// # Errors
    /// An invalid modality name, an empty file name, or a second file for a modality.
    pub fn with_modality_argument(mut self, argument: &str) -> Result<Self> {
        match argument.split_once('=') {
            None => {
                self.only.get_or_insert_default().insert(argument.parse()?);
            }
            Some((_, "")) => {
                return Err(Error::Config(format!("--modality {argument}: name a file, or leave out the `=`")));
            }
            Some((name, file)) => {
                let modality: Modality = name.parse()?;
                if let Some(first) = self.files.insert(modality.clone(), file.into()) {
                    let first = first.display();
                    let message = format!("{modality} features are to be read from {first} and from {file}; name one");
                    return Err(Error::Config(message));
                }
            }
        }
        Ok(self)
    }

    /// Sets how to treat duplicate rows.
    pub fn with_duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Sets the meaning of the interaction labels: parts of a split, or whether users took items.
    pub fn with_labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }

    /// Sets how to split the interactions.
    pub fn with_split(mut self, split: SplitPolicy) -> Self {
        self.split = Some(split);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_name_files_or_restrict() -> Result<()> {
        let read = |arguments: &[&str]| {
            arguments.iter().try_fold(ReadOptions::new(), |options, argument| options.with_modality_argument(argument))
        };
        let expected = ReadOptions::new().only([Modality::Visual, Modality::Audio]);
        assert_eq!(read(&["audio", "image"])?, expected);
        assert_eq!(read(&["audio", "visual", "text=a=b.npy"])?, expected.with_modality(Modality::Text, "a=b.npy"));
        assert_eq!(read(&["text=a.npy"])?, ReadOptions::new().with_modality(Modality::Text, "a.npy"));
        for (arguments, words) in
            [(&["Text=a"][..], "'Text'"), (&["text="], "name a file"), (&["image=a", "visual=b"], "from a and from b")]
        {
            let message = read(arguments).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
        Ok(())
    }
}
