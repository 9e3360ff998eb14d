//! Maps the feature rows of a folder to items.

use std::collections::HashSet;
use std::path::Path;

use super::ids::plain_number;
use super::sidecar::{read_pairs, read_row_ids};
use crate::{Error, Result};

/// Maximum number of unused rows that integer ids may cause; ids with larger gaps are treated as names.
const MOST_GAPS: usize = 1 << 20;

/// Returns the external id of each feature row in a folder: from line n of `item_ids.txt`, which may be an id in
/// `i_id_mapping.csv` or the name mapped to it, or else the name of number n in `i_id_mapping.csv`. Rows without an
/// item have an empty id. `None` if neither file exists.
///
/// # Errors
/// A file that cannot be read; without `item_ids.txt`, ids in the mapping that are not integers or have large gaps.
pub fn feature_rows(dir: impl AsRef<Path>) -> Result<Option<Vec<String>>> {
    let (ids_path, mapping_path) = (dir.as_ref().join("item_ids.txt"), dir.as_ref().join("i_id_mapping.csv"));
    let names = read_pairs(&mapping_path, "itemID")?;
    if let Some((row_of, n_rows)) = read_row_ids(&ids_path)? {
        let mut rows = vec![String::new(); n_rows];
        // Lines are taken for ids if at least as many of them are known ids as known names.
        let by_id = names.as_ref().filter(|names| {
            let known: HashSet<&str> = names.values().map(String::as_str).collect();
            let n_ids = row_of.keys().filter(|&line| names.contains_key(line)).count();
            n_ids >= row_of.keys().filter(|line| known.contains(line.as_str())).count()
        });
        for (line, row) in row_of {
            // Rows may belong to items that are not in the catalogue.
            rows[row] = match by_id {
                Some(names) => names.get(&line).cloned().unwrap_or_default(),
                None => line,
            };
        }
        return Ok(Some(rows));
    }
    let Some(names) = names else { return Ok(None) };
    let rows = rows_by_number(names.iter().map(|(id, name)| (id.as_str(), name.as_str())));
    rows.map(Some).ok_or_else(|| {
        let message =
            "item ids are not integers without large gaps, so rows have no order; list one id a line in item_ids.txt";
        Error::file(mapping_path, message)
    })
}

/// Puts the name of integer id n into row n; `None` if an id is not an integer or the gaps are too large.
pub fn rows_by_number<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Vec<String>> {
    let numbered = pairs.map(|(id, name)| Some((usize::try_from(plain_number(id)?).ok()?, name)));
    let numbered: Vec<(usize, &str)> = numbered.collect::<Option<_>>()?;
    let n_rows = numbered.iter().map(|&(number, _)| number).max().map_or(Some(0), |max| max.checked_add(1))?;
    if n_rows > numbered.len() + MOST_GAPS {
        return None;
    }
    let mut rows = vec![String::new(); n_rows];
    for (number, name) in numbered {
        rows[number] = name.to_string();
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_the_list_or_the_numbers() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(feature_rows(folder.path())?, None);
        write("i_id_mapping.csv", "asin\titemID\nB\t3\nA\t0\n");
        assert_eq!(feature_rows(folder.path())?.unwrap(), ["A", "", "", "B"]);
        write("item_ids.txt", "3\n7\n0\n");
        assert_eq!(feature_rows(folder.path())?.unwrap(), ["B", "", "A"]);
        write("item_ids.txt", "B\nA\n");
        assert_eq!(feature_rows(folder.path())?.unwrap(), ["B", "A"]);
        write("item_ids.txt", "3\n7\n0\n");
        std::fs::remove_file(folder.path().join("i_id_mapping.csv")).unwrap();
        assert_eq!(feature_rows(folder.path())?.unwrap(), ["3", "7", "0"]);
        std::fs::remove_file(folder.path().join("item_ids.txt")).unwrap();
        for ids in ["x", "99999999999"] {
            write("i_id_mapping.csv", &format!("asin\titemID\nB\t{ids}\n"));
            let message = feature_rows(folder.path()).unwrap_err().to_string();
            assert!(message.contains("i_id_mapping.csv: item ids are not integers without large gaps"), "{message}");
        }
        Ok(())
    }
}
