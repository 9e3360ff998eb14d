//! Pictures and titles embedded together, by servers that do everything wrong.

use crate::support::catalogue::catalogue;
use crate::support::embedder::{WIDTH, vector};
use crate::support::hostile_server::{Act, Seen, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use viral::Result;
use viral::data::{Provenance, splitmix64};
use viral_enrich::describe::{Backoff, ImageFolder, Items, Journal, Record, read_journal};
use viral_enrich::embed::{EmbedConfig, EmbeddedItems, ItemEmbedConfig, TextForm, VectorStore};
use viral_enrich::features::{Catalogue, FeatureTable};

const CHILD: &str = "embed_items::child";
const WORKERS: usize = 8;

/// What a server that knows an item by title and picture says of it; a picture makes the vector another one.
fn vector_of(seen: &Seen) -> Vec<f32> {
    vector(&if has_picture(seen) { format!("{} seen", seen.title) } else { seen.title.clone() })
}

fn has_picture(seen: &Seen) -> bool {
    seen.body["messages"][0]["content"][0]["type"] == "image_url"
}

/// An answer as vLLM's pooling models give it.
pub(crate) fn answer(embedding: Value) -> Value {
    json!({
        "id": "embd-5c21fc9a5c9d4384a1b9daccaf9f64d", "object": "list", "created": 1745410304, "model": "test/model",
        "data": [{ "index": 0, "object": "embedding", "embedding": embedding }],
        "usage": { "prompt_tokens": 70, "total_tokens": 70, "completion_tokens": 0, "prompt_tokens_details": null },
    })
}

fn good(seen: &Seen) -> Act {
    Act::Answer(200, String::new(), answer(json!(vector_of(seen))).to_string())
}

/// A `share` of the answers goes wrong, in every way that servers have.
fn hostile(share: f64, seed: u64) -> impl Fn(&Seen) -> Act + Send + Sync {
    move |seen| {
        let bits = splitmix64(seed.wrapping_add(splitmix64(seen.index as u64)));
        if (bits >> 32) as f64 / f64::from(u32::MAX) > share {
            return good(seen);
        }
        let vector = vector_of(seen);
        let ok = |body: Value| Act::Answer(200, String::new(), body.to_string());
        match bits % 11 {
            0 => Act::Answer(429, "retry-after: 0.01\r\n".into(), "{}".into()),
            1 => Act::Answer(500, String::new(), "out of memory".into()),
            2 => Act::Answer(200, "content-type: text/html\r\n".into(), "<html>Bad gateway</html>".into()),
            3 => Act::Answer(200, String::new(), answer(json!(vector)).to_string()[..150].into()),
            4 => Act::Cut,
            5 => ok(json!({ "object": "list", "data": [] })),
            // Not among the first, for the first answer decides how wide all are.
            6 if seen.index > 20 => ok(answer(json!(vector[1..]))),
            7 => ok(answer(json!([null, 1.0]))),
            8 => Act::Answer(
                200,
                String::new(),
                answer(json!(vector)).to_string().replacen("\"embedding\":[", "\"embedding\":[NaN,", 1),
            ),
            9 => ok(answer(json!(vec![0.0; WIDTH]))),
            _ => Act::Answer(503, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n".into(), String::new()),
        }
    }
}

pub(crate) fn config(servers: &[&str]) -> ItemEmbedConfig {
    let ms = Duration::from_millis;
    ItemEmbedConfig {
        concurrency: WORKERS,
        timeout: ms(2000),
        backoff: Backoff { base: ms(4), cap: ms(40), most_asked: ms(200), seed: 1 },
        max_failures: 20,
        patience: Duration::from_secs(10),
        ..ItemEmbedConfig::new("test/model", servers.iter().copied()).unwrap()
    }
}

pub(crate) fn run(config: &ItemEmbedConfig, folder: &Path) -> Result<(EmbeddedItems, FeatureTable)> {
    let items = Items::open(folder.join("items.jsonl"))?;
    let images = ImageFolder::open(folder.join("images"))?;
    let mut journal = Journal::open(folder.join("embed_journal.jsonl"))?;
    let embedded = config.run(&items, &images, &mut journal, |_| ControlFlow::Continue(()))?;
    let table = embedded.table(&Catalogue::open(folder)?, &items, &journal)?;
    Ok((embedded, table))
}

fn records(folder: &Path) -> Vec<Record> {
    let path = folder.join("embed_journal.jsonl");
    let mut found = Vec::new();
    if let Ok(bytes) = std::fs::read(&path) {
        read_journal(&path, &bytes[..], |_, record| found.push(record)).unwrap();
    }
    found
}

/// Every item has its own vector; of each hundred one has no picture, and one a page in its place.
fn hold(table: &FeatureTable, n_items: usize) {
    assert_eq!((table.features.n_items(), table.features.width()), (n_items, WIDTH));
    for item in 0..n_items {
        let id = format!("item-{item:04}");
        let expected = match item % 100 {
            41 => vector(&id),
            42 => vec![0.0; WIDTH],
            _ => vector(&format!("{id} seen")),
        };
        assert_eq!(table.features.row(item), expected, "{id}");
        assert_eq!(table.mask.reasons.contains_key(&id), item % 100 == 42, "{id}");
    }
}

#[test]
fn requests_and_answers_are_those_of_pooling_models() -> Result<()> {
    let folder = catalogue(42, 16);
    std::fs::write(
        folder.path().join("items.jsonl"),
        "{\"id\": \"item-0000\", \"title\": \"Wooden </title> rattle\", \"categories\": [\"Baby\", \"Toys\"]}\n\
         {\"id\": \"item-0041\", \"title\": \"No picture\"}\n",
    )
    .unwrap();
    for is_packed in [false, true] {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen_bodies = Arc::clone(&bodies);
        let server = Server::start(move |seen| {
            seen_bodies.lock().unwrap().push(seen.body.clone());
            let numbers = vector_of(seen);
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            let embedding = if is_packed { json!(STANDARD.encode(bytes)) } else { json!(numbers) };
            Act::Answer(200, String::new(), answer(embedding).to_string())
        });
        let _ = std::fs::remove_file(folder.path().join("embed_journal.jsonl"));
        let (embedded, table) = run(&ItemEmbedConfig { concurrency: 1, ..config(&[&server.url]) }, folder.path())?;
        assert!(server.counts.lock().unwrap().head.starts_with("POST /v1/embeddings HTTP/1.1"));
        let bodies = bodies.lock().unwrap();
        let url = bodies[0]["messages"][0]["content"][0]["image_url"]["url"].as_str().unwrap().to_string();
        let jpeg = STANDARD.decode(url.strip_prefix("data:image/jpeg;base64,").unwrap()).unwrap();
        assert_eq!(image::load_from_memory(&jpeg).unwrap().width(), 16);
        let text = bodies[0]["messages"][0]["content"][1]["text"].as_str().unwrap().to_string();
        assert!(
            text.contains("<categories>Baby, Toys</categories>") && text.matches("</title>").count() == 1,
            "{text}"
        );
        let expected = json!({
            "model": "test/model",
            "messages": [{ "role": "user", "content": [
                { "type": "image_url", "image_url": { "url": url } },
                { "type": "text", "text": text },
            ] }],
            "encoding_format": "float",
        });
        assert_eq!(bodies[0], expected);
        let alone = bodies[1]["messages"][0]["content"].as_array().unwrap();
        assert!(alone.len() == 1 && alone[0]["text"].as_str().unwrap().contains("<title>No picture</title>"));
        assert_eq!((embedded.n_without_picture, embedded.progress.tokens.input), (1, 140));
        assert_eq!(table.features.row(1), vector("No picture"));
        let made = embedded.provenance(Provenance::new(table.ids.clone(), WIDTH));
        assert_eq!((made.n_without_picture, made.encoder.unwrap().name), (Some(1), "test/model".to_string()));
        assert_eq!(made.prompt.unwrap().name, "embed");
    }
    Ok(())
}

#[test]
fn a_thousand_items_survive_thirty_percent_of_faults() -> Result<()> {
    let folder = catalogue(1000, 16);
    let servers = [Server::start(hostile(0.3, 1)), Server::start(hostile(0.3, 2))];
    let config = config(&[&servers[0].url, &servers[1].url]);
    let (embedded, table) = run(&config, folder.path())?;
    hold(&table, 1000);
    let progress = &embedded.progress;
    assert_eq!((progress.n_described, progress.n_quarantined, embedded.n_without_picture), (990, 10, 10));
    assert_eq!(embedded.faults["image"], 10);
    assert!(
        embedded.servers.iter().all(|server| server.n_good > 100 && server.n_failed > 50),
        "{:?}",
        embedded.servers
    );
    let n_failed: u64 = embedded.servers.iter().map(|server| server.n_failed).sum();
    eprintln!("{} requests, {n_failed} failures, {:.1} s", progress.n_requests, progress.seconds);
    // A second run asks nothing and gives the same.
    let before: usize = servers.iter().map(Server::n_asked).sum();
    let (again, same) = run(&config, folder.path())?;
    assert_eq!((again.progress.n_before, again.n_without_picture), (1000, 10));
    assert_eq!((servers.iter().map(Server::n_asked).sum::<usize>(), same), (before, table));
    Ok(())
}

/// Runs this binary again as a process of its own; `child` below is what it runs.
#[test]
#[ignore = "run by another test, as a process of its own"]
fn child() {
    let (folder, url) = (std::env::var("VIRAL_ITEMS_FOLDER"), std::env::var("VIRAL_ITEMS_SERVER"));
    let (Ok(folder), Ok(url)) = (folder, url) else { return };
    run(&config(&[&url]), Path::new(&folder)).unwrap();
}

#[test]
fn killed_twenty_times_nothing_kept_is_paid_for_again() -> Result<()> {
    let folder = catalogue(1000, 16);
    let inner = hostile(0.3, 6);
    let paid: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let bill = Arc::clone(&paid);
    let server = Server::start(move |seen| {
        std::thread::sleep(Duration::from_millis(15));
        let act = inner(seen);
        // What the client may have, it has paid for.
        let whole = answer(json!(vector_of(seen))).to_string();
        if matches!(&act, Act::Answer(200, _, body) if *body == whole) {
            *bill.lock().unwrap().entry(seen.title.clone()).or_default() += 1;
        }
        act
    });
    let (mut known, mut n_lost) = (HashSet::new(), 0);
    for n_kills in 0..20u64 {
        let asked_before = server.counts.lock().unwrap().asked.clone();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", CHILD, "--ignored"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("VIRAL_ITEMS_FOLDER", folder.path()).env("VIRAL_ITEMS_SERVER", &server.url);
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(60 + splitmix64(n_kills) % 240));
        child.kill().unwrap();
        child.wait().unwrap();
        // Requests that had been sent before the kill may still be on their way through the server.
        std::thread::sleep(Duration::from_millis(60));
        let asked = server.counts.lock().unwrap().asked.clone();
        for item in &known {
            assert_eq!(asked.get(item), asked_before.get(item), "{item} was in the journal and is asked again");
        }
        let kept = records(folder.path());
        known = kept.iter().map(|record| record.item.clone()).collect();
        let n_paid: usize = paid.lock().unwrap().values().sum();
        let lost = n_paid - kept.iter().filter(|record| record.text.is_some()).count();
        assert!(lost - n_lost <= WORKERS, "kill {n_kills} lost {} answers", lost - n_lost);
        n_lost = lost;
    }
    let n_known = known.len();
    let (_, table) = run(&config(&[&server.url]), folder.path())?;
    hold(&table, 1000);
    let all = records(folder.path());
    assert_eq!((all.len(), all.iter().map(|r| &r.item).collect::<HashSet<_>>().len()), (1000, 1000));
    let paid = paid.lock().unwrap();
    let n_paid: usize = paid.values().sum();
    assert!(paid.len() == 990 && n_paid - 990 == n_lost, "{n_paid} answers paid for, {n_lost} lost in flight");
    eprintln!(
        "killed 20 times with {n_known} of 1000 done, {n_lost} answers lost in flight, none that was kept paid twice"
    );
    assert!(n_known > 50);
    Ok(())
}

#[test]
fn items_without_pictures_are_embedded_by_their_words_or_left_out_on_demand() -> Result<()> {
    let folder = catalogue(44, 16);
    let mut lines = std::fs::read_to_string(folder.path().join("items.jsonl")).unwrap();
    lines += "{\"id\": \"nothing\"}\n";
    std::fs::write(folder.path().join("items.jsonl"), lines).unwrap();
    let server = Server::start(good);
    let usual = config(&[&server.url]);
    let (embedded, table) = run(&usual, folder.path())?;
    assert_eq!((embedded.n_without_picture, embedded.progress.n_quarantined), (1, 2));
    let reason = |table: &FeatureTable, id: &str| table.mask.reasons.get(id).cloned().unwrap_or_default();
    assert!(reason(&table, "nothing").starts_with("image: no file for it in the folder, nor any of the words"));
    assert!(reason(&table, "item-0042").contains("item-0042.jpg: an HTML page"));
    // What is asked for now is not what was: neither is taken for the other.
    let n_asked = server.n_asked();
    let (demanding, table) = run(&ItemEmbedConfig { needs_picture: true, ..usual.clone() }, folder.path())?;
    assert_eq!((demanding.n_without_picture, server.n_asked()), (0, n_asked));
    assert_eq!(reason(&table, "item-0041"), "image: no file for it in the folder");
    let (again, table) = run(&usual, folder.path())?;
    assert_eq!((again.n_without_picture, server.n_asked(), reason(&table, "item-0041")), (1, n_asked, String::new()));
    Ok(())
}

#[test]
fn items_that_fail_are_quarantined_and_servers_that_refuse_all_end_the_run() -> Result<()> {
    let folder = catalogue(30, 16);
    let server = Server::start(|seen| match seen.title.as_str() {
        "item-0003" => Act::Answer(200, String::new(), answer(json!("A!AA")).to_string()),
        "item-0007" => Act::Answer(400, String::new(), "{\"error\":{\"message\":\"Invalid image.\"}}".into()),
        _ => good(seen),
    });
    let patient = ItemEmbedConfig { max_failures: 2, ..config(&[&server.url]) };
    let (embedded, table) = run(&patient, folder.path())?;
    assert_eq!((embedded.progress.n_described, embedded.progress.n_quarantined), (28, 2));
    assert!(table.mask.reasons["item-0003"].starts_with("server: an `embedding` that is no base64"));
    assert!(table.mask.reasons["item-0007"].starts_with("rejected: HTTP 400"));
    // Asked again on demand, and only they.
    let mended = Server::start(good);
    let again = ItemEmbedConfig { retry_quarantined: true, ..config(&[&mended.url]) };
    let (_, table) = run(&again, folder.path())?;
    assert!(mended.n_asked() == 2 && table.mask.reasons.is_empty());
    // A limit, and what is not asked yet.
    let other = ItemEmbedConfig { limit: Some(5), ..config(&[&mended.url]) };
    let other = ItemEmbedConfig { model: "other".into(), ..other };
    let (embedded, table) = run(&other, folder.path())?;
    assert_eq!((embedded.progress.n_done(), table.mask.reasons["item-0029"].as_str()), (5, "not asked yet"));

    let new = catalogue(30, 16);
    let blind = Server::start(|_| Act::Answer(400, String::new(), "this model does not take messages".into()));
    let message = run(&config(&[&blind.url]), new.path()).unwrap_err().to_string();
    assert!(
        message.contains("none of the first 20 items could be embedded") && message.contains("no item is blamed"),
        "{message}"
    );
    let stranger = Server::start(|_| Act::Answer(401, String::new(), "who are you".into()));
    let message = run(&config(&[&stranger.url]), new.path()).unwrap_err().to_string();
    assert!(message.contains("check the key") && records(new.path()).is_empty(), "{message}");
    let small = ItemEmbedConfig::new("m", ["http://127.0.0.1:9"])?;
    let picture = viral_enrich::describe::PictureSettings { max_side: 0, ..Default::default() };
    let message = run(&ItemEmbedConfig { picture, ..small }, new.path()).unwrap_err().to_string();
    assert!(message.starts_with("max-side is 0"), "{message}");
    Ok(())
}

#[test]
fn a_model_that_changes_its_width_is_told() -> Result<()> {
    let folder = catalogue(20, 16);
    let server = Server::start(good);
    run(&ItemEmbedConfig { limit: Some(10), ..config(&[&server.url]) }, folder.path())?;
    let other = Server::start(|seen| Act::Answer(200, String::new(), answer(json!(vector_of(seen)[1..])).to_string()));
    let (embedded, table) = run(&ItemEmbedConfig { max_failures: 2, ..config(&[&other.url]) }, folder.path())?;
    assert_eq!((embedded.progress.n_quarantined, table.features.width()), (10, WIDTH));
    let reason = table.mask.reasons.values().next().unwrap();
    assert!(reason.contains(&format!("a vector of {} numbers where others have {WIDTH}", WIDTH - 1)), "{reason}");
    Ok(())
}

#[test]
fn texts_are_embedded_in_the_form_of_items() -> Result<()> {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen_bodies = Arc::clone(&bodies);
    let server = Server::start(move |seen| {
        seen_bodies.lock().unwrap().push(seen.body.clone());
        good(seen)
    });
    let folder = tempfile::tempdir().unwrap();
    let mut store = VectorStore::open(folder.path().join("embeddings.jsonl"))?;
    let form = TextForm::Messages;
    let texts = EmbedConfig { form, concurrency: 1, ..EmbedConfig::new("test/model", [&server.url]) };
    let embedded = texts.run(&["A rattle", "A cot", "A rattle"], &mut store, |_| {})?;
    assert_eq!(embedded.values, ["A rattle", "A cot", "A rattle"].map(vector).concat());
    let expected = |text: &str| {
        json!({
            "model": "test/model", "encoding_format": "float",
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": text }] }],
        })
    };
    assert_eq!(*bodies.lock().unwrap(), [expected("A rattle"), expected("A cot")]);
    assert_eq!(texts.run(&["A cot"], &mut store, |_| {})?.n_asked, 0);
    Ok(())
}
