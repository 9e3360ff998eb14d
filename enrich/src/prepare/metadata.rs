//! Item metadata: titles, brands, categories, descriptions, images.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cells::{id, text, texts};
use super::columns::Column;
use super::flaws::{BadRows, Flaw, SkippedRows};
use super::format::{Format, Layout};
use super::picture::{is_placeholder, picture};
use super::rows::{Row, Rows};
use crate::Result;

/// A file of items and its columns; see [`Reviews`](super::Reviews) for how columns are named.
///
/// Only the id is required in every row; each other column must occur in some row. Texts may be lists of texts, which
/// are joined; HTML in them becomes plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Path of the file.
    pub path: PathBuf,
    /// Format of the file.
    pub format: Format,
    /// Column of the item's id.
    pub id: String,
    /// Column of the title.
    pub title: Option<String>,
    /// Column of the brand.
    pub brand: Option<String>,
    /// Column of the categories: a name, a list, or a list of paths through a tree.
    pub categories: Option<String>,
    /// Column of the description.
    pub description: Option<String>,
    /// Column of the image's URL or file; of a list the first is taken, of an object with several sizes the largest.
    pub image: Option<String>,
    /// Separator of the cells of delimited text; see [`Reviews::separator`](super::Reviews::separator).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Whether the columns have the names of Amazon's release of 2014. They may then also have those of 2018 and 2023,
    /// such as `imageURLHighRes` for `imUrl`, or be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_amazon: bool,
}

/// An item: one line of `items.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CatalogueItem {
    /// External id.
    pub id: String,
    /// Title; empty if unknown.
    #[serde(default)]
    pub title: String,
    /// Brand.
    #[serde(default)]
    pub brand: Option<String>,
    /// Names of categories without duplicates, the most general first.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
    /// URL or file; a relative path starts at the folder of images.
    #[serde(default)]
    pub image: Option<String>,
}

/// Result of reading metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMetadata {
    /// One item for each id requested, in that order; an item that the file does not have has nothing but its id.
    pub items: Vec<CatalogueItem>,
    /// Number of requested items that the file has.
    pub n_found: usize,
    /// Number of rows in the file, invalid ones included.
    pub n_rows: usize,
    /// Number of rows about items that were not requested.
    pub n_others: usize,
    /// Number of requested items whose image was a shop's placeholder, which is removed here.
    pub n_placeholders: usize,
    /// Rows that were skipped.
    pub skipped: SkippedRows,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

impl Metadata {
    /// Creates the description of Amazon's metadata: Python literals, as in 2014, or JSON lines, as in 2018 and 2023,
    /// with `asin`, `title`, `brand`, `categories`, `description`, `imUrl` or their names in the later releases.
    pub fn amazon(path: impl Into<PathBuf>) -> Self {
        let some = |name: &str| Some(name.to_string());
        Self {
            title: some("title"),
            brand: some("brand"),
            categories: some("categories"),
            description: some("description"),
            image: some("imUrl"),
            is_amazon: true,
            ..Self::new(path, Format::Python, "asin")
        }
    }

    /// Creates the description of any file by its id column; the other columns are set as fields.
    pub fn new(path: impl Into<PathBuf>, format: Format, id: impl Into<String>) -> Self {
        let (path, id) = (path.into(), id.into());
        Self {
            path,
            format,
            id,
            title: None,
            brand: None,
            categories: None,
            description: None,
            image: None,
            separator: None,
            is_amazon: false,
        }
    }

    /// Reads the rows about the items with these ids; memory is that of these items and one line.
    ///
    /// # Errors
    /// Names file and line of an invalid row, if [`BadRows`] says so, or of damaged compression; names a missing file
    /// or column.
    pub fn read(&self, ids: &[String], bad_rows: BadRows) -> Result<ReadMetadata> {
        self.read_observed(ids, bad_rows, super::MAX_LINE, |_| {})
    }

    /// Like [`read`](Self::read); `observe` is called now and then with the number of bytes read.
    pub(super) fn read_observed(
        &self,
        ids: &[String],
        bad_rows: BadRows,
        max_line: usize,
        mut observe: impl FnMut(u64),
    ) -> Result<ReadMetadata> {
        let columns = [&self.title, &self.brand, &self.categories, &self.description, &self.image];
        let column = |name: &String| if self.is_amazon { Column::amazon(name) } else { Column::new(name) };
        let columns = [&self.id].into_iter().chain(columns.into_iter().flatten()).map(column).collect();
        let layout = Layout { format: self.format, separator: self.separator.as_deref() };
        let mut rows = Rows::open(&self.path, layout, columns, max_line)?;
        let mut places: HashMap<&str, (usize, Option<usize>)> =
            ids.iter().enumerate().map(|(place, id)| (id.as_str(), (place, None))).collect();
        let mut items: Vec<CatalogueItem> =
            ids.iter().map(|id| CatalogueItem { id: id.clone(), ..Default::default() }).collect();
        let (mut skipped, mut n_rows, mut n_others, mut n_found, mut n_placeholders) =
            (SkippedRows::default(), 0, 0, 0, 0);
        while let Some((line, row)) = rows.next()? {
            n_rows += 1;
            let item = row.and_then(|row| self.item(row)).and_then(|item| match places.get_mut(item.id.as_str()) {
                None => Ok(None),
                Some((_, Some(first))) => {
                    let message = format!("item {} is in line {first} already", item.id);
                    Err(Flaw::new("an item given twice", message))
                }
                Some((place, first)) => {
                    *first = Some(line);
                    Ok(Some((*place, item)))
                }
            });
            match item {
                Ok(None) => n_others += 1,
                Ok(Some((place, mut item))) => {
                    if item.image.take_if(|image| is_placeholder(image)).is_some() {
                        n_placeholders += 1;
                    }
                    items[place] = item;
                    n_found += 1;
                }
                Err(flaw) => skipped.take(bad_rows, rows.path(), line, rows.explained(flaw))?,
            }
            if n_rows % 4096 == 0 {
                observe(rows.n_bytes());
            }
        }
        observe(rows.n_bytes());
        rows.check_columns()?;
        Ok(ReadMetadata { items, n_found, n_rows, n_others, n_placeholders, skipped, sha256: rows.sha256() })
    }

    fn item(&self, row: &Row) -> std::result::Result<CatalogueItem, Flaw> {
        let id = id(row[0].as_ref(), &self.id)?.into_owned();
        let mut further = row[1..].iter().map(Option::as_ref);
        let mut next =
            |column: &Option<String>| column.as_ref().map(|column| (further.next().flatten(), column.clone()));
        let [title, brand, categories, description, image] =
            [&self.title, &self.brand, &self.categories, &self.description, &self.image].map(&mut next);
        let joined = |cell: Option<(_, String)>| match cell {
            None => Ok(String::new()),
            Some((value, column)) => text(value, &column),
        };
        let listed = |cell: Option<(_, String)>| match cell {
            None => Ok(Vec::new()),
            Some((value, column)) => texts(value, &column),
        };
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let mut names = listed(categories)?;
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let image = match image {
            None => None,
            Some((value, column)) => picture(value, &column)?,
        };
        if let Some(image) = image.as_ref().filter(|image| image.chars().any(char::is_control)) {
            let message = format!("the image `{}` has a line end or the like in it", super::flaws::shown(image));
            return Err(Flaw::new("an image with control characters", message));
        }
        Ok(CatalogueItem {
            id,
            title: joined(title)?,
            brand: some(joined(brand)?),
            categories: names,
            description: some(joined(description)?),
            image,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metadata: Metadata, text: &str, bad: BadRows) -> Result<ReadMetadata> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        std::fs::write(&path, text).unwrap();
        Metadata { path, ..metadata }.read(&["B2".to_string(), "B1".to_string(), "B3".to_string()], bad)
    }

    const META: &str = r#"{'asin': 'B1', 'title': "Baby's cup", 'price': 3.5, 'imUrl': 'http://x/1.jpg', 'categories': [['Baby', 'Cups'], ['Baby', 'Gifts']]}
{'asin': 'B9', 'title': 'Other'}
{'asin': 'B2', 'brand': 'Klean', 'description': '', 'title': None, 'imUrl': 'http://g-ecx.images-amazon.com/images/G/01/x-site/icons/no-img-sm._CB192198896_.gif'}
"#;

    #[test]
    fn items_come_in_the_order_asked_for() -> Result<()> {
        let found = read(Metadata::amazon(""), META, BadRows::Fail)?;
        assert_eq!((found.n_rows, found.n_others, found.n_found, found.skipped.count()), (3, 1, 2, 0));
        assert_eq!(found.n_placeholders, 1);
        let cup = CatalogueItem {
            id: "B1".to_string(),
            title: "Baby's cup".to_string(),
            categories: ["Baby", "Cups", "Gifts"].map(str::to_string).to_vec(),
            image: Some("http://x/1.jpg".to_string()),
            ..Default::default()
        };
        let brand = Some("Klean".to_string());
        let nameless = CatalogueItem { id: "B2".to_string(), brand, ..Default::default() };
        let unknown = CatalogueItem { id: "B3".to_string(), ..Default::default() };
        assert_eq!(found.items, [nameless, cup, unknown]);
        Ok(())
    }

    #[test]
    fn bad_rows_are_named_or_counted() -> Result<()> {
        let text = format!("{META}{{'asin': 'B1'}}\n{{'title': 'x'}}\nopen('x')\n{{'asin': 'B3', 'title': {{}}}}\n");
        let message = read(Metadata::amazon(""), &text, BadRows::Fail).unwrap_err().to_string();
        let expected = "m:4: item B1 is in line 1 already; mend or remove the row, or skip bad rows";
        assert!(message.ends_with(expected), "{message}");
        let found = read(Metadata::amazon(""), &text, BadRows::Skip)?;
        let kinds: Vec<(&str, usize)> = found.skipped.0.iter().map(|(kind, s)| (kind.as_str(), s.first_line)).collect();
        assert_eq!(
            kinds,
            [("a text of another kind", 7), ("an item given twice", 4), ("no id", 5), ("not a Python literal", 6)]
        );
        assert_eq!(found.n_rows, 7);
        Ok(())
    }

    #[test]
    fn other_catalogues_name_their_columns() -> Result<()> {
        let metadata = Metadata {
            title: Some("name".to_string()),
            image: Some("photo".to_string()),
            ..Metadata::new("", Format::Csv, "sku")
        };
        let found = read(metadata, "sku,photo,name\nB3,img/3.jpg,\"Cot, \"\"big\"\"\"\n", BadRows::Fail)?;
        let item = &found.items[2];
        assert_eq!((item.title.as_str(), item.image.as_deref()), ("Cot, \"big\"", Some("img/3.jpg")));
        // Lists, as Amazon has them since 2018.
        let metadata = Metadata {
            description: Some("description".to_string()),
            image: Some("imageURL".to_string()),
            ..Metadata::new("", Format::Json, "asin")
        };
        let text =
            "{\"asin\": \"B1\", \"description\": [\"One.\", \"Two.\"], \"imageURL\": [\"http://a\", \"http://b\"]}";
        let found = read(metadata, text, BadRows::Fail)?;
        assert_eq!(found.items[1].description.as_deref(), Some("One. Two."));
        assert_eq!(found.items[1].image.as_deref(), Some("http://a"));
        Ok(())
    }
}
