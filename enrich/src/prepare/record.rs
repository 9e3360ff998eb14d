//! Splits rows of delimited text into cells; a quoted cell may span several lines.
//!
//! Cells are split and unquoted by csv-core, the parser of the csv crate, which accepts any text, stray quotes
//! included. Here a cell must be written the way it would be written back, or the row is a [`Flaw`].

use csv_core::{ReadFieldResult, Reader, ReaderBuilder, Terminator};

use super::flaws::{Flaw, shown};

/// Separator of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Separator {
    /// One character, which a cell in quotes may contain.
    Byte(u8),
    /// Several characters, which no cell contains; quotes are ordinary characters.
    Text(String),
    /// Any number of blanks and tabs; quotes are ordinary characters.
    Blanks,
}

impl Separator {
    /// Parses a separator: a blank means any number of blanks, `\\t` a tab.
    ///
    /// # Errors
    /// Returns a sentence if the text cannot be a separator.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = if text == "\\t" { "\t" } else { text };
        match text.as_bytes() {
            [] => Err("an empty separator; write what stands between the cells, such as ; or ::".to_string()),
            b" " => Ok(Self::Blanks),
            [b'"'] => Err("quotes enclose cells; write what stands between the cells, such as ; or ::".to_string()),
            bytes if bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) => {
                Err("a line end separates rows; write what stands between the cells, such as ; or ::".to_string())
            }
            &[byte] => Ok(Self::Byte(byte)),
            _ => Ok(Self::Text(text.to_string())),
        }
    }

    /// Guesses the separator of a row that was read as a single cell, in the form in which it can be named.
    pub(super) fn likely(row: &str) -> Option<&'static str> {
        let all = [("::", "::"), ("\t", "\\t"), (";", ";"), ("|", "|"), (",", ","), (" ", " ")];
        all.into_iter().find(|(separator, _)| row.trim().contains(separator)).map(|(_, name)| name)
    }
}

/// Assembles rows from lines.
pub(super) struct Record {
    /// A separator that csv-core does not support.
    other: Option<Separator>,
    reader: Reader,
    /// Whether `"` encloses cells and is doubled inside them; otherwise it is an ordinary character.
    has_quotes: bool,
    cells: Vec<String>,
    /// The cell being read: raw, and unquoted.
    raw: String,
    value: Vec<u8>,
}

impl Record {
    pub(super) fn new(separator: Separator, has_quotes: bool) -> Self {
        let (byte, other) = match separator {
            Separator::Byte(byte) => (byte, None),
            other => (b',', Some(other)),
        };
        let reader = ReaderBuilder::new()
            .delimiter(byte)
            .quoting(has_quotes)
            // Lines come without their line breaks: a carriage return in one is text.
            .terminator(Terminator::Any(b'\n'))
            .build();
        Self { other, reader, has_quotes, cells: Vec::new(), raw: String::new(), value: Vec::new() }
    }

    /// Returns the cells of a complete row; those without quotes are trimmed.
    pub(super) fn cells(&self) -> &[String] {
        &self.cells
    }

    /// Starts a row with its first line. Returns false if the row continues with the next line: see
    /// [`go_on`](Self::go_on).
    pub(super) fn start(&mut self, line: &str) -> Result<bool, Flaw> {
        self.cells.clear();
        self.raw.clear();
        self.value.clear();
        match &self.other {
            Some(Separator::Text(text)) => {
                self.cells.extend(line.split(text.as_str()).map(|cell| cell.trim().to_string()));
                return Ok(true);
            }
            Some(_) => {
                self.cells.extend(line.split_ascii_whitespace().map(str::to_string));
                return Ok(true);
            }
            None => self.reader.reset(),
        }
        // A fresh reader drops a byte order mark, which in the middle of a file is text; an empty line prevents that.
        self.reader.read_field(b"\n", &mut [0; 4]);
        if line.is_empty() {
            // The reader would not count this as a row.
            self.cells.push(String::new());
            return Ok(true);
        }
        self.go_on(line)
    }

    /// Adds a line to a row that continues; returns false if it still does.
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
            // Unquoting never lengthens a cell; the two extra bytes let the reader end the piece before the buffer is
            // full.
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

    /// Returns the number of bytes in the row so far.
    pub(super) fn n_bytes(&self) -> usize {
        self.cells.iter().map(String::len).sum::<usize>() + self.value.len()
    }

    /// Returns the cell that was read to its end, after checking its quotes.
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
        // The value includes blanks after the closing quote.
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
        let mut record = Record::new(Separator::Byte(b','), true);
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
        // Leftover state does not spoil the next row.
        let mut record = Record::new(Separator::Byte(b','), true);
        assert_eq!(record.start("\"a"), Ok(false));
        assert_eq!(record.go_on("b\"c,d").map_err(|flaw| flaw.kind), Err("text behind a quote"));
        assert_eq!((record.start("e,f"), record.cells()), (Ok(true), &["e".to_string(), "f".to_string()][..]));
    }

    #[test]
    fn separators_are_named() {
        let cells = |separator: &str, line: &str| {
            let mut record = Record::new(Separator::parse(separator).unwrap(), true);
            assert_eq!(record.start(line), Ok(true));
            record.cells().to_vec()
        };
        assert_eq!(cells("::", "1::\"Great\" Cats: (1998)::A|B"), ["1", "\"Great\" Cats: (1998)", "A|B"]);
        assert_eq!(cells(";", "1;\"a;b\";c"), ["1", "a;b", "c"]);
        assert_eq!(cells("|", "1|a,b|"), ["1", "a,b", ""]);
        assert_eq!(cells("\\t", "1\ta b"), ["1", "a b"]);
        assert_eq!(cells(" ", "  1  a\tb "), ["1", "a", "b"]);
        assert_eq!(cells("¦", "1¦a"), ["1", "a"]);
        for separator in ["", "\"", "\n", "a\r"] {
            assert!(Separator::parse(separator).is_err(), "{separator:?}");
        }
        for (row, expected) in
            [("1::2;3", Some("::")), ("a\tb", Some("\\t")), ("a;b", Some(";")), ("a b", Some(" ")), (" a ", None)]
        {
            assert_eq!(Separator::likely(row), expected);
        }
    }

    #[test]
    fn quotes_may_be_ordinary_characters() {
        let mut record = Record::new(Separator::Byte(b'\t'), false);
        assert_eq!(record.start("5\" pipe\t\"a\t b "), Ok(true));
        assert_eq!(record.cells(), ["5\" pipe", "\"a", "b"]);
    }
}
