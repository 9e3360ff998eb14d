//! `viral prepare` on a toy log, and what every command has in common.

use crate::run;
use crate::support::download_server::{Answer, serve};
use crate::support::raw::{gzip, review};
use viral::Result;
use viral::data::Dataset;

/// Six customers who bought every one of six toys, in two tables.
fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    let row = |i: usize| format!("\"customer, {}\",T{},{}\n", i / 6, i % 6, 1000 + i);
    write("log.csv", format!("customer,sku,date\n{}", (0..36).map(row).collect::<String>()));
    let item = |i: usize| format!("T{i},A \"\"wooden\"\" toy {i}\n").replace(",A", ",\"A").replace("\n", "\"\n");
    write("items.csv", format!("sku,name\n{}", (0..6).map(item).collect::<String>()));
    folder
}

#[test]
fn a_log_becomes_a_folder_that_training_reads() -> Result<()> {
    let shop = shop();
    let at = |name: &str| shop.path().join(name);
    let mut command = crate::viral("prepare");
    command.arg("--reviews").arg(at("log.csv")).args(["--user", "customer", "--item", "sku", "--time", "date"]);
    command.arg("--meta").arg(at("items.csv")).args(["--id", "sku", "--title", "name", "--split", "leave-one-out"]);
    let (is_good, shown, errors) = run(command.arg("--out").arg(at("toys")));
    assert!(is_good, "{errors}");
    for words in ["toys: 6 users, 6 items, 24 train, 6 valid and 6 test pairs", "36 rows read", "Train on it:"] {
        assert!(shown.contains(words), "no '{words}' in:\n{shown}");
    }
    let data = Dataset::read(at("toys"))?;
    assert_eq!((data.n_users(), data.n_items()), (6, 6));
    assert!(data.user_ids.contains(&"customer, 3".to_string()), "{:?}", data.user_ids);
    let items = std::fs::read_to_string(at("toys/items.jsonl")).unwrap();
    let titles: Vec<String> = items
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["title"].as_str().unwrap().to_string())
        .collect();
    assert!(titles.len() == 6 && titles.contains(&"A \"wooden\" toy 2".to_string()), "{titles:?}");
    Ok(())
}

#[test]
fn what_prepare_did_not_write_is_never_replaced() {
    let shop = shop();
    let at = |name: &str| shop.path().join(name);
    let prepare = || {
        let mut command = crate::viral("prepare");
        command.arg("--reviews").arg(at("log.csv")).args(["--user", "customer", "--item", "sku", "--overwrite"]);
        run(command.args(["--core", "2", "--out"]).arg(at("toys")))
    };
    std::fs::create_dir(at("toys")).unwrap();
    for (name, text) in
        [("toys.inter", "mine"), ("items.jsonl", "{\"id\": 1}"), ("coverage.json", "{\"name\": \"toys\"}")]
    {
        std::fs::write(at("toys").join(name), text).unwrap();
        let (is_good, _, errors) = prepare();
        assert!(!is_good && errors.contains(name) && errors.contains("is there already"), "{name}: {errors}");
        assert_eq!(std::fs::read_to_string(at("toys").join(name)).unwrap(), text);
        std::fs::remove_file(at("toys").join(name)).unwrap();
    }
    for _ in 0..2 {
        let (is_good, _, errors) = prepare();
        assert!(is_good, "{errors}");
    }
}

#[test]
fn a_category_is_fetched_and_prepared() {
    let users = (0..6).map(|user| format!("U{user}"));
    let rows: String = users.flat_map(|user| (0..6).map(move |i| review(&user, &format!("B{i}"), 5.0, i))).collect();
    let meta: String = (0..6).map(|i| format!("{{'asin': 'B{i}', 'title': 'Cup {i}'}}\n")).collect();
    let (address, requests) = serve(vec![
        Answer::BreakOff(gzip(rows.as_bytes()), "\"1\"", 100),
        Answer::Whole(gzip(rows.as_bytes()), "\"1\""),
        Answer::Whole(gzip(meta.as_bytes()), "\"2\""),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("baby");
    let download = || {
        let mut command = crate::viral("prepare");
        command.args(["--download", "baby", "--mirror", &address, "--out"]).arg(&out);
        command
    };
    let (is_ok, shown, errors) = run(&mut download());
    assert!(is_ok, "{errors}");
    for part in ["baby: 6 users, 6 items, 24 train, 6 valid and 6 test pairs", "text: title or description"] {
        assert!(shown.contains(part), "no '{part}' in\n{shown}");
    }
    let paths: Vec<String> = requests.iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/reviews_Baby_5.json.gz", "/reviews_Baby_5.json.gz", "/meta_Baby.json.gz"]);
    // Again, without the server: everything is there, and what was made of it is not replaced unasked.
    let (is_ok, _, errors) = run(&mut download());
    assert!(!is_ok && errors.contains("--overwrite") && errors.contains("--out"), "{errors}");
    let (is_ok, shown, errors) = run(download().arg("--overwrite"));
    assert!(is_ok && shown.contains("was there, as its hash says"), "{shown}{errors}");
    let elsewhere = folder.path().join("sports");
    let output = crate::viral("prepare").args(["--download", "Sports", "--out"]).arg(&elsewhere).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && errors.contains("no category 'Sports'; there are"), "{errors}");
}

#[test]
fn wrong_arguments_are_one_sentence() {
    let shop = shop();
    let out = shop.path().join("toys");
    for (arguments, words) in [
        (&["--reviews", "no/such/log.json"][..], "no/such/log.json: "),
        (&["--reviews", "log.csv"], "--user and --item: name the columns of the file"),
        (&["--reviews", "log"], "the name does not tell the format"),
        (&["--reviews", "log", "--user", "#1", "--item", "#2"], "--separator"),
        (&["--download", "Babies"], "Babies"),
        (&[], "--reviews <FILE>"),
    ] {
        let mut command = crate::viral("prepare");
        let (is_good, _, errors) = run(command.current_dir(shop.path()).args(arguments).arg("--out").arg(&out));
        assert!(!is_good && errors.contains(words) && !errors.contains("panicked"), "{arguments:?}: {errors}");
        assert!(!out.exists(), "{arguments:?}");
    }
}

#[test]
fn double_colons() {
    let folder = tempfile::tempdir().unwrap();
    let row = |i: usize| format!("{}::{}::{}::{}\n", i / 6, i % 6, 1 + i % 5, 978_300_760 + i);
    std::fs::write(folder.path().join("ratings.dat"), (0..36).map(row).collect::<String>()).unwrap();
    for (format, out) in [(&[][..], "a"), (&["--format", "csv"], "b")] {
        let mut command = crate::viral("prepare");
        command.current_dir(folder.path()).args(["--reviews", "ratings.dat", "--separator", "::"]).args(format);
        command.args(["--user", "#1", "--item", "#2", "--rating", "#3", "--time", "#4", "--core", "2", "--out", out]);
        let (is_good, shown, errors) = run(&mut command);
        assert!(is_good && shown.contains("6 users, 6 items") && shown.contains("36 rows read"), "{shown}{errors}");
    }
}

#[test]
fn the_program_says_what_it_is() {
    let (is_good, shown, _) = run(&mut crate::viral("--version"));
    assert!(is_good && shown == format!("viral {}\n", env!("CARGO_PKG_VERSION")), "{shown}");
    let (is_good, shown, _) = run(&mut crate::viral("--help"));
    assert!(is_good, "{shown}");
    for command in ["prepare", "describe", "encode", "import"] {
        assert!(shown.contains(&format!("\n  {command}")), "{shown}");
    }
    let (is_good, shown, _) = run(crate::viral("prepare").arg("--help"));
    assert!(is_good, "{shown}");
    for heading in ["Download:", "Interactions", "Items:", "Selection and split:", "Examples:"] {
        assert!(shown.contains(heading), "no '{heading}' in:\n{shown}");
    }
}
