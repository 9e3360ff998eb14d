//! Files of [`tensors`](super::tensors) that are too large to hold in memory, written and read piece by piece.

use super::tensors::ENTRY;
use crate::data::{WholeFile, is_there, open_file};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Values per piece.
const PIECE: usize = 1 << 18;
/// Longer than any tensor list of ours, and shorter than what a damaged length could request.
const LONGEST_HEADER: u64 = 100 << 20;

/// A file that is being written, with the bytes that [`tensors::write`](super::tensors::write) gives for the same
/// tensors.
pub(crate) struct PiecesFile {
    path: PathBuf,
    file: WholeFile,
    hasher: crc32fast::Hasher,
    /// Offset of the checksum, which is written last.
    checksum_at: u64,
}

impl PiecesFile {
    /// Begins a file of `f32` tensors with these names and shapes. They must be written in the order of their names.
    pub(crate) fn create<H: Serialize>(path: &Path, header: &H, tensors: &[(String, Vec<usize>)]) -> Result<Self> {
        let broken = |what: &dyn std::fmt::Display| Error::file(path, format!("cannot be written: {what}"));
        let header = serde_json::to_string(header).map_err(|e| broken(&e))?;
        assert!(tensors.is_sorted(), "pieces: tensors out of order");
        let (mut infos, mut end) = (Vec::with_capacity(tensors.len()), 0);
        for (name, shape) in tensors {
            let start = end;
            end += shape.iter().product::<usize>() * size_of::<f32>();
            infos.push((
                name.clone(),
                TensorInfo { dtype: Dtype::F32, shape: shape.clone(), data_offsets: (start, end) },
            ));
        }
        let entry = HashMap::from([(ENTRY.to_string(), format!("{UNKNOWN} {header}"))]);
        let metadata = Metadata::new(Some(entry), infos).map_err(|e| broken(&e))?;
        let mut text = serde_json::to_string(&metadata).map_err(|e| broken(&e))?;
        let Some(at) = text.find(&format!("\"{UNKNOWN} ")) else {
            return Err(broken(&"its header has no place for a checksum"));
        };
        while !text.len().is_multiple_of(size_of::<u64>()) {
            text.push(' ');
        }
        let mut file = WholeFile::create(path)?;
        file.write(&(text.len() as u64).to_le_bytes())?;
        file.write(text.as_bytes())?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(header.as_bytes());
        let checksum_at = (size_of::<u64>() + at + 1) as u64;
        Ok(Self { path: path.to_path_buf(), file, hasher, checksum_at })
    }

    /// Begins the next tensor; the following pieces belong to it.
    pub(crate) fn begin(&mut self, name: &str) {
        self.hasher.update(name.as_bytes());
    }

    /// Writes the next values of the tensor.
    pub(crate) fn write(&mut self, values: &[f32]) -> Result<()> {
        let mut bytes = Vec::with_capacity(PIECE.min(values.len()) * size_of::<f32>());
        for values in values.chunks(PIECE) {
            bytes.clear();
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            self.hasher.update(&bytes);
            self.file.write(&bytes)?;
        }
        Ok(())
    }

    /// Writes the checksum and moves the file into place.
    pub(crate) fn commit(mut self) -> Result<()> {
        let checksum = format!("{:08x}", self.hasher.finalize());
        self.file.write_at(self.checksum_at, checksum.as_bytes()).map_err(Error::io(&self.path))?;
        self.file.commit()
    }
}

/// Placeholder with the length of a checksum.
const UNKNOWN: &str = "????????";

/// Reads a file of `f32` tensors piece by piece.
///
/// `begin` may reject the header. `piece` receives a tensor's name and shape, the number of its values before this
/// piece, and the piece, before the checksum is verified.
pub(crate) fn read_in_pieces<H: DeserializeOwned>(
    path: &Path,
    begin: impl FnOnce(&H) -> Result<()>,
    mut piece: impl FnMut(&str, &[usize], usize, &[f32]) -> Result<()>,
) -> Result<H> {
    if !is_there(path)? {
        return Err(Error::file(path, "there is no such file; train a model first, or name another"));
    }
    let damaged =
        |what: String| Error::file(path, format!("is damaged or not ours: {what}; use a copy or train again"));
    let mut file = BufReader::with_capacity(PIECE, open_file(path)?);
    let mut read = |bytes: &mut [u8]| file.read_exact(bytes).map_err(|e| damaged(e.to_string()));
    let mut length = [0; 8];
    read(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return Err(damaged(format!("a header of {length} bytes")));
    }
    let mut text = vec![0; length as usize];
    read(&mut text)?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|e| damaged(format!("its header: {e}")))?;
    let entry = metadata.metadata().as_ref().and_then(|m| m.get(ENTRY)).and_then(|e| e.split_once(' '));
    let (expected, header) = entry.ok_or_else(|| damaged(format!("no '{ENTRY}' in its header")))?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.as_bytes());
    let header: H = serde_json::from_str(header).map_err(|e| damaged(format!("its header: {e}")))?;
    begin(&header)?;
    let mut names = metadata.offset_keys();
    names.sort_by_key(|name| metadata.info(name).map(|info| info.data_offsets));
    for name in &names {
        let Some(info) = metadata.info(name).filter(|info| info.dtype == Dtype::F32) else {
            return Err(damaged(format!("tensor '{name}' is not of f32")));
        };
        hasher.update(name.as_bytes());
        let n = (info.data_offsets.1 - info.data_offsets.0) / size_of::<f32>();
        let mut bytes = vec![0; PIECE.min(n) * size_of::<f32>()];
        let mut values = Vec::with_capacity(PIECE.min(n));
        for first in (0..n).step_by(PIECE) {
            let bytes = &mut bytes[..PIECE.min(n - first) * size_of::<f32>()];
            read(bytes)?;
            hasher.update(bytes);
            values.clear();
            values.extend(bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)));
            piece(name, &info.shape, first, &values)?;
        }
    }
    if format!("{:08x}", hasher.finalize()) != expected {
        return Err(damaged("its checksum does not agree".into()));
    }
    if read(&mut [0]).is_ok() {
        return Err(damaged("there is more behind its last tensor".into()));
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::super::tensors;
    use super::*;
    use crate::model::Parameters;
    use burn::tensor::TensorData;

    fn all() -> Parameters {
        let values = |n: usize| (0..n).map(|i| i as f32 / 3.0 - 7.0).collect::<Vec<_>>();
        let long = PIECE + 3;
        Parameters::from([
            ("adam/x".to_string(), TensorData::new(values(6), [2, 3])),
            ("best/long".to_string(), TensorData::new(values(long), [long])),
            ("best/none".to_string(), TensorData::new(values(0), [0, 4])),
            ("model/y".to_string(), TensorData::new(values(1), [1])),
        ])
    }

    #[test]
    fn a_file_in_pieces_has_the_bytes_of_one_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, pieces) = (folder.path().join("whole"), folder.path().join("pieces"));
        let header = serde_json::json!({"a": 1.5, "b": "\"quoted\" and ???????? marks"});
        tensors::write(&whole, &header, &all()).unwrap();
        let names: Vec<_> = all().iter().map(|(name, data)| (name.clone(), data.shape().to_vec())).collect();
        let mut file = PiecesFile::create(&pieces, &header, &names).unwrap();
        for (name, data) in &all() {
            file.begin(name);
            data.as_slice::<f32>().unwrap().chunks(1000).for_each(|piece| file.write(piece).unwrap());
        }
        assert!(!pieces.exists());
        file.commit().unwrap();
        let bytes = std::fs::read(&whole).unwrap();
        assert!(bytes == std::fs::read(&pieces).unwrap());

        let mut found = Parameters::new();
        let read = read_in_pieces::<serde_json::Value>(
            &whole,
            |_| Ok(()),
            |name, shape, first, values| {
                let zeros = || TensorData::new(vec![0f32; shape.iter().product()], shape.to_vec());
                let data = found.entry(name.to_string()).or_insert_with(zeros);
                data.as_mut_slice::<f32>().unwrap()[first..first + values.len()].copy_from_slice(values);
                Ok(())
            },
        );
        assert_eq!(read.unwrap(), header);
        let mut expected = all();
        expected.remove("best/none"); // nothing to tell of
        assert!(found == expected);

        // A flipped bit anywhere, or a truncated file.
        let refused = |bytes: &[u8]| {
            std::fs::write(&pieces, bytes).unwrap();
            read_in_pieces::<serde_json::Value>(&pieces, |_| Ok(()), |_, _, _, _| Ok(())).unwrap_err().to_string()
        };
        for at in [0, 3, 9, 100, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            assert!(refused(&changed).contains("is damaged or not ours"), "byte {at}");
        }
        for end in [0, 7, 8, 200, bytes.len() - 1] {
            assert!(refused(&bytes[..end]).contains("is damaged or not ours"), "{end} bytes");
        }
        assert!(refused(&[&bytes[..], &[0]].concat()).contains("more behind"));
        let missing = read_in_pieces::<serde_json::Value>(&folder.path().join("none"), |_| Ok(()), |_, _, _, _| Ok(()));
        assert!(missing.unwrap_err().to_string().contains("no such file"));
    }
}
