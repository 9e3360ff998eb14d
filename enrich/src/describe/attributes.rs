//! Structured answers: a JSON object of six attributes, validated, kept as the model wrote it, and rendered as text.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Attributes of a product, as the prompt `attributes` asks for them. An unknown attribute is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The kind of product; never empty.
    pub category: String,
    /// Its main colours.
    pub colour: String,
    /// What it is made of.
    pub material: String,
    /// Its look.
    pub style: String,
    /// What it is for.
    pub r#use: String,
    /// Who it is for.
    pub audience: String,
}

/// Maximum length of a value, in characters.
const MAX_VALUE: usize = 200;

/// Maximum size of the object in bytes, including anything else a model puts into it.
const MAX_OBJECT: usize = 16_000;

/// Maximum number of opening braces to try, from the end of an answer.
const MAX_BRACES: usize = 1000;

/// Accepted names of each attribute.
const NAMES: [&[&str]; 6] = [
    &["category"],
    &["colour", "color", "colours", "colors"],
    &["material", "materials"],
    &["style"],
    &["use"],
    &["audience"],
];

impl Attributes {
    /// Finds the last JSON object with all six attributes in a model's answer, ignoring text, code fences, stray braces
    /// and other objects around it. Returns the attributes, and the object on one line as the model wrote it but
    /// without trailing commas.
    ///
    /// # Errors
    /// Returns `attributes: ` and what is wrong with the object that comes nearest.
    pub fn parse(answer: &str) -> Result<(Self, String), String> {
        let mut worst: Option<(usize, String)> = None;
        for (start, _) in answer.rmatch_indices('{').take(MAX_BRACES) {
            // One byte beyond the limit, so that a longer object can be detected.
            let mut end = answer.len().min(start + MAX_OBJECT + 1);
            while !answer.is_char_boundary(end) {
                end -= 1;
            }
            let found = object(&answer[start..end]).and_then(|(value, raw)| match Self::of(&value) {
                Ok(_) if raw.len() > MAX_OBJECT => Err((7, format!("more than {MAX_OBJECT} bytes"))),
                Ok(attributes) => Ok((attributes, raw)),
                Err(what) => Err((1 + NAMES.iter().filter(|names| member(&value, names).is_some()).count(), what)),
            });
            match found {
                Ok(found) => return Ok(found),
                Err((n, what)) if worst.as_ref().is_none_or(|(most, _)| n >= *most) => worst = Some((n, what)),
                Err(_) => {}
            }
        }
        let what = worst.map_or_else(|| "no JSON object in the answer".to_string(), |(_, what)| what);
        Err(format!("attributes: {what}"))
    }

    /// Reads the attributes from an object.
    fn of(object: &Value) -> Result<Self, String> {
        let value = |names: &[&str]| {
            let value = member(object, names).ok_or_else(|| format!("no `{}`", names[0]))?;
            plain(value).map_err(|what| format!("`{}` {what}", names[0]))
        };
        let [category, colour, material, style, r#use, audience] = NAMES.map(value);
        let attributes = Self {
            category: category?,
            colour: colour?,
            material: material?,
            style: style?,
            r#use: r#use?,
            audience: audience?,
        };
        if attributes.category.is_empty() {
            return Err("`category` is empty".to_string());
        }
        Ok(attributes)
    }

    /// Renders the attributes as sentences, leaving out empty ones.
    pub fn to_text(&self) -> String {
        let named = [
            ("Category", &self.category),
            ("Colour", &self.colour),
            ("Material", &self.material),
            ("Style", &self.style),
            ("Use", &self.r#use),
            ("Audience", &self.audience),
        ];
        let said = named.iter().filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| format!("{name}: {value}.")).collect::<Vec<_>>().join(" ")
    }
}

/// Returns the member of an object under one of some names; case is ignored if none matches exactly.
fn member<'a>(object: &'a Value, names: &[&str]) -> Option<&'a Value> {
    let object = object.as_object()?;
    let exact = names.iter().find_map(|name| object.get(*name));
    let is_named = |key: &str| names.iter().any(|name| key.trim().eq_ignore_ascii_case(name));
    exact.or_else(|| object.iter().find(|(key, _)| is_named(key)).map(|(_, value)| value))
}

/// Parses the JSON value at the start of a text, and returns it with its source on one line.
///
/// # Errors
/// Returns 0, the lowest rank of near misses, and what is wrong.
fn object(text: &str) -> Result<(Value, String), (usize, String)> {
    let first = |text: &str| {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let value = values.next().unwrap_or(Ok(Value::Null));
        value.map(|value| (value, values.byte_offset()))
    };
    // JSON allows any white space between tokens and no raw line breaks in strings.
    let line = |text: &str| text.replace(['\n', '\r', '\t'], " ");
    match first(text) {
        Ok((value, end)) => Ok((value, line(&text[..end]))),
        Err(error) => {
            let mended = without_last_commas(text);
            match first(&mended) {
                Ok((value, end)) => Ok((value, line(&mended[..end]))),
                Err(_) => Err((0, format!("not whole JSON ({error})"))),
            }
        }
    }
}

/// Removes trailing commas: those before a closing bracket, outside of strings.
fn without_last_commas(text: &str) -> String {
    let (mut out, mut in_string, mut is_escaped) = (String::with_capacity(text.len()), false, false);
    for (at, c) in text.char_indices() {
        let is_last = || text[at + 1..].trim_start().starts_with(['}', ']']);
        if in_string || c != ',' || !is_last() {
            out.push(c);
        }
        in_string ^= c == '"' && !is_escaped;
        is_escaped = in_string && c == '\\' && !is_escaped;
    }
    out
}

/// Converts a value to text: a string, a list of strings, or null. Words for "unknown" give empty text.
fn plain(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
            texts.ok_or("is a list of something else than text")?.join(", ")
        }
        _ => return Err("is not text".to_string()),
    };
    let text = super::words::one_line(&text);
    let text = text.trim_end_matches(['.', ' ']);
    let n_chars = text.chars().count();
    if n_chars > MAX_VALUE {
        return Err(format!("has {n_chars} characters, more than {MAX_VALUE}"));
    }
    const UNKNOWN: [&str; 9] =
        ["unknown", "n/a", "na", "none", "null", "not visible", "not specified", "unspecified", "-"];
    Ok(if UNKNOWN.contains(&text.to_lowercase().as_str()) { String::new() } else { text.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"category": "Baby rattle", "color": ["red", "white"], "material": "wood.", "style": null,
        "use": "shaking", "audience": "Unknown", "extra": 7}"#;

    #[test]
    fn objects_are_found_checked_and_put_into_words() {
        for answer in [GOOD.to_string(), format!("Sure!\n```json\n{GOOD}\n```\nAnything else?")] {
            let (attributes, raw) = Attributes::parse(&answer).unwrap();
            let text = "Category: Baby rattle. Colour: red, white. Material: wood. Use: shaking.";
            assert_eq!(attributes.to_text(), text);
            assert!(raw.contains(r#""extra": 7"#) && !raw.contains('\n'));
            assert_eq!(Attributes::parse(&raw).unwrap().0, attributes);
        }
    }

    #[test]
    fn the_last_whole_object_counts() {
        let good = r#"{"category":"rattle","colour":"red","material":"wood","style":"plain","use":"play","audience":"babies"}"#;
        let text = "Category: rattle. Colour: red. Material: wood. Style: plain. Use: play. Audience: babies.";
        for answer in [
            format!("Here is the object {{as you asked for}}: {good}"),
            format!("A first look gives {{\"category\": \"toy\"}}. The whole object: {good}"),
            format!("{} Or rather: {good}", good.replace("red", "blue")),
            format!("{good} {{that is all}}"),
            format!("{{\"product\": {good}}}"),
            format!("[{good}]"),
            format!("{{\"items\": [{good}], \"n\": 1}}"),
            good.replace("\"}", "\",}"),
            good.replace("\"red\"", "[\"red\",\n]"),
            good.replace("category", "Category").replace("colour", "COLOR").replace("use", "Use"),
            good.replace("\"plain\"", "\"plain\", \"note\": {\"a\": \"{b}\"}"),
        ] {
            let (attributes, raw) = Attributes::parse(&answer).unwrap_or_else(|fault| panic!("{answer}: {fault}"));
            assert_eq!(attributes.to_text(), text, "{answer}");
            assert_eq!(Attributes::parse(&raw).unwrap().0, attributes);
        }
        let commas = good.replace("\"red\"", "\"red,]}\"");
        assert_eq!(Attributes::parse(&commas).unwrap().0.colour, "red,]}");
        let template = good.replace("rattle", "");
        assert_eq!(Attributes::parse(&format!("{good} {template}")).unwrap().0.category, "rattle");
    }

    #[test]
    fn faults_are_named() {
        let fault = |answer: &str| Attributes::parse(answer).unwrap_err();
        assert_eq!(fault("a red rattle"), "attributes: no JSON object in the answer");
        assert!(fault(&GOOD[..40]).starts_with("attributes: not whole JSON"));
        assert_eq!(fault(&GOOD.replace("\"use\"", "\"uses\"")), "attributes: no `use`");
        assert_eq!(fault(&GOOD.replace("\"shaking\"", "{}")), "attributes: `use` is not text");
        assert_eq!(fault(&GOOD.replace("\"red\"", "1")), "attributes: `colour` is a list of something else than text");
        assert_eq!(fault(&GOOD.replace("Baby rattle", "n/a")), "attributes: `category` is empty");
        assert!(fault(&GOOD.replace("wood", &"wood ".repeat(99))).starts_with("attributes: `material` has 49"));
        assert!(fault(&"{\"a\":".repeat(100_000)).starts_with("attributes: not whole JSON"));
    }

    proptest! {
        #[test]
        fn any_answer_is_survived(text in any::<String>(), at in any::<prop::sample::Index>(), c in any::<char>()) {
            let _ = Attributes::parse(&text);
            let mut damaged: Vec<char> = GOOD.chars().collect();
            let at = at.index(damaged.len());
            damaged[at] = c;
            let damaged: String = damaged.into_iter().collect();
            if let Ok((attributes, raw)) = Attributes::parse(&damaged) {
                prop_assert_eq!(Attributes::parse(&raw).unwrap().0, attributes);
            }
        }
    }
}
