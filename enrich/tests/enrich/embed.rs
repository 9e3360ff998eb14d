//! Vectors from servers that do everything wrong.

use crate::support::embedder::{WIDTH, answer, good, inputs, vector};
use crate::support::hostile_server::{Act, Seen, Server};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use viral::Result;
use viral::data::splitmix64;
use viral_enrich::describe::Backoff;
use viral_enrich::embed::{EmbedConfig, Embedded, VectorStore};

const CHILD: &str = "embed::child";

/// A `share` of the answers goes wrong, in every way that servers have.
fn hostile(share: f64, seed: u64) -> impl Fn(&Seen) -> Act + Send + Sync {
    move |seen| {
        let bits = splitmix64(seed.wrapping_add(splitmix64(seen.index as u64)));
        if (bits >> 32) as f64 / f64::from(u32::MAX) > share {
            return answer(seen);
        }
        let texts = inputs(seen);
        let mut body = good(&texts);
        let data = body["data"].as_array_mut().unwrap();
        let ok = |body: String| Act::Answer(200, String::new(), body);
        match bits % 11 {
            0 => Act::Answer(429, "retry-after: 0.01\r\n".into(), "{}".into()),
            1 => Act::Answer(500, String::new(), "out of memory".into()),
            2 => ok("<html>Bad gateway</html>".into()),
            3 => ok(body.to_string()[..20].to_string()),
            4 => Act::Cut,
            5 => {
                data.pop();
                ok(body.to_string())
            }
            // Not among the first, for the first answer decides how wide all are.
            6 if seen.index > 20 => {
                data[0]["embedding"].as_array_mut().unwrap().pop();
                // All of them, so that the answer agrees with itself.
                data.iter_mut().skip(1).for_each(|entry| drop(entry["embedding"].as_array_mut().unwrap().pop()));
                ok(body.to_string())
            }
            7 => {
                data[0]["embedding"][1] = Value::Null;
                ok(body.to_string())
            }
            8 => ok(body.to_string().replacen("\"embedding\":[", "\"embedding\":[NaN,", 1)),
            9 => {
                data[0]["index"] = json!(texts.len());
                ok(body.to_string())
            }
            _ => {
                data[0]["embedding"] = json!(vec![0.0; WIDTH]);
                ok(body.to_string())
            }
        }
    }
}

fn config(servers: &[&str]) -> EmbedConfig {
    let ms = Duration::from_millis;
    EmbedConfig {
        batch: 8,
        concurrency: 4,
        timeout: ms(2000),
        backoff: Backoff { base: ms(4), cap: ms(40), most_asked: ms(200), seed: 1 },
        max_failures: 20,
        patience: Duration::from_secs(10),
        ..EmbedConfig::new("test/embedder", servers.iter().copied())
    }
}

fn texts(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("A toy, no. {i}")).collect()
}

fn run(config: &EmbedConfig, texts: &[String], folder: &Path) -> Result<Embedded> {
    config.run(texts, &mut VectorStore::open(folder.join("embeddings.jsonl"))?, |_| {})
}

fn hold(embedded: &Embedded, texts: &[String]) {
    assert_eq!((embedded.width, embedded.values.len()), (WIDTH, texts.len() * WIDTH));
    for (text, found) in texts.iter().zip(embedded.values.chunks_exact(WIDTH)) {
        assert_eq!(found, vector(text), "{text}");
    }
}

#[test]
fn every_text_gets_its_own_vector_from_a_hostile_server() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let servers = [Server::start(hostile(0.3, 1)), Server::start(hostile(0.3, 2))];
    let mut all = texts(1000);
    all.push(all[3].clone());
    let config = config(&[&servers[0].url, &servers[1].url]);
    let embedded = run(&config, &all, folder.path())?;
    hold(&embedded, &all);
    assert_eq!((embedded.n_asked, embedded.refused.len()), (1000, 0), "equal texts are asked for once");
    assert!(embedded.servers.iter().all(|server| server.n_good > 20 && server.n_failed > 5), "{:?}", embedded.servers);
    // Again, with ten more: only these are asked for.
    let before = servers.each_ref().map(Server::n_asked);
    all.extend(texts(1010).split_off(1000));
    let embedded = run(&config, &all, folder.path())?;
    hold(&embedded, &all);
    let asked: usize = servers.iter().map(Server::n_asked).sum::<usize>() - before.iter().sum::<usize>();
    assert!(embedded.n_asked == 10 && asked < 10 * 20, "{asked}");
    // Another model knows none of them.
    let other = EmbedConfig { model: "other".into(), ..config };
    assert_eq!(run(&other, &all[..5], folder.path())?.n_asked, 5);
    Ok(())
}

/// Runs this binary again as a process of its own; `child` below is what it runs.
#[test]
#[ignore = "run by another test, as a process of its own"]
fn child() {
    let (folder, url) = (std::env::var("VIRAL_EMBED_FOLDER"), std::env::var("VIRAL_EMBED_SERVER"));
    let (Ok(folder), Ok(url)) = (folder, url) else { return };
    run(&config(&[&url]), &texts(600), Path::new(&folder)).unwrap();
}

#[test]
fn killed_ten_times_nothing_kept_is_asked_for_again() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let inner = hostile(0.2, 3);
    let server = Server::start(move |seen| {
        std::thread::sleep(Duration::from_millis(20));
        inner(seen)
    });
    let path = folder.path().join("embeddings.jsonl");
    for n_kills in 0..10u64 {
        let asked = server.counts.lock().unwrap().asked.clone();
        let known = VectorStore::open(&path)?.n_vectors();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", CHILD, "--ignored"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("VIRAL_EMBED_FOLDER", folder.path()).env("VIRAL_EMBED_SERVER", &server.url);
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(60 + splitmix64(n_kills) % 120));
        child.kill().unwrap();
        child.wait().unwrap();
        std::thread::sleep(Duration::from_millis(60));
        let now = server.counts.lock().unwrap().asked.clone();
        let touched = now.iter().filter(|(text, n)| asked.get(*text) != Some(n)).count();
        assert!(touched <= 600 - known, "kill {n_kills}: {touched} texts asked for, {known} were in the store");
    }
    let known = VectorStore::open(&path)?.n_vectors();
    let embedded = run(&config(&[&server.url]), &texts(600), folder.path())?;
    hold(&embedded, &texts(600));
    assert_eq!(embedded.n_asked, 600 - known);
    eprintln!("killed 10 times with {known} of 600 kept");
    assert!(known > 30);
    Ok(())
}

#[test]
fn a_text_that_is_refused_takes_no_other_with_it() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|seen| {
        let too_long = inputs(seen).iter().any(|text| text.ends_with(" 7") || text.ends_with(" 21"));
        let said = "{\"error\":{\"message\":\"more than 8192 tokens\"}}".to_string();
        if too_long { Act::Answer(400, String::new(), said) } else { answer(seen) }
    });
    let all = texts(40);
    let embedded = run(&config(&[&server.url]), &all, folder.path())?;
    assert_eq!(embedded.refused.keys().copied().collect::<Vec<_>>(), [7, 21]);
    assert!(embedded.refused[&7].contains("HTTP 400") && embedded.refused[&7].contains("more than 8192 tokens"));
    for (index, found) in embedded.values.chunks_exact(WIDTH).enumerate() {
        let expected = if [7, 21].contains(&index) { vec![0.0; WIDTH] } else { vector(&all[index]) };
        assert_eq!(found, expected, "{index}");
    }
    Ok(())
}

#[test]
fn what_cannot_succeed_ends_and_keeps_what_came() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    // One of 40 texts always breaks the server.
    let server = Server::start(|seen| match inputs(seen).iter().any(|text| text.ends_with(" 33")) {
        true => Act::Answer(200, String::new(), "{}".into()),
        false => answer(seen),
    });
    let impatient = EmbedConfig { max_failures: 3, ..config(&[&server.url]) };
    let message = run(&impatient, &texts(40), folder.path()).unwrap_err().to_string();
    assert!(message.contains("embeddings.jsonl: 8 texts failed 3 times, the last at http://"), "{message}");
    assert!(
        message.contains("no `data` in the answer; see to it and start again, what came is kept here"),
        "{message}"
    );
    assert!(VectorStore::open(folder.path().join("embeddings.jsonl"))?.n_vectors() >= 8);

    let stranger = Server::start(|_| Act::Answer(401, String::new(), "who are you".into()));
    let new = tempfile::tempdir().unwrap();
    let message = run(&config(&[&stranger.url]), &texts(3), new.path()).unwrap_err().to_string();
    assert!(message.starts_with("no server can be used; http://") && message.contains("check the key"), "{message}");
    // A store with vectors of a model that has changed its width.
    let other = Server::start(|seen| {
        let entry = |(index, _): (usize, &String)| json!({ "index": index, "embedding": [1, 2] });
        let entries: Vec<Value> = inputs(seen).iter().enumerate().map(entry).collect();
        Act::Answer(200, String::new(), json!({ "data": entries }).to_string())
    });
    let message = run(&EmbedConfig { max_failures: 2, ..config(&[&other.url]) }, &texts(60), folder.path());
    assert!(message.unwrap_err().to_string().contains("vectors of 2 numbers where others have 6; if those are wrong"));
    let none: [&str; 0] = [];
    let message = run(&EmbedConfig::new("m", none), &texts(1), folder.path()).unwrap_err().to_string();
    assert!(message.starts_with("no server"), "{message}");
    Ok(())
}
