//! Positions of keys in TOML text, for errors with a line number.

use crate::Error;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// A step from a table or an array to one of its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Item(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_string())
    }
}

impl From<usize> for Step {
    fn from(item: usize) -> Self {
        Self::Item(item)
    }
}

/// An error message and the path of the key that it is about.
pub(crate) struct Fault {
    steps: Vec<Step>,
    message: String,
}

impl Fault {
    /// Converts the fault to an error with file, line and key.
    pub(crate) fn error(self, text: &str, path: &Path) -> Error {
        let mut key = String::new();
        for step in &self.steps {
            match step {
                Step::Key(name) if key.is_empty() => key.push_str(name),
                Step::Key(name) => key.extend([".", name]),
                Step::Item(i) => key.push_str(&format!("[{i}]")),
            }
        }
        Error::line(path, line_of(text, &self.steps), format!("{key}: {}", self.message))
    }
}

/// Makes the error about text that is not TOML, or does not have the expected sections.
pub(crate) fn no_such_toml(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    Error::line(path, line, error.message().lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

pub(crate) type Checked<T> = std::result::Result<T, Fault>;

pub(crate) fn fault(steps: &[Step], message: impl ToString) -> Fault {
    Fault { steps: steps.to_vec(), message: message.to_string() }
}

/// Extends a path.
pub(crate) fn below(steps: &[Step], more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    steps.iter().cloned().chain(more).collect()
}

/// Checks that a name is known.
pub(crate) fn known<'a>(
    name: &str,
    mut among: impl Iterator<Item = &'a str> + Clone,
    what: &str,
    at: &[Step],
) -> Checked<()> {
    let all = among.clone();
    match among.any(|known| known == name) {
        true => Ok(()),
        false => Err(fault(at, format!("no {what} '{name}'; there are {}", all.collect::<Vec<_>>().join(", ")))),
    }
}

/// Checks that a list has no duplicates.
pub(crate) fn distinct<T: PartialEq + std::fmt::Display>(list: &[T], what: &str, at: &[Step]) -> Checked<()> {
    match (0..list.len()).find(|&i| list[..i].contains(&list[i])) {
        Some(i) => Err(fault(&below(at, [i.into()]), format!("the {what} {} comes twice", list[i]))),
        None => Ok(()),
    }
}

/// The 1-based line of the last step that exists; 1 for a text that is not TOML.
fn line_of(text: &str, steps: &[Step]) -> usize {
    let at = DeTable::parse(text).map_or(0, |table| in_table(table.get_ref(), steps, 0));
    line_at(text, at)
}

/// The 1-based line of a byte offset.
fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

/// The byte offset of the last step that exists; `at` if none does.
fn in_table(table: &DeTable, steps: &[Step], at: usize) -> usize {
    let [Step::Key(key), rest @ ..] = steps else { return at };
    match table.iter().find(|(name, _)| name.get_ref().as_ref() == key.as_str()) {
        Some((name, value)) => in_value(value.get_ref(), rest, name.span().start),
        None => at,
    }
}

fn in_value(value: &DeValue, steps: &[Step], at: usize) -> usize {
    match (value, steps) {
        (DeValue::Table(table), _) => in_table(table, steps, at),
        (DeValue::Array(items), [Step::Item(i), rest @ ..]) => match items.get(*i) {
            Some(item) => in_value(item.get_ref(), rest, item.span().start),
            None => at,
        },
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_are_written() {
        let text = "a = 1\n\n[[m]]\nx = [\n  1,\n  2,\n]\n[[m]]\ny.z = 3\nt = { u = 4 }\n[m.w]\nv = 5\n";
        let line = |steps: &[Step]| line_of(text, steps);
        let (m, second) = (Step::from("m"), Step::from(1));
        assert_eq!(line(&["a".into()]), 1);
        assert_eq!(line(&[m.clone(), 0.into(), "x".into(), 1.into()]), 6);
        assert_eq!(line(&[m.clone(), second.clone(), "y".into(), "z".into()]), 9);
        assert_eq!(line(&[m.clone(), second.clone(), "t".into(), "u".into()]), 10);
        assert_eq!(line(&[m.clone(), second.clone(), "w".into(), "v".into()]), 12);
        // Paths that exist in part.
        assert_eq!(line(&[m.clone(), second.clone(), "w".into(), "q".into()]), 11);
        assert_eq!(line(&[m, second, "nothing".into()]), 8);
        assert_eq!(line(&["nothing".into()]), 1);
        assert_eq!(line_of("a = ", &["a".into()]), 1);
    }
}
