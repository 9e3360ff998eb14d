//! `viral train` and `viral recommend` on toy data that was read wrongly, refused for nothing, or answered with what a user has.

use crate::run;
use std::path::{Path, PathBuf};
use std::process::Command;
use viral::data::{Dataset, ItemFeatures};

/// Five users with names and six toys.
pub(crate) const TOYS: &str = "ann kite 0,ann drum 0,ann ball 1,ann cot 2,bob ball 0,bob cot 0,bob kite 1,bob drum 2,cai ball 0,cai cot 0,\
                    cai puzzle 1,cai lamp 2,dee ball 0,dee cot 0,dee lamp 1,dee puzzle 2,eve puzzle 0,eve lamp 0,eve ball 1,\
                    eve cot 2";
const NAMES: [&str; 6] = ["ball", "cot", "kite", "drum", "puzzle", "lamp"];

/// A folder `toys` with these rows under a header.
pub(crate) fn toys(header: &str, rows: &str) -> (tempfile::TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("toys");
    std::fs::create_dir(&folder).unwrap();
    let rows: String = rows.split(',').map(|row| format!("{}\n", row.trim().replace(' ', "\t"))).collect();
    std::fs::write(folder.join("toys.inter"), format!("{}\n{rows}", header.replace(' ', "\t"))).unwrap();
    (outer, folder)
}

pub(crate) fn labelled() -> (tempfile::TempDir, PathBuf) {
    toys("userID itemID x_label", TOYS)
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

pub(crate) fn features(folder: &Path, n: usize) {
    for (name, width) in [("text_feat.npy", 4), ("image_feat.npy", 4)] {
        let values = (0..n * width).map(|i| ((i * i + 3 * width * i) % 11) as f32 - 5.0).collect();
        ItemFeatures::new(n, width, values).unwrap().write(folder.join(name)).unwrap();
    }
}

pub(crate) fn train(folder: &Path, out: &Path, arguments: &[&str]) -> (bool, String, String) {
    let mut command = crate::viral("train");
    run(command.arg("--data").arg(folder).arg("--out").arg(out).arg("--overwrite").args(arguments))
}

/// Trains, which must do.
pub(crate) fn trained(folder: &Path, arguments: &[&str]) -> (tempfile::TempDir, String, String) {
    let out = tempfile::tempdir().unwrap();
    let (is_good, shown, errors) = train(folder, out.path(), arguments);
    assert!(is_good, "{arguments:?}: {errors}");
    (out, shown, errors)
}

pub(crate) fn recommend(model: &Path, arguments: &[&str]) -> serde_json::Value {
    let (is_good, shown, errors) =
        run(crate::viral("recommend").arg("--model").arg(model).args(arguments).arg("--json"));
    assert!(is_good, "{arguments:?}: {errors}");
    serde_json::from_str(&shown).unwrap()
}

pub(crate) fn items(answer: &serde_json::Value) -> Vec<(String, f64)> {
    let items = answer["items"].as_array().unwrap().iter();
    items.map(|item| (item["item"].as_str().unwrap().to_string(), item["score"].as_f64().unwrap())).collect()
}

#[test]
fn label_means_click() {
    // Eight users were shown eight items each; 43 were clicked.
    let shown =
        ["0 0,5 1,1 1,6 0,2 1,7 1,3 0,8 1", "3 1,8 1,4 0,0 1,5 1,1 0,6 1,2 1", "6 1,2 0,7 1,3 1,8 0,4 1,0 1,5 0"];
    let of = |user: usize| shown[user % 3].split(',').map(move |row| format!("u{user} i{row}"));
    let rows: Vec<String> = (0..8).flat_map(of).collect();
    let (_outer, folder) = toys("user_id:token item_id:token label:float", &rows.join(","));
    let out = tempfile::tempdir().unwrap();
    for split in [&[][..], &["--split", "random"], &["--split", "everything", "--keep-last", "--epochs", "1"]] {
        let arguments = [&["--model", "popularity"], split].concat();
        let (is_good, _, errors) = train(&folder, out.path(), &arguments);
        let words = ["toys.inter:1", "`label:float`", "feedback", "--labels feedback", "x_label"];
        assert!(!is_good && words.iter().all(|word| errors.contains(word)), "{split:?}: {errors}");
    }
    let (_out, _, errors) = trained(&folder, &["--model", "popularity", "--split", "random", "--labels", "feedback"]);
    let numbers: Vec<usize> = errors.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    assert_eq!((numbers[0], numbers[1], numbers[2..5].iter().sum::<usize>()), (8, 9, 43), "{errors}");
}

#[test]
fn time_that_nobody_asked_for() {
    let rows: Vec<String> =
        TOYS.split(',').enumerate().map(|(i, row)| format!("{}\t2014-05-{:02}@10:00:00", row.trim(), i + 1)).collect();
    let (_outer, folder) = toys("userID itemID x_label timestamp", &rows.join(","));
    let path = folder.join("toys.inter");
    let dated = std::fs::read_to_string(&path).unwrap().replace('@', " ");
    for text in [dated.clone(), dated.replace("2014-05-03 10:00:00", ""), dated.replace("2014-05-01", "soon")] {
        std::fs::write(&path, &text).unwrap();
        let (_out, _, errors) = trained(&folder, &["--model", "popularity"]);
        assert!(errors.contains("10 train, 5 valid and 5 test pairs"), "{errors}");
        let (is_good, _, errors) =
            train(&folder, &folder.join("out"), &["--model", "popularity", "--split", "temporal"]);
        assert_eq!(is_good, text == dated, "{errors}");
        assert!(is_good || errors.contains("toys.inter:") && errors.contains("timestamp `"), "{errors}");
    }
}

#[test]
fn one_day_many_purchases() {
    let rows: Vec<(usize, usize)> = (0..360).map(|i| (i / 6, 100 + (i / 6 * 7 + i % 6 * 11) % 40)).collect();
    let folder = tempfile::tempdir().unwrap();
    let test = |rows: &[(usize, usize)]| -> Vec<(String, String)> {
        let text: String = rows.iter().map(|(user, item)| format!("c{user:02},B{item},1400000000\n")).collect();
        write(folder.path(), "log.csv", &format!("customer,sku,at\n{text}"));
        let out = folder.path().join("out");
        let _ = std::fs::remove_dir_all(&out);
        let mut command = crate::viral("prepare");
        command.arg("--reviews").arg(folder.path().join("log.csv")).args(["--user", "customer", "--item", "sku"]);
        command.args(["--time", "at", "--split", "leave-one-out", "--core", "2", "--out"]).arg(&out);
        let (is_good, shown, errors) = run(&mut command);
        assert!(is_good && shown.contains("viral train --data"), "{shown}{errors}");
        let data = Dataset::read(&out).unwrap();
        let name =
            |(user, item): (u32, u32)| (data.user_ids[user as usize].clone(), data.item_ids[item as usize].clone());
        data.test.pairs().map(name).collect()
    };
    let found = test(&rows);
    let upper = found.iter().filter(|(_, item)| item.as_str() >= "B127").count();
    assert!(found.len() == 60 && (10..=30).contains(&upper), "{upper} of {}", found.len());
    let turned: Vec<_> = rows.iter().rev().copied().collect();
    assert_eq!(test(&turned), found);
}

#[cfg(unix)]
#[test]
fn folder_behind_a_link() {
    let (outer, folder) = labelled();
    let amazon = outer.path().join("store-7/amazon");
    std::fs::create_dir_all(amazon.parent().unwrap()).unwrap();
    std::fs::rename(&folder, &amazon).unwrap();
    std::os::unix::fs::symlink("store-7/amazon", &folder).unwrap();
    let file = folder.join("toys.inter");
    for data in [folder.as_path(), &folder.join("."), &file] {
        let (_out, _, errors) = trained(data, &["--model", "popularity"]);
        assert!(errors.starts_with("toys: 5 users, 6 items, 10 train"), "{errors}");
    }
    // The other way round the target's name counts, as it always did.
    std::fs::rename(amazon.join("toys.inter"), amazon.join("amazon.inter")).unwrap();
    let (_out, _, errors) = trained(&folder, &["--model", "popularity"]);
    assert!(errors.starts_with("amazon: 5 users"), "{errors}");
    std::fs::rename(amazon.join("amazon.inter"), amazon.join("shop.inter")).unwrap();
    write(&amazon, "items.csv", "id\n");
    for (data, words) in [
        (folder.clone(), ["toys.inter", "the folder has shop.inter", "--name shop"]),
        (folder.join("items.csv"), ["items.csv", "is a file", "folder"]),
        (outer.path().join("nowhere"), ["nowhere", "No such file", "check the path"]),
    ] {
        let (is_good, _, errors) = train(&data, &outer.path().join("out"), &["--model", "popularity"]);
        assert!(!is_good && words.iter().all(|word| errors.contains(word)), "{errors}");
    }
}

#[test]
fn one_item_without_a_title() {
    let (_outer, folder) = labelled();
    let line = |name: &&str| match *name {
        "drum" => "{\"id\": \"drum\", \"title\": null}\n".to_string(),
        name => format!("{{\"id\": \"{name}\", \"title\": \"A {name}\"}}\n"),
    };
    let lines: String = NAMES.iter().map(line).collect();
    write(&folder, "items.jsonl", &format!("{lines}{{\"id\": \"stranger\"}}\n"));
    let (out, _, _) = trained(&folder, &["--model", "popularity"]);
    let found = recommend(out.path(), &["--user", "cai"]);
    let titles: Vec<_> =
        found["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["A kite", ""]);
}

#[test]
fn rows_named_by_catalogue_names() {
    let number = |name: &str| NAMES.iter().position(|known| *known == name).unwrap().to_string();
    let rows: Vec<String> = TOYS
        .split(',')
        .map(|row| {
            let cells: Vec<&str> = row.split_whitespace().collect();
            format!("{} {} {}", cells[0], number(cells[1]), cells[2])
        })
        .collect();
    let (_outer, folder) = toys("userID itemID x_label", &rows.join(","));
    features(&folder, 6);
    let mapping: String = NAMES.iter().map(|name| format!("{name}\t{}\n", number(name))).collect();
    write(&folder, "i_id_mapping.csv", &format!("asin\titemID\n{mapping}"));
    let results = [NAMES.map(str::to_string), NAMES.map(&number)].map(|lines| {
        write(&folder, "item_ids.txt", &lines.join("\n"));
        let (out, _, _) = trained(&folder, &["--model", "profile-match"]);
        items(&recommend(out.path(), &["--user", "ann"]))
    });
    assert_eq!(results[0], results[1]);
    write(&folder, "item_ids.txt", "Ball\nCot\nKite\nDrum\nPuzzle\nLamp\n");
    let (is_good, _, errors) = train(&folder, &folder.join("out"), &["--model", "profile-match"]);
    assert!(!is_good && ["item_ids.txt", "`Ball`", "`0`"].iter().all(|word| errors.contains(word)), "{errors}");
}

#[test]
fn owned_items_come_back() {
    let (_outer, folder) = labelled();
    let (out, shown, _) = trained(&folder, &["--model", "popularity"]);
    let found = recommend(out.path(), &["--user", "ann", "-k", "6"]);
    assert_eq!(items(&found), [("puzzle".to_string(), 1.0), ("lamp".to_string(), 1.0)]);
    // While metrics are computed, test items are candidates as before.
    let row = shown.lines().find(|line| line.trim_start().starts_with("popularity")).unwrap();
    assert!(!row.contains("0.0000"), "{shown}");
}

#[test]
fn user_without_history() {
    let (_outer, folder) = toys("userID itemID x_label", &format!("{TOYS},new lamp 2"));
    features(&folder, 6);
    // In the order of the interactions, another one than that of the rows.
    write(&folder, "item_ids.txt", &NAMES.join("\n"));
    for model in ["profile-match", "lightgcn"] {
        let (out, _, _) = trained(&folder, &["--model", model, "--epochs", "1"]);
        let found = recommend(out.path(), &["--user", "new", "-k", "5"]);
        // What they have in test does not come back, unless it is asked for.
        let expected = [("ball", 3.0), ("cot", 3.0), ("kite", 1.0), ("drum", 1.0), ("puzzle", 1.0)];
        assert_eq!(items(&found), expected.map(|(item, score)| (item.to_string(), score)));
        assert!(found["note"].as_str().unwrap().contains("no train interactions"), "{found}");
        assert_eq!(found["model"], "popularity");
        let with_known = items(&recommend(out.path(), &["--user", "new", "-k", "6", "--with-known"]));
        assert!(with_known.contains(&("lamp".to_string(), 1.0)), "{with_known:?}");
        let table = run(crate::viral("recommend").arg("--model").arg(out.path()).args(["--user", "new", "-k", "3"]));
        assert!(table.0 && table.1.contains("no train interactions"), "{}", table.1);
    }
}

#[test]
fn fewer_items_than_neighbours() {
    let rows: Vec<String> = (0..12)
        .flat_map(|user| (0..4).map(move |i| format!("{user} {} {}", (user + i) % 5, [0, 0, 1, 2][i])))
        .collect();
    let (_outer, folder) = toys("userID itemID x_label", &rows.join(","));
    features(&folder, 5);
    for (model, key) in [("freedom", "n_neighbors"), ("viral", "item_neighbors")] {
        let (_out, shown, _) = trained(&folder, &["--model", model, "--epochs", "2"]);
        assert!(shown.contains(model), "{shown}");
        let setting = format!("{key}=0");
        let (is_good, _, errors) = train(&folder, &folder.join("out"), &["--model", model, "--set", &setting]);
        assert!(!is_good && errors.contains(key) && errors.contains("at least 1"), "{errors}");
    }
}

/// A command line as a shell runs it, with the program in its path.
fn in_shell(line: &str) -> (bool, String, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_viral")).parent().unwrap().to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths([program].into_iter().chain(std::env::split_paths(&path))).unwrap();
    run(Command::new("sh").args(["-c", line]).env("PATH", paths))
}

#[cfg(unix)]
#[test]
fn printed_command_that_fails() {
    let (_outer, folder) = labelled();
    let (out, shown, _) = trained(&folder, &["--model", "popularity"]);
    let command = shown.lines().find(|line| line.trim_start().starts_with("viral recommend")).unwrap();
    let (is_good, printed, errors) = in_shell(command);
    assert!(is_good, "{command}: {errors}");
    assert!(printed.contains("2 new items for user ann") && printed.contains("puzzle"), "{printed}");
    assert_eq!(items(&recommend(out.path(), &["--user", "ann", "-k", "10"])).len(), 2);
    assert_eq!(items(&recommend(out.path(), &["--user", "ann"])).len(), 2);
    assert_eq!(items(&recommend(out.path(), &["--similar", "cot", "-k", "99"])).len(), 5);
    assert_eq!(items(&recommend(out.path(), &["--liked", "cot", "-k", "99"])).len(), 5);
    let zero = run(crate::viral("recommend").arg("--model").arg(out.path()).args(["--user", "ann", "-k", "0"]));
    assert!(!zero.0 && zero.2.contains("k is 0"), "{}", zero.2);
}

#[test]
fn a_split_in_a_file_for_each_part_is_read() {
    let (_outer, folder) = labelled();
    let whole = Dataset::read(&folder).unwrap().fingerprint();
    std::fs::remove_file(folder.join("toys.inter")).unwrap();
    for (part, label) in [("train", " 0"), ("valid", " 1"), ("test", " 2")] {
        let rows = TOYS.split(',').map(str::trim).filter_map(|row| row.strip_suffix(label));
        let rows: String = rows.map(|row| format!("{}\n", row.replace(' ', "\t"))).collect();
        write(&folder, &format!("toys.{part}.inter"), &format!("user_id:token\titem_id:token\n{rows}"));
    }
    let (_out, _, errors) = trained(&folder, &["--model", "popularity"]);
    assert!(errors.starts_with("toys: 5 users, 6 items, 10 train, 5 valid and 5 test pairs"), "{errors}");
    // Users and items appear in the same order as in one file.
    assert_eq!(Dataset::read(folder.join("toys.train.inter")).unwrap().fingerprint(), whole);
    std::fs::remove_file(folder.join("toys.test.inter")).unwrap();
    let (is_good, _, errors) = train(&folder, &folder.join("out"), &["--model", "popularity"]);
    assert!(!is_good && errors.contains("no test part"), "{errors}");
}

#[test]
fn line_ends_of_old_macs_are_read() {
    let (_outer, folder) = labelled();
    let path = folder.join("toys.inter");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace('\n', "\r")).unwrap();
    let (_out, _, errors) = trained(&folder, &["--model", "popularity"]);
    assert!(errors.contains("10 train, 5 valid and 5 test pairs"), "{errors}");
}

#[test]
fn a_setting_given_twice_is_an_error() {
    let (_outer, folder) = labelled();
    let arguments = ["--model", "bpr-mf", "--set", "d_embed=16", "--set", "d_embed = 32"];
    let (is_good, _, errors) = train(&folder, &folder.join("out"), &arguments);
    assert!(!is_good && errors.contains("--set d_embed = 32: d_embed is given twice"), "{errors}");
}

#[test]
fn a_modality_without_content_is_named() {
    let (_outer, folder) = labelled();
    features(&folder, 6);
    write(&folder, "item_ids.txt", "ball\ncot\nkite\ndrum\npuzzle\nlamp\n");
    ItemFeatures::new(6, 4, vec![0.0; 24]).unwrap().write(folder.join("text_feat.npy")).unwrap();
    let (_out, _, errors) = trained(&folder, &["--model", "bpr-mf", "--epochs", "1"]);
    assert!(errors.contains("text: no item has content") && !errors.contains("visual: no item"), "{errors}");
}

#[test]
fn a_run_that_diverges_ends_with_what_to_do() {
    let (_outer, folder) = labelled();
    let out = tempfile::tempdir().unwrap();
    let (is_good, _, errors) = train(&folder, out.path(), &["--model", "bpr-mf", "--lr", "1e9", "--epochs", "5"]);
    assert!(!is_good && errors.contains("diverged") && errors.contains("lower the learning rate"), "{errors}");
    assert!(!out.path().join("model.safetensors").exists());
}

#[test]
fn a_file_in_the_place_of_a_folder_is_named() {
    let (_outer, folder) = labelled();
    write(&folder, "items.jsonl", "{\"id\": \"drum\", \"title\": \"A drum\"}\n");
    let file = folder.join("items.jsonl");
    for arguments in [
        &["encode", "--server", "http://127.0.0.1:9/v1", "--model", "m"][..],
        &["describe", "--server", "http://127.0.0.1:9/v1", "--model", "m", "--images", "."],
        &["import", "x.npy", "--ids", "ids.txt", "--only", "text"],
    ] {
        let mut command = crate::viral(arguments[0]);
        let (is_good, _, errors) = run(command.args(&arguments[1..]).arg("--data").arg(&file));
        assert!(!is_good && errors.contains("items.jsonl: is a file; name the folder"), "{arguments:?}: {errors}");
    }
    let (is_good, _, errors) = train(&folder, &file, &["--model", "popularity"]);
    assert!(!is_good && errors.contains("items.jsonl") && errors.contains("is a file"), "{errors}");
}
