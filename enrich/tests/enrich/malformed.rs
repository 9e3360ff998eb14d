//! Malformed rows of every kind: each is named by file and line, or left out and counted under its kind.

use crate::support::raw::{folder, review};
use std::path::Path;
use viral_enrich::{BadRows, Format, Metadata, Prepare, Prepared, Reviews};

/// A row, the kind it is counted under, and what its message says.
type Case<'a> = (&'a [u8], &'a str, &'a str);

const JSON: &[Case] = &[
    (b"zo\xeb", "not UTF-8", "not UTF-8 text at byte 3 of the line"),
    (b"", "blank line", "a blank line between rows"),
    (b"reviewerID,asin", "not JSON", "not JSON (expected value at line 1 column 1)"),
    (b"{'reviewerID': 'A'}", "not JSON", "not JSON (key must be a string"),
    (b"{\"reviewerID\": \"A\", \"asin\": \"B\"} x", "not JSON", "not JSON (trailing characters"),
    (b"{\"reviewerID\": NaN}", "no id", "no `reviewerID`"),
    (b"{\"reviewerID\": nan}", "not JSON", "not JSON"),
    (b"{\"reviewerID\": \"\\ud800\"}", "not JSON", "not JSON"),
    (b"{\"reviewerID\": \"A\", \"as", "truncated JSON", "the JSON object breaks off"),
    (b"[\"A\", \"B\"]", "not an object", "is no object; write one JSON object a line"),
    (b"{\"reviewerID\": \"A\", \"reviewerID\": \"B\"}", "a field given twice", "a second `reviewerID`"),
    (b"{\"asin\": \"B\", \"overall\": 5, \"unixReviewTime\": 1}", "no id", "no `reviewerID`"),
    (b"{\"reviewerID\": \"A\", \"overall\": 5, \"unixReviewTime\": 1}", "no id", "no `asin`"),
    (b"{\"reviewerID\": null, \"asin\": \"B\"}", "no id", "no `reviewerID`"),
    (b"{\"reviewerID\": \" \", \"asin\": \"B\"}", "an empty id", "`reviewerID` is empty"),
    (
        b"{\"reviewerID\": 1.5, \"asin\": \"B\"}",
        "an id of another kind",
        "`reviewerID` is 1.5; write text or an integer",
    ),
    (b"{\"reviewerID\": [\"A\"], \"asin\": \"B\"}", "an id of another kind", "write text or an integer"),
    (b"{\"reviewerID\": \"A\\tB\", \"asin\": \"B\"}", "an id with control characters", "a tab, a line end"),
    (b"{\"reviewerID\": \"A\", \"asin\": \"B\", \"unixReviewTime\": 1}", "no number", "no `overall`"),
    (b"{\"reviewerID\": \"A\", \"asin\": \"B\", \"overall\": 5}", "no time", "no `unixReviewTime`"),
    (b"{\"reviewerID\": \"A\", \"asin\": \"B\", \"overall\": \"five\"}", "not a number", "\"five\", not a number"),
    (b"{\"reviewerID\": \"A\", \"asin\": \"B\", \"overall\": \"inf\"}", "not a number", "\"inf\", not a number"),
    (
        b"{\"reviewerID\": \"A\", \"asin\": \"B\", \"overall\": 5, \"unixReviewTime\": \"05 3, 2013\"}",
        "times of two kinds",
        "`unixReviewTime` is a number here and a date elsewhere",
    ),
];

const CSV: &[Case] = &[
    (b"ann,B1,5", "too few cells", "the row has 3 cells, the first one 4"),
    (b"ann,B1,5,7,", "too many cells", "the row has 5 cells, the first one 4"),
    (b"ann,B1 5\",5,7", "a quote within a cell", "a quote within the cell `B1 5"),
    (b"\"ann\"a,B1,5,7", "text behind a quote", "behind a closing quote"),
    (b"ann,,5,7", "no id", "no `i`"),
    (b"ann,B1,,7", "no number", "no `r`"),
];

const PYTHON: &[Case] = &[
    (b"{\"asin\": \"B1\", \"x\": true}", "", ""), // JSON, as Amazon's later releases
    (b"{'asin': 'B1', 'x': true}", "not a Python literal", "neither a string nor a number"),
    (b"{'asin': 'B1', 'x': open('/etc/passwd')}", "not a Python literal", "neither a string nor a number"),
    (b"{'asin': 'B1', 'x': 'no end}", "not a Python literal", "a string without an end at character 21"),
    (b"{'asin': 'B1' 'x': 1}", "not a Python literal", "`,` or `}` is missing at character 15"),
    (b"{'asin' 'B1'}", "not a Python literal", "`:` is missing after a key"),
    (b"{'asin': 'B1', 'asin': 'B2'}", "not a Python literal", "a key given twice"),
    (b"{'asin': '\\ud800'}", "not a Python literal", "half of a surrogate pair"),
    (b"{'asin': '\\x4'}", "not a Python literal", "an escape without its 2 hexadecimal digits"),
    (b"{1: 'B1'}", "not a Python literal", "a key that is no string"),
    (b"{'asin': 'B1'}, 5", "not a Python literal", "something after the value"),
    (b"['B1']", "not a dictionary", "no dictionary; write one a line"),
    (b"{'title': 'x'}", "no id", "no `asin`"),
    (b"{'asin': 'B1', 'title': {'x': 1}}", "a text of another kind", "`title` is {"),
    (b"{'asin': 'B1', 'imUrl': 'http://x\\n'}", "", ""), // trimmed, so a good row
    (b"{'asin': 'B1', 'imUrl': 'http://x\\ny'}", "an image with control characters", "has a line end or the like"),
    (b"{'asin': 'B0'}", "an item given twice", "item B0 is in line 1 already"),
];

fn run(path: &Path, prepare: Prepare) -> viral::Result<Prepared> {
    Prepare { k_user: 2, k_item: 2, max_line: 400, ..prepare }.run(path.join("out"), |_, _, _| {})
}

fn cells(user: &str, item: &str) -> String {
    format!("{user},{item},5,7\n")
}

/// Good rows with a bad one between: the rows before it, the row, the rows behind it.
fn with_row(row: &[u8], before: &str, after: &str) -> Vec<u8> {
    [before.as_bytes(), row, b"\n", after.as_bytes()].concat()
}

fn good(line: impl Fn(&str, &str) -> String) -> String {
    let users = ["ann", "bob", "zoe"];
    users.iter().flat_map(|user| ["B0", "B1", "B2"].map(|item| line(user, item))).collect()
}

/// Holds one row to its kind and message, both when bad rows fail and when they are left out.
fn hold(name: &str, text: &[u8], line: usize, case: Case<'_>, prepare: impl Fn(&Path) -> Prepare, metadata: bool) {
    let (row, kind, expected) = case;
    let row = String::from_utf8_lossy(row);
    let (_folder, path) = folder(&[("r.json", &good(|user, item| review(user, item, 5.0, 7)))]);
    std::fs::write(path.join(name), text).unwrap();
    let failed = run(&path, prepare(&path));
    if kind.is_empty() {
        assert!(failed.is_ok(), "{row}");
        return;
    }
    let message = failed.unwrap_err().to_string();
    let place = format!("{}:{line}: ", path.join(name).display());
    assert!(message.starts_with(&place) && message.contains(expected), "{message}\nfor {row}");
    assert!(message.ends_with("; mend or remove the row, or skip bad rows"), "{message}");
    assert!(!path.join("out").exists(), "{row}");
    let prepared = run(&path, Prepare { bad_rows: BadRows::Skip, ..prepare(&path) }).unwrap();
    let skipped = if metadata { &prepared.bad_metadata } else { &prepared.bad_rows };
    assert_eq!((skipped.count(), skipped.0[kind].first_line), (1, line), "{row}: {skipped:?}");
    assert_eq!((prepared.n_users, prepared.n_items), (3, 3), "{row}");
    assert_eq!(prepared.n_rows, 9 + prepared.bad_rows.count());
}

#[test]
fn malformed_reviews_are_named_or_counted() {
    let first = good(|user, item| review(user, item, 5.0, 7));
    let (before, after) = first.split_at(first.find('\n').unwrap() + 1);
    let amazon = |path: &Path| Prepare::new(Reviews::amazon(path.join("r.json")));
    for &case in JSON {
        hold("r.json", &with_row(case.0, before, after), 2, case, amazon, false);
    }
    for (row, kind) in [("x".repeat(401), "too long"), (review(&"a".repeat(330), "B", 5.0, 7), "too long")] {
        let case = (row.trim_end().as_bytes(), kind, "a line of more than 400 bytes");
        hold("r.json", &with_row(case.0, before, after), 2, case, amazon, false);
    }
    // Blank lines at the end are nobody's rows; a byte order mark and CRLF are no flaws.
    let (_folder, path) = folder(&[("r.json", &format!("\u{feff}{}\n\n", first.replace('\n', "\r\n")))]);
    assert_eq!(run(&path, amazon(&path)).unwrap().n_rows, 9);
}

#[test]
fn malformed_cells_are_named_or_counted() {
    let rows = good(cells);
    let csv = |path: &Path| {
        let reviews = Reviews::new(path.join("r.csv"), Format::Csv, "u", "i");
        Prepare::new(reviews.with_rating("r").with_time("t"))
    };
    for &case in CSV {
        hold("r.csv", &with_row(case.0, "u,i,r,t\n", &rows), 2, case, csv, false);
    }
    // A quote that is never closed may have swallowed any number of rows: no policy skips that.
    let (_folder, path) = folder(&[("r.csv", &format!("u,i,r,t\n\"{rows}"))]);
    for bad_rows in [BadRows::Fail, BadRows::Skip] {
        let message = run(&path, Prepare { bad_rows, ..csv(&path) }).unwrap_err().to_string();
        assert!(message.contains("r.csv:2: a quoted cell has no end; close the quote"), "{message}");
    }
}

#[test]
fn malformed_metadata_are_named_or_counted() {
    let amazon = |path: &Path| {
        let metadata = Some(Metadata::amazon(path.join("m.json")));
        Prepare { metadata, ..Prepare::new(Reviews::amazon(path.join("r.json"))) }
    };
    for &case in PYTHON {
        let text = with_row(case.0, "{'asin': 'B0', 'title': 'first'}\n", "{'asin': 'B2'}\n");
        hold("m.json", &text, 2, case, amazon, true);
    }
    let n_kinds = JSON.len() + 2 + CSV.len() + 1 + PYTHON.len() - 2;
    assert!(n_kinds >= 27, "{n_kinds}");
}
