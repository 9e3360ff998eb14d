//! The structured answer: a JSON object of six attributes, checked, kept as it came, and put into words.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the prompt `attributes` asks for; empty text is an attribute that cannot be told.
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

/// The most characters of one value.
const MAX_VALUE: usize = 200;

/// The most bytes of the object, with whatever else a model puts into it.
const MAX_OBJECT: usize = 16_000;

impl Attributes {
    /// Finds the object in a model's answer, with or without words and code fences around it. Gives the attributes, and
    /// the object on one line as the model wrote it.
    ///
    /// # Errors
    /// `attributes: ` and what is wrong.
    pub fn parse(answer: &str) -> Result<(Self, String), String> {
        let fault = |what: String| format!("attributes: {what}");
        let start = answer.find('{').ok_or_else(|| fault("no JSON object in the answer".to_string()))?;
        let mut values = serde_json::Deserializer::from_str(&answer[start..]).into_iter::<Value>();
        let object = match values.next() {
            Some(Ok(object)) => object,
            Some(Err(error)) => return Err(fault(format!("not whole JSON ({error})"))),
            None => return Err(fault("no JSON object in the answer".to_string())),
        };
        let value = |name: &str, other: &str| {
            let value = object.get(name).or_else(|| object.get(other));
            plain(value.ok_or_else(|| fault(format!("no `{name}`")))?).map_err(|what| fault(format!("`{name}` {what}")))
        };
        let attributes = Self {
            category: value("category", "category")?,
            colour: value("colour", "color")?,
            material: value("material", "material")?,
            style: value("style", "style")?,
            r#use: value("use", "use")?,
            audience: value("audience", "audience")?,
        };
        if attributes.category.is_empty() {
            return Err(fault("`category` is empty".to_string()));
        }
        // Between the tokens of JSON white space is free, and inside of its strings there are no bare line ends.
        let raw = answer[start..start + values.byte_offset()].replace(['\n', '\r', '\t'], " ");
        if raw.len() > MAX_OBJECT {
            return Err(fault(format!("{} bytes, more than {MAX_OBJECT}", raw.len())));
        }
        Ok((attributes, raw))
    }

    /// The attributes as sentences, those without a value left out.
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

/// A value as text: a string, a list of strings, or nothing.
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
