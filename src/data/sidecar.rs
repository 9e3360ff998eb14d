//! Optional files beside an `.inter` file: external names, titles and the order of feature rows.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::Ids;
use super::ids::plain_number;
use super::regular::{is_there, read_text};
use super::table::{Table, lines};
use crate::{Error, Result};

/// External names from an id mapping.
pub(super) struct Names {
    /// The name of each dense index.
    pub(super) names: Vec<String>,
    /// The largest integer id in the mapping, if all are integers; the mapping may list items without interactions.
    pub(super) max_number: Option<u64>,
}

/// Reads MMRec's `i_id_mapping.csv` or `u_id_mapping.csv` (header `asin⇥itemID`: name, then id), if there is one.
///
/// # Errors
/// All errors of [`read_pairs`]. Names the file: an id in `ids` without a name.
pub(super) fn read_mapping(path: &Path, id_column: &str, ids: &Ids) -> Result<Option<Names>> {
    let Some(by_id) = read_pairs(path, id_column)? else { return Ok(None) };
    let name = |id: &String| {
        let missing = || Error::file(path, format!("no name for {id_column} {id}; add a row, or remove the file"));
        by_id.get(id).cloned().ok_or_else(missing)
    };
    let names = ids.names().iter().map(name).collect::<Result<_>>()?;
    let numbers: Option<Vec<u64>> = by_id.keys().map(|id| plain_number(id)).collect();
    Ok(Some(Names { names, max_number: numbers.and_then(|numbers| numbers.into_iter().max()) }))
}

/// Reads all names of a mapping, keyed by id, if the file exists.
///
/// `id_column` (`itemID`, `userID`) is the column of ids, or the last column if none has that name; the first other
/// column holds the names.
///
/// # Errors
/// Names the line: an empty cell, or a repeated id or name.
pub(super) fn read_pairs(path: &Path, id_column: &str) -> Result<Option<HashMap<String, String>>> {
    let Some(text) = read_if_there(path)? else { return Ok(None) };
    let table = Table::new(path, &text, &format!("name\t{id_column}"))?;
    let n_columns = table.header.len();
    if n_columns < 2 {
        return Err(table.error(1, format!("one column; write two, a name and {id_column}")));
    }
    let id_at = table.header.iter().position(|&name| name == id_column).unwrap_or(n_columns - 1);
    let name_at = usize::from(id_at == 0);

    let (mut by_id, mut seen) = (HashMap::new(), HashSet::new());
    table.for_each(|line, cells| {
        let (name, id) = (unquoted(cells[name_at]), cells[id_at]);
        for (what, cell) in [("name", &*name), ("id", id)] {
            if cell.is_empty() {
                return Err(table.error(line, format!("an empty {what}; fill it in, or remove the row")));
            }
        }
        if by_id.insert(id.to_string(), name.to_string()).is_some() {
            return Err(table.error(line, format!("id {id} has a name already; remove one of the two")));
        }
        if seen.contains(&name) {
            return Err(table.error(line, format!("name {name} belongs to another id already; remove one of the two")));
        }
        seen.insert(name);
        Ok(())
    })?;
    Ok(Some(by_id))
}

/// Unquotes a cell that is quoted because it contains quotes, as pandas writes it: `"12"" ruler"` is `12" ruler`.
/// Quotes around a cell without inner quotes are kept.
fn unquoted(cell: &str) -> Cow<'_, str> {
    let inside = cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"'));
    match inside.filter(|inside| inside.contains('"') && !inside.replace("\"\"", "").contains('"')) {
        Some(inside) => inside.replace("\"\"", "\"").into(),
        None => cell.into(),
    }
}

/// Reads titles from `items.jsonl`, if it exists: one JSON object per line, with `id` (a string or integer) and
/// `title`.
///
/// Metadata are often incomplete, so items without a line, or whose line has no title or `null`, get an empty title.
/// They often cover more than a catalogue, so lines of items that are not in `item_ids` are ignored.
///
/// # Errors
/// Names the line: not a JSON object, no `id`, a title that is not a string, or a repeated id. Names the file if no
/// line matches an item.
pub(super) fn read_titles(path: &Path, item_ids: &[String]) -> Result<Option<Vec<String>>> {
    let Some(text) = read_if_there(path)? else { return Ok(None) };
    let index: HashMap<&str, usize> = item_ids.iter().enumerate().map(|(index, id)| (id.as_str(), index)).collect();
    let mut titles: Vec<Option<String>> = vec![None; item_ids.len()];
    for (line, text) in lines(&text) {
        let object: Value = serde_json::from_str(text).map_err(|error| {
            Error::line(path, line, format!("not JSON ({error}); write one object with `id` and `title` a line"))
        })?;
        let id = match object.get("id") {
            Some(Value::String(id)) => id.trim().to_string(),
            Some(Value::Number(id)) => id.to_string(),
            _ => return Err(Error::line(path, line, "no `id`; write {\"id\": \"…\", \"title\": \"…\"}")),
        };
        let Some(&item) = index.get(id.as_str()) else { continue };
        let title = match object.get("title") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(title)) => title.clone(),
            Some(Value::Number(title)) => title.to_string(),
            Some(_) => {
                let message = "`title` is not a text; write {\"id\": \"…\", \"title\": \"…\"}";
                return Err(Error::line(path, line, message));
            }
        };
        if titles[item].replace(title).is_some() {
            return Err(Error::line(path, line, format!("item {id} has a title already; remove one of the two")));
        }
    }
    if titles.iter().all(Option::is_none) {
        let example = item_ids.first().map(String::as_str).unwrap_or_default();
        let message =
            format!("no line is about an item of the catalogue; `id` must be an item's name, such as `{example}`");
        return Err(Error::file(path, message));
    }
    Ok(Some(titles.into_iter().map(Option::unwrap_or_default).collect()))
}

/// Reads a file such as `item_ids.txt`, if it exists: one item id per line; line n is feature row n, and the first line
/// is row 0. Returns the row of each id and the number of rows.
///
/// # Errors
/// Names the line: an empty or repeated id.
pub fn read_row_ids(path: impl AsRef<Path>) -> Result<Option<(HashMap<String, usize>, usize)>> {
    let path = path.as_ref();
    let Some(text) = read_if_there(path)? else { return Ok(None) };
    let mut rows = HashMap::new();
    for (line, id) in lines(&text) {
        let id = id.trim();
        if id.is_empty() {
            return Err(Error::line(path, line, "an empty line; write the item id of this feature row"));
        }
        if let Some(row) = rows.insert(id.to_string(), line - 1) {
            let first = row + 1;
            return Err(Error::line(
                path,
                line,
                format!("item {id} is already in line {first}; one line a feature row"),
            ));
        }
    }
    let n_rows = rows.len();
    Ok(Some((rows, n_rows)))
}

fn read_if_there(path: &Path) -> Result<Option<String>> {
    if is_there(path)? { read_text(path).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::super::ids::Intern;
    use super::*;

    /// Creates a file in a folder that is deleted when the first value is dropped.
    fn file(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn tail<T>(result: Result<T>, name: &str) -> String {
        let message = result.err().unwrap().to_string();
        message[message.find(name).unwrap()..].to_string()
    }

    fn ids(names: &[&'static str]) -> Ids {
        let mut intern = Intern::default();
        for name in names {
            intern.index(name);
        }
        intern.finish().0
    }

    fn mapping(text: &str, of: &[&'static str]) -> Result<Option<Names>> {
        let (_folder, path) = file("i_id_mapping.csv", text);
        read_mapping(&path, "itemID", &ids(of))
    }

    #[test]
    fn mappings_give_names_in_either_order_of_columns() -> Result<()> {
        for text in
            ["asin\titemID\nB1\t0\nB2\t7\nB3\t4\n", "itemID,asin\r\n0,B1\r\n7,B2\r\n4,B3", "a,b\nB1,0\nB2,7\nB3,4"]
        {
            let names = mapping(text, &["4", "0"])?.unwrap();
            assert_eq!((names.names, names.max_number), (vec!["B1".to_string(), "B3".to_string()], Some(7)));
        }
        let absent = read_mapping(Path::new("/nowhere/i_id_mapping.csv"), "itemID", &ids(&["0"]))?;
        assert!(absent.is_none());
        Ok(())
    }

    #[test]
    fn bad_mappings_are_named() {
        let message = |text: &str| tail(mapping(text, &["0", "1"]), "i_id_mapping.csv");
        let expected = "i_id_mapping.csv: no name for itemID 1; add a row, or remove the file";
        assert_eq!(message("asin\titemID\nB1\t0\n"), expected);
        let expected = "i_id_mapping.csv:3: id 0 has a name already; remove one of the two";
        assert_eq!(message("asin\titemID\nB1\t0\nB2\t0\n"), expected);
        let expected = "i_id_mapping.csv:3: name B1 belongs to another id already; remove one of the two";
        assert_eq!(message("asin\titemID\nB1\t0\nB1\t1\n"), expected);
        assert!(message("asin\titemID\n\t0\n").starts_with("i_id_mapping.csv:2: an empty name"));
        assert!(message("asin\n0\n").starts_with("i_id_mapping.csv:1: one column"));
    }

    #[test]
    fn titles_are_matched_by_id() -> Result<()> {
        let items = ["B1".to_string(), "7".to_string(), "B3".to_string()];
        let text = "{\"id\":\"B3\",\"title\":\"Cot\"}\n{\"id\":7,\"title\":\"Cup\"}\n{\"id\":\"X\",\"title\":\"-\"}\n";
        let (_folder, path) = file("items.jsonl", text);
        assert_eq!(read_titles(&path, &items)?.unwrap(), ["", "Cup", "Cot"]);

        let message = |text: &str| {
            let (_folder, path) = file("items.jsonl", text);
            tail(read_titles(&path, &items), "items.jsonl")
        };
        assert!(message("{\"id\":\"B1\",\"title\":\"x\"}\n{oops\n").starts_with("items.jsonl:2: not JSON"));
        assert!(message("{\"title\":\"x\"}\n").starts_with("items.jsonl:1: no `id`"));
        assert!(message("{\"id\":\"B1\",\"title\":[]}\n").starts_with("items.jsonl:1: `title` is not a text"));
        let twice = "{\"id\":\"B1\",\"title\":\"x\"}\n".repeat(2);
        assert_eq!(message(&twice), "items.jsonl:2: item B1 has a title already; remove one of the two");
        let expected =
            "items.jsonl: no line is about an item of the catalogue; `id` must be an item's name, such as `B1`";
        assert_eq!(message("{\"id\":\"X\",\"title\":\"x\"}\n"), expected);
        Ok(())
    }

    #[test]
    fn blanks_around_an_id_are_no_part_of_it() -> Result<()> {
        let items = ["a".to_string()];
        let (_folder, path) = file("items.jsonl", "{\"id\": \" a \", \"title\": \"A ball\"}\n");
        assert_eq!(read_titles(&path, &items)?.unwrap(), ["A ball"]);
        let (_folder, path) =
            file("items.jsonl", "{\"id\": \"a\", \"title\": \"x\"}\n{\"id\": \"a \", \"title\": \"y\"}\n");
        assert!(tail(read_titles(&path, &items), "items.jsonl").starts_with("items.jsonl:2: item a has a title"));
        Ok(())
    }

    #[test]
    fn one_item_without_a_title() -> Result<()> {
        let items = ["ball", "drum", "kite", "lamp"].map(str::to_string);
        let (_folder, path) = file(
            "items.jsonl",
            "{\"id\":\"ball\",\"title\":\"A ball\"}\n{\"id\":\"drum\",\"title\":null}\n{\"id\":\"kite\"}\n\
             {\"id\":\"stranger\",\"title\":[null]}\n{\"id\":\"lamp\",\"title\":7}\n",
        );
        assert_eq!(read_titles(&path, &items)?.unwrap(), ["A ball", "", "", "7"]);
        Ok(())
    }

    #[test]
    fn names_that_pandas_quoted_are_read_and_quotes_of_their_own_are_kept() -> Result<()> {
        let names =
            mapping("asin\titemID\n\"12\"\" ruler\"\t0\n\"cup\"\t1\n5\" nail\t2\n\"\"\t3\n", &["0", "1", "2", "3"])?;
        assert_eq!(names.unwrap().names, ["12\" ruler", "\"cup\"", "5\" nail", "\"\""]);
        let twice = tail(mapping("asin\titemID\n\"1\"\"\"\t0\n1\"\t1\n", &["0", "1"]), "i_id_mapping.csv");
        assert!(twice.starts_with("i_id_mapping.csv:3: name 1\" belongs to another id"), "{twice}");
        Ok(())
    }

    #[test]
    fn row_ids_number_the_feature_rows() -> Result<()> {
        let (_folder, path) = file("item_ids.txt", "B7\r\nB1\r\n");
        let (rows, n_rows) = read_row_ids(&path)?.unwrap();
        assert_eq!((rows["B7"], rows["B1"], n_rows), (0, 1, 2));
        let (_folder, path) = file("item_ids.txt", "a\nb\na\n");
        let expected = "item_ids.txt:3: item a is already in line 1; one line a feature row";
        assert_eq!(tail(read_row_ids(&path), "item_ids.txt"), expected);
        let (_folder, path) = file("item_ids.txt", "a\n\nb\n");
        assert!(tail(read_row_ids(&path), "item_ids.txt").starts_with("item_ids.txt:2: an empty line"));
        Ok(())
    }
}
