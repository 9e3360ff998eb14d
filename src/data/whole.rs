//! Files written whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::{Error, Result};

/// A file that grows beside its place, under another name, until [`commit`](Self::commit) puts it there. Dropped before
/// that, it leaves nothing behind.
pub(crate) struct WholeFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl WholeFile {
    /// Makes the folder, if it is missing, and an empty file in it.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if let Some(file) = folder.ancestors().find(|above| above.is_file()) {
            let message =
                format!("cannot be written: {} is a file, not a folder; choose another output", file.display());
            return Err(Error::file(path, message));
        }
        std::fs::create_dir_all(folder).map_err(Error::io(path))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        // Temporary files are for their owner alone; what takes the place of an ordinary file is as readable as one.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let file = builder.tempfile_in(folder).map_err(Error::io(path))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::new(file) })
    }

    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io(&self.path))
    }

    /// Flushes to disk and renames: a reader sees the old file or the new one.
    pub(crate) fn commit(self) -> Result<()> {
        let Self { path, file } = self;
        let file = file.into_inner().map_err(|e| Error::io(&path)(e.into_error()))?;
        File::sync_all(file.as_file()).map_err(Error::io(&path))?;
        file.persist(&path).map_err(|e| Error::io(&path)(e.error))?;
        Ok(())
    }
}

/// What the names of unfinished files begin with.
const UNFINISHED: &str = ".viral-";

/// Removes the unfinished files that killed processes left in a folder, which nobody may be writing into.
pub(crate) fn remove_unfinished(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let is_file = entry.file_type().map_err(Error::io(entry.path()))?.is_file();
        if is_file && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            std::fs::remove_file(entry.path()).map_err(Error::io(entry.path()))?;
        }
    }
    Ok(())
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
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
        let below_a_file = write_whole(&path.join("x"), b"").unwrap_err().to_string();
        assert!(below_a_file.contains("is a file, not a folder; choose another output"), "{below_a_file}");
        Ok(())
    }
}
