//! Reads rows that are objects or dictionaries: the values of the wanted columns, and the names of all fields.

use std::collections::BTreeSet;

use serde_json::Value;

use super::columns::{Column, no_column};
use super::flaws::Flaw;
use super::json::{names, read_fields};
use super::literal::parse_literal;

/// Number of rows whose field names are collected.
const SAMPLE: usize = 100;

/// Reads objects and keeps track of their fields.
pub(super) struct Objects {
    columns: Vec<Column>,
    /// Names of all columns without duplicates, and their values in this row.
    names: Vec<String>,
    values: Vec<Option<Value>>,
    /// Indices into `names` for each column, and the number of columns that use each name.
    sources: Vec<Vec<usize>>,
    n_uses: Vec<usize>,
    /// Whether any row had the column.
    is_present: Vec<bool>,
    /// Names of the fields in the first rows.
    fields: BTreeSet<String>,
    n_rows: usize,
}

impl Objects {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        let (mut names, mut n_uses): (Vec<String>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut place = |name: &String| {
            let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.clone());
                n_uses.push(0);
                names.len() - 1
            });
            n_uses[at] += 1;
            at
        };
        let sources = columns.iter().map(|column| column.names.iter().map(&mut place).collect()).collect();
        Self {
            values: vec![None; names.len()],
            is_present: vec![false; columns.len()],
            fields: BTreeSet::new(),
            n_rows: 0,
            columns,
            names,
            sources,
            n_uses,
        }
    }

    /// Reads a JSON object into `row`.
    pub(super) fn read_json(&mut self, text: &str, row: &mut [Option<Value>]) -> Result<(), Flaw> {
        self.values.fill(None);
        read_fields(text, &self.names, &mut self.values)?;
        if self.n_rows < SAMPLE {
            self.fields.extend(names(text));
        }
        self.take(row);
        Ok(())
    }

    /// Reads a Python dictionary, or a JSON object, into `row`.
    pub(super) fn read_python(&mut self, text: &str, row: &mut [Option<Value>]) -> Result<(), Flaw> {
        // Python's `repr` encloses keys in single quotes, so this is JSON.
        if text.starts_with("{\"") && self.read_json(text, row).is_ok() {
            return Ok(());
        }
        match parse_literal(text) {
            Err(error) => Err(Flaw::new("not a Python literal", format!("not a Python literal: {error}"))),
            Ok(Value::Object(mut map)) => {
                if self.n_rows < SAMPLE {
                    self.fields.extend(map.keys().cloned());
                }
                self.values.iter_mut().zip(&self.names).for_each(|(cell, name)| *cell = map.remove(name));
                self.take(row);
                Ok(())
            }
            Ok(_) => Err(Flaw::new("not a dictionary", "no dictionary; write one a line")),
        }
    }

    /// Fills a row from the values: of several names of a column, the first that is not missing.
    fn take(&mut self, row: &mut [Option<Value>]) {
        self.n_rows += 1;
        for ((cell, sources), is_present) in row.iter_mut().zip(&self.sources).zip(&mut self.is_present) {
            for &at in sources {
                *is_present |= self.values[at].is_some();
                if cell.as_ref().is_none_or(is_missing) && self.values[at].is_some() {
                    *cell = if self.n_uses[at] == 1 { self.values[at].take() } else { self.values[at].clone() };
                }
            }
        }
    }

    /// Returns a message that no row so far has had a field, with the one most likely meant; for the first such column
    /// that `is_wanted`.
    pub(super) fn absent(&self, is_wanted: impl Fn(&Column) -> bool) -> Option<String> {
        let mut columns = self.columns.iter().zip(&self.is_present);
        let (column, _) = columns.find(|(column, is_present)| !**is_present && is_wanted(column))?;
        let name = column.names.first().map_or("", String::as_str);
        (self.n_rows > 0).then(|| no_column("field", name, self.fields.iter().map(String::as_str)))
    }
}

/// Whether a value is missing, so that the column's next name is tried.
fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(values) => values.iter().all(is_missing),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_name_that_says_something_is_taken() {
        let names =
            |names: &[&str]| Column { names: names.iter().map(|name| name.to_string()).collect(), is_required: true };
        let mut objects = Objects::new(vec![names(&["a", "b"]), names(&["c"]), names(&["b"])]);
        for (text, expected) in [
            (r#"{"a": 1, "b": 2}"#, [json!(1), json!(null), json!(2)]),
            (r#"{"a": [], "b": 2}"#, [json!(2), json!(null), json!(2)]),
            (r#"{"b": " "}"#, [json!(" "), json!(null), json!(" ")]),
        ] {
            for is_python in [false, true] {
                let mut row = vec![None; 3];
                let read = if is_python { Objects::read_python } else { Objects::read_json };
                read(&mut objects, text, &mut row).unwrap();
                assert_eq!(row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>(), expected, "{text}");
            }
        }
        assert_eq!(objects.absent(|_| true).unwrap(), "no field `c` among `a`, `b`; name one of these");
        objects.read_python("{'c': None}", &mut [None, None, None]).unwrap();
        assert_eq!(objects.absent(|_| true), None);
    }
}
