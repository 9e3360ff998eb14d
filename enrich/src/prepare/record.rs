//! The cells of one row of delimited text; a quoted cell may go over several lines.
//!
//! Cells are split and unquoted by csv-core, the parser of the csv crate. It takes any text for cells, stray quotes
//! included; here a cell must be written the way it would be written back, or the row is a [`Flaw`].

use csv_core::{ReadFieldResult, Reader, ReaderBuilder, Terminator};

use super::flaws::{Flaw, shown};

/// Takes the lines of one row after the other.
pub(super) struct Record {
    reader: Reader,
    /// Whether `"` encloses cells, doubled where it stands for itself. It is an ordinary character otherwise.
    has_quotes: bool,
    cells: Vec<String>,
    /// The cell that is being read, as it is written and as it is meant.
    raw: String,
    value: Vec<u8>,
}

impl Record {
    pub(super) fn new(separator: u8, has_quotes: bool) -> Self {
        let reader = ReaderBuilder::new()
            .delimiter(separator)
            .quoting(has_quotes)
            // Lines come without their ends: a carriage return in one is text.
            .terminator(Terminator::Any(b'\n'))
            .build();
        Self { reader, has_quotes, cells: Vec::new(), raw: String::new(), value: Vec::new() }
    }

    /// The cells of a row that is complete; those without quotes are trimmed.
    pub(super) fn cells(&self) -> &[String] {
        &self.cells
    }

    /// Starts a row with its first line. False when the row goes on with the next line: see [`go_on`](Self::go_on).
    pub(super) fn start(&mut self, line: &str) -> Result<bool, Flaw> {
        self.cells.clear();
        self.raw.clear();
        self.value.clear();
        self.reader.reset();
        // A fresh reader drops a byte order mark, which in the middle of a file is text; an empty line makes it forget that.
        self.reader.read_field(b"\n", &mut [0; 4]);
        if line.is_empty() {
            // To the reader this would be no row at all.
            self.cells.push(String::new());
            return Ok(true);
        }
        self.go_on(line)
    }

    /// Adds a line to a row that goes on.
    pub(super) fn go_on(&mut self, line: &str) -> Result<bool, Flaw> {
        let mut rest = line;
        loop {
            if self.has_quotes && self.raw.is_empty() {
                let start = rest.trim_start_matches(' ');
                if start.starts_with('"') {
                    rest = start;
                }
            }
            let piece = if rest.is_empty() { "\n" } else { rest };
            let n_before = self.value.len();
            // A cell never grows by unquoting; the two more let the reader end the piece before the room ends.
            self.value.resize(n_before + piece.len() + 2, 0);
            let (found, n_read, n_written) = self.reader.read_field(piece.as_bytes(), &mut self.value[n_before..]);
            self.value.truncate(n_before + n_written);
            match found {
                ReadFieldResult::Field { record_end } => {
                    self.raw.push_str(&piece[..n_read - 1]);
                    let cell = self.cell()?;
                    self.cells.push(cell);
                    self.raw.clear();
                    self.value.clear();
                    if record_end {
                        return Ok(true);
                    }
                    rest = &rest[n_read..];
                }
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull | ReadFieldResult::End => {
                    self.raw.push_str(&piece[..n_read]);
                    if rest.is_empty() {
                        return Ok(false);
                    }
                    rest = &rest[n_read..];
                }
            }
        }
    }

    /// How many bytes the row has so far.
    pub(super) fn n_bytes(&self) -> usize {
        self.cells.iter().map(String::len).sum::<usize>() + self.value.len()
    }

    /// The cell that was read to its end.
    fn cell(&self) -> Result<String, Flaw> {
        let value = String::from_utf8_lossy(&self.value);
        let raw = self.raw.trim_end_matches(' ');
        if !(self.has_quotes && raw.contains('"')) {
            return Ok(value.trim().to_string());
        }
        let Some(inside) = raw.strip_prefix('"') else {
            let message =
                format!("a quote within the cell `{}`; enclose the cell in quotes and double those in it", shown(raw));
            return Err(Flaw::new("a quote within a cell", message));
        };
        // Blanks behind the closing quote come along.
        let value = &value[..value.len() - (self.raw.len() - raw.len())];
        if inside.strip_suffix('"').is_some_and(|inside| inside == value.replace('"', "\"\"")) {
            return Ok(value.to_string());
        }
        let message = format!("text behind a closing quote in `{}`; double the quotes within a cell", shown(raw));
        Err(Flaw::new("text behind a quote", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(lines: &[&str]) -> Result<(bool, Vec<String>), Flaw> {
        let mut record = Record::new(b',', true);
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
        assert_eq!(cells("  \" a \"  ,\r b\r, \"\"\"\" "), [" a ", "b", "\""]);
        assert_eq!(cells("\u{feff}a, é ,\"ü\""), ["\u{feff}a", "é", "ü"]);
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
        for row in ["\"a\"b,c", "\"a\" \"b\",c", "\"a\"b\"c\",d", "\"a\" b", "\"\"a\""] {
            assert_eq!(csv(&[row]).unwrap_err().kind, "text behind a quote", "{row}");
        }
        // What was left behind does not spoil the next row.
        let mut record = Record::new(b',', true);
        assert_eq!(record.start("\"a"), Ok(false));
        assert_eq!(record.go_on("b\"c,d").map_err(|flaw| flaw.kind), Err("text behind a quote"));
        assert_eq!((record.start("e,f"), record.cells()), (Ok(true), &["e".to_string(), "f".to_string()][..]));
    }

    #[test]
    fn quotes_may_be_ordinary_characters() {
        let mut record = Record::new(b'\t', false);
        assert_eq!(record.start("5\" pipe\t\"a\t b "), Ok(true));
        assert_eq!(record.cells(), ["5\" pipe", "\"a", "b"]);
    }
}
