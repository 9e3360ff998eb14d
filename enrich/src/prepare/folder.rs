//! Writes the folder that [`Dataset::read`](viral::data::Dataset::read) reads.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::log::Dense;
use super::metadata::CatalogueItem;
use crate::{Error, Result};
use viral::data::{Part, Provenance, WholeFile, read_text};

/// Writes all files. They are moved into place only when all are complete, the interactions last.
pub(super) fn write_folder(
    folder: &Path,
    name: &str,
    data: &Dense,
    parts: &[Part],
    items: &[CatalogueItem],
    report: &impl Serialize,
) -> Result<()> {
    let files = [
        mapping(folder, ("u_id_mapping.csv", "user_id\tuserID"), &data.user_ids)?,
        mapping(folder, ITEMS, &data.item_ids)?,
        items_file(&folder.join("items.jsonl"), items)?,
        report_file(&folder.join("coverage.json"), report)?,
        interactions(&folder.join(format!("{name}.inter")), data, parts)?,
    ];
    files.into_iter().try_for_each(WholeFile::commit)
}

/// Name and header of the mapping of items, as in MMRec's own files, whatever the catalogue.
const ITEMS: (&str, &str) = ("i_id_mapping.csv", "asin\titemID");

fn mapping(folder: &Path, (name, header): (&str, &str), ids: &[String]) -> Result<WholeFile> {
    let mut file = WholeFile::create(folder.join(name))?;
    file.write(mapping_text(header, ids).as_bytes())?;
    Ok(file)
}

fn mapping_text(header: &str, ids: &[String]) -> String {
    let lines = ids.iter().enumerate().map(|(index, id)| format!("{id}\t{index}\n"));
    std::iter::once(format!("{header}\n")).chain(lines).collect()
}

/// Refuses to put new items beside features without provenance that were made for other items: their row n would be
/// read as that of the new item n. Features with provenance name their items, and are refused when they are read.
pub(super) fn refuse_foreign_features(folder: &Path, data: &Dense) -> Result<()> {
    let before = folder.join(ITEMS.0);
    if !before.exists() || read_text(&before)? == mapping_text(ITEMS.1, &data.item_ids) {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    for entry in entries {
        let path = entry.map_err(Error::io(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let has_provenance = Provenance::path_beside(&path).exists();
        if (name.ends_with("_feat.npy") || name.ends_with("_feat.safetensors")) && !has_provenance {
            return Err(Error::file(
                path,
                "is of the items that are here now, and nothing beside it says which; the new ones are others. Move it away, and make \
                 it anew or import it with ids (viral import)",
            ));
        }
    }
    Ok(())
}

fn items_file(path: &Path, items: &[CatalogueItem]) -> Result<WholeFile> {
    let mut file = WholeFile::create(path)?;
    for item in items {
        file.write(&json(path, serde_json::to_vec(item))?)?;
    }
    Ok(file)
}

fn report_file(path: &Path, report: &impl Serialize) -> Result<WholeFile> {
    let mut file = WholeFile::create(path)?;
    file.write(&json(path, serde_json::to_vec_pretty(report))?)?;
    Ok(file)
}

fn json(path: &Path, text: serde_json::Result<Vec<u8>>) -> Result<Vec<u8>> {
    let mut text = text.map_err(|e| Error::file(path, format!("cannot be written: {e}")))?;
    text.push(b'\n');
    Ok(text)
}

fn interactions(path: &Path, data: &Dense, parts: &[Part]) -> Result<WholeFile> {
    let mut file = WholeFile::create(path)?;
    let (has_ratings, has_times) = (!data.ratings.is_empty(), !data.times.is_empty());
    let rating = if has_ratings { "\trating" } else { "" };
    let time = if has_times { "\ttimestamp" } else { "" };
    file.write(format!("userID\titemID{rating}{time}\tx_label\n").as_bytes())?;
    let mut line = String::new();
    for (row, ((user, item), part)) in data.pairs.iter().zip(parts).enumerate() {
        let label = match part {
            Part::Train => 0,
            Part::Valid => 1,
            Part::Test => 2,
        };
        line.clear();
        let mut written = write!(line, "{user}\t{item}");
        for values in [&data.ratings, &data.times] {
            if let Some(value) = values.get(row) {
                written = written.and_then(|()| write!(line, "\t{value}"));
            }
        }
        // Writing to a string never fails.
        written.and_then(|()| writeln!(line, "\t{label}")).map_err(|e| Error::file(path, e.to_string()))?;
        file.write(line.as_bytes())?;
    }
    Ok(file)
}
