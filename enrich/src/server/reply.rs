//! Classifies responses defensively, whatever their status says.

use super::body::{ERROR_WITH_200, decoded, excerpt};
use super::key::{ApiKey, redacted};
use super::packed::{Packing, unpacked};
use super::retry::retry_after;
use super::verdict::{advice, wait_in_body};
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// Outcome of a request.
#[derive(Debug)]
pub(crate) enum Reply<T> {
    /// The model answered.
    Answer(T),
    /// The server will not accept this request, now or later: the reason, and the server's own words.
    Rejected { reason: String, said: String },
    /// The request failed this time; the server may have said how long to wait.
    Failed { reason: String, wait: Option<Duration> },
    /// The server is overloaded, which is no fault of the request.
    Busy { reason: String, wait: Option<Duration> },
    /// No server was reached; no item is to blame for that.
    Unreachable(String),
    /// The server cannot be used: wrong key, wrong address, wrong model, or a redirect.
    Unusable(String),
}

/// Status and headers of a response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// `Content-Encoding`; several are joined by commas.
    pub(crate) encoding: String,
    pub(crate) content_type: String,
    pub(crate) location: String,
    /// The wait requested by `Retry-After`.
    pub(crate) wait: Option<Duration>,
}

impl Head {
    /// Classifies the response. `raw` is the body as received, or why it could not be read. `parse` gets the
    /// decompressed body of a good response, of at most `max_answer` bytes.
    pub(crate) fn reply<T>(
        &self,
        raw: Result<&[u8], String>,
        max_answer: u64,
        key: Option<&ApiKey>,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Reply<T> {
        let status = self.status;
        let failed = |reason: String| Reply::Failed { reason: redacted(key, reason), wait: None };
        let body = match raw.map(|raw| unpacked(raw, &self.encoding, max_answer)) {
            Ok(Ok(body)) => Ok(decoded(body, &self.content_type)),
            Ok(Err(Packing::Broken(what))) => Err(what),
            Ok(Err(Packing::Unknown(name))) if (200..300).contains(&status) => {
                let name = redacted(key, excerpt(name.as_bytes()));
                let advice = "turn that off in the server or in the proxy before it";
                return Reply::Unusable(format!("answers packed with '{name}', which nobody asked for; {advice}"));
            }
            Ok(Err(Packing::Unknown(_))) => Ok(Cow::default()),
            Err(error) => Err(error),
        };
        let words = String::from_utf8_lossy(body.as_deref().unwrap_or_default());
        let said = || {
            let said = excerpt(words.as_bytes());
            redacted(key, format!("HTTP {status}{}{said}", if said.is_empty() { "" } else { ": " }))
        };
        let wait = self.wait.or_else(|| wait_in_body(&words).and_then(|value| retry_after(value, SystemTime::now())));
        if status >= 400
            && let Some(advice) = advice(status, &words, wait.is_some())
        {
            return Reply::Unusable(format!("{}; {advice}", said()));
        }
        match status {
            200..=299 => match body.and_then(|body| parse(&body)) {
                Ok(answer) => Reply::Answer(answer),
                Err(reason) => match advice(200, &reason, false).filter(|_| reason.starts_with(ERROR_WITH_200)) {
                    Some(advice) => Reply::Unusable(redacted(key, format!("{reason}; {advice}"))),
                    None => failed(reason),
                },
            },
            300..=399 => {
                let to = redacted(key, excerpt(self.location.as_bytes()));
                Reply::Unusable(format!("HTTP {status}: a redirect to '{to}', which is not followed"))
            }
            401 | 403 => Reply::Unusable(format!("{}; check the key and its environment variable", said())),
            402 => Reply::Unusable(said()),
            404 | 405 | 501 => Reply::Unusable(format!("{}; check the address and the model's name", said())),
            429 => Reply::Busy { reason: said(), wait },
            408 | 409 | 425 => Reply::Failed { reason: said(), wait },
            400..=499 => Reply::Rejected { reason: said(), said: words.chars().take(4000).collect() },
            _ => Reply::Failed { reason: said(), wait },
        }
    }
}
