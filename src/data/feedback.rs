//! Labels that say whether a user took a shown item, as opposed to labels that assign rows to the parts of a split.

use serde::{Deserialize, Serialize};

use super::table::Table;

/// Columns besides `label` that count as feedback if their values are zeros and ones.
const NAMES: [&str; 9] = ["click", "clicks", "clicked", "is_click", "like", "liked", "is_like", "feedback", "rating"];

/// The meaning of the labels in an `.inter` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Labels {
    /// The part of a split: 0 train, 1 valid, 2 test. A `label` column of only zeros and ones is refused, and so is one
    /// such as `click` or `rating` if there are no labels: its zeros are rejected items, which a model would learn as
    /// taken. A column `x_label` or `split` is always read as a split.
    #[default]
    Parts,
    /// Whether the user took the item: rows with 0 or less are left out, the others are interactions. The column is
    /// `label`, or else `click`, `is_click`, `clicked`, `like`, `liked`, `is_like`, `feedback` or `rating`.
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

/// The column that may hold feedback, with the kinds of values seen so far.
pub(super) struct Feedback<'a> {
    /// Its index in the header.
    pub(super) column: usize,
    name: &'a str,
    has_taken: bool,
    has_turned_down: bool,
    has_more: bool,
}

impl<'a> Feedback<'a> {
    /// Finds the feedback column: `label`, or else one of `NAMES`. `labels` is the column of the split, if any.
    pub(super) fn find(table: &Table<'a>, labels: Option<usize>) -> Option<Self> {
        let place = |name: &str| (0..table.header.len()).find(|&column| table.plain_name(column) == name);
        let column = labels.filter(|&column| table.plain_name(column) == "label");
        let column = column.or_else(|| NAMES.iter().find_map(|name| place(name)))?;
        let name = table.header[column];
        Some(Self { column, name, has_taken: false, has_turned_down: false, has_more: false })
    }

    /// Records the value of a cell.
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

    /// Returns an error message if all cells were zeros and ones, as in feedback: zeros are not interactions.
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
