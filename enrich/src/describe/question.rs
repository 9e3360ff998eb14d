//! Chat completion requests about one picture, as OpenAI-compatible servers accept them.

use crate::server::Dialect;
use base64::Engine;
use serde_json::{Value, json};

/// A request about one picture.
pub(super) struct Question<'a> {
    pub(super) model: &'a str,
    pub(super) text: &'a str,
    pub(super) jpeg: Option<&'a [u8]>,
    pub(super) max_tokens: u32,
    pub(super) temperature: f32,
}

impl Question<'_> {
    /// Builds the body of the request.
    pub(super) fn body(&self, dialect: &Dialect) -> Vec<u8> {
        let mut body = json!({ "model": self.model, "messages": message(self.text, self.jpeg) });
        dialect.put(&mut body, "max_tokens", self.max_tokens);
        dialect.put(&mut body, "temperature", self.temperature);
        dialect.put(&mut body, "stream", false);
        body.to_string().into_bytes()
    }
}

/// Builds the only message of a request: the picture, if there is one, then the text. The picture is inlined, so that
/// no server fetches anything on our behalf.
pub(crate) fn message(text: &str, jpeg: Option<&[u8]>) -> Value {
    let mut content = Vec::new();
    if let Some(jpeg) = jpeg {
        let base64 = base64::engine::general_purpose::STANDARD.encode(jpeg);
        let url = format!("data:image/jpeg;base64,{base64}");
        content.push(json!({ "type": "image_url", "image_url": { "url": url } }));
    }
    content.push(json!({ "type": "text", "text": text }));
    json!([{ "role": "user", "content": content }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_its_picture() {
        let question =
            Question { model: "m", text: "What \"is\" it?", jpeg: Some(b"\xff\xd8"), max_tokens: 9, temperature: 0.0 };
        let body: serde_json::Value = serde_json::from_slice(&question.body(&Dialect::default())).unwrap();
        let content = &body["messages"][0]["content"];
        assert_eq!(content[0]["image_url"]["url"], "data:image/jpeg;base64,/9g=");
        assert_eq!(content[1]["text"], "What \"is\" it?");
        assert_eq!((body["model"].as_str(), body["max_tokens"].as_u64()), (Some("m"), Some(9)));
    }
}
