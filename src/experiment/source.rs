//! Data sources of an experiment.

use crate::data::{Dataset, Labels, PlantedConfig, ReadOptions, SplitPolicy};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A data set of an experiment: a folder under the root of all data, or the built-in catalogue.
///
/// ```
/// use viral::data::PlantedConfig;
/// use viral::experiment::DataSource;
///
/// let mut source = DataSource::new("toys");
/// source.planted = Some(PlantedConfig::new().with_n_users(50).with_n_items(40));
/// let data = source.read("data".as_ref())?; // no folder is opened
/// assert_eq!((data.name.as_str(), data.n_users()), ("toys", 50));
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DataSource {
    /// Its name in tables.
    pub name: String,
    /// Its folder, relative to the root. Default: its name.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// The name of its `.inter` file. Default: the folder's.
    #[serde(default)]
    pub inter: Option<String>,
    /// Features to read, as for `--modality`: `text`, `visual=FILE`. Default: all there are.
    #[serde(default)]
    pub modalities: Vec<String>,
    /// How to split the interactions. Default: by label.
    #[serde(default)]
    pub split: Option<SplitPolicy>,
    /// What labels mean. Default: parts of a split.
    #[serde(default)]
    pub labels: Labels,
    /// Settings of the built-in catalogue, which is then used instead of a folder; `{}` for its defaults.
    #[serde(default)]
    pub planted: Option<PlantedConfig>,
}

impl DataSource {
    /// Reads the folder of that name, with everything in it.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_string(),
            folder: None,
            inter: None,
            modalities: Vec::new(),
            split: None,
            labels: Labels::default(),
            planted: None,
        }
    }

    /// Returns the first invalid key and its error.
    pub(super) fn fault(&self) -> Option<(&'static str, Error)> {
        let Some(planted) = &self.planted else {
            return self.options().err().map(|e| ("modalities", e));
        };
        let given = [
            ("folder", self.folder.is_some()),
            ("inter", self.inter.is_some()),
            ("modalities", !self.modalities.is_empty()),
            ("split", self.split.is_some()),
            ("labels", self.labels != Labels::default()),
        ];
        let extra = given.iter().find(|(_, is_given)| *is_given);
        let of_a_folder = |key: &str| Error::Config(format!("{key} is for a folder; a planted catalogue has none"));
        match extra {
            Some(&(key, _)) => Some((key, of_a_folder(key))),
            None => planted.check().err().map(|e| ("planted", e)),
        }
    }

    fn options(&self) -> Result<ReadOptions> {
        let mut options = ReadOptions::new().with_labels(self.labels);
        options.name.clone_from(&self.inter);
        options.split = self.split;
        self.modalities.iter().try_fold(options, |options, argument| options.with_modality_argument(argument))
    }

    /// Reads the folder under `root`, or generates the catalogue. The data set gets the name of the source.
    ///
    /// # Errors
    /// Those of [`Dataset::read_with`] and [`PlantedConfig::check`]; data with nothing in valid or test.
    pub fn read(&self, root: &Path) -> Result<Dataset> {
        let mut data = match &self.planted {
            Some(planted) => {
                planted.check()?;
                planted.generate().data
            }
            None => {
                let folder = self.folder.clone().unwrap_or_else(|| PathBuf::from(&self.name));
                Dataset::read_with(root.join(folder), &self.options()?)?
            }
        };
        data.name.clone_from(&self.name);
        for (part, pairs) in [("valid", &data.valid), ("test", &data.test)] {
            if pairs.n_pairs() == 0 {
                return Err(Error::Data(format!("data set {}: an experiment needs a {part} part", self.name)));
            }
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_make_no_sense_are_named() {
        let mut source = DataSource::new("toys");
        assert!(source.fault().is_none());
        source.modalities = vec!["text=".into()];
        assert_eq!(source.fault().unwrap().0, "modalities");
        source.planted = Some(PlantedConfig::new());
        assert_eq!(source.fault().unwrap().0, "modalities");
        source.modalities.clear();
        assert!(source.fault().is_none());
        source.planted = Some(PlantedConfig::new().with_n_items(3));
        assert_eq!(source.fault().unwrap().0, "planted");
        assert!(source.read("".as_ref()).is_err());
    }
}
