//! The API key, which is sent to servers and never shown otherwise.

use crate::clean::clean;
use crate::{Error, Result};
use std::fmt;

/// An API key for the servers. `Debug` does not show it, it is not written to any file, and it is cut out of what
/// servers say.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes the key from an environment variable; `None` if it is unset or blank.
    ///
    /// # Errors
    /// If it has characters other than printable ASCII.
    pub fn from_env(variable: &str) -> Result<Option<Self>> {
        let Some(value) = std::env::var_os(variable) else { return Ok(None) };
        match value.to_str().map(str::trim) {
            Some("") => Ok(None),
            Some(key) if key.bytes().all(|b| b.is_ascii_graphic()) => Ok(Some(Self::new(key))),
            _ => Err(Error::Config(format!("{variable}: not a key; it has characters that cannot be sent"))),
        }
    }

    /// Wraps a key.
    pub(crate) fn new(key: &str) -> Self {
        Self(key.to_string())
    }

    /// Returns the key itself.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Maximum number of leading characters of a truncated key that may stay visible if a server repeats it.
const SHOWN: usize = 4;

/// Removes the key from a text, should a server repeat it, and also its beginning where the text was truncated within
/// it.
pub(super) fn redacted(key: Option<&ApiKey>, mut text: String) -> String {
    let Some(ApiKey(key)) = key else { return text };
    // As given, and as sanitised in excerpts.
    for key in [key.clone(), clean(key, usize::MAX)] {
        text = text.replace(&key, "…");
        if text.contains('…') {
            let ends: Vec<usize> = key.char_indices().map(|(end, _)| end).skip(SHOWN + 1).collect();
            ends.into_iter().rev().for_each(|end| text = text.replace(&format!("{}…", &key[..end]), "…"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_show() {
        let key = ApiKey::new("s3cret-s3cret");
        let of = |text: &str| redacted(Some(&key), text.to_string());
        assert_eq!(of("bad key s3cret-s3cret!"), "bad key …!");
        assert_eq!(of("no key s3cre!"), "no key s3cre!");
        // Truncated within the key: `…` stands for the rest.
        for n in 5..13 {
            assert_eq!(of(&format!("bad key {}…; check it", &"s3cret-s3cret"[..n])), "bad key …; check it");
        }
        assert_eq!(of("bad k…"), "bad k…");
        assert_eq!(redacted(Some(&ApiKey::new("aaaaaaaa")), "aaaaaaa…".to_string()), "…");
        let odd = ApiKey::new("[a]<bcdef>");
        assert_eq!(redacted(Some(&odd), clean("bad [a]<bcdef>", 99)), "bad …");
        assert_eq!(redacted(Some(&odd), clean("bad [a]<bcdef>", 12)), "bad …");
        assert_eq!(redacted(None, "s3cret".to_string()), "s3cret");
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
    }
}
