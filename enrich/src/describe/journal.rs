//! Append-only journal of all results paid for, in JSON Lines: one record per item, written before the next item is
//! requested.

use super::completion::Tokens;
use crate::digest::digest;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;
use viral::data::{AppendLog, LineReader, read_lines};

pub use viral::data::Tail;

/// Outcome of one request for one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// External id.
    pub item: String,
    /// Hash of the request: the rendered prompt, and the settings of request and picture.
    pub prompt: String,
    /// The model's name.
    pub model: String,
    /// Hash of the picture's file; empty if there is none.
    pub image: String,
    /// The text that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The reason why there is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<String>,
    /// Tokens of all attempts, as far as servers report them.
    #[serde(flatten)]
    pub tokens: Tokens,
    /// Number of requests sent.
    pub attempts: u32,
}

/// Key of a record: 16 bytes of the hash of item, prompt, model and image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// Computes the key of item, prompt, model and image.
    pub fn new(item: &str, prompt: &str, model: &str, image: &str) -> Self {
        Self(digest(&[item, prompt, model, image].map(str::as_bytes)))
    }

    fn of(record: &Record) -> Self {
        Self::new(&record.item, &record.prompt, &record.model, &record.image)
    }
}

/// Offset and kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) is_quarantined: bool,
}

/// Reads a journal and passes each record to `take`, with the byte offset of its line.
///
/// # Errors
/// Names the line that is not a record. An incomplete last line is not an error.
pub fn read_journal(path: &Path, reader: impl BufRead, mut take: impl FnMut(u64, Record)) -> Result<Tail> {
    read_lines(path, reader, |offset, line| parse(line).map(|record| take(offset, record)))
}

fn parse(line: &[u8]) -> std::result::Result<Record, String> {
    let record: Record =
        serde_json::from_slice(line).map_err(|error| format!("not a record of a journal ({error})"))?;
    match (&record.text, &record.quarantined) {
        (Some(_), None) | (None, Some(_)) => Ok(record),
        _ => Err("not a record of a journal (it has one of `text` and `quarantined`)".to_string()),
    }
}

/// An open journal, locked until it is dropped or its process ends.
#[derive(Debug)]
pub struct Journal {
    log: AppendLog,
    entries: HashMap<Key, Entry>,
}

impl Journal {
    /// Opens a journal, or creates it. An incomplete last line is cut off and reported by [`Self::n_torn_bytes`].
    ///
    /// # Errors
    /// If another process has it open, or if it is damaged anywhere but at its end; then the line is named.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let mut entries = HashMap::new();
        let log = AppendLog::open(path.as_ref(), |offset, line| {
            let record = parse(line)?;
            entries.insert(Key::of(&record), Entry { offset, is_quarantined: record.quarantined.is_some() });
            Ok(())
        })?;
        Ok(Self { log, entries })
    }

    /// Returns the number of distinct keys (item, prompt, model and image) that have a record.
    pub fn n_records(&self) -> usize {
        self.entries.len()
    }

    /// Returns how many bytes of an incomplete last line were dropped when the journal was opened.
    pub fn n_torn_bytes(&self) -> u64 {
        self.log.tail().torn
    }

    pub(super) fn entry(&self, key: &Key) -> Option<Entry> {
        self.entries.get(key).copied()
    }

    /// Appends a record in one write.
    ///
    /// # Errors
    /// If it cannot be written. A partial write is rolled back, and no further record is accepted.
    pub(super) fn append(&mut self, record: &Record) -> Result<Entry> {
        let line = serde_json::to_vec(record).map_err(|e| Error::file(self.log.path(), e.to_string()))?;
        let offset = self.log.append(line, &format!("item {}", record.item))?;
        let entry = Entry { offset, is_quarantined: record.quarantined.is_some() };
        self.entries.insert(Key::of(record), entry);
        Ok(entry)
    }

    /// Flushes the written records to disk.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.log.sync()
    }

    /// Returns any one text that was kept from a model, or `None`.
    pub(crate) fn text_by(&self, model: &str) -> Result<Option<String>> {
        let mut reader = self.reader()?;
        for entry in self.entries.values().filter(|entry| !entry.is_quarantined) {
            let record = reader.read(entry.offset)?;
            if record.model == model {
                return Ok(record.text);
            }
        }
        Ok(None)
    }

    /// Returns the path of the journal.
    pub(crate) fn path(&self) -> &Path {
        self.log.path()
    }

    /// Opens a reader of single records.
    pub(crate) fn reader(&self) -> Result<RecordReader> {
        self.log.reader().map(RecordReader)
    }
}

/// Reads single records by offset.
pub(crate) struct RecordReader(LineReader);

impl RecordReader {
    pub(crate) fn read(&mut self, offset: u64) -> Result<Record> {
        self.0.read(offset, parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(item: &str, text: Option<&str>) -> Record {
        Record {
            item: item.into(),
            prompt: "p".into(),
            model: "m".into(),
            image: "i".into(),
            text: text.map(str::to_string),
            quarantined: text.is_none().then(|| "refused: no".to_string()),
            tokens: Tokens { input: 7, output: 2 },
            attempts: 1,
        }
    }

    fn key(item: &str) -> Key {
        Key::new(item, "p", "m", "i")
    }

    #[test]
    fn records_are_found_again() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::open(&path)?;
        journal.append(&record("a", Some("A “cot”.\n")))?;
        journal.append(&record("b", None))?;
        assert!(Journal::open(&path).unwrap_err().to_string().contains("another run"));
        drop(journal);
        let mut journal = Journal::open(&path)?;
        assert_eq!((journal.n_records(), journal.n_torn_bytes()), (2, 0));
        assert!(journal.entry(&key("b")).unwrap().is_quarantined);
        assert_eq!(journal.entry(&Key::new("a", "other", "m", "i")), None);
        journal.append(&record("b", Some("later")))?;
        let mut reader = journal.reader()?;
        assert_eq!(reader.read(journal.entry(&key("b")).unwrap().offset)?, record("b", Some("later")));
        assert_eq!(reader.read(journal.entry(&key("a")).unwrap().offset)?, record("a", Some("A “cot”.\n")));
        Ok(())
    }

    #[test]
    fn a_journal_cut_anywhere_goes_on() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::open(&path)?;
        journal.append(&record("a", Some("one")))?;
        journal.append(&record("b", Some("two")))?;
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut journal = Journal::open(&path)?;
            // A complete record without its line break counts.
            let n_whole = usize::from(cut + 1 >= first) + usize::from(cut + 1 >= whole.len());
            assert_eq!(journal.n_records(), n_whole, "cut at {cut}");
            journal.append(&record("c", Some("three")))?;
            drop(journal);
            assert_eq!(Journal::open(&path)?.n_records(), n_whole + 1, "cut at {cut}");
        }
        // Trailing zeros, as a power failure may leave them.
        std::fs::write(&path, [&whole[..], &[0; 50]].concat()).unwrap();
        let journal = Journal::open(&path)?;
        assert_eq!((journal.n_records(), journal.n_torn_bytes()), (2, 50));
        Ok(())
    }

    #[test]
    fn damage_in_the_middle_is_an_error_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let good = serde_json::to_string(&record("a", Some("one"))).unwrap();
        let message = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let message = Journal::open(&path).unwrap_err().to_string();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "a damaged journal is left as it is");
            message[message.find("journal.jsonl").unwrap()..].to_string()
        };
        assert!(message(&format!("{good}\n{{\"item\n{good}\n")).starts_with("journal.jsonl:2: not a record"));
        assert!(message(&format!("{good}\n\n")).starts_with("journal.jsonl:2: not a record"));
        let both = good.replace("\"text\"", "\"quarantined\":\"x\",\"text\"");
        assert!(message(&format!("{both}\n")).contains("one of `text` and `quarantined`"));
        assert!(message(&"x".repeat(AppendLog::MAX_LINE as usize + 1)).starts_with("journal.jsonl:1:"));
    }

    #[test]
    fn keys_keep_their_parts_apart() {
        assert_ne!(Key::new("ab", "c", "m", "i"), Key::new("a", "bc", "m", "i"));
        assert_eq!(Key::of(&record("a", None)), key("a"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let path = Path::new("journal.jsonl");
            let _ = read_journal(path, &bytes[..], |_, _| {});
            let mut lines: Vec<u8> = Vec::new();
            for item in ["a", "b", "c"] {
                lines.extend(serde_json::to_vec(&record(item, Some("text"))).unwrap());
                lines.push(b'\n');
            }
            let at = at.index(lines.len());
            lines[at] = byte;
            let mut n = 0;
            match read_journal(path, &lines[..], |_, _| n += 1) {
                Ok(tail) => prop_assert_eq!(tail.whole + tail.torn, lines.len() as u64 + u64::from(tail.lacks_line_end)),
                Err(error) => prop_assert!(error.to_string().starts_with("journal.jsonl:")),
            }
        }
    }
}
