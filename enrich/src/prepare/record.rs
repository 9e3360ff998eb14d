//! The cells of one row of delimited text; a quoted cell may go over several lines.

use super::flaws::{Flaw, shown};

/// Takes the lines of one row after the other.
pub(super) struct Record {
    separator: char,
    /// Whether `"` encloses cells, doubled where it stands for itself. It is an ordinary character otherwise.
    has_quotes: bool,
    cells: Vec<String>,
    is_open: bool,
}

impl Record {
    pub(super) fn new(separator: char, has_quotes: bool) -> Self {
        Self { separator, has_quotes, cells: Vec::new(), is_open: false }
    }

    /// The cells of a row that is complete; those without quotes are trimmed.
    pub(super) fn cells(&self) -> &[String] {
        &self.cells
    }

    /// Starts a row with its first line. False when the row goes on with the next line: see [`go_on`](Self::go_on).
    pub(super) fn start(&mut self, line: &str) -> Result<bool, Flaw> {
        self.cells.clear();
        self.is_open = false;
        self.take(line)
    }

    /// Adds a line to a row that goes on.
    pub(super) fn go_on(&mut self, line: &str) -> Result<bool, Flaw> {
        if let Some(cell) = self.cells.last_mut() {
            cell.push('\n');
        }
        self.take(line)
    }

    /// How many bytes the row has so far.
    pub(super) fn n_bytes(&self) -> usize {
        self.cells.iter().map(String::len).sum()
    }

    fn take(&mut self, line: &str) -> Result<bool, Flaw> {
        let mut rest = line;
        loop {
            if !self.is_open {
                // A tab that separates is no blank.
                let start = rest.trim_start_matches(|c: char| c == ' ' && self.separator != ' ');
                if !(self.has_quotes && start.starts_with('"')) {
                    let end = rest.find(self.separator);
                    let cell = &rest[..end.unwrap_or(rest.len())];
                    if self.has_quotes && cell.contains('"') {
                        let message = format!(
                            "a quote within the cell `{}`; enclose the cell in quotes and double those in it",
                            shown(cell)
                        );
                        return Err(Flaw::new("a quote within a cell", message));
                    }
                    self.cells.push(cell.trim().to_string());
                    match end {
                        Some(end) => rest = &rest[end + self.separator.len_utf8()..],
                        None => return Ok(true),
                    }
                    continue;
                }
                self.is_open = true;
                self.cells.push(String::new());
                rest = &start[1..];
            }
            let Some(cell) = self.cells.last_mut() else { return Ok(true) };
            let Some(quote) = rest.find('"') else {
                cell.push_str(rest);
                return Ok(false);
            };
            cell.push_str(&rest[..quote]);
            rest = &rest[quote + 1..];
            if let Some(after) = rest.strip_prefix('"') {
                cell.push('"');
                rest = after;
                continue;
            }
            self.is_open = false;
            let after = rest.trim_start_matches(' ');
            if after.is_empty() {
                return Ok(true);
            }
            let Some(next) = after.strip_prefix(self.separator) else {
                let message = format!("`{}` behind a closing quote; double the quotes within a cell", shown(after));
                return Err(Flaw::new("text behind a quote", message));
            };
            rest = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(lines: &[&str]) -> Result<(bool, Vec<String>), Flaw> {
        let mut record = Record::new(',', true);
        let mut is_complete = record.start(lines[0])?;
        for line in &lines[1..] {
            assert!(!is_complete);
            is_complete = record.go_on(line)?;
        }
        Ok((is_complete, record.cells().to_vec()))
    }

    fn cells(line: &str) -> Vec<String> {
        let (is_complete, cells) = csv(&[line]).unwrap();
        assert!(is_complete, "{line}");
        cells
    }

    #[test]
    fn cells_are_split_and_unquoted() {
        assert_eq!(cells("a, b ,,d"), ["a", "b", "", "d"]);
        assert_eq!(cells(""), [""]);
        assert_eq!(cells(","), ["", ""]);
        assert_eq!(cells(r#""a, b", "c ""d""" ,e"#), ["a, b", "c \"d\"", "e"]);
        assert_eq!(cells("\"\",\"\"\"\""), ["", "\""]);
        assert_eq!(cells("\" a \""), [" a "]);
    }

    #[test]
    fn a_quoted_cell_may_go_over_lines() {
        let expected = vec!["a".to_string(), "one\n\n\"two\", three".to_string(), "b".to_string()];
        assert_eq!(csv(&["a,\"one", "", "\"\"two\"\", three\",b"]), Ok((true, expected)));
        assert_eq!(csv(&["a,\"one"]).map(|found| found.0), Ok(false));
    }

    #[test]
    fn stray_quotes_are_flaws() {
        assert_eq!(csv(&["a,5\" pipe"]).unwrap_err().kind, "a quote within a cell");
        assert_eq!(csv(&["\"a\"b,c"]).unwrap_err().kind, "text behind a quote");
    }

    #[test]
    fn quotes_may_be_ordinary_characters() {
        let mut record = Record::new('\t', false);
        assert_eq!(record.start("5\" pipe\t\"a\t b "), Ok(true));
        assert_eq!(record.cells(), ["5\" pipe", "\"a", "b"]);
    }
}
