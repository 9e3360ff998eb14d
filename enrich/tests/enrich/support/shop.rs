//! A catalogue whose items are named after what a server answers to them.

use super::hostile_server::{Act, Seen};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use viral::Result;
use viral_enrich::describe::{
    Backoff, DescribeConfig, Described, ImageFolder, Items, Journal, Prompt, Record, read_journal,
};

/// A description that is kept as it is.
pub(crate) const GOOD: &str = "A wooden rattle with two silver bells and a smooth, rounded handle. Its small size and soft \
                               edges suit the hands of a baby, and the plain finish fits a natural nursery.";

/// A folder with an item and a picture for each name.
pub(crate) fn shop(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    let line = |name: &&str| json!({ "id": name, "title": name }).to_string() + "\n";
    std::fs::write(folder.path().join("items.jsonl"), names.iter().map(line).collect::<String>()).unwrap();
    for name in names {
        let picture = image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([x as u8 * 15, y as u8 * 15, 99]));
        picture.save(folder.path().join("images").join(format!("{name}.png"))).unwrap();
    }
    folder
}

/// The names of `n` items.
pub(crate) fn numbered(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("n{i:02}")).collect()
}

/// Settings that wait for milliseconds, and lose patience only after a while.
pub(crate) fn config(prompt: &str, server: &str) -> DescribeConfig {
    let ms = Duration::from_millis;
    DescribeConfig {
        timeout: ms(2000),
        backoff: Backoff { base: ms(4), cap: ms(20), most_asked: ms(100), seed: 1 },
        patience: Duration::from_secs(20),
        ..DescribeConfig::new(Prompt::by_name(prompt).unwrap(), "m", [server])
    }
}

/// Describes a folder and writes `descriptions.jsonl`.
pub(crate) fn describe(config: &DescribeConfig, folder: &Path) -> Result<Described> {
    let items = Items::open(folder.join("items.jsonl"))?;
    let mut journal = Journal::open(folder.join("journal.jsonl"))?;
    let images = ImageFolder::open(folder.join("images"))?;
    let described = config.run(&items, &images, &mut journal, |_| std::ops::ControlFlow::Continue(()))?;
    described.write(folder.join("descriptions.jsonl"), &items, &journal)?;
    Ok(described)
}

/// The text of each item, or why it has none.
pub(crate) fn outcomes(folder: &Path) -> BTreeMap<String, std::result::Result<String, String>> {
    let lines = std::fs::read_to_string(folder.join("descriptions.jsonl")).unwrap();
    let outcome = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().map(str::to_string);
        (text("id").unwrap(), text("text").ok_or_else(|| text("reason").unwrap()))
    };
    lines.lines().map(outcome).collect()
}

/// All records of the journal.
pub(crate) fn records(folder: &Path) -> Vec<Record> {
    let path = folder.join("journal.jsonl");
    let mut found = Vec::new();
    read_journal(&path, &std::fs::read(&path).unwrap()[..], |_, record| found.push(record)).unwrap();
    found
}

/// What `answers` gives for the item that is asked about, as an answer's text; [`GOOD`] for others.
pub(crate) fn saying(answers: &'static [(&'static str, &'static str)]) -> impl Fn(&Seen) -> Act + Send + Sync {
    move |seen| {
        let text = answers.iter().find(|(name, _)| *name == seen.title).map_or(GOOD, |(_, text)| *text);
        Act::Answer(200, String::new(), super::hostile_server::completion(&text.replace("{}", GOOD)))
    }
}
