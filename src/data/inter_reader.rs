//! Builds an [`InterFile`] from the rows of `.inter` files.

use std::collections::HashMap;
use std::path::Path;

use super::feedback::{Feedback, Labels};
use super::ids::{Intern, differs_in_blanks, plain_number};
use super::inter::{Flaw, InterFile, InterRow};
use super::table::Table;
use super::time::{TimeUnits, is_number, parse_time};
use super::{Duplicates, Part};
use crate::{Error, Result};

const USER: [&str; 3] = ["userid", "user_id", "user"];
const ITEM: [&str; 3] = ["itemid", "item_id", "item"];
const LABEL: [&str; 3] = ["x_label", "label", "split"];
const TIME: [&str; 2] = ["timestamp", "time"];

/// The first occurrence of a pair.
struct First<'a> {
    file: &'a Path,
    line: usize,
    part: Option<Part>,
    row: usize,
}

/// Collects the rows of one or more files.
pub(super) struct Reader<'a> {
    duplicates: Duplicates,
    labels: Labels,
    users: Intern<'a>,
    items: Intern<'a>,
    rows: Vec<InterRow>,
    n_duplicates: usize,
    n_turned_down: usize,
    first: HashMap<(u32, u32), First<'a>>,
    conflict: Option<Flaw>,
    bad_label: Option<Flaw>,
    bad_time: Option<Flaw>,
    odd_item: Option<Flaw>,
    /// Whether times are numbers, decided by the first one.
    numbers: Option<bool>,
    units: TimeUnits<(&'a Path, usize, &'a str)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(duplicates: Duplicates, labels: Labels) -> Self {
        Self {
            duplicates,
            labels,
            users: Intern::default(),
            items: Intern::default(),
            rows: Vec::new(),
            n_duplicates: 0,
            n_turned_down: 0,
            first: HashMap::new(),
            conflict: None,
            bad_label: None,
            bad_time: None,
            odd_item: None,
            numbers: None,
            units: TimeUnits::default(),
        }
    }

    pub(super) fn read(&mut self, path: &'a Path, text: &'a str, of_file: Option<Part>) -> Result<()> {
        let table = Table::new(path, text, "userID\titemID\tx_label")?;
        let user_column = required(&table, "user", &USER, "userID (or user_id, user)")?;
        let item_column = required(&table, "item", &ITEM, "itemID (or item_id, item)")?;
        let labels = table.find(&LABEL)?;
        let flaw = |line: usize, message: String| Some(Flaw { path: path.to_path_buf(), line, message });
        // Two time columns are an error only if times are needed.
        let time_column = table.find(&TIME).unwrap_or_else(|error| {
            self.bad_time = self.bad_time.take().or_else(|| match error {
                Error::Line { line, message, .. } => flaw(line, message),
                other => flaw(1, other.to_string()),
            });
            None
        });
        let mut feedback = Feedback::find(&table, labels);
        if self.labels == Labels::Feedback && feedback.is_none() {
            let message = "no column of feedback; name it label or click, or read all rows (--labels parts)";
            return Err(table.error(1, message));
        }
        let label_column = match &feedback {
            Some(feedback) if self.labels == Labels::Feedback => labels.filter(|&column| column != feedback.column),
            _ => labels,
        };
        // If there is a column of parts, feedback columns are ignored.
        let is_suspect = self.labels == Labels::Parts
            && feedback.as_ref().is_some_and(|feedback| labels.is_none_or(|column| column == feedback.column));

        table.for_each_untrimmed(|line, cells, untrimmed| {
            for (side, column) in [("user", user_column), ("item", item_column)] {
                if cells[column].is_empty() {
                    return Err(table.error(line, format!("an empty {side} id; fill it in, or remove the row")));
                }
            }
            let (user_id, item_id) = (cells[user_column], cells[item_column]);
            let merged =
                |side: &str, id: &str, first: &str| table.error(line, differs_in_blanks(side, id, first, "line"));
            let item_cell = untrimmed[item_column];
            let item = self.items.index_of_cell(item_cell).map_err(|first| merged("item", item_cell, first))?;
            if plain_number(item_id).is_none() && self.odd_item.is_none() {
                self.odd_item = flaw(line, item_id.to_string());
            }
            if let Some(feedback) = &mut feedback {
                if is_suspect {
                    feedback.see(cells[feedback.column]);
                } else if self.labels == Labels::Feedback {
                    // A rejected item still belongs to the catalogue.
                    let taken = feedback.is_taken(cells[feedback.column]).map_err(|m| table.error(line, m))?;
                    if !taken {
                        self.n_turned_down += 1;
                        return Ok(());
                    }
                }
            }
            let row = InterRow {
                user: self
                    .users
                    .index_of_cell(untrimmed[user_column])
                    .map_err(|first| merged("user", untrimmed[user_column], first))?,
                item,
                part: of_file.or_else(|| match part(cells[label_column?]) {
                    Ok(part) => Some(part),
                    Err(message) => {
                        self.bad_label = self.bad_label.take().or_else(|| flaw(line, message));
                        None
                    }
                }),
                time: time_column.and_then(|column| match self.time(cells[column]) {
                    Ok(time) => {
                        if self.numbers == Some(true) {
                            self.units.see(time, || (path, line, cells[column]));
                        }
                        Some(time)
                    }
                    Err(message) => {
                        self.bad_time = self.bad_time.take().or_else(|| flaw(line, message));
                        None
                    }
                }),
            };
            let place = |file: &Path, first: usize| match file == path {
                true => format!("line {first}"),
                false => format!("{}:{first}", file.display()),
            };
            match self.first.get(&(row.user, row.item)) {
                None => {
                    let first = First { file: path, line, part: row.part, row: self.rows.len() };
                    self.first.insert((row.user, row.item), first);
                    self.rows.push(row);
                }
                Some(&First { file, line: first, part, .. }) if part != row.part => {
                    let place = place(file, first);
                    let message = format!(
                        "user {user_id}, item {item_id} is also in {place} under another label; \
                         keep one of the two, or held-out data leak into train"
                    );
                    self.conflict = self.conflict.take().or_else(|| flaw(line, message));
                }
                Some(&First { file, line: first, .. }) if self.duplicates == Duplicates::Error => {
                    let place = place(file, first);
                    let message = format!(
                        "user {user_id}, item {item_id} is already in {place}; \
                         remove one of the two, or read with Duplicates::KeepFirst"
                    );
                    return Err(table.error(line, message));
                }
                Some(&First { row: at, .. }) => {
                    self.n_duplicates += 1;
                    // An interaction dates from its earliest row, wherever that is in the file.
                    if let (Some(time), Some(kept)) = (row.time, &mut self.rows[at].time) {
                        *kept = kept.min(time);
                    }
                }
            }
            Ok(())
        })?;
        match feedback.and_then(|feedback| feedback.fault()) {
            Some(message) => Err(table.error(1, message)),
            None => self.conflict.as_ref().map_or(Ok(()), |conflict| Err(conflict.error())),
        }
    }

    fn time(&mut self, cell: &str) -> std::result::Result<f64, String> {
        let Some(time) = parse_time(cell) else {
            return Err(format!(
                "timestamp `{cell}` is not a time; write seconds, or a date such as 2014-05-31 18:30:00"
            ));
        };
        match *self.numbers.get_or_insert(is_number(cell)) == is_number(cell) {
            true => Ok(time),
            false => {
                Err(format!("timestamp `{cell}`: other rows are written otherwise; write numbers or dates in all"))
            }
        }
    }

    pub(super) fn finish(self) -> Result<InterFile> {
        let bad_time = self.bad_time.or_else(|| {
            let (&(path, line, cell), units) = self.units.mixed()?;
            let message = format!("timestamp `{cell}` is in {units}; write one unit in all rows");
            Some(Flaw { path: path.to_path_buf(), line, message })
        });
        let Self { mut rows, n_duplicates, n_turned_down, bad_label, odd_item, .. } = self;
        let ((users, dense_user), (items, dense_item)) = (self.users.finish(), self.items.finish());
        for row in &mut rows {
            (row.user, row.item) = (dense_user[row.user as usize], dense_item[row.item as usize]);
        }
        Ok(InterFile { rows, users, items, n_duplicates, n_turned_down, bad_label, bad_time, odd_item })
    }
}

fn required(table: &Table<'_>, side: &str, names: &[&str], advice: &str) -> Result<usize> {
    table.find(names)?.ok_or_else(|| {
        let found: Vec<String> = table.header.iter().map(|name| format!("`{name}`")).collect();
        table.error(1, format!("no {side} column among {}; name it {advice}", found.join(", ")))
    })
}

fn part(cell: &str) -> std::result::Result<Part, String> {
    const KNOWN: &str = "write 0 (train), 1 (valid) or 2 (test)";
    match cell.parse::<f64>() {
        Err(_) => Err(format!("label `{cell}` is not a number; {KNOWN}")),
        Ok(0.0) => Ok(Part::Train),
        Ok(1.0) => Ok(Part::Valid),
        Ok(2.0) => Ok(Part::Test),
        Ok(_) => Err(format!("label {cell} is unknown; {KNOWN}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::inter::tests::{message, read};
    use super::*;

    #[test]
    fn labels_and_times_are_looked_at_when_they_are_asked_for() -> Result<()> {
        let header = "userID\titemID\tx_label\ttimestamp\n0\t0\t0\t1\n";
        for (row, words) in [
            ("1\t1\ttrain\t1", ["label `train`", "0 (train), 1 (valid) or 2 (test)"]),
            ("1\t1\t\t1", ["label ``", "is not a number"]),
            ("1\t1\t3\t1", ["label 3", "unknown"]),
        ] {
            let file = read(&format!("{header}{row}\n2\t2\tx\t1\n"))?;
            assert_eq!((file.rows.len(), file.times()?), (3, Some(vec![1.0; 3])));
            let message = message(file.parts());
            assert!(message.starts_with("toy.inter:3: ") && words.iter().all(|w| message.contains(w)), "{message}");
        }
        for cell in ["now", "inf", "", "31.5.2014", "2014-05-31"] {
            let file = read(&format!("{header}1\t1\t1\t{cell}\n"))?;
            assert_eq!(file.parts()?, Some(vec![Part::Train, Part::Valid]));
            let message = message(file.times());
            assert!(message.starts_with(&format!("toy.inter:3: timestamp `{cell}`")), "{message}");
        }
        let dates = read("userID\titemID\ttime\n0\t0\t2014-05-01 10:00:00\n0\t1\t2014-05-01\n")?;
        assert_eq!(dates.times()?, Some(vec![1_398_938_400.0, 1_398_902_400.0]));
        let units = read("userID\titemID\ttime\n0\t0\t1457534656\n0\t1\t1357534657000\n")?;
        assert!(message(units.times()).starts_with("toy.inter:3: timestamp `1357534657000` is in milliseconds"));
        let twice = read("userID\titemID\ttime\ttimestamp\n0\t0\t1\t2\n")?;
        assert!(message(twice.times()).contains("`time` and `timestamp` mean the same"));
        assert_eq!(twice.parts()?, None);
        Ok(())
    }

    #[test]
    fn zeros_and_ones_are_feedback_unless_the_column_is_one_of_parts() -> Result<()> {
        let of = |label: &str, cells: [&str; 3], labels| {
            let rows: String = cells.iter().enumerate().map(|(i, cell)| format!("u\t{i}\t{cell}\n")).collect();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("toy.inter");
            std::fs::write(&path, format!("user_id:token\titem_id:token\t{label}\n{rows}")).unwrap();
            InterFile::read_with(path, Duplicates::KeepFirst, labels)
        };
        for label in ["label:float", "label", "Label:token", "click", "is_like:float", "rating:float"] {
            for cells in [["0", "1", "1"], ["1", "0.0", "1.0"], ["-1", "1", "1"]] {
                let message = message(of(label, cells, Labels::Parts));
                let words = ["toy.inter:1: ", label, "feedback", "--labels feedback", "x_label"];
                assert!(words.iter().all(|word| message.contains(word)), "{message}");
                let file = of(label, cells, Labels::Feedback)?;
                assert_eq!((file.rows.len(), file.n_turned_down, file.items.len(), file.parts()?), (2, 1, 3, None));
            }
        }
        for (label, cells) in [
            ("x_label", ["0", "1", "1"]),
            ("split", ["0", "1", "0"]),
            ("label", ["0", "1", "2"]),
            ("label", ["1", "1", "1"]),
            ("rating", ["1", "5", "0"]),
        ] {
            assert_eq!(of(label, cells, Labels::Parts)?.rows.len(), 3, "{label}");
        }
        assert!(message(of("x_label", ["0", "1", "2"], Labels::Feedback)).contains("no column of feedback"));
        assert!(message(of("click", ["0", "yes", "1"], Labels::Feedback)).starts_with("toy.inter:3: `click` is `yes`"));
        // Ratings are ignored if there is a split; as feedback, they select rows.
        let both = "user\titem\tx_label\tclick\nu\ta\t0\t1\nu\tb\t1\t0\nu\tc\t2\t1\n";
        assert_eq!(read(both)?.rows.len(), 3);
        // A pair that was first rejected and then taken counts as taken, and is not a leak.
        let again = "user\titem\tlabel\nu\ta\t0\nu\ta\t1\n";
        assert!(message(read(again)).contains("looks like feedback"));
        Ok(())
    }

    #[test]
    fn ids_that_differ_in_blanks_alone_are_an_error_with_their_line() -> Result<()> {
        for (rows, line, words) in [
            ("u\ta\nu\ta \n", 3, "item `a ` is `a`"),
            ("u\t a\nu\tb\nu\ta\n", 4, "item `a` is ` a`"),
            ("u\ta\nu \tb\n", 3, "user `u ` is `u`"),
            ("u\ta\nu\u{a0}\tb\n", 3, "is `u`"),
        ] {
            let message = message(read(&format!("user\titem\n{rows}")));
            assert!(message.starts_with(&format!("toy.inter:{line}: ")) && message.contains(words), "{message}");
        }
        // Blanks used consistently are not part of an id.
        let file = read("user, item\nu, a\nu, b\nv, a\n")?;
        assert_eq!(
            (file.users.names(), file.items.names()),
            (&["u".into(), "v".into()][..], &["a".into(), "b".into()][..])
        );
        Ok(())
    }

    #[test]
    fn a_file_for_each_part_is_read() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, rows: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("user_id:token\titem_id:token\n{rows}")).unwrap();
            path
        };
        let files = [
            (write("toy.train.inter", "b\tx\na\ty\n"), Some(Part::Train)),
            (write("toy.valid.inter", "a\tx\n"), Some(Part::Valid)),
        ];
        let read = |files: &[_]| InterFile::read_parts(files, Duplicates::KeepFirst, Labels::Parts);
        let file = read(&files)?;
        assert_eq!(file.parts()?, Some(vec![Part::Train, Part::Train, Part::Valid]));
        assert_eq!((file.pairs(), file.users.names()), (vec![(0, 0), (1, 1), (1, 0)], &["b".into(), "a".into()][..]));
        let leak = [files[0].clone(), (write("toy.test.inter", "a\ty\n"), Some(Part::Test))];
        let message = read(&leak).unwrap_err().to_string();
        assert!(
            message.contains("toy.test.inter:2: ") && message.contains("toy.train.inter:3 under another"),
            "{message}"
        );
        Ok(())
    }
}
