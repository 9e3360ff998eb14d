//! From a folder of files to a [`Dataset`].

use std::path::{Path, PathBuf};

use super::sidecar::{read_mapping, read_row_ids, read_titles};
use super::split::{RATIOS, random_split, temporal_split};
use super::{
    Dataset, FeatureFile, Features, Ids, InterFile, Interactions, ItemFeatures, Mask, Modality, Part, Provenance,
    ReadOptions, SplitPolicy, TrainSet,
};
use crate::{Error, Result};

impl Dataset {
    /// Reads a folder:
    ///
    /// | file | |
    /// |---|---|
    /// | `<name>.inter` | the interactions, see [`InterFile`] |
    /// | `text_feat.npy`, `image_feat.npy` | features, optional, or `.safetensors`: row n for the item with the integer id n |
    /// | `i_id_mapping.csv`, `u_id_mapping.csv` | optional: names (`asin`) and ids; the names become external ids |
    /// | `items.jsonl` | optional: `{"id": external id, "title": …}` a line |
    /// | `item_ids.txt` | needed for features when item ids are not integers: one id a line, line n for row n |
    ///
    /// Where [`Provenance`] or a [`Mask`](super::Mask) lies beside a feature file, the features are held to it.
    ///
    /// # Errors
    /// All of [`InterFile::read`]'s and [`ItemFeatures::read`]'s; features with another number of rows than there are
    /// item ids; features whose provenance names other items; a train, valid or test part without interactions.
    pub fn read(dir: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let dir = dir.as_ref();
        let name = match &options.name {
            Some(name) => name.clone(),
            None => folder_name(dir)?,
        };
        let path = dir.join(format!("{name}.inter"));
        let file = InterFile::read_with(&path, options.duplicates)?;
        let parts = split(&path, &file, options.split)?;

        let users = read_mapping(&dir.join("u_id_mapping.csv"), "userID", &file.users)?;
        let items = read_mapping(&dir.join("i_id_mapping.csv"), "itemID", &file.items)?;
        let max_number = items.as_ref().and_then(|items| items.max_number);
        let names = items.as_ref().map_or(file.items.names(), |items| &items.names);
        let features = |source: &FeatureFile, usual: &str| {
            read_features(dir, source, usual, &path, (&file.items, names), max_number)
        };
        let mut content = Features::new();
        for (modality, source) in [(Modality::Text, &options.text), (Modality::Visual, &options.visual)] {
            let usual = modality.file_stem();
            if let Some(found) = features(source, usual.as_str())? {
                content.insert(modality, found);
            }
        }

        let (n_users, n_items) = (file.users.len(), file.items.len());
        let [interactions, valid, test] = [Part::Train, Part::Valid, Part::Test].map(|part| {
            let of_part = file.rows.iter().zip(&parts).filter(|&(_, &p)| p == part);
            let pairs: Vec<(u32, u32)> = of_part.map(|(row, _)| (row.user, row.item)).collect();
            Interactions::from_pairs(n_users, n_items, &pairs)
        });
        let user_ids = users.map_or_else(|| file.users.into_names(), |users| users.names);
        let item_ids = items.map_or_else(|| file.items.into_names(), |items| items.names);
        let titles = read_titles(&dir.join("items.jsonl"), &item_ids)?;
        let data = Self::new(name, TrainSet { interactions, features: content }, valid, test)?
            .with_user_ids(user_ids)?
            .with_item_ids(item_ids)?;
        match titles {
            Some(titles) => data.with_titles(titles),
            None => Ok(data),
        }
    }
}

/// The folder's own name, also of `.` and `..`.
fn folder_name(dir: &Path) -> Result<String> {
    let full = dir.canonicalize().map_err(Error::io(dir))?;
    let name = full.file_name().ok_or_else(|| Error::file(dir, "a folder without a name; set ReadOptions::name"))?;
    Ok(name.to_string_lossy().into_owned())
}

/// How to read what has neither labels nor times, for a program and on the command line.
const RANDOM: &str = "SplitPolicy::Random (--split random)";

/// The part of each row; fails when a part is empty.
fn split(path: &Path, file: &InterFile, policy: Option<SplitPolicy>) -> Result<Vec<Part>> {
    let lacking = |column: &str, without: &str, instead: &str| {
        let message = format!("no {column} column, so no {without}; add one, or read with {instead}");
        Error::line(path, 1, message)
    };
    let parts = match policy.unwrap_or(SplitPolicy::ByLabel) {
        SplitPolicy::ByLabel => {
            let instead = "SplitPolicy::Random or ::Temporal (--split random, temporal)";
            file.parts().ok_or_else(|| lacking("x_label", "valid or test part", instead))?
        }
        SplitPolicy::Random { seed } => random_split(&file.pairs(), RATIOS, seed),
        SplitPolicy::Temporal => {
            let times = file.times().ok_or_else(|| lacking("timestamp", "temporal split", RANDOM))?;
            temporal_split(&file.pairs(), &times, RATIOS)
        }
    };
    let all = [(Part::Train, "train"), (Part::Valid, "valid"), (Part::Test, "test")];
    let missing: Vec<&str> = all.iter().filter(|(part, _)| !parts.contains(part)).map(|&(_, name)| name).collect();
    if missing.is_empty() {
        return Ok(parts);
    }
    let advice = match policy {
        None | Some(SplitPolicy::ByLabel) => {
            format!("label rows 0 (train), 1 (valid) and 2 (test), or read with {RANDOM}")
        }
        _ => "give users three interactions or more, or label the rows".to_string(),
    };
    Err(Error::file(path, format!("no {} part among {} rows; {advice}", missing.join(" or "), parts.len())))
}

/// The feature file of that name, in either format.
fn usual_file(dir: &Path, name: &str) -> Result<Option<PathBuf>> {
    let mut found = None;
    for path in ["npy", "safetensors"].map(|format| dir.join(format!("{name}.{format}"))) {
        if path.try_exists().map_err(Error::io(&path))? {
            if found.is_some() {
                return Err(Error::file(
                    &path,
                    format!("{name}.npy is there as well; remove or rename one of the two"),
                ));
            }
            found = Some(path);
        }
    }
    Ok(found)
}

/// Reads features and puts their rows into dense order. `names` are the external ids of `items`.
fn read_features(
    dir: &Path,
    source: &FeatureFile,
    usual: &str,
    inter: &Path,
    (items, names): (&Ids, &[String]),
    max_mapped: Option<u64>,
) -> Result<Option<ItemFeatures>> {
    let path = match source {
        FeatureFile::Without => return Ok(None),
        FeatureFile::At(path) => dir.join(path),
        FeatureFile::Usual => match usual_file(dir, usual)? {
            Some(path) => path,
            None => return Ok(None),
        },
    };
    let features = ItemFeatures::read(&path)?;
    let n_rows = features.n_items();
    let provenance = Provenance::read_beside(&path)?;
    let select = |features: ItemFeatures, rows: &[usize]| {
        if let Some(provenance) = &provenance {
            provenance.check(&path, [n_rows, features.width()], names, rows)?;
        }
        let features = features.select(rows);
        if let Some(mask) = Mask::read_beside(&path)? {
            mask.check(&path, &features, names)?;
        }
        Ok(Some(features))
    };

    let ids_path = dir.join("item_ids.txt");
    if let Some((row_of, n_ids)) = read_row_ids(&ids_path)? {
        if n_rows != n_ids {
            let message = format!("{n_rows} rows, but item_ids.txt has {n_ids} lines; write one line for each row");
            return Err(Error::file(&path, message));
        }
        let row = |id: &String| {
            let message = || format!("no line for item {id} of {}; add it and its feature row", inter.display());
            row_of.get(id).copied().ok_or_else(|| Error::file(&ids_path, message()))
        };
        let rows = items.names().iter().map(row).collect::<Result<Vec<usize>>>()?;
        return select(features, &rows);
    }
    let Some(numbers) = items.numbers() else {
        let message = format!(
            "missing, but the item ids of {} are not integers; write one item id a line, in the order of the rows of {}",
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
        return Err(Error::file(&path, message));
    }
    let rows: Vec<usize> = numbers.iter().map(|&number| number as usize).collect();
    select(features, &rows)
}

#[cfg(test)]
mod tests {
    use super::super::npy::tests::npy;
    use super::super::safetensors::tests::file as safetensors;
    use super::*;
    use ::safetensors::Dtype;
    use std::io::Write;

    /// A folder `toy` of text files; `*_feat.npy` files get one column: row number times ten.
    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("toy");
        std::fs::create_dir(&dir).unwrap();
        for (name, text) in files {
            let bytes = match name.strip_suffix(".npy") {
                None => text.as_bytes().to_vec(),
                Some(_) => {
                    let n: u16 = text.parse().unwrap();
                    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, 1), }}");
                    let rows: Vec<u8> = (0..n).flat_map(|row| (f32::from(row) * 10.0).to_le_bytes()).collect();
                    npy(1, &header, &rows)
                }
            };
            std::fs::write(dir.join(name), bytes).unwrap();
        }
        (outer, dir)
    }

    fn read(files: &[(&str, &str)], options: &ReadOptions) -> Result<Dataset> {
        let (_outer, dir) = folder(files);
        Dataset::read(dir, options)
    }

    /// The message without the folder.
    fn message(files: &[(&str, &str)], options: &ReadOptions) -> String {
        let (_outer, dir) = folder(files);
        let message = Dataset::read(&dir, options).unwrap_err().to_string();
        message.replace(&format!("{}/", dir.display()), "")
    }

    // Users 0 to 2; user 2 and item 8 have no train interaction; ids 3 to 6 are gaps.
    const INTER: (&str, &str) =
        ("toy.inter", "userID\titemID\tx_label\n0\t0\t0\n0\t7\t0\n0\t2\t1\n1\t1\t0\n1\t2\t0\n2\t8\t2\n1\t8\t2\n");

    #[test]
    fn a_folder_becomes_a_data_set() -> Result<()> {
        let mapping = ("i_id_mapping.csv", "asin\titemID\nA\t0\nB\t1\nC\t2\nD\t7\nE\t8\nF\t9\n");
        let titles = ("items.jsonl", "{\"id\": \"D\", \"title\": \"Rattle\"}\n");
        let data = read(&[INTER, ("text_feat.npy", "10"), mapping, titles], &ReadOptions::new())?;
        assert_eq!(data.name, "toy");
        assert_eq!(data.train.interactions.pairs().collect::<Vec<_>>(), [(0, 0), (0, 3), (1, 1), (1, 2)]);
        assert_eq!(data.valid.pairs().collect::<Vec<_>>(), [(0, 2)]);
        assert_eq!(data.test.pairs().collect::<Vec<_>>(), [(1, 4), (2, 4)]);
        // Gaps closed, and every item has the row of its own id.
        assert_eq!(
            data.features().get(&Modality::Text).map(ItemFeatures::values),
            Some(&[0.0, 10.0, 20.0, 70.0, 80.0][..])
        );
        assert_eq!(data.features().len(), 1);
        assert_eq!(data.item_ids, ["A", "B", "C", "D", "E"]);
        assert_eq!(data.titles.as_ref().map(|titles| titles[3].as_str()), Some("Rattle"));
        let counts = data.counts();
        assert_eq!((counts.users_without_train, counts.items_without_train), (1, 1));
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
        assert!(read(&[INTER, ("text_feat.npy", "9")], &ReadOptions::new()).is_ok());
    }

    #[test]
    fn a_named_feature_file_must_be_there() -> Result<()> {
        let options = ReadOptions::new().with_visual("audio_feat.npy");
        assert!(message(&[INTER], &options).starts_with("audio_feat.npy: "));
        let data = read(
            &[INTER, ("audio_feat.npy", "9"), ("text_feat.npy", "1")],
            &ReadOptions { text: FeatureFile::Without, ..options },
        )?;
        assert!(data.features().modalities().eq([&Modality::Visual]));
        let data = read(&[INTER, ("text_feat.npy", "1")], &ReadOptions::new().without_features())?;
        assert!(data.features().is_empty());
        Ok(())
    }

    #[test]
    fn named_items_need_the_order_of_the_rows() -> Result<()> {
        let inter = ("toy.inter", "user,item,label\nann,cup,0\nann,cot,1\nzoe,cot,0\nzoe,cup,2\n");
        let text = ("text_feat.npy", "3");
        let expected = "item_ids.txt: missing, but the item ids of toy.inter are not integers; \
                        write one item id a line, in the order of the rows of text_feat.npy";
        assert_eq!(message(&[inter, text], &ReadOptions::new()), expected);
        let data = read(&[inter, text, ("item_ids.txt", "cot\nbib\ncup\n")], &ReadOptions::new())?;
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
        assert_eq!(Dataset::read(&dir, &ReadOptions::new())?.features().len(), 1);
        ids.swap(7, 8);
        Provenance::new(ids, 1).write_beside(&path)?;
        let message = Dataset::read(&dir, &ReadOptions::new()).unwrap_err().to_string();
        let expected = "text_feat.npy: 2 of 9 rows are other items': \
                        row 7 is of item 8 by text_feat.npy.provenance.json, here of 7; row 8 is of item 7";
        assert!(message.contains(expected), "{message}");
        // With names, the names are what counts.
        let mapping = "asin\titemID\nA\t0\nB\t1\nC\t2\nD\t7\nE\t8\n";
        std::fs::write(dir.join("i_id_mapping.csv"), mapping).unwrap();
        let names = ["A", "B", "C", "", "", "", "", "D", "E"].map(str::to_string);
        Provenance::new(names.to_vec(), 1).write_beside(&path)?;
        assert!(Dataset::read(&dir, &ReadOptions::new()).is_ok());
        Ok(())
    }

    #[test]
    fn the_usual_features_may_come_in_either_format_but_not_in_both() -> Result<()> {
        let (_outer, dir) = folder(&[INTER]);
        let rows: Vec<u8> = (0..9u16).flat_map(|row| f32::from(row).to_le_bytes()).collect();
        let bytes = safetensors(&[("x", Dtype::F32, &[9, 1], rows)]);
        std::fs::write(dir.join("text_feat.safetensors"), bytes).unwrap();
        let data = Dataset::read(&dir, &ReadOptions::new())?;
        assert_eq!(
            data.features().get(&Modality::Text).map(ItemFeatures::values),
            Some(&[0.0, 1.0, 2.0, 7.0, 8.0][..])
        );
        std::fs::write(dir.join("text_feat.npy"), []).unwrap();
        let both = Dataset::read(&dir, &ReadOptions::new()).unwrap_err().to_string();
        assert!(both.contains("text_feat.safetensors: text_feat.npy is there as well"), "{both}");
        Ok(())
    }

    #[test]
    fn a_part_without_rows_is_named() {
        let advice = format!("label rows 0 (train), 1 (valid) and 2 (test), or read with {RANDOM}");
        let of =
            |rows: &str| message(&[("toy.inter", &format!("userID\titemID\tx_label\n{rows}"))], &ReadOptions::new());
        assert_eq!(of("0\t0\t0\n1\t0\t0\n"), format!("toy.inter: no valid or test part among 2 rows; {advice}"));
        assert_eq!(of("0\t0\t0\n1\t0\t1\n"), format!("toy.inter: no test part among 2 rows; {advice}"));
        assert_eq!(of("0\t0\t2\n1\t0\t1\n"), format!("toy.inter: no train part among 2 rows; {advice}"));
        let plain = ("toy.inter", "userID\titemID\n0\t0\n1\t0\n");
        let expected = "toy.inter:1: no x_label column, so no valid or test part; \
                        add one, or read with SplitPolicy::Random or ::Temporal (--split random, temporal)";
        assert_eq!(message(&[plain], &ReadOptions::new()), expected);
        let expected =
            format!("toy.inter:1: no timestamp column, so no temporal split; add one, or read with {RANDOM}");
        assert_eq!(message(&[plain], &ReadOptions::new().with_split(SplitPolicy::Temporal)), expected);
        let random = ReadOptions::new().with_split(SplitPolicy::Random { seed: 0 });
        assert!(message(&[plain], &random).ends_with("give users three interactions or more, or label the rows"));
    }

    #[test]
    fn files_without_labels_are_split_by_policy() -> Result<()> {
        let rows: String = (0..30).map(|i| format!("{}\t{}\t{}\n", i / 10, i % 10, -i)).collect();
        let inter = format!("userID\titemID\ttimestamp\n{rows}");
        let files = [("other.inter", inter.as_str())];
        let options = ReadOptions::new().with_name("other");
        let data = read(&files, &options.clone().with_split(SplitPolicy::Temporal))?;
        assert_eq!(data.test.pairs().collect::<Vec<_>>(), [(0, 0), (1, 0), (2, 0)]);
        let random = read(&files, &options.with_split(SplitPolicy::Random { seed: 4 }))?;
        assert_eq!((random.counts().n_train, random.counts().n_test), (24, 3));
        assert!(message(&files, &ReadOptions::new()).starts_with("toy.inter: "));
        Ok(())
    }

    #[test]
    fn the_real_sets_are_read() -> Result<()> {
        let Some(root) = std::env::var_os("VIRAL_DATA").map(PathBuf::from) else {
            let _ = writeln!(std::io::stderr(), "skipped: VIRAL_DATA is not set");
            return Ok(());
        };
        let baby = Dataset::read(root.join("baby"), &ReadOptions::new())?;
        let expected = super::super::Counts {
            n_users: 19_445,
            n_items: 7_050,
            n_train: 119_674,
            n_valid: 20_559,
            n_test: 20_559,
            users_without_train: 0,
            items_without_train: 2,
        };
        assert_eq!(baby.counts(), expected); // from its README
        assert_eq!(baby.item_ids[1], "9729375011");
        let norms = |x: &ItemFeatures| (0..x.n_items()).all(|i| x.row(i).iter().map(|v| v * v).sum::<f32>() < 1.01);
        assert!(baby.features().len() == 2 && baby.features().iter().all(|(_, x)| x.width() == 384 && norms(x)));
        let tiktok = Dataset::read(root.join("tiktok"), &ReadOptions::new().with_text("audio_feat.npy"))?;
        assert_eq!(tiktok.counts().items_without_train, 465);
        Ok(())
    }
}
