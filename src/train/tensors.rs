//! A safetensors file with a JSON header and a checksum, written atomically.

use crate::data::{is_there, read_file, write_whole};
use crate::model::Parameters;
use crate::{Error, Result};
use burn::tensor::{DType, TensorData};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::Path;

/// Metadata entry with the checksum in hexadecimal, a space, and the header as JSON.
pub(super) const ENTRY: &str = "viral";

/// Writes tensors with a header.
pub(crate) fn write<H: Serialize>(path: &Path, header: &H, tensors: &Parameters) -> Result<()> {
    let broken = |what: &dyn std::fmt::Display| Error::file(path, format!("cannot be written: {what}"));
    let header = serde_json::to_string(header).map_err(|e| broken(&e))?;
    let mut views = Vec::with_capacity(tensors.len());
    for (name, data) in tensors {
        let dtype = match data.dtype() {
            DType::F32 => Dtype::F32,
            DType::I32 => Dtype::I32,
            DType::F16 => Dtype::F16,
            other => return Err(broken(&format!("tensor '{name}' is {other:?}"))),
        };
        let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes()).map_err(|e| broken(&e))?;
        views.push((name.as_str(), view));
    }
    let checksum = checksum(&header, views.iter().map(|(name, view)| (*name, view.data())));
    // A single entry: safetensors writes entries in the order of a hash map, and equal models must give equal files.
    let metadata = HashMap::from([(ENTRY.to_string(), format!("{checksum} {header}"))]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| broken(&e))?;
    write_whole(path, &bytes)
}

/// Reads what [`write`] wrote, and checks every bit of header and tensors.
pub(crate) fn read<H: DeserializeOwned>(path: &Path) -> Result<(H, Parameters)> {
    if !is_there(path)? {
        return Err(Error::file(path, "there is no such file; train a model first, or name another"));
    }
    let bytes = read_file(path)?;
    let damaged =
        |what: String| Error::file(path, format!("is damaged or not ours: {what}; use a copy or train again"));
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let entry = metadata.metadata().as_ref().and_then(|m| m.get(ENTRY)).and_then(|e| e.split_once(' '));
    let (expected, header) = entry.ok_or_else(|| damaged(format!("no '{ENTRY}' in its header")))?;
    let mut views = file.tensors();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    if checksum(header, views.iter().map(|(name, view)| (name.as_str(), view.data()))) != expected {
        return Err(damaged("its checksum does not agree".into()));
    }
    let mut tensors = Parameters::new();
    for (name, view) in views {
        let shape = view.shape().to_vec();
        let words = view.data().as_chunks::<4>().0;
        let data = match view.dtype() {
            Dtype::F32 => TensorData::new(words.iter().map(|w| f32::from_le_bytes(*w)).collect::<Vec<_>>(), shape),
            Dtype::I32 => TensorData::new(words.iter().map(|w| i32::from_le_bytes(*w)).collect::<Vec<_>>(), shape),
            Dtype::F16 => {
                let halves = view.data().as_chunks::<2>().0.iter().map(|w| f16::from_le_bytes(*w));
                TensorData::new(halves.collect::<Vec<_>>(), shape)
            }
            other => return Err(damaged(format!("tensor '{name}' is {other:?}"))),
        };
        tensors.insert(name, data);
    }
    let parsed = serde_json::from_str(header).map_err(|e| damaged(format!("its header: {e}")))?;
    Ok((parsed, tensors))
}

/// Checksum of these tensors alone, whatever else is in their file.
pub(crate) fn checksum_of<'a>(tensors: impl Iterator<Item = (&'a str, &'a TensorData)>) -> String {
    checksum("", tensors.map(|(name, data)| (name, data.as_bytes())))
}

fn checksum<'a>(header: &str, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.as_bytes());
    for (name, data) in tensors {
        hasher.update(name.as_bytes());
        hasher.update(data);
    }
    format!("{:08x}", hasher.finalize())
}
