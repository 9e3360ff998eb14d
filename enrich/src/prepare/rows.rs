//! The wanted columns of a file, row by row, whatever its format.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::columns::{Column, no_column};
use super::flaws::Flaw;
use super::json::{names, read_fields};
use super::lines::Lines;
use super::literal::parse_literal;
use super::record::{Record, Separator};
use crate::{Error, Result};

/// How a file of rows is written. Each may be compressed with gzip, which is told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// One Python dictionary a line, as Amazon's metadata of 2014; or JSON. It is parsed, never evaluated.
    Python,
    /// Commas between cells; `"` encloses cells that contain commas, quotes or line ends.
    Csv,
    /// Tabs between cells; quotes are ordinary characters.
    Tsv,
}

impl Format {
    /// The format that a file's name tells, a `.gz` at its end aside: `.json`, `.jsonl` and `.ndjson`, `.csv`, `.tsv`
    /// and `.tab`.
    pub fn of_path(path: impl AsRef<Path>) -> Option<Self> {
        let name = path.as_ref().file_name()?.to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            _ => None,
        }
    }

    /// The format's name, as programs take it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Python => "python",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
        }
    }
}

/// The values of the wanted columns, in their order; `None` where a row has none.
pub(super) type Row = [Option<Value>];

/// How rows are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a> {
    pub(super) format: Format,
    /// What stands between cells, where the format does not say.
    pub(super) separator: Option<&'a str>,
}

/// Reads a file's rows one at a time.
pub(super) struct Rows {
    lines: Lines,
    columns: Vec<Column>,
    /// All names of all columns, the column of each, and the values under them in this row.
    names: Vec<String>,
    owners: Vec<usize>,
    values: Vec<Option<Value>>,
    format: Parser,
    row: Vec<Option<Value>>,
    /// Which columns some row had, and what the fields of the first rows are called; of objects and dictionaries.
    is_present: Vec<bool>,
    fields: BTreeSet<String>,
    n_objects: usize,
    limit: usize,
    /// A line has been read ahead.
    is_held: bool,
}

enum Parser {
    Json,
    Python,
    /// The places of the columns, and how many cells each row has; unknown before the first one where there is no header.
    Cells {
        record: Box<Record>,
        places: Vec<usize>,
        n_cells: Option<usize>,
    },
}

impl Rows {
    /// Opens a file for these columns. Those of delimited text are names in its header or, where all of them are `#1`,
    /// `#2` and so on, places in a file without a header.
    ///
    /// # Errors
    /// Names the file: missing, empty where there must be a header, a header without one of the columns.
    pub(super) fn open(path: &Path, layout: Layout<'_>, columns: Vec<Column>, limit: usize) -> Result<Self> {
        let separator = separator(layout)?;
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
                Parser::Cells { record, places, n_cells }
            }
        };
        let named = |(owner, column): (usize, &Column)| {
            column.names.iter().map(|name| (owner, name.clone())).collect::<Vec<_>>()
        };
        let (owners, names): (Vec<_>, Vec<_>) = columns.iter().enumerate().flat_map(named).unzip();
        Ok(Self {
            lines,
            values: vec![None; names.len()],
            names,
            owners,
            format,
            row: vec![None; columns.len()],
            is_present: vec![false; columns.len()],
            fields: BTreeSet::new(),
            n_objects: 0,
            columns,
            limit,
            is_held: false,
        })
    }

    /// The next row with its line, or what is wrong with it; `None` at the end.
    ///
    /// # Errors
    /// Where reading cannot go on: damaged compression, a quote that is never closed.
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
        let text = match self.lines.text() {
            Ok(text) => text,
            Err(flaw) => return Ok(Err(flaw)),
        };
        self.row.fill(None);
        Ok(match &mut self.format {
            Parser::Json => {
                self.values.fill(None);
                let read = read_fields(text, &self.names, &mut self.values);
                if read.is_ok() {
                    let fields = if self.n_objects < SAMPLE { names(text) } else { Vec::new() };
                    self.take_object(fields);
                }
                read
            }
            Parser::Python => {
                self.values.fill(None);
                let is_json = text.starts_with("{\"") && read_fields(text, &self.names, &mut self.values).is_ok();
                if is_json {
                    let fields = if self.n_objects < SAMPLE { names(text) } else { Vec::new() };
                    self.take_object(fields);
                    return Ok(Ok(()));
                }
                match parse_literal(text) {
                    Err(error) => Err(Flaw::new("not a Python literal", format!("not a Python literal: {error}"))),
                    Ok(Value::Object(mut map)) => {
                        let fields = if self.n_objects < SAMPLE { map.keys().cloned().collect() } else { Vec::new() };
                        self.values.iter_mut().zip(&self.names).for_each(|(cell, name)| *cell = map.remove(name));
                        self.take_object(fields);
                        Ok(())
                    }
                    Ok(_) => Err(Flaw::new("not a dictionary", "no dictionary; write one a line")),
                }
            }
            Parser::Cells { record, places, n_cells } => {
                let is_complete = match record.start(text) {
                    Ok(is_complete) => is_complete,
                    Err(flaw) => return Ok(Err(flaw)),
                };
                if !is_complete && let Err(flaw) = complete(&mut self.lines, record, self.limit)? {
                    return Ok(Err(flaw));
                }
                pick(record.cells(), places, n_cells, &mut self.row)
            }
        })
    }

    /// Makes the row of an object's values: of several names of a column the first that is not missing.
    fn take_object(&mut self, fields: Vec<String>) {
        self.n_objects += 1;
        self.fields.extend(fields);
        for (value, &owner) in self.values.iter_mut().zip(&self.owners) {
            self.is_present[owner] |= value.is_some();
            let cell = &mut self.row[owner];
            if cell.as_ref().is_none_or(is_missing) && value.is_some() {
                *cell = value.take();
            }
        }
    }

    /// Of objects and dictionaries: that no row has had a field, and which was meant.
    fn absent(&self, is_wanted: impl Fn(&Column) -> bool) -> Option<String> {
        let (column, _) = self
            .columns
            .iter()
            .zip(&self.is_present)
            .find(|(column, is_present)| !**is_present && is_wanted(column))?;
        let name = column.names.first().map_or("", String::as_str);
        (self.n_objects > 0).then(|| no_column("field", name, self.fields.iter().map(String::as_str)))
    }

    /// A flaw of the last row; where a value is missing because no row has the field, that is said instead.
    pub(super) fn explained(&self, flaw: Flaw) -> Flaw {
        match self.absent(|column| column.names.iter().any(|name| flaw.message == format!("no `{name}`"))) {
            Some(message) => Flaw::new(flaw.kind, message),
            None => flaw,
        }
    }

    /// After the last row: that each column that must be there was in some row.
    ///
    /// # Errors
    /// Names the column, the fields that there are and the one that was probably meant.
    pub(super) fn check_columns(&self) -> Result<()> {
        match self.absent(|column| column.is_required) {
            Some(message) => Err(Error::file(self.lines.path(), format!("{message}; no row has it"))),
            None => Ok(()),
        }
    }

    /// The file, for messages.
    pub(super) fn path(&self) -> &Path {
        self.lines.path()
    }

    /// How many bytes of the file have been read.
    pub(super) fn n_bytes(&self) -> u64 {
        self.lines.n_bytes()
    }

    /// SHA-256 of the whole file, after the last row.
    pub(super) fn sha256(&self) -> String {
        self.lines.sha256()
    }
}

/// So many rows are asked for the names of their fields.
const SAMPLE: usize = 100;

/// Whether a value says nothing, so that another name of the column may.
fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(values) => values.iter().all(is_missing),
        _ => false,
    }
}

/// What stands between the cells of a layout.
fn separator(layout: Layout<'_>) -> Result<Separator> {
    let format = layout.format;
    match layout.separator {
        None => Ok(Separator::Byte(if format == Format::Tsv { b'\t' } else { b',' })),
        Some(_) if matches!(format, Format::Json | Format::Python) => {
            let message =
                format!("a separator stands between cells, and {} has none; leave it out, or name csv", format.name());
            Err(Error::Config(message))
        }
        Some(text) => Separator::parse(text).map_err(Error::Config),
    }
}

/// What to say of a row of one cell.
fn separator_hint(cells: &[String]) -> String {
    match cells {
        [cell] => Separator::likely(cell).map_or(String::new(), |separator| {
            format!("; the cells look separated by '{separator}': name it (--separator '{separator}')")
        }),
        _ => String::new(),
    }
}

/// Reads on to the end of a quoted cell. Where that end never comes, nobody knows where rows begin: no row is skipped.
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

/// The cells of the wanted columns; empty ones are missing.
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

/// The places that `#1`, `#2` and so on mean, if all columns are of this kind.
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
        let long = format!("u\n\"{}", "x\n".repeat(1000));
        let expected = format!("rows:2: a quoted cell goes on for more than 1000 bytes; {again}");
        assert_eq!(message(Format::Csv, &["u"], &long), expected);
    }

    #[test]
    fn names_tell_formats() {
        for (name, format) in [
            ("a/reviews_Baby_5.json.gz", Some(Format::Json)),
            ("a.JSONL", Some(Format::Json)),
            ("a.csv", Some(Format::Csv)),
            ("a.tsv.gz", Some(Format::Tsv)),
            ("a.gz", None),
            ("csv", None),
        ] {
            assert_eq!(Format::of_path(name), format, "{name}");
        }
    }
}
