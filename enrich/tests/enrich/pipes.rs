//! Pipes in the place of files: no reader waits for what may never come.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use viral::Result;
use viral::prelude::Device;
use viral_enrich::describe::{AnswerKind, Items, Journal, Prompt};
use viral_enrich::embed::VectorStore;
use viral_enrich::encode::TextEncoder;
use viral_enrich::features::{Catalogue, Descriptions, FeatureTable};
use viral_enrich::{Format, Metadata, Prepare, Reviews};

#[test]
fn no_reader_waits_for_a_pipe() {
    type Read = fn(&Path) -> Result<()>;
    let readers: [(&str, Read); 10] = [
        ("items.jsonl", |path| Items::open(path).map(drop)),
        ("item_ids.txt", |path| Catalogue::open(path.parent().unwrap()).map(drop)),
        ("descriptions.jsonl", |path| Descriptions::read(path).map(drop)),
        ("prompt.txt", |path| Prompt::read(path, AnswerKind::Prose).map(drop)),
        ("journal.jsonl", |path| Journal::open(path).map(drop)),
        ("embeddings.jsonl", |path| VectorStore::open(path).map(drop)),
        ("config.json", |path| TextEncoder::open(path.parent().unwrap(), &Device::flex()).map(drop)),
        ("text_feat.npy", |path| FeatureTable::check_free(path)),
        ("log.csv", |path| {
            Prepare::new(Reviews::new(path, Format::Csv, "u", "i"))
                .run(path.with_file_name("out"), |_, _, _| {})
                .map(drop)
        }),
        ("meta.csv", |path| {
            let log = path.with_file_name("log.csv");
            std::fs::write(&log, "u,i\na,x\n").unwrap();
            let metadata = Some(Metadata::new(path, Format::Csv, "id"));
            let prepare = Prepare { metadata, ..Prepare::new(Reviews::new(log, Format::Csv, "u", "i")) };
            prepare.run(path.with_file_name("out"), |_, _, _| {}).map(drop)
        }),
    ];
    for (name, read) in readers {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (told, answer) = mpsc::channel();
        let of = path.clone();
        std::thread::spawn(move || told.send(read(&of).map_err(|e| e.to_string())));
        let message = answer.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("{name} is waited for"));
        let message = message.unwrap_err();
        assert!(message.contains(name), "{name}: {message}");
        assert!(message.contains("is a pipe") || name == "text_feat.npy", "{name}: {message}");
    }
}
