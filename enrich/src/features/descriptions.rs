//! Descriptions of pictures by a model: `descriptions.jsonl` or `attributes.jsonl`.

use crate::describe::Journal;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use viral::data::{Origin, is_there, open_file, read_file, sha256_of_file};

/// Provenance of a file of descriptions: prompt and model. Stored beside it as `<file>.source.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The prompt.
    pub prompt: Origin,
    /// The model.
    pub model: Origin,
    /// SHA-256 of the file, in hexadecimal; `None` if it is not known, as beside files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Source {
    /// Returns the path of the source of a file.
    pub fn path_beside(descriptions: impl AsRef<Path>) -> PathBuf {
        let mut path = descriptions.as_ref().as_os_str().to_owned();
        path.push(".source.json");
        path.into()
    }

    /// Checks that a file may be written: that there is none, or one that was made here and is as it was written.
    ///
    /// # Errors
    /// If the file was made elsewhere: no source lies beside it, and none is being written, because the journal is
    /// empty. Those of [`check_unchanged`](Self::check_unchanged).
    pub fn check_free(descriptions: impl AsRef<Path>, journal: &Journal) -> Result<()> {
        let path = descriptions.as_ref();
        if is_there(path)? && !is_there(Self::path_beside(path))? && journal.n_records() == 0 {
            let message = "there already and not made here; move it away, or write elsewhere (--out)";
            return Err(Error::file(path, message));
        }
        Self::check_unchanged(path)
    }

    /// Checks that a file, if there is one, has the content whose hash is recorded beside it, if that is.
    ///
    /// # Errors
    /// If it has other content, because somebody has edited it; if file or source cannot be read.
    pub fn check_unchanged(descriptions: impl AsRef<Path>) -> Result<()> {
        let path = descriptions.as_ref();
        match Self::read_beside(path)?.and_then(|source| source.sha256) {
            Some(written) if is_there(path)? && written != sha256_of_file(path)? => {
                let message = "was changed after it was written here, and would be replaced; move it away, or write elsewhere (--out)";
                Err(Error::file(path, message))
            }
            _ => Ok(()),
        }
    }

    /// Takes the hash out of the source beside a file that is about to be replaced: a process that is killed between
    /// the file and its source would leave a hash of other content, and the file would pass for edited.
    pub(crate) fn forget_hash(descriptions: &Path) -> Result<()> {
        match Self::read_beside(descriptions)? {
            Some(source) if source.sha256.is_some() => Self { sha256: None, ..source }.write_beside(descriptions),
            _ => Ok(()),
        }
    }

    /// Writes the source beside a file, with the hash of that.
    pub(crate) fn write_with_hash(&self, descriptions: &Path) -> Result<()> {
        Self { sha256: Some(sha256_of_file(descriptions)?), ..self.clone() }.write_beside(descriptions)
    }

    /// Writes the source beside a file, complete or not at all.
    pub fn write_beside(&self, descriptions: impl AsRef<Path>) -> Result<()> {
        let path = Self::path_beside(descriptions);
        let text = serde_json::to_vec_pretty(self).map_err(|e| Error::file(&path, e.to_string()))?;
        viral::data::write_whole(&path, &text)
    }

    fn read_beside(descriptions: &Path) -> Result<Option<Self>> {
        let path = Self::path_beside(descriptions);
        if !is_there(&path)? {
            return Ok(None);
        }
        let text = read_file(&path)?;
        let not = |error| Error::file(&path, format!("not the source of descriptions ({error}); remove it"));
        serde_json::from_slice(&text).map(Some).map_err(not)
    }
}

/// A file of descriptions.
#[derive(Debug, Clone)]
pub struct Descriptions {
    /// Path of the file.
    pub path: PathBuf,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Prompt and model, if known.
    pub source: Option<Source>,
    texts: HashMap<String, std::result::Result<String, String>>,
}

/// The part of a line that is needed; attributes are already rendered as text.
#[derive(Deserialize)]
struct Line {
    id: String,
    text: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

impl Descriptions {
    /// Reads a file with a line for each item: `id`, and `text`, which is `null` with a `reason` if there is none.
    ///
    /// # Errors
    /// Names the line that is no such object or repeats an item.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = open_file(path)?;
        let mut texts = HashMap::new();
        for (index, line) in BufReader::new(file).lines().enumerate() {
            let line =
                line.map_err(|error| Error::line(path, index + 1, format!("{error}; describe the items again")))?;
            if line.trim().is_empty() {
                continue;
            }
            let Line { id, text, reason } = serde_json::from_str(&line).map_err(|error| {
                let hint = "write {\"id\": \"…\", \"text\": \"…\"}, or describe the items again";
                Error::line(path, index + 1, format!("not a description ({error}); {hint}"))
            })?;
            let content = text.ok_or_else(|| reason.unwrap_or_else(|| "no reason given".to_string()));
            if texts.insert(id.clone(), content).is_some() {
                let message = format!("item {id} has a line already; remove one of the two");
                return Err(Error::line(path, index + 1, message));
            }
        }
        Ok(Self { path: path.to_path_buf(), sha256: sha256_of_file(path)?, source: Source::read_beside(path)?, texts })
    }

    /// Number of items that have a description.
    pub fn n_described(&self) -> usize {
        self.texts.values().filter(|text| text.is_ok()).count()
    }

    /// Returns the description of an item, or why there is none.
    pub(super) fn of(&self, id: &str) -> std::result::Result<&str, String> {
        match self.texts.get(id) {
            Some(Ok(text)) => Ok(text),
            Some(Err(reason)) => Err(format!("no description: {reason}")),
            None => Err(format!("no line in {}", self.path.file_name().unwrap_or_default().display())),
        }
    }
}
