//! A folder of data with its feature files.

use crate::shell::say;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use viral::data::{Provenance, is_there};
use viral::{Error, Result};
use viral_enrich::features::{Catalogue, FeatureTable};

/// Where the catalogue is, and where results go.
#[derive(Args, Debug)]
pub(super) struct Folder {
    /// Folder with items.jsonl: on each line an object with id, title and image
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

    /// Returns an error if a file is in the place of a folder, before anything is read or created.
    pub(super) fn check(&self) -> Result<()> {
        match [self.data.as_path(), self.out()].into_iter().find(|path| path.is_file()) {
            Some(file) => Err(Error::file(file, "is a file; name the folder that it is in")),
            None => Ok(()),
        }
    }

    /// The folder for results, created if it is missing.
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

/// Names of the feature files.
#[derive(Args, Debug)]
#[command(next_help_heading = "Results")]
pub(super) struct FeatureFiles {
    /// Name of the file of text features
    #[arg(long, value_name = "NAME", default_value = "text_feat.npy", value_parser = file_name)]
    text_name: String,
    /// Name of the file of image features
    #[arg(long, value_name = "NAME", default_value = "image_feat.npy", value_parser = file_name)]
    image_name: String,
}

/// Parses a file name within the folder of results.
pub(super) fn file_name(name: &str) -> std::result::Result<String, &'static str> {
    let is_plain = name.len() > ".npy".len() && name.ends_with(".npy") && !name.starts_with('.');
    match is_plain && !name.contains(['/', '\\', '\0']) {
        true => Ok(name.to_string()),
        false => Err("write the name of a file in the folder of results that ends in .npy, such as text_feat.npy"),
    }
}

impl FeatureFiles {
    /// Returns an error if both names are the same.
    pub(super) fn check(&self) -> Result<()> {
        match self.text_name == self.image_name {
            true => Err(Error::Config(format!("--text-name and --image-name are both {}; give two", self.text_name))),
            false => Ok(()),
        }
    }

    pub(super) fn name(&self, part: Part) -> &str {
        match part {
            Part::Text => &self.text_name,
            Part::Image => &self.image_name,
        }
    }
}

/// Opens the items of a data folder, and prints a line about those that get no features.
pub(super) fn open_catalogue(folder: &Folder) -> Result<Catalogue> {
    let catalogue = Catalogue::open(&folder.data)?;
    if let Some(left_out) = catalogue.left_out() {
        say!("{left_out}")?;
    }
    Ok(catalogue)
}

/// Writes features with their mask and their provenance, which `complete` adds to, and prints a summary.
pub(super) fn write_features(
    catalogue: &Catalogue,
    table: &FeatureTable,
    path: &Path,
    complete: impl FnOnce(Provenance) -> Provenance,
) -> Result<()> {
    catalogue.write_ids()?;
    let replaced = if is_there(path)? { ", in place of earlier ones" } else { "" };
    table.write(path, complete)?;
    let n_rows = catalogue.ids().iter().filter(|id| !id.is_empty()).count();
    let (n_masked, width) = (table.mask.reasons.len(), table.features.width());
    say!("{}: {} items of {n_rows}, {width} numbers each{replaced}", path.display(), n_rows - n_masked)?;
    if let Some((id, reason)) = table.mask.reasons.first_key_value() {
        say!("    {n_masked} without content, listed beside it; the first is {id}: {reason}")?;
    }
    Ok(())
}
