//! What is known of is told by the hash of all that it depends on.

use crate::data::hex;
use sha2::{Digest, Sha256};

/// [`digest`] in hexadecimal.
pub(in crate::enrich) fn hash(parts: &[&[u8]]) -> String {
    hex(digest(parts))
}

/// The first half of SHA-256 of some parts and their lengths.
pub(in crate::enrich) fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}
