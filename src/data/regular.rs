//! Opens regular files only: a read from a pipe may wait forever, and a device has no end.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::{Error, Result};

/// Opens a file for reading. This library opens all its input files here.
///
/// ```
/// use viral::data::open_file;
///
/// let folder = tempfile::tempdir().unwrap();
/// assert!(open_file(folder.path()).unwrap_err().to_string().contains("is a folder"));
/// ```
///
/// # Errors
/// A file that is missing or cannot be read; a folder, pipe or device, which is not opened; a dangling link.
pub fn open_file(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    let found = std::fs::metadata(path).map_err(|error| missing(path, error))?;
    check_regular(path, &found)?;
    File::open(path).map_err(Error::io(path))
}

/// Reads a whole file, opened by [`open_file`].
///
/// # Errors
/// Those of [`open_file`]; a file that cannot be read to its end.
pub fn read_file(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    open_file(path)?.read_to_end(&mut bytes).map_err(Error::io(path))?;
    Ok(bytes)
}

/// Reads a whole file as UTF-8, opened by [`open_file`]. Removes a byte order mark. In a file
/// without LF, converts CR, the line end of old Macs, to LF.
///
/// # Errors
/// Those of [`read_file`]; the first line that is not UTF-8.
pub fn read_text(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let mut text = String::from_utf8(read_file(path)?).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
        Error::line(path, line, "not UTF-8 text; save the file as UTF-8")
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(if text.contains('\n') { text } else { text.replace('\r', "\n") })
}

/// Whether anything exists at a path, including a dangling link, which is reported when it is read.
///
/// # Errors
/// A path that cannot be inspected.
pub fn is_there(path: impl AsRef<Path>) -> Result<bool> {
    match std::fs::symlink_metadata(path.as_ref()) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(path)(error)),
    }
}

/// Checks that a path about to be written is free or a regular file: a file may not replace a folder, pipe, device or
/// link.
pub(crate) fn check_replaceable(path: &Path) -> Result<()> {
    if !is_there(path)? {
        return Ok(());
    }
    let found = std::fs::symlink_metadata(path).map_err(Error::io(path))?;
    match found.is_file() {
        true => Ok(()),
        false => Err(Error::file(path, format!("is {}, which no file may replace; name another file", kind(&found)))),
    }
}

/// Checks that an existing file about to be opened for writing is a regular file.
pub(super) fn check_if_there(path: &Path) -> Result<()> {
    std::fs::metadata(path).map_or(Ok(()), |found| check_regular(path, &found))
}

fn check_regular(path: &Path, found: &Metadata) -> Result<()> {
    match found.is_file() {
        true => Ok(()),
        false => Err(Error::file(path, format!("is {}, not a file; name a file", kind(found)))),
    }
}

/// Builds the error for a path that cannot be inspected; a dangling link is named.
fn missing(path: &Path, error: std::io::Error) -> Error {
    match std::fs::read_link(path) {
        Ok(target) if error.kind() == ErrorKind::NotFound => {
            let message = format!("is a link to {}, which is not there; mend the link", target.display());
            Error::file(path, message)
        }
        _ => Error::io(path)(error),
    }
}

/// Describes something that is not a regular file.
fn kind(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        } else if kind.is_socket() {
            return "a socket";
        } else if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    match (kind.is_dir(), kind.is_symlink()) {
        (true, _) => "a folder",
        (_, true) => "a link",
        _ => "something else",
    }
}
