//! Files beside a model, written whole or not at all.

use serde::Serialize;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use viral::{Error, Result};

/// [`write_text`] of a value as JSON.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let io = |source| Error::Io { path: path.to_path_buf(), source };
    let mut text = serde_json::to_string_pretty(value).map_err(|e| io(e.into()))?;
    text.push('\n');
    write_text(path, &text)
}

/// Writes beside the file, flushes to disk and renames: a reader sees the old file or the new one.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    let io = |source| Error::Io { path: path.to_path_buf(), source };
    let part = beside(path, &format!("{}.part", std::process::id()));
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    });
    written.map_err(|source| {
        let _ = fs::remove_file(&part);
        io(source)
    })
}

/// Finds out before a long run, not after it, that results could not be written: makes the folder and a file in it.
pub(crate) fn check_writable(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let io = |source| Error::Io { path: folder.to_path_buf(), source };
    fs::create_dir_all(folder).map_err(io)?;
    tempfile::tempfile_in(folder).map(drop).map_err(io)
}

/// [`check_writable`] of the folder of a file, which must not be a folder itself.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::File { path: path.to_path_buf(), message: "is a folder; name a file".into() });
    }
    check_writable(path.parent().unwrap_or(Path::new("")))
}

/// `results/run.json` to `results/run.json.<suffix>`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The most memory that this process ever held, in MB, where the system tells.
pub(crate) fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
