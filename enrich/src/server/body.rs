//! What a server sends back, read with suspicion: anything may come with status 200.

use crate::clean::clean;
use serde_json::Value;

/// The JSON of a body.
///
/// # Errors
/// What is there instead, in a sentence: nothing, a page, half of an answer, an error.
pub(crate) fn json_of(body: &[u8]) -> Result<Value, String> {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(_) if body.trim_ascii().is_empty() => return Err("an empty answer".to_string()),
        Err(_) if body.trim_ascii_start().starts_with(b"<") => {
            return Err("a page instead of JSON: ".to_string() + &excerpt(body));
        }
        Err(error) => return Err(format!("not whole JSON ({error})")),
    };
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        let message = error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), String::from);
        return Err("an error with status 200: ".to_string() + &excerpt(message.as_bytes()));
    }
    Ok(value)
}

/// The beginning of what a server said, in one printable line.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(2000)];
    clean(&String::from_utf8_lossy(head), 160)
}
