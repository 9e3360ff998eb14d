//! `viral embed` on toy data, as a user runs it, and what is learned from its features.

use crate::run;
use crate::support::catalogue::catalogue;
use crate::support::embedder::{WIDTH, vector};
use crate::support::hostile_server::{Act, Server, completion};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn program(folder: &Path, server: &str) -> Command {
    let mut command = crate::viral("embed");
    command.arg("--data").arg(folder).arg("--images").arg(folder.join("images"));
    command.args(["--server", server, "--model", "test/model", "--concurrency", "4"]);
    command
}

fn good() -> Server {
    Server::start(|seen| {
        let body = json!({
            "data": [{ "index": 0, "object": "embedding", "embedding": vector(&seen.title) }],
            "usage": { "prompt_tokens": 100, "total_tokens": 100 },
        });
        Act::Answer(200, String::new(), body.to_string())
    })
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Twenty users, each with seven of 50 items in a row.
fn add_interactions(folder: &Path) {
    let mut inter = "userID\titemID\tx_label\n".to_string();
    for user in 0..20 {
        for k in 0..7 {
            let label = if k < 5 { 0 } else { k - 4 };
            inter += &format!("u{user}\titem-{:04}\t{label}\n", (user * 2 + k * k) % 50);
        }
    }
    std::fs::write(folder.join("toy.inter"), inter).unwrap();
}

#[test]
fn pictures_and_titles_become_features_that_models_learn_from() {
    let folder = catalogue(50, 16);
    let server = good();
    let mut first = program(folder.path(), &server.url);
    let (is_good, shown, errors) = run(first.args(["--price-in", "1", "--price-out", "10", "--limit", "20"]));
    assert!(is_good, "{errors}");
    assert!(shown.contains("20 embedded") && shown.contains("30 items are not asked yet"), "{shown}");
    let (is_good, shown, errors) =
        run(program(folder.path(), &server.url).args(["--price-in", "1", "--price-out", "10"]));
    assert!(is_good, "{errors}");
    for words in [
        "29 embedded and 1 quarantined",
        "20 known before",
        "1 quarantined: image",
        "2900 tokens in",
        "cost 0.00",
        "1 items have no picture and were embedded by their words alone; --require-pictures leaves them out",
        "multimodal_feat.npy: 49 items of 50, 6 numbers each",
    ] {
        assert!(shown.contains(words), "no '{words}' in:\n{shown}");
    }
    let made = json_of(&folder.path().join("multimodal_feat.npy.provenance.json"));
    assert_eq!((&made["n_without_picture"], &made["width"]), (&json!(1), &json!(WIDTH)));
    assert_eq!((&made["encoder"]["name"], &made["prompt"]["name"]), (&json!("test/model"), &json!("embed")));
    assert!(made["inputs"]["items.jsonl"].is_string());
    let masked = std::fs::read_to_string(folder.path().join("multimodal_feat.npy.mask.jsonl")).unwrap();
    assert!(masked.contains("item-0042") && !masked.contains("item-0041"), "{masked}");

    add_interactions(folder.path());
    for model in ["vbpr", "freedom", "viral"] {
        let mut train = crate::viral("train");
        train.arg("--data").arg(folder.path()).args(["--name", "toy", "--modality", "multimodal", "--model", model]);
        let (is_good, shown, errors) = run(train.args(["--epochs", "1", "--out"]).arg(folder.path().join(model)));
        assert!(is_good && (shown + &errors).contains("multimodal"), "{model}: {errors}");
    }

    // Pictures on demand: only the item without one is another question now, and its answer is not to be had.
    let n_asked = server.n_asked();
    let (is_good, shown, errors) = run(program(folder.path(), &server.url).arg("--require-pictures"));
    assert!(is_good && shown.contains("48 items of 50") && server.n_asked() == n_asked, "{shown}{errors}");
    assert!(!shown.contains("by their words alone"), "{shown}");
}

#[test]
fn texts_are_encoded_in_the_same_space() {
    let folder = catalogue(3, 16);
    let server = good();
    let mut encode = crate::viral("encode");
    encode.arg("--data").arg(folder.path()).args(["--server", &server.url, "--model", "test/model"]);
    let (is_good, shown, errors) = run(encode.args(["--form", "messages", "--only", "text", "--fields", "title"]));
    assert!(is_good && shown.contains("text_feat.npy: 3 items of 3"), "{shown}{errors}");
    assert_eq!(server.counts.lock().unwrap().asked.len(), 3, "a text a request");
}

#[test]
fn attributes_become_features_that_neighbours_are_found_by() {
    let folder = catalogue(50, 16);
    let server = Server::start(|seen| {
        let n: usize = seen.title[5..].parse().unwrap();
        let (colour, material) = (["red", "Blue", "green"][n % 3], ["wood", "felt"][n / 2 % 2]);
        let object = json!({
            "category": "rattle", "colour": [colour], "material": material, "style": format!("style {n}"), "use": "",
            "audience": "babies",
        });
        Act::Answer(200, String::new(), completion(&object.to_string()))
    });
    let mut describe = crate::viral("describe");
    describe.arg("--data").arg(folder.path()).arg("--images").arg(folder.path().join("images"));
    describe.args(["--server", &server.url, "--model", "test/model", "--prompt", "attributes"]);
    let (is_good, shown, errors) = run(&mut describe);
    assert!(is_good, "{errors}");
    let words = "7 attributes, 48 rarer ones dropped; 48 of 50 items have some (96.0 %), 4.0 each";
    assert!(shown.contains(words), "{shown}");
    add_interactions(folder.path());
    let mut train = crate::viral("train");
    train.arg("--data").arg(folder.path()).args(["--name", "toy", "--model", "attribute-knn"]);
    let (is_good, shown, errors) =
        run(train.args(["--modality", "attributes=attributes.jsonl", "--out"]).arg(folder.path().join("model")));
    assert!(is_good && (shown + &errors).contains("attributes 7 wide"), "{errors}");
}

#[test]
fn wrong_arguments_are_one_sentence() {
    let folder = catalogue(2, 16);
    for (arguments, words) in [
        (["--prompt", "no/such/file"], "no/such/file"),
        (["--max-side", "0"], "max-side is 0"),
        (["--name", "../x.npy"], "folder of results"),
        (["--price-in", "1"], "--price-out"),
    ] {
        let (is_good, _, errors) = run(program(folder.path(), "http://127.0.0.1:9/v1").args(arguments));
        assert!(!is_good && errors.contains(words), "{arguments:?}: {errors}");
    }
    // Features of somebody else.
    std::fs::write(folder.path().join("multimodal_feat.npy"), "x").unwrap();
    let (is_good, _, errors) = run(&mut program(folder.path(), "http://127.0.0.1:9/v1"));
    assert!(!is_good && errors.contains("there already, without provenance"), "{errors}");
}
