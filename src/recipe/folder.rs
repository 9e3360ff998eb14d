//! The folder of a run: one run at a time, and nothing is overwritten silently.

use super::EpochSeconds;
use crate::data::{FolderLock, read_file, write_whole};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// What to do about an earlier run in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Existing {
    /// Refuse to start. The default.
    #[default]
    Refuse,
    /// Continue from its checkpoint, with the same bits as a run that was never interrupted.
    Resume,
    /// Start anew. The earlier run stays until the first file of this one, its checkpoint or its model, is written.
    Overwrite,
}

/// A run's folder, locked while the value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The recipe as TOML, until it is written.
    recipe: Option<String>,
    /// `None` only while it is dropped.
    lock: Option<FolderLock>,
}

impl Folder {
    /// Creates the folder, locks it, removes half-written files of a killed run, and checks that it may be used and
    /// written to: before a long run, not after it. `recipe` is that of the run to come.
    pub(crate) fn open(path: &Path, existing: Existing, recipe: String) -> Result<Self> {
        let lock = Some(FolderLock::acquire(path)?);
        let folder = Self { path: path.to_path_buf(), recipe: Some(recipe), lock };
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
            _ => {}
        }
        Ok(folder)
    }

    /// Must be called after each file of the run. After the first one it writes the recipe and, when overwriting,
    /// removes what an earlier run left.
    pub(crate) fn written(&mut self, first: &Path, existing: Existing) -> Result<()> {
        let Some(recipe) = self.recipe.take() else { return Ok(()) };
        if existing == Existing::Overwrite {
            let left = [self.model(), self.checkpoint(), self.seconds()];
            for file in left.into_iter().filter(|file| file != first && file.exists()) {
                std::fs::remove_file(&file).map_err(Error::io(&file))?;
            }
        }
        write_whole(self.path.join("recipe.toml"), recipe.as_bytes())
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        Self::checkpoint_in(&self.path)
    }

    /// The checkpoint of a run in this folder.
    pub(crate) fn checkpoint_in(path: &Path) -> PathBuf {
        path.join("checkpoint.safetensors")
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    fn seconds(&self) -> PathBuf {
        self.path.join("seconds.json")
    }

    /// Seconds of the first `n` epochs. Times are not part of the result: missing ones count as 0.
    pub(crate) fn read_seconds(&self, n: usize) -> Vec<EpochSeconds> {
        let text = read_file(self.seconds()).unwrap_or_default();
        let mut seconds: Vec<EpochSeconds> = serde_json::from_slice(&text).unwrap_or_default();
        seconds.resize(n, EpochSeconds::default());
        seconds
    }

    pub(crate) fn write_seconds(&self, seconds: &[EpochSeconds]) -> Result<()> {
        let text = serde_json::to_string_pretty(seconds);
        let text = text.map_err(|e| Error::file(self.seconds(), e.to_string()))?;
        write_whole(self.seconds(), text.as_bytes())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Without a file of this run, a folder that was made for it goes as well.
        if let (Some(lock), Some(_)) = (self.lock.take(), &self.recipe) {
            lock.abandon();
        }
    }
}

/// The names of all files of a run's folder.
pub(super) const FILES: [&str; 5] =
    ["checkpoint.safetensors", "model.safetensors", "seconds.json", "recipe.toml", ".lock"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_and_nothing_overwritten_in_silence() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/run");
        let open = |existing| Folder::open(&path, existing, String::new());
        let message = |existing| open(existing).unwrap_err().to_string();
        let first = open(Existing::Refuse).unwrap();
        assert!(message(Existing::Overwrite).contains("another run is writing into this folder"));
        drop(first);
        assert!(!outer.path().join("a").exists(), "nothing was written, so the folders go as well");
        assert!(message(Existing::Resume).contains("no such checkpoint"));
        std::fs::create_dir_all(&path).unwrap();
        for name in ["checkpoint.safetensors", "model.safetensors"] {
            std::fs::write(path.join(name), "x").unwrap();
            let refused = message(Existing::Refuse);
            assert!(["--resume", "--out", "--overwrite", name].iter().all(|word| refused.contains(word)), "{refused}");
            let before = std::fs::read(path.join(name)).unwrap();
            assert_eq!(before, b"x");
            // The old file is removed once something replaces it, and not before.
            let mut folder = open(Existing::Overwrite).unwrap();
            assert!(path.join(name).exists());
            folder.written(&path.join("seconds.json"), Existing::Overwrite).unwrap();
            assert!(!path.join(name).exists() && path.join("recipe.toml").exists());
        }
        std::fs::write(outer.path().join("file"), "x").unwrap();
        let refused =
            Folder::open(&outer.path().join("file"), Existing::Refuse, String::new()).unwrap_err().to_string();
        assert!(refused.contains("is a file"), "{refused}");
    }

    #[test]
    fn what_a_killed_run_left_half_written_goes() {
        let outer = tempfile::tempdir().unwrap();
        let left = outer.path().join(".viral-abc");
        std::fs::write(&left, "half").unwrap();
        std::fs::write(outer.path().join(".tmpother"), "not ours").unwrap();
        drop(Folder::open(outer.path(), Existing::Refuse, String::new()).unwrap());
        assert!(!left.exists() && outer.path().join(".tmpother").exists());
    }
}
