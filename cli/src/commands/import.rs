//! `viral import`: features made elsewhere, put into the catalogue's order.

use super::folder::{FeatureFiles, Folder, Part, open_catalogue, write_features};
use crate::shell::say;
use clap::Args;
use std::path::PathBuf;
use viral::Result;
use viral::data::{Origin, Provenance};
use viral_enrich::features::{FeatureTable, import};

/// Imports features made elsewhere, such as the hidden states of a large model.
///
/// Row n of the matrix is about the item that line n of --ids names. Rows are put into the catalogue's order; items without
/// a row, or with a row of zeros, are listed beside the features.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  viral import states.safetensors#hidden --ids ids.txt --only image --data data/baby"
)]
pub(crate) struct Arguments {
    /// Matrix with one row per item: .npy or .safetensors, FILE.safetensors#NAME for one of several
    #[arg(value_name = "FILE")]
    matrix: PathBuf,
    /// External ids of its rows, one per line
    #[arg(long, value_name = "FILE")]
    ids: PathBuf,
    /// Which features they become
    #[arg(long, value_enum)]
    only: Part,
    /// Name of the model that made them, for the provenance
    #[arg(long)]
    model: Option<String>,
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    files: FeatureFiles,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.folder.check()?;
    arguments.files.check()?;
    let path = arguments.folder.made()?.join(arguments.files.name(arguments.only));
    // A foreign file at that place is found before the matrix is read.
    FeatureTable::check_free(&path)?;
    let catalogue = open_catalogue(&arguments.folder)?;
    let imported = import(&catalogue, &arguments.matrix, &arguments.ids)?;
    if imported.n_strangers > 0 {
        say!("{} rows are about items that the catalogue does not have; left out", imported.n_strangers)?;
    }
    write_features(&catalogue, &imported.table, &path, |new| {
        let model = arguments.model.as_ref().map(Origin::named);
        let named =
            imported.inputs.iter().map(|(input, sha256)| (Provenance::input_name(input, &path), sha256.clone()));
        Provenance { inputs: named.collect(), model, ..new }
    })
}
