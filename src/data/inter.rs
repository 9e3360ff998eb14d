//! MMRec's `.inter` files: one interaction per line.

use crate::named::named;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::inter_reader::Reader;
use super::regular::read_text;
use super::{Ids, Labels};
use crate::{Error, Result};

/// The part of a split that an interaction belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Used for training; `0` in a file.
    Train,
    /// Held out for early stopping; `1` in a file.
    Valid,
    /// Held out for the final evaluation; `2` in a file.
    Test,
}

named! {
    Part, "part":
    Train => "train",
    Valid => "valid",
    Test => "test",
}

/// How to treat a pair that occurs twice in a file under the same label.
///
/// The same pair under two labels is always an error: held-out data would leak into train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Duplicates {
    /// Keep the first row, with the earliest time of all its duplicates.
    #[default]
    KeepFirst,
    /// Fail, naming both lines.
    Error,
}

/// One row of an `.inter` file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InterRow {
    /// Dense index of the user.
    pub user: u32,
    /// Dense index of the item.
    pub item: u32,
    /// The part that the label names, if there is a valid label.
    pub part: Option<Part>,
    /// The time, if it can be read: in the file's own unit, or, if it is a date, in seconds since 1970.
    pub time: Option<f64>,
}

/// An `.inter` file: UTF-8 text with a header that names the columns, then one interaction per line.
///
/// | column | accepted names | |
/// |---|---|---|
/// | user | `userID`, `user_id`, `user` | any text |
/// | item | `itemID`, `item_id`, `item` | any text |
/// | label | `x_label`, `label`, `split` | optional; 0 train, 1 valid, 2 test |
/// | time | `timestamp`, `time` | optional; a number, or a date that [`parse_time`](super::parse_time) reads |
///
/// Columns may come in any order and case, with or without RecBole's `:type`. Other columns (`rating`) are ignored,
/// except feedback: see [`Labels`]. Labels and times are validated only when they are requested. Cells are separated by
/// tabs if the header has one, else by commas. Lines end in LF, CRLF or CR alone; a byte order mark and blank lines at
/// the end are accepted.
///
/// ```
/// use viral::data::InterFile;
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("shop.inter");
/// std::fs::write(&path, "userID:token\titemID:token\tx_label:float\nann\tcup\t0\nzoe\tcot\t2\n").unwrap();
/// let file = InterFile::read(&path)?;
/// assert_eq!((file.users.names(), file.pairs()), (&["ann".to_string(), "zoe".to_string()][..], vec![(0, 0), (1, 1)]));
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct InterFile {
    /// The interactions in file order, without duplicates.
    pub rows: Vec<InterRow>,
    /// External ids of the users, by dense index.
    pub users: Ids,
    /// External ids of the items, by dense index.
    pub items: Ids,
    /// Number of duplicate rows left out.
    pub n_duplicates: usize,
    /// Rows left out because the user rejected the item; 0 unless labels are read as [`Labels::Feedback`].
    pub n_turned_down: usize,
    pub(super) bad_label: Option<Flaw>,
    pub(super) bad_time: Option<Flaw>,
    /// The first item whose id is not a plain integer; the message is the id.
    pub(super) odd_item: Option<Flaw>,
}

/// An error in a cell, reported only if the cell is needed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flaw {
    pub(super) path: PathBuf,
    pub(super) line: usize,
    pub(super) message: String,
}

impl Flaw {
    pub(super) fn error(&self) -> Error {
        Error::line(&self.path, self.line, self.message.as_str())
    }
}

impl InterFile {
    /// Reads a file. The first of duplicate rows is kept, with the earliest time. O(rows).
    ///
    /// # Errors
    /// Names the file and the line: a missing, empty or header-only file, a missing column, a row of the wrong length,
    /// an empty id, text that is not UTF-8, a pair under two labels, or labels that look like feedback.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(path, Duplicates::default(), Labels::default())
    }

    /// Like [`read`](Self::read), with a policy for duplicates and an interpretation of labels.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); a file without a feedback column if labels are feedback.
    pub fn read_with(path: impl AsRef<Path>, duplicates: Duplicates, labels: Labels) -> Result<Self> {
        Self::read_parts(&[(path.as_ref().to_path_buf(), None)], duplicates, labels)
    }

    /// Reads a split stored as one file per part, such as RecBole's `x.train.inter`, `x.valid.inter` and
    /// `x.test.inter`. All rows of a file belong to the part given with it, whatever their labels; if none is given,
    /// labels decide.
    ///
    /// # Errors
    /// Those of [`read_with`](Self::read_with).
    pub fn read_parts(files: &[(PathBuf, Option<Part>)], duplicates: Duplicates, labels: Labels) -> Result<Self> {
        let texts = files.iter().map(|(path, _)| read_text(path)).collect::<Result<Vec<String>>>()?;
        let mut reader = Reader::new(duplicates, labels);
        for ((path, part), text) in files.iter().zip(&texts) {
            reader.read(path, text, *part)?;
        }
        reader.finish()
    }

    /// Returns the `(user, item)` pairs, in file order.
    pub fn pairs(&self) -> Vec<(u32, u32)> {
        self.rows.iter().map(|row| (row.user, row.item)).collect()
    }

    /// Returns the part of each row; `None` if the file has no labels.
    ///
    /// # Errors
    /// Names the line of a label that is not a number or not a known part.
    pub fn parts(&self) -> Result<Option<Vec<Part>>> {
        match &self.bad_label {
            Some(flaw) => Err(flaw.error()),
            None => Ok(self.rows.iter().map(|row| row.part).collect()),
        }
    }

    /// Returns the time of each row; `None` if the file has no times.
    ///
    /// # Errors
    /// Names the line of a time that cannot be read, or of a date among numbers.
    pub fn times(&self) -> Result<Option<Vec<f64>>> {
        match &self.bad_time {
            Some(flaw) => Err(flaw.error()),
            None => Ok(self.rows.iter().map(|row| row.time).collect()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8], duplicates: Duplicates) -> Result<InterFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toy.inter");
        std::fs::write(&path, bytes).unwrap();
        InterFile::read_with(path, duplicates, Labels::default())
    }

    pub(in super::super) fn read(text: &str) -> Result<InterFile> {
        read_bytes(text.as_bytes(), Duplicates::KeepFirst)
    }

    /// Returns the message from the file name on.
    pub(in super::super) fn message<T>(result: Result<T>) -> String {
        let message = result.map(|_| ()).unwrap_err().to_string();
        message[message.find("toy.inter").unwrap()..].to_string()
    }

    #[test]
    fn rows_stay_in_file_order_and_integer_ids_keep_their_numbers() -> Result<()> {
        let file = read("userID\titemID\tx_label\n1\t2\t0\n0\t0\t1\n1\t1\t2\n")?;
        assert_eq!(file.pairs(), [(1, 2), (0, 0), (1, 1)]);
        assert_eq!(file.parts()?, Some(vec![Part::Train, Part::Valid, Part::Test]));
        assert_eq!(file.times()?, None);
        assert_eq!(file.items.numbers(), Some(&[0, 1, 2][..]));
        Ok(())
    }

    #[test]
    fn gaps_close_and_the_numbers_are_kept_for_features() -> Result<()> {
        let file = read("userID\titemID\n5\t70\n5\t3\n900\t70\n")?;
        assert_eq!(file.pairs(), [(0, 1), (0, 0), (1, 1)]);
        assert_eq!(file.items.numbers(), Some(&[3, 70][..]));
        assert_eq!(file.users.names(), ["5", "900"]);
        assert_eq!(file.parts()?, None);
        Ok(())
    }

    #[test]
    fn names_other_orders_commas_crlf_and_a_byte_order_mark_are_read() -> Result<()> {
        let file = read("\u{feff}rating,time,item_id:token,user\r\n5,1.5,B2,zoe\r\n1,2,B1,ann\r\n\r\n")?;
        assert_eq!(file.pairs(), [(0, 0), (1, 1)]);
        assert_eq!(file.users.names(), ["zoe", "ann"]);
        assert_eq!(file.times()?, Some(vec![1.5, 2.0]));
        assert_eq!(read("\u{feff}userID\titemID\n0\t0")?.rows.len(), 1);
        Ok(())
    }

    #[test]
    fn a_missing_empty_or_header_only_file_is_named() {
        let missing = InterFile::read("/nowhere/toy.inter").unwrap_err();
        assert!(matches!(missing, crate::Error::Io { .. }));
        assert!(missing.to_string().starts_with("/nowhere/toy.inter: "), "{missing}");
        let empty = "toy.inter:1: the file is empty; write the header `userID\titemID\tx_label`, then rows";
        assert_eq!(message(read("")), empty);
        assert_eq!(
            message(read("userID\titemID\n")),
            "toy.inter:1: a header and no rows; add rows, or take another file"
        );
    }

    #[test]
    fn a_missing_column_is_named_with_those_found() {
        let expected = "toy.inter:1: no item column among `userID`, `asin`; name it itemID (or item_id, item)";
        assert_eq!(message(read("userID\tasin\n1\t2\n")), expected);
        let expected = "toy.inter:1: no user column among `0`, `1`; name it userID (or user_id, user)";
        assert_eq!(message(read("0\t1\n1\t2\n")), expected);
    }

    #[test]
    fn bad_cells_are_named_by_line() {
        let header = "userID\titemID\tx_label\ttimestamp\n0\t0\t0\t1\n";
        let cases = [
            ("1\t \t0\t1", "an empty item id; fill it in, or remove the row"),
            ("\t1\t0\t1", "an empty user id; fill it in, or remove the row"),
            (
                "1\t1\t0",
                "the row has 3 cells, the header 4 (userID, itemID, x_label, timestamp); give one cell a column",
            ),
        ];
        for (row, expected) in cases {
            assert_eq!(message(read(&format!("{header}{row}\n"))), format!("toy.inter:3: {expected}"));
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_named_by_line() {
        let bytes = b"userID\titemID\n0\t1\nzo\xeb\t1\n";
        let expected = "toy.inter:3: not UTF-8 text; save the file as UTF-8";
        assert_eq!(message(read_bytes(bytes, Duplicates::KeepFirst)), expected);
    }

    #[test]
    fn duplicates_follow_the_policy() -> Result<()> {
        let text = "userID\titemID\tx_label\n0\t1\t0\n0\t2\t0\n0\t1\t0\n";
        let file = read(text)?;
        assert_eq!((file.pairs(), file.n_duplicates), (vec![(0, 0), (0, 1)], 1));
        // In reverse order: the times, and so the temporal split, stay the same.
        let timed = read("userID\titemID\ttimestamp\n0\t1\t300\n0\t2\t200\n0\t1\t100\n")?;
        assert_eq!((timed.pairs(), timed.times()?), (vec![(0, 0), (0, 1)], Some(vec![100.0, 200.0])));
        let expected = "toy.inter:4: user 0, item 1 is already in line 2; remove one of the two, \
                        or read with Duplicates::KeepFirst";
        assert_eq!(message(read_bytes(text.as_bytes(), Duplicates::Error)), expected);
        Ok(())
    }

    #[test]
    fn one_pair_under_two_labels_is_a_leak() {
        let text = "userID\titemID\tx_label\n0\t1\t0\n0\t2\t0\n0\t1\t2\n";
        for policy in [Duplicates::KeepFirst, Duplicates::Error] {
            let expected = "toy.inter:4: user 0, item 1 is also in line 2 under another label; keep one of the two, \
                            or held-out data leak into train";
            assert_eq!(message(read_bytes(text.as_bytes(), policy)), expected);
        }
    }
}
