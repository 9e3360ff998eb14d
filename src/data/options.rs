//! How a folder is to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Duplicates, Labels, Modality, SplitPolicy};
use crate::{Error, Result};

/// How to read a folder; the default suits a folder laid out as MMRec's.
///
/// ```
/// use viral::data::{Modality, ReadOptions, SplitPolicy};
///
/// // The text features of another file, no other modality but the audio features, and a split by time.
/// let options = ReadOptions::new()
///     .with_modality(Modality::Text, "titles.npy")
///     .only([Modality::Audio])
///     .with_split(SplitPolicy::Temporal);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// The data set's name and that of its `.inter` file; the folder's name if `None`.
    pub name: Option<String>,
    /// The modalities read from their usual files, which must be there; `None`: all of which there are.
    pub only: Option<BTreeSet<Modality>>,
    /// Files of features by modality, in the place of the usual ones or beside them; they must be there. Paths are relative
    /// to the folder: `.npy`, `.safetensors` or `x.safetensors#name`, and for words `.jsonl`, as [`Attributes`](super::Attributes)
    /// by the default [`AttributeOptions`](super::AttributeOptions).
    pub files: BTreeMap<Modality, PathBuf>,
    /// What to do with rows given twice.
    pub duplicates: Duplicates,
    /// What the labels of the interactions mean.
    pub labels: Labels,
    /// How to split. `None`: by label, which fails if the file has no labels.
    pub split: Option<SplitPolicy>,
}

impl ReadOptions {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name of the data set and its `.inter` file.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the file of a modality's features; it must be there.
    pub fn with_modality(mut self, modality: Modality, path: impl Into<PathBuf>) -> Self {
        self.files.insert(modality, path.into());
        self
    }

    /// Reads the usual files of these modalities and of no others; files set by [`with_modality`](Self::with_modality) are
    /// read as well.
    pub fn only(mut self, modalities: impl IntoIterator<Item = Modality>) -> Self {
        self.only = Some(modalities.into_iter().collect());
        self
    }

    /// Reads no features.
    pub fn without_features(mut self) -> Self {
        self.files.clear();
        self.only([])
    }

    /// Takes a modality as a command line gives it: `name=FILE` is [`with_modality`](Self::with_modality), a bare `name`
    /// adds to those that [`only`](Self::only) restricts to.
    ///
    /// # Errors
    /// A name that is none, an empty file name, a file for a modality that has one already.
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

    /// Sets what to do with rows given twice.
    pub fn with_duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Sets what the labels of the interactions mean: parts of a split, or what users took.
    pub fn with_labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }

    /// Sets how to split.
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
