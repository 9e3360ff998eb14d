//! The programs of the README on toy data, as a user runs them.

use std::path::PathBuf;
use std::process::{Command, Output};

/// A built example. `cargo test` builds them beside this binary; a run of this binary alone may need
/// `cargo build --release --examples` before it.
fn program(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not built; run cargo build --release --examples", path.display());
    Command::new(path)
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_trained_model_is_saved_and_recommends() {
    let (mut train, mut recommend) = (program("train_baby"), program("recommend"));
    let folder = tempfile::tempdir().unwrap();
    let (out, json) = (folder.path().join("model"), folder.path().join("run.json"));
    train.args(["--epochs", "2", "--seed", "3", "--set", "d_embed=32", "--set", "d_fusion=32", "--out"]).arg(&out);
    let run = train.arg("--json").arg(&json).output().unwrap();
    let (shown, errors) = text(&run);
    assert!(run.status.success(), "{errors}");
    for word in ["popularity", "lightgcn", "viral", "R@20", "recommend"] {
        assert!(shown.contains(word), "no '{word}' in:\n{shown}");
    }
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    for part in ["valid", "test"] {
        for metric in ["recall", "ndcg", "precision", "map"] {
            for k in [5, 10, 20, 50] {
                let value = report[part][format!("{metric}@{k}")].as_f64().unwrap();
                assert!((0.0..=1.0).contains(&value), "{part} {metric}@{k} is {value}");
            }
        }
    }
    assert_eq!(report["history"].as_array().unwrap().len(), 2);
    assert_eq!(report["config"]["d_embed"], 32);
    assert_eq!(report["seed"], 3);

    let command = shown.lines().find(|line| line.contains("--example recommend")).unwrap();
    let user = command.split("--user ").nth(1).unwrap().split(' ').next().unwrap();
    let found = recommend.arg("--model").arg(&out).args(["--user", user, "-k", "10", "--json"]).output().unwrap();
    let (shown, errors) = text(&found);
    assert!(found.status.success(), "{errors}");
    let answer: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), 10);
    for item in items {
        let shares = item["shares"].as_array().unwrap();
        assert_eq!(shares.len(), 3);
        let sum: f64 = shares.iter().map(|share| share[1].as_f64().unwrap()).sum();
        assert_eq!(sum, item["score"].as_f64().unwrap(), "shares add up to the score exactly");
    }
}

#[test]
fn wrong_arguments_are_one_sentence() {
    let mut train = program("train_baby");
    let run = train.args(["--set", "d_embde=32"]).output().unwrap();
    let (_, errors) = text(&run);
    assert!(!run.status.success());
    assert!(errors.contains("d_embde") && errors.contains("d_embed") && !errors.contains("panicked"), "{errors}");
    let mut train = program("train_baby");
    let run = train.args(["--data", "no/such/folder"]).output().unwrap();
    let (_, errors) = text(&run);
    assert!(!run.status.success());
    assert!(errors.contains("no/such/folder") && !errors.contains("panicked"), "{errors}");
}

#[test]
fn memory_and_time_are_measured_and_plotted_against_the_number_of_items() {
    let mut scale = program("scale");
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("new/scale.svg");
    let run = scale.args(["--items", "300,1200", "--steps", "2", "--plot"]).arg(&plot).output().unwrap();
    let (shown, errors) = text(&run);
    assert!(run.status.success(), "{errors}");
    let rows: Vec<Vec<&str>> = shown.lines().skip(2).take(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows[0][0], rows[1][0], rows[0][3]), ("300", "1200", "2"), "{shown}");
    let seconds: f64 = rows[1][4].parse().unwrap();
    assert!(seconds > 0.0 && shown.contains("to the power of"), "{shown}");
    assert!(std::fs::read_to_string(&plot).unwrap().contains("exponent"));

    let mut scale = program("scale");
    // Eight items have no ten neighbours: all there are.
    let run = scale.args(["--items", "8", "--steps", "1"]).output().unwrap();
    let (shown, errors) = text(&run);
    assert!(run.status.success() && shown.lines().any(|line| line.trim_start().starts_with("8 ")), "{shown}{errors}");
    // Users who have every item leave nothing to learn.
    let run = program("scale").args(["--items", "3", "--steps", "1"]).output().unwrap();
    let (_, errors) = text(&run);
    assert!(!run.status.success() && errors.contains("3 items") && !errors.contains("panicked"), "{errors}");
}

#[test]
fn modalities_and_splits_are_chosen_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let row = |i: usize| format!("{}\t{}\n", i / 10, (i / 10 + i % 10 * 3) % 31);
    let rows: String = (0..200).map(row).collect();
    std::fs::write(folder.path().join("toys.inter"), format!("userID\titemID\n{rows}")).unwrap();
    let features = viral::data::ItemFeatures::new(31, 4, (0..124).map(|i| (i % 7) as f32).collect()).unwrap();
    for name in ["audio_feat.npy", "image_feat.npy", "titles.npy"] {
        features.write(folder.path().join(name)).unwrap();
    }
    let run = |arguments: &[&str]| {
        let mut command = program("train_baby");
        command.arg("--data").arg(folder.path()).args(["--name", "toys", "--model", "popularity", "--out"]);
        text(&command.arg(folder.path().join("out")).arg("--overwrite").args(arguments).output().unwrap())
    };
    for (arguments, expected) in [
        (&["--split", "random"][..], "visual 4 wide, audio 4 wide"),
        (&["--split", "random", "--split-seed", "5", "--modality", "audio"], "pairs; audio 4 wide"),
        (&["--split", "random:5", "--text", "titles.npy"], "text 4 wide, visual 4 wide, audio 4 wide"),
        (
            &["--split", "random", "--modality", "image", "--modality", "text=titles.npy"],
            "pairs; text 4 wide, visual 4 wide",
        ),
        (&["--split", "temporal"], "no timestamp column"),
        (&["--split", "half"], "there are label, random"),
        (&["--split", "everything", "--split-seed", "5"], "--split-seed is for --split random"),
        (&["--split", "random", "--modality", "text"], "text_feat.npy: is not there"),
        (&["--split", "random", "--modality", "Text=titles.npy"], "'Text' names no modality"),
    ] {
        let (shown, errors) = run(arguments);
        assert!(shown.contains(expected) || errors.contains(expected), "{arguments:?}:\n{shown}\n{errors}");
    }
}
