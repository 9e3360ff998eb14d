//! Reads the wanted columns of a file row by row, whatever its format.

use std::path::Path;

use serde_json::Value;

use super::columns::{Column, no_column};
use super::flaws::Flaw;
use super::format::{Format, Layout};
use super::lines::Lines;
use super::objects::Objects;
use super::record::{Record, Separator};
use crate::{Error, Result};

/// The values of the wanted columns, in their order; `None` if the row has none.
pub(super) type Row = [Option<Value>];

/// Reads a file's rows one at a time.
pub(super) struct Rows {
    lines: Lines,
    objects: Objects,
    format: Parser,
    row: Vec<Option<Value>>,
    limit: usize,
    /// Whether a line has been read ahead.
    is_held: bool,
}

enum Parser {
    Json,
    Python,
    /// Positions of the columns, and the number of cells in each row, which is unknown before the first row if there is
    /// no header.
    Cells {
        record: Box<Record>,
        places: Vec<usize>,
        n_cells: Option<usize>,
        /// Whether the file may have a header although columns were given by number; `None` if not, or if that is known.
        header: Option<Suspect>,
    },
}

/// What is looked at to recognise a header in a file that should have none.
enum Suspect {
    First,
    /// The first row has no digit in any cell; its line, and the cells of the wanted columns.
    Second(usize, Vec<String>),
}

impl Suspect {
    /// Takes a row into account. A header is a first row without digits before ids that have them.
    ///
    /// # Errors
    /// With the first row's line and a message, if it is a header.
    fn look(
        self,
        line: usize,
        cells: &[String],
        places: &[usize],
    ) -> std::result::Result<Option<Self>, (usize, String)> {
        let has_digit = |cell: &String| cell.bytes().any(|byte| byte.is_ascii_digit());
        let wanted = || places.iter().filter_map(|&place| cells.get(place));
        match self {
            Self::First if cells.iter().any(has_digit) => Ok(None),
            Self::First => Ok(Some(Self::Second(line, wanted().cloned().collect()))),
            Self::Second(first, names) if wanted().all(has_digit) => {
                let message = format!(
                    "looks like a header; name its columns ({}) instead of giving numbers, which are for files without one. \
                     If it is data, put it behind another row",
                    names.join(", ")
                );
                Err((first, message))
            }
            Self::Second(..) => Ok(None),
        }
    }
}

impl Rows {
    /// Opens a file for these columns. In delimited text they are names in the header or, if all of them are `#1`, `#2`
    /// and so on, positions in a file without a header.
    ///
    /// # Errors
    /// If the file is missing, lacks the header that it must have, or has a header without one of the columns.
    pub(super) fn open(path: &Path, layout: Layout<'_>, columns: Vec<Column>, limit: usize) -> Result<Self> {
        let separator = layout.separator()?;
        let mut lines = Lines::open(path, limit)?;
        let format = match layout.format {
            Format::Json => Parser::Json,
            Format::Python => Parser::Python,
            Format::Csv | Format::Tsv => {
                let mut record = Box::new(Record::new(separator, layout.format == Format::Csv));
                let (places, n_cells) = match numbers(&columns) {
                    Some(places) => (places, None),
                    None => {
                        let (places, n_cells) = header(&mut lines, &mut record, &columns)?;
                        (places, Some(n_cells))
                    }
                };
                let header = n_cells.is_none().then_some(Suspect::First);
                Parser::Cells { record, places, n_cells, header }
            }
        };
        let row = vec![None; columns.len()];
        Ok(Self { lines, objects: Objects::new(columns), format, row, limit, is_held: false })
    }

    /// Returns the next row with its line number, or what is wrong with it; `None` at the end.
    ///
    /// # Errors
    /// If reading cannot go on: damaged compression, or a quote that is never closed.
    pub(super) fn next(&mut self) -> Result<Option<(usize, std::result::Result<&Row, Flaw>)>> {
        if !std::mem::take(&mut self.is_held) {
            let mut blank = None;
            loop {
                if !self.lines.advance()? {
                    return Ok(None); // blank lines at the end are nobody's rows
                } else if !self.lines.is_blank() {
                    break;
                }
                blank.get_or_insert(self.lines.number());
            }
            if let Some(line) = blank {
                self.is_held = true;
                return Ok(Some((line, Err(Flaw::new("blank line", "a blank line between rows")))));
            }
        }
        let line = self.lines.number();
        let parsed = self.parse()?;
        Ok(Some((line, parsed.map(|()| self.row.as_slice()))))
    }

    fn parse(&mut self) -> Result<std::result::Result<(), Flaw>> {
        let line = self.lines.number();
        let text = match self.lines.text() {
            Ok(text) => text,
            Err(flaw) => return Ok(Err(flaw)),
        };
        self.row.fill(None);
        Ok(match &mut self.format {
            Parser::Json => self.objects.read_json(text, &mut self.row),
            Parser::Python => self.objects.read_python(text, &mut self.row),
            Parser::Cells { record, places, n_cells, header } => {
                let is_complete = match record.start(text) {
                    Ok(is_complete) => is_complete,
                    Err(flaw) => return Ok(Err(flaw)),
                };
                if !is_complete && let Err(flaw) = complete(&mut self.lines, record, self.limit)? {
                    return Ok(Err(flaw));
                }
                let picked = pick(record.cells(), places, n_cells, &mut self.row);
                if let (Ok(()), Some(suspect)) = (&picked, header.take()) {
                    let fail = |(line, message)| Error::line(self.lines.path(), line, message);
                    *header = suspect.look(line, record.cells(), places).map_err(fail)?;
                }
                picked
            }
        })
    }

    /// Returns a flaw of the last row; if a value is missing because no row has the field, the flaw says so instead.
    pub(super) fn explained(&self, flaw: Flaw) -> Flaw {
        match self.objects.absent(|column| column.names.iter().any(|name| flaw.message == format!("no `{name}`"))) {
            Some(message) => Flaw::new(flaw.kind, message),
            None => flaw,
        }
    }

    /// Checks, after the last row, that each required column was in some row.
    ///
    /// # Errors
    /// Names the column, the existing fields and the one most likely meant.
    pub(super) fn check_columns(&self) -> Result<()> {
        match self.objects.absent(|column| column.is_required) {
            Some(message) => Err(Error::file(self.lines.path(), format!("{message}; no row has it"))),
            None => Ok(()),
        }
    }

    /// Returns the path of the file, for messages.
    pub(super) fn path(&self) -> &Path {
        self.lines.path()
    }

    /// Returns the number of bytes of the file read so far.
    pub(super) fn n_bytes(&self) -> u64 {
        self.lines.n_bytes()
    }

    /// Returns the SHA-256 of the whole file, after the last row.
    pub(super) fn sha256(&self) -> String {
        self.lines.sha256()
    }
}

/// Suggests a separator if a row has one cell only.
fn separator_hint(cells: &[String]) -> String {
    match cells {
        [cell] => Separator::likely(cell).map_or(String::new(), |separator| {
            format!("; the cells look separated by '{separator}': name it (--separator '{separator}', for metadata --meta-separator '{separator}')")
        }),
        _ => String::new(),
    }
}

/// Reads on to the end of a quoted cell. Without an end nobody knows where rows begin, so this fails even if invalid
/// rows are skipped.
fn complete(lines: &mut Lines, record: &mut Record, limit: usize) -> Result<std::result::Result<(), Flaw>> {
    let first = lines.number();
    let fail = |lines: &Lines, what: &str| {
        let message = format!("{what}; close the quote, or write quotes within a cell twice");
        Error::line(lines.path(), first, message)
    };
    loop {
        if !lines.advance()? {
            return Err(fail(lines, "a quoted cell has no end"));
        }
        let text = lines.text().map_err(|flaw| fail(lines, &format!("{} within a quoted cell", flaw.message)))?;
        match record.go_on(text) {
            Ok(false) if record.n_bytes() > limit => {
                return Err(fail(lines, &format!("a quoted cell goes on for more than {limit} bytes")));
            }
            Ok(false) => {}
            Ok(true) => return Ok(Ok(())),
            Err(flaw) => return Ok(Err(flaw)),
        }
    }
}

/// Copies the cells of the wanted columns; empty ones are missing.
fn pick(
    cells: &[String],
    places: &[usize],
    n_cells: &mut Option<usize>,
    row: &mut Row,
) -> std::result::Result<(), Flaw> {
    let wanted = *n_cells.get_or_insert(cells.len());
    if cells.len() != wanted {
        let kind = if cells.len() < wanted { "too few cells" } else { "too many cells" };
        return Err(Flaw::new(kind, format!("the row has {} cells, the first one {wanted}", cells.len())));
    }
    for (value, &place) in row.iter_mut().zip(places) {
        match cells.get(place) {
            None => {
                let message = format!("{wanted} cells and no cell #{}{}", place + 1, separator_hint(cells));
                return Err(Flaw::new("too few cells", message));
            }
            Some(cell) => *value = (!cell.is_empty()).then(|| Value::String(cell.clone())),
        }
    }
    Ok(())
}

/// Returns the positions of columns that are all written `#1`, `#2` and so on.
fn numbers(columns: &[Column]) -> Option<Vec<usize>> {
    let number = |column: &Column| column.names.first()?.strip_prefix('#')?.parse::<usize>().ok()?.checked_sub(1);
    columns.iter().map(number).collect()
}

fn header(lines: &mut Lines, record: &mut Record, columns: &[Column]) -> Result<(Vec<usize>, usize)> {
    let path = lines.path().to_path_buf();
    let fail = |message: String| Error::line(&path, 1, message);
    let is_complete = match lines.advance()? && !lines.is_blank() {
        true => lines.text().and_then(|text| record.start(text)).map_err(|flaw| fail(flaw.message))?,
        false => {
            let names: Vec<&str> =
                columns.iter().filter_map(|column| column.names.first()).map(String::as_str).collect();
            return Err(fail(format!("no header; write `{}`, then rows", names.join(","))));
        }
    };
    if !is_complete {
        return Err(fail("a quote without an end in the header; close it".to_string()));
    }
    let names = record.cells();
    let place = |column: &Column| {
        let column =
            column.names.iter().find(|name| names.contains(name)).or(column.names.first()).map_or("", String::as_str);
        let mut found = (0..names.len()).filter(|&place| names[place] == column);
        match (found.next(), found.next()) {
            (Some(place), None) => Ok(place),
            (None, _) => {
                let message = no_column("column", column, names.iter().map(String::as_str));
                Err(fail(format!("{message}{}", separator_hint(names))))
            }
            (Some(_), Some(_)) => Err(fail(format!("two columns `{column}`; rename one of them"))),
        }
    };
    Ok((columns.iter().map(place).collect::<Result<_>>()?, names.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Found = Vec<(usize, std::result::Result<Vec<Value>, &'static str>)>;

    fn rows(format: Format, columns: &[&str], text: &str) -> Result<Found> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        std::fs::write(&path, text).unwrap();
        let columns = columns.iter().map(|column| Column::new(*column)).collect();
        let mut rows = Rows::open(&path, Layout { format, separator: None }, columns, 1000)?;
        let mut found = Vec::new();
        while let Some((line, row)) = rows.next()? {
            let values = |row: &Row| row.iter().map(|value| value.clone().unwrap_or_default()).collect();
            found.push((line, row.map(values).map_err(|flaw| flaw.kind)));
        }
        Ok(found)
    }

    fn message(format: Format, columns: &[&str], text: &str) -> String {
        let message = rows(format, columns, text).unwrap_err().to_string();
        message[message.find("rows:").unwrap()..].to_string()
    }

    #[test]
    fn all_formats_give_the_same_rows() -> Result<()> {
        let expected = vec![(1, Ok(vec![json!("ann"), json!("x, y")])), (2, Ok(vec![json!("zoe"), Value::Null]))];
        let json = "{\"u\": \"ann\", \"i\": \"x, y\"}\n{\"i\": null, \"u\": \"zoe\"}\n\n\n";
        assert_eq!(rows(Format::Json, &["u", "i"], json)?, expected);
        assert_eq!(rows(Format::Python, &["u", "i"], "{'u': 'ann', 'i': 'x, y'}\n{'u': u'zoe'}")?, expected);
        assert_eq!(rows(Format::Csv, &["#1", "#3"], "ann,0,\"x, y\"\nzoe,0,\n")?, expected);
        let shifted: Found = expected.into_iter().map(|(line, row)| (line + 1, row)).collect();
        assert_eq!(rows(Format::Csv, &["u", "i"], "i,u\n\"x, y\",ann\n,zoe\n")?, shifted);
        assert_eq!(rows(Format::Tsv, &["u", "i"], "i\tu\r\nx, y\tann\r\n\tzoe\r\n")?, shifted);
        Ok(())
    }

    #[test]
    fn rows_of_several_lines_keep_the_count() -> Result<()> {
        let text = "u,i\nann,\"one\n\ntwo\"\nzoe,5\" pipe\nbob,x\n";
        let expected = vec![
            (2, Ok(vec![json!("ann"), json!("one\n\ntwo")])),
            (5, Err("a quote within a cell")),
            (6, Ok(vec![json!("bob"), json!("x")])),
        ];
        assert_eq!(rows(Format::Csv, &["u", "i"], text)?, expected);
        Ok(())
    }

    #[test]
    fn bad_rows_do_not_end_the_reading() -> Result<()> {
        let text = "a\tb\n\n\nc\n1\t2\t3\nd\te\n";
        let expected = vec![
            (1, Ok(vec![json!("b")])),
            (2, Err("blank line")),
            (4, Err("too few cells")),
            (5, Err("too many cells")),
            (6, Ok(vec![json!("e")])),
        ];
        assert_eq!(rows(Format::Tsv, &["#2"], text)?, expected);
        // Words before words, and numbers before numbers, are no header.
        for text in ["ann\tcup\nzoe\tcot\n", "ann\t1\nb2\t2\n", "ann\tcup\nb2\tcot\nb3\t3\n"] {
            assert_eq!(rows(Format::Tsv, &["#1", "#2"], text)?.len(), text.lines().count());
        }
        assert_eq!(rows(Format::Tsv, &["#3"], "a\tb\n")?, vec![(1, Err("too few cells"))]);
        assert_eq!(
            rows(Format::Python, &["a"], "[1]\n{'a': f()}\n")?[..],
            [(1, Err("not a dictionary")), (2, Err("not a Python literal"))]
        );
        Ok(())
    }

    #[test]
    fn headers_and_open_quotes_end_it() {
        let expected = "rows:1: no column `u` among `user`, `item`; name one of these";
        assert_eq!(message(Format::Csv, &["u"], "user,item\n1,2\n"), expected);
        assert_eq!(message(Format::Csv, &["u"], "u,u\n1,2\n"), "rows:1: two columns `u`; rename one of them");
        assert_eq!(message(Format::Tsv, &["u", "i"], ""), "rows:1: no header; write `u,i`, then rows");
        assert!(message(Format::Csv, &["u"], "u,\"i\n1,2\n").starts_with("rows:1: a quote without an end"));
        let again = "close the quote, or write quotes within a cell twice";
        let expected = format!("rows:3: a quoted cell has no end; {again}");
        assert_eq!(message(Format::Csv, &["u"], "u\n1\n\"2\n3\n"), expected);
        let found = message(Format::Csv, &["#1", "#3"], "Kunde,Zeit,Artikel\nK7,5,A1\n");
        assert!(found.starts_with("rows:1: looks like a header") && found.contains("(Kunde, Artikel)"), "{found}");
        let long = format!("u\n\"{}", "x\n".repeat(1000));
        let expected = format!("rows:2: a quoted cell goes on for more than 1000 bytes; {again}");
        assert_eq!(message(Format::Csv, &["u"], &long), expected);
    }
}
