//! Writes files atomically: completely or not at all.

use std::fs::{File, TryLockError};
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::check_replaceable;
use super::folder_lock::is_at;
use super::{is_there, open_file};
use crate::{Error, Result};

/// A file that is written atomically: it is written beside its destination under a temporary name, and
/// [`commit`](Self::commit) renames it. Dropped without a commit, it is removed; what a killed process leaves behind is
/// removed when the next file is written to the same folder.
///
/// A reader, or a process restarted after a crash, sees the old file or the new one, never a partial one.
///
/// ```
/// # use viral::data::WholeFile;
/// # fn main() -> viral::Result<()> {
/// # let folder = tempfile::tempdir().map_err(viral::Error::io("a temporary folder"))?;
/// let path = folder.path().join("ids.txt");
/// let mut file = WholeFile::create(&path)?;
/// file.write(b"B001\n")?;
/// assert!(!path.exists());
/// file.commit()?;
/// assert!(path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl WholeFile {
    /// Starts a file that will be at `path`. Creates its folder if that is missing.
    ///
    /// # Errors
    /// If the folder cannot be created or written to, or a file is in its place; if something other than a file is at
    /// `path`, such as a folder, link or device.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if let Some(file) = folder.ancestors().find(|above| above.is_file()) {
            let message =
                format!("cannot be written: {} is a file, not a folder; choose another output", file.display());
            return Err(Error::file(path, message));
        }
        check_replaceable(path)?;
        std::fs::create_dir_all(folder).map_err(Error::io(path))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        // Temporary files are private to their owner; a committed file gets the permissions of an ordinary one.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        remove_unfinished(folder, false);
        loop {
            let file = builder.tempfile_in(folder).map_err(Error::io(path))?;
            // Locked while it is written: an unlocked one was left by a killed process. On file systems without locks,
            // nobody else removes it.
            let is_lost = matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock));
            if !is_lost && is_at(file.as_file(), file.path()) {
                return Ok(Self { path: path.to_path_buf(), file: BufWriter::new(file) });
            }
        }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io(&self.path))
    }

    /// Overwrites bytes written earlier.
    pub(crate) fn write_at(&mut self, place: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(place))?;
        self.file.write_all(bytes)?;
        self.file.seek(SeekFrom::End(0)).map(|_| ())
    }

    /// Flushes to disk and renames the file to its path: a reader sees the old file or the new one.
    ///
    /// # Errors
    /// If either fails; an existing file then stays unchanged.
    pub fn commit(self) -> Result<()> {
        let Self { path, file } = self;
        let file = file.into_inner().map_err(|e| Error::io(&path)(e.into_error()))?;
        File::sync_all(file.as_file()).map_err(Error::io(&path))?;
        // Something else may have been created there meanwhile.
        check_replaceable(&path)?;
        file.persist(&path).map_err(|e| Error::io(&path)(e.error))?;
        Ok(())
    }
}

/// Lets encoders of other formats write into the file.
impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Name prefix of unfinished files.
const UNFINISHED: &str = ".viral-";

/// Removes, where possible, unfinished files that killed processes left in a folder: those that no process has locked.
/// On file systems without locks, removes them only if `is_ours`, that is, nobody else writes to the folder.
pub(super) fn remove_unfinished(folder: &Path, is_ours: bool) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            continue;
        }
        let Ok(file) = File::options().write(true).open(entry.path()) else { continue };
        let is_left = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => is_ours,
        };
        if is_left {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Checks, before long work, that a report can be written to a path: nothing is there, or a file that `is_of_kind`
/// accepts as an earlier report. `what` ends the error "is there already and …".
///
/// ```
/// use std::io::{BufRead, BufReader};
/// use viral::data::check_place;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("notes.txt");
/// let is_mine = |file: BufReader<_>| file.lines().next().is_some_and(|line| line.is_ok_and(|line| line == "# mine"));
/// assert!(check_place(&path, "not mine", is_mine).is_ok()); // nothing is there
/// std::fs::write(&path, "somebody's notes").unwrap();
/// assert!(check_place(&path, "not mine", is_mine).is_err());
/// ```
///
/// # Errors
/// A path where no file can be written, or where there is another file.
pub fn check_place(path: &Path, what: &str, is_of_kind: impl FnOnce(BufReader<File>) -> bool) -> Result<()> {
    let _unfinished = WholeFile::create(path)?;
    if is_there(path)? && !is_of_kind(BufReader::new(open_file(path)?)) {
        let message = format!("is there already and {what}; name another file, or move this one away");
        return Err(Error::file(path, message));
    }
    Ok(())
}

/// Checks that a file to be written later is neither at the path of a folder to be created nor at one of its parents.
/// [`check_place`] cannot tell this while neither exists.
///
/// ```
/// use std::path::Path;
/// use viral::data::check_apart;
///
/// let folder = Path::new("out/run");
/// assert!(check_apart(Path::new("out/run.json"), folder).is_ok());
/// assert!(check_apart(Path::new("out/run"), folder).is_err());
/// ```
///
/// # Errors
/// When the file has the path of the folder, or of one that contains it.
pub fn check_apart(file: &Path, folder: &Path) -> Result<()> {
    let full = |path: &Path| std::path::absolute(path).map_err(Error::io(path));
    match full(folder)?.starts_with(full(file)?) {
        true => Err(Error::file(file, format!("is to be a folder, for {}; name another file", folder.display()))),
        false => Ok(()),
    }
}

/// Takes a lock for the duration of a run, retrying for a moment if it is held: between fork and exec, a child process
/// holds copies of its parent's open files, including locks that the parent has released.
pub(super) fn lock_for_long(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 0..20 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(10)),
            decided => return decided,
        }
    }
    file.try_lock()
}

/// Writes a file atomically, completely or not at all, as [`WholeFile`] does. Creates its folder if that is missing.
///
/// # Errors
/// If it cannot be written; an existing file then stays unchanged.
pub fn write_whole(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write(bytes)?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_there_before_the_commit_and_nothing_else_after() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file.txt");
        let names = || {
            let entries = std::fs::read_dir(folder.path().join("new")).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let mut dropped = WholeFile::create(&path)?;
        dropped.write(b"half")?;
        assert!(!path.exists());
        drop(dropped);
        assert!(names().is_empty());
        write_whole(&path, b"all")?;
        write_whole(&path, b"of it")?;
        assert_eq!((names(), std::fs::read(&path).unwrap()), (vec!["file.txt".to_string()], b"of it".to_vec()));
        // Files that no process is writing are removed; files being written stay.
        let mut open = WholeFile::create(&path)?;
        open.write(b"later")?;
        let left = folder.path().join("new/.viral-left");
        std::fs::write(&left, b"half").unwrap();
        write_whole(&path, b"of it")?;
        assert_eq!((left.exists(), names().len()), (false, 2));
        open.commit()?;
        assert_eq!((names(), std::fs::read(&path).unwrap()), (vec!["file.txt".to_string()], b"later".to_vec()));
        let below_a_file = write_whole(path.join("x"), b"").unwrap_err().to_string();
        assert!(below_a_file.contains("is a file, not a folder; choose another output"), "{below_a_file}");
        Ok(())
    }
}
