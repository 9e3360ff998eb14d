//! A server that speaks just enough of the protocol, counts what it is asked about, and misbehaves as it is told.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use viral::data::splitmix64;

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A description of the item.
    Describe,
    /// Status, further headers and body.
    Answer(u16, String, String),
    /// The same with a body of any bytes.
    Bytes(u16, String, Vec<u8>),
    /// Accepts, reads, and says nothing for a while.
    Hang,
    /// Ends the connection in the middle of the answer.
    Cut,
}

/// A request as the server saw it.
pub(crate) struct Seen {
    /// Requests before this one, to this server.
    pub(crate) index: usize,
    /// The title, which tests make the item's name.
    pub(crate) title: String,
    /// The whole body.
    pub(crate) body: Value,
}

pub(crate) type Policy = dyn Fn(&Seen) -> Act + Send + Sync;

/// Counts by title: requests, and whole descriptions sent.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) asked: HashMap<String, usize>,
    pub(crate) described: HashMap<String, usize>,
    pub(crate) keys: Vec<Option<String>>,
    /// The first line and the headers of the last request.
    pub(crate) head: String,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) counts: Arc<Mutex<Counts>>,
    /// Connections that were ever made.
    pub(crate) n_connections: Arc<AtomicUsize>,
}

impl Server {
    /// Listens on a free port for as long as the test process lives.
    pub(crate) fn start(policy: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), policy)
    }

    /// The same at an address.
    pub(crate) fn start_at(at: SocketAddr, policy: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (counts, n_connections) = (Arc::new(Mutex::new(Counts::default())), Arc::new(AtomicUsize::new(0)));
        let policy: Arc<Policy> = Arc::new(policy);
        let (shared, connections) = (Arc::clone(&counts), Arc::clone(&n_connections));
        let n_requests = Arc::new(AtomicUsize::new(0));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                let (policy, counts, n_requests) = (Arc::clone(&policy), Arc::clone(&shared), Arc::clone(&n_requests));
                std::thread::spawn(move || serve(stream, &*policy, &counts, &n_requests));
            }
        });
        Self { url, counts, n_connections }
    }

    pub(crate) fn n_asked(&self) -> usize {
        self.counts.lock().unwrap().asked.values().sum()
    }
}

/// What a good model would say about an item.
pub(crate) fn description(title: &str) -> String {
    format!(
        "This is {title}, with a smooth finish and rounded edges. It is made for small hands and fits a bright room."
    )
}

/// The body of a good answer with some text.
pub(crate) fn completion(text: &str) -> String {
    json!({
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 10 },
    })
    .to_string()
}

/// A `share` of the answers goes wrong, in every way that servers have; which, is a function of seed and request.
pub(crate) fn hostile(share: f64, seed: u64, hang: bool) -> impl Fn(&Seen) -> Act + Send + Sync {
    move |seen| {
        let bits = splitmix64(seed.wrapping_add(splitmix64(seen.index as u64)));
        if (bits >> 32) as f64 / f64::from(u32::MAX) > share {
            return Act::Describe;
        }
        let html = "<!DOCTYPE html><html><body>Bad gateway</body></html>".to_string();
        match bits % if hang { 8 } else { 7 } {
            0 => Act::Answer(429, "retry-after: 0.02\r\n".into(), "{\"error\":{\"message\":\"slow down\"}}".into()),
            1 => Act::Answer(500, String::new(), "{\"error\":{\"message\":\"out of memory\"}}".into()),
            2 => Act::Answer(200, "content-type: text/html\r\n".into(), html),
            3 => Act::Answer(200, String::new(), completion("x")[..40].to_string()),
            4 => Act::Answer(200, String::new(), completion(&"and the red and the red ".repeat(30))),
            5 => Act::Answer(503, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n".into(), String::new()),
            6 => Act::Cut,
            _ => Act::Hang,
        }
    }
}

fn serve(mut stream: TcpStream, policy: &Policy, counts: &Mutex<Counts>, n_requests: &AtomicUsize) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut buffer = Vec::new();
    loop {
        let (head, body) = request(&mut stream, &mut buffer)?;
        let body: Value = serde_json::from_slice(&body).ok()?;
        // Texts to embed count each on its own.
        let texts: Vec<String> = match body["input"].as_array() {
            Some(input) => input.iter().filter_map(|text| text.as_str()).map(str::to_string).collect(),
            None => vec![title_of(&body)?],
        };
        let title = texts.first()?.clone();
        let key = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).map(str::to_string);
        {
            let mut counts = counts.lock().unwrap();
            texts.into_iter().for_each(|text| *counts.asked.entry(text).or_default() += 1);
            counts.keys.push(key);
            counts.head = head;
        }
        let seen = Seen { index: n_requests.fetch_add(1, Ordering::SeqCst), title, body };
        match policy(&seen) {
            Act::Describe => {
                // Counted before it is sent: what the client may have, it has paid for.
                *counts.lock().unwrap().described.entry(seen.title.clone()).or_default() += 1;
                answer(&mut stream, 200, "", completion(&description(&seen.title)).as_bytes())?;
            }
            Act::Answer(status, headers, body) => answer(&mut stream, status, &headers, body.as_bytes())?,
            Act::Bytes(status, headers, body) => answer(&mut stream, status, &headers, &body)?,
            Act::Hang => {
                std::thread::sleep(Duration::from_secs(3));
                return None;
            }
            Act::Cut => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"choices\": [");
                return None;
            }
        }
    }
}

/// The title that a question about a picture quotes; without one, all of the text.
fn title_of(body: &Value) -> Option<String> {
    let content = &body["messages"][0]["content"];
    let text = content.as_array()?.iter().find_map(|part| part["text"].as_str())?;
    let title = text.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    Some(title.unwrap_or(text).to_string())
}

fn answer(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> Option<()> {
    let n = body.len();
    let head = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {n}\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).ok()
}

/// Reads one request; header names come in lower case.
fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let mut chunk = [0; 65_536];
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let lines = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let lower = |line: &str| match line.split_once(':') {
                Some((name, value)) => format!("{}:{value}\n", name.to_lowercase()),
                None => format!("{line}\n"),
            };
            let head: String = lines.lines().map(lower).collect();
            let n: usize = head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()?;
            let start = end + 4;
            while buffer.len() < start + n {
                match stream.read(&mut chunk).ok()? {
                    0 => return None,
                    n => buffer.extend_from_slice(&chunk[..n]),
                }
            }
            let body = buffer[start..start + n].to_vec();
            buffer.drain(..start + n);
            return Some((head, body));
        }
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            n => buffer.extend_from_slice(&chunk[..n]),
        }
    }
}
