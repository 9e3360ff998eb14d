//! Labels that say whether a user took what they were shown, and not which part of a split a row belongs to.

use serde::{Deserialize, Serialize};

use super::table::Table;

/// Columns that hold feedback where they hold zeros and ones, beside `label`.
const NAMES: [&str; 9] = ["click", "clicks", "clicked", "is_click", "like", "liked", "is_like", "feedback", "rating"];

/// What the labels of an `.inter` file mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Labels {
    /// The part of a split: 0 train, 1 valid, 2 test. A column `label` of zeros and ones alone is refused, as is one such as
    /// `click` or `rating` beside no labels: it says what users turned down, and a model would learn from that as if they had
    /// taken it. A split is never in doubt in a column `x_label` or `split`.
    #[default]
    Parts,
    /// Whether the user took the item: rows with 0 or less are left out, and the others are interactions. The column is `label`,
    /// or else `click`, `is_click`, `clicked`, `like`, `liked`, `is_like`, `feedback` or `rating`.
    Feedback,
}

impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Parts => "parts",
            Self::Feedback => "feedback",
        })
    }
}

impl std::str::FromStr for Labels {
    type Err = crate::Error;

    fn from_str(word: &str) -> crate::Result<Self> {
        match word {
            "parts" => Ok(Self::Parts),
            "feedback" => Ok(Self::Feedback),
            _ => Err(crate::Error::Config(format!("no meaning of labels '{word}'; there are parts and feedback"))),
        }
    }
}

/// The column that may hold feedback, and what its cells have been so far.
pub(super) struct Feedback<'a> {
    /// Its place in the header.
    pub(super) column: usize,
    name: &'a str,
    has_taken: bool,
    has_turned_down: bool,
    has_more: bool,
}

impl<'a> Feedback<'a> {
    /// Finds the column: `label`, or else one of the others. `labels` is the column of the split, if there is one.
    pub(super) fn find(table: &Table<'a>, labels: Option<usize>) -> Option<Self> {
        let place = |name: &str| (0..table.header.len()).find(|&column| table.plain_name(column) == name);
        let column = labels.filter(|&column| table.plain_name(column) == "label");
        let column = column.or_else(|| NAMES.iter().find_map(|name| place(name)))?;
        let name = table.header[column];
        Some(Self { column, name, has_taken: false, has_turned_down: false, has_more: false })
    }

    /// Takes note of a cell.
    pub(super) fn see(&mut self, cell: &str) {
        match cell.parse::<f64>() {
            Ok(1.0) => self.has_taken = true,
            Ok(0.0 | -1.0) => self.has_turned_down = true,
            _ => self.has_more = true,
        }
    }

    /// Whether a cell says that the user took the item.
    pub(super) fn is_taken(&self, cell: &str) -> Result<bool, String> {
        match cell.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value > 0.0),
            _ => Err(format!("`{}` is `{cell}`, not a number; write 1 (taken) or 0 (turned down)", self.name)),
        }
    }

    /// What is wrong with taking all rows for interactions, where the cells were ones and zeros and nothing else.
    pub(super) fn fault(&self) -> Option<String> {
        (self.has_taken && self.has_turned_down && !self.has_more).then(|| {
            format!(
                "the column `{}` looks like feedback (1 taken, 0 turned down), not like a split, and rows with 0 are no \
                 interactions; leave these rows out (ReadOptions::with_labels(Labels::Feedback), --labels feedback), or, if \
                 0 is train and 1 is valid, name the column x_label",
                self.name
            )
        })
    }
}
