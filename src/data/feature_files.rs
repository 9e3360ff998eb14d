//! The feature files of a folder: finds them by name, reads them and aligns their rows with the items.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::inter::Flaw;
use super::sidecar::read_row_ids;
use super::{AttributeOptions, Attributes, Ids, ItemFeatures, Mask, Modality, Provenance, ReadOptions, is_there};
use crate::{Error, Result};

/// Finds the feature file of each modality: those that `options` names, and those in the folder that are named
/// `<modality>_feat.npy` or `.safetensors`.
pub(super) fn find(dir: &Path, options: &ReadOptions) -> Result<BTreeMap<Modality, PathBuf>> {
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        names.push(entry.map_err(Error::io(dir))?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    let mut found: BTreeMap<Modality, String> = BTreeMap::new();
    for name in names {
        let stem = name.strip_suffix(".npy").or_else(|| name.strip_suffix(".safetensors"));
        let Some(word) = stem.and_then(|stem| stem.strip_suffix("_feat")) else { continue };
        let modality = match (Modality::named(word), &options.only) {
            (Ok(modality), None) => modality,
            (Ok(modality), Some(only)) if only.contains(&modality) => modality,
            (_, Some(_)) => continue,
            (Err(error), None) => {
                let message = format!("{error}; rename the file, or say which modalities to read (--modality NAME)");
                return Err(Error::file(dir.join(&name), message));
            }
        };
        if options.files.contains_key(&modality) {
            continue;
        }
        if let Some(other) = found.insert(modality, name.clone()) {
            let message = format!("{other} is there as well; remove or rename one of the two");
            return Err(Error::file(dir.join(&name), message));
        }
    }
    for modality in options.only.iter().flatten() {
        if !found.contains_key(modality) && !options.files.contains_key(modality) {
            let (stem, path) = (modality.file_stem(), dir.join(format!("{}.npy", modality.file_stem())));
            let message = format!(
                "is not there, nor is {stem}.safetensors; name the file of {modality} features (--modality {modality}=FILE)"
            );
            return Err(Error::file(path, message));
        }
    }
    let named = options.files.iter().map(|(modality, path)| (modality.clone(), dir.join(path)));
    Ok(found.into_iter().map(|(modality, name)| (modality, dir.join(name))).chain(named).collect())
}

/// Returns those of the files whose order of rows nothing confirms, in a folder with `items.jsonl`: they have no
/// [`Provenance`]. In other folders the integer ids, or `item_ids.txt`, were made for the features.
pub(super) fn unconfirmed(dir: &Path, files: &BTreeMap<Modality, PathBuf>) -> Result<Vec<PathBuf>> {
    let mut unconfirmed = Vec::new();
    if is_there(dir.join("items.jsonl"))? {
        for path in files.values() {
            let names_items = path.extension().is_some_and(|extension| extension == "jsonl");
            if !names_items && !is_there(Provenance::path_beside(path))? {
                unconfirmed.push(path.clone());
            }
        }
    }
    Ok(unconfirmed)
}

/// The items that the rows of a folder's feature files must match.
pub(super) struct Rows<'a> {
    /// The folder.
    pub(super) dir: &'a Path,
    /// The file of interactions.
    pub(super) inter: &'a Path,
    /// The items of the interaction file.
    pub(super) items: &'a Ids,
    /// The first item whose id is not a plain integer.
    pub(super) odd_item: Option<&'a Flaw>,
    /// External ids of the items.
    pub(super) names: &'a [String],
    /// The largest integer id in the mapping, which may list items without interactions.
    pub(super) max_mapped: Option<u64>,
    /// Set to the number of lines of `item_ids.txt` about items without interactions.
    pub(super) n_unused: &'a Cell<usize>,
}

/// Reads features and puts their rows into the order of the dense item indices.
///
/// `hashes` caches the hashes of input files: several feature files are made from one catalogue.
pub(super) fn read(path: &Path, rows: &Rows<'_>, hashes: &mut HashMap<PathBuf, String>) -> Result<ItemFeatures> {
    let Rows { dir, inter, items, odd_item, names, max_mapped, n_unused } = *rows;
    // Attribute files name the item in every line, so their order does not matter.
    if path.extension().is_some_and(|extension| extension == "jsonl") {
        let attributes = Attributes::read(path, AttributeOptions::default())?;
        let count = |ids: &[String]| ids.iter().filter(|id| !attributes.of(id).is_empty()).count();
        return attributes.features(if count(names) > count(items.names()) { names } else { items.names() });
    }
    let features = ItemFeatures::read(path)?;
    let n_rows = features.n_items();
    let provenance = Provenance::read_beside(path)?;
    let mut select = |features: ItemFeatures, rows: &[usize]| {
        if let Some(provenance) = &provenance {
            provenance.check_inputs(path, hashes)?;
            provenance.check(path, &features, names, rows)?;
        }
        let features = features.select(rows);
        if let Some(mask) = Mask::read_beside(path)? {
            mask.check(path, &features, names)?;
        }
        Ok(features)
    };

    let ids_path = dir.join("item_ids.txt");
    if let Some((row_of, n_ids)) = read_row_ids(&ids_path)? {
        if n_rows != n_ids {
            let message = format!("{n_rows} rows, but item_ids.txt has {n_ids} lines; write one line for each row");
            return Err(Error::file(path, message));
        }
        n_unused.set(n_ids.saturating_sub(items.len()));
        return select(features, &rows_by_id(&row_of, rows, &ids_path)?);
    }
    let Some(numbers) = items.numbers() else {
        let odd = odd_item.map_or_else(String::new, |odd| {
            format!(", such as `{}` in {}:{}", odd.message, odd.path.display(), odd.line)
        });
        let message = format!(
            "missing, but not all item ids of {} are plain integers{odd}; write one item id a line, in the order of the rows of {}",
            inter.display(),
            path.display()
        );
        return Err(Error::file(&ids_path, message));
    };
    let largest = numbers.last().copied().max(max_mapped).unwrap_or_default();
    if n_rows as u64 != largest.saturating_add(1) {
        let message = format!(
            "{n_rows} rows, but item ids run to {largest} ({}), which makes {} rows; \
             give the item with id n row n, or list the ids of the rows in item_ids.txt",
            inter.display(),
            largest.saturating_add(1)
        );
        return Err(Error::file(path, message));
    }
    let rows: Vec<usize> = numbers.iter().map(|&number| number as usize).collect();
    select(features, &rows)
}

/// Returns the feature row of each item from the lines of `item_ids.txt`, by id or else by the name in the mapping.
fn rows_by_id(row_of: &HashMap<String, usize>, rows: &Rows<'_>, ids_path: &Path) -> Result<Vec<usize>> {
    let Rows { inter, items, names, .. } = *rows;
    let of = |ids: &[String]| ids.iter().map(|id| row_of.get(id).copied()).collect::<Option<Vec<usize>>>();
    if let Some(rows) = of(items.names()).or_else(|| of(names)) {
        return Ok(rows);
    }
    let count = |ids: &[String]| ids.iter().filter(|id| row_of.contains_key(*id)).count();
    let (by_id, by_name) = (count(items.names()), count(names));
    let ids = if by_name > by_id { names } else { items.names() };
    let missing = ids.iter().find(|id| !row_of.contains_key(*id)).map_or("", String::as_str);
    let line = row_of.iter().min_by_key(|(_, row)| **row).map_or("", |(line, _)| line);
    let message = match by_id + by_name {
        0 => format!(
            "no line is an item of {}: lines are like `{line}`, items like `{missing}`; write the same ids in both",
            inter.display()
        ),
        _ => format!("no line for item {missing} of {}; add it and its feature row", inter.display()),
    };
    Err(Error::file(ids_path, message))
}

#[cfg(test)]
mod tests {
    use super::super::load::tests::{INTER, folder, message, read as read_folder};
    use super::super::safetensors::tests::file as safetensors;
    use super::super::{Dataset, Features, Origin};
    use super::*;
    use ::safetensors::Dtype;

    fn first_values(features: &Features) -> Vec<(String, f32)> {
        features.iter().map(|(modality, rows)| (modality.to_string(), rows.values()[1])).collect()
    }

    #[test]
    fn every_feature_file_is_read_unless_some_are_named() -> Result<()> {
        let files = [
            INTER,
            ("audio_feat.npy", "9"),
            ("image_feat.npy", "9"),
            ("clip-b32_feat.npy", "9"),
            ("text_knn_idx.npy", "3"),
            ("text_feat.npy.bak", "9"),
            ("titles.npy", "9"),
        ];
        let names = |options: &ReadOptions| -> Result<String> {
            let data = read_folder(&files, options)?;
            Ok(data.features().modalities().map(Modality::as_str).collect::<Vec<_>>().join(" "))
        };
        let all = ReadOptions::new();
        assert_eq!(names(&all)?, "visual audio clip-b32");
        assert_eq!(names(&all.clone().only([Modality::Audio]))?, "audio");
        assert_eq!(
            names(&all.clone().only([Modality::Audio]).with_modality(Modality::Text, "titles.npy"))?,
            "text audio"
        );
        assert_eq!(names(&all.clone().with_modality(Modality::Text, "titles.npy"))?, "text visual audio clip-b32");
        assert_eq!(names(&all.with_modality(Modality::Text, "titles.npy").without_features())?, "");
        Ok(())
    }

    #[test]
    fn a_named_modality_must_be_there() -> Result<()> {
        let options = ReadOptions::new().with_modality(Modality::Visual, "audio_feat.npy");
        assert!(message(&[INTER], &options).starts_with("audio_feat.npy: "));
        let missing = message(&[INTER, ("text_feat.npy", "9")], &ReadOptions::new().only([Modality::Visual]));
        assert!(missing.starts_with("image_feat.npy: is not there, nor is image_feat.safetensors"), "{missing}");
        assert!(missing.contains("--modality visual=FILE"), "{missing}");
        // The named file replaces the usual one, which may then hold anything.
        let files = [INTER, ("audio_feat.npy", "9"), ("image_feat.npy", "1")];
        let data = read_folder(&files, &options)?;
        assert_eq!(first_values(data.features()), [("visual".to_string(), 10.0), ("audio".to_string(), 10.0)]);
        Ok(())
    }

    #[test]
    fn files_that_name_no_modality_or_one_twice_are_named() -> Result<()> {
        let files = [INTER, ("Text_feat.npy", "9"), ("text_feat.npy", "9")];
        let found = message(&files, &ReadOptions::new());
        assert!(found.starts_with("Text_feat.npy: 'Text' names no modality") && found.contains("rename"), "{found}");
        assert_eq!(read_folder(&files, &ReadOptions::new().only([Modality::Text]))?.features().len(), 1);
        let twice = message(&[INTER, ("image_feat.npy", "9"), ("visual_feat.npy", "9")], &ReadOptions::new());
        assert!(twice.starts_with("visual_feat.npy: image_feat.npy is there as well"), "{twice}");
        Ok(())
    }

    #[test]
    fn features_must_have_a_row_for_every_id() {
        for rows in ["8", "5", "10"] {
            let expected = format!(
                "text_feat.npy: {rows} rows, but item ids run to 8 (toy.inter), which makes 9 rows; \
                 give the item with id n row n, or list the ids of the rows in item_ids.txt"
            );
            assert_eq!(message(&[INTER, ("text_feat.npy", rows)], &ReadOptions::new()), expected);
        }
        assert!(read_folder(&[INTER, ("text_feat.npy", "9")], &ReadOptions::new()).is_ok());
    }

    #[test]
    fn rows_that_only_their_order_ties_to_items_are_named() -> Result<()> {
        let all = [("items.jsonl", ""), ("text_feat.npy", "1"), ("audio_feat.npy", "1")];
        let names = |n: usize, options: ReadOptions| -> Result<Vec<String>> {
            let (_outer, dir) = folder(&all[3 - n..]);
            Provenance::new(vec!["a".into()], 1).write_beside(dir.join("text_feat.npy"))?;
            let found = unconfirmed(&dir, &find(&dir, &options)?)?;
            Ok(found.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
        };
        assert_eq!(names(3, ReadOptions::new())?, ["audio_feat.npy"]);
        assert_eq!(names(2, ReadOptions::new())?, [""; 0]);
        assert_eq!(names(3, ReadOptions::new().only([Modality::Text]))?, [""; 0]);
        Ok(())
    }

    #[test]
    fn named_items_need_the_order_of_the_rows() -> Result<()> {
        let inter = ("toy.inter", "user,item,label\nann,cup,0\nann,cot,1\nzoe,cot,0\nzoe,cup,2\n");
        let text = ("text_feat.npy", "3");
        let expected = "item_ids.txt: missing, but not all item ids of toy.inter are plain integers, such as `cup` in toy.inter:2; \
                        write one item id a line, in the order of the rows of text_feat.npy";
        assert_eq!(message(&[inter, text], &ReadOptions::new()), expected);
        let lines = ("item_ids.txt", "cot\nbib\ncup\n");
        let (_outer, dir) = folder(&[inter, text, lines]);
        let (data, report) = Dataset::read_reported(dir, &ReadOptions::new())?;
        assert_eq!(report.to_string(), "1 rows of item_ids.txt about items without interactions are left out");
        assert_eq!(data.item_ids, ["cup", "cot"]);
        assert_eq!(data.features().get(&Modality::Text).map(ItemFeatures::values), Some(&[20.0, 0.0][..]));
        let expected = "item_ids.txt: no line for item cot of toy.inter; add it and its feature row";
        assert_eq!(message(&[inter, text, ("item_ids.txt", "a\nbib\ncup\n")], &ReadOptions::new()), expected);
        let expected = "text_feat.npy: 3 rows, but item_ids.txt has 2 lines; write one line for each row";
        assert_eq!(message(&[inter, text, ("item_ids.txt", "cup\ncot\n")], &ReadOptions::new()), expected);
        Ok(())
    }

    #[test]
    fn features_are_held_to_their_provenance() -> Result<()> {
        let (_outer, dir) = folder(&[INTER, ("text_feat.npy", "9")]);
        let path = dir.join("text_feat.npy");
        let mut ids: Vec<String> = (0..9).map(|n: u32| n.to_string()).collect();
        ids[4] = "unused".to_string();
        Provenance::new(ids.clone(), 1).write_beside(&path)?;
        assert_eq!(Dataset::read(&dir)?.features().len(), 1);
        ids.swap(7, 8);
        Provenance::new(ids, 1).write_beside(&path)?;
        let message = Dataset::read(&dir).unwrap_err().to_string();
        let expected = "text_feat.npy: 2 of 9 rows are other items': \
                        row 7 is of item 8 by text_feat.npy.provenance.json, here of 7; row 8 is of item 7";
        assert!(message.contains(expected), "{message}");
        // With a mapping, names are compared instead of ids.
        let mapping = "asin\titemID\nA\t0\nB\t1\nC\t2\nD\t7\nE\t8\n";
        std::fs::write(dir.join("i_id_mapping.csv"), mapping).unwrap();
        let names = ["A", "B", "C", "", "", "", "", "D", "E"].map(str::to_string);
        Provenance::new(names.to_vec(), 1).write_beside(&path)?;
        assert!(Dataset::read(&dir).is_ok());
        Ok(())
    }

    #[test]
    fn features_of_inputs_that_have_changed_are_refused_with_what_to_run() -> Result<()> {
        let titles = ("items.jsonl", "{\"id\": \"0\", \"title\": \"Cup\"}\n");
        let (_outer, dir) = folder(&[INTER, titles, ("text_feat.npy", "9"), ("image_feat.npy", "9")]);
        let ids: Vec<String> = (0..9).map(|n: u32| n.to_string()).collect();
        let sha256 = super::super::sha256_of_file(dir.join("items.jsonl"))?;
        for file in ["text_feat.npy", "image_feat.npy"] {
            let provenance = Provenance::new(ids.clone(), 1).with_input("items.jsonl", &sha256);
            // A missing input cannot have changed.
            let provenance = provenance.with_input("elsewhere.npy", "00").with_input("../toy/toy.inter", "00");
            provenance.with_encoder(Origin::named("encoder")).write_beside(dir.join(file))?;
        }
        assert_eq!(Dataset::read(&dir)?.features().len(), 2);
        std::fs::write(dir.join("items.jsonl"), "{\"id\": \"0\", \"title\": \"Mug\"}\n").unwrap();
        let message = Dataset::read(&dir).unwrap_err().to_string();
        let words = ["text_feat.npy: ", "items.jsonl", "changed", "viral encode --data", "provenance.json"];
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        assert!(Dataset::read_with(&dir, &ReadOptions::new().without_features()).is_ok());
        Ok(())
    }

    #[test]
    fn rows_named_by_catalogue_names() -> Result<()> {
        let mapping = ("i_id_mapping.csv", "asin\titemID\nA\t0\nB\t1\nC\t2\nD\t7\nE\t8\n");
        let of = |ids: &str, rows: &str| -> Result<Vec<f32>> {
            let files = [INTER, mapping, ("item_ids.txt", ids), ("text_feat.npy", rows)];
            let data = read_folder(&files, &ReadOptions::new())?;
            Ok(data.features().get(&Modality::Text).unwrap().values().to_vec())
        };
        assert_eq!(of("E\nD\nX\nC\nB\nA\n", "6")?, of("8\n7\n5\n2\n1\n0\n", "6")?);
        assert_eq!(of("A\nB\nC\nD\nE\n", "5")?, [0.0, 10.0, 20.0, 30.0, 40.0]);
        for (ids, words) in [
            ("A\nB\nC\nD\nX\n", "no line for item E"),
            ("0\nB\n2\n7\n9\n", "no line for item 1"),
            ("a\nb\nc\nd\ne\n", "lines are like `a`, items like `0`"),
        ] {
            let message = of(ids, "5").unwrap_err().to_string();
            assert!(message.contains("item_ids.txt: ") && message.contains(words), "{message}");
        }
        Ok(())
    }

    #[test]
    fn the_usual_features_may_come_in_either_format_but_not_in_both() -> Result<()> {
        let (_outer, dir) = folder(&[INTER]);
        let rows: Vec<u8> = (0..9u16).flat_map(|row| f32::from(row).to_le_bytes()).collect();
        let bytes = safetensors(&[("x", Dtype::F32, &[9, 1], rows)]);
        std::fs::write(dir.join("text_feat.safetensors"), bytes).unwrap();
        let data = Dataset::read(&dir)?;
        assert_eq!(
            data.features().get(&Modality::Text).map(ItemFeatures::values),
            Some(&[0.0, 1.0, 2.0, 7.0, 8.0][..])
        );
        std::fs::write(dir.join("text_feat.npy"), []).unwrap();
        let both = Dataset::read(&dir).unwrap_err().to_string();
        assert!(both.contains("text_feat.safetensors: text_feat.npy is there as well"), "{both}");
        Ok(())
    }
}
