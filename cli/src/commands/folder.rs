//! A folder of data with its feature files.

use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use viral::data::Provenance;
use viral::{Error, Result};
use viral_enrich::features::{Catalogue, FeatureTable};

/// Where the catalogue is, and where results go.
#[derive(Args, Debug)]
pub(super) struct Folder {
    /// Folder with items.jsonl: an object with id, title and image a line
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// Folder for journal, descriptions and features [default: the data folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Folder {
    /// The folder for results.
    pub(super) fn out(&self) -> &Path {
        self.out.as_deref().unwrap_or(&self.data)
    }

    /// Fails where a file is in the place of a folder, before anything is read or made.
    pub(super) fn check(&self) -> Result<()> {
        match [self.data.as_path(), self.out()].into_iter().find(|path| path.is_file()) {
            Some(file) => Err(Error::file(file, "is a file; name the folder that it is in")),
            None => Ok(()),
        }
    }

    /// The folder for results, made if it is missing.
    pub(super) fn made(&self) -> Result<&Path> {
        std::fs::create_dir_all(self.out()).map_err(Error::io(self.out()))?;
        Ok(self.out())
    }
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text,
    Image,
}

/// What feature files are called.
#[derive(Args, Debug)]
#[command(next_help_heading = "Results")]
pub(super) struct FeatureFiles {
    /// Name of the text features' file
    #[arg(long, value_name = "NAME", default_value = "text_feat.npy")]
    text_name: String,
    /// Name of the image features' file
    #[arg(long, value_name = "NAME", default_value = "image_feat.npy")]
    image_name: String,
}

impl FeatureFiles {
    pub(super) fn name(&self, part: Part) -> &str {
        match part {
            Part::Text => &self.text_name,
            Part::Image => &self.image_name,
        }
    }
}

/// Writes features with their mask and their provenance, which `complete` adds to, and says what is in them.
pub(super) fn write_features(
    catalogue: &Catalogue,
    table: &FeatureTable,
    path: &Path,
    complete: impl FnOnce(Provenance) -> Provenance,
) -> Result<()> {
    catalogue.write_ids()?;
    table.write(path, complete)?;
    let n_rows = catalogue.ids().iter().filter(|id| !id.is_empty()).count();
    let (n_masked, width) = (table.mask.reasons.len(), table.features.width());
    println!("{}: {} items of {n_rows}, {width} numbers each", path.display(), n_rows - n_masked);
    if let Some((id, reason)) = table.mask.reasons.first_key_value() {
        println!("    {n_masked} without content, listed beside it; the first is {id}: {reason}");
    }
    Ok(())
}
