//! Reads the lines of a text file, plain or gzip, one at a time, with a limit on their length.

use std::io::{BufRead, BufReader, Chain, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use viral::data::open_file;

use super::flaws::Flaw;
use super::kind::{HEAD, obstacle, obstacle_inside};
use crate::{Error, Result};

/// Reads lines; memory is one line and a few buffers, whatever the size of the file or of its decompressed content.
pub(super) struct Lines {
    path: PathBuf,
    source: Source,
    limit: usize,
    line: usize,
    buffer: Vec<u8>,
    is_too_long: bool,
}

/// The first bytes, which reveal compression, followed by the rest of the file.
type Start = Chain<Cursor<Vec<u8>>, Hashed<Box<dyn Read>>>;

enum Source {
    Plain(BufReader<Start>),
    Gzip(BufReader<MultiGzDecoder<BufReader<Start>>>),
}

impl Source {
    fn reader(&mut self) -> &mut dyn BufRead {
        match self {
            Self::Plain(reader) => reader,
            Self::Gzip(reader) => reader,
        }
    }

    fn hashed(&self) -> &Hashed<Box<dyn Read>> {
        match self {
            Self::Plain(reader) => reader.get_ref().get_ref().1,
            Self::Gzip(reader) => reader.get_ref().get_ref().get_ref().get_ref().1,
        }
    }
}

impl Lines {
    /// Opens a file; lines of more than `limit` bytes are flaws.
    ///
    /// # Errors
    /// If it is missing, or its first bytes show that it is not UTF-8 text: an archive, UTF-16 and the like.
    pub(super) fn open(path: &Path, limit: usize) -> Result<Self> {
        let file = open_file(path)?;
        Self::new(path, Box::new(file), limit)
    }

    /// Reads the lines of any reader; `path` is for messages.
    pub(super) fn new(path: &Path, reader: Box<dyn Read>, limit: usize) -> Result<Self> {
        let mut reader = Hashed { reader, sum: Sha256::new(), n_bytes: 0 };
        let mut head = Vec::new();
        reader.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(Error::io(path))?;
        let is_gzip = head.starts_with(&[0x1f, 0x8b]);
        let plain = obstacle(&head);
        let start = BufReader::with_capacity(1 << 16, Cursor::new(head).chain(reader));
        let source = match is_gzip {
            // Files joined from several gzip members are read as one.
            true => Source::Gzip(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(start))),
            false => Source::Plain(start),
        };
        let mut lines =
            Self { path: path.to_path_buf(), source, limit, line: 0, buffer: Vec::new(), is_too_long: false };
        let inside = match is_gzip {
            true => lines.source.reader().fill_buf().map(|head| obstacle_inside(&head[..head.len().min(HEAD)])),
            false => Ok(plain),
        };
        match inside {
            Ok(None) => Ok(lines),
            Ok(Some(what)) => Err(Error::file(path, what)),
            Err(e) => Err(lines.failed(e)),
        }
    }

    /// Advances to the next line; returns false at the end.
    pub(super) fn advance(&mut self) -> Result<bool> {
        self.buffer.clear();
        let reader = self.source.reader();
        let most = self.limit as u64 + 2; // a line end of two bytes
        let read = reader.take(most).read_until(b'\n', &mut self.buffer).and_then(|n| {
            let whole = self.buffer.ends_with(b"\n") || (n as u64) < most;
            if whole { Ok(n) } else { self.source.reader().skip_until(b'\n').map(|_| n) }
        });
        let n = match read {
            Ok(n) => n,
            Err(e) => return Err(self.failed(e)),
        };
        if n == 0 {
            return Ok(false);
        }
        self.line += 1;
        for end in [b'\n', b'\r'] {
            if self.buffer.last() == Some(&end) {
                self.buffer.pop();
            }
        }
        if self.line == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.buffer.drain(..3);
        }
        self.is_too_long = self.buffer.len() > self.limit;
        Ok(true)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        let is_gzip = matches!(self.source, Source::Gzip(_));
        match error.kind() {
            ErrorKind::UnexpectedEof if is_gzip => {
                let message = "the gzip data break off here: the file is truncated; download or copy it again";
                Error::line(&self.path, self.line + 1, message)
            }
            ErrorKind::InvalidInput | ErrorKind::InvalidData if is_gzip => {
                let message = format!("damaged gzip data ({error}); download or copy the file again");
                Error::line(&self.path, self.line + 1, message)
            }
            _ => Error::io(&self.path)(error),
        }
    }

    /// Returns the 1-based number of this line.
    pub(super) fn number(&self) -> usize {
        self.line
    }

    /// Returns this line without its line break.
    pub(super) fn text(&self) -> std::result::Result<&str, Flaw> {
        if self.is_too_long {
            return Err(Flaw::new("too long", format!("a line of more than {} bytes", self.limit)));
        }
        let not_utf8 = |e: std::str::Utf8Error| {
            Flaw::new(
                "not UTF-8",
                format!(
                    "not UTF-8 text at byte {} of the line; save the file as UTF-8 (often it is Windows-1252 or Latin-1)",
                    e.valid_up_to() + 1
                ),
            )
        };
        std::str::from_utf8(&self.buffer).map_err(not_utf8)
    }

    /// Whether this line is blank.
    pub(super) fn is_blank(&self) -> bool {
        !self.is_too_long && self.buffer.iter().all(u8::is_ascii_whitespace)
    }

    /// Returns the path of the file, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of bytes of the file read so far.
    pub(super) fn n_bytes(&self) -> u64 {
        self.source.hashed().n_bytes
    }

    /// Returns the SHA-256 of the bytes of the file read so far; after the last line, of all of them.
    pub(super) fn sha256(&self) -> String {
        format!("{:x}", self.source.hashed().sum.clone().finalize())
    }
}

/// Counts and hashes the bytes that are read through it.
struct Hashed<R> {
    reader: R,
    sum: Sha256,
    n_bytes: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.sum.update(&buffer[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(bytes: &[u8], limit: usize) -> Result<Vec<std::result::Result<String, &'static str>>> {
        let mut lines = Lines::new(Path::new("a.gz"), Box::new(Cursor::new(bytes.to_vec())), limit)?;
        let mut found = Vec::new();
        while lines.advance()? {
            assert_eq!(lines.number(), found.len() + 1);
            found.push(lines.text().map(str::to_string).map_err(|flaw| flaw.kind));
        }
        assert_eq!((lines.n_bytes(), lines.sha256()), (bytes.len() as u64, format!("{:x}", Sha256::digest(bytes))));
        Ok(found)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn ok(texts: &[&str]) -> Vec<std::result::Result<String, &'static str>> {
        texts.iter().map(|text| Ok(text.to_string())).collect()
    }

    #[test]
    fn plain_and_gzip_are_told_by_their_bytes() -> Result<()> {
        let text = "\u{feff}one\r\n\ntwö".as_bytes();
        assert_eq!(lines(text, 100)?, ok(&["one", "", "twö"]));
        assert_eq!(lines(&gzip(text), 100)?, ok(&["one", "", "twö"]));
        assert_eq!(lines(b"", 100)?, []);
        assert_eq!(lines(b"\x1f", 100)?, ok(&["\u{1f}"]));
        Ok(())
    }

    #[test]
    fn joined_members_read_as_one_file() -> Result<()> {
        let joined = [gzip(b"one\ntw"), gzip(b""), gzip(b"o\nthree\n")].concat();
        assert_eq!(lines(&joined, 100)?, ok(&["one", "two", "three"]));
        Ok(())
    }

    #[test]
    fn every_truncation_and_every_damage_is_an_error() {
        let text = b"one\ntwo\nthree\n".repeat(30);
        let whole = [gzip(&text), gzip(b"more\n")].concat();
        let boundary = gzip(&text).len();
        for end in (2..whole.len()).filter(|&end| end != boundary) {
            let message = lines(&whole[..end], 100).unwrap_err().to_string();
            assert!(message.contains("truncated") || message.contains("damaged"), "{end}: {message}");
        }
        let mut damaged = whole.clone();
        damaged[boundary - 6] ^= 1; // in the checksum of the first member
        let message = lines(&damaged, 100).unwrap_err().to_string();
        assert!(message.starts_with("a.gz:91: damaged gzip data ("), "{message}");
        let surplus = [gzip(b"one\n"), b"no gzip behind it".to_vec()].concat();
        let message = lines(&surplus, 100).unwrap_err().to_string();
        assert!(message.starts_with("a.gz:2: damaged gzip data ("), "{message}");
    }

    #[test]
    fn a_line_beyond_the_limit_is_never_held() -> Result<()> {
        assert_eq!(lines(b"12345\n123456\r\n1234\r\n", 5)?, [Ok("12345".into()), Err("too long"), Ok("1234".into())]);
        assert_eq!(lines(b"123456", 5)?, [Err("too long")]);
        // 64 MB without a line break, compressed to 64 kB, then a line.
        let bomb = gzip(&[vec![b'x'; 1 << 26], b"\nlast".to_vec()].concat());
        let mut lines = Lines::new(Path::new("a.gz"), Box::new(Cursor::new(bomb)), 1000)?;
        assert!(lines.advance()? && lines.text().is_err());
        assert!(lines.advance()? && lines.text() == Ok("last"));
        assert!(lines.buffer.capacity() < 10_000);
        Ok(())
    }

    #[test]
    fn text_that_is_not_utf8_is_told_by_its_place() -> Result<()> {
        assert_eq!(lines(b"zo\xeb\nok", 100)?, [Err("not UTF-8"), Ok("ok".into())]);
        Ok(())
    }
}
