//! The items of a data folder in the order of its feature rows.

use super::content::Content;
use crate::describe::{Item, Items};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use viral::data::{WholeFile, feature_rows, rows_by_number};

/// A data folder's items, one for each feature row.
#[derive(Debug, Clone)]
pub struct Catalogue {
    folder: PathBuf,
    /// External id of each row; empty for rows without an item.
    ids: Vec<String>,
    /// The line of each row in `items.jsonl`, if there is one.
    items: Vec<Option<Item>>,
    /// Whether the folder needs `item_ids.txt` and does not have it.
    needs_ids: bool,
    /// Ids in `items.jsonl` that have no row, in file order.
    left_out: Vec<String>,
}

impl Catalogue {
    /// Reads the `items.jsonl` of a folder.
    ///
    /// Rows are in the order of `item_ids.txt`, or else of `i_id_mapping.csv`. If there is neither and ids are row
    /// numbers, item n has row n. Other ids get their rows in the order of `items.jsonl`, which
    /// [`write_ids`](Self::write_ids) records.
    ///
    /// # Errors
    /// Those of [`Items::open`] and [`feature_rows`], or if no line is about an item of the folder.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_path_buf();
        let path = folder.join("items.jsonl");
        let known = feature_rows(&folder)?;
        let mut by_id: HashMap<String, Item> = HashMap::new();
        let mut order = Vec::new();
        for item in Items::open(&path)?.iter()? {
            let item = item?;
            order.push(item.id.clone());
            by_id.insert(item.id.clone(), item);
        }
        let numbered = || rows_by_number(order.iter().map(|id| (id.as_str(), id.as_str())));
        let (ids, needs_ids) = match known {
            Some(ids) => (ids, false),
            None => numbered().map_or_else(|| (order.clone(), true), |ids| (ids, false)),
        };
        let items: Vec<Option<Item>> = ids.iter().map(|id| by_id.remove(id)).collect();
        order.retain(|id| by_id.contains_key(id));
        if items.iter().all(Option::is_none) {
            let example = ids.iter().find(|id| !id.is_empty()).map_or("", String::as_str);
            let message =
                format!("no line is about an item of the folder; `id` must be an item's name, such as `{example}`");
            return Err(Error::file(path, message));
        }
        Ok(Self { folder, ids, items, needs_ids, left_out: order })
    }

    /// Returns the external id of each row; empty for rows without an item.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Returns a sentence about the items of `items.jsonl` that have no row, because the files of the folder fixed the
    /// rows before the items came; `None` if every item has one.
    pub fn left_out(&self) -> Option<String> {
        const NAMED: usize = 5;
        if self.left_out.is_empty() {
            return None;
        }
        let n = self.left_out.len();
        let named = self.left_out.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if n > NAMED { ", …" } else { "" };
        let list = ["item_ids.txt", "i_id_mapping.csv"].map(|name| self.folder.join(name));
        let list = list.iter().find(|path| path.exists()).unwrap_or(&list[0]).display();
        Some(format!(
            "{n} items of items.jsonl are left out, for {list} does not list them: {named}{more}; add a line for each at its \
             end, and make all features of the folder again, to have them"
        ))
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the content of each row: `of` applied to its item, a reason if the item has no line in `items.jsonl`, or
    /// an empty reason if the row has no item.
    pub fn contents(&self, of: impl Fn(&Item) -> Content) -> Vec<Content> {
        let content = |(id, item): (&String, &Option<Item>)| match item {
            Some(item) => of(item),
            None if id.is_empty() => Err(String::new()),
            None => Err("no line in items.jsonl".to_string()),
        };
        self.ids.iter().zip(&self.items).map(content).collect()
    }

    /// Writes `item_ids.txt`, complete or not at all, if the catalogue chose the order of rows itself.
    ///
    /// # Errors
    /// If it cannot be written, or an id has a line break or blanks around it.
    pub fn write_ids(&self) -> Result<()> {
        if !self.needs_ids {
            return Ok(());
        }
        let path = self.folder.join("item_ids.txt");
        if let Some(id) = self.ids.iter().find(|id| id.contains(['\n', '\r']) || id.trim() != id.as_str()) {
            return Err(Error::file(&path, format!("id {id:?} cannot stand in a line; give the item another")));
        }
        let mut file = WholeFile::create(&path)?;
        self.ids.iter().try_for_each(|id| file.write(format!("{id}\n").as_bytes()))?;
        file.commit()
    }
}
