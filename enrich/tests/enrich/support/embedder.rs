//! A server of embeddings that does everything right.

use super::hostile_server::{Act, Seen};
use serde_json::{Value, json};
use viral::data::splitmix64;

/// Numbers of its vectors.
pub(crate) const WIDTH: usize = 6;

/// The vector that a good server has for a text.
pub(crate) fn vector(text: &str) -> Vec<f32> {
    let seed = text.bytes().fold(7, |hash, byte| splitmix64(hash ^ u64::from(byte)));
    (0..WIDTH as u64).map(|i| (splitmix64(seed ^ i) % 2000) as f32 / 1000.0 - 1.0005).collect()
}

/// The texts of a request.
pub(crate) fn inputs(seen: &Seen) -> Vec<String> {
    seen.body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_string()).collect()
}

/// A good answer, its vectors in reverse order.
pub(crate) fn good(texts: &[String]) -> Value {
    let entries = texts.iter().enumerate().rev();
    let entries: Vec<Value> =
        entries.map(|(index, text)| json!({ "index": index, "embedding": vector(text) })).collect();
    json!({ "object": "list", "data": entries, "model": "m" })
}

/// A good answer to a request.
pub(crate) fn answer(seen: &Seen) -> Act {
    Act::Answer(200, String::new(), good(&inputs(seen)).to_string())
}
