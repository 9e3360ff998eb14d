//! The folder that [`Dataset::read`](viral::data::Dataset::read) takes.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::log::Dense;
use super::metadata::CatalogueItem;
use crate::{Error, Result};
use viral::data::{Part, WholeFile};

/// Writes everything; files take their places only when all of them are complete, the interactions last.
pub(super) fn write_folder(
    folder: &Path,
    name: &str,
    data: &Dense,
    parts: &[Part],
    items: &[CatalogueItem],
    report: &impl Serialize,
) -> Result<()> {
    let files = [
        mapping(&folder.join("u_id_mapping.csv"), "user_id\tuserID", &data.user_ids)?,
        // The name that MMRec's own files have, whatever the catalogue.
        mapping(&folder.join("i_id_mapping.csv"), "asin\titemID", &data.item_ids)?,
        items_file(&folder.join("items.jsonl"), items)?,
        report_file(&folder.join("coverage.json"), report)?,
        interactions(&folder.join(format!("{name}.inter")), data, parts)?,
    ];
    files.into_iter().try_for_each(WholeFile::commit)
}

fn mapping(path: &Path, header: &str, ids: &[String]) -> Result<WholeFile> {
    let mut file = WholeFile::create(path)?;
    file.write(format!("{header}\n").as_bytes())?;
    ids.iter().enumerate().try_for_each(|(index, id)| file.write(format!("{id}\t{index}\n").as_bytes()))?;
    Ok(file)
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
        // A string takes whatever is written to it.
        written.and_then(|()| writeln!(line, "\t{label}")).map_err(|e| Error::file(path, e.to_string()))?;
        file.write(line.as_bytes())?;
    }
    Ok(file)
}
