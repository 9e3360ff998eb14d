//! `viral describe` on toy data, as a user runs it.

use crate::run;
use crate::support::catalogue::catalogue;
use crate::support::hostile_server::{Act, Server, completion, hostile};
use std::path::Path;
use std::process::Command;

fn program(folder: &Path, server: &str) -> Command {
    let mut command = crate::viral("describe");
    command.arg("--data").arg(folder).arg("--images").arg(folder.join("images"));
    command.args(["--server", server, "--model", "test/model", "--concurrency", "4"]);
    command
}

#[test]
fn pictures_become_descriptions() {
    let folder = catalogue(50, 16);
    let server = Server::start(hostile(0.1, 3, false));
    let mut program = program(folder.path(), &server.url);
    let (is_good, shown, errors) = run(program.args(["--price-in", "1", "--price-out", "10"]));
    assert!(is_good, "{errors}");
    for words in
        ["48 described and 2 quarantined", "2 quarantined: image", "tokens in", "cost 0.01", "descriptions.jsonl"]
    {
        assert!(shown.contains(words), "no '{words}' in:\n{shown}");
    }
    assert!(errors.contains("quarantined item-0042: image: item-0042.jpg: an HTML page"), "{errors}");
    let text = std::fs::read_to_string(folder.path().join("descriptions.jsonl")).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("\"text\":\"This is item-")).count(), 48);
}

#[test]
fn pictures_become_attributes() {
    let folder = catalogue(5, 16);
    let object = r#"{"category": "rattle", "colour": ["red"], "material": "wood", "style": "", "use": "play", "audience": "babies"}"#;
    let server = Server::start(move |_| Act::Answer(200, String::new(), completion(object)));
    let mut program = program(folder.path(), &server.url);
    let (is_good, _, errors) = run(program.args(["--prompt", "attributes"]));
    assert!(is_good, "{errors}");
    let text = std::fs::read_to_string(folder.path().join("attributes.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["text"], "Category: rattle. Colour: red. Material: wood. Use: play. Audience: babies.");
    assert_eq!(first["attributes"], serde_json::from_str::<serde_json::Value>(object).unwrap());
}

#[test]
fn that_nothing_is_described_is_an_error() {
    let folder = catalogue(3, 16);
    let images = folder.path().join("images");
    for entry in std::fs::read_dir(&images).unwrap() {
        std::fs::write(entry.unwrap().path(), "no picture").unwrap();
    }
    let server = Server::start(|_| Act::Describe);
    // Also where all of it is known already.
    for known in [0, 3] {
        let (is_good, shown, errors) = run(&mut program(folder.path(), &server.url));
        assert!(shown.contains(&format!("{known} known before")), "{shown}");
        assert!(!is_good && errors.contains("not one of 3 items is described"), "{errors}");
    }
    let text = std::fs::read_to_string(folder.path().join("descriptions.jsonl")).unwrap();
    assert_eq!(text.matches("\"text\":null").count(), 3);
}

#[test]
fn descriptions_made_elsewhere_are_not_replaced() {
    let folder = catalogue(3, 16);
    let path = folder.path().join("descriptions.jsonl");
    std::fs::write(&path, "{\"id\":\"item-0000\",\"text\":\"Mine.\"}\n").unwrap();
    let server = Server::start(|_| Act::Describe);
    let (is_good, _, errors) = run(&mut program(folder.path(), &server.url));
    assert!(!is_good && errors.contains("descriptions.jsonl: there already and not made here"), "{errors}");
    assert!(std::fs::read_to_string(&path).unwrap().contains("Mine.") && server.n_asked() == 0);
    std::fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        let (is_good, _, errors) = run(&mut program(folder.path(), &server.url));
        assert!(is_good, "{errors}");
    }
}

#[test]
fn edited_descriptions_are_kept_and_those_of_another_model_are_told_of() {
    let folder = catalogue(8, 16);
    let path = folder.path().join("descriptions.jsonl");
    let read = || std::fs::read_to_string(&path).unwrap();
    let server = Server::start(|_| Act::Describe);
    let describe = |more: &[&str]| run(program(folder.path(), &server.url).args(more));
    let (is_good, shown, errors) = describe(&[]);
    assert!(is_good && !shown.contains("in place of"), "{shown}{errors}");
    let (by_test, n_asked) = (read(), server.n_asked());
    // Nothing is told of what is written again.
    let (is_good, shown, errors) = describe(&[]);
    assert!(is_good && read() == by_test && !shown.contains("in place of"), "{shown}{errors}");

    let prompt = folder.path().join("short.txt");
    std::fs::write(&prompt, "Describe it in English. <title>{title}</title>").unwrap();
    let otherwise = ["--limit", "2", "--prompt", prompt.to_str().unwrap()];
    std::fs::write(&path, by_test.replace("This is item-0003", "Mine is item-0003")).unwrap();
    let (is_good, _, errors) = describe(&otherwise);
    assert!(!is_good && errors.contains("descriptions.jsonl: was changed after it was written here"), "{errors}");
    assert!(read().contains("Mine is item-0003") && server.n_asked() == n_asked);
    std::fs::remove_file(&path).unwrap();
    assert!(describe(&[]).0 && read() == by_test && server.n_asked() == n_asked);

    let (is_good, shown, errors) = describe(&otherwise);
    assert!(is_good && server.n_asked() == n_asked + 2, "{errors}");
    let told = "descriptions.jsonl, 2 in place of 8 descriptions by test/model (prompt 'title'); the earlier command writes those \
                again from the journal";
    assert!(shown.contains(told), "{shown}");
    assert!(describe(&[]).0 && read() == by_test && server.n_asked() == n_asked + 2);

    // A source of an earlier version has no hash: nothing is known of the content.
    let source = folder.path().join("descriptions.jsonl.source.json");
    let mut recorded: serde_json::Value = serde_json::from_slice(&std::fs::read(&source).unwrap()).unwrap();
    assert!(recorded.as_object_mut().unwrap().remove("sha256").is_some());
    std::fs::write(&source, recorded.to_string()).unwrap();
    std::fs::write(&path, by_test.replace("This is item-0003", "Mine is item-0003")).unwrap();
    assert!(describe(&[]).0 && read() == by_test);
}

#[test]
fn what_is_known_is_written_after_an_error_too() {
    let folder = catalogue(12, 16);
    let server = Server::start(|seen| match seen.index {
        0..3 => Act::Describe,
        _ => Act::Answer(402, String::new(), "pay first".into()),
    });
    let (is_good, _, errors) = run(&mut program(folder.path(), &server.url));
    assert!(!is_good && errors.contains("pay first") && errors.contains("descriptions.jsonl"), "{errors}");
    let text = std::fs::read_to_string(folder.path().join("descriptions.jsonl")).unwrap();
    assert_eq!(
        (text.lines().count(), text.lines().filter(|line| line.contains("\"text\":\"This is item-")).count()),
        (12, 3)
    );
}

#[test]
fn wrong_arguments_are_one_sentence() {
    let folder = catalogue(2, 16);
    for (arguments, words) in [
        (["--prompt", "titel"], "no prompt 'titel'; there are plain, title and attributes"),
        (["--data", "no/such/folder"], "no/such/folder/items.jsonl"),
        (["--images", "no/such/folder"], "no/such/folder"),
        (["--server", "127.0.0.1:8000"], "http://127.0.0.1:8000/v1"),
        (["--concurrency", "0"], "--concurrency"),
        (["--price-in", "1"], "--price-out"),
        (["--temperature", "nan"], "temperature is NaN"),
        (["--temperature", "-1"], "temperature is -1"),
        (["--max-side", "0"], "max-side is 0"),
        (["--max-tokens", "0"], "max-tokens is 0"),
        (["--server", "http://127.0.0.1:99999"], "no such port"),
    ] {
        let server = if arguments[0] == "--server" { arguments[1] } else { "http://127.0.0.1:9/v1" };
        let mut program = program(folder.path(), server);
        if !["--server", "--data", "--images", "--concurrency"].contains(&arguments[0]) {
            program.args(arguments);
        } else if arguments[0] != "--server" {
            // Given once only: the right one is replaced.
            let given: Vec<_> = program.get_args().map(ToOwned::to_owned).collect();
            let at = given.iter().position(|given| given == arguments[0]).unwrap();
            program = Command::new(program.get_program());
            program.args(&given[..=at]).arg(arguments[1]).args(&given[at + 2..]);
        }
        let (is_good, _, errors) = run(&mut program);
        assert!(!is_good && errors.contains(words) && !errors.contains("panicked"), "{arguments:?}: {errors}");
    }
}
