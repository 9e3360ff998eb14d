//! Which file is an item's picture. Addresses are never opened; only files inside one folder are.

use super::Item;
use crate::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The endings tried after an item's id.
const ENDINGS: [&str; 16] = [
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "JPG", "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIF",
    "TIFF",
];

/// A folder of pictures.
#[derive(Debug, Clone)]
pub struct ImageFolder {
    folder: PathBuf,
}

impl ImageFolder {
    /// Takes a folder.
    ///
    /// # Errors
    /// If it is not there or is not a folder.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_path_buf();
        if !std::fs::metadata(&folder).map_err(Error::io(&folder))?.is_dir() {
            return Err(Error::file(&folder, "not a folder; name the folder that holds the pictures"));
        }
        Ok(Self { folder })
    }

    /// The item's picture: the file that `image` names, if that is a name inside the folder; else the file of that name
    /// at the end of an address; else `<id>.jpg`, `<id>.png` and so on.
    pub fn find(&self, item: &Item) -> Option<PathBuf> {
        let image = item.image.as_deref().unwrap_or_default();
        let name = if image.contains("://") || image.starts_with("data:") {
            let path = image.split(['?', '#']).next().unwrap_or_default();
            path.rsplit('/').next().unwrap_or_default()
        } else {
            image
        };
        let by_id = ENDINGS.iter().map(|ending| format!("{}.{ending}", item.id));
        std::iter::once(name.to_string()).chain(by_id).find_map(|name| self.inside(&name))
    }

    /// A file of the folder; none for names that lead out of it.
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
/// A sentence without the file's name.
pub(super) fn read_picture(path: &Path, max_bytes: u64) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
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
