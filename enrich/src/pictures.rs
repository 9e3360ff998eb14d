//! Index of the picture files below a folder, looked up by item id or by path in any spelling.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use percent_encoding::percent_decode_str;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::{Error, Result};

/// File extensions of pictures, in any case. Of two pictures of an item, the one whose path comes first is taken.
const ENDINGS: [&str; 11] = ["bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "pjpeg", "png", "tif", "tiff", "webp"];

/// Maximum depth of the folders searched.
const DEPTH: usize = 16;

/// The picture files below a folder, by relative path with `/` between the parts.
///
/// Names are compared in composed form (NFC), because file systems and archives may decompose them: `é` as `e` and an
/// accent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pictures {
    /// By file stem, as it is, percent-decoded, and with the folders before it: ids may have a `/`. Of several files, the
    /// one nearest to the top, then the first in alphabetical order.
    by_stem: HashMap<String, String>,
    /// The first picture of each folder that has any, by folder name.
    by_folder: HashMap<String, String>,
    /// Paths that are not in the spelling of [`plain`], by that spelling.
    by_plain_path: BTreeMap<String, String>,
    example: Option<String>,
}

impl Pictures {
    /// Searches a folder and those below it.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        collect(folder, "", &mut paths)?;
        paths.sort_unstable_by(|a, b| (a.matches('/').count(), a).cmp(&(b.matches('/').count(), b)));
        let mut pictures = Self::default();
        for path in paths {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let Some((stem, ending)) = name.rsplit_once('.') else { continue };
            if !ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) {
                continue;
            }
            let with_folders = &path[..path.len() - ending.len() - 1];
            for key in [composed(stem).into_owned(), plain(stem), composed(with_folders).into_owned()] {
                pictures.by_stem.entry(key).or_insert_with(|| path.clone());
            }
            let above = above.rsplit('/').next().unwrap_or_default();
            if !above.is_empty() {
                pictures.by_folder.entry(composed(above).into_owned()).or_insert_with(|| path.clone());
            }
            let plain = plain(&path);
            if plain != path {
                pictures.by_plain_path.entry(plain).or_insert_with(|| path.clone());
            }
            pictures.example.get_or_insert(path);
        }
        Ok(pictures)
    }

    /// Returns the picture named after an item, or else the first one in a folder named after it.
    pub(crate) fn of_item(&self, id: &str) -> Option<&str> {
        let id = composed(id);
        self.by_stem.get(id.as_ref()).or_else(|| self.by_folder.get(id.as_ref())).map(String::as_str)
    }

    /// Returns a picture whose path is not spelled like this one but means the same: Unicode composed or decomposed,
    /// percent-encoding resolved or not.
    pub(crate) fn like(&self, path: &str) -> Option<&str> {
        self.by_plain_path.get(&plain(path)).map(String::as_str)
    }

    /// Returns the pictures that belong to an item of some id; a file may come more than once.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.by_stem.values().map(String::as_str)
    }

    /// Returns one of the pictures as an example, if there are any.
    pub(crate) fn example(&self) -> Option<&str> {
        self.example.as_deref()
    }
}

/// Returns the names that a path may have on disk: as given and percent-decoded, each also composed (NFC) and
/// decomposed (NFD).
pub(crate) fn spellings(path: &str) -> Vec<String> {
    let decoded = percent_decode_str(path).decode_utf8().unwrap_or(Cow::Borrowed(path));
    let mut names =
        vec![path.to_string(), decoded.to_string(), composed(path).into_owned(), composed(&decoded).into_owned()];
    names.extend(names[..2].iter().map(|name| name.nfd().collect::<String>()).collect::<Vec<_>>());
    names.dedup();
    names
}

/// Returns the normal form that all spellings of a path share: percent-decoded and composed (NFC).
fn plain(path: &str) -> String {
    composed(&percent_decode_str(path).decode_utf8().unwrap_or(Cow::Borrowed(path))).into_owned()
}

fn composed(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { text.into() } else { text.nfc().collect::<String>().into() }
}

/// Collects the relative paths of all files below a folder.
fn collect(folder: &Path, above: &str, paths: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        // Names that are not Unicode cannot belong to items, and folders with these prefixes belong to the system.
        let Some(name) = entry.file_name().into_string().ok() else { continue };
        let path = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
        let entry = entry.path();
        if entry.is_dir() {
            if !name.starts_with(['.', '_']) && path.matches('/').count() < DEPTH {
                collect(&entry, &path, paths)?;
            }
        } else if entry.is_file() && !name.starts_with("._") {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(names: &[&str]) -> Pictures {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::fs::create_dir(folder.path().join("B5.jpg")).unwrap();
        Pictures::read(folder.path()).unwrap()
    }

    #[test]
    fn pictures_are_found_by_item() {
        let found = pictures(&[
            "B1.png",
            "B1.JPG",
            "B2.txt",
            "B.3.webp",
            "B4",
            "010/B6.Jpg",
            "z/010/B6.png",
            "B7/2.jpg",
            "B7/1.jfif",
            "40%2F41.png",
            "A/B10.jpg",
            "._B8.jpg",
            ".git/B9.png",
        ]);
        for (id, expected) in [
            ("B1", Some("B1.JPG")),
            ("B.3", Some("B.3.webp")),
            ("B6", Some("010/B6.Jpg")),
            ("B7", Some("B7/1.jfif")),
            ("40/41", Some("40%2F41.png")),
            ("40%2F41", Some("40%2F41.png")),
            ("A/B10", Some("A/B10.jpg")),
            ("C/B10", None),
            ("B2", None),
            ("B4", None),
            ("B5", None),
            ("B8", None),
            ("B9", None),
        ] {
            assert_eq!(found.of_item(id), expected, "{id}");
        }
        assert!(found.example() == Some("40%2F41.png") && pictures(&["B2.txt"]).example().is_none());
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
        let found = pictures(&[&format!("{decomposed}.jpg"), &format!("sub/{decomposed}2.jpg"), "41%2BX.jpg"]);
        for id in [composed, decomposed] {
            assert_eq!(found.of_item(id), Some(format!("{decomposed}.jpg").as_str()));
            assert_eq!(found.like(&format!("sub/{id}2.jpg")), Some(format!("sub/{decomposed}2.jpg").as_str()));
        }
        assert_eq!(found.like("41+X.jpg"), Some("41%2BX.jpg"));
        assert_eq!(found.like("42+X.jpg"), None);
        assert_eq!(spellings("a%20b.jpg")[..2], ["a%20b.jpg", "a b.jpg"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_folder_itself_ends() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("B1.jpg"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        assert_eq!(Pictures::read(folder.path()).unwrap().of_item("B1"), Some("B1.jpg"));
    }
}
