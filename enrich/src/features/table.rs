//! Feature rows with their mask and their provenance, written together.

use super::content::Content;
use crate::{Error, Result};
use std::io::ErrorKind;
use std::path::Path;
use viral::data::{ItemFeatures, Mask, Provenance, is_there};

/// Feature rows of a catalogue: zeros for items without content, and a mask with the reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureTable {
    /// External id of each row; empty for rows without an item.
    pub ids: Vec<String>,
    /// `[ids, width]`
    pub features: ItemFeatures,
    /// Items without content, with the reasons.
    pub mask: Mask,
}

impl FeatureTable {
    /// Returns the texts of all rows that have content, in order, as input for an encoder.
    pub fn texts(contents: &[Content]) -> Vec<&str> {
        contents.iter().filter_map(|content| content.as_deref().ok()).collect()
    }

    /// Puts vectors, one for each of [`texts`](Self::texts), into the rows of their items.
    ///
    /// # Errors
    /// If a vector is not finite, or no item has content.
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
                // Without any vector the width is 0, and nothing is copied.
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

    /// Returns an error if features cannot have this name, or a file without provenance exists there: it was made by
    /// someone else.
    pub fn check_free(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        ItemFeatures::check_name(path)?;
        if is_there(path)? && !is_there(Provenance::path_beside(path))? {
            let message = "there already, without provenance, so not made here; move it away, or choose another name";
            return Err(Error::file(path, message));
        }
        Ok(())
    }

    /// Writes mask, provenance and, last, the features as `.npy`. `complete` adds to the provenance.
    ///
    /// Each file appears complete or not at all. If the features exist, mask and provenance belong to them: a process
    /// killed midway leaves no features.
    ///
    /// # Errors
    /// If a file cannot be written, or features made by someone else exist there.
    pub fn write(&self, path: impl AsRef<Path>, complete: impl FnOnce(Provenance) -> Provenance) -> Result<()> {
        let path = path.as_ref();
        Self::check_free(path)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(path)(error)),
            _ => {}
        }
        self.mask.write_beside(path)?;
        let provenance = Provenance::new(self.ids.clone(), self.features.width()).with_features(&self.features);
        complete(provenance).write_beside(path)?;
        self.features.write(path)
    }
}
