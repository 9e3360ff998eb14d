//! Imports matrices made elsewhere, such as the hidden states of a large vision-language model.

use super::catalogue::Catalogue;
use super::content::Content;
use super::table::FeatureTable;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use viral::data::{ItemFeatures, read_row_ids, sha256_of_file};

/// An imported matrix, in the order of a catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Feature rows and mask.
    pub table: FeatureTable,
    /// Number of rows about items that are not in the catalogue.
    pub n_strangers: usize,
    /// The two files and their SHA-256, for the provenance.
    pub inputs: [(PathBuf, String); 2],
}

/// Imports a matrix (`.npy`, `.safetensors`, `x.safetensors#name`) and puts its rows into the catalogue's order. Line n
/// of the file `ids` has the external id of row n. Items without a row, or with a row of zeros, are masked.
///
/// # Errors
/// Those of [`ItemFeatures::read`]; if the numbers of rows and ids differ, an id is empty or given twice (the line is
/// named), or no row is about an item of the catalogue.
pub fn import(catalogue: &Catalogue, matrix: impl AsRef<Path>, ids: impl AsRef<Path>) -> Result<Imported> {
    let (matrix, ids) = (matrix.as_ref(), ids.as_ref());
    let missing = || Error::file(ids, "missing; write the external id of each row, one a line");
    let (row_of, n_ids) = read_row_ids(ids)?.ok_or_else(missing)?;
    let features = ItemFeatures::read(matrix)?;
    let (n_rows, width) = (features.n_items(), features.width());
    if n_rows != n_ids {
        let message = format!("{n_rows} rows, but {} has {n_ids} lines; write one line for each row", ids.display());
        return Err(Error::file(matrix, message));
    }
    let mut vectors = Vec::new();
    let mut n_found = 0;
    let mut contents: Vec<Content> = Vec::with_capacity(catalogue.ids().len());
    for id in catalogue.ids() {
        let row = row_of.get(id).map(|&row| features.row(row));
        n_found += usize::from(row.is_some());
        contents.push(match row {
            Some(row) if row.iter().any(|&x| x != 0.0) => {
                vectors.extend_from_slice(row);
                Ok(String::new())
            }
            Some(_) => Err("a row of zeros where it came from".to_string()),
            None => Err("no row where it came from".to_string()),
        });
    }
    if n_found == 0 {
        let (ours, theirs) = (catalogue.ids().iter().find(|id| !id.is_empty()), row_of.keys().min());
        let name = |id: Option<&String>| id.map_or("", String::as_str).to_string();
        let message = format!("no id of the catalogue; here are such as `{}`, there `{}`", name(theirs), name(ours));
        return Err(Error::file(ids, message));
    }
    let table = FeatureTable::new(catalogue.ids(), &contents, width, &vectors)?;
    let of = |path: &Path| Ok::<_, Error>((path.to_path_buf(), sha256_of_file(path)?));
    let inputs = [of(ItemFeatures::file_of(matrix))?, of(ids)?];
    Ok(Imported { table, n_strangers: n_ids - n_found, inputs })
}
