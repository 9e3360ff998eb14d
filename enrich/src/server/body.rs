//! Reads response bodies defensively: anything may come with status 200.

use super::stream::{joined, pieces};
use crate::clean::clean;
use serde_json::Value;
use std::borrow::Cow;

/// Beginning of the message about an error that came with status 200.
pub(super) const ERROR_WITH_200: &str = "an error with status 200: ";

/// Parses the JSON of a body. A byte order mark, `NaN`, lone surrogates and streamed answers are tolerated.
///
/// # Errors
/// Returns a sentence that says what is there instead: nothing, a page, a truncated answer, an error.
pub(crate) fn json_of(body: &[u8]) -> Result<Value, String> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
    if body.is_empty() {
        return Err("an empty answer".to_string());
    }
    if body.starts_with(b"<") {
        return Err("a page instead of JSON: ".to_string() + &excerpt(body));
    }
    let value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => {
            let text = std::str::from_utf8(body)
                .map_err(|error| format!("not UTF-8 text at byte {} of the answer", error.valid_up_to()))?;
            match pieces(text) {
                Some(pieces) => joined(pieces?)?,
                None => serde_json::from_str(&mended(text)).map_err(|_| format!("not whole JSON ({error})"))?,
            }
        }
    };
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        let message = error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), String::from);
        let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
        let said = if code.is_empty() { message } else { format!("{message} ({code})") };
        return Err(ERROR_WITH_200.to_string() + &excerpt(said.as_bytes()));
    }
    Ok(value)
}

/// Repairs what some JSON writers get wrong: `NaN`, `Infinity` and `-Infinity` outside of strings become `null`, lone
/// surrogates in strings become U+FFFD. The rest is left as it is.
fn mended(text: &str) -> Cow<'_, str> {
    const NO_NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !text.contains("NaN") && !text.contains("Infinity") && !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest, mut in_string) = (String::with_capacity(text.len()), text, false);
    while let Some(c) = rest.chars().next() {
        let mut n = c.len_utf8();
        match (in_string, c) {
            (_, '"') => {
                in_string = !in_string;
                out.push(c);
            }
            (true, '\\') => {
                let unit = |text: &str| {
                    text.strip_prefix("\\u").and_then(|digits| u16::from_str_radix(digits.get(..4)?, 16).ok())
                };
                n = match unit(rest) {
                    Some(0xD800..=0xDBFF) if matches!(rest.get(6..).and_then(unit), Some(0xDC00..=0xDFFF)) => 12,
                    Some(0xD800..=0xDFFF) => {
                        out.push('\u{FFFD}');
                        rest = &rest[6..];
                        continue;
                    }
                    // The character after the backslash, which may be a quote.
                    _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                };
                out.push_str(&rest[..n]);
            }
            (false, 'N' | 'I' | '-') => match NO_NUMBERS.iter().find(|name| rest.starts_with(**name)) {
                Some(name) => {
                    out.push_str("null");
                    n = name.len();
                }
                None => out.push(c),
            },
            _ => out.push(c),
        }
        rest = &rest[n..];
    }
    Cow::Owned(out)
}

/// Converts a body to UTF-8 if it is not and `Content-Type` names a known encoding: Latin-1, or Windows-1252, which
/// differs from it in a few quotation marks.
pub(super) fn decoded<'a>(body: Cow<'a, [u8]>, content_type: &str) -> Cow<'a, [u8]> {
    let content_type = content_type.to_ascii_lowercase();
    let charset = content_type.split(';').find_map(|part| part.trim().strip_prefix("charset="));
    // ISO-8859-15 and its like begin with the same letters and have other signs.
    let is_latin = charset.is_some_and(|name| {
        ["iso-8859-1", "latin1", "latin-1", "windows-1252"].contains(&name.trim().trim_matches(['"', '\'']))
    });
    if !is_latin || std::str::from_utf8(&body).is_ok() {
        return body;
    }
    const QUOTES: [(u8, char); 8] =
        [(0x80, '€'), (0x85, '…'), (0x91, '‘'), (0x92, '’'), (0x93, '“'), (0x94, '”'), (0x96, '–'), (0x97, '—')];
    let char = |&byte: &u8| QUOTES.iter().find(|(code, _)| *code == byte).map_or(char::from(byte), |&(_, c)| c);
    Cow::Owned(body.iter().map(char).collect::<String>().into_bytes())
}

/// Returns the beginning of what a server said, as one printable line.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(2000)];
    clean(&String::from_utf8_lossy(head), 160)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_writers_of_json_get_wrong_is_put_up_with() {
        let ok = |text: &str| json_of(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(ok("\u{feff} {\"a\": 1}")["a"], 1);
        let found = ok(r#"{"logprob": -Infinity, "b": [NaN, Infinity], "text": "NaN -Infinity \"NaN", "n": -3}"#);
        assert_eq!(
            found,
            serde_json::json!({"logprob": null, "b": [null, null], "text": "NaN -Infinity \"NaN", "n": -3})
        );
        assert_eq!(ok(r#"{"a": "x\ud83dy\udc00\\ud83d😀\u00e9"}"#)["a"], "x\u{fffd}y\u{fffd}\\ud83d😀é");
        assert_eq!(ok(r#"{"a": "\ud83d\ude00\ud83d"}"#)["a"], "😀\u{fffd}");
        assert!(json_of(b"{\"a\": \"caf\xe9\"}").unwrap_err().starts_with("not UTF-8 text at byte 10"));
        assert!(json_of(b"{\"a\": NaN").unwrap_err().starts_with("not whole JSON"));
        let latin = decoded(Cow::Borrowed(b"{\"a\": \"caf\xe9\x92s\"}"), "application/json; charset=ISO-8859-1");
        assert_eq!(json_of(&latin).unwrap()["a"], "café’s");
        for (charset, expected) in [("\"latin1\"", true), ("iso-8859-15", false), ("iso-8859-1x", false)] {
            let found = decoded(Cow::Borrowed(b"{\"a\": \"\xe9\"}"), &format!("text/json; charset={charset} ; v=1"));
            assert_eq!(json_of(&found).is_ok(), expected, "{charset}");
        }
    }

    #[test]
    fn pieces_become_one_answer() {
        let stream = "event: x\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"A \"}}]}\n\n\
                      : ping\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"cot.\"},\"finish_reason\":\"stop\"}]}\n\n\
                      data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7}}\n\ndata: [DONE]\n\n";
        let found = json_of(stream.as_bytes()).unwrap();
        assert_eq!(found["choices"][0]["message"]["content"], "A cot.");
        assert_eq!(
            (found["choices"][0]["finish_reason"].as_str(), found["usage"]["prompt_tokens"].as_u64()),
            (Some("stop"), Some(7))
        );
        let cut = stream.split("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"cot").next().unwrap();
        assert_eq!(json_of(cut.as_bytes()).unwrap_err(), "a stream that breaks off");
        assert!(json_of(b"data: {\"choices\": [").unwrap_err().starts_with("an event that is no JSON"));
        assert!(json_of(b"data: {\"error\": {\"message\": \"no memory\"}}\n").unwrap_err().contains("no memory"));
        assert!(json_of(b": nothing\n\ndata: [DONE]\n").unwrap_err().starts_with("a stream without"));
        let lines =
            "{\"message\":{\"content\":\"A \"},\"done\":false}\n{\"message\":{\"content\":\"cot.\"},\"done\":true}\n";
        assert_eq!(json_of(lines.as_bytes()).unwrap()["choices"][0]["message"]["content"], "A cot.");
        assert_eq!(json_of(b"data: {\"data\": [7]}\n\n").unwrap()["data"][0], 7);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let _ = json_of(text.as_bytes());
            let _ = json_of(format!("data: {text}").as_bytes());
            let _ = json_of(format!("{{\"a\": \"\\u{text}\\\", NaN").as_bytes());
            let _ = json_of(&bytes);
        }
    }
}
