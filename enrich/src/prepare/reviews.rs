//! Interactions: a file of reviews, or any log with a user and an item in each row.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use viral::data::TimeUnits;

use super::cells::{TimeKind, id, number, time};
use super::columns::Column;
use super::flaws::{BadRows, Flaw, SkippedRows, shown};
use super::format::{Format, Layout};
use super::log::{Entry, Log};
use super::rows::{Row, Rows};
use crate::{Error, Result};

/// A file of interactions and its columns.
///
/// A column is the name of a field in JSON objects and Python dictionaries, or a name in the header of CSV and TSV. If
/// all columns are `#1`, `#2` and so on, they are positions in a file without a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviews {
    /// Path of the file.
    pub path: PathBuf,
    /// Format of the file.
    pub format: Format,
    /// Column of the user's id.
    pub user: String,
    /// Column of the item's id.
    pub item: String,
    /// Column of the rating, if there is one and it is wanted.
    pub rating: Option<String>,
    /// Column of the time; a split by time needs it. Times are numbers, in seconds or any other unit, or dates such as
    /// `2018-09-20` or `2016-03-09 14:44:16`, which become seconds since 1970 in UTC.
    pub time: Option<String>,
    /// Separator of the cells of delimited text, if not a comma or a tab, such as `;` or `::`; a blank stands for any
    /// number of blanks. With more than one character, quotes are ordinary characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Whether the columns have the names of Amazon's release of 2014. They may then also have those of 2018 and 2023,
    /// such as `user_id` for `reviewerID`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_amazon: bool,
}

/// Result of reading reviews.
pub(super) struct ReadReviews {
    pub(super) log: Log,
    /// Number of rows in the file, invalid ones included.
    pub(super) n_rows: usize,
    pub(super) skipped: SkippedRows,
    pub(super) n_below: usize,
    pub(super) sha256: String,
}

impl Reviews {
    /// Creates the description of Amazon's reviews: JSON lines with `reviewerID`, `asin`, `overall` and
    /// `unixReviewTime`, as in 2014 and 2018, or with `user_id`, `parent_asin`, `rating` and `timestamp`, as in 2023.
    pub fn amazon(path: impl Into<PathBuf>) -> Self {
        let reviews = Self::new(path, Format::Json, "reviewerID", "asin");
        Self { is_amazon: true, ..reviews.with_rating("overall").with_time("unixReviewTime") }
    }

    /// Creates the description of any file by its user and item columns.
    pub fn new(path: impl Into<PathBuf>, format: Format, user: impl Into<String>, item: impl Into<String>) -> Self {
        let (path, user, item) = (path.into(), user.into(), item.into());
        Self { path, format, user, item, rating: None, time: None, separator: None, is_amazon: false }
    }

    /// Sets the column of ratings.
    pub fn with_rating(mut self, column: impl Into<String>) -> Self {
        self.rating = Some(column.into());
        self
    }

    /// Sets the column of times.
    pub fn with_time(mut self, column: impl Into<String>) -> Self {
        self.time = Some(column.into());
        self
    }

    /// Sets the separator of cells.
    pub fn with_separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = Some(separator.into());
        self
    }

    /// Reads all rows rated at least `min_rating`; `observe` is called now and then with the number of bytes read.
    pub(super) fn read(
        &self,
        bad_rows: BadRows,
        min_rating: Option<f64>,
        max_line: usize,
        mut observe: impl FnMut(u64),
    ) -> Result<ReadReviews> {
        if min_rating.is_some() && self.rating.is_none() {
            let message = "a smallest rating needs the column of the rating; name it, or take all rows";
            return Err(Error::Config(message.to_string()));
        }
        // No rating is below NaN, and each is below infinity.
        if let Some(rating) = min_rating.filter(|rating| !rating.is_finite()) {
            let message = format!("min-rating is {rating}; it must be a finite number");
            return Err(Error::Config(message));
        }
        let columns = [Some(&self.user), Some(&self.item), self.rating.as_ref(), self.time.as_ref()];
        let column = |name: &String| if self.is_amazon { Column::amazon(name) } else { Column::new(name) };
        let columns = columns.into_iter().flatten().map(column).collect();
        let layout = Layout { format: self.format, separator: self.separator.as_deref() };
        let mut rows = Rows::open(&self.path, layout, columns, max_line)?;
        let (mut kind, mut units) = (None, TimeUnits::default());
        let (mut log, mut skipped, mut n_rows, mut n_below) = (Log::default(), SkippedRows::default(), 0, 0);
        while let Some((line, row)) = rows.next()? {
            n_rows += 1;
            match row.and_then(|row| self.take(row, line, min_rating, (&mut kind, &mut units), &mut log)) {
                Ok(true) => {}
                Ok(false) => n_below += 1,
                Err(flaw) => skipped.take(bad_rows, rows.path(), line, rows.explained(flaw))?,
            }
            if n_rows % 4096 == 0 {
                observe(rows.n_bytes());
            }
        }
        observe(rows.n_bytes());
        if let Some((&line, units)) = units.mixed() {
            let column = self.time.as_deref().unwrap_or_default();
            let message = format!("`{column}` is in {units}; write one unit in all rows");
            return Err(Error::line(rows.path(), line, message));
        }
        Ok(ReadReviews { log, n_rows, skipped, n_below, sha256: rows.sha256() })
    }

    /// Adds a row to the log; returns false if its rating is too low.
    fn take(
        &self,
        row: &Row,
        line: usize,
        min_rating: Option<f64>,
        (kind, units): (&mut Option<TimeKind>, &mut TimeUnits<usize>),
        log: &mut Log,
    ) -> std::result::Result<bool, Flaw> {
        let (user, item) = (id(row[0].as_ref(), &self.user)?, id(row[1].as_ref(), &self.item)?);
        for (n, column, id) in [(0, &self.user, &user), (1, &self.item, &item)] {
            if let Some(Value::String(written)) = &row[n]
                && let Err(first) = log.check_blanks(n == 0, id, written)
            {
                let message = format!(
                    "`{column}` is `{}`, which is `{}` of an earlier row but for blanks around it, and both would be one; write \
                     them alike",
                    shown(written),
                    shown(&first)
                );
                return Err(Flaw::new("an id that differs from another in blanks alone", message));
            }
        }
        let mut further = row[2..].iter().map(Option::as_ref);
        let rating = self.rating.as_ref().map(|column| number(further.next().flatten(), column)).transpose()?;
        let time = self.time.as_ref().map(|column| time(further.next().flatten(), column)).transpose()?;
        let time = match time {
            None => None,
            Some((_, this)) if *kind.get_or_insert(this) != this => {
                let column = self.time.as_deref().unwrap_or_default();
                let message = format!("`{column}` is a number here and a date elsewhere; write all of them alike");
                return Err(Flaw::new("times of two kinds", message));
            }
            Some((time, this)) => {
                if this == TimeKind::Number {
                    units.see(time, || line);
                }
                Some(time)
            }
        };
        if rating.zip(min_rating).is_some_and(|(rating, least)| rating < least) {
            return Ok(false);
        }
        let entry = Entry { user: &user, item: &item, rating, time };
        log.push(entry, line).ok_or_else(|| Flaw::new("too many rows", "more than 4294967295 lines in one file"))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reviews: Reviews, text: &str, bad: BadRows, least: Option<f64>) -> Result<ReadReviews> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        std::fs::write(&path, text).unwrap();
        Reviews { path, ..reviews }.read(bad, least, 1000, |_| {})
    }

    #[test]
    fn amazons_reviews_are_read() -> Result<()> {
        let text = r#"{"reviewerID": "A1", "asin": "097", "helpful": [0, 0], "reviewText": "x", "overall": 5.0, "unixReviewTime": 1373932800}
{"reviewerID": "A2", "asin": "097", "overall": 2.0, "unixReviewTime": 1373932801}
{"reviewerID": "A3", "overall": 5.0, "unixReviewTime": 1373932802}
"#;
        let found = read(Reviews::amazon(""), text, BadRows::Skip, Some(3.0))?;
        assert_eq!((found.n_rows, found.log.len(), found.n_below, found.skipped.count()), (3, 1, 1, 1));
        assert_eq!(found.skipped.0["no id"].first_line, 3);
        let dense = found.log.into_dense();
        assert_eq!((dense.user_ids, dense.ratings, dense.times), (vec!["A1".into()], vec![5.0], vec![1373932800.0]));
        let message = read(Reviews::amazon(""), text, BadRows::Fail, None).map(|_| ()).unwrap_err().to_string();
        assert!(message.ends_with("r:3: no `asin`; mend or remove the row, or skip bad rows"), "{message}");
        Ok(())
    }

    #[test]
    fn ids_that_differ_in_blanks_alone_are_bad_rows() -> Result<()> {
        let row = |user: &str, item: &str| format!("{{\"u\": \"{user}\", \"i\": \"{item}\"}}\n");
        let reviews = || Reviews::new("", Format::Json, "u", "i");
        for (rows, line) in [
            ([row("a", "x"), row("a ", "y")], 2),
            ([row("a", " x"), row("b", "x")], 2),
            ([row(" a", "x"), row("a ", "y")], 2),
        ] {
            let message = read(reviews(), &rows.concat(), BadRows::Fail, None).map(|_| ()).unwrap_err().to_string();
            assert!(message.contains(&format!("r:{line}: ")) && message.contains("blanks"), "{message}");
        }
        let alike = read(reviews(), &[row(" a", "x"), row(" a", "y")].concat(), BadRows::Fail, None)?;
        assert_eq!(alike.log.into_dense().user_ids, ["a"]);
        Ok(())
    }

    #[test]
    fn columns_have_any_names_and_may_be_missing() -> Result<()> {
        let reviews = Reviews::new("", Format::Csv, "who", "what").with_time("when");
        let found = read(reviews, "when,stars,what,who\n7,5,x,ann\n", BadRows::Fail, None)?.log.into_dense();
        assert_eq!((found.ratings.len(), found.times), (0, vec![7.0]));
        let message = read(Reviews::new("", Format::Csv, "#1", "#2"), "a,b\n", BadRows::Fail, Some(1.0));
        let message = message.map(|_| ()).unwrap_err().to_string();
        assert_eq!(message, "a smallest rating needs the column of the rating; name it, or take all rows");
        Ok(())
    }
}
