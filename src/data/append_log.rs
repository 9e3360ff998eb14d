//! Append-only lines about what took long to make or was paid for: each is written before the next one is begun.
//!
//! A killed process leaves at most a torn last line, which is dropped when the file is next opened. Damage anywhere else
//! is an error: nothing that was made is thrown away in silence.

use super::regular::check_if_there;
use super::whole::lock_for_long;
use crate::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often records are pushed through to the disk. A killed process loses nothing either way; a machine without power
/// loses the records since.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// How a file of lines ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tail {
    /// Bytes of whole records, line ends included.
    pub whole: u64,
    /// Bytes of a torn last line.
    pub torn: u64,
    /// Whether the last record is whole but lacks its line end, which is counted in `whole`.
    pub lacks_line_end: bool,
}

/// Hands out each line of a reader with the place where it begins; `take` says what is wrong with a line that is no record.
///
/// # Errors
/// By line: a line that is no record, other than a last one without a line end.
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
            // The last line of a killed process; a longer one than it could have written is something else.
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

/// An open file of lines: nobody else can open it before this is dropped, or its process has ended.
///
/// ```
/// # use viral::data::AppendLog;
/// # fn main() -> viral::Result<()> {
/// # let folder = tempfile::tempdir().map_err(viral::Error::io("a temporary folder"))?;
/// let path = folder.path().join("done.jsonl");
/// let mut log = AppendLog::open(&path, |_, _| Ok(()))?;
/// log.append(b"{\"epoch\":0}".to_vec(), "epoch 0")?;
/// drop(log);
/// // A process was killed while it wrote: the torn line goes, what was whole stays.
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
    /// No line is longer, in bytes; one that is was not written here.
    pub const MAX_LINE: u64 = 1 << 20;

    /// Opens a file, or starts one, and hands out what is in it, as [`read_lines`] does. A torn last line is cut off.
    ///
    /// # Errors
    /// If another process has it open, or if it is damaged anywhere but at its end: by line.
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

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the file ended when it was opened.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Appends a line, given without its end, in one write; gives its place. `what` names it in errors.
    ///
    /// # Errors
    /// If it cannot be written; what was written of it is taken back, and no further line is taken.
    pub fn append(&mut self, mut line: Vec<u8>, what: &str) -> Result<u64> {
        line.push(b'\n');
        let offset = self.end;
        if self.is_broken {
            return Err(Error::file(&self.path, "an earlier record could not be written"));
        }
        if line.len() as u64 >= AppendLog::MAX_LINE {
            return Err(Error::file(&self.path, format!("the record of {what} is too long")));
        }
        // Readers share the place in the file.
        let written = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.write_all(&line));
        if let Err(error) = written {
            self.is_broken = true;
            // If this fails as well, opening the file finds a torn line and drops it.
            let _ = self.file.set_len(offset);
            return Err(Error::io(&self.path)(error));
        }
        self.end += line.len() as u64;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(offset)
    }

    /// Pushes what was written through to the disk, as happens every two seconds.
    ///
    /// # Errors
    /// If the system cannot.
    pub fn sync(&mut self) -> Result<()> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(Error::io(&self.path))
    }

    /// Reads lines by their places, one at a time.
    ///
    /// # Errors
    /// If the file cannot be opened once more.
    pub fn reader(&self) -> Result<LineReader> {
        // The same open file: where locks bind readers too, another one could not read.
        let file = self.file.try_clone().map_err(Error::io(&self.path))?;
        Ok(LineReader { path: self.path.clone(), reader: BufReader::new(file), buffer: Vec::new() })
    }
}

/// Reads single lines of an [`AppendLog`] by their places.
#[derive(Debug)]
pub struct LineReader {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
}

impl LineReader {
    /// What `parse` makes of the line that begins at a place.
    ///
    /// # Errors
    /// If the line cannot be read, or `parse` says what is wrong with it.
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
