//! Delimited text with line numbers in errors: the format of `.inter` files and id mappings.

use std::path::Path;

use crate::{Error, Result};

/// Iterates over the lines of a text with 1-based numbers. Lines end in LF or CRLF; blank lines at the end are dropped.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.trim_end_matches(['\n', '\r', ' ']).len();
    // Spaces after the last cell belong to that cell.
    let n_blanks = text[end..].bytes().take_while(|&byte| byte == b' ' && end > 0).count();
    text[..end + n_blanks].lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// A header and rows of equally many cells, separated by tabs if the header has one, else by commas.
pub(super) struct Table<'a> {
    path: &'a Path,
    text: &'a str,
    separator: char,
    /// The cells of the first line, trimmed.
    pub(super) header: Vec<&'a str>,
}

impl<'a> Table<'a> {
    /// Reads the header; fails if it is missing or no row follows. `columns` is the expected header, for errors.
    pub(super) fn new(path: &'a Path, text: &'a str, columns: &str) -> Result<Self> {
        let mut lines = lines(text);
        let header = match lines.next() {
            Some((_, header)) if !header.trim().is_empty() => header,
            _ => {
                return Err(Error::line(
                    path,
                    1,
                    format!("the file is empty; write the header `{columns}`, then rows"),
                ));
            }
        };
        if lines.next().is_none() {
            return Err(Error::line(path, 1, "a header and no rows; add rows, or take another file"));
        }
        let separator = if header.contains('\t') { '\t' } else { ',' };
        Ok(Self { path, text, separator, header: header.split(separator).map(str::trim).collect() })
    }

    /// Calls `row` with the line number and the trimmed cells of each row, in file order.
    pub(super) fn for_each(&self, mut row: impl FnMut(usize, &[&'a str]) -> Result<()>) -> Result<()> {
        self.for_each_untrimmed(|line, cells, _| row(line, cells))
    }

    /// Like [`for_each`](Self::for_each), with the untrimmed cells as the last argument.
    pub(super) fn for_each_untrimmed(
        &self,
        mut row: impl FnMut(usize, &[&'a str], &[&'a str]) -> Result<()>,
    ) -> Result<()> {
        let (mut cells, mut untrimmed): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for (line, text) in lines(self.text).skip(1) {
            cells.clear();
            untrimmed.clear();
            untrimmed.extend(text.split(self.separator));
            cells.extend(untrimmed.iter().map(|cell| cell.trim()));
            let (found, wanted) = (cells.len(), self.header.len());
            if text.trim().is_empty() {
                return Err(self.error(line, "a blank line between rows; remove it"));
            } else if text.trim_end().contains('\r') {
                return Err(self.error(line, "a line end of old Macs (CR alone) beside others; write LF everywhere"));
            } else if self.separator == ',' && cells.iter().any(|cell| cell.starts_with('"')) {
                return Err(self.error(line, "a quoted cell; write the file with tabs and without quotes"));
            } else if found != wanted {
                let names = self.header.join(", ");
                let message =
                    format!("the row has {found} cells, the header {wanted} ({names}); give one cell a column");
                return Err(self.error(line, message));
            }
            row(line, &cells, &untrimmed)?;
        }
        Ok(())
    }

    /// Finds the column whose plain name (lower case, without `:type`) is in `names`; fails if there are two.
    pub(super) fn find(&self, names: &[&str]) -> Result<Option<usize>> {
        let mut found = (0..self.header.len()).filter(|&c| names.contains(&self.plain_name(c).as_str()));
        match (found.next(), found.next()) {
            (Some(a), Some(b)) => {
                let (a, b) = (self.header[a], self.header[b]);
                Err(self.error(1, format!("columns `{a}` and `{b}` mean the same; keep one")))
            }
            (first, _) => Ok(first),
        }
    }

    /// Returns the name of a column in lower case, without RecBole's `:type`.
    pub(super) fn plain_name(&self, column: usize) -> String {
        self.header[column].split(':').next().unwrap_or_default().to_ascii_lowercase()
    }

    /// Builds an error at a line of this table.
    pub(super) fn error(&self, line: usize, message: impl Into<String>) -> Error {
        Error::line(self.path, line, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<(usize, Vec<String>)>> {
        let mut rows = Vec::new();
        Table::new(Path::new("t.csv"), text, "a\tb")?.for_each(|line, cells| {
            rows.push((line, cells.iter().map(|cell| cell.to_string()).collect()));
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn tabs_or_commas_are_told_by_the_header() -> Result<()> {
        let expected = vec![(2, vec!["1".to_string(), "2".to_string()]), (3, vec!["3".to_string(), "4".to_string()])];
        assert_eq!(rows("a\tb\n1\t2\n3\t4\n")?, expected);
        assert_eq!(rows("a,b\r\n1, 2\r\n3,4\r\n\r\n")?, expected);
        assert_eq!(rows("a\tb\n1,5\t2")?, [(2, vec!["1,5".to_string(), "2".to_string()])]);
        Ok(())
    }

    #[test]
    fn bad_rows_are_named() {
        let message = |text: &str| rows(text).unwrap_err().to_string();
        assert_eq!(message(""), "t.csv:1: the file is empty; write the header `a\tb`, then rows");
        assert_eq!(message("\n\n"), "t.csv:1: the file is empty; write the header `a\tb`, then rows");
        assert_eq!(message("a,b\n"), "t.csv:1: a header and no rows; add rows, or take another file");
        assert_eq!(
            message("a,b\n1,2\n3\n"),
            "t.csv:3: the row has 1 cells, the header 2 (a, b); give one cell a column"
        );
        assert_eq!(message("a,b\n\n1,2\n"), "t.csv:2: a blank line between rows; remove it");
        assert_eq!(message("a,b\n\"1\",2\n"), "t.csv:2: a quoted cell; write the file with tabs and without quotes");
    }

    #[test]
    fn line_ends_of_old_macs_are_read_unless_there_are_others() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "a,b\r1,2\r3,4\r").unwrap();
        let text = super::super::regular::read_text(&path)?;
        assert_eq!(lines(&text).collect::<Vec<_>>(), [(1, "a,b"), (2, "1,2"), (3, "3,4")]);
        let mixed = rows("a,b\n1,2\r3,4\n").unwrap_err().to_string();
        assert!(mixed.starts_with("t.csv:2: ") && mixed.contains("CR alone"), "{mixed}");
        Ok(())
    }

    #[test]
    fn columns_are_found_by_any_of_their_names() -> Result<()> {
        let table = Table::new(Path::new("t"), "User_ID:token,x\n1,2", "")?;
        assert_eq!(table.find(&["userid", "user_id"])?, Some(0));
        assert_eq!(table.find(&["item"])?, None);
        let twice = Table::new(Path::new("t"), "user,user_id\n1,2", "")?;
        let message = twice.find(&["user", "user_id"]).unwrap_err().to_string();
        assert_eq!(message, "t:1: columns `user` and `user_id` mean the same; keep one");
        Ok(())
    }
}
