//! Reading a folder of results without the experiment that wrote it.

use super::comparison::{Comparison, Runs, compare};
use super::journal::Journal;
use super::{ComparisonSettings, RunRecord};
use crate::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The finished runs in a folder of results, read without the experiment's file and without data.
///
/// ```
/// use viral::experiment::ResultsFolder;
///
/// let folder = tempfile::tempdir().unwrap();
/// assert!(ResultsFolder::read(folder.path()).unwrap_err().to_string().contains("results.jsonl"));
/// ```
#[derive(Debug)]
pub struct ResultsFolder {
    journal: Journal,
    rows: Vec<ResultsRow>,
}

/// Runs of a model on a data set that differ only in their seeds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ResultsRow {
    /// Name of the data set, with a part of its fingerprint if several data sets share the name.
    pub data: String,
    /// Name of the model, with the settings that differ if several models share the name.
    pub name: String,
    /// The runs, sorted by seed.
    pub runs: Vec<RunRecord>,
}

impl ResultsFolder {
    /// Reads the results in a folder. Rows are sorted by data set, then by falling mean recall@20.
    ///
    /// # Errors
    /// A folder without finished runs; a damaged line.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let journal = Journal::read(folder)?;
        let mut groups: BTreeMap<(String, String, String), ResultsRow> = BTreeMap::new();
        for run in journal.runs() {
            let (data, fingerprint) = (run.trained.data.clone(), run.trained.fingerprint.clone());
            let settings = settings(run)?;
            let settings: Vec<String> = settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            let name = run.trained.model.name().to_string();
            let row = ResultsRow { data: data.clone(), name, runs: Vec::new() };
            groups.entry((data, fingerprint, settings.join("\n"))).or_insert(row).runs.push(run.clone());
        }
        if groups.is_empty() {
            let message = "has no results.jsonl with finished runs; give the folder that `viral experiment` wrote";
            return Err(Error::file(folder, message));
        }
        let mut rows: Vec<ResultsRow> = groups.into_values().collect();
        rows.iter_mut().for_each(|row| row.runs.sort_by_key(|run| run.trained.training.seed));
        name_data(&mut rows);
        name_models(&mut rows)?;
        let mean = |row: &ResultsRow| {
            row.runs.iter().filter_map(|run| run.test.get("recall@20")).sum::<f64>() / row.runs.len() as f64
        };
        rows.sort_by(|a, b| a.data.cmp(&b.data).then(mean(b).total_cmp(&mean(a))).then_with(|| a.name.cmp(&b.name)));
        Ok(Self { journal, rows })
    }

    /// The rows: each model on each data set.
    pub fn rows(&self) -> &[ResultsRow] {
        &self.rows
    }

    /// Number of ignored lines: those of other versions of the results.
    pub fn n_foreign(&self) -> usize {
        self.journal.n_foreign()
    }

    /// Compares every model on a data set with each model below it, user by user (upper minus lower). Models whose
    /// per-user files are not in the folder are left out; their names are returned second.
    ///
    /// # Errors
    /// A per-user file that is damaged or has other users.
    pub fn compare(&self, data: &str, settings: &ComparisonSettings) -> Result<(Vec<Comparison>, Vec<String>)> {
        let rows: Vec<Runs> = self
            .rows
            .iter()
            .filter(|row| row.data == data)
            .map(|row| Runs { name: &row.name, records: row.runs.iter().collect() })
            .collect();
        let pairs: Vec<(usize, usize)> = (0..rows.len()).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
        compare(&self.journal, &rows, &pairs, settings)
    }
}

/// Returns all settings of a run except its seed, by path.
fn settings(run: &RunRecord) -> Result<BTreeMap<String, String>> {
    let failed = |e: serde_json::Error| Error::Config(e.to_string());
    let model = serde_json::to_value(&run.trained.model).map_err(failed)?;
    let mut training = serde_json::to_value(&run.trained.training).map_err(failed)?;
    if let Some(training) = training.as_object_mut() {
        training.remove("seed");
    }
    let mut found = BTreeMap::new();
    flatten("", &model, &mut found);
    flatten("training", &training, &mut found);
    Ok(found)
}

fn flatten(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, found);
            }
        }
        value => {
            found.insert(path.to_string(), value.to_string());
        }
    }
}

/// Adds a part of the fingerprint to names that different data sets share.
fn name_data(rows: &mut [ResultsRow]) {
    let fingerprint =
        |row: &ResultsRow| row.runs.first().map(|run| run.trained.fingerprint.clone()).unwrap_or_default();
    let known: Vec<(String, String)> = rows.iter().map(|row| (row.data.clone(), fingerprint(row))).collect();
    for (row, (data, own)) in rows.iter_mut().zip(&known) {
        if known.iter().any(|(other, fingerprint)| other == data && fingerprint != own) {
            row.data = format!("{data} [{}]", own.chars().take(8).collect::<String>());
        }
    }
}

/// Adds the settings that differ to names that different models share.
fn name_models(rows: &mut [ResultsRow]) -> Result<()> {
    let all = rows.iter().map(|row| row.runs.first().map_or(Ok(BTreeMap::new()), settings));
    let all = all.collect::<Result<Vec<_>>>()?;
    let known: Vec<(String, String)> = rows.iter().map(|row| (row.data.clone(), row.name.clone())).collect();
    for (i, row) in rows.iter_mut().enumerate() {
        let differs =
            |key: &&String| (0..all.len()).any(|j| known[j] == known[i] && all[j].get(*key) != all[i].get(*key));
        let different: Vec<String> =
            all[i].keys().filter(differs).map(|key| format!("{key} = {}", all[i][key])).collect();
        if !different.is_empty() {
            row.name = format!("{} ({})", row.name, different.join(", "));
        }
    }
    Ok(())
}
