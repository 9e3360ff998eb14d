//! What a server sends back, read with suspicion: anything may come with status 200.

use crate::server::json_of;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Tokens that were read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Tokens of prompts and pictures.
    #[serde(rename = "tokens_in")]
    pub input: u64,
    /// Tokens of answers.
    #[serde(rename = "tokens_out")]
    pub output: u64,
}

impl std::ops::AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
    }
}

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The text, as it came.
    pub text: String,
    /// Whether the model was cut off at the limit of tokens.
    pub is_cut: bool,
    /// What it cost, zero where the server does not say.
    pub tokens: Tokens,
}

impl Completion {
    /// Reads the body of an answer of `/v1/chat/completions`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let value = json_of(body)?;
        let choice = value.get("choices").and_then(|choices| choices.get(0)).ok_or("no `choices` in the answer")?;
        let message = choice.get("message").ok_or("no `message` in the answer")?;
        let text = match message.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
            // A model that declines may say so in a field of its own, and one that thought too long says nothing.
            _ => message.get("refusal").and_then(Value::as_str).unwrap_or_default().to_string(),
        };
        let count = |key: &str| value.get("usage").and_then(|usage| usage.get(key)?.as_u64()).unwrap_or(0);
        let tokens = Tokens { input: count("prompt_tokens"), output: count("completion_tokens") };
        let is_cut = choice.get("finish_reason").and_then(Value::as_str) == Some("length");
        Ok(Self { text, is_cut, tokens })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(body: &str) -> Result<Completion, String> {
        Completion::parse(body.as_bytes())
    }

    #[test]
    fn answers_of_servers_are_read() {
        let openai = r#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"A cot."},
            "finish_reason":"stop"}],"usage":{"prompt_tokens":700,"completion_tokens":5,"total_tokens":705}}"#;
        let tokens = Tokens { input: 700, output: 5 };
        assert_eq!(parse(openai), Ok(Completion { text: "A cot.".into(), is_cut: false, tokens }));
        let parts = r#"{"choices":[{"message":{"content":[{"type":"text","text":"A "},{"type":"x"},{"text":"cot."}]},
            "finish_reason":"length"}]}"#;
        let cut = Completion { text: "A cot.".into(), is_cut: true, tokens: Tokens::default() };
        assert_eq!(parse(parts), Ok(cut));
        let refusal = r#"{"choices":[{"message":{"content":null,"refusal":"I cannot."}}]}"#;
        assert_eq!(parse(refusal).unwrap().text, "I cannot.");
        assert_eq!(parse(r#"{"choices":[{"message":{"content":null}}]}"#).unwrap().text, "");
    }

    #[test]
    fn what_is_no_answer_says_what_it_is() {
        let message = |body: &str| parse(body).unwrap_err();
        assert_eq!(message(" \n"), "an empty answer");
        assert_eq!(message("<html><body>502"), "a page instead of JSON: ‹html›‹body›502");
        assert!(message("{\"choices\":[{\"mess").starts_with("not whole JSON"));
        assert_eq!(message(r#"{"error":{"message":"no\nmemory"}}"#), "an error with status 200: no memory");
        assert_eq!(message(r#"{"choices":[]}"#), "no `choices` in the answer");
        assert_eq!(message(r#"{"choices":[7]}"#), "no `message` in the answer");
        assert!(message(&"[".repeat(100_000)).starts_with("not whole JSON"), "deep nesting is an error");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let _ = Completion::parse(&bytes);
            let mut good = br#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7}}"#.to_vec();
            let at = at.index(good.len());
            good[at] = byte;
            let _ = Completion::parse(&good);
            let _ = Completion::parse(&good[..at]);
        }
    }
}
