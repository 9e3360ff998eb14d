//! Coverage: how many items have titles, descriptions, images.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::metadata::CatalogueItem;

/// Number of items with each kind of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// All items.
    pub n_items: usize,
    /// Items with a row in the metadata.
    pub metadata: usize,
    /// Items with a title.
    pub title: usize,
    /// Items with a brand.
    pub brand: usize,
    /// Items with a category.
    pub categories: usize,
    /// Items with a description.
    pub description: usize,
    /// Items with a title or a description: the text modality.
    pub text: usize,
    /// Items whose image is a URL.
    pub image_url: usize,
    /// Items whose image is a file that exists and is not empty.
    pub image_file: usize,
    /// Items whose image is a file that does not exist or is empty.
    pub image_missing: usize,
    /// Items whose image is a shop's placeholder, as on Amazon or Goodreads; that counts as no image.
    pub image_placeholder: usize,
    /// Items with a URL or a file that exists and is not empty: the visual modality.
    pub visual: usize,
    /// Items with both text and image.
    pub both: usize,
}

impl Coverage {
    /// Counts the content of `items`, of which `metadata` have a row in the metadata. Image files are looked up in
    /// `folder`.
    pub fn of(items: &[CatalogueItem], metadata: usize, folder: &Path) -> Self {
        let mut found = Self { n_items: items.len(), metadata, ..Self::default() };
        for item in items {
            let is_url = item.image.as_deref().is_some_and(is_url);
            let is_file = !is_url && item.image.as_ref().is_some_and(|image| is_picture_file(&folder.join(image)));
            let has_text = !item.title.is_empty() || item.description.is_some();
            for (count, has) in [
                (&mut found.title, !item.title.is_empty()),
                (&mut found.brand, item.brand.is_some()),
                (&mut found.categories, !item.categories.is_empty()),
                (&mut found.description, item.description.is_some()),
                (&mut found.text, has_text),
                (&mut found.image_url, is_url),
                (&mut found.image_file, is_file),
                (&mut found.image_missing, item.image.is_some() && !is_url && !is_file),
                (&mut found.visual, is_url || is_file),
                (&mut found.both, has_text && (is_url || is_file)),
            ] {
                *count += usize::from(has);
            }
        }
        found
    }

    /// Returns the rows of a table: a label, and the number of items.
    pub fn rows(&self) -> [(&'static str, usize); 12] {
        [
            ("metadata", self.metadata),
            ("title", self.title),
            ("brand", self.brand),
            ("categories", self.categories),
            ("description", self.description),
            ("text: title or description", self.text),
            ("image: URL", self.image_url),
            ("image: file", self.image_file),
            ("image: no file, or empty", self.image_missing),
            ("image: a placeholder", self.image_placeholder),
            ("visual: URL or file", self.visual),
            ("text and visual", self.both),
        ]
    }
}

pub(super) fn is_url(image: &str) -> bool {
    let start = image.get(..8).unwrap_or(image).to_ascii_lowercase();
    start.starts_with("http://") || start.starts_with("https://")
}

/// Whether there is a file with anything in it; what is in it is looked at when the picture is used.
pub(super) fn is_picture_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("1.jpg"), "x").unwrap();
        std::fs::write(folder.path().join("3.jpg"), "").unwrap();
        let item = |title: &str, image: Option<&str>| CatalogueItem {
            title: title.to_string(),
            image: image.map(str::to_string),
            ..Default::default()
        };
        let items = [
            item("a", Some("HTTPS://x/1.jpg")),
            item("", Some("1.jpg")),
            item("b", Some("2.jpg")),
            item("", Some("3.jpg")),
            item("", None),
        ];
        let found = Coverage::of(&items, 3, folder.path());
        let expected = Coverage {
            n_items: 5,
            metadata: 3,
            title: 2,
            text: 2,
            image_url: 1,
            image_file: 1,
            image_missing: 2,
            visual: 2,
            both: 1,
            ..Default::default()
        };
        assert_eq!(found, expected);
    }
}
