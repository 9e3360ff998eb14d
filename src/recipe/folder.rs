//! The folder of a run: one run at a time, and nothing overwritten in silence.

use crate::data::FolderLock;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// What to do with a run that is in the folder already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Existing {
    /// Refuse to start. The default.
    #[default]
    Refuse,
    /// Go on from its checkpoint, to the same bits as a run that was never interrupted.
    Resume,
    /// Remove it and start anew.
    Overwrite,
}

/// A run's folder, locked while the value lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: FolderLock,
}

impl Folder {
    /// Makes the folder, locks it, removes what a killed run left half written, and finds out whether it may be used and
    /// written into: before a long run, not after it.
    pub(super) fn open(path: &Path, existing: Existing) -> Result<Self> {
        let folder = Self { path: path.to_path_buf(), _lock: FolderLock::acquire(path)? };
        let found = [folder.checkpoint(), folder.model()].into_iter().find(|file| file.exists());
        match (existing, found) {
            (Existing::Refuse, Some(file)) => {
                let remedies = "resume it (--resume), choose another folder (--out) or replace it (--overwrite)";
                return Err(Error::file(file, format!("is of an earlier run; {remedies}")));
            }
            (Existing::Resume, _) if !folder.checkpoint().exists() => {
                return Err(Error::file(
                    folder.checkpoint(),
                    "there is no such checkpoint; leave out --resume to start a run, or give the --out of one",
                ));
            }
            (Existing::Overwrite, _) => {
                for file in folder.files().into_iter().filter(|file| file.exists()) {
                    std::fs::remove_file(&file).map_err(Error::io(&file))?;
                }
            }
            _ => {}
        }
        Ok(folder)
    }

    pub(super) fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    pub(super) fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    pub(super) fn seconds(&self) -> PathBuf {
        self.path.join("seconds.json")
    }

    pub(super) fn recipe(&self) -> PathBuf {
        self.path.join("recipe.toml")
    }

    fn files(&self) -> [PathBuf; 4] {
        [self.checkpoint(), self.model(), self.recipe(), self.seconds()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_and_nothing_overwritten_in_silence() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/run");
        let message = |existing| Folder::open(&path, existing).unwrap_err().to_string();
        let first = Folder::open(&path, Existing::Refuse).unwrap();
        assert!(message(Existing::Overwrite).contains("another run is writing into this folder"));
        drop(first);
        assert!(message(Existing::Resume).contains("no such checkpoint"));
        for name in ["checkpoint.safetensors", "model.safetensors"] {
            std::fs::write(path.join(name), "x").unwrap();
            let refused = message(Existing::Refuse);
            assert!(["--resume", "--out", "--overwrite", name].iter().all(|word| refused.contains(word)), "{refused}");
            let before = std::fs::read(path.join(name)).unwrap();
            assert_eq!(before, b"x");
            drop(Folder::open(&path, Existing::Overwrite).unwrap());
            assert!(!path.join(name).exists());
        }
        std::fs::write(outer.path().join("file"), "x").unwrap();
        let refused = Folder::open(&outer.path().join("file"), Existing::Refuse).unwrap_err().to_string();
        assert!(refused.contains("is a file"), "{refused}");
    }

    #[test]
    fn what_a_killed_run_left_half_written_goes() {
        let outer = tempfile::tempdir().unwrap();
        let left = outer.path().join(".viral-abc");
        std::fs::write(&left, "half").unwrap();
        std::fs::write(outer.path().join(".tmpother"), "not ours").unwrap();
        drop(Folder::open(outer.path(), Existing::Refuse).unwrap());
        assert!(!left.exists() && outer.path().join(".tmpother").exists());
    }
}
