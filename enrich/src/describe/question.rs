//! A request about one picture, as OpenAI-compatible servers take it.

use crate::server::Dialect;
use base64::Engine;
use serde_json::json;

/// What is asked about one picture.
pub(super) struct Question<'a> {
    pub(super) model: &'a str,
    pub(super) text: &'a str,
    pub(super) jpeg: &'a [u8],
    pub(super) max_tokens: u32,
    pub(super) temperature: f32,
}

impl Question<'_> {
    /// The picture goes inside the request, so that no server fetches anything on our behalf.
    pub(super) fn body(&self, dialect: &Dialect) -> Vec<u8> {
        let base64 = base64::engine::general_purpose::STANDARD.encode(self.jpeg);
        let content = json!([
            { "type": "image_url", "image_url": { "url": format!("data:image/jpeg;base64,{base64}") } },
            { "type": "text", "text": self.text },
        ]);
        let mut body = json!({ "model": self.model, "messages": [{ "role": "user", "content": content }] });
        dialect.put(&mut body, "max_tokens", self.max_tokens);
        dialect.put(&mut body, "temperature", self.temperature);
        dialect.put(&mut body, "stream", false);
        body.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_its_picture() {
        let question =
            Question { model: "m", text: "What \"is\" it?", jpeg: b"\xff\xd8", max_tokens: 9, temperature: 0.0 };
        let body: serde_json::Value = serde_json::from_slice(&question.body(&Dialect::default())).unwrap();
        let content = &body["messages"][0]["content"];
        assert_eq!(content[0]["image_url"]["url"], "data:image/jpeg;base64,/9g=");
        assert_eq!(content[1]["text"], "What \"is\" it?");
        assert_eq!((body["model"].as_str(), body["max_tokens"].as_u64()), (Some("m"), Some(9)));
    }
}
