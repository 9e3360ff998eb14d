//! Reads a catalogue's `items.jsonl` line by line: one item is in memory at a time, whatever the size of the file.

use crate::{Error, Result};
use serde_json::Value;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use viral::data::open_file;

/// Maximum length of a line in bytes; a longer one has lost its line breaks.
const MAX_LINE: u64 = 4 << 20;

/// Maximum length of an id in bytes.
const MAX_ID: usize = 1000;

/// One line of `items.jsonl`: the texts that prompts may quote, and the name of the picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// External id.
    pub id: String,
    /// Title, empty if there is none.
    pub title: String,
    /// Brand, empty if there is none.
    pub brand: String,
    /// Categories, from general to specific.
    pub categories: Vec<String>,
    /// The seller's description, empty if there is none.
    pub description: String,
    /// The picture as the file names it: a file name, or a URL, which is never opened.
    pub image: Option<String>,
}

/// A validated `items.jsonl`.
#[derive(Debug, Clone)]
pub struct Items {
    path: PathBuf,
    n_items: usize,
}

impl Items {
    /// Reads the file once from end to end, so that a bad line is found before anything is paid for.
    ///
    /// # Errors
    /// Names the line that is not a JSON object, has no `id` or a title that is not text, or repeats an id. Names the
    /// file if it has no items.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let mut lines = ItemLines::open(&path)?;
        let mut seen = HashSet::new();
        for item in lines.by_ref() {
            let id = item?.id;
            if seen.contains(&id) {
                let message = format!("item {id} has a line already; remove one of the two");
                return Err(Error::line(&path, lines.line, message));
            }
            seen.insert(id);
        }
        if seen.is_empty() {
            return Err(Error::file(&path, "no item; write one object with `id` and `title` a line"));
        }
        Ok(Self { path, n_items: seen.len() })
    }

    /// The number of items.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Iterates over the items in file order.
    ///
    /// # Errors
    /// If the file cannot be opened. Each item may be an error that names its line.
    pub fn iter(&self) -> Result<ItemLines> {
        ItemLines::open(&self.path)
    }
}

/// Iterator over the items of a file.
#[derive(Debug)]
pub struct ItemLines {
    path: PathBuf,
    reader: BufReader<File>,
    line: usize,
    buffer: Vec<u8>,
}

impl ItemLines {
    fn open(path: &Path) -> Result<Self> {
        let file = open_file(path)?;
        Ok(Self { path: path.to_path_buf(), reader: BufReader::new(file), line: 0, buffer: Vec::new() })
    }

    fn read(&mut self) -> Result<Option<Item>> {
        loop {
            self.line += 1;
            self.buffer.clear();
            let n =
                (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut self.buffer).map_err(Error::io(&self.path))?;
            if n == 0 {
                return Ok(None);
            }
            let error = |message: String| Error::line(&self.path, self.line, message);
            if n as u64 == MAX_LINE {
                return Err(error(format!("longer than {} MiB; write one item a line", MAX_LINE >> 20)));
            }
            let bytes = self.buffer.strip_prefix(b"\xEF\xBB\xBF").filter(|_| self.line == 1).unwrap_or(&self.buffer);
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            return item(bytes).map(Some).map_err(error);
        }
    }
}

impl Iterator for ItemLines {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn item(bytes: &[u8]) -> std::result::Result<Item, String> {
    let hint = "write {\"id\": \"…\", \"title\": \"…\"}";
    let object: Value = serde_json::from_slice(bytes).map_err(|error| format!("not JSON ({error}); {hint}"))?;
    let id = match object.get("id") {
        Some(Value::String(id)) if id.len() > MAX_ID => return Err(format!("`id` is longer than {MAX_ID} bytes")),
        // As in interactions, ids are trimmed.
        Some(Value::String(id)) if !id.trim().is_empty() => id.trim().to_string(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err(format!("no `id`; {hint}")),
    };
    let title = match object.get("title") {
        Some(Value::String(title)) => title.clone(),
        None | Some(Value::Null) => String::new(),
        Some(_) => return Err(format!("`title` is not text; {hint}")),
    };
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let mut categories = Vec::new();
    object.get("categories").into_iter().for_each(|value| collect(value, &mut categories));
    let mut description = Vec::new();
    object.get("description").into_iter().for_each(|value| collect(value, &mut description));
    let image = object.get("image").and_then(Value::as_str).filter(|image| !image.is_empty()).map(str::to_string);
    Ok(Item { id, title, brand: text("brand"), categories, description: description.join(" "), image })
}

/// Collects the strings in a text, a list, or the nested lists of some catalogues.
fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Item>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.jsonl");
        std::fs::write(&path, text).unwrap();
        let items = Items::open(&path)?;
        let found: Vec<Item> = items.iter()?.collect::<Result<_>>()?;
        assert_eq!(found.len(), items.n_items());
        Ok(found)
    }

    fn message(text: &str) -> String {
        let message = read(text).unwrap_err().to_string();
        message[message.find("items.jsonl").unwrap()..].to_string()
    }

    #[test]
    fn items_come_in_the_order_of_the_file() -> Result<()> {
        let text = "\u{feff}{\"id\": 7, \"title\": null, \"categories\": [[\"Baby\", \"Toys\"]]}\r\n\n\
                    {\"id\": \"B1\", \"title\": \"Cot\", \"brand\": \"Oak\", \"image\": \"a.jpg\", \"price\": 3}";
        let items = read(text)?;
        assert_eq!((items[0].id.as_str(), items[0].title.as_str()), ("7", ""));
        assert_eq!(items[0].categories, ["Baby", "Toys"]);
        let cot = Item { id: "B1".into(), title: "Cot".into(), brand: "Oak".into(), ..Item::default() };
        assert_eq!(items[1], Item { image: Some("a.jpg".into()), ..cot });
        Ok(())
    }

    #[test]
    fn bad_lines_are_named() {
        let good = "{\"id\": \"a\", \"title\": \"x\"}\n";
        assert!(message(&format!("{good}{{oops\n")).starts_with("items.jsonl:2: not JSON"));
        assert!(message("{\"title\": \"x\"}\n").starts_with("items.jsonl:1: no `id`"));
        assert!(message("{\"id\": \"a\", \"title\": 3}\n").starts_with("items.jsonl:1: `title` is not text"));
        let padded = good.replace("\"a\"", "\"a \"");
        assert_eq!(
            message(&format!("{good}{padded}")),
            "items.jsonl:2: item a has a line already; remove one of the two"
        );
        assert_eq!(message(&good.repeat(2)), "items.jsonl:2: item a has a line already; remove one of the two");
        assert!(message(&good.replace('a', &"a".repeat(1001))).contains("`id` is longer than 1000 bytes"));
        assert!(message("\n").starts_with("items.jsonl: no item"));
        assert!(message(&"x".repeat(MAX_LINE as usize + 9)).contains("longer than 4 MiB"));
    }
}
