//! The file of a report, checked before the run.

use super::folder::FILES;
use crate::data::{check_apart, check_place, write_whole};
use crate::{Error, Result};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// A place for a [`RunReport`](super::RunReport) as JSON. It replaces nothing but an earlier report.
///
/// ```
/// use viral::recipe::ReportFile;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = |name: &str| folder.path().join(name);
/// std::fs::write(path("toys.inter"), "userID\titemID\n").unwrap();
/// assert!(ReportFile::new(path("toys.inter"), path("out")).is_err());
/// let report = ReportFile::new(path("run.json"), path("out"))?;
/// // After the run, write run.report(&[10, 20])? instead of this:
/// report.write(&serde_json::json!({"config": {}, "trainer": {}, "history": []}))?;
/// assert!(ReportFile::new(path("run.json"), path("out")).is_ok());
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug)]
pub struct ReportFile(PathBuf);

/// The fields that identify a report.
#[derive(Deserialize)]
#[allow(dead_code)] // they must be there
struct Report {
    config: IgnoredAny,
    trainer: IgnoredAny,
    history: IgnoredAny,
}

impl ReportFile {
    /// Checks a path against the folder of the run. Creates the folder of the path if it is missing.
    ///
    /// # Errors
    /// If the path is not a file's, is taken by something other than a report (data, a recipe, a model) or by a file
    /// that the run itself writes, or cannot be written.
    pub fn new(path: impl AsRef<Path>, run: impl AsRef<Path>) -> Result<Self> {
        let (path, run) = (path.as_ref().to_path_buf(), run.as_ref());
        let full = |path: &Path| std::path::absolute(path).map_err(Error::io(path));
        // Resolves links as far as the path exists.
        let of_run = |name: &str| {
            let (file, folder) = (full(&path)?, full(run)?);
            let resolved = |folder: &Path| folder.canonicalize().unwrap_or(folder.to_path_buf());
            Ok(file.file_name() == Some(name.as_ref()) && file.parent().map(resolved) == Some(resolved(&folder)))
        };
        for name in FILES {
            if of_run(name)? {
                return Err(Error::file(&path, "is a file of the run itself; give the report another name"));
            }
        }
        check_apart(&path, run)?;
        check_place(&path, "no report of a run", |mut file| {
            file.fill_buf().is_ok_and(<[u8]>::is_empty) || serde_json::from_reader::<_, Report>(file).is_ok()
        })?;
        Ok(Self(path))
    }

    /// Writes the report atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, report: &impl Serialize) -> Result<()> {
        let broken = |e: serde_json::Error| Error::file(&self.0, e.to_string());
        let mut text = serde_json::to_vec_pretty(report).map_err(broken)?;
        text.push(b'\n');
        write_whole(&self.0, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_takes_the_place_of_a_report_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let report = serde_json::json!({"config": {}, "trainer": {}, "history": [], "peak_rss_mb": 1.5});
        for (name, content, is_free) in [
            ("new/run.json", None, true),
            ("again.json", Some(report.to_string()), true),
            ("empty.json", Some(String::new()), true),
            ("toys.inter", Some("userID\titemID\n".into()), false),
            ("recipe.toml", Some("model = 'viral'\n".into()), false),
            ("items.jsonl", Some("{\"id\": \"a\"}\n{\"id\": \"b\"}\n".into()), false),
            ("coverage.json", Some("{\"name\": \"toys\"}".into()), false),
            ("run/model.safetensors", None, false),
            ("run/recipe.toml", None, false),
            ("run/seconds.json", None, false),
            ("run/../run/checkpoint.safetensors", Some(report.to_string()), false),
            ("run/report.json", None, true),
            ("later", None, false), // the folder of the run itself
        ] {
            if let Some(content) = &content {
                std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
                std::fs::write(at(name), content).unwrap();
            }
            let found = ReportFile::new(at(name), at(if name == "later" { name } else { "run" }));
            assert_eq!(found.is_ok(), is_free, "{name}: {found:?}");
            assert_eq!(std::fs::read_to_string(at(name)).ok(), content, "{name}");
            if let Ok(file) = found {
                file.write(&report).unwrap();
                assert!(ReportFile::new(at(name), at("run")).is_ok());
            }
        }
        assert!(ReportFile::new(folder.path(), at("run")).is_err());
    }
}
