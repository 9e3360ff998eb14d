//! A file of this process for what is read by path. `TMPDIR=/dev/shm` keeps it in memory.

use std::path::PathBuf;

/// Writes the bytes to a file of this name, in a folder that is the same at every call.
pub fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("viral-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("room for a temporary file");
    path
}
