//! Provenance files: which item each feature row belongs to, and hashes of the inputs that the features were made from.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ItemFeatures, is_there, open_file, read_file, write_whole};
use crate::{Error, Result};

/// The only format version so far.
const FORMAT: u32 = 1;

/// Maximum number of mismatching rows that an error names.
const NAMED: usize = 3;

/// A source of features: a prompt, a model or an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its name.
    pub name: String,
    /// SHA-256 of its content, in hexadecimal; `None` if only the name is known, as for a model behind a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Origin {
    /// Creates an origin of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), sha256: None }
    }

    /// Creates an origin from its name and content, such as a prompt's text, which is hashed.
    pub fn of_bytes(name: impl Into<String>, content: &[u8]) -> Self {
        Self { name: name.into(), sha256: Some(hex(Sha256::digest(content))) }
    }

    /// Creates an origin from a file: its path and the hash of its content.
    pub fn of_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self { name: path.display().to_string(), sha256: Some(sha256_of_file(path)?) })
    }
}

/// The provenance of a feature file, stored as `<feature file>.provenance.json`.
///
/// If there is one, [`Dataset::read`](super::Dataset::read) checks the features against it: the number of rows, the
/// width, the item of each row, the values, and that inputs in the folder of the features are unchanged.
///
/// ```
/// # use viral::data::{Origin, Provenance};
/// let ids = vec!["B001".to_string(), "B002".to_string()];
/// let provenance = Provenance::new(ids, 384).with_prompt(Origin::of_bytes("describe", b"What is it?"));
/// assert_eq!(provenance.n_rows, 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Format version.
    pub format: u32,
    /// Number of rows of the feature file.
    pub n_rows: usize,
    /// Number of columns of the feature file.
    pub width: usize,
    /// SHA-256 of the ids, each followed by a line feed.
    pub ids_sha256: String,
    /// [`ItemFeatures::sha256`] of the features; `None` in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features_sha256: Option<String>,
    /// SHA-256 of each input, keyed by its file name, such as `items.jsonl`, if it is in the folder of the features, or
    /// else by its path.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// The prompt sent to the model.
    #[serde(default)]
    pub prompt: Option<Origin>,
    /// The model that answered.
    #[serde(default)]
    pub model: Option<Origin>,
    /// The encoder that turned the answers into vectors.
    #[serde(default)]
    pub encoder: Option<Origin>,
    /// For features made from pictures and words together: the number of items whose features lack the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_without_picture: Option<usize>,
    /// External id of the item of each row.
    pub ids: Vec<String>,
}

impl Provenance {
    /// Creates the provenance of features with one row per external id and `width` columns.
    pub fn new(ids: Vec<String>, width: usize) -> Self {
        let (format, n_rows, ids_sha256, inputs) = (FORMAT, ids.len(), hash_of_ids(&ids), BTreeMap::new());
        let (features_sha256, prompt, model, encoder, n_without_picture) = (None, None, None, None, None);
        Self {
            format,
            n_rows,
            width,
            ids_sha256,
            features_sha256,
            inputs,
            prompt,
            model,
            encoder,
            n_without_picture,
            ids,
        }
    }

    /// Returns the key of an input: its file name if it is in the folder of the features, else its path as given.
    ///
    /// ```
    /// # use viral::data::Provenance;
    /// assert_eq!(Provenance::input_name("data/items.jsonl", "data/text_feat.npy"), "items.jsonl");
    /// assert_eq!(Provenance::input_name("states/ids.txt", "data/text_feat.npy"), "states/ids.txt");
    /// ```
    pub fn input_name(input: impl AsRef<Path>, features: impl AsRef<Path>) -> String {
        let input = input.as_ref();
        let folder = |path: &Path| {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
            folder.canonicalize().unwrap_or(folder)
        };
        match input.file_name() {
            Some(name) if folder(input) == folder(features.as_ref()) => name.to_string_lossy().into_owned(),
            // A bare file name would be read as a file beside the features.
            _ if input.components().count() == 1 => Path::new(".").join(input).display().to_string(),
            _ => input.display().to_string(),
        }
    }

    /// Sets the hash of the features, so that a matrix of the same shape in their place is noticed.
    pub fn with_features(mut self, features: &ItemFeatures) -> Self {
        self.features_sha256 = Some(features.sha256());
        self
    }

    /// Adds an input and its SHA-256 in hexadecimal.
    pub fn with_input(mut self, name: impl Into<String>, sha256: impl Into<String>) -> Self {
        self.inputs.insert(name.into(), sha256.into());
        self
    }

    /// Sets the prompt.
    pub fn with_prompt(mut self, prompt: Origin) -> Self {
        self.prompt = Some(prompt);
        self
    }

    /// Sets the model.
    pub fn with_model(mut self, model: Origin) -> Self {
        self.model = Some(model);
        self
    }

    /// Sets the encoder.
    pub fn with_encoder(mut self, encoder: Origin) -> Self {
        self.encoder = Some(encoder);
        self
    }

    /// Sets the number of items whose features lack the picture.
    pub fn with_n_without_picture(mut self, n: usize) -> Self {
        self.n_without_picture = Some(n);
        self
    }

    /// Returns the path of a feature file's provenance; for `x.safetensors#name`, that of the file.
    pub fn path_beside(features: impl AsRef<Path>) -> PathBuf {
        let mut path = ItemFeatures::file_of(features.as_ref()).as_os_str().to_owned();
        path.push(".provenance.json");
        path.into()
    }

    /// Writes the provenance beside a feature file, atomically.
    pub fn write_beside(&self, features: impl AsRef<Path>) -> Result<()> {
        let path = Self::path_beside(features);
        let mut text = serde_json::to_vec_pretty(self).map_err(|e| Error::file(&path, format!("not written: {e}")))?;
        text.push(b'\n');
        write_whole(&path, &text)
    }

    /// Reads the provenance beside a feature file, if there is one.
    ///
    /// # Errors
    /// When the file is not a provenance, has an unknown version, or is inconsistent.
    pub fn read_beside(features: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = Self::path_beside(features);
        if !is_there(&path)? {
            return Ok(None);
        }
        let text = read_file(&path)?;
        let fault = |what: String| Error::file(&path, format!("{what}; make the features again, or remove this file"));
        let found: Self = serde_json::from_slice(&text).map_err(|e| fault(format!("not a provenance file ({e})")))?;
        if found.format != FORMAT {
            return Err(fault(format!("version {} is unknown, {FORMAT} is known", found.format)));
        } else if found.n_rows != found.ids.len() {
            return Err(fault(format!("{} rows and {} ids", found.n_rows, found.ids.len())));
        } else if found.ids_sha256 != hash_of_ids(&found.ids) {
            return Err(fault("the ids do not have the hash that it gives".to_string()));
        }
        Ok(Some(found))
    }

    /// Checks that inputs beside the features still have their recorded hashes: features of titles that have changed
    /// since are outdated. Inputs elsewhere, or missing ones, are skipped. `hashes` caches hashes for other feature
    /// files.
    ///
    /// # Errors
    /// An input that has changed, with the command to run; an input that cannot be read.
    pub fn check_inputs(&self, features: &Path, hashes: &mut HashMap<PathBuf, String>) -> Result<()> {
        let file = ItemFeatures::file_of(features);
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        for (name, recorded) in &self.inputs {
            let input = folder.join(name);
            // A matrix that replaced the one it was imported from is the feature file itself.
            if name.contains(['/', '\\']) || input == file || !input.is_file() {
                continue;
            }
            let found = match hashes.get(&input) {
                Some(found) => found,
                None => hashes.entry(input.clone()).or_insert(sha256_of_file(&input)?),
            };
            if found != recorded {
                let beside = Self::path_beside(features);
                let command = if self.encoder.is_some() { "viral encode" } else { "viral import" };
                let message = format!(
                    "made of {name}, which has changed since; make the features again ({command} --data {}), or remove {} if \
                     the change does not matter",
                    folder.display(),
                    beside.display()
                );
                return Err(Error::file(features, message));
            }
        }
        Ok(())
    }

    /// Checks features, read from `path`, against their provenance: their shape, their values, and the item of each used
    /// row. `row_of_item[i]` is the row of the item with external id `item_ids[i]`; rows that no item uses may belong to
    /// any item.
    ///
    /// # Errors
    /// A wrong number of rows or columns, rows of other items, of which the first are named, or other values.
    pub fn check(
        &self,
        path: &Path,
        features: &ItemFeatures,
        item_ids: &[String],
        row_of_item: &[usize],
    ) -> Result<()> {
        let provenance = Self::path_beside(path);
        let beside = provenance.file_name().unwrap_or_default().to_string_lossy();
        const AGAIN: &str = "make the features again for these items";
        let fail = |message: String| Err(Error::file(path, message));
        let n_rows = features.n_items();
        for (what, found, wanted) in [("rows", n_rows, self.n_rows), ("columns", features.width(), self.width)] {
            if found != wanted {
                return fail(format!("{found} {what}, but {wanted} by {beside}; one of the two files is old, {AGAIN}"));
            }
        }
        let owner = |row: usize| self.ids.get(row).map_or("nobody", String::as_str);
        let of_others = |&(&row, id): &(&usize, &String)| owner(row) != id;
        let wrong: Vec<(&usize, &String)> = row_of_item.iter().zip(item_ids).filter(of_others).collect();
        if !wrong.is_empty() {
            let named: Vec<String> = wrong
                .iter()
                .take(NAMED)
                .map(|&(row, id)| format!("row {row} is of item {} by {beside}, here of {id}", owner(*row)))
                .collect();
            let more = if wrong.len() > NAMED { "; …" } else { "" };
            return fail(format!(
                "{} of {n_rows} rows are other items': {}{more}; {AGAIN}",
                wrong.len(),
                named.join("; ")
            ));
        }
        match &self.features_sha256 {
            Some(sha256) if *sha256 != features.sha256() => fail(format!(
                "not the numbers that {beside} was written with; if this matrix is from elsewhere, its rows may be in \
                 another order: import it (viral import), or remove {beside} if row n is the item of line n"
            )),
            _ => Ok(()),
        }
    }
}

/// Computes the SHA-256 of a file's content, in hexadecimal; reads the file in chunks.
pub fn sha256_of_file(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let mut file = open_file(path)?;
    let (mut sum, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(sum.finalize())),
            Ok(n) => sum.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io(path)(e)),
        }
    }
}

/// Formats bytes in hexadecimal.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_of_ids(ids: &[String]) -> String {
    let mut sum = Sha256::new();
    for id in ids {
        sum.update(id);
        sum.update(b"\n");
    }
    hex(sum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn it_is_read_as_it_was_written() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let features = folder.path().join("text_feat.npy");
        assert_eq!(Provenance::read_beside(&features)?, None);
        let whole = Provenance::new(ids(&["B1", "B2"]), 3)
            .with_input("items.jsonl", "00ff")
            .with_prompt(Origin::of_bytes("describe", b"abc"))
            .with_model(Origin::named("some-vlm"))
            .with_encoder(Origin { name: "encoder".to_string(), sha256: None });
        whole.write_beside(&features)?;
        assert!(folder.path().join("text_feat.npy.provenance.json").exists());
        assert_eq!(Provenance::read_beside(&features)?, Some(whole.clone()));
        let of_tensor = folder.path().join("x.safetensors#text");
        assert_eq!(Provenance::path_beside(of_tensor), folder.path().join("x.safetensors.provenance.json"));
        // FIPS 180-2, B.1: the hash of `abc`.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(whole.prompt.and_then(|prompt| prompt.sha256).as_deref(), Some(abc));
        std::fs::write(folder.path().join("abc"), "abc").unwrap();
        assert_eq!(sha256_of_file(folder.path().join("abc"))?, abc);
        Ok(())
    }

    #[test]
    fn a_file_that_contradicts_itself_is_refused() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let features = folder.path().join("x.npy");
        let message = |change: fn(&mut Provenance)| {
            let mut changed = Provenance::new(ids(&["B1", "B2"]), 3);
            change(&mut changed);
            changed.write_beside(&features).unwrap();
            Provenance::read_beside(&features).unwrap_err().to_string()
        };
        assert!(message(|p| p.ids[1] = "B3".into()).contains("the ids do not have the hash that it gives"));
        assert!(message(|p| p.n_rows = 3).contains("3 rows and 2 ids"));
        assert!(message(|p| p.format = 2).contains("version 2 is unknown, 1 is known"));
        std::fs::write(Provenance::path_beside(&features), "[]").unwrap();
        let message = Provenance::read_beside(&features).unwrap_err().to_string();
        assert!(message.contains("x.npy.provenance.json: not a provenance file"), "{message}");
        Ok(())
    }

    #[test]
    fn the_first_rows_of_other_items_are_named() {
        let provenance = Provenance::new(ids(&["a", "b", "c", "d", "e"]), 2);
        let check = |[n, width]: [usize; 2], names: &[&str], rows: &[usize]| {
            let features = ItemFeatures::new(n, width, vec![1.0; n * width]).unwrap();
            provenance.check(Path::new("f.npy"), &features, &ids(names), rows).map_err(|e| e.to_string())
        };
        assert_eq!(check([5, 2], &["a", "c", "e"], &[0, 2, 4]), Ok(()));
        let again = "make the features again for these items";
        let expected = "f.npy: 6 rows, but 5 by f.npy.provenance.json; one of the two files is old, ";
        assert_eq!(check([6, 2], &["a"], &[0]), Err(format!("{expected}{again}")));
        assert!(check([5, 1], &["a"], &[0]).unwrap_err().starts_with("f.npy: 1 columns, but 2 by"));
        let expected = "f.npy: 1 of 5 rows are other items': row 2 is of item c by f.npy.provenance.json, here of x; ";
        assert_eq!(check([5, 2], &["a", "x"], &[0, 2]), Err(format!("{expected}{again}")));
        let four = check([5, 2], &["b", "a", "d", "c"], &[0, 1, 2, 3]).unwrap_err();
        assert!(
            four.starts_with("f.npy: 4 of 5") && four.contains("here of d; …;") && !four.contains("row 3"),
            "{four}"
        );
    }

    #[test]
    fn another_matrix_of_the_same_shape_is_noticed() -> Result<()> {
        let features = |last| ItemFeatures::new(2, 2, vec![1.0, 0.0, 3.0, last]);
        let names = ids(&["a", "b"]);
        let provenance = Provenance::new(names.clone(), 2).with_features(&features(4.0)?);
        let check = |last| provenance.check(Path::new("f.npy"), &features(last)?, &names, &[0, 1]);
        check(4.0)?;
        let message = check(4.5).unwrap_err().to_string();
        assert!(message.starts_with("f.npy: not the numbers") && message.contains("viral import"), "{message}");
        Ok(())
    }
}
