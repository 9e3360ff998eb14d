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

/// An answer that is good but for what is changed in it.
fn spoilt(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Server {
    Server::start(move |seen| {
        let mut body = good(&inputs(seen));
        change(&mut body);
        Act::Answer(200, String::new(), body.to_string())
    })
}

/// The vectors of an answer.
fn entries(body: &mut Value) -> &mut Vec<Value> {
    body["data"].as_array_mut().unwrap()
}

#[test]
fn a_server_that_does_nothing_right_ends_the_run_with_what_is_wrong() -> Result<()> {
    let text = |numbers: &Value| json!(numbers.as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>());
    let servers: Vec<(&str, Server)> = vec![
        ("no number but zeros", spoilt(|body| entries(body).iter_mut().for_each(|e| e["embedding"] = json!([])))),
        ("an `embedding` that is no list", spoilt(|body| entries(body)[0]["embedding"] = Value::Null)),
        (
            "9 vectors for 8 texts",
            spoilt(|body| {
                let more = entries(body)[0].clone();
                entries(body).push(more)
            }),
        ),
        ("7 vectors for 8 texts", spoilt(|body| drop(entries(body).pop()))),
        (
            "something else than finite numbers",
            spoilt(move |body| entries(body).iter_mut().for_each(|e| e["embedding"] = text(&e["embedding"]))),
        ),
        ("something else than finite numbers", spoilt(|body| entries(body)[3]["embedding"][2] = json!(1e300))),
        (
            "`index` is 8 among 8 texts",
            spoilt(|body| entries(body).iter_mut().for_each(|e| e["index"] = json!(e["index"].as_u64().unwrap() + 1))),
        ),
        ("`index` is -1 among 8 texts", spoilt(|body| entries(body)[0]["index"] = json!(-1))),
        ("`index` is \"0\" among 8 texts", spoilt(|body| entries(body)[7]["index"] = json!("0"))),
        ("two vectors with `index` 3", spoilt(|body| entries(body)[0]["index"] = json!(3))),
        ("numbers in one answer", spoilt(|body| drop(entries(body)[1]["embedding"].as_array_mut().unwrap().pop()))),
        ("no `data`", spoilt(|body| body["data"] = json!({"0": []}))),
        ("", Server::start(|_| Act::Cut)),
        ("", Server::start(|_| Act::Answer(204, String::new(), String::new()))),
        ("", Server::start(|_| Act::Answer(302, "location: http://127.0.0.1:9/\r\n".into(), String::new()))),
    ];
    for (words, server) in &servers {
        let folder = tempfile::tempdir().unwrap();
        let config = EmbedConfig { max_failures: 3, patience: Duration::from_secs(2), ..config(&[&server.url]) };
        let message = run(&config, &texts(8), folder.path()).unwrap_err().to_string();
        assert!(message.contains(words) && message.contains(&server.url), "{words}: {message}");
        assert_eq!(VectorStore::open(folder.path().join("embeddings.jsonl"))?.n_vectors(), 0, "{words}");
    }
    Ok(())
}

/// A server that answers a request by what `write` sends, and then closes the connection.
fn raw(write: impl Fn(&mut std::net::TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> String {
    use std::io::Read;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let write = std::sync::Arc::new(write);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let write = write.clone();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 1 << 16]);
                let _ = write(&mut stream);
            });
        }
    });
    url
}

#[test]
fn bodies_without_end_and_connections_that_break_end_the_run() {
    use std::io::Write;
    let endless = |head: &'static str, piece: &'static [u8], pause: u64| {
        raw(move |stream| {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(piece)?;
                std::thread::sleep(Duration::from_millis(pause));
            }
        })
    };
    let spaces: &[u8] = &[b' '; 4096];
    let urls = [
        // Fast and slow, with and without a length, and one head that never ends.
        endless("HTTP/1.1 200 OK\r\n\r\n", spaces, 0),
        endless("HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n", spaces, 0),
        endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", 5),
        endless("HTTP/1.1 200 OK\r\n\r\n{\"data\": [", b"[", 50),
        endless("HTTP/1.1 200 OK\r\n", b"x-more: x\r\n", 0),
        raw(|_| Ok(())),
        raw(|stream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}")),
        raw(|stream| stream.write_all(b"\x00\xff not HTTP at all\r\n\r\n")),
    ];
    for url in urls {
        let folder = tempfile::tempdir().unwrap();
        let timeout = Duration::from_millis(600);
        let config = EmbedConfig { timeout, max_failures: 2, patience: Duration::from_secs(2), ..config(&[&url]) };
        let start = std::time::Instant::now();
        let message = run(&config, &texts(8), folder.path()).unwrap_err().to_string();
        assert!(message.contains(&url), "{message}");
        assert!(start.elapsed() < Duration::from_secs(12), "{:?}: {message}", start.elapsed());
    }
}

#[test]
fn a_width_that_changes_from_one_answer_to_the_next_is_told() {
    let server = Server::start(|seen| {
        let mut body = good(&inputs(seen));
        if seen.index >= 2 {
            entries(&mut body).iter_mut().for_each(|entry| drop(entry["embedding"].as_array_mut().unwrap().pop()));
        }
        Act::Answer(200, String::new(), body.to_string())
    });
    let folder = tempfile::tempdir().unwrap();
    let config = EmbedConfig { max_failures: 3, concurrency: 1, ..config(&[&server.url]) };
    let message = run(&config, &texts(40), folder.path()).unwrap_err().to_string();
    assert!(message.contains(&format!("vectors of {} numbers where others have {WIDTH}", WIDTH - 1)), "{message}");
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
