//! Append-only store of all vectors paid for, one line of JSON each.

use super::TextForm;
use crate::digest::hash;
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use viral::data::{AppendLog, LineReader};

/// A line of the store: a key, and the vector as base64 of 32-bit floats, little-endian.
#[derive(Serialize, Deserialize)]
struct Line {
    /// Hash of model, request format and text.
    key: String,
    vector: String,
}

/// An open store, locked until it is dropped or its process ends. Opening it drops an incomplete last line, which a
/// killed process may leave.
#[derive(Debug)]
pub struct VectorStore {
    log: AppendLog,
    places: HashMap<String, u64>,
}

impl VectorStore {
    /// Opens a store, or creates it.
    ///
    /// # Errors
    /// If another process has it open, or if it is damaged anywhere but at its end; then the line is named.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let mut places = HashMap::new();
        let log = AppendLog::open(path.as_ref(), |offset, line| {
            places.insert(parse(line)?.0, offset);
            Ok(())
        })?;
        Ok(Self { log, places })
    }

    /// Returns the number of vectors.
    pub fn n_vectors(&self) -> usize {
        self.places.len()
    }

    /// Returns the path of the store.
    pub(super) fn path(&self) -> &Path {
        self.log.path()
    }

    /// Returns the key of a text's vector: the hash of model, request format and text.
    pub(super) fn key(model: &str, form: TextForm, text: &str) -> String {
        match form {
            TextForm::Input => hash(&[model.as_bytes(), text.as_bytes()]),
            TextForm::Messages => hash(&[model.as_bytes(), b"messages", text.as_bytes()]),
        }
    }

    pub(super) fn place(&self, key: &str) -> Option<u64> {
        self.places.get(key).copied()
    }

    pub(super) fn append(&mut self, key: &str, vector: &[f32]) -> Result<()> {
        let line = Line { key: key.to_string(), vector: packed(vector) };
        let line = serde_json::to_vec(&line).map_err(|e| Error::file(self.log.path(), e.to_string()))?;
        let offset = self.log.append(line, "a vector")?;
        self.places.insert(key.to_string(), offset);
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<()> {
        self.log.sync()
    }

    pub(super) fn reader(&self) -> Result<VectorReader> {
        self.log.reader().map(VectorReader)
    }
}

/// Reads single vectors by offset.
pub(super) struct VectorReader(LineReader);

impl VectorReader {
    pub(super) fn read(&mut self, place: u64) -> Result<Vec<f32>> {
        self.0.read(place, |line| parse(line).map(|(_, vector)| vector))
    }
}

fn parse(line: &[u8]) -> std::result::Result<(String, Vec<f32>), String> {
    let Line { key, vector } =
        serde_json::from_slice(line).map_err(|error| format!("not a vector's line ({error})"))?;
    let vector = unpacked(&vector).map_err(|what| format!("not a vector's line ({what})"))?;
    Ok((key, vector))
}

/// Encodes a vector as base64 of 32-bit floats, little-endian.
pub(super) fn packed(vector: &[f32]) -> String {
    STANDARD.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}

/// Decodes what [`packed`] has encoded.
pub(super) fn unpacked(text: &str) -> std::result::Result<Vec<f32>, String> {
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let numbers = bytes.chunks_exact(4);
    let is_whole = numbers.remainder().is_empty() && !bytes.is_empty();
    let vector: Vec<f32> = numbers.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    match is_whole && vector.iter().all(|x| x.is_finite()) {
        true => Ok(vector),
        false => Err("no whole finite numbers".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_found_again_and_torn_lines_dropped() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("embeddings.jsonl");
        let key = |model: &str, text: &str| VectorStore::key(model, TextForm::Input, text);
        let (a, b) = (key("m", "a"), key("m", "b"));
        assert_ne!(key("ma", ""), a);
        assert_ne!(VectorStore::key("m", TextForm::Messages, "a"), a, "a model may read them otherwise");
        let mut store = VectorStore::open(&path)?;
        store.append(&a, &[1.5, -0.1])?;
        store.append(&b, &[f32::MIN_POSITIVE])?;
        assert!(VectorStore::open(&path).unwrap_err().to_string().contains("another run"));
        drop(store);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let store = VectorStore::open(&path)?;
        assert_eq!((store.n_vectors(), store.place(&b)), (1, None));
        assert_eq!(store.reader()?.read(store.place(&a).unwrap())?, [1.5, -0.1]);
        drop(store);
        std::fs::write(&path, [b"{\"key\":\"x\",\"vector\":\"AAA\"}\n", &whole[..]].concat()).unwrap();
        let message = VectorStore::open(&path).unwrap_err().to_string();
        assert!(message.contains("embeddings.jsonl:1: not a vector's line"), "{message}");
        Ok(())
    }
}
