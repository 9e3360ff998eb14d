//! `viral report` on the built-in catalogue, on a hostile one and on an experiment's results.

use crate::{run, viral};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use viral::report::Page;

const HOSTILE: &str = "</script><script>alert(1)</script> \"a' <!-- & \u{1b}[2J";

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn train(data: Option<&Path>, model: &str, out: &Path) {
    let mut program = viral("train");
    program.args(["--model", model, "--epochs", "2", "--out"]).arg(out);
    if let Some(data) = data {
        program.arg("--data").arg(data);
    }
    let (ok, _, errors) = run(&mut program);
    assert!(ok, "{errors}");
}

/// A page and its figures, found to be whole.
fn report(of: &str, from: &Path, data: Option<&Path>, folder: &Path) -> (String, Value) {
    let (out, json) = (folder.join("report.html"), folder.join("report.json"));
    let mut program = viral("report");
    let figures = folder.join("figures");
    let _ = std::fs::remove_dir_all(&figures); // of another page
    program.arg(of).arg(from).arg("--out").arg(&out).arg("--json").arg(&json).arg("--figures").arg(&figures);
    if let Some(data) = data {
        program.arg("--data").arg(data);
    }
    let (ok, shown, errors) = run(&mut program);
    assert!(ok && shown.contains("report.html"), "{errors}");
    let html = text(&out);
    let values: Value = serde_json::from_str(&text(&json)).unwrap();
    assert!(Page::is_page(&html) && html.len() < 5_000_000, "{}", html.len());
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains(" src=") && !html.contains("url("));
    assert!(html.contains("default-src 'none'"));
    assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (2, 2));
    let n = html.matches("<svg").count();
    assert!(n > 0 && html.matches("<figure>").count() == n, "{n}");
    let pictures: Vec<String> = std::fs::read_dir(&figures).unwrap().map(|file| text(&file.unwrap().path())).collect();
    assert!(pictures.len() == n && pictures.iter().all(|svg| svg.starts_with("<svg xmlns=")), "{}", pictures.len());
    for figure in html.split("<figure>").skip(1) {
        let figure = figure.split("</figure>").next().unwrap();
        assert!(figure.contains("<svg") && figure.contains("<table") && figure.contains("<td"), "{figure}");
    }
    let inside = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    assert_eq!(serde_json::from_str::<Value>(inside).unwrap(), values);
    (html, values)
}

fn section<'v>(values: &'v Value, heading: &str) -> &'v Value {
    let all = values["sections"].as_array().unwrap();
    all.iter().find(|section| section["heading"] == heading).unwrap_or_else(|| panic!("no {heading}"))
}

#[test]
fn a_model_of_the_built_in_catalogue_is_shown_whole() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    train(None, "viral", &model);
    let (html, values) = report("--model", &model, None, folder.path());
    assert_eq!(html.matches("Not run.").count(), 3, "all but other trainings");
    // R@20 of the page is R@20 of training, and no block's deletion leaves it as it is.
    let accuracy = &section(&values, "Accuracy beside popularity")["values"];
    let whole = accuracy["viral"]["recall@20"].as_f64().unwrap();
    assert!(whole > 0.0 && accuracy["popularity"]["recall@20"].as_f64().unwrap() > 0.0);
    let deletions = section(&values, "What it loses without each block")["values"].as_array().unwrap();
    assert_eq!(deletions.len(), 3);
    for deletion in deletions {
        let found = deletion["recall@20"].as_f64().unwrap() - whole;
        assert!((found - deletion["difference"]["mean"].as_f64().unwrap()).abs() < 1e-9 && found != 0.0);
    }
    let shares = section(&values, "What the scores are made of")["values"].as_array().unwrap();
    let sum: f64 = shares.iter().map(|share| share[1].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    let evidence = &section(&values, "What content says of a click")["values"]["evidence"];
    assert!(evidence["total"]["corrected"].as_f64().unwrap() > evidence["total"]["null_max"].as_f64().unwrap());
    assert_eq!(section(&values, "How it was trained")["values"]["loss"].as_array().unwrap().len(), 2);
    let weights = &section(&values, "How users weigh the blocks")["values"];
    assert!(weights["synergy"]["mean"].as_f64().unwrap() > 0.0);
    // An earlier page is replaced by the same one.
    let (again, _) = report("--model", &model, None, folder.path());
    assert_eq!(again, html);
}

#[test]
fn without_data_a_page_says_what_is_missing_and_hostile_names_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("toys");
    std::fs::create_dir(&data).unwrap();
    let mut pairs = "userID\titemID\tx_label\n".to_string();
    let (mut items, mut ids) = (String::new(), String::new());
    for user in 0..60 {
        for n in 0..8 {
            let label = [0, 0, 0, 0, 0, 0, 1, 2][n];
            writeln!(pairs, "u{user}\ti{}\t{label}", (user * 3 + n * (1 + user % 5)) % 70).unwrap();
        }
    }
    for item in 0..70 {
        let title = if item == 3 { HOSTILE.to_string() } else { format!("Toy {item}") };
        writeln!(items, "{}", serde_json::json!({"id": format!("i{item}"), "title": title})).unwrap();
        writeln!(ids, "i{item}").unwrap();
    }
    for (name, content) in [("toys.inter", pairs), ("items.jsonl", items), ("item_ids.txt", ids)] {
        std::fs::write(data.join(name), content).unwrap();
    }
    let model = folder.path().join("model");
    train(Some(&data), "lightgcn", &model);
    let (html, values) = report("--model", &model, None, folder.path());
    assert!(html.contains("viral report --model") && html.matches("Not run.").count() > 5);
    assert!(section(&values, "Accuracy beside popularity")["parts"][0]["not_run"].is_string());
    assert!(html.contains("&lt;/script&gt;&lt;script&gt;alert(1)") && !html.contains("<script>alert"));
    assert!(!html.contains('\u{1b}') && !html.contains("<!--"));
    let (html, values) = report("--model", &model, Some(&data), folder.path());
    assert_eq!(html.matches("Not run.").count(), 1);
    let accuracy = &section(&values, "Accuracy beside popularity")["values"];
    assert!(accuracy["lightgcn"]["recall@20"].as_f64().unwrap() > 0.0);

    // Other data are refused, and so is what is no model or no earlier report.
    let fails = |arguments: &[&str], words: &str| {
        let mut program = viral("report");
        let (ok, _, errors) = run(program.current_dir(folder.path()).args(arguments));
        assert!(!ok && errors.contains(words), "{arguments:?}: {errors}");
    };
    let inter = data.join("toys.inter");
    std::fs::write(&inter, text(&inter).replace("u59\ti37\t0\n", "")).unwrap();
    fails(&["--model", "model", "--data", "toys", "--out", "new.html"], "not what the model was trained on");
    fails(&["--model", "toys", "--out", "new.html"], "model.safetensors");
    fails(&["--model", "model", "--out", "toys/toys.inter"], "not an earlier page");
    fails(&["--model", "model", "--out", "model/model.safetensors"], "not an earlier page");
    fails(&["--model", "model", "--out", "toys"], "is a folder");
    fails(&["--model", "model", "--out", "new.html", "--json", "toys/items.jsonl"], "not earlier figures");
    fails(&["--model", "model", "--out", "new.html", "--json", "new.html"], "name two");
    fails(&["--experiment", "toys", "--out", "new.html"], "results.jsonl");
    fails(&["--experiment", "toys", "--data", "toys", "--out", "new.html"], "--data is for --model");
    fails(&["--out", "new.html"], "--model");
    assert!(!folder.path().join("new.html").exists());
}

/// Nobody has anything left to be listed, and all users are in one group.
#[test]
fn where_everybody_has_everything_a_page_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (data, model) = (folder.path().join("toys"), folder.path().join("model"));
    std::fs::create_dir(&data).unwrap();
    let rows: String = (0..12).map(|row| format!("u{}\ti{}\n", row / 3, row % 3)).collect();
    std::fs::write(data.join("toys.inter"), format!("userID\titemID\n{rows}")).unwrap();
    let train = |model_name: &str, out: &Path| {
        let mut program = viral("train");
        program.args(["--split", "everything", "--keep-last", "--epochs", "1", "--model", model_name, "--data"]);
        run(program.arg(&data).arg("--out").arg(out))
    };
    let (ok, _, errors) = train("bpr-mf", &folder.path().join("none"));
    assert!(!ok && errors.contains("has all of them, and none is left to rank below (items: 3)"), "{errors}");
    let (ok, _, errors) = train("popularity", &model);
    assert!(ok, "{errors}");
    let mut program = viral("report");
    program.args(["--split", "everything", "--model"]).arg(&model).arg("--data").arg(&data);
    let (ok, _, errors) = run(program.arg("--out").arg(folder.path().join("report.html")));
    assert!(ok, "{errors}");
    assert!(text(&folder.path().join("report.html")).contains("There is nothing to compare"));
}

/// Checks that the tables of `viral experiment` have a difference of the page: mean, interval, p and Holm's p, in this
/// direction or in the other.
fn is_in_the_tables(found: &Value, shown: &str) {
    let name = |key: &str| match found[key].as_str().unwrap() {
        "lightgcn (d_embed = 32)" => "wide",
        name => name.split(' ').next().unwrap(),
    };
    let line = |of: &str, against: &str| {
        let start = format!("{of} − {against} ");
        let line = shown.lines().map(str::trim_start).find(|line| line.starts_with(&start))?;
        let numbers = line[start.len()..].split_whitespace().map(|number| number.parse::<f64>().unwrap());
        Some(numbers.collect::<Vec<f64>>())
    };
    let [mean, low, high] = ["mean", "low", "high"].map(|key| found["difference"][key].as_f64().unwrap());
    let (of, against) = (name("of"), name("against"));
    let (expected, line) = match line(of, against) {
        Some(line) => ([mean, low, high], line),
        None => ([-mean, -high, -low], line(against, of).unwrap_or_else(|| panic!("{of}, {against}: {shown}"))),
    };
    let [p, holm] = ["p", "holm"].map(|key| found[key].as_f64().unwrap());
    for (expected, number) in expected.iter().zip(&line) {
        assert!((expected - number).abs() < 5.1e-5, "{found}: {line:?}");
    }
    // Printed with three digits after the point at least, or with one digit in all.
    for (expected, number) in [p, holm].iter().zip(&line[3..]) {
        assert!((expected - number).abs() < 5.1e-4_f64.min(0.5 * expected), "{found}: {line:?}");
    }
}

#[test]
fn an_experiment_is_shown_with_seeds_and_comparisons() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("toys.toml");
    let toys = "name = \"toys\"\nseeds = [1, 2]\ntraining = { epochs = 2 }\n\n[[data]]\nname = \"planted\"\n\
        planted = { n_users = 150, n_items = 60 }\n\n[[models]]\nmodel = \"popularity\"\nseeds = [1]\n\n[[models]]\n\
        model = \"lightgcn\"\nsettings = { d_embed = 16 }\n\n[[models]]\nname = \"wide\"\nmodel = \"lightgcn\"\n\
        settings = { d_embed = 32 }\n";
    std::fs::write(&file, toys).unwrap();
    let out = folder.path().join("out");
    let (ok, shown, errors) = run(viral("experiment").arg(&file).arg("--out").arg(&out));
    assert!(ok, "{errors}");
    let (html, values) = report("--experiment", &out, None, folder.path());
    assert!(html.contains("lightgcn (d_embed = 16)") && html.contains("lightgcn (d_embed = 32)"), "{values}");
    let means = section(&values, "planted: what models came to")["values"].as_array().unwrap();
    let seeds: Vec<usize> =
        means.iter().map(|m| m["figures"]["recall@20"]["seeds"].as_array().unwrap().len()).collect();
    assert_eq!(seeds.iter().sum::<usize>(), 5, "{means:?}");
    let compared = section(&values, "planted: who is better than whom")["values"].as_array().unwrap();
    assert_eq!(compared.len(), 3);
    compared.iter().for_each(|found| is_in_the_tables(found, &shown));
    assert!(html.matches("<circle class=\"f1 o\"").count() == 5);
    // Without the users' files there is nothing to compare by.
    std::fs::remove_dir_all(out.join("users")).unwrap();
    let (html, _) = report("--experiment", &out, None, folder.path());
    assert!(html.contains("are not compared"));
}

/// What other commands measured of the model stands on its page, and nothing of another model.
#[test]
fn curves_of_missing_content_and_of_what_came_later_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = at("model");
    train(None, "vbpr", &model);
    let measure = |command: &str, more: &[&str], json: &str| {
        let mut program = viral(command);
        program.args(["--model", "vbpr", "--epochs", "2"]).args(more).arg("--out").arg(at(&format!("{json}-runs")));
        let (ok, _, errors) = run(program.arg("--json").arg(at(json)));
        assert!(ok, "{errors}");
    };
    measure("missing", &["--rates", "50,90", "--missing-in", "test", "--lost", "text"], "missing.json");
    measure("cold", &["--draws", "1", "--share", "0.2"], "items.json");
    measure("cold", &["--draws", "1", "--share", "0.2", "--of", "users"], "users.json");
    let page = |model: &Path| {
        let mut program = viral("report");
        program.arg("--model").arg(model).arg("--out").arg(at("page.html")).arg("--json").arg(at("page.json"));
        for (option, file) in [("--missing", "missing.json"), ("--cold", "items.json"), ("--cold", "users.json")] {
            program.arg(option).arg(at(file));
        }
        run(&mut program)
    };
    let (ok, _, errors) = page(&model);
    assert!(ok, "{errors}");
    let values: Value = serde_json::from_str(&text(&at("page.json"))).unwrap();
    let written = |name: &str| serde_json::from_str::<Value>(&text(&at(name))).unwrap();
    let missing = section(&values, "When content is missing");
    assert_eq!(missing["values"], written("missing.json"));
    let cold = section(&values, "Items and users that come after training");
    assert_eq!(cold["values"], serde_json::json!([written("items.json"), written("users.json")]));
    let html = text(&at("page.html"));
    assert!(html.contains("text missing in test") && html.contains("against profile-match"));
    assert!(!html.contains("viral missing") && !html.contains("viral cold"), "both were run");

    train(None, "lightgcn", &at("other"));
    let (ok, _, errors) = page(&at("other"));
    assert!(!ok && errors.contains("missing.json") && errors.contains("vbpr"), "{errors}");
    let mut narrow = viral("train");
    narrow.args(["--model", "vbpr", "--set", "d_embed=8", "--epochs", "2", "--out"]).arg(at("narrow"));
    assert!(run(&mut narrow).0);
    let (ok, _, errors) = page(&at("narrow"));
    assert!(!ok && errors.contains("other settings") && errors.contains("d_embed is 64, here 8"), "{errors}");
    assert!(html.contains("at most 2 epochs with a patience of 20, seed 0"));
    std::fs::write(at("missing.json"), "{}").unwrap();
    let (ok, _, errors) = page(&model);
    assert!(!ok && errors.contains("viral missing --json"), "{errors}");
}
