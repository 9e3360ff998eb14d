//! Finds the picture of an item. URLs are never opened; only files inside one folder are.

use super::Item;
use crate::pictures::{Pictures, spellings};
use crate::{Error, Result};
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use viral::data::open_file;

/// A folder of pictures, including the folders below it.
#[derive(Debug, Clone)]
pub struct ImageFolder {
    folder: PathBuf,
    pictures: Pictures,
}

impl ImageFolder {
    /// Opens a folder and searches it once.
    ///
    /// # Errors
    /// If it is not there, is not a folder or cannot be read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_path_buf();
        if !std::fs::metadata(&folder).map_err(Error::io(&folder))?.is_dir() {
            return Err(Error::file(&folder, "not a folder; name the folder that holds the pictures"));
        }
        let pictures = Pictures::read(&folder)?;
        Ok(Self { folder, pictures })
    }

    /// Returns the item's picture, the first of these that exists: the file inside the folder that `image` names or, if
    /// `image` is a URL, its last segment; the picture named after the item (`<id>.jpg`, `<id>.png` and so on, in any
    /// case), also in a folder below; the first picture in a folder named after the item.
    ///
    /// A name is tried as given, then percent-decoded, then with its characters composed (NFC) or decomposed (NFD).
    pub fn find(&self, item: &Item) -> Option<PathBuf> {
        let image = item.image.as_deref().unwrap_or_default();
        let name = if image.contains("://") || image.starts_with("data:") {
            let path = image.split(['?', '#']).next().unwrap_or_default();
            path.rsplit('/').next().unwrap_or_default()
        } else {
            image
        };
        let named = spellings(name).iter().find_map(|name| self.inside(name));
        let others = || [self.pictures.like(name), self.pictures.of_item(&item.id)];
        named.or_else(|| others().into_iter().flatten().find_map(|name| self.inside(name)))
    }

    /// Returns the picture named after an item, or else the first one in a folder named after it, as [`find`](Self::find)
    /// does without a name in `items.jsonl`.
    pub fn of_item(&self, id: &str) -> Option<PathBuf> {
        self.pictures.of_item(id).and_then(|name| self.inside(name))
    }

    /// Returns the files that are the picture of an item of some id; one may come more than once.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.pictures.files().map(|name| self.folder.join(name))
    }

    /// Returns a file of the folder; `None` for names that lead out of it.
    fn inside(&self, name: &str) -> Option<PathBuf> {
        let path = Path::new(name);
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if name.is_empty() || name.contains('\0') || !path.components().all(is_plain) {
            return None;
        }
        let path = self.folder.join(path);
        path.is_file().then_some(path)
    }
}

/// Reads a file of no more than `max_bytes`.
///
/// # Errors
/// Returns a sentence without the file's name.
pub(super) fn read_picture(path: &Path, max_bytes: u64) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = open_file(path).map_err(|error| error.to_string())?;
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > max_bytes {
        return Err(format!("more than {max_bytes} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_found_inside_the_folder_only() -> Result<()> {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("images");
        std::fs::create_dir_all(dir.join("sub")).unwrap();
        for file in ["images/named.jpg", "images/B1.png", "images/sub/deep.webp", "images/41x.jpg", "secret.jpg"] {
            std::fs::write(outer.path().join(file), "x").unwrap();
        }
        for file in ["images/B2.Jpg", "images/B3.jfif", "images/0/B4.png", "images/a b+c.jpg", "images/%2Bd.jpg"] {
            std::fs::create_dir_all(outer.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(outer.path().join(file), "x").unwrap();
        }
        let images = ImageFolder::open(&dir)?;
        let find = |id: &str, image: Option<&str>| {
            let item = Item { id: id.into(), image: image.map(str::to_string), ..Item::default() };
            images.find(&item).map(|path| path.strip_prefix(&dir).unwrap().to_string_lossy().into_owned())
        };
        assert_eq!(find("B1", Some("named.jpg")).as_deref(), Some("named.jpg"));
        assert_eq!(find("B1", Some("sub/deep.webp")).as_deref(), Some("sub/deep.webp"));
        assert_eq!(find("B1", Some("absent.jpg")).as_deref(), Some("B1.png"));
        assert_eq!(find("B1", None).as_deref(), Some("B1.png"));
        assert_eq!(find("x", Some("https://shop.example/i/41x.jpg?w=9")).as_deref(), Some("41x.jpg"));
        for (id, file) in [("B2", "B2.Jpg"), ("B3", "B3.jfif"), ("B4", "0/B4.png")] {
            assert_eq!(find(id, Some("https://shop.example/absent.jpg")).as_deref(), Some(file));
        }
        assert_eq!(find("x", Some("https://shop.example/i/a%20b%2Bc.jpg")).as_deref(), Some("a b+c.jpg"));
        assert_eq!(find("x", Some("https://shop.example/i/+d.jpg")).as_deref(), Some("%2Bd.jpg"));
        assert_eq!(find("x", Some("https://shop.example/i/..%2Fsecret.jpg")), None);
        assert_eq!(find("x", Some("%2e%2e/secret.jpg")), None);
        let secret = outer.path().join("secret.jpg");
        for image in ["../secret.jpg", "sub/../../secret.jpg", secret.to_str().unwrap(), "a\0b", "sub"] {
            assert_eq!(find("none", Some(image)), None, "{image}");
        }
        assert_eq!(find("../secret", None), None);
        assert!(ImageFolder::open(outer.path().join("nowhere")).unwrap_err().to_string().contains("nowhere"));
        Ok(())
    }

    #[test]
    fn huge_files_are_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        assert_eq!(read_picture(file.path(), 100).unwrap_err(), "more than 100 bytes");
    }
}
