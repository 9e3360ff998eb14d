//! Mask files, which list the items without features explicitly instead of inferring them from rows of zeros.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::regular::{is_there, read_text};
use super::{ItemFeatures, write_whole};
use crate::{Error, Result};

/// Maximum number of items that an error names.
const NAMED: usize = 3;

/// A mask file, stored as `<feature file>.mask.jsonl`: one line for each item without content, with the reason.
///
/// ```text
/// {"id":"B002","reason":"no picture"}
/// ```
///
/// The rows of these items, and no others, are zeros. [`Dataset::read`](super::Dataset::read) checks the features
/// against the mask if there is one. An empty mask file says that every item has content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    /// The reason why an item has no content, by external id.
    pub reasons: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    reason: String,
}

impl Mask {
    /// Returns the path of a feature file's mask; for `x.safetensors#name`, that of the file.
    pub fn path_beside(features: impl AsRef<Path>) -> PathBuf {
        let mut path = super::ItemFeatures::file_of(features.as_ref()).as_os_str().to_owned();
        path.push(".mask.jsonl");
        path.into()
    }

    /// Writes the mask beside a feature file, atomically.
    pub fn write_beside(&self, features: impl AsRef<Path>) -> Result<()> {
        let path = Self::path_beside(features);
        let mut text = Vec::new();
        for (id, reason) in &self.reasons {
            let line = Line { id: id.clone(), reason: reason.clone() };
            serde_json::to_writer(&mut text, &line).map_err(|e| Error::file(&path, format!("not written: {e}")))?;
            text.push(b'\n');
        }
        write_whole(&path, &text)
    }

    /// Reads the mask beside a feature file, if there is one.
    ///
    /// # Errors
    /// Names the line: not an object with `id` and `reason`, or a repeated item.
    pub fn read_beside(features: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = Self::path_beside(features);
        if !is_there(&path)? {
            return Ok(None);
        }
        let mut reasons = BTreeMap::new();
        for (number, text) in super::table::lines(&read_text(&path)?) {
            let Line { id, reason } = serde_json::from_str(text).map_err(|error| {
                let hint = "write {\"id\": \"…\", \"reason\": \"…\"}, or make the features again";
                Error::line(&path, number, format!("not a line of a mask ({error}); {hint}"))
            })?;
            if reasons.contains_key(&id) {
                let message = format!("item {id} has a line already; remove one of the two");
                return Err(Error::line(&path, number, message));
            }
            reasons.insert(id, reason);
        }
        Ok(Some(Self { reasons }))
    }

    /// Checks features, in which row n belongs to `item_ids[n]`, against the mask. O(all values).
    ///
    /// # Errors
    /// Rows of zeros of items that are not in the mask, or other rows of items that are; names the first.
    pub fn check(&self, features: &Path, found: &ItemFeatures, item_ids: &[String]) -> Result<()> {
        let path = Self::path_beside(features);
        let beside = path.file_name().unwrap_or_default().to_string_lossy();
        let mut wrong: HashMap<bool, Vec<&str>> = HashMap::new();
        for (item, id) in item_ids.iter().enumerate() {
            let is_empty = found.row(item).iter().all(|&value| value == 0.0);
            if is_empty != self.reasons.contains_key(id) {
                wrong.entry(is_empty).or_default().push(id);
            }
        }
        for (is_empty, what) in [(true, "zeros but not listed in"), (false, "not zeros but listed in")] {
            let Some(ids) = wrong.get(&is_empty) else { continue };
            let named = ids.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = if ids.len() > NAMED { ", …" } else { "" };
            let message = format!(
                "rows of {} items are {what} {beside}: {named}{more}; one of the two files is old, make the features again",
                ids.len()
            );
            return Err(Error::file(features, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(pairs: &[(&str, &str)]) -> Mask {
        Mask { reasons: pairs.iter().map(|(id, reason)| (id.to_string(), reason.to_string())).collect() }
    }

    #[test]
    fn it_is_read_as_it_was_written() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let features = folder.path().join("text_feat.npy");
        assert_eq!(Mask::read_beside(&features)?, None);
        for mask in [mask(&[("B2", "no \"picture\""), ("B1", "")]), mask(&[])] {
            mask.write_beside(&features)?;
            assert_eq!(Mask::read_beside(&features)?, Some(mask));
        }
        let message = |text: &str| {
            std::fs::write(Mask::path_beside(&features), text).unwrap();
            let message = Mask::read_beside(&features).unwrap_err().to_string();
            message[message.find("text_feat").unwrap()..].to_string()
        };
        assert!(message("{\"id\":\"a\"}\n").starts_with("text_feat.npy.mask.jsonl:1: not a line of a mask (missing"));
        let twice = "{\"id\":\"a\",\"reason\":\"\"}\n".repeat(2);
        assert_eq!(message(&twice), "text_feat.npy.mask.jsonl:2: item a has a line already; remove one of the two");
        Ok(())
    }

    #[test]
    fn rows_and_lines_agree_or_are_named() -> Result<()> {
        let ids = ["a", "b", "c"].map(str::to_string);
        let features = ItemFeatures::new(3, 2, vec![0.0, 1.0, 0.0, 0.0, -0.5, 0.0])?;
        let check = |pairs: &[(&str, &str)]| {
            mask(pairs).check(Path::new("x.npy"), &features, &ids).map_err(|error| error.to_string())
        };
        assert_eq!(check(&[("b", "no text"), ("stranger", "no text")]), Ok(()));
        assert!(
            check(&[])
                .unwrap_err()
                .starts_with("x.npy: rows of 1 items are zeros but not listed in x.npy.mask.jsonl: b;")
        );
        let expected =
            "x.npy: rows of 2 items are not zeros but listed in x.npy.mask.jsonl: a, c; one of the two files";
        assert!(check(&[("a", ""), ("b", ""), ("c", "")]).unwrap_err().starts_with(expected));
        Ok(())
    }
}
