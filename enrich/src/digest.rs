//! Content hashes, used as keys: a result is known by the hash of everything it depends on.

use sha2::{Digest, Sha256};

/// Returns [`digest`] in hexadecimal.
pub(crate) fn hash(parts: &[&[u8]]) -> String {
    format!("{:032x}", u128::from_be_bytes(digest(parts)))
}

/// Returns the first 16 bytes of the SHA-256 of the parts, each preceded by its length.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_hashed_with_their_lengths() {
        // printf '\x01\0\0\0\0\0\0\0a' | sha256sum
        assert_eq!(hash(&[b"a"]), "ae6121c88ba555f64c3d812123eb799d");
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_eq!(hash(&[]).len(), 32);
    }
}
