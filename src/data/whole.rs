//! Files written atomically: whole or not at all.

use std::fs::{File, TryLockError};
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::check_replaceable;
use super::folder_lock::is_at;
use super::{is_there, open_file};
use crate::{Error, Result};

/// A file that is written atomically: it grows beside its place, under another name, until [`commit`](Self::commit) puts
/// it there. Dropped before that, it leaves nothing behind; what a killed process leaves goes when the next file is written beside
/// it.
///
/// A reader, or a process that starts again after a crash, sees the old file or the new one, never half of it.
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
    /// Starts a file that will be at `path`. Makes its folder if that is missing.
    ///
    /// # Errors
    /// If the folder cannot be made or written to, or a file is in its place; if something else than a file is at `path`: a
    /// folder, a link, a device.
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
        // Temporary files are for their owner alone; what takes the place of an ordinary file is as readable as one.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        remove_unfinished(folder, false);
        loop {
            let file = builder.tempfile_in(folder).map_err(Error::io(path))?;
            // Locked while it is written: one that is not was left by a process that was killed. Where there are no locks,
            // nobody removes it either.
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

    /// Writes over bytes that are there already.
    pub(crate) fn write_at(&mut self, place: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(place))?;
        self.file.write_all(bytes)?;
        self.file.seek(SeekFrom::End(0)).map(|_| ())
    }

    /// Flushes to disk and renames: a reader sees the old file or the new one.
    ///
    /// # Errors
    /// If either fails; the old file, if there is one, then stays as it is.
    pub fn commit(self) -> Result<()> {
        let Self { path, file } = self;
        let file = file.into_inner().map_err(|e| Error::io(&path)(e.into_error()))?;
        File::sync_all(file.as_file()).map_err(Error::io(&path))?;
        // Something else may have come there meanwhile.
        check_replaceable(&path)?;
        file.persist(&path).map_err(|e| Error::io(&path)(e.error))?;
        Ok(())
    }
}

/// For writers of formats that write into anything.
impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// What the names of unfinished files begin with.
const UNFINISHED: &str = ".viral-";

/// Removes the unfinished files that killed processes left in a folder, as far as they can be: those that nobody is writing. Where
/// the file system has no locks to tell by, only if nobody else writes into the folder.
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

/// That a report can be written at a path, to be asked before long work and not after it: where no file is, or one that `is_of_kind`
/// takes for an earlier one. `what` ends the sentence "is there already and …".
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
/// A path where no file can be written, or where another one is.
pub fn check_place(path: &Path, what: &str, is_of_kind: impl FnOnce(BufReader<File>) -> bool) -> Result<()> {
    let _unfinished = WholeFile::create(path)?;
    if is_there(path)? && !is_of_kind(BufReader::new(open_file(path)?)) {
        let message = format!("is there already and {what}; name another file, or move this one away");
        return Err(Error::file(path, message));
    }
    Ok(())
}

/// Checks that a file to be written later will not be where a folder is to be made, or a folder above it. [`check_place`] cannot tell
/// while neither exists.
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

/// A lock that is kept while a run lasts. One that is taken is tried again for a moment: a process that starts a program holds
/// copies of what it had open until the program runs, locks that it gave back included.
pub(super) fn lock_for_long(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 0..20 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(10)),
            decided => return decided,
        }
    }
    file.try_lock()
}

/// Writes a file atomically: whole or not at all, as [`WholeFile`] does. Makes its folder if that is missing.
///
/// # Errors
/// If it cannot be written; the old file, if there is one, then stays as it is.
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
        // What nobody is writing any more goes; what somebody is writing stays.
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
