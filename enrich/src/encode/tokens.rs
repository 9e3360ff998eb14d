//! Tokenization by the model's own `tokenizer.json`.

use super::settings::Settings;
use crate::{Error, Result};
use std::path::Path;
use tokenizers::{Tokenizer, TruncationParams};
use viral::data::{is_there, read_file};

/// The tokens of one text, special ones included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) ids: Vec<i32>,
    pub(super) types: Vec<i32>,
}

/// A tokenizer whose ids are all within the model's vocabulary.
pub(super) struct TextTokenizer {
    tokenizer: Tokenizer,
    prompt: String,
    is_lower_case: bool,
    n_types: usize,
    /// Number of tokens of the prompt at the start of each text, which are not pooled.
    n_unpooled: usize,
}

impl TextTokenizer {
    /// Reads `tokenizer.json`, without its padding, and with truncation at the model's length.
    ///
    /// # Errors
    /// If the file is missing or cannot be read, an id is beyond the model's vocabulary, or the maximum length leaves
    /// no room for text.
    pub(super) fn read(folder: &Path, settings: &Settings) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        if !is_there(&path)? {
            let message = "missing; save the model with a recent version of transformers, which writes it";
            return Err(Error::file(path, message));
        }
        let fault = |message: String| Error::file(&path, message);
        let again =
            |error: tokenizers::Error| fault(format!("not a tokenizer ({error}); copy the model's folder again"));
        let mut tokenizer = Tokenizer::from_bytes(read_file(&path)?).map_err(again)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(again)?;

        let n_tokens = settings.layout.n_tokens;
        let vocabulary = tokenizer.get_vocab(true);
        if let Some((token, id)) =
            vocabulary.iter().max_by_key(|(_, id)| **id).filter(|(_, id)| **id as usize >= n_tokens)
        {
            let message = format!("token `{token}` has id {id}, but config.json has `vocab_size` {n_tokens}");
            return Err(fault(format!("{message}; the two files are of different models")));
        }
        let n_special = tokenizer.encode("", true).map_err(again)?.len();
        if settings.max_tokens <= n_special {
            let message = format!("{n_special} special tokens leave no room for text in {}", settings.max_tokens);
            return Err(fault(format!("{message}; see to `max_seq_length` in sentence_bert_config.json")));
        }
        let truncation = TruncationParams { max_length: settings.max_tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(again)?;
        let (prompt, is_lower_case, n_types) =
            (settings.prompt.clone(), settings.is_lower_case, settings.layout.n_types);
        let mut found = Self { tokenizer, prompt, is_lower_case, n_types, n_unpooled: 0 };
        if !settings.is_prompt_pooled && !found.prompt.is_empty() {
            found.n_unpooled = found.n_prompt_tokens()?;
            if found.n_unpooled + n_special > settings.max_tokens {
                let (n, max) = (found.n_unpooled, settings.max_tokens);
                let message = format!("the default prompt has {n} tokens, which leave no room for text in {max}");
                return Err(fault(format!("{message}; see to `max_seq_length` in sentence_bert_config.json")));
            }
        }
        Ok(found)
    }

    /// Returns the number of tokens at the start of each text that are encoded but not pooled.
    pub(super) fn n_unpooled(&self) -> usize {
        self.n_unpooled
    }

    /// Counts the tokens of the prompt alone, without a special one at its end, as sentence-transformers does.
    fn n_prompt_tokens(&self) -> Result<usize> {
        let prompt = if self.is_lower_case { self.prompt.to_lowercase() } else { self.prompt.clone() };
        let encoding = self.tokenizer.encode(prompt, true);
        let encoding = encoding.map_err(|error| Error::Data(format!("the default prompt: {error}")))?;
        let is_last_special = encoding.get_special_tokens_mask().last() == Some(&1);
        Ok(encoding.len() - usize::from(is_last_special))
    }

    /// Tokenizes the prompt and a text.
    ///
    /// # Errors
    /// If the tokenizer cannot handle the text, or returns no token.
    pub(super) fn tokens(&self, text: &str) -> Result<Tokens> {
        let text = format!("{}{text}", self.prompt);
        let text = if self.is_lower_case { text.to_lowercase() } else { text };
        let start = || text.chars().take(40).collect::<String>();
        let encoding = self
            .tokenizer
            .encode_fast(text.as_str(), true)
            .map_err(|error| Error::Data(format!("text '{}…': {error}", start())))?;
        if encoding.is_empty() {
            return Err(Error::Data(format!("text '{}': no token at all; leave it out", start())));
        }
        // Both kinds of ids are below the sizes of their tables, which are far below 2³¹.
        let last_type = self.n_types as u32 - 1;
        Ok(Tokens {
            ids: encoding.get_ids().iter().map(|&id| id as i32).collect(),
            types: encoding.get_type_ids().iter().map(|&id| id.min(last_type) as i32).collect(),
        })
    }
}
