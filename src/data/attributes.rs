//! Categorical item attributes from `attributes.jsonl`: normalised, as a vocabulary and as multi-hot features.

use super::{ItemFeatures, open_file};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization;

/// Maximum length of a value, in characters; anything longer is free text, not an attribute.
const MAX_VALUE: usize = 200;

/// Placeholder values, which count as missing.
const NOTHING: [&str; 10] =
    ["unknown", "n/a", "na", "none", "null", "not visible", "not specified", "unspecified", "various", "-"];

/// Spelling variants, as (kept, replaced).
const SPELLINGS: [(&str, &str); 4] = [("colour", "color"), ("colours", "colors"), ("grey", "gray"), ("greys", "grays")];

/// Frequency thresholds for the attribute vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributeOptions {
    /// Attributes of fewer items are dropped: an attribute of one item says nothing about others. Default: 2.
    pub min_items: usize,
    /// Maximum size of the vocabulary; beyond it, the rarest attributes are dropped. Default: 4096.
    pub max_attributes: usize,
}

impl Default for AttributeOptions {
    fn default() -> Self {
        Self { min_items: 2, max_attributes: 4096 }
    }
}

/// Numbers of items and attributes in an attribute file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeCounts {
    /// Items (lines), including those without attributes.
    pub n_items: usize,
    /// Items with at least one kept attribute.
    pub n_covered: usize,
    /// Kept attributes: the size of the vocabulary.
    pub n_attributes: usize,
    /// Distinct attributes dropped as too rare.
    pub n_dropped: usize,
    /// Pairs of an item and a kept attribute.
    pub n_pairs: usize,
}

/// A one-line summary.
impl std::fmt::Display for AttributeCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { n_items, n_covered, n_attributes, n_dropped, n_pairs } = self;
        let share = 100.0 * *n_covered as f64 / (*n_items).max(1) as f64;
        let each = *n_pairs as f64 / (*n_covered).max(1) as f64;
        write!(f, "{n_attributes} attributes, {n_dropped} rarer ones dropped; ")?;
        write!(f, "{n_covered} of {n_items} items have some ({share:.1} %), {each:.1} each")
    }
}

/// Item attributes from a JSON Lines file, as `viral describe --prompt attributes` writes it:
///
/// ```json
/// {"id": "B001", "attributes": {"category": "rattle", "colour": ["red", "white"], "material": "wood"}}
/// {"id": "B002", "attributes": null}
/// ```
///
/// A value is a string, a list of strings, a number or null. Strings are split at commas, semicolons and slashes. Each
/// part becomes an attribute `name: value`, normalised to Unicode NFKC, lower case, single spaces, no punctuation at
/// either end, and British spelling of *colour* and *grey*. `bibs` becomes `bib` if both occur under the same name.
/// Placeholders such as `unknown` are ignored. Attributes of fewer than [`min_items`](AttributeOptions::min_items)
/// items are dropped. Time and memory are O(file).
///
/// ```
/// use viral::data::{AttributeOptions, Attributes};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("attributes.jsonl");
/// let lines = "{\"id\": \"a\", \"attributes\": {\"Colour\": \"Red, gray\"}}\n{\"id\": \"b\", \"attributes\": {\"color\": [\"grey\"]}}\n";
/// # std::fs::write(&path, lines).unwrap();
/// let attributes = Attributes::read(&path, AttributeOptions::default())?;
/// assert_eq!(attributes.vocabulary(), ["colour: grey"]);
/// assert_eq!(attributes.of("a"), [0]);
/// println!("{}", attributes.counts()); // 1 attributes, 1 rarer ones dropped; 2 of 2 items have some (100.0 %), 1.0 each
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Attributes {
    path: PathBuf,
    vocabulary: Vec<String>,
    /// Vocabulary indices of each item's attributes, ascending.
    items: HashMap<String, Vec<u32>>,
    counts: AttributeCounts,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    attributes: Option<Map<String, Value>>,
}

impl Attributes {
    /// Reads an attribute file.
    ///
    /// # Errors
    /// Names the line if it is not such an object, has a value of another type or one that is too long, or repeats an
    /// item. Names the file if no attribute is kept.
    pub fn read(path: impl AsRef<Path>, options: AttributeOptions) -> Result<Self> {
        let path = path.as_ref();
        let mut items: BTreeMap<String, BTreeSet<Attribute>> = BTreeMap::new();
        for (index, line) in BufReader::new(open_file(path)?).lines().enumerate() {
            let fault = |message: String| Error::line(path, index + 1, message);
            let line = line.map_err(|error| fault(format!("{error}; write the file again")))?;
            if line.trim().is_empty() {
                continue;
            }
            let Line { id, attributes } = serde_json::from_str(&line).map_err(|error| {
                let hint = "write {\"id\": \"…\", \"attributes\": {\"colour\": \"red\"}}";
                fault(format!("no item with attributes ({error}); {hint}"))
            })?;
            let mut found = BTreeSet::new();
            for (name, value) in attributes.iter().flatten() {
                let name = normalised(name);
                let values =
                    values(value).map_err(|what| fault(format!("`{name}` {what}; write a text or a list of texts")))?;
                found.extend(values.into_iter().filter(|_| !name.is_empty()).map(|value| (name.clone(), value)));
            }
            if items.insert(id.trim().to_string(), found).is_some() {
                return Err(fault(format!("item {} has a line already; remove one of the two", id.trim())));
            }
        }
        Self::new(path, items, options)
    }

    fn new(path: &Path, mut items: BTreeMap<String, BTreeSet<Attribute>>, options: AttributeOptions) -> Result<Self> {
        let all: BTreeSet<Attribute> = items.values().flatten().cloned().collect();
        for attributes in items.values_mut() {
            *attributes = std::mem::take(attributes).into_iter().map(|attribute| singular(attribute, &all)).collect();
        }
        let mut n_items_of: BTreeMap<&Attribute, usize> = BTreeMap::new();
        items.values().flatten().for_each(|attribute| *n_items_of.entry(attribute).or_default() += 1);
        let n_all = n_items_of.len();
        let mut kept: Vec<(&Attribute, usize)> =
            n_items_of.into_iter().filter(|(_, n)| *n >= options.min_items.max(1)).collect();
        // Ties in frequency are broken by name.
        kept.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        kept.truncate(options.max_attributes);
        kept.sort_unstable();
        let place: HashMap<&Attribute, u32> =
            kept.iter().zip(0..).map(|((attribute, _), at)| (*attribute, at)).collect();
        let places = |attributes: &BTreeSet<Attribute>| -> Vec<u32> {
            attributes.iter().filter_map(|attribute| place.get(attribute).copied()).collect()
        };
        let rows: HashMap<String, Vec<u32>> = items.iter().map(|(id, found)| (id.clone(), places(found))).collect();
        let vocabulary: Vec<String> = kept.iter().map(|((name, value), _)| format!("{name}: {value}")).collect();
        let counts = AttributeCounts {
            n_items: rows.len(),
            n_covered: rows.values().filter(|row| !row.is_empty()).count(),
            n_attributes: vocabulary.len(),
            n_dropped: n_all - vocabulary.len(),
            n_pairs: rows.values().map(Vec::len).sum(),
        };
        if vocabulary.is_empty() {
            let least = options.min_items;
            let message = format!(
                "none of {n_all} attributes of {} items is kept; each must be that of {least} items at least",
                counts.n_items
            );
            return Err(Error::file(path, message));
        }
        Ok(Self { path: path.to_path_buf(), vocabulary, items: rows, counts })
    }

    /// Returns the attributes, as `name: value`, in alphabetical order.
    pub fn vocabulary(&self) -> &[String] {
        &self.vocabulary
    }

    /// Returns the numbers of items and attributes.
    pub fn counts(&self) -> &AttributeCounts {
        &self.counts
    }

    /// Returns the vocabulary indices of an item's attributes; empty if the item has none or is not in the file.
    pub fn of(&self, id: &str) -> &[u32] {
        self.items.get(id).map_or(&[], Vec::as_slice)
    }

    /// Builds multi-hot features of these items: 1 for each attribute an item has, else 0. An item without attributes
    /// has no features.
    ///
    /// # Shapes
    /// - output: `[ids, vocabulary]`
    ///
    /// # Errors
    /// If none of the items has an attribute.
    pub fn features(&self, ids: &[String]) -> Result<ItemFeatures> {
        let width = self.vocabulary.len();
        let mut values = vec![0f32; ids.len() * width];
        for (item, id) in ids.iter().enumerate() {
            self.of(id).iter().for_each(|&attribute| values[item * width + attribute as usize] = 1.0);
        }
        if !ids.iter().any(|id| !self.of(id).is_empty()) {
            let (ours, theirs) = (self.items.keys().min(), ids.first());
            let name = |id: Option<&String>| id.map_or(String::new(), Clone::clone);
            let message = format!(
                "no attribute of any of the {} items; here they are called such as `{}`, there `{}`",
                ids.len(),
                name(ours),
                name(theirs)
            );
            return Err(Error::file(&self.path, message));
        }
        ItemFeatures::new(ids.len(), width, values)
    }
}

/// `(name, value)`.
type Attribute = (String, String);

/// Splits and normalises the values of an attribute.
fn values(value: &Value) -> std::result::Result<Vec<String>, &'static str> {
    let texts: Vec<String> = match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(values) => values
            .iter()
            .map(|value| value.as_str().map(str::to_string))
            .collect::<Option<_>>()
            .ok_or("is a list of something else than texts")?,
        Value::Bool(_) | Value::Object(_) => return Err("is neither text nor list"),
    };
    if texts.iter().any(|text| text.chars().count() > MAX_VALUE) {
        return Err("has more than 200 characters");
    }
    // Checked before splitting: the placeholder `n/a` contains a slash.
    let texts = texts.iter().filter(|text| !is_nothing(text)).flat_map(|text| text.split([',', ';', '/']));
    Ok(texts.map(normalised).filter(|text| !text.is_empty() && !is_nothing(text)).collect())
}

fn is_nothing(text: &str) -> bool {
    NOTHING.contains(&text.trim().trim_end_matches('.').to_lowercase().as_str())
}

/// Normalises a name or value, so that its spelling variants become equal.
fn normalised(text: &str) -> String {
    let text: String = text.nfkc().collect::<String>().to_lowercase().nfkc().collect();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || c == '_').filter(|word| !word.is_empty());
    let spelt =
        |word: &str| SPELLINGS.iter().find(|(_, other)| *other == word).map_or(word, |(kept, _)| kept).to_string();
    let line = words.map(spelt).collect::<Vec<_>>().join(" ");
    line.trim_matches(|c: char| c.is_ascii_punctuation() || c.is_whitespace()).to_string()
}

/// Replaces a plural such as `bibs` by `bib` if that value occurs under the same name.
fn singular((name, value): Attribute, all: &BTreeSet<Attribute>) -> Attribute {
    let one = value.strip_suffix('s').filter(|one| one.chars().count() >= 3).map(|one| (name.clone(), one.to_string()));
    one.filter(|one| all.contains(one)).unwrap_or((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_with(text: &str, options: AttributeOptions) -> Result<Attributes> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attributes.jsonl");
        std::fs::write(&path, text).unwrap();
        Attributes::read(&path, options)
    }

    fn message(text: &str) -> String {
        let message = read_with(text, AttributeOptions::default()).unwrap_err().to_string();
        message[message.find("attributes.jsonl").unwrap()..].to_string()
    }

    #[test]
    fn one_thing_has_one_name_however_it_is_written() -> Result<()> {
        let lines = [
            r#"{"id":" a ","attributes":{"Colour":"Red; Gray","Style":" soft\u00a0 toy.","use":"n/a"},"text":"…"}"#,
            r#"{"id":"b","attributes":{"COLOR":["ｒｅｄ","GREY"],"style":"Soft Toys","size":3}}"#,
            r#"{"id":"c","attributes":{"colour":"re\u0301d/red","use":null,"size":"3"}}"#,
            r#"{"id":"d","attributes":null,"reason":"image: none"}"#,
        ];
        let all = read_with(&lines.join("\n"), AttributeOptions { min_items: 1, ..AttributeOptions::default() })?;
        let expected = ["colour: grey", "colour: red", "colour: réd", "size: 3", "style: soft toy"].map(str::to_string);
        assert_eq!(all.vocabulary(), expected);
        assert_eq!(
            [all.of("a"), all.of("b"), all.of("c"), all.of("d")],
            [&[0, 1, 4][..], &[0, 1, 3, 4], &[1, 2, 3], &[]]
        );
        let some = read_with(&lines.join("\n"), AttributeOptions::default())?;
        assert_eq!(some.vocabulary(), ["colour: grey", "colour: red", "size: 3", "style: soft toy"]);
        let counts = AttributeCounts { n_items: 4, n_covered: 3, n_attributes: 4, n_dropped: 1, n_pairs: 9 };
        assert_eq!(some.counts(), &counts);
        assert_eq!(counts.to_string(), "4 attributes, 1 rarer ones dropped; 3 of 4 items have some (75.0 %), 3.0 each");
        let most = read_with(&lines.join("\n"), AttributeOptions { max_attributes: 1, ..AttributeOptions::default() })?;
        assert_eq!((most.vocabulary(), most.counts().n_dropped), (&["colour: red".to_string()][..], 4));
        Ok(())
    }

    #[test]
    fn features_are_in_the_order_of_the_items() -> Result<()> {
        let text = "{\"id\":\"a\",\"attributes\":{\"x\":\"p, q\"}}\n{\"id\":\"b\",\"attributes\":{\"x\":\"q\"}}\n\n{\"id\":\"c\",\"attributes\":{\"x\":\"p\"}}";
        let attributes = read_with(text, AttributeOptions::default())?;
        let ids = ["b", "none", "a"].map(str::to_string);
        let features = attributes.features(&ids)?;
        assert_eq!(features.values(), [0.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        assert!(features.has(0) && !features.has(1));
        let strangers = attributes.features(&["7".to_string()]).unwrap_err().to_string();
        assert!(strangers.contains("here they are called such as `a`, there `7`"), "{strangers}");
        Ok(())
    }

    #[test]
    fn bad_lines_are_named() {
        let good = "{\"id\":\"a\",\"attributes\":{\"x\":\"p\"}}\n";
        assert!(message(&format!("{good}oops")).starts_with("attributes.jsonl:2: no item with attributes"));
        assert!(
            message("{\"id\":\"a\",\"attributes\":[1]}").starts_with("attributes.jsonl:1: no item with attributes")
        );
        assert!(message(&good.repeat(2)).starts_with("attributes.jsonl:2: item a has a line already"));
        for (value, words) in [
            ("{}", "`x` is neither text nor list"),
            ("true", "`x` is neither text nor list"),
            ("[1]", "`x` is a list of something else than texts"),
            (&format!("\"{}\"", "p ".repeat(200)), "`x` has more than 200 characters"),
        ] {
            let found = message(&good.replace("\"p\"", value));
            assert!(found.starts_with("attributes.jsonl:1: ") && found.contains(words), "{found}");
        }
        assert!(message(good).contains("none of 1 attributes of 1 items is kept"), "of one item alone");
        assert!(message("").contains("none of 0 attributes"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_normalised_once_for_all(name in any::<String>(), value in any::<String>()) {
            let line = serde_json::json!({ "id": "a", "attributes": { name.as_str(): value } }).to_string();
            let _ = read_with(&line, AttributeOptions { min_items: 1, ..AttributeOptions::default() });
            let once = normalised(&name);
            prop_assert_eq!(normalised(&once), once.clone());
        }
    }
}
