//! The journal of finished runs: a line per result, per-user hits in files beside it, and times in a separate file.

use super::CUTOFFS;
use super::key::RESULTS_VERSION;
use super::record::{Line, RunRecord, TrialRecord};
use super::usage::Usage;
use crate::data::{AppendLog, is_there, open_file, read_lines};
use crate::eval::Hits;
use crate::model::Parameters;
use crate::train::tensors;
use crate::{Error, Result};
use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// A line of `times.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Time {
    /// The test part is about to be read.
    TestRead { key: String },
    /// A run or trial is done.
    Done {
        key: String,
        #[serde(flatten)]
        usage: Usage,
    },
}

/// The results in a folder, as they were when it was read.
#[derive(Debug, Default)]
pub(super) struct Journal {
    folder: PathBuf,
    lines: HashMap<String, Line>,
    usages: HashMap<String, Usage>,
    test_reads: BTreeMap<String, usize>,
    /// Number of lines of other versions of the results, or of the library.
    n_foreign: usize,
}

/// Write access to a [`Journal`]: its files, open and locked.
pub(super) struct Writer {
    results: AppendLog,
    times: AppendLog,
}

/// The fields that every line of results has, whatever version wrote it.
#[derive(Deserialize)]
struct AnyLine {
    #[allow(dead_code)] // it must be there
    key: String,
    version: u32,
}

/// The header of a file of per-user hits.
#[derive(Serialize, Deserialize)]
struct UsersHeader {
    /// Key of the run.
    key: String,
    /// Depth of the rankings.
    depth: usize,
}

/// The text before the checksum at the end of a line.
const SEAL: &str = ",\"checksum\":\"";

/// Appends the CRC-32 checksum of a JSON object to it, as a last field.
fn sealed(object: &str) -> String {
    let open = object.strip_suffix('}').unwrap_or(object);
    format!("{open}{SEAL}{:08x}\"}}", crc32fast::hash(object.as_bytes()))
}

/// Returns an error unless a line matches its checksum, as [`sealed`] wrote it.
fn check(line: &[u8]) -> std::result::Result<(), String> {
    let text = std::str::from_utf8(line).map_err(|e| format!("not a result ({e})"))?.trim_end();
    let open = text.rsplit_once(SEAL).ok_or("a result without a checksum, which this library did not write")?.0;
    match sealed(&format!("{open}}}")) == text {
        true => Ok(()),
        false => Err("a result that was changed after it was written: its checksum does not agree".into()),
    }
}

impl Journal {
    /// Reads the journal of a folder without locking it.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut journal = Self { folder: folder.to_path_buf(), ..Self::default() };
        let (results, times) = (journal.path("results.jsonl"), journal.path("times.jsonl"));
        if let Some(file) = open(&results)? {
            read_lines(&results, file, |_, line| journal.take(line))?;
        }
        if let Some(file) = open(&times)? {
            read_lines(&times, file, |_, line| journal.take_time(line))?;
        }
        Ok(journal)
    }

    /// Opens the folder's files for writing, creating missing ones, and reads them.
    ///
    /// # Errors
    /// When another process has them open, or a line is damaged.
    pub(super) fn write(folder: &Path) -> Result<(Self, Writer)> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let mut journal = Self { folder: folder.to_path_buf(), ..Self::default() };
        let (results, times) = (journal.path("results.jsonl"), journal.path("times.jsonl"));
        let results = AppendLog::open(&results, |_, line| journal.take(line))?;
        let times = AppendLog::open(&times, |_, line| journal.take_time(line))?;
        Ok((journal, Writer { results, times }))
    }

    fn take(&mut self, line: &[u8]) -> std::result::Result<(), String> {
        let AnyLine { version, .. } =
            serde_json::from_slice::<AnyLine>(line).map_err(|e| format!("not a result ({e})"))?;
        // Later versions may protect their lines in another way.
        if version <= RESULTS_VERSION {
            check(line)?;
        }
        // A line with settings that this version does not know is of another version.
        let known = serde_json::from_slice::<Line>(line).ok();
        match known.map(|line| (line.key_now(), line)) {
            Some((Ok(Some(key)), line)) => {
                self.lines.insert(key, line);
            }
            _ => self.n_foreign += 1,
        }
        Ok(())
    }

    fn take_time(&mut self, line: &[u8]) -> std::result::Result<(), String> {
        match serde_json::from_slice(line).map_err(|e| format!("not a time ({e})"))? {
            Time::TestRead { key } => *self.test_reads.entry(key).or_default() += 1,
            Time::Done { key, usage } => {
                self.usages.insert(key, usage);
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder for the checkpoint of an unfinished run.
    pub(super) fn running(&self, key: &str) -> PathBuf {
        self.folder.join("running").join(key)
    }

    fn users_path(&self, key: &str) -> PathBuf {
        self.folder.join("users").join(format!("{key}.safetensors"))
    }

    pub(super) fn run(&self, key: &str) -> Option<&RunRecord> {
        match self.lines.get(key) {
            Some(Line::Run(record)) => Some(record),
            _ => None,
        }
    }

    /// All finished runs, in no particular order.
    pub(super) fn runs(&self) -> impl Iterator<Item = &RunRecord> {
        self.lines.values().filter_map(|line| match line {
            Line::Run(record) => Some(record),
            Line::Trial(_) => None,
        })
    }

    pub(super) fn trial(&self, key: &str) -> Option<&TrialRecord> {
        match self.lines.get(key) {
            Some(Line::Trial(record)) => Some(record),
            _ => None,
        }
    }

    pub(super) fn usage(&self, record: &RunRecord) -> Option<&Usage> {
        self.usages.get(&record.trained.key)
    }

    /// Returns the number of distinct runs and how often the test part was read for them. It was read more often if a
    /// process was killed between reading it and writing the line.
    pub(super) fn test_reads<'a>(&self, records: impl Iterator<Item = &'a RunRecord>) -> (usize, usize) {
        let mut keys: Vec<&str> = records.map(|record| record.trained.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        // A run without an entry in `times.jsonl` was tested as well.
        let reads = keys.iter().map(|key| self.test_reads.get(*key).copied().unwrap_or(1)).sum();
        (keys.len(), reads)
    }

    pub(super) fn n_foreign(&self) -> usize {
        self.n_foreign
    }

    /// Reads the per-user hits of a run; `None` if their file does not exist.
    pub(super) fn hits(&self, record: &RunRecord) -> Result<Option<Hits>> {
        let path = self.users_path(&record.trained.key);
        if !path.exists() {
            return Ok(None);
        }
        let (UsersHeader { key, depth }, tensors) = tensors::read(&path)?;
        if key != record.trained.key {
            return Err(Error::file(&path, format!("is of the run {key}; put the file of this run back")));
        }
        let column = |name: &str| {
            let numbers = tensors.get(name).and_then(|data| data.try_to_vec::<i32>().ok());
            let numbers = numbers.and_then(|all| all.into_iter().map(|n| u32::try_from(n).ok()).collect());
            numbers.ok_or_else(|| Error::file(&path, format!("has no '{name}'; remove it and the run's line")))
        };
        let [users, held_out, rows, ranks]: [Vec<u32>; 4] =
            [column("users")?, column("held_out")?, column("rows")?, column("ranks")?];
        let hits = Hits::from_parts(users, held_out, &rows, ranks, depth);
        let hits = hits.map_err(|what| Error::file(&path, format!("{what}; remove it and the run's line")))?;
        // The figures in the line must be the means of these.
        let metrics = hits.metrics(&CUTOFFS).map_err(|e| Error::file(&path, e.to_string()))?;
        for (name, mean) in metrics.means() {
            if let Some(figure) = record.test.get(&name).filter(|figure| **figure != mean) {
                let message =
                    format!("gives a {name} of {mean}, and the run's line {figure}; put the run's own file back");
                return Err(Error::file(&path, message));
            }
        }
        Ok(Some(hits))
    }

    /// Adds a result. Per-user hits are written before the line, so that no line lacks them.
    pub(super) fn add(&mut self, writer: &mut Writer, key: &str, line: Line, hits: Option<&Hits>) -> Result<()> {
        if let Some(hits) = hits {
            write_hits(&self.users_path(key), key, hits)?;
        }
        let text = serde_json::to_string(&line).map_err(|e| Error::file(writer.results.path(), e.to_string()))?;
        writer.results.append(sealed(&text).into_bytes(), key)?;
        writer.results.sync()?;
        self.lines.insert(key.to_string(), line);
        Ok(())
    }

    /// Records that the test part is about to be read.
    pub(super) fn add_test_read(&mut self, writer: &mut Writer, key: &str) -> Result<()> {
        writer.time(&Time::TestRead { key: key.to_string() })?;
        *self.test_reads.entry(key.to_string()).or_default() += 1;
        Ok(())
    }

    pub(super) fn add_usage(&mut self, writer: &mut Writer, key: &str, usage: Usage) -> Result<()> {
        writer.time(&Time::Done { key: key.to_string(), usage })?;
        self.usages.insert(key.to_string(), usage);
        Ok(())
    }
}

impl Writer {
    fn time(&mut self, time: &Time) -> Result<()> {
        let text = serde_json::to_vec(time).map_err(|e| Error::file(self.times.path(), e.to_string()))?;
        self.times.append(text, "a time")?;
        self.times.sync()
    }
}

fn open(path: &Path) -> Result<Option<BufReader<File>>> {
    match is_there(path)? {
        true => Ok(Some(BufReader::new(open_file(path)?))),
        false => Ok(None),
    }
}

/// Writes the hits of a run atomically: eight bytes per user and eight per hit.
fn write_hits(path: &Path, key: &str, hits: &Hits) -> Result<()> {
    let column = |numbers: Vec<i32>| {
        let n = numbers.len();
        TensorData::new(numbers, [n])
    };
    let signed = |numbers: &[u32]| column(numbers.iter().map(|&n| n as i32).collect());
    let n_users = hits.users().len();
    let rows = (0..n_users).flat_map(|row| hits.ranks(row).iter().map(move |_| row as i32));
    let ranks = (0..n_users).flat_map(|row| hits.ranks(row).iter().map(|&rank| rank as i32));
    let tensors = Parameters::from_iter([
        ("users".to_string(), signed(hits.users())),
        ("held_out".to_string(), signed(hits.n_held_out())),
        ("rows".to_string(), column(rows.collect())),
        ("ranks".to_string(), column(ranks.collect())),
    ]);
    tensors::write(path, &UsersHeader { key: key.to_string(), depth: hits.depth() }, &tensors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::record::Trained;
    use crate::recipe::Recipe;

    fn record(key: &str) -> RunRecord {
        let trained = Trained::new(key, ("toys", "f"), &Recipe::lightgcn(), None);
        RunRecord { trained, test: BTreeMap::from([("recall@20".to_string(), 0.75)]) }
    }

    #[test]
    fn lines_are_found_by_what_they_are_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let line = Line::Run(record("old"));
        let key = line.key_now().unwrap().unwrap();
        let hits = Hits::from_parts(vec![3, 9], vec![2, 1], &[0, 1], vec![4, 7], 100).unwrap();
        let (mut journal, mut writer) = Journal::write(folder.path()).unwrap();
        assert!(Journal::write(folder.path()).is_err());
        journal.add(&mut writer, &key, Line::Run(record(&key)), Some(&hits)).unwrap();
        journal.add_test_read(&mut writer, &key).unwrap();
        drop(writer);
        let found = Journal::read(folder.path()).unwrap();
        let run = found.run(&key).unwrap();
        assert_eq!((run, found.hits(run).unwrap()), (&record(&key), Some(hits.clone())));
        assert_eq!((found.test_reads([run].into_iter()), found.trial(&key)), ((1, 1), None));

        // A setting added since the line was written has its default; a removed one makes the line foreign.
        let path = folder.path().join("results.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"n_layers\":2,") && text.ends_with("}\n"));
        let object = format!("{}}}\n", text.split(SEAL).next().unwrap());
        let changed = |from: &str, to: &str| format!("{}\n", sealed(object.replace(from, to).trim_end()));
        for (text, n, n_foreign) in [
            (changed("\"n_layers\":2,", ""), 1, 0),
            (changed("\"n_layers\":2,", "\"n_loops\":2,"), 0, 1),
            (text.replace("\"version\":1,", "\"version\":99,"), 0, 1),
            (format!("{text}{{\"kind\":\"ru"), 1, 0),
            (String::new(), 0, 0),
        ] {
            std::fs::write(&path, &text).unwrap();
            let found = Journal::read(folder.path()).unwrap();
            assert_eq!((found.lines.len(), found.n_foreign()), (n, n_foreign), "{text}");
            assert_eq!(found.run(&key).is_some(), n == 1, "{text}");
        }
        // Any change invalidates a line.
        for text in [text.replace("0.75}", "0.95}"), text.replace("\"n_layers\":2,", ""), object.clone()] {
            std::fs::write(&path, &text).unwrap();
            let message = Journal::read(folder.path()).unwrap_err().to_string();
            assert!(message.contains("results.jsonl:1: a result ") && message.contains("checksum"), "{message}");
        }
        // Per-user hits of another run are rejected as well.
        std::fs::write(&path, &text).unwrap();
        let found = Journal::read(folder.path()).unwrap();
        let run = found.run(&key).unwrap();
        write_hits(&found.users_path(&key), "another", &hits).unwrap();
        assert!(found.hits(run).unwrap_err().to_string().contains("is of the run another"));
        let others = Hits::from_parts(vec![3, 9], vec![2, 1], &[0], vec![4], 100).unwrap();
        write_hits(&found.users_path(&key), &key, &others).unwrap();
        let message = found.hits(run).unwrap_err().to_string();
        assert!(message.contains("a recall@20 of 0.25, and the run's line 0.75"), "{message}");
        std::fs::write(&path, format!("x\n{text}")).unwrap();
        assert!(Journal::read(folder.path()).unwrap_err().to_string().contains("results.jsonl:1: not a result"));
    }
}
