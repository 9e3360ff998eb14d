//! The text to encode for an item (section 2.2): its own texts, or a model's description of its picture.

use super::descriptions::Descriptions;
use crate::describe::Item;
use crate::{Error, Result};

/// The text to encode, or why there is none.
pub type Content = std::result::Result<String, String>;

/// A field of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Title,
    Brand,
    Categories,
    Description,
}

const FIELDS: [(&str, Field); 4] = [
    ("title", Field::Title),
    ("brand", Field::Brand),
    ("categories", Field::Categories),
    ("description", Field::Description),
];

/// The fields of an item that are joined for its text features.
///
/// The paper joins brand, title, description and category. Here the description comes last, because it is the longest
/// and encoders truncate long texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemText {
    fields: Vec<Field>,
}

impl Default for ItemText {
    /// Title, brand, categories, description.
    fn default() -> Self {
        Self { fields: FIELDS.map(|(_, field)| field).to_vec() }
    }
}

impl ItemText {
    /// Parses a comma-separated list of fields, joined in the order given: `title,brand,categories,description`, or
    /// some of them.
    ///
    /// # Errors
    /// If a name is unknown or given twice, or there is none.
    pub fn by_names(names: &str) -> Result<Self> {
        let known = FIELDS.map(|(name, _)| name).join(", ");
        let mut fields = Vec::new();
        for name in names.split(',').map(str::trim) {
            let found = FIELDS.iter().find(|(known, _)| *known == name).map(|&(_, field)| field);
            let field = found.ok_or_else(|| Error::Config(format!("no field '{name}'; there are {known}")))?;
            if fields.contains(&field) {
                return Err(Error::Config(format!("field '{name}' is named twice; name each one once")));
            }
            fields.push(field);
        }
        Ok(Self { fields })
    }

    /// Removes the title.
    pub fn without_title(mut self) -> Self {
        self.fields.retain(|&field| field != Field::Title);
        self
    }

    /// Joins an item's fields on one line, leaving out empty ones.
    pub fn of(&self, item: &Item) -> Content {
        let categories = item.categories.join(" ");
        let text = |field: &Field| match field {
            Field::Title => item.title.as_str(),
            Field::Brand => item.brand.as_str(),
            Field::Categories => categories.as_str(),
            Field::Description => item.description.as_str(),
        };
        joined(self.fields.iter().map(text)).ok_or_else(|| "no text".to_string())
    }
}

/// The text to encode for an item's picture.
#[derive(Debug, Clone, Copy)]
pub struct PictureText<'a> {
    /// Descriptions by a model.
    pub descriptions: &'a Descriptions,
    /// Whether the item's title is put before the description.
    pub with_title: bool,
}

impl PictureText<'_> {
    /// Joins title and description on one line. A title without a description is no content.
    pub fn of(&self, item: &Item) -> Content {
        let description = self.descriptions.of(&item.id)?;
        let title = if self.with_title { item.title.as_str() } else { "" };
        joined([title, description].into_iter()).ok_or_else(|| "an empty description".to_string())
    }
}

/// Joins texts by spaces, with control characters and runs of white space collapsed to one space; `None` if that leaves
/// nothing.
fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut line = String::new();
    for text in texts {
        for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    Some(line).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_joined_in_order() -> Result<()> {
        let item = Item {
            title: "Wooden\u{0}\trattle ".into(),
            categories: vec!["Baby".into(), "Toys".into()],
            description: "Red\nrings.".into(),
            ..Item::default()
        };
        let all = ItemText::default();
        assert_eq!(all.of(&item).as_deref(), Ok("Wooden rattle Baby Toys Red rings."));
        assert_eq!(all.without_title().of(&item).as_deref(), Ok("Baby Toys Red rings."));
        let some = ItemText::by_names("description, title")?;
        assert_eq!(some.of(&item).as_deref(), Ok("Red rings. Wooden rattle"));
        assert_eq!(ItemText::by_names("brand")?.of(&item), Err("no text".to_string()));
        for (names, words) in
            [("colour", "no field 'colour'; there are title, brand"), ("", "no field ''"), ("title,title", "twice")]
        {
            assert!(ItemText::by_names(names).unwrap_err().to_string().contains(words), "{names}");
        }
        Ok(())
    }
}
