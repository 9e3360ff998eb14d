//! Invalid rows: whether they fail or are skipped and counted.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What to do with an invalid row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// Fail, naming file and line.
    #[default]
    Fail,
    /// Skip and count it.
    Skip,
}

/// Why a row is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    /// Category under which such rows are counted.
    pub(super) kind: &'static str,
    /// What is wrong with this row.
    pub(super) message: String,
}

impl Flaw {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// The rows skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Number of rows.
    pub count: usize,
    /// Line of the first one.
    pub first_line: usize,
    /// What was wrong with the first one.
    pub first: String,
}

/// The rows of a file that were skipped, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SkippedRows(pub BTreeMap<String, Skipped>);

impl SkippedRows {
    /// Returns the number of rows skipped.
    pub fn count(&self) -> usize {
        self.0.values().map(|skipped| skipped.count).sum()
    }

    /// Counts an invalid row, or returns an error, as the policy says.
    pub(super) fn take(&mut self, policy: BadRows, path: &Path, line: usize, flaw: Flaw) -> Result<()> {
        if policy == BadRows::Fail {
            let message = format!("{}; mend or remove the row, or skip bad rows", flaw.message);
            return Err(Error::line(path, line, message));
        }
        let new = || Skipped { count: 0, first_line: line, first: flaw.message.clone() };
        match self.0.get_mut(flaw.kind) {
            Some(skipped) => skipped.count += 1,
            None => self.0.entry(flaw.kind.to_string()).or_insert_with(new).count += 1,
        }
        Ok(())
    }
}

/// Truncates and escapes a text for messages.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = text.chars().take(MOST).flat_map(visible).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

/// Escapes a character for messages, except quotes and backslashes, which do no harm there.
fn visible(c: char) -> Vec<char> {
    if matches!(c, '"' | '\'' | '\\') { vec![c] } else { c.escape_debug().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_rows_fail_or_are_counted() {
        let mut skipped = SkippedRows::default();
        let flaw = |message: &str| Flaw::new("not JSON", message);
        let path = Path::new("a.json");
        let message = skipped.take(BadRows::Fail, path, 3, flaw("not JSON: x")).unwrap_err().to_string();
        assert_eq!(message, "a.json:3: not JSON: x; mend or remove the row, or skip bad rows");
        assert_eq!(skipped.count(), 0);
        for line in [4, 9] {
            skipped.take(BadRows::Skip, path, line, flaw(&format!("not JSON: {line}"))).unwrap();
        }
        let expected = Skipped { count: 2, first_line: 4, first: "not JSON: 4".to_string() };
        assert_eq!((skipped.count(), &skipped.0["not JSON"]), (2, &expected));
    }

    #[test]
    fn long_texts_are_shown_by_their_beginning() {
        assert_eq!(shown("a\tb"), "a\\tb");
        assert_eq!(shown("5\" `a\\b` it's"), "5\" `a\\b` it's");
        assert_eq!(shown(&"é".repeat(61)), "é".repeat(60) + "…");
    }
}
