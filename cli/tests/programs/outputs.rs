//! What the programs write: nothing in the place of what is not theirs, and no panic where nothing can be written.
#![cfg(unix)]

use crate::run;
use crate::train::{features, labelled, train, trained, write};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

fn bytes(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

#[test]
fn a_report_takes_no_other_files_place_and_that_is_found_out_before_the_training() {
    let (outer, folder) = labelled();
    write(&folder, "recipe.toml", "model = \"popularity\"\n");
    symlink(folder.join("toys.inter"), folder.join("link.json")).unwrap();
    let pipe = folder.join("pipe.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let recipe = folder.join("recipe.toml");
    for name in
        ["toys/toys.inter", "toys/recipe.toml", "toys/link.json", "toys/pipe.json", "toys", "out/model.safetensors"]
    {
        let (path, out) = (outer.path().join(name), outer.path().join("out"));
        let before = bytes(&folder.join("toys.inter"));
        let arguments = ["--recipe", recipe.to_str().unwrap(), "--json", path.to_str().unwrap()];
        let (is_good, shown, errors) = train(&folder, &out, &arguments);
        assert!(!is_good && errors.contains(path.file_name().unwrap().to_str().unwrap()), "{name}: {shown}{errors}");
        assert!(!out.join("model.safetensors").exists(), "{name}");
        assert_eq!((bytes(&folder.join("toys.inter")), path.is_symlink()), (before, name == "toys/link.json"));
    }
    let report = outer.path().join("run.json");
    for _ in 0..2 {
        trained(&folder, &["--model", "popularity", "--json", report.to_str().unwrap()]);
        let found: serde_json::Value = serde_json::from_slice(&bytes(&report).unwrap()).unwrap();
        assert!(found["test"]["recall@20"].is_number() && found["config"]["model"] == "popularity", "{found}");
    }
}

#[test]
fn what_is_replaced_stays_until_there_is_something_in_its_place() {
    let (_outer, folder) = labelled();
    features(&folder, 6);
    write(&folder, "item_ids.txt", "ball\ncot\nkite\ndrum\npuzzle\nlamp\n");
    let (out, _, _) = trained(&folder, &["--model", "bpr-mf", "--epochs", "1"]);
    let model = bytes(&out.path().join("model.safetensors")).unwrap();
    for (words, arguments) in [
        ("d_embed", &["--set", "d_embed=0"][..]),
        ("d_embed", &["--set", "d_embed=9223372036854775807"]),
        ("d_embed", &["--set", "d_embed=100000000000"]),
        ("visual", &["--modality", "text"]),
        ("batch_size", &["--batch-size", "0"]),
        ("--keep-last", &["--split", "everything"]),
        ("lr_decay", &["--lr-decay", "0"]),
        ("lr_decay", &["--lr-decay", "nan"]),
        ("diverged", &["--lr", "1e9"]),
        ("'--seed", &["--seed", "18446744073709551615"]),
        ("'--epochs", &["--epochs", "-1"]),
        ("'--patience", &["--patience", "9223372036854775808"]),
    ] {
        let model_of = if words == "visual" { "freedom" } else { "bpr-mf" };
        let (is_good, _, errors) = train(&folder, out.path(), &[&["--model", model_of], arguments].concat());
        assert!(!is_good && errors.contains(words), "{arguments:?}: {errors}");
        assert!(!["SplitPolicy", "Keep::", "ReadOptions"].iter().any(|word| errors.contains(word)), "{errors}");
        assert_eq!(bytes(&out.path().join("model.safetensors")).as_ref(), Some(&model), "{arguments:?}");
    }
    let (is_good, _, errors) = train(&folder, out.path(), &["--model", "popularity"]);
    assert!(is_good && bytes(&out.path().join("model.safetensors")).unwrap() != model, "{errors}");
    assert!(!out.path().join("checkpoint.safetensors").exists());
}

/// Runs a program whose output goes to something that cannot be written.
fn into(device: &str, command: &Command) -> (Option<i32>, String) {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = format!("exec \"$@\" {device}");
    let mut shell = Command::new("sh");
    let child = shell.args(["-c", &line, "sh"]).args(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let (mut child, mut errors) = (child.unwrap(), String::new());
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    (child.wait().unwrap().code(), errors)
}

/// Runs a program whose output nobody reads.
fn unread(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    (child.wait().unwrap().code(), errors)
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_and_no_panic() {
    let (outer, folder) = labelled();
    let (model, _, _) = trained(&folder, &["--model", "popularity"]);
    let at = |name: &str| outer.path().join(name);
    let toml = "name = \"t\"\n[[data]]\nname = \"p\"\nplanted = { n_users = 60, n_items = 40 }\n[[models]]\nmodel = \"popularity\"\n";
    std::fs::write(at("t.toml"), toml).unwrap();
    std::fs::write(at("log.csv"), "u,i\na,x\na,y\na,z\nb,x\nb,y\nb,z\n").unwrap();
    let command = |words: &[&str]| {
        let mut command = crate::viral(words[0]);
        command.args(&words[1..]);
        command
    };
    let text = |path: &Path| path.to_str().unwrap().to_string();
    let (data, model, file, out) = (text(&folder), text(model.path()), text(&at("t.toml")), text(&at("out")));
    let (log, prepared, run, json) =
        (text(&at("log.csv")), text(&at("prepared")), text(&at("run")), text(&at("run.json")));
    let commands = [
        vec!["train", "--data", &data, "--model", "popularity", "--out", &run, "--overwrite", "--json", &json],
        vec!["recommend", "--model", &model, "--user", "cai"],
        vec!["recommend", "--model", &model, "--user", "cai", "--json"],
        vec!["experiment", &file, "--out", &out],
        vec!["experiment", &file, "--out", &out, "--dry-run"],
        vec!["experiment", &file, "--out", &out, "--report"],
        vec![
            "prepare",
            "--reviews",
            &log,
            "--user",
            "u",
            "--item",
            "i",
            "--core",
            "1",
            "--out",
            &prepared,
            "--overwrite",
        ],
    ];
    for words in &commands {
        let (code, errors) = into(">/dev/full", &command(words));
        assert_eq!(code, Some(1), "{words:?}: {errors}");
        assert!(errors.contains("the standard output: No space left") && !errors.contains("panicked"), "{errors}");
        // What lasts is there all the same.
        assert!(words[0] != "train" || Path::new(&json).exists());
        // That nobody reads it is no fault.
        let (code, errors) = unread(&mut command(words));
        assert_eq!((code, errors.contains("panicked")), (Some(0), false), "{words:?}: {errors}");
        let (code, _) = into("2>/dev/full", &command(words));
        assert_eq!(code, Some(0), "{words:?}");
    }
}

#[test]
fn a_report_is_made_anew_when_it_is_asked_for() {
    let outer = tempfile::tempdir().unwrap();
    let (file, out) = (outer.path().join("t.toml"), outer.path().join("out"));
    let toml = |seeds: &str| {
        let rest =
            "[[data]]\nname = \"p\"\nplanted = { n_users = 60, n_items = 40 }\n[[models]]\nmodel = \"popularity\"\n";
        std::fs::write(&file, format!("name = \"t\"\nseeds = {seeds}\n{rest}")).unwrap();
    };
    toml("[1]");
    let experiment = || {
        let mut command = crate::viral("experiment");
        command.arg(&file).arg("--out").arg(&out);
        command
    };
    let (is_good, _, errors) = run(experiment().arg("--report"));
    assert!(is_good && !out.exists(), "{errors}");
    assert!(run(&mut experiment()).0);
    let before = bytes(&out.join("report.md")).unwrap();
    toml("[1, 2]");
    let (is_good, _, errors) = run(experiment().arg("--report"));
    let after = bytes(&out.join("report.md")).unwrap();
    assert!(is_good && after != before, "{errors}");
    let report = bytes(&out.join("report.md")).unwrap();
    std::fs::write(out.join("report.md"), "# Notes of mine\n").unwrap();
    for arguments in [&[][..], &["--report"]] {
        let (is_good, _, errors) = run(experiment().args(arguments));
        assert!(!is_good && errors.contains("report.md: is there already"), "{errors}");
    }
    std::fs::write(out.join("report.md"), report).unwrap();
    // What a killed process left half written goes with the next result.
    let left = out.join("users/.viral-left");
    std::fs::write(&left, "half").unwrap();
    assert!(run(&mut experiment()).0 && !left.exists());
    // A line that was changed by hand is not believed.
    let lines = std::fs::read_to_string(out.join("results.jsonl")).unwrap();
    std::fs::write(out.join("results.jsonl"), lines.replacen("\"recall@20\":0", "\"recall@20\":1", 1)).unwrap();
    let (is_good, _, errors) = run(experiment().arg("--report"));
    assert!(!is_good && errors.contains("results.jsonl:1: ") && errors.contains("checksum"), "{errors}");
}
