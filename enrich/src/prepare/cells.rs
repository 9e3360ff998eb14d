//! Parses the values of cells: ids, numbers, times, texts.

use std::borrow::Cow;

use serde_json::Value;

use super::flaws::{Flaw, shown};
use super::html::plain;
use super::times::date;

/// Maximum length of an id in bytes.
const MAX_ID: usize = 512;

/// Parses an id: text without surrounding blanks, or an integer.
pub(super) fn id<'a>(value: Option<&'a Value>, column: &str) -> Result<Cow<'a, str>, Flaw> {
    let id: Cow<'_, str> = match value {
        None | Some(Value::Null) => return Err(Flaw::new("no id", format!("no `{column}`"))),
        Some(Value::String(text)) => text.trim().into(),
        Some(Value::Number(number)) if number.is_u64() || number.is_i64() => number.to_string().into(),
        Some(other) => {
            let message = format!("`{column}` is {}; write text or an integer", shown(&other.to_string()));
            return Err(Flaw::new("an id of another kind", message));
        }
    };
    if id.is_empty() {
        return Err(Flaw::new("an empty id", format!("`{column}` is empty")));
    } else if id.len() > MAX_ID {
        return Err(Flaw::new("an id too long", format!("`{column}` has {} bytes, {MAX_ID} are enough", id.len())));
    } else if id.chars().any(char::is_control) {
        // Tabs and line breaks would break the files that we write.
        let message = format!("`{column}` is `{}`, which has a tab, a line end or the like in it", shown(&id));
        return Err(Flaw::new("an id with control characters", message));
    }
    Ok(id)
}

/// Parses a finite number, also from text.
pub(super) fn number(value: Option<&Value>, column: &str) -> Result<f64, Flaw> {
    let found = match value {
        None | Some(Value::Null) => return Err(Flaw::new("no number", format!("no `{column}`"))),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    found.filter(|number| number.is_finite()).ok_or_else(|| {
        let text = value.map(Value::to_string).unwrap_or_default();
        Flaw::new("not a number", format!("`{column}` is {}, not a number", shown(&text)))
    })
}

/// Parses a time and tells its kind: a number in any unit, or a date as seconds since 1970.
pub(super) fn time(value: Option<&Value>, column: &str) -> Result<(f64, TimeKind), Flaw> {
    match value {
        None | Some(Value::Null) => return Err(Flaw::new("no time", format!("no `{column}`"))),
        Some(Value::String(text)) => {
            if let Some(seconds) = date(text.trim()) {
                return Ok((seconds, TimeKind::Date));
            }
        }
        Some(_) => {}
    }
    number(value, column).map(|number| (number, TimeKind::Number)).map_err(|_| {
        let text = value.map(Value::to_string).unwrap_or_default();
        let message = format!(
            "`{column}` is {}, neither a number nor a date that has one meaning; write seconds, or YYYY-MM-DD with or \
             without HH:MM:SS",
            shown(&text)
        );
        Flaw::new("not a time", message)
    })
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeKind {
    Number,
    Date,
}

/// Whether a text stands for a missing value, as written by pandas.
pub(super) fn is_missing(text: &str) -> bool {
    matches!(text, "" | "nan" | "NaN")
}

/// Returns a text, also from a number or a list of texts, which are joined by spaces. Empty if missing.
pub(super) fn text(value: Option<&Value>, column: &str) -> Result<String, Flaw> {
    Ok(texts(value, column)?.join(" "))
}

/// Collects the texts in a value and in the lists in it, as plain text without HTML, trimmed, without empty ones. An
/// object with a `name`, such as a Goodreads shelf, counts as that name.
pub(super) fn texts(value: Option<&Value>, column: &str) -> Result<Vec<String>, Flaw> {
    fn collect(value: &Value, found: &mut Vec<String>) -> bool {
        match value {
            Value::Null => {}
            Value::String(text) => {
                found.extend(Some(plain(text).trim()).filter(|text| !is_missing(text)).map(str::to_string));
            }
            Value::Number(number) => found.push(number.to_string()),
            Value::Array(values) => return values.iter().all(|value| collect(value, found)),
            Value::Object(fields) => {
                return fields.get("name").is_some_and(|name| name.is_string() && collect(name, found));
            }
            Value::Bool(_) => return false,
        }
        true
    }
    let mut found = Vec::new();
    match value {
        Some(value) if !collect(value, &mut found) => {
            let message = format!(
                "`{column}` is {}; write text, a list of texts, or a list of objects with a `name`",
                shown(&value.to_string())
            );
            Err(Flaw::new("a text of another kind", message))
        }
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_text_or_integers() {
        let id = |value: Value| id(Some(&value), "asin").map(Cow::into_owned).map_err(|flaw| flaw.kind);
        assert_eq!(id(json!(" B001 ")), Ok("B001".to_string()));
        assert_eq!(id(json!(-7)), Ok("-7".to_string()));
        assert_eq!(id(json!("ü 1")), Ok("ü 1".to_string()));
        for (value, kind) in [
            (json!(null), "no id"),
            (json!(" "), "an empty id"),
            (json!(1.5), "an id of another kind"),
            (json!(true), "an id of another kind"),
            (json!(["B001"]), "an id of another kind"),
            (json!("B\t1"), "an id with control characters"),
            (json!("x".repeat(513)), "an id too long"),
        ] {
            assert_eq!(id(value), Err(kind));
        }
        let message = super::id(None, "asin").unwrap_err().message;
        assert_eq!(message, "no `asin`");
    }

    #[test]
    fn numbers_are_finite() {
        let number = |value: Value| number(Some(&value), "overall").map_err(|flaw| flaw.message);
        assert_eq!(number(json!(4.5)), Ok(4.5));
        assert_eq!(number(json!(" 5 ")), Ok(5.0));
        assert_eq!(number(json!(null)), Err("no `overall`".to_string()));
        for (value, shown) in [(json!("five"), "\"five\""), (json!("inf"), "\"inf\""), (json!([5]), "[5]")] {
            assert_eq!(number(value), Err(format!("`overall` is {shown}, not a number")));
        }
    }

    #[test]
    fn times_are_numbers_or_dates() {
        let time = |value: Value| time(Some(&value), "day").map_err(|flaw| flaw.kind);
        assert_eq!(time(json!(7)), Ok((7.0, TimeKind::Number)));
        assert_eq!(time(json!(" 7.5 ")), Ok((7.5, TimeKind::Number)));
        assert_eq!(time(json!(" 1970-01-02 ")), Ok((86_400.0, TimeKind::Date)));
        assert_eq!(time(json!(null)), Err("no time"));
        for value in [json!("05/03/2013"), json!("inf"), json!([7])] {
            assert_eq!(time(value), Err("not a time"));
        }
    }

    #[test]
    fn texts_come_alone_or_in_lists() {
        let text = |value: Value| text(Some(&value), "title").map_err(|flaw| flaw.kind);
        assert_eq!(text(json!(" a\nb ")), Ok("a\nb".to_string()));
        assert_eq!(text(json!(["a", " ", ["b", 3]])), Ok("a b 3".to_string()));
        assert_eq!(text(json!(null)), Ok(String::new()));
        assert_eq!(text(json!("<b>Tom</b> &amp; Jerry&nbsp;")), Ok("Tom & Jerry".to_string()));
        assert_eq!(text(json!(["nan", "Nan", "NaN"])), Ok("Nan".to_string()));
        assert_eq!(text(json!([{"count": "3", "name": "fiction"}, {"name": "cats"}])), Ok("fiction cats".to_string()));
        assert_eq!(text(json!({"name": 1})), Err("a text of another kind"));
        assert_eq!(text(json!({"a": 1})), Err("a text of another kind"));
        assert_eq!(text(json!([[true]])), Err("a text of another kind"));
    }
}
