//! Request parameters that a server accepts: servers and models differ in the names of a few, and reject unknown ones.

use serde_json::Value;
use std::collections::BTreeMap;

/// Parameters that a request can do without, with their other names.
const OPTIONAL: [(&str, &[&str]); 4] = [
    ("max_tokens", &["max_completion_tokens", "max_output_tokens", "max_new_tokens"]),
    ("temperature", &[]),
    ("stream", &[]),
    ("encoding_format", &[]),
];

/// Phrases that say that a parameter is not accepted at all, as opposed to a value out of range.
const UNKNOWN: [&str; 21] = [
    "unsupported",
    "not supported",
    "not support",
    "n't support",
    "unknown",
    "unrecognized",
    "unrecognised",
    "unexpected",
    "not permitted",
    "not allowed",
    "not accept",
    "extra_forbidden",
    "extra inputs",
    "extra fields",
    "additional properties",
    "deprecated",
    "invalid parameter",
    "invalid argument",
    "only the default",
    "not available",
    "no such parameter",
];

/// Phrases about values: leaving the parameter out would hide what the server asks for.
const OF_VALUES: [&str; 5] = ["too large", "too long", "context length", "at most", "too many tokens"];

/// The parameters of a server, as learned from its rejections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Names of parameters that differ from the usual ones; `None` for parameters to leave out.
    names: BTreeMap<&'static str, Option<&'static str>>,
    /// Whether the server can only stream answers.
    is_streamed: bool,
}

impl Dialect {
    /// Returns the server's name of a parameter; `None` if it does not accept it.
    pub(crate) fn name(&self, parameter: &'static str) -> Option<&'static str> {
        self.names.get(parameter).copied().unwrap_or(Some(parameter))
    }

    /// Adds a parameter to a request under the server's name, unless the server does not accept it.
    pub(crate) fn put(&self, request: &mut Value, parameter: &'static str, value: impl Into<Value>) {
        if let (Some(name), Some(request)) = (self.name(parameter), request.as_object_mut()) {
            let value = if parameter == "stream" && self.is_streamed { Value::Bool(true) } else { value.into() };
            request.insert(name.to_string(), value);
        }
    }

    /// Returns the dialect to use after a rejection in this one; `None` if the rejection is about something else.
    pub(crate) fn after(&self, refusal: &str) -> Option<Self> {
        let said = refusal.to_lowercase();
        let mut next = self.clone();
        if !self.is_streamed && said.contains("only support") && said.contains("stream") {
            next.is_streamed = true;
            return Some(next);
        }
        let is_unknown =
            UNKNOWN.iter().any(|words| said.contains(words)) && !OF_VALUES.iter().any(|words| said.contains(words));
        // A server that names a better parameter does not accept this one, in whatever words.
        let other = |(parameter, others): (&'static str, &'static [&'static str])| {
            let has_other_name = self.names.contains_key(parameter);
            others.iter().find(|name| !has_other_name && has_word(&said, name)).copied()
        };
        let blamed = serde_json::from_str::<Value>(refusal).ok();
        let blamed = blamed.as_ref().and_then(|value| value.get("error").unwrap_or(value).get("param")?.as_str());
        let is_sent = |name: &str| OPTIONAL.iter().any(|(parameter, _)| self.name(parameter) == Some(name));
        let is_known =
            |name: &str| OPTIONAL.iter().any(|(parameter, others)| *parameter == name || others.contains(&name));
        if blamed.is_some_and(|name| is_known(name) && !is_sent(name)) {
            return None;
        }
        let blamed = blamed.filter(|name| is_sent(name));
        for (parameter, others) in OPTIONAL {
            let Some(name) = self.name(parameter) else { continue };
            // Phrases about the usual name, once it is not sent any more, are about another request.
            let is_named = has_word(&said, name) && (name == parameter || !has_word(&said, parameter));
            let is_meant = blamed.map_or(is_named, |blamed| blamed == name);
            let better = other((parameter, others));
            if is_meant && (is_unknown || better.is_some() && said.contains("instead")) {
                next.names.insert(parameter, better);
            }
        }
        (next != *self).then_some(next)
    }

    /// Merges what another request has learned meanwhile.
    pub(crate) fn join(&mut self, other: Self) {
        self.is_streamed |= other.is_streamed;
        for (parameter, name) in other.names {
            // Parameters left out stay out.
            let known = self.names.entry(parameter).or_insert(name);
            *known = known.and(name);
        }
    }
}

/// Whether a text contains a word that is not part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sent(dialect: &Dialect) -> Value {
        let mut request = json!({});
        dialect.put(&mut request, "max_tokens", 9);
        dialect.put(&mut request, "temperature", 0.5);
        dialect.put(&mut request, "stream", false);
        request
    }

    #[test]
    fn refused_parameters_are_renamed_or_left_out() {
        let usual = Dialect::default();
        assert_eq!(sent(&usual), json!({"max_tokens": 9, "temperature": 0.5, "stream": false}));
        let newer = r#"{"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "param": "max_tokens", "code": "unsupported_parameter"}}"#;
        let renamed = usual.after(newer).unwrap();
        assert_eq!(sent(&renamed), json!({"max_completion_tokens": 9, "temperature": 0.5, "stream": false}));
        assert_eq!(renamed.after(newer), None, "it is not sent any more");
        let dropped = renamed.after("Unrecognized request argument supplied: max_completion_tokens").unwrap();
        assert_eq!(sent(&dropped), json!({"temperature": 0.5, "stream": false}));
        let default = r#"{"error": {"message": "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", "param": "temperature", "code": "unsupported_value"}}"#;
        assert_eq!(sent(&dropped.after(default).unwrap()), json!({"stream": false}));
        let pydantic = r#"{"detail": [{"type": "extra_forbidden", "loc": ["body", "temperature"], "msg": "Extra inputs are not permitted"}]}"#;
        assert_eq!(sent(&usual.after(pydantic).unwrap()), json!({"max_tokens": 9, "stream": false}));
        let streaming = "This model only support stream mode, please enable the stream parameter.";
        assert_eq!(sent(&usual.after(streaming).unwrap())["stream"], true);
    }

    #[test]
    fn words_about_something_else_change_nothing() {
        let usual = Dialect::default();
        for words in [
            "max_tokens is too large: 400. This model supports at most 200 completion tokens; not supported",
            "This model's maximum context length is 4096 tokens. However, you requested 400 in max_tokens.",
            "Unknown parameter: 'top_k'.",
            "Images of this kind are not supported at this room temperature_sensor",
            "Invalid image.",
            "",
        ] {
            assert_eq!(usual.after(words), None, "{words}");
        }
    }

    #[test]
    fn what_requests_find_out_side_by_side_adds_up() {
        let usual = Dialect::default();
        let mut known = usual.after("Unknown parameter: 'temperature'").unwrap();
        known.join(usual.after("Use max_completion_tokens instead of max_tokens").unwrap());
        assert_eq!(sent(&known), json!({"max_completion_tokens": 9, "stream": false}));
        known.join(usual.after("Unknown parameter: 'max_tokens'").unwrap());
        assert_eq!(sent(&known), json!({"stream": false}), "left out stays out");
    }
}
