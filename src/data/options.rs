//! How a folder is to be read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Duplicates;

/// How interactions are divided into train, valid and test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitPolicy {
    /// As the file's `x_label` says.
    ByLabel,
    /// 8:1:1 at random, by [`random_split`](super::random_split); labels are ignored.
    Random {
        /// What the draw depends on.
        seed: u64,
    },
    /// 8:1:1 by the file's timestamps, by [`temporal_split`](super::temporal_split); labels are ignored.
    Temporal,
}

/// Where the features of a modality come from. Paths are relative to the data set's folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FeatureFile {
    /// The usual file (`text_feat.npy` or `.safetensors`, `image_feat` likewise) if it is there, none otherwise.
    #[default]
    Usual,
    /// This file, which must be there: `.npy`, `.safetensors` or `x.safetensors#name`.
    At(PathBuf),
    /// None, even if the usual file is there.
    Without,
}

/// How to read a folder; the default suits a folder laid out as MMRec's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// The data set's name and that of its `.inter` file; the folder's name if `None`.
    pub name: Option<String>,
    /// Text features.
    pub text: FeatureFile,
    /// Visual features.
    pub visual: FeatureFile,
    /// What to do with rows given twice.
    pub duplicates: Duplicates,
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

    /// Sets the file of text features; it must be there.
    pub fn with_text(mut self, path: impl Into<PathBuf>) -> Self {
        self.text = FeatureFile::At(path.into());
        self
    }

    /// Sets the file of visual features; it must be there.
    pub fn with_visual(mut self, path: impl Into<PathBuf>) -> Self {
        self.visual = FeatureFile::At(path.into());
        self
    }

    /// Reads no features of either modality.
    pub fn without_features(mut self) -> Self {
        (self.text, self.visual) = (FeatureFile::Without, FeatureFile::Without);
        self
    }

    /// Sets what to do with rows given twice.
    pub fn with_duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Sets how to split.
    pub fn with_split(mut self, split: SplitPolicy) -> Self {
        self.split = Some(split);
        self
    }
}
