//! Reads selected fields of a JSON object; other fields are validated and skipped.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::flaws::{Flaw, shown};

/// Parses any JSON value; `None` if the text is not JSON.
pub(super) fn parse_any(text: &str) -> Option<Value> {
    let read = |text: &str| serde_json::from_str(text).ok();
    read(text).or_else(|| read(&without_nan(text)?))
}

/// Returns the names of an object's fields in alphabetical order; empty if the text is not an object.
pub(super) fn names(text: &str) -> Vec<String> {
    type Names = BTreeMap<String, IgnoredAny>;
    let read = |text: &str| serde_json::from_str::<Names>(text).ok();
    let found = read(text).or_else(|| read(&without_nan(text)?));
    found.unwrap_or_default().into_keys().collect()
}

/// Reads the fields named by `columns` into `row`, which has the same length; missing fields leave it unchanged. `NaN`,
/// `Infinity` and `-Infinity`, which Python writes for missing numbers but JSON does not have, are read as null.
///
/// # Errors
/// If the text is not one JSON object, or the object has a wanted field twice.
pub(super) fn read_fields(text: &str, columns: &[String], row: &mut [Option<Value>]) -> Result<(), Flaw> {
    let strict = read_strictly(text, columns, row);
    match &strict {
        Err(flaw) if flaw.kind == NOT_JSON => match without_nan(text) {
            Some(text) => {
                row.fill(None);
                read_strictly(&text, columns, row)
            }
            None => strict,
        },
        _ => strict,
    }
}

/// Replaces `NaN`, `Infinity` and `-Infinity` outside of strings by null; `None` if there are none.
fn without_nan(text: &str) -> Option<String> {
    let (mut out, mut copied, mut at, mut is_string) = (String::new(), 0, 0, false);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => is_string = !is_string,
            b'\\' if is_string => at += 1,
            b'N' | b'I' | b'-' if !is_string => {
                let found =
                    ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| bytes[at..].starts_with(word.as_bytes()));
                let is_word = |word: &&str| !bytes.get(at + word.len()).is_some_and(u8::is_ascii_alphanumeric);
                if let Some(word) = found.filter(is_word) {
                    out += &text[copied..at];
                    out += "null";
                    at += word.len() - 1;
                    copied = at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    (copied > 0).then(|| out + &text[copied..])
}

/// Like [`read_fields`], but for standard JSON only.
fn read_strictly(text: &str, columns: &[String], row: &mut [Option<Value>]) -> Result<(), Flaw> {
    let first = text.trim_start().chars().next();
    if first.is_some_and(|c| "[\"-0123456789tfn".contains(c)) && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        let message = format!("`{}` is no object; write one JSON object a line", shown(text));
        return Err(Flaw::new("not an object", message));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Fields { columns, row }.deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(
        |error| match error.classify() {
            serde_json::error::Category::Eof => {
                Flaw::new("truncated JSON", format!("the JSON object breaks off ({error})"))
            }
            serde_json::error::Category::Data if error.to_string().starts_with(TWICE) => {
                Flaw::new("a field given twice", error.to_string())
            }
            _ => Flaw::new(NOT_JSON, format!("not JSON ({error})")),
        },
    )
}

const TWICE: &str = "a second";
const NOT_JSON: &str = "not JSON";

struct Fields<'a> {
    columns: &'a [String],
    row: &'a mut [Option<Value>],
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(column) = map.next_key_seed(Key(self.columns))? {
            let Some(column) = column else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if self.row[column].replace(map.next_value()?).is_some() {
                return Err(A::Error::custom(format!("{TWICE} `{}`", self.columns[column])));
            }
        }
        Ok(())
    }
}

/// Deserializes a key as the index of the column it names.
struct Key<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|column| column == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Vec<Option<Value>>, Flaw> {
        let mut row = vec![None; 2];
        read_fields(text, &["a".to_string(), "b".to_string()], &mut row).map(|()| row)
    }

    #[test]
    fn wanted_fields_are_found_among_others() {
        let text = r#" {"x": [{"a": 9}], "b": "t\u00e9", "y": "long", "a": 5} "#;
        assert_eq!(read(text), Ok(vec![Some(json!(5)), Some(json!("té"))]));
        assert_eq!(read("{\"\\u0061\": null}"), Ok(vec![Some(Value::Null), None]));
    }

    #[test]
    fn what_python_writes_for_missing_numbers_is_missing() {
        let text = r#"{"x": [NaN, -Infinity], "a": Infinity, "b": "NaN \" -Infinity NaN", "é": NaN}"#;
        assert_eq!(read(text), Ok(vec![Some(Value::Null), Some(json!("NaN \" -Infinity NaN"))]));
        assert_eq!(names(text), ["a", "b", "x", "é"]);
        assert_eq!(parse_any("[NaN]"), Some(json!([null])));
        assert_eq!(read("{\"a\": NaN, \"a\": 5}").map_err(|flaw| flaw.kind), Err("a field given twice"));
        assert_eq!(read("{\"a\": NaN").map_err(|flaw| flaw.kind), Err("truncated JSON"));
    }

    #[test]
    fn flaws_are_told_apart() {
        let cases = [
            ("{'a': 5}", "not JSON"),
            ("{\"a\": nan}", "not JSON"),
            ("{\"a\": NaNs}", "not JSON"),
            ("{\"a\": NaN,}", "not JSON"),
            ("{\"a\": 1e999}", "not JSON"),
            ("{\"a\": 5} {\"a\": 6}", "not JSON"),
            ("{\"a\": 5,}", "not JSON"),
            ("true story", "not JSON"),
            ("{\"a\": 5", "truncated JSON"),
            ("{\"a\": \"te", "truncated JSON"),
            ("[1, 2]", "not an object"),
            ("\"a\"", "not an object"),
            ("null", "not an object"),
            ("{\"a\": 5, \"a\": 6}", "a field given twice"),
        ];
        for (text, kind) in cases {
            assert_eq!(read(text).map_err(|flaw| flaw.kind), Err(kind), "{text}");
        }
        // Unwanted values are skipped without recursion; wanted ones have a depth limit.
        let deep = |key: &str| format!("{{\"{key}\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&deep("x")), Ok(vec![None, None]));
        assert_eq!(read(&deep("a")).map_err(|flaw| flaw.kind), Err("not JSON"));
    }
}
