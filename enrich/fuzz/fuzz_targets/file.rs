//! Files of this process for what is read by path. `TMPDIR=/dev/shm` keeps them in memory.

use std::path::PathBuf;

/// Writes the bytes to a file of this name, which may have folders before it, in a folder that is the same at every call.
pub fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("viral-fuzz-{}", std::process::id())).join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for temporary files");
    std::fs::write(&path, bytes).expect("room for a temporary file");
    path
}
