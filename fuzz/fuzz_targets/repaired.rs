//! Safetensors files as no mutation makes them by chance: with lengths and checksums that agree.

use safetensors::SafeTensors;

/// The bytes with the length before the header made that of the header, if there is one.
pub fn with_length(bytes: &[u8]) -> Option<Vec<u8>> {
    let rest = bytes.get(8..)?;
    let mut headers = serde_json::Deserializer::from_slice(rest).into_iter::<serde_json::Value>();
    headers.next()?.ok()?;
    // Writers pad it with spaces.
    let end = headers.byte_offset();
    let padded = end.next_multiple_of(8);
    let is_padded = rest.get(end..padded).is_some_and(|padding| padding.iter().all(|&byte| byte == b' '));
    let length = if is_padded { padded } else { end };
    Some([&(length as u64).to_le_bytes(), rest].concat())
}

/// A model or a checkpoint with its length and its checksum made right, if it is a file with a header of ours.
#[allow(dead_code)] // Feature files have no checksum.
pub fn with_checksum(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes = with_length(bytes)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).ok()?;
    let file = SafeTensors::deserialize(&bytes).ok()?;
    let (_, header) = metadata.metadata().as_ref()?.get("viral")?.split_once(' ')?;
    let mut tensors = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.as_bytes());
    for (name, tensor) in &tensors {
        hasher.update(name.as_bytes());
        hasher.update(tensor.data());
    }
    let metadata = [("viral".to_string(), format!("{:08x} {header}", hasher.finalize()))].into();
    safetensors::serialize(tensors, Some(metadata)).ok()
}
