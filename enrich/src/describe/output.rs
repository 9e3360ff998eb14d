//! Writes the result to a file, complete or not at all: one line per item in the order of the catalogue.

use super::attributes::Attributes;
use super::journal::{Journal, Record};
use super::prompt::AnswerKind;
use super::{Items, NO_RECORD};
use crate::{Error, Result};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use viral::data::WholeFile;

/// A line of `descriptions.jsonl` or `attributes.jsonl`.
#[derive(Debug, PartialEq, Serialize)]
struct Line<'a> {
    id: &'a str,
    text: Option<String>,
    /// The object as the model wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Value>,
    /// The reason why there is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Writes a line for each item; `places` has the journal offset of each item's record.
pub(super) fn write(path: &Path, items: &Items, journal: &Journal, places: &[u64], kind: AnswerKind) -> Result<()> {
    let mut file = WholeFile::create(path)?;
    let mut records = journal.reader()?;
    for (item, &place) in items.iter()?.zip(places) {
        let item = item?;
        let record = if place == NO_RECORD { None } else { Some(records.read(place)?) };
        if let Some(other) = record.as_ref().filter(|record| record.item != item.id) {
            let message = format!("changed while it was read: {} is where {} was; run it again", item.id, other.item);
            return Err(Error::file(path, message));
        }
        let json =
            serde_json::to_string(&line(&item.id, record, kind)).map_err(|e| Error::file(path, e.to_string()))?;
        file.write(json.as_bytes())?;
        file.write(b"\n")?;
    }
    file.commit()
}

fn line(id: &str, record: Option<Record>, kind: AnswerKind) -> Line<'_> {
    let Some(record) = record else {
        return Line { id, text: None, attributes: None, reason: Some("not asked yet".to_string()) };
    };
    let reason = record.quarantined;
    if let (AnswerKind::Attributes, Some(text)) = (kind, &record.text)
        && let Ok((attributes, raw)) = Attributes::parse(text)
    {
        let object = serde_json::from_str(&raw).ok();
        return Line { id, text: Some(attributes.to_text()), attributes: object, reason };
    }
    Line { id, text: record.text, attributes: None, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: Option<&str>) -> Record {
        let (item, prompt, model, image) = ("a".into(), "p".into(), "m".into(), "i".into());
        let quarantined = text.is_none().then(|| "image: none".to_string());
        let text = text.map(str::to_string);
        Record { item, prompt, model, image, text, quarantined, tokens: Default::default(), attempts: 1 }
    }

    #[test]
    fn lines_say_what_there_is() {
        let json = |record, kind| serde_json::to_string(&line("a", record, kind)).unwrap();
        assert_eq!(json(Some(record(Some("A cot."))), AnswerKind::Prose), r#"{"id":"a","text":"A cot."}"#);
        let expected = r#"{"id":"a","text":null,"reason":"image: none"}"#;
        assert_eq!(json(Some(record(None)), AnswerKind::Attributes), expected);
        assert_eq!(json(None, AnswerKind::Prose), r#"{"id":"a","text":null,"reason":"not asked yet"}"#);
        let raw = r#"{"category":"cot","colour":"","material":"oak","style":"","use":"","audience":""}"#;
        let value: Value = serde_json::from_str(&json(Some(record(Some(raw))), AnswerKind::Attributes)).unwrap();
        assert_eq!(value["text"], "Category: cot. Material: oak.");
        assert_eq!(value["attributes"]["material"], "oak");
    }
}
