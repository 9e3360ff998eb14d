//! The model that answers now, and its reloads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Instant, SystemTime};
use viral::prelude::Recommender;
use viral::{Error, Result};

/// A saved model, and the one that takes its place when the file changes.
///
/// A request keeps the model that it began with: a reload drops nothing. A file that cannot be loaded leaves the model in its place.
pub(crate) struct Served {
    path: PathBuf,
    now: RwLock<(Arc<Recommender>, Instant)>,
    /// What the file was when it was last looked at, good or bad; held by whoever changes the model.
    seen: Mutex<Option<Stamp>>,
}

type Stamp = (SystemTime, u64);

impl Served {
    /// Loads the model of a folder or a file.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let file = Recommender::file_of(path);
        let seen = stamp(&file);
        let model = Recommender::load(&file)?;
        Ok(Self { path: file, now: RwLock::new((Arc::new(model), Instant::now())), seen: Mutex::new(seen) })
    }

    /// The model that answers now.
    pub(crate) fn model(&self) -> Arc<Recommender> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Seconds since it was loaded.
    pub(crate) fn age_seconds(&self) -> u64 {
        self.now.read().unwrap_or_else(PoisonError::into_inner).1.elapsed().as_secs()
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is another one than when it was last loaded or refused.
    pub(crate) fn has_changed(&self) -> bool {
        let found = stamp(&self.path);
        found.is_some() && found != *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads the file again and puts it in the place of the model; this one stays where that fails.
    pub(crate) fn reload(&self) -> Result<()> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = stamp(&self.path);
        *seen = found;
        let model = match found {
            Some(_) => Recommender::load(&self.path),
            None => Err(Error::Data(format!("{}: no file is here", self.path.display()))),
        };
        let model =
            model.map_err(|e| Error::Data(format!("{e}; the model that was loaded before goes on answering")))?;
        self.put(Arc::new(model));
        Ok(())
    }

    /// Changes a copy of the model, writes it into the file and lets it answer; nothing happens where one of these fails.
    ///
    /// What others wrote into the file since it was loaded is not overwritten: it is loaded first.
    pub(crate) fn change<E: From<Error>>(
        &self,
        work: impl FnOnce(&mut Recommender) -> std::result::Result<(), E>,
    ) -> std::result::Result<Arc<Recommender>, E> {
        let mut seen = loop {
            if self.has_changed() {
                self.reload()?;
            }
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == stamp(&self.path) {
                break seen;
            }
        };
        let mut model = Recommender::clone(&self.model());
        work(&mut model)?;
        model.save(&self.path)?;
        *seen = stamp(&self.path);
        let model = Arc::new(model);
        self.put(model.clone());
        Ok(model)
    }

    fn put(&self, model: Arc<Recommender>) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = (model, Instant::now());
    }
}

/// `None` for what is no file: reading a pipe would wait for ever.
fn stamp(file: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?;
    Some((found.modified().ok()?, found.len()))
}
