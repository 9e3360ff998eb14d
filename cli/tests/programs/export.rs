//! `viral export` of catalogues with hostile ids, read back by the Parquet crate, NumPy and PyArrow, and killed at any moment.

use crate::run;
use half::f16;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use viral::Result;
use viral::data::{FolderLock, npy_header};
use viral::prelude::*;

/// Ids that break formats which are not careful.
const HOSTILE: [&str; 12] = [
    "plain",
    "two\nlines",
    "\"quoted\"",
    "it's 12\" wide",
    "tab\there",
    "comma, semicolon; {brace}",
    "ключ 鍵 🎈",
    " blanks ",
    "a\r\u{2028}\u{85}b",
    "",
    "\\n",
    "\u{feff}\u{0}",
];

/// Users and items of these names, and a user without train interactions, whose vectors are of a text and a visual block.
fn hostile() -> Result<(tempfile::TempDir, Recommender)> {
    let n = HOSTILE.len();
    let pairs: Vec<(u32, u32)> =
        (1..n as u32).flat_map(|user| (0..4).map(move |i| (user, (user * 5 + i * i) % n as u32))).collect();
    let feature = |seed: usize| (0..n * 3).map(|at| ((at * at + seed * at) % 13) as f32 - 6.0).collect();
    let mut features = Features::new();
    for (modality, seed) in [(Modality::Text, 1), (Modality::Visual, 5)] {
        features.insert(modality, ItemFeatures::new(n, 3, feature(seed))?);
    }
    let part = |pairs: &[(u32, u32)]| Interactions::from_pairs(n, n, pairs);
    let train = TrainSet { interactions: part(&pairs), features };
    let mut data = Dataset::new("toys", train, part(&[]), part(&[(0, 3)]))?;
    data.user_ids = HOSTILE.map(|id| format!("{id}u")).to_vec();
    data.user_ids[1] = "ann\nb".to_string();
    data.item_ids = HOSTILE.map(str::to_string).to_vec();
    let recommender = Recipe::named("profile-match")?.run(&data, &Device::flex())?.recommender()?;
    let folder = tempfile::tempdir().unwrap();
    recommender.save(folder.path())?;
    Ok((folder, recommender))
}

fn export(model: &Path, out: &Path, arguments: &[&str]) -> Command {
    let mut command = crate::viral("export");
    command.arg("--model").arg(model).arg("--out").arg(out).args(arguments);
    command
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Ids as a reader of lines finds them.
fn ids(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let id = |line: &str| match line.starts_with('"') {
        true => serde_json::from_str(line).unwrap(),
        false => line.to_string(),
    };
    text.split_terminator('\n').map(id).collect()
}

/// A row of the table: user, rank, item, score, and shares by their columns.
type Row = (String, i32, String, f32, BTreeMap<String, f32>);

fn table(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let row = |row: parquet::record::Row| {
        let columns: Vec<String> = row.get_column_iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(columns[..4], ["user", "rank", "item", "score"]);
        let shares = (4..columns.len()).map(|at| (columns[at].clone(), row.get_float(at).unwrap()));
        let text = |at: usize| row.get_string(at).unwrap().clone();
        (text(0), row.get_int(1).unwrap(), text(2), row.get_float(3).unwrap(), shares.collect())
    };
    reader.get_row_iter(None).unwrap().map(|found| row(found.unwrap())).collect()
}

/// What the table must have of these users.
fn expected_table(recommender: &Recommender, users: &[String], options: &RecommendOptions) -> Vec<Row> {
    let rows = users.iter().flat_map(|user| {
        let found = recommender.recommend_with(user, options).unwrap();
        (1..)
            .zip(found)
            .map(|(rank, found)| {
                let shares = found.shares.iter().map(|(block, share)| (format!("share_{block}"), *share as f32));
                (user.clone(), rank, found.item, found.score as f32, shares.collect())
            })
            .collect::<Vec<Row>>()
    });
    rows.collect()
}

#[test]
fn hostile_ids_come_back_with_their_vectors_and_lists() -> Result<()> {
    let (model, recommender) = hostile()?;
    let out = model.path().join("export");
    let (is_good, shown, errors) =
        run(&mut export(model.path(), &out, &["--format", "npy,jsonl,parquet", "--top", "5"]));
    assert!(is_good, "{errors}");
    for words in ["lists for 11 users, 55 items", "no lists for 1 users without train", "ids cannot stand in a line"] {
        assert!(shown.contains(words), "no '{words}' in:\n{shown}");
    }
    let all = ["blocks.json", "item_ids.txt", "items.npy", "top.jsonl", "top.parquet", "user_ids.txt", "users.npy"];
    assert_eq!(names(&out), all);

    let z = recommender.embeddings();
    for (name, values) in [("items.npy", z.items()), ("users.npy", z.users())] {
        let found = ItemFeatures::read(out.join(name))?;
        assert_eq!((found.n_items(), found.width(), found.values()), (12, z.d(), values));
    }
    assert!(ids(&out.join("item_ids.txt")).iter().eq(&HOSTILE));
    let users = ids(&out.join("user_ids.txt"));
    assert!(users.iter().map(String::as_str).eq(recommender.users()));

    let blocks: Value = serde_json::from_str(&std::fs::read_to_string(out.join("blocks.json")).unwrap()).unwrap();
    let (mut first, mut expected) = (0, Vec::new());
    for (name, width) in z.blocks() {
        expected.push(serde_json::json!({"name": name, "first": first, "width": width}));
        first += width;
    }
    assert!(expected.len() > 1 && blocks == Value::Array(expected), "{blocks}");

    let lines = std::fs::read_to_string(out.join("top.jsonl")).unwrap();
    let lines: Vec<Value> = lines.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 11);
    for (user, line) in users[1..].iter().zip(&lines) {
        let found = recommender.recommend(user, 5)?;
        assert_eq!(line, &serde_json::json!({"user": user, "items": found}));
    }
    let rows = table(&out.join("top.parquet"));
    assert_eq!(rows, expected_table(&recommender, &users[1..], &RecommendOptions::new(5)));
    for (.., score, shares) in &rows {
        let sum: f32 = shares.values().sum();
        assert!(shares.len() == z.blocks().len() && (sum - score).abs() <= 1e-6 * score.abs().max(1.0), "{rows:?}");
    }

    // What the program says to a user is what is in their list.
    let mut command = crate::viral("recommend");
    command.arg("--model").arg(model.path()).args(["--user", &users[1], "-k", "5", "--json"]);
    let (is_good, shown, errors) = run(&mut command);
    assert!(is_good, "{errors}");
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["items"], lines[0]["items"]);
    Ok(())
}

#[test]
fn lists_keep_to_the_items_that_may_come() -> Result<()> {
    let (model, recommender) = hostile()?;
    let out = model.path().join("export");
    let (block, _) = &recommender.embeddings().blocks()[0];
    let weigh = format!("{block}=-2");
    let arguments = ["--format", "parquet", "--weigh", &weigh, "--exclude", "plain", "--with-known", "--top", "99"];
    let (is_good, _, errors) = run(&mut export(model.path(), &out, &arguments));
    assert!(is_good, "{errors}");
    assert_eq!(names(&out), ["blocks.json", "top.parquet"]);
    let users: Vec<String> = recommender.users().skip(1).map(str::to_string).collect();
    let options = RecommendOptions::new(99).weigh(block, -2.0).exclude(["plain"]).with_known(true);
    let rows = table(&out.join("top.parquet"));
    assert_eq!(rows.len(), 11 * 11);
    assert_eq!(rows, expected_table(&recommender, &users, &options));

    let arguments = ["--format", "parquet", "--overwrite", "--among", "tab\there,\\n"];
    let (is_good, _, errors) = run(&mut export(model.path(), &out, &arguments));
    assert!(is_good, "{errors}");
    let options = RecommendOptions::new(20).among(["tab\there", "\\n"]);
    let rows = table(&out.join("top.parquet"));
    assert!(!rows.is_empty() && rows.iter().all(|(_, _, item, ..)| ["tab\there", "\\n"].contains(&item.as_str())));
    assert_eq!(rows, expected_table(&recommender, &users, &options));
    Ok(())
}

#[test]
fn half_the_bits_where_they_hold_the_numbers() -> Result<()> {
    let (model, recommender) = hostile()?;
    let out = model.path().join("export");
    let (is_good, _, errors) = run(&mut export(model.path(), &out, &["--format", "npy", "--half"]));
    assert!(is_good, "{errors}");
    let items = ItemFeatures::read(out.join("items.npy"))?;
    let close = |(x, y): (&f32, &f32)| (x - y).abs() <= x.abs() / 2048.0 + 1e-7;
    assert!(recommender.embeddings().items().iter().zip(items.values()).all(close));
    assert_ne!(recommender.embeddings().items(), items.values());
    let length = std::fs::metadata(out.join("items.npy")).unwrap().len() as usize;
    assert_eq!(length, npy_header("<f2", [12, items.width()]).len() + 2 * items.values().len());

    // The vector of an item is the number of its users, of whom there are too many for 16 bits.
    let pairs: Vec<(u32, u32)> = (0..70_000).map(|user| (user, user % 70 / 69)).collect();
    let part = |pairs: &[(u32, u32)]| Interactions::from_pairs(70_000, 2, pairs);
    let train = TrainSet { interactions: part(&pairs), features: Features::new() };
    let data = Dataset::new("crowd", train, part(&[]), part(&[]))?;
    let crowd = Recipe::named("popularity")?.run(&data, &Device::flex())?.recommender()?;
    let model = tempfile::tempdir().unwrap();
    crowd.save(model.path())?;
    let out = model.path().join("a/b");
    let (is_good, _, errors) = run(&mut export(model.path(), &out, &["--half"]));
    assert!(!is_good && errors.contains("items.npy: row 0 (counted from 0) has 6.9e4, and 16 bits"), "{errors}");
    assert_eq!(names(model.path()), ["model.safetensors"]);
    Ok(())
}

#[test]
fn nothing_is_replaced_unasked() -> Result<()> {
    let (model, recommender) = hostile()?;
    let out = model.path().join("export");
    let says = |out: &Path, arguments: &[&str], words: &[&str]| {
        let before = names(out);
        let (is_good, _, errors) = run(&mut export(model.path(), out, arguments));
        assert!(!is_good && words.iter().all(|words| errors.contains(words)), "{words:?}: {errors}");
        assert_eq!(names(out), before);
    };
    assert!(run(&mut export(model.path(), &out, &[])).0);
    says(&out, &[], &["blocks.json: is of an earlier export", "--out", "--overwrite"]);
    // What the new export does not have goes with the old one.
    let (is_good, _, errors) = run(&mut export(model.path(), &out, &["--overwrite", "--format", "npy"]));
    assert!(is_good, "{errors}");
    assert_eq!(names(&out), ["blocks.json", "item_ids.txt", "items.npy", "user_ids.txt", "users.npy"]);

    // A folder of data has a file of the same name, which is not to be lost.
    let data = model.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("item_ids.txt"), "mine").unwrap();
    says(&data, &["--overwrite"], &["item_ids.txt: is not of an export", "choose another folder"]);
    assert_eq!(std::fs::read_to_string(data.join("item_ids.txt")).unwrap(), "mine");

    let folder_of_data = model.path().join("shop");
    std::fs::create_dir(&folder_of_data).unwrap();
    std::fs::write(folder_of_data.join("shop.inter"), "userID\titemID\tx_label\n").unwrap();
    says(&folder_of_data, &[], &["shop.inter: is of data", "choose another folder"]);

    let lock = FolderLock::acquire(&out)?;
    let (is_good, _, errors) = run(&mut export(model.path(), &out, &["--overwrite"]));
    assert!(!is_good && errors.contains("another run is writing into this folder"), "{errors}");
    drop(lock);

    let new = model.path().join("new");
    says(&new, &["--top", "0"], &["--top"]);
    says(&new, &["--format", "csv"], &["npy", "jsonl", "parquet"]);
    says(&new, &["--format", "npy", "--top", "3"], &["--top", "add jsonl or parquet"]);
    says(&new, &["--format", "npy", "--weigh", "text=2"], &["which items", "add jsonl or parquet"]);
    says(&new, &["--format", "parquet", "--half"], &["--half", "add npy"]);
    says(&new, &["--weigh", "sound=2"], &["no block 'sound'", "text"]);
    says(&new, &["--weigh", "text=2", "--weigh", "text=3"], &["--weigh text=3", "text is given twice"]);
    says(&new, &["--among", "nothing"], &["no item 'nothing' among 12"]);
    says(&data.join("item_ids.txt"), &[], &["is a file, not a folder"]);
    assert!(!new.exists());
    let (is_good, _, errors) = run(&mut export(&new, &out, &["--overwrite"]));
    assert!(!is_good && errors.contains("there is no such file; train a model first"), "{errors}");
    assert_eq!(ItemFeatures::read(out.join("items.npy"))?.values(), recommender.embeddings().items());
    Ok(())
}

/// Killed at any moment, a run leaves files of the old export or of the new one, each of them whole, and never of both.
#[test]
fn a_killed_run_leaves_nothing_half() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = PlantedConfig::new().with_n_users(4000).with_n_items(600).generate().data;
    let recommender = Recipe::named("profile-match")?.run(&data, &Device::flex())?.recommender()?;
    recommender.save(at("model"))?;
    let all = ["--format", "npy,jsonl,parquet"];
    let contents = |folder: &Path| -> BTreeMap<String, Vec<u8>> {
        let names = names(folder).into_iter().filter(|name| !name.starts_with('.'));
        names.map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap())).collect()
    };
    let start = Instant::now();
    assert!(run(&mut export(&at("model"), &at("new"), &all)).0);
    let takes = start.elapsed();
    assert!(run(&mut export(&at("model"), &at("out"), &["--half", "--top", "3"])).0);
    let (old, new) = (contents(&at("out")), contents(&at("new")));

    let (mut n_killed, n_tries) = (0, 24);
    for attempt in 0..n_tries {
        let mut command = export(&at("model"), &at("out"), &[&all[..], &["--overwrite"]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(takes * attempt / n_tries);
        n_killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let found = contents(&at("out"));
        let is_of = |all: &BTreeMap<String, Vec<u8>>| found.iter().all(|(name, bytes)| all.get(name) == Some(bytes));
        assert!(is_of(&new) || is_of(&old), "{:?} after {attempt} of {n_tries}", names(&at("out")));
        assert!(found.is_empty() || found.contains_key("blocks.json"), "{:?}", names(&at("out")));
    }
    assert!(n_killed >= 4, "killed {n_killed} times of {n_tries}");
    let (is_good, _, errors) = run(&mut export(&at("model"), &at("out"), &[&all[..], &["--overwrite"]].concat()));
    assert!(is_good, "{errors}");
    assert_eq!(contents(&at("out")), new);
    assert_eq!(names(&at("out")).len(), new.len());
    Ok(())
}

/// Prints all that is in an export, as NumPy and PyArrow read it.
const READ: &str = r#"
import json, sys
import numpy, pyarrow.parquet
folder = sys.argv[1]
found = {}
for side in "items", "users":
    matrix = numpy.load(f"{folder}/{side}.npy", allow_pickle=False)
    found[side] = {"dtype": str(matrix.dtype), "shape": matrix.shape, "values": matrix.ravel().tolist()}
for side in "item_ids", "user_ids":
    with open(f"{folder}/{side}.txt", encoding="utf-8", newline="\n") as file:
        lines = file.read().split("\n")[:-1]
    found[side] = [json.loads(line) if line.startswith('"') else line for line in lines]
    assert len("\n".join(lines).splitlines()) == len(lines)
with open(f"{folder}/top.jsonl", encoding="utf-8") as file:
    found["lists"] = [json.loads(line) for line in file]
table = pyarrow.parquet.read_table(f"{folder}/top.parquet")
found["types"] = [f"{field.name}: {field.type}" for field in table.schema]
found["rows"] = [list(row.values()) for row in table.to_pylist()]
json.dump(found, sys.stdout)
"#;

/// `VIRAL_PYTHON` names another interpreter than `python3`.
#[test]
fn python_reads_what_was_written() -> Result<()> {
    let python = std::env::var_os("VIRAL_PYTHON").unwrap_or_else(|| "python3".into());
    let with = |script: &str| {
        let mut command = Command::new(&python);
        command.args(["-c", script]).env("PYTHONIOENCODING", "utf-8");
        command
    };
    if !with("import numpy, pyarrow").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {} has no numpy and pyarrow", python.to_string_lossy());
        return Ok(());
    }
    let (model, recommender) = hostile()?;
    let z = recommender.embeddings();
    for half in [false, true] {
        let out = model.path().join("export");
        let arguments = ["--format", "npy,jsonl,parquet", "--top", "4", "--overwrite", "--half"];
        let (is_good, _, errors) = run(&mut export(model.path(), &out, &arguments[..5 + usize::from(half)]));
        assert!(is_good, "{errors}");
        let (is_good, shown, errors) = run(with(READ).arg(&out));
        assert!(is_good, "{errors}");
        let found: Value = serde_json::from_str(&shown).unwrap();
        for (side, values) in [("items", z.items()), ("users", z.users())] {
            let value = |&x: &f32| f64::from(if half { f16::from_f32(x).to_f32() } else { x });
            let values: Vec<f64> = values.iter().map(value).collect();
            let dtype = if half { "float16" } else { "float32" };
            let expected = serde_json::json!({"dtype": dtype, "shape": [12, z.d()], "values": values});
            assert_eq!(found[side], expected);
        }
        assert_eq!(found["item_ids"], serde_json::json!(HOSTILE));
        let users: Vec<String> = recommender.users().map(str::to_string).collect();
        assert_eq!(found["user_ids"], serde_json::json!(users));
        let lists = users[1..]
            .iter()
            .map(|user| Ok(serde_json::json!({"user": user, "items": recommender.recommend(user, 4)?})));
        assert_eq!(found["lists"], Value::Array(lists.collect::<Result<_>>()?));
        let types = ["user: string", "rank: int32", "item: string", "score: float"].map(str::to_string);
        let shares = z.blocks().iter().map(|(block, _)| format!("share_{block}: float"));
        assert_eq!(found["types"], serde_json::json!(types.into_iter().chain(shares).collect::<Vec<_>>()));
        let rows = expected_table(&recommender, &users[1..], &RecommendOptions::new(4));
        let rows = rows.into_iter().map(|(user, rank, item, score, shares)| {
            let shares = z.blocks().iter().map(|(block, _)| shares[&format!("share_{block}")].into());
            Value::Array([user.into(), rank.into(), item.into(), score.into()].into_iter().chain(shares).collect())
        });
        assert_eq!(found["rows"], Value::Array(rows.collect()));
    }
    Ok(())
}
