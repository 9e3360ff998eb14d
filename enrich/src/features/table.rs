//! Feature rows with their mask and their provenance, written together.

use super::content::Content;
use crate::{Error, Result};
use std::io::ErrorKind;
use std::path::Path;
use viral::data::{ItemFeatures, Mask, Provenance, is_there};

/// Feature rows of a catalogue, zeros where there is no content, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureTable {
    /// The external id of each row; empty for rows that are nobody's.
    pub ids: Vec<String>,
    /// `[ids, width]`
    pub features: ItemFeatures,
    /// Items without content.
    pub mask: Mask,
}

impl FeatureTable {
    /// The texts that there are, in order: what an encoder gets.
    pub fn texts(contents: &[Content]) -> Vec<&str> {
        contents.iter().filter_map(|content| content.as_deref().ok()).collect()
    }

    /// Puts vectors, one for each of [`texts`](Self::texts), into the rows of their items.
    ///
    /// # Errors
    /// Vectors that are not finite; no content at all.
    ///
    /// # Panics
    /// If there is not one content for each id, and one vector of `width` for each text.
    pub fn new(ids: &[String], contents: &[Content], width: usize, vectors: &[f32]) -> Result<Self> {
        assert_eq!(ids.len(), contents.len(), "feature table: {} ids, {} contents", ids.len(), contents.len());
        let n_texts = contents.iter().filter(|content| content.is_ok()).count();
        assert_eq!(vectors.len(), n_texts * width, "feature table: {} numbers for [{n_texts}, {width}]", vectors.len());
        let mut mask = Mask::default();
        let mut values = vec![0.0; ids.len() * width];
        let mut next = vectors.chunks_exact(width.max(1));
        for (index, (id, content)) in ids.iter().zip(contents).enumerate() {
            match content {
                // Without any vector the width is 0, and there is no row.
                Ok(_) => {
                    next.next().into_iter().for_each(|vector| values[index * width..][..width].copy_from_slice(vector))
                }
                Err(_) if id.is_empty() => {}
                Err(reason) => drop(mask.reasons.insert(id.clone(), reason.clone())),
            }
        }
        if n_texts == 0 {
            let reason = mask.reasons.first_key_value().map_or("", |(_, reason)| reason.as_str());
            return Err(Error::Data(format!("not one of {} items has content; the first: {reason}", ids.len())));
        }
        Ok(Self { ids: ids.to_vec(), features: ItemFeatures::new(ids.len(), width, values)?, mask })
    }

    /// Fails if features cannot have this name, or a file is there that was not written by this: features without provenance are
    /// someone else's.
    pub fn check_free(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        ItemFeatures::check_name(path)?;
        if is_there(path)? && !is_there(Provenance::path_beside(path))? {
            let message = "there already, without provenance, so not made here; move it away, or choose another name";
            return Err(Error::file(path, message));
        }
        Ok(())
    }

    /// Writes the mask, the provenance, which `complete` adds to, and last the features as `.npy`.
    ///
    /// Each file is whole or not there, and where the features are, the other two are theirs: a process killed on the way
    /// leaves no features.
    ///
    /// # Errors
    /// A file that cannot be written; one that is someone else's.
    pub fn write(&self, path: impl AsRef<Path>, complete: impl FnOnce(Provenance) -> Provenance) -> Result<()> {
        let path = path.as_ref();
        Self::check_free(path)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(path)(error)),
            _ => {}
        }
        self.mask.write_beside(path)?;
        complete(Provenance::new(self.ids.clone(), self.features.width())).write_beside(path)?;
        self.features.write(path)
    }
}
