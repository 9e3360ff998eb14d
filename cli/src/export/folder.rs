//! The folder of an export: all files are moved into place at the end, each complete.

use std::io::Write;
use std::path::{Path, PathBuf};
use viral::data::{FolderLock, WholeFile};
use viral::{Error, Result};

/// Part of every export, whatever its formats: a folder with other files of these names but without this one is not an
/// export.
pub(super) const BLOCKS: &str = "blocks.json";
pub(super) const ITEMS: &str = "items.npy";
pub(super) const USERS: &str = "users.npy";
pub(super) const ITEM_IDS: &str = "item_ids.txt";
pub(super) const USER_IDS: &str = "user_ids.txt";
pub(super) const LINES: &str = "top.jsonl";
pub(super) const TABLE: &str = "top.parquet";
const FILES: [&str; 7] = [BLOCKS, ITEMS, USERS, ITEM_IDS, USER_IDS, LINES, TABLE];

/// The folder of an export, locked, with the files that are complete but not yet in place.
pub(super) struct Folder {
    lock: FolderLock,
    complete: Vec<(&'static str, WholeFile)>,
}

impl Folder {
    /// Opens the folder, and creates it if it is missing.
    pub(super) fn open(path: &Path, overwrite: bool) -> Result<Self> {
        let folder = Self { lock: FolderLock::acquire(path)?, complete: Vec::new() };
        let entries = std::fs::read_dir(path).map_err(Error::io(path))?.flatten().map(|entry| entry.path());
        let is_log = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "inter");
        if let Some(log) = entries.into_iter().find(is_log) {
            let message = "is of data, in whose folder item_ids.txt says whose the rows of features are; choose another folder (--out)";
            return Err(Error::file(log, message));
        }
        let Some(there) = folder.there().next() else { return Ok(folder) };
        let message = if !path.join(BLOCKS).exists() {
            "is not of an export, which would have blocks.json beside it; choose another folder (--out)"
        } else if !overwrite {
            "is of an earlier export; choose another folder (--out) or replace it (--overwrite)"
        } else {
            return Ok(folder);
        };
        Err(Error::file(there, message))
    }

    /// Export files that are in the folder.
    fn there(&self) -> impl Iterator<Item = PathBuf> {
        FILES.iter().map(|name| self.path(name)).filter(|path| path.exists())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.lock.folder().join(name)
    }

    pub(super) fn create(&self, name: &str) -> Result<WholeFile> {
        WholeFile::create(self.path(name))
    }

    /// Keeps a complete file until all are complete. A full disk is noticed here, before anything has been replaced.
    pub(super) fn keep(&mut self, name: &'static str, mut file: WholeFile) -> Result<()> {
        file.flush().map_err(Error::io(self.path(name)))?;
        self.complete.push((name, file));
        Ok(())
    }

    /// Replaces the files of an earlier export. If the process is killed meanwhile, some of the old files or some of
    /// the new ones are left, never a mixture, and always [`BLOCKS`] if any, so that another run may replace them.
    pub(super) fn commit(mut self) -> Result<Vec<&'static str>> {
        self.complete.sort_by_key(|(name, _)| *name != BLOCKS);
        let mut there: Vec<PathBuf> = self.there().collect();
        there.reverse();
        there.iter().try_for_each(|path| std::fs::remove_file(path).map_err(Error::io(path)))?;
        self.complete.into_iter().map(|(name, file)| file.commit().map(|()| name)).collect()
    }

    /// Discards the new files, and leaves the folder as it was.
    pub(super) fn abandon(self) {
        drop(self.complete);
        self.lock.abandon();
    }
}
