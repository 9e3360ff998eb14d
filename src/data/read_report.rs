//! What reading a folder left out or took on trust.

use std::fmt;
use std::path::PathBuf;

/// What [`Dataset::read_reported`](super::Dataset::read_reported) left out or took on trust. It displays as one line for
/// each; nothing if there is nothing to report.
///
/// ```
/// use viral::data::{Dataset, ReadOptions};
///
/// # let outer = tempfile::tempdir().unwrap();
/// # let dir = outer.path().join("toys");
/// # std::fs::create_dir(&dir).unwrap();
/// let rows = "ann\tcup\t0\nann\tcot\t1\nzoe\tcot\t0\nzoe\tcup\t2\n";
/// std::fs::write(dir.join("toys.inter"), format!("userID\titemID\tx_label\n{rows}ann\tcup\t0\n")).unwrap();
/// let (data, report) = Dataset::read_reported(&dir, &ReadOptions::new())?;
/// assert_eq!((data.counts().n_train, report.n_duplicates), (2, 1));
/// assert_eq!(report.to_string(), "1 rows of a user and an item that another row has are left out");
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReadReport {
    /// Rows of a user and an item that another row has; the earliest is kept.
    pub n_duplicates: usize,
    /// Rows of items that the user turned down, if labels are read as [`Labels::Feedback`](super::Labels::Feedback).
    pub n_turned_down: usize,
    /// Lines of `item_ids.txt` about items that are in no row of interactions, and so are not in the data set.
    pub n_without_interactions: usize,
    /// Feature files, in a folder with `items.jsonl` as `viral prepare` writes it, that have no
    /// [`Provenance`](super::Provenance): their rows are taken to be in the order of the folder's items.
    pub unconfirmed_features: Vec<PathBuf>,
}

impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            (self.n_duplicates, "of a user and an item that another row has"),
            (self.n_turned_down, "of items that were turned down"),
            (self.n_without_interactions, "of item_ids.txt about items without interactions"),
        ];
        let mut lines: Vec<String> =
            rows.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} rows {what} are left out")).collect();
        lines.extend(self.unconfirmed_features.iter().map(|path| {
            format!(
                "{}: no provenance, so its rows are taken to be in the order of this folder's items; features made elsewhere are \
                 put into it by viral import",
                path.display()
            )
        }));
        f.write_str(&lines.join("\n"))
    }
}
