//! Reads a [`Dataset`] from a folder of files.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;

use super::feature_files::{self, Rows};
use super::locate::{Located, locate};
use super::sidecar::{read_mapping, read_titles};
use super::split::{RATIOS, random_split, temporal_split};
use super::split_policy::{by_part, empty_parts};
use super::{Dataset, InterFile, Part, ReadOptions, ReadReport, SplitPolicy, Ties, TrainSet};
use crate::{Error, Result};

impl Dataset {
    /// Reads a data set from a folder:
    ///
    /// | file | |
    /// |---|---|
    /// | `<name>.inter` | the interactions, see [`InterFile`]; `<name>` is the folder's name, as given or where a link leads |
    /// | `<name>.train.inter`, `.valid.inter`, `.test.inter` | the same, one file per part, as in RecBole |
    /// | `<modality>_feat.npy` | optional: features, or `.safetensors`; row n is for the item with integer id n |
    /// | `i_id_mapping.csv`, `u_id_mapping.csv` | optional: names (`asin`) and ids; the names become external ids |
    /// | `items.jsonl` | optional: `{"id": external id, "title": …}` per line |
    /// | `item_ids.txt` | needed for features if item ids are not integers: an id or name per line, line n for row n |
    ///
    /// Every feature file is read: `text_feat.npy`, `image_feat.npy` (or `visual_feat.npy`), `audio_feat.npy`, and any
    /// other [`Modality`](super::Modality). If there is a [`Provenance`](super::Provenance) or [`Mask`](super::Mask)
    /// file beside one, the features are checked against it.
    ///
    /// ```
    /// use viral::data::Dataset;
    ///
    /// # let outer = tempfile::tempdir().unwrap();
    /// # let dir = outer.path().join("toys");
    /// # std::fs::create_dir(&dir).unwrap();
    /// // Labels: 0 train, 1 valid, 2 test.
    /// let inter = "userID\titemID\tx_label\nann\tcup\t0\nann\tcot\t1\nzoe\tcot\t0\nzoe\tcup\t2\n";
    /// std::fs::write(dir.join("toys.inter"), inter).unwrap();
    /// let data = Dataset::read(&dir)?;
    /// assert_eq!((data.name.as_str(), data.n_users(), data.n_items()), ("toys", 2, 2));
    /// println!("{}", data.features()); // no features
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Errors
    /// All errors of [`InterFile::read`] and [`ItemFeatures::read`](super::ItemFeatures::read); features whose number
    /// of rows does not match the item ids; features whose provenance names other items, or inputs that have changed
    /// since; two files for one modality; a train, valid or test part without interactions.
    pub fn read(dir: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(dir, &ReadOptions::new())
    }

    /// Like [`read`](Self::read), with options: other names and files, only some modalities, another split.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); a modality or file that the options name but that is missing. With
    /// [`SplitPolicy::Everything`], valid and test may be empty.
    pub fn read_with(dir: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        Ok(Self::read_reported(dir, options)?.0)
    }

    /// Like [`read_with`](Self::read_with); also reports what was left out or taken on trust.
    ///
    /// # Errors
    /// Those of [`read_with`](Self::read_with).
    pub fn read_reported(dir: impl AsRef<Path>, options: &ReadOptions) -> Result<(Self, ReadReport)> {
        let Located { dir, name, files } = locate(dir.as_ref(), options.name.as_deref())?;
        let (dir, path) = (dir.as_path(), &files[0].0);
        let file = InterFile::read_parts(&files, options.duplicates, options.labels)?;
        let parts = split(path, &file, options.split.unwrap_or(SplitPolicy::ByLabel))?;

        let users = read_mapping(&dir.join("u_id_mapping.csv"), "userID", &file.users)?;
        let items = read_mapping(&dir.join("i_id_mapping.csv"), "itemID", &file.items)?;
        let n_unused = Cell::new(0);
        let rows = Rows {
            dir,
            inter: path,
            items: &file.items,
            odd_item: file.odd_item.as_ref(),
            names: items.as_ref().map_or(file.items.names(), |items| &items.names),
            max_mapped: items.as_ref().and_then(|items| items.max_number),
            n_unused: &n_unused,
        };
        let files = feature_files::find(dir, options)?;
        let mut report = ReadReport {
            n_duplicates: file.n_duplicates,
            n_turned_down: file.n_turned_down,
            n_without_interactions: 0,
            unconfirmed_features: feature_files::unconfirmed(dir, &files)?,
        };
        let mut hashes = HashMap::new();
        let features =
            files.into_iter().map(|(modality, file)| Ok((modality, feature_files::read(&file, &rows, &mut hashes)?)));
        let features = features.collect::<Result<_>>()?;
        report.n_without_interactions = n_unused.get();

        let [interactions, valid, test] = by_part(file.users.len(), file.items.len(), &file.pairs(), &parts);
        let user_ids = users.map_or_else(|| file.users.into_names(), |users| users.names);
        let item_ids = items.map_or_else(|| file.items.into_names(), |items| items.names);
        let titles = read_titles(&dir.join("items.jsonl"), &item_ids)?;
        let data = Self::new(name, TrainSet { interactions, features }, valid, test)?
            .with_user_ids(user_ids)?
            .with_item_ids(item_ids)?;
        let data = match titles {
            Some(titles) => data.with_titles(titles)?,
            None => data,
        };
        Ok((data, report))
    }
}

/// Advice for data with neither labels nor times.
const RANDOM: &str = "split it at random (--split random)";

/// Assigns each row to a part; fails if a required part is empty.
fn split(path: &Path, file: &InterFile, policy: SplitPolicy) -> Result<Vec<Part>> {
    let lacking = |column: &str, without: &str, instead: &str| {
        let message = format!("no {column} column, so no {without}; add one, or {instead}");
        Error::line(path, 1, message)
    };
    let parts = match policy {
        SplitPolicy::ByLabel => {
            let instead = "split it at random or by time (--split random, temporal)";
            file.parts()?.ok_or_else(|| lacking("x_label", "valid or test part", instead))?
        }
        SplitPolicy::Random { seed } => random_split(&file.pairs(), RATIOS, seed),
        SplitPolicy::Temporal => {
            let times = file.times()?.ok_or_else(|| lacking("timestamp", "temporal split", RANDOM))?;
            let ties = Ties::new(0, file.users.names(), file.items.names());
            temporal_split(&file.pairs(), &times, RATIOS, &ties)
        }
        SplitPolicy::Everything => vec![Part::Train; file.rows.len()],
    };
    let Some(missing) = empty_parts(policy, &parts) else { return Ok(parts) };
    let advice = match policy {
        SplitPolicy::ByLabel => format!("label rows 0 (train), 1 (valid) and 2 (test), or {RANDOM}"),
        _ => "give users three interactions or more, or label the rows".to_string(),
    };
    Err(Error::file(path, format!("no {missing} part among {} rows; {advice}", parts.len())))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::npy::tests::npy;
    use super::super::{ItemFeatures, Modality};
    use super::*;
    use std::path::PathBuf;

    /// Creates a folder `toy` of text files; `*_feat.npy` files get one column: ten times the row number.
    pub(in super::super) fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
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

    pub(in super::super) fn read(files: &[(&str, &str)], options: &ReadOptions) -> Result<Dataset> {
        let (_outer, dir) = folder(files);
        Dataset::read_with(dir, options)
    }

    /// Returns the message without the folder.
    pub(in super::super) fn message(files: &[(&str, &str)], options: &ReadOptions) -> String {
        let (_outer, dir) = folder(files);
        let message = Dataset::read_with(&dir, options).unwrap_err().to_string();
        message.replace(&format!("{}/", dir.display()), "")
    }

    // Users 0 to 2; user 2 and item 8 have no train interaction; ids 3 to 6 are gaps.
    pub(in super::super) const INTER: (&str, &str) =
        ("toy.inter", "userID\titemID\tx_label\n0\t0\t0\n0\t7\t0\n0\t2\t1\n1\t1\t0\n1\t2\t0\n2\t8\t2\n1\t8\t2\n");

    #[test]
    fn one_split_in_two_ways_is_refused() {
        let rows = "userID\titemID\tx_label\n0\t1\t0\n";
        let (_outer, dir) = folder(&[("toy.inter", rows), ("toy.train.inter", rows)]);
        let message = Dataset::read(&dir).unwrap_err().to_string();
        assert!(message.contains("toy.inter: and toy.train.inter are both here"), "{message}");
    }

    #[test]
    fn a_folder_becomes_a_data_set() -> Result<()> {
        let mapping = ("i_id_mapping.csv", "asin\titemID\nA\t0\nB\t1\nC\t2\nD\t7\nE\t8\nF\t9\n");
        let titles = ("items.jsonl", "{\"id\": \"D\", \"title\": \"Rattle\"}\n");
        let data = read(&[INTER, ("text_feat.npy", "10"), mapping, titles], &ReadOptions::new())?;
        assert_eq!(data.name, "toy");
        assert_eq!(data.train.interactions.pairs().collect::<Vec<_>>(), [(0, 0), (0, 3), (1, 1), (1, 2)]);
        assert_eq!(data.valid.pairs().collect::<Vec<_>>(), [(0, 2)]);
        assert_eq!(data.test.pairs().collect::<Vec<_>>(), [(1, 4), (2, 4)]);
        // Gaps are closed, and every item has the row of its own id.
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
    fn a_part_without_rows_is_named() {
        let advice = format!("label rows 0 (train), 1 (valid) and 2 (test), or {RANDOM}");
        let of =
            |rows: &str| message(&[("toy.inter", &format!("userID\titemID\tx_label\n{rows}"))], &ReadOptions::new());
        assert_eq!(of("0\t0\t0\n1\t0\t0\n"), format!("toy.inter: no valid or test part among 2 rows; {advice}"));
        assert_eq!(of("0\t0\t0\n1\t0\t1\n"), format!("toy.inter: no test part among 2 rows; {advice}"));
        assert_eq!(of("0\t0\t2\n1\t0\t1\n"), format!("toy.inter: no train part among 2 rows; {advice}"));
        let plain = ("toy.inter", "userID\titemID\n0\t0\n1\t0\n");
        let expected = "toy.inter:1: no x_label column, so no valid or test part; \
                        add one, or split it at random or by time (--split random, temporal)";
        assert_eq!(message(&[plain], &ReadOptions::new()), expected);
        let expected = format!("toy.inter:1: no timestamp column, so no temporal split; add one, or {RANDOM}");
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
        // One pair is enough if nothing is held out.
        let few = ("toy.inter", "userID\titemID\n0\t0\n1\t0\n");
        let everything = read(&[few], &ReadOptions::new().with_split(SplitPolicy::Everything))?.counts();
        assert_eq!((everything.n_train, everything.n_valid, everything.n_test), (2, 0, 0));
        Ok(())
    }

    #[test]
    fn what_is_held_out_of_one_day_depends_neither_on_ids_nor_on_the_order_of_the_file() -> Result<()> {
        let name = |user: usize, number: usize| format!("B{:03}", 100 + (user * 7 + number * 11) % 40);
        let rows: Vec<(usize, usize)> = (0..360).map(|i| (i / 6, i % 6)).collect();
        let read = |rows: &[(usize, usize)]| {
            let rows: String = rows.iter().map(|&(u, n)| format!("c{u}\t{}\t1400000000\n", name(u, n))).collect();
            let inter = format!("userID\titemID\ttimestamp\n{rows}");
            read(&[("toy.inter", inter.as_str())], &ReadOptions::new().with_split(SplitPolicy::Temporal))
        };
        let test = |data: &Dataset| {
            let names = |(user, item): (u32, u32)| (&data.user_ids[user as usize], &data.item_ids[item as usize]);
            let mut pairs: Vec<(String, String)> =
                data.test.pairs().map(names).map(|(user, item)| (user.clone(), item.clone())).collect();
            pairs.sort();
            pairs
        };
        let pairs = test(&read(&rows)?);
        let upper = pairs.iter().filter(|(_, item)| item.as_str() >= "B127").count();
        assert!(pairs.len() == 60 && (10..=30).contains(&upper), "{upper} of {}", pairs.len());
        let turned: Vec<_> = rows.iter().rev().copied().collect();
        assert_eq!(test(&read(&turned)?), pairs);
        Ok(())
    }

    #[test]
    #[ignore = "needs VIRAL_DATA, the folder of the real data sets"]
    fn the_real_sets_are_read() -> Result<()> {
        let root = std::env::var_os("VIRAL_DATA")
            .map(PathBuf::from)
            .expect("VIRAL_DATA names the folder of the real data sets");
        let baby = Dataset::read(root.join("baby"))?;
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
        let tiktok = Dataset::read(root.join("tiktok"))?;
        assert_eq!(tiktok.features().to_string(), "visual 128 wide, audio 128 wide");
        assert_eq!(tiktok.counts().items_without_train, 465);
        let music = Dataset::read(root.join("lfm2k"))?;
        assert_eq!(music.features().to_string(), "text 384 wide, audio 128 wide, audio_whisper 512 wide");
        Ok(())
    }
}
