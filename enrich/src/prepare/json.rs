//! The wanted fields of one JSON object; the others are checked and passed over.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::flaws::{Flaw, shown};

/// Reads the fields that `columns` name into `row`, which is as long; what is missing stays as it is.
///
/// # Errors
/// Text that is not one JSON object, or an object that gives a wanted field twice.
pub(super) fn read_fields(text: &str, columns: &[String], row: &mut [Option<Value>]) -> Result<(), Flaw> {
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
            _ => Flaw::new("not JSON", format!("not JSON ({error})")),
        },
    )
}

const TWICE: &str = "a second";

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

/// The number of the column that a key names.
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
    fn flaws_are_told_apart() {
        let cases = [
            ("{'a': 5}", "not JSON"),
            ("{\"a\": NaN}", "not JSON"),
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
        // Values that nobody wants are passed over without recursion, wanted ones have a limit.
        let deep = |key: &str| format!("{{\"{key}\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&deep("x")), Ok(vec![None, None]));
        assert_eq!(read(&deep("a")).map_err(|flaw| flaw.kind), Err("not JSON"));
    }
}
