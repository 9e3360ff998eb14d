//! Parses chat completions defensively: anything may come with status 200.

use crate::server::{ApiKey, Dialect, Head, Reply, json_of};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Token counts of input and output.
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
    /// The text as received.
    pub text: String,
    /// Why the model or its server does not answer, if stated outside of the text.
    pub refusal: Option<String>,
    /// Whether the answer was cut off at the token limit.
    pub is_cut: bool,
    /// Token counts; zero if the server does not report them.
    pub tokens: Tokens,
}

impl Completion {
    /// Parses the body of a response from `/v1/chat/completions`.
    ///
    /// # Errors
    /// Returns a sentence that says what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let value = json_of(body)?;
        let choice = value.get("choices").and_then(|choices| choices.get(0)).ok_or("no `choices` in the answer")?;
        let message = choice.get("message").ok_or("no `message` in the answer")?;
        let mut text = String::new();
        let mut refusal = said(message.get("refusal"));
        match message.get("content") {
            Some(Value::Array(parts)) => {
                for part in parts {
                    refusal = refusal.or_else(|| said(part.get("refusal")));
                    text += text_of(part);
                }
            }
            Some(content) => text += text_of(content),
            None => {}
        }
        let count = |key: &str| value.get("usage").and_then(|usage| usage.get(key)?.as_u64()).unwrap_or(0);
        let tokens = Tokens { input: count("prompt_tokens"), output: count("completion_tokens") };
        let finish = choice.get("finish_reason").or_else(|| choice.get("stop_reason")).and_then(Value::as_str);
        let finish = finish.unwrap_or_default().to_lowercase();
        if FAILED.contains(&finish.as_str()) {
            return Err(format!("the server broke the answer off (`finish_reason` {finish})"));
        }
        if FILTERED.iter().any(|filtered| finish.starts_with(filtered)) {
            refusal = refusal.or_else(|| Some(format!("the server's filter held the answer back ({finish})")));
        }
        let is_cut = CUT.contains(&finish.as_str());
        Ok(Self { text, refusal, is_cut, tokens })
    }

    /// Parses a whole response the way a run does, from a server that knows the key. For fuzzing.
    #[doc(hidden)]
    pub fn of_response(
        status: u16,
        [encoding, content_type]: [&str; 2],
        body: &[u8],
        max_answer: u64,
        key: &str,
    ) -> Result<Self, String> {
        let (encoding, content_type) = (encoding.to_string(), content_type.to_string());
        let head = Head { status, encoding, content_type, ..Head::default() };
        match head.reply(Ok(body), max_answer, Some(&ApiKey::new(key)), Self::parse) {
            Reply::Answer(answer) => Ok(answer),
            Reply::Rejected { reason, said } => {
                // Follow every change of dialect that the server asks for.
                let mut dialect = Dialect::default();
                while let Some(next) = dialect.after(&said) {
                    dialect = next;
                }
                Err(reason)
            }
            Reply::Failed { reason, .. } | Reply::Busy { reason, .. } => Err(reason),
            Reply::Unreachable(reason) | Reply::Unusable(reason) => Err(reason),
        }
    }
}

/// Values of `finish_reason` at the token limit.
const CUT: [&str; 5] = ["length", "max_tokens", "max_output_tokens", "model_length", "incomplete"];

/// Prefixes of `finish_reason` set by content filters.
const FILTERED: [&str; 7] =
    ["content_filter", "safety", "prohibited_content", "blocklist", "recitation", "spii", "image_safety"];

/// Values of `finish_reason` for failures of the server.
const FAILED: [&str; 4] = ["error", "abort", "aborted", "cancelled"];

/// Returns the text of a value unless it is blank.
fn said(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.trim().is_empty()).map(str::to_string)
}

/// Returns the text of `content` or of one of its parts; empty for reasoning, refusals and tool calls.
fn text_of(part: &Value) -> &str {
    match (part, part.get("type").and_then(Value::as_str)) {
        (Value::String(text), _) => text,
        (_, None | Some("text" | "output_text")) => part.get("text").and_then(Value::as_str).unwrap_or_default(),
        _ => "",
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
        assert_eq!(parse(openai), Ok(Completion { text: "A cot.".into(), refusal: None, is_cut: false, tokens }));
        let parts = r#"{"choices":[{"message":{"content":[{"type":"text","text":"A "},{"type":"x"},{"text":"cot."}]},
            "finish_reason":"length"}]}"#;
        let cut = Completion { text: "A cot.".into(), refusal: None, is_cut: true, tokens: Tokens::default() };
        assert_eq!(parse(parts), Ok(cut));
        let refusal = r#"{"choices":[{"message":{"content":null,"refusal":"I cannot."}}]}"#;
        let refused = parse(refusal).unwrap();
        assert_eq!((refused.text.as_str(), refused.refusal.as_deref()), ("", Some("I cannot.")));
        assert_eq!(parse(r#"{"choices":[{"message":{"content":null}}]}"#).unwrap().text, "");
    }

    #[test]
    fn thoughts_and_refusals_among_the_parts_are_no_text() {
        let body = r#"{"choices":[{"message":{"content":[{"type":"reasoning","text":"Hm."},{"type":"thinking","thinking":"Hm.","text":"x"},
            {"type":"text","text":"A cot."}],"refusal":""}}]}"#;
        let found = parse(body).unwrap();
        assert_eq!((found.text.as_str(), found.refusal), ("A cot.", None));
        let body = r#"{"choices":[{"message":{"content":[{"type":"refusal","refusal":"No."}]}}]}"#;
        assert_eq!(parse(body).unwrap().refusal.as_deref(), Some("No."));
        assert_eq!(
            parse(r#"{"choices":[{"message":{"content":{"type":"text","text":"A cot."}}}]}"#).unwrap().text,
            "A cot."
        );
    }

    #[test]
    fn ends_of_answers_are_told_apart() {
        let with = |finish: &str| {
            parse(&format!(r#"{{"choices":[{{"message":{{"content":"A cot"}},"finish_reason":"{finish}"}}]}}"#))
        };
        for finish in ["length", "MAX_TOKENS", "model_length"] {
            assert!(with(finish).unwrap().is_cut, "{finish}");
        }
        for finish in ["content_filter", "content_filter: SAFETY", "PROHIBITED_CONTENT"] {
            assert!(with(finish).unwrap().refusal.unwrap().contains("filter"), "{finish}");
        }
        assert!(with("error").unwrap_err().contains("broke the answer off"));
        let plain = with("stop").unwrap();
        assert!(!plain.is_cut && plain.refusal.is_none());
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
