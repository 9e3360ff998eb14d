//! An exclusive lock on a folder: one writer at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::regular::check_if_there;
use super::whole::{lock_for_long, remove_unfinished};
use crate::{Error, Result};

/// Name of the lock file.
const NAME: &str = ".lock";

/// Exclusive write access to a folder until dropped; whoever else asks for it meanwhile is refused.
///
/// It is an operating-system lock on the file `.lock`, so it ends with the process, even if the process is killed. On
/// file systems without locks, other writers are not detected.
///
/// ```
/// # use viral::data::FolderLock;
/// # fn main() -> viral::Result<()> {
/// # let outer = tempfile::tempdir().map_err(viral::Error::io("a temporary folder"))?;
/// let folder = outer.path().join("toys");
/// let lock = FolderLock::acquire(&folder)?;
/// assert!(FolderLock::acquire(&folder).unwrap_err().to_string().contains("another run"));
/// drop(lock);
/// assert!(FolderLock::acquire(&folder).is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FolderLock {
    folder: PathBuf,
    /// Folders created by `acquire`, innermost first.
    made: Vec<PathBuf>,
    _file: File,
}

impl FolderLock {
    /// Creates the folder if it is missing, locks it, and removes unfinished files ([`WholeFile`](super::WholeFile))
    /// that killed processes left in it.
    ///
    /// # Errors
    /// If another process holds the lock, the folder cannot be created or written to, or a file is in its place.
    pub fn acquire(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        if let Some(file) = folder.ancestors().find(|above| above.is_file()) {
            let what = if file == folder { "it".to_string() } else { file.display().to_string() };
            return Err(Error::file(
                folder,
                format!("cannot be written into: {what} is a file, not a folder; choose another"),
            ));
        }
        let is_missing = |above: &&Path| !above.as_os_str().is_empty() && !above.exists();
        let made = folder.ancestors().take_while(is_missing).map(Path::to_path_buf).collect();
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let path = folder.join(NAME);
        check_if_there(&path)?;
        loop {
            let open = File::options().create(true).truncate(false).write(true).open(&path);
            let file = open.map_err(Error::io(&path))?;
            match lock_for_long(&file) {
                Err(TryLockError::WouldBlock) => {
                    let message = "another run is writing into this folder; wait for it, or choose another (--out)";
                    return Err(Error::file(folder, message));
                }
                Err(TryLockError::Error(e)) if e.kind() != std::io::ErrorKind::Unsupported => {
                    return Err(Error::io(&path)(e));
                }
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // The previous holder may have removed the file after it was opened here; then retry with the new one.
            if is_at(&file, &path) {
                remove_unfinished(folder, true);
                return Ok(Self { folder: folder.to_path_buf(), made, _file: file });
            }
        }
    }

    /// Returns the path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Releases the lock and removes the folders that `acquire` created, if they are empty.
    pub fn abandon(mut self) {
        let made = std::mem::take(&mut self.made);
        drop(self);
        for folder in made {
            // Fails if the folder has files or another process uses it, and then it stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Elsewhere an open file cannot be removed, or `is_at` cannot tell afterwards which file was locked.
        if cfg!(unix) {
            let _ = std::fs::remove_file(self.folder.join(NAME));
        }
    }
}

/// Whether an open file is the one now at a path.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |found: std::fs::Metadata| (found.dev(), found.ino());
    matches!((file.metadata().map(id), std::fs::metadata(path).map(id)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(not(unix))]
pub(super) fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_writer_at_a_time() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/b");
        let lock = FolderLock::acquire(&folder).unwrap();
        let refused = FolderLock::acquire(&folder).unwrap_err().to_string();
        assert!(["another run", "--out"].iter().all(|words| refused.contains(words)), "{refused}");
        drop(lock);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        // Folders that existed before, and those with files in them, stay.
        FolderLock::acquire(&folder).unwrap().abandon();
        assert!(folder.exists());
        std::fs::remove_dir(&folder).unwrap();
        std::fs::write(outer.path().join("a/file"), "x").unwrap();
        FolderLock::acquire(&folder).unwrap().abandon();
        assert!(!folder.exists() && outer.path().join("a/file").exists());
        let refused = FolderLock::acquire(outer.path().join("a/file/x")).unwrap_err().to_string();
        assert!(refused.contains("is a file, not a folder"), "{refused}");
    }

    #[test]
    fn one_of_many_threads_gets_the_lock_at_a_time() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let outer = tempfile::tempdir().unwrap();
        let (inside, n_locked) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Ok(lock) = FolderLock::acquire(outer.path()) else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        n_locked.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(n_locked.into_inner() > 0);
    }

    #[test]
    fn what_killed_runs_left_unfinished_goes() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".viral-abc", ".tmpother"] {
            std::fs::write(folder.path().join(name), "half").unwrap();
        }
        let _lock = FolderLock::acquire(folder.path()).unwrap();
        assert!(!folder.path().join(".viral-abc").exists() && folder.path().join(".tmpother").exists());
    }
}
