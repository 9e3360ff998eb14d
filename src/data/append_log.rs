//! Append-only line files (journals) for results that were slow or costly to produce: each record is written before the
//! next one is started.
//!
//! If the process is killed, at most the last line is torn; it is dropped when the file is next opened. Damage anywhere
//! else is an error: no completed record is discarded silently.

use super::regular::check_if_there;
use super::whole::lock_for_long;
use crate::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Interval between syncs to disk. A killed process loses nothing either way; a power failure loses the records written
/// since the last sync.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// How a line file ended: the length of its complete records, and whether its last line was torn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tail {
    /// Bytes of complete records, including their newlines.
    pub whole: u64,
    /// Bytes of a torn last line, or 0.
    pub torn: u64,
    /// Whether the last record is complete but lacks its newline, which `whole` counts all the same.
    pub lacks_line_end: bool,
}

/// Passes each line of a reader, with its byte offset, to `take`, which returns a message if the line is not a record.
///
/// # Errors
/// Names the first line that is not a record, unless it is the last and lacks a newline.
pub fn read_lines(
    path: &Path,
    mut reader: impl BufRead,
    mut take: impl FnMut(u64, &[u8]) -> std::result::Result<(), String>,
) -> Result<Tail> {
    let (mut tail, mut line, mut buffer) = (Tail::default(), 0, Vec::new());
    loop {
        line += 1;
        buffer.clear();
        let n =
            reader.by_ref().take(AppendLog::MAX_LINE).read_until(b'\n', &mut buffer).map_err(Error::io(path))? as u64;
        if n == 0 {
            return Ok(tail);
        }
        let is_ended = buffer.last() == Some(&b'\n');
        match take(tail.whole, &buffer) {
            Ok(()) => {}
            // A line torn when its process was killed; one longer than `append` writes is something else.
            Err(_) if !is_ended && n < AppendLog::MAX_LINE => {
                tail.torn = n;
                return Ok(tail);
            }
            Err(what) => {
                let message =
                    format!("{what}; mend the line from a copy, or remove it, and what it told of will be done again");
                return Err(Error::line(path, line, message));
            }
        }
        tail.whole += n;
        if !is_ended {
            tail.whole += 1;
            tail.lacks_line_end = true;
            return Ok(tail);
        }
    }
}

/// An append-only line file under an exclusive lock: nobody else can open it until this is dropped or its process ends.
///
/// ```
/// # use viral::data::AppendLog;
/// # fn main() -> viral::Result<()> {
/// # let folder = tempfile::tempdir().map_err(viral::Error::io("a temporary folder"))?;
/// let path = folder.path().join("done.jsonl");
/// let mut log = AppendLog::open(&path, |_, _| Ok(()))?;
/// log.append(b"{\"epoch\":0}".to_vec(), "epoch 0")?;
/// drop(log);
/// // A process was killed in the middle of a write: the torn line is dropped, complete lines stay.
/// std::fs::write(&path, "{\"epoch\":0}\n{\"epo").map_err(viral::Error::io(&path))?;
/// let mut lines = Vec::new();
/// let log = AppendLog::open(&path, |_, line| match line.trim_ascii_end().ends_with(b"}") {
///     true => Ok(lines.push(line.to_vec())),
///     false => Err("no object".into()),
/// })?;
/// assert_eq!((lines.len(), log.tail().torn), (1, 5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AppendLog {
    path: PathBuf,
    file: File,
    tail: Tail,
    end: u64,
    synced: Instant,
    is_broken: bool,
}

impl AppendLog {
    /// Upper limit on the length of a line, in bytes; a longer one was not written by this type.
    pub const MAX_LINE: u64 = 1 << 20;

    /// Opens or creates a file and passes its lines to `take`, as [`read_lines`] does. A torn last line is cut off.
    ///
    /// # Errors
    /// If another process has the file open, or if it is damaged anywhere but at its end (names the line).
    pub fn open(path: &Path, take: impl FnMut(u64, &[u8]) -> std::result::Result<(), String>) -> Result<Self> {
        let path = path.to_path_buf();
        check_if_there(&path)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io(&path))?;
        match lock_for_long(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = "another run is writing this journal; let it end, or stop it, and start again";
                return Err(Error::file(&path, message));
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
        }
        let tail = read_lines(&path, BufReader::new(&file), take)?;
        let end = tail.whole - u64::from(tail.lacks_line_end);
        file.set_len(end).map_err(Error::io(&path))?;
        if tail.lacks_line_end {
            file.seek(SeekFrom::Start(end)).and_then(|_| file.write_all(b"\n")).map_err(Error::io(&path))?;
        }
        Ok(Self { path, file, tail, end: tail.whole, synced: Instant::now(), is_broken: false })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how the file ended when it was opened.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Appends a line, given without its newline, in one write and returns its byte offset. `what` names it in errors.
    ///
    /// # Errors
    /// If it is too long or cannot be written; a partial write is undone, and every later append fails.
    pub fn append(&mut self, mut line: Vec<u8>, what: &str) -> Result<u64> {
        line.push(b'\n');
        let offset = self.end;
        if self.is_broken {
            return Err(Error::file(&self.path, "an earlier record could not be written"));
        }
        if line.len() as u64 >= AppendLog::MAX_LINE {
            return Err(Error::file(&self.path, format!("the record of {what} is too long")));
        }
        // Readers share the file position.
        let written = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.write_all(&line));
        if let Err(error) = written {
            self.is_broken = true;
            // If this fails as well, the next `open` finds a torn line and drops it.
            let _ = self.file.set_len(offset);
            return Err(Error::io(&self.path)(error));
        }
        self.end += line.len() as u64;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(offset)
    }

    /// Flushes appended records to the disk; appending does so every two seconds.
    ///
    /// # Errors
    /// If the system call fails.
    pub fn sync(&mut self) -> Result<()> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(Error::io(&self.path))
    }

    /// Returns a reader of single lines by byte offset.
    ///
    /// # Errors
    /// If the file handle cannot be duplicated.
    pub fn reader(&self) -> Result<LineReader> {
        // Duplicates the handle: where locks bind readers too, a newly opened one could not read.
        let file = self.file.try_clone().map_err(Error::io(&self.path))?;
        Ok(LineReader { path: self.path.clone(), reader: BufReader::new(file), buffer: Vec::new() })
    }
}

/// Reads single lines of an [`AppendLog`] by byte offset.
#[derive(Debug)]
pub struct LineReader {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
}

impl LineReader {
    /// Reads the line that starts at a byte offset and parses it with `parse`.
    ///
    /// # Errors
    /// If the line cannot be read, or `parse` rejects it.
    pub fn read<T>(&mut self, offset: u64, parse: impl FnOnce(&[u8]) -> std::result::Result<T, String>) -> Result<T> {
        self.buffer.clear();
        self.reader.seek(SeekFrom::Start(offset)).map_err(Error::io(&self.path))?;
        (&mut self.reader)
            .take(AppendLog::MAX_LINE)
            .read_until(b'\n', &mut self.buffer)
            .map_err(Error::io(&self.path))?;
        parse(&self.buffer).map_err(|what| Error::file(&self.path, format!("at byte {offset}: {what}")))
    }
}
