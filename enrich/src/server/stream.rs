//! Joins answers that are streamed although whole ones were requested: server-sent events, or JSON lines.

use serde_json::{Value, json};

/// Splits a streamed body into its events; `None` if it is not a stream.
///
/// # Errors
/// Returns a sentence about an event that is not JSON.
pub(super) fn pieces(body: &str) -> Option<Result<Vec<Value>, String>> {
    let lines = || body.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines().next()?;
    let is_events = ["data:", "event:", "id:", "retry:", ":"].iter().any(|start| first.starts_with(start));
    if is_events {
        let data = lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
        let events = data.filter(|data| !data.is_empty() && *data != "[DONE]");
        let parse = |event| serde_json::from_str(event).map_err(|error| format!("an event that is no JSON ({error})"));
        return Some(events.map(parse).collect());
    }
    // Several objects, one per line: each must be complete, or the body is something else.
    if !first.starts_with('{') || lines().nth(1).is_none() {
        return None;
    }
    let objects: Option<Vec<Value>> = lines().map(|line| serde_json::from_str(line).ok()).collect();
    objects.map(Ok)
}

/// Joins the events of one answer: texts are concatenated, and of everything else the last value is kept.
///
/// # Errors
/// If there is no event, or none says that it is the last one.
pub(super) fn joined(pieces: Vec<Value>) -> Result<Value, String> {
    if let Some(error) = pieces.iter().find(|piece| piece.get("error").is_some_and(|error| !error.is_null())) {
        return Ok(error.clone());
    }
    let is_chat = |piece: &Value| piece.get("choices").is_some() || piece.get("message").is_some();
    if !pieces.iter().any(is_chat) {
        // A whole answer as a single event.
        return pieces.into_iter().next().ok_or_else(|| "a stream without any event".to_string());
    }
    let (mut content, mut refusal) = (String::new(), String::new());
    let (mut finish, mut usage) = (Value::Null, Value::Null);
    let mut is_done = false;
    for piece in &pieces {
        let choices = piece.get("choices").and_then(Value::as_array);
        // Of several answers the first is the one that was requested.
        let first = |choice: &&Value| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0;
        let choice = choices.and_then(|choices| choices.iter().find(first)).unwrap_or(piece);
        let message = choice.get("delta").or_else(|| choice.get("message"));
        let text = |key: &str| match message.and_then(|message| message.get(key)) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
            _ => String::new(),
        };
        content += &text("content");
        refusal += &text("refusal");
        if let Some(reason) = ["finish_reason", "done_reason"].iter().find_map(|key| choice.get(*key)?.as_str()) {
            finish = Value::from(reason);
        }
        is_done |= piece.get("done").and_then(Value::as_bool) == Some(true);
        if let Some(found) = piece.get("usage").filter(|usage| usage.is_object()) {
            usage = found.clone();
        }
    }
    if finish.is_null() && !is_done {
        return Err("a stream that breaks off".to_string());
    }
    let refusal = if refusal.is_empty() { Value::Null } else { Value::from(refusal) };
    let message = json!({ "role": "assistant", "content": content, "refusal": refusal });
    Ok(json!({ "choices": [{ "index": 0, "message": message, "finish_reason": finish }], "usage": usage }))
}
