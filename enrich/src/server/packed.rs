//! Decompresses bodies that a server compressed unasked, up to a limit.

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::io::Read;

/// Maximum number of encodings of one body.
const MOST_LAYERS: usize = 3;

/// Undoes the encodings in `Content-Encoding`; the result has at most `limit` bytes.
///
/// # Errors
/// [`Packing::Unknown`] for an unknown encoding, which no further request fixes; [`Packing::Broken`] for compressed
/// bytes that are truncated, damaged, or hold more than the limit.
pub(super) fn unpacked<'a>(body: &'a [u8], encodings: &str, limit: u64) -> Result<Cow<'a, [u8]>, Packing> {
    let names: Vec<String> = encodings.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    let mut names: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !["", "identity", "none"].contains(name)).collect();
    if names.len() > MOST_LAYERS {
        return Err(Packing::Unknown(encodings.to_string()));
    }
    // Some proxies compress and do not say so; no text begins with these two bytes.
    if names.is_empty() && body.starts_with(b"\x1f\x8b") {
        names.push("gzip");
    }
    let mut body = Cow::Borrowed(body);
    for name in names.into_iter().rev() {
        body = Cow::Owned(match name {
            "gzip" | "x-gzip" => read(MultiGzDecoder::new(&*body), name, limit)?,
            "deflate" => read(ZlibDecoder::new(&*body), name, limit)?,
            other => return Err(Packing::Unknown(other.to_string())),
        });
    }
    Ok(body)
}

/// Why a body cannot be decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// An unknown encoding.
    Unknown(String),
    /// Truncated, damaged or too large.
    Broken(String),
}

fn read(decoder: impl Read, name: &str, limit: u64) -> Result<Vec<u8>, Packing> {
    let mut unpacked = Vec::new();
    let read = decoder.take(limit.saturating_add(1)).read_to_end(&mut unpacked);
    match read {
        Err(error) => Err(Packing::Broken(format!("an answer packed with {name} that cannot be unpacked ({error})"))),
        Ok(n) if n as u64 > limit => Err(Packing::Broken(format!("an answer of more than {limit} bytes, unpacked"))),
        Ok(_) => Ok(unpacked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn packed_bodies_are_unpacked_whatever_the_layers() {
        let text = b"{\"a\": 1}";
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(text).unwrap();
        let zlib = zlib.finish().unwrap();
        for (body, encodings) in [
            (text.to_vec(), ""),
            (text.to_vec(), "identity"),
            (gzip(text), "gzip"),
            (gzip(text), " X-GZIP "),
            (gzip(text), ""),
            (zlib.clone(), "deflate"),
            (gzip(&gzip(text)), "gzip, gzip"),
            (gzip(&zlib), "deflate,gzip"),
        ] {
            assert_eq!(unpacked(&body, encodings, 100).as_deref(), Ok(&text[..]), "{encodings}");
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_named() {
        let whole = gzip(&vec![b' '; 100_000]);
        assert_eq!(unpacked(b"\x8b\x02", "br", 100), Err(Packing::Unknown("br".to_string())));
        assert!(matches!(unpacked(&whole, "gzip,gzip,gzip,gzip", 100), Err(Packing::Unknown(_))));
        let broken = |body: &[u8], limit| match unpacked(body, "gzip", limit) {
            Err(Packing::Broken(what)) => what,
            other => panic!("{other:?}"),
        };
        assert!(broken(&whole, 1000).contains("more than 1000 bytes"));
        assert!(broken(&whole[..whole.len() / 2], 1 << 20).contains("cannot be unpacked"));
        assert!(broken(b"plain", 1000).contains("cannot be unpacked"));
    }
}
