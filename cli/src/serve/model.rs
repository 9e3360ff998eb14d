//! The current model, and its reloads.

use super::failure::Failure;
use axum::http::StatusCode;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};
use viral::data::FolderLock;
use viral::prelude::Recommender;
use viral::{Error, Result};

/// Attempts to lock the model's folder while another process writes into it, a fifth of a second each.
const TRIES: usize = 5;
/// How long, after these have failed, further requests fail without waiting.
const LOCKED_OUT: Duration = Duration::from_secs(1);

/// A saved model, which is replaced when its file changes.
///
/// A request keeps the model that it began with, so a reload drops nothing. If a file cannot be loaded, the model
/// stays.
pub(crate) struct Served {
    path: PathBuf,
    now: RwLock<(Arc<Recommender>, Instant)>,
    /// Locked by whoever changes the model.
    seen: Mutex<Seen>,
}

/// Earlier states of the model's file.
struct Seen {
    /// State when it was last checked, whether or not it could be loaded.
    last: Option<Stamp>,
    /// State when the current model was read from it or written to it.
    loaded: Option<Stamp>,
    /// When a wait for another process last failed: requests that follow at once do not each wait again.
    locked_out: Option<Instant>,
}

/// Modification time, length and inode of the file: a replacement has its own inode, even if the times are equal.
type Stamp = (SystemTime, u64, u64);

impl Served {
    /// Loads the model of a folder or a file.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let file = Recommender::file_of(path);
        let last = stamp(&file);
        let seen = Seen { last, loaded: last, locked_out: None };
        let model = Recommender::load(&file)?;
        Ok(Self { path: file, now: RwLock::new((Arc::new(model), Instant::now())), seen: Mutex::new(seen) })
    }

    /// The current model.
    pub(crate) fn model(&self) -> Arc<Recommender> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Seconds since the model was loaded.
    pub(crate) fn age_seconds(&self) -> u64 {
        self.now.read().unwrap_or_else(PoisonError::into_inner).1.elapsed().as_secs()
    }

    /// The model's file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the file has changed since it was last loaded or rejected.
    pub(crate) fn has_changed(&self) -> bool {
        // Takes the lock first, so that the file is checked only when nobody is writing it.
        let seen = self.seen();
        let found = stamp(&self.path);
        found.is_some() && found != seen.last
    }

    /// Reloads the file; if that fails, the current model stays.
    pub(crate) fn reload(&self) -> Result<()> {
        self.reload_into(&mut self.seen())
    }

    fn reload_into(&self, seen: &mut Seen) -> Result<()> {
        seen.last = stamp(&self.path);
        let model = match seen.last {
            Some(_) => Recommender::load(&self.path),
            None => Err(Error::Data(format!("{}: no file is here", self.path.display()))),
        };
        let model =
            model.map_err(|e| Error::Data(format!("{e}; the model that was loaded before goes on answering")))?;
        seen.loaded = seen.last;
        self.put(Arc::new(model));
        Ok(())
    }

    /// Changes a copy of the model, writes it to the file and makes it the current one. If any of these fails, nothing
    /// changes.
    ///
    /// What others wrote to the file since it was loaded is not overwritten: it is loaded first, and if it cannot be
    /// loaded nothing is changed. Other services of the same file, and runs in its folder, are locked out meanwhile.
    pub(super) fn change(
        &self,
        work: impl FnOnce(&mut Recommender) -> std::result::Result<(), Failure>,
    ) -> std::result::Result<Arc<Recommender>, Failure> {
        let failed =
            |e: Error| Failure::new(StatusCode::SERVICE_UNAVAILABLE, "model_file", format!("nothing was changed: {e}"));
        let mut seen = self.seen();
        let _lock = stamp(&self.path).map(|_| self.lock(&mut seen)).transpose().map_err(failed)?;
        if stamp(&self.path).is_none_or(|found| Some(found) != seen.loaded) {
            self.reload_into(&mut seen).map_err(failed)?;
        }
        let mut model = Recommender::clone(&self.model());
        work(&mut model)?;
        model.save(&self.path).map_err(failed)?;
        seen.last = stamp(&self.path);
        seen.loaded = seen.last;
        let model = Arc::new(model);
        self.put(model.clone());
        Ok(model)
    }

    /// Acquires the lock for writing into the model's folder.
    fn lock(&self, seen: &mut Seen) -> Result<FolderLock> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if seen.locked_out.is_some_and(|when| when.elapsed() < LOCKED_OUT) {
            return Err(Error::file(folder, "another process is writing into this folder; ask again in a moment"));
        }
        let mut lock = FolderLock::acquire(folder);
        for _ in 1..TRIES {
            if lock.is_ok() {
                break;
            }
            lock = FolderLock::acquire(folder);
        }
        seen.locked_out = lock.is_err().then(Instant::now);
        lock
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, model: Arc<Recommender>) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = (model, Instant::now());
    }
}

/// The state of a file; `None` if it is not a regular file: reading a pipe would block for ever.
fn stamp(file: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?;
    Some((found.modified().ok()?, found.len(), found.ino()))
}
