//! Raw files, plain and gzip.

use std::io::Write;
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder of files, gzip where the name ends so.
pub(crate) fn folder(files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    for (name, text) in files {
        let bytes = if name.ends_with(".gz") { gzip(text.as_bytes()) } else { text.as_bytes().to_vec() };
        std::fs::write(path.join(name), bytes).unwrap();
    }
    (folder, path)
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn review(user: &str, item: &str, rating: f64, time: u64) -> String {
    format!(
        "{{\"reviewerID\": \"{user}\", \"asin\": \"{item}\", \"reviewText\": \"so \\\"so\\\"\", \"overall\": {rating:?}, \
         \"unixReviewTime\": {time}, \"helpful\": [0, 0]}}\n"
    )
}
