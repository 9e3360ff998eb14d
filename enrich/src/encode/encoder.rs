//! Text encoder: one vector per text.

use super::bert::Bert;
use super::packed::Packed;
use super::pooling::normalize;
use super::settings::Settings;
use super::tokens::{TextTokenizer, Tokens};
use super::weights::Weights;
use crate::{Error, Result};
use burn::tensor::Device;
use rayon::prelude::*;
use std::path::Path;
use viral::data::{Origin, is_there, sha256_of_file};

/// Number of texts tokenized and sorted by length together; bounds memory for catalogues of any size.
const WINDOW: usize = 8192;

/// Maximum number of token rows in a batch, unless one text has more.
const ROWS: usize = 1024;

/// A Sentence-BERT model of the BERT family, such as all-MiniLM-L6-v2 or all-mpnet-base-v2.
///
/// The token rows of a batch are packed without padding. Everything but attention treats rows independently; attention
/// stays within a text. On the CPU a text's vector therefore has the same bits whatever it is batched with, at any
/// number of threads. On other devices it agrees closely, but not bit for bit.
///
/// ```
/// # #[cfg(feature = "flex")]
/// # fn main() -> viral::Result<()> {
/// use viral::prelude::Device;
/// use viral_enrich::encode::TextEncoder;
///
/// # let folder = "tests/enrich/fixtures/encoder";
/// // The `folder` of a model, such as a download of sentence-transformers/all-MiniLM-L6-v2.
/// let encoder = TextEncoder::open(folder, &Device::flex())?;
/// let vectors = encoder.encode(&["A wooden rattle", "A cot"], |n_done| eprintln!("{n_done} texts"))?;
/// assert_eq!(vectors.len(), 2 * encoder.width());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "flex"))]
/// # fn main() {}
/// ```
pub struct TextEncoder {
    settings: Settings,
    tokenizer: TextTokenizer,
    bert: Bert,
    device: Device,
    origin: Origin,
}

/// The token ids of a text and the last hidden state of each token.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden {
    /// Token ids, special ones included.
    pub tokens: Vec<i32>,
    /// `[tokens, width]`, row-major.
    pub states: Vec<f32>,
}

impl TextEncoder {
    /// Reads a model's folder: `config.json`, `tokenizer.json` and `model.safetensors` (16 or 32 bits), and, if
    /// present, `modules.json`, the pooling's `config.json`, `sentence_bert_config.json`, `tokenizer_config.json` and
    /// `config_sentence_transformers.json`.
    ///
    /// # Errors
    /// Names the file that is missing, damaged or of another architecture, has a pooling, activation or kind of
    /// position that is not supported, or has tensors that are missing or of another shape. Pickles are refused.
    pub fn open(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let folder = folder.as_ref();
        if !std::fs::metadata(folder).map_err(Error::io(folder))?.is_dir() {
            return Err(Error::file(folder, "not a folder; name the Hugging Face folder of the model"));
        }
        let device = device.clone().inner();
        let settings = Settings::read(folder)?;
        let tokenizer = TextTokenizer::read(folder, &settings)?;
        let mut weights = Weights::open(folder, settings.layout.prefix, &device)?;
        let bert = Bert::read(&mut weights, &settings.layout)?;
        let origin = origin(folder)?;
        Ok(Self { settings, tokenizer, bert, device, origin })
    }

    /// Returns the width of the vectors.
    pub fn width(&self) -> usize {
        self.settings.layout.d_model
    }

    /// Returns the maximum number of tokens of a text, special ones included; longer texts are truncated.
    pub fn max_tokens(&self) -> usize {
        self.settings.max_tokens
    }

    /// Returns the folder's name and the hash of its files.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Encodes texts as `[n_texts, width]`, row-major, in the order of the texts. `observe` is called now and then with
    /// the number of texts done.
    ///
    /// # Errors
    /// If the tokenizer cannot handle a text, or a vector is not finite.
    pub fn encode(&self, texts: &[impl AsRef<str> + Sync], mut observe: impl FnMut(usize)) -> Result<Vec<f32>> {
        let width = self.width();
        let mut vectors = vec![0.0; texts.len() * width];
        for (index, (texts, out)) in texts.chunks(WINDOW).zip(vectors.chunks_mut(WINDOW * width)).enumerate() {
            let tokens =
                texts.par_iter().map(|text| self.tokenizer.tokens(text.as_ref())).collect::<Result<Vec<_>>>()?;
            let mut order: Vec<usize> = (0..texts.len()).collect();
            order.sort_by_key(|&text| tokens[text].ids.len());
            let batches = batches(&order, &tokens);
            let mut n_done = index * WINDOW;
            // Enough batches to keep all threads busy, and few enough to show progress.
            for batches in batches.chunks(4 * rayon::current_num_threads().max(1)) {
                let found = batches.par_iter().map(|batch| self.batch(batch, &tokens)).collect::<Result<Vec<_>>>()?;
                for (batch, vectors) in batches.iter().zip(&found) {
                    for (&text, vector) in batch.iter().zip(vectors.chunks_exact(width)) {
                        out[text * width..][..width].copy_from_slice(vector);
                    }
                    n_done += batch.len();
                }
                observe(n_done);
            }
        }
        Ok(vectors)
    }

    /// Computes the hidden states of one text, before pooling.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn hidden(&self, text: &str) -> Result<Hidden> {
        let tokens = self.tokenizer.tokens(text)?;
        let mut states = self.states(std::iter::once(&tokens))?;
        states.truncate(tokens.ids.len() * self.width());
        Ok(Hidden { tokens: tokens.ids, states })
    }

    /// Computes the vectors of a batch of texts.
    fn batch(&self, batch: &[usize], tokens: &[Tokens]) -> Result<Vec<f32>> {
        let width = self.width();
        let states = self.states(batch.iter().map(|&text| &tokens[text]))?;
        let mut vectors = vec![0.0; batch.len() * width];
        let mut start = 0;
        for (&text, vector) in batch.iter().zip(vectors.chunks_exact_mut(width)) {
            let end = start + tokens[text].ids.len() * width;
            let n_unpooled = self.tokenizer.n_unpooled().min(tokens[text].ids.len());
            self.settings.pooling.pool(&states[start..end], n_unpooled, vector);
            if self.settings.is_normalized {
                normalize(vector);
            }
            start = end;
        }
        if vectors.iter().any(|value| !value.is_finite()) {
            let message =
                format!("encoder {}: vectors with NaN or infinity; its weights are damaged", self.origin.name);
            return Err(Error::Data(message));
        }
        Ok(vectors)
    }

    /// Computes the hidden states of all token rows of some texts, followed by spare rows.
    fn states<'a>(&self, texts: impl Iterator<Item = &'a Tokens>) -> Result<Vec<f32>> {
        let packed = Packed::new(texts, self.settings.layout.first_position);
        let states = self.bert.forward(&packed, &self.device);
        let failed = |error: &dyn std::fmt::Debug| Error::Data(format!("encoder: the device failed ({error:?})"));
        let data = states.try_into_data().map_err(|error| failed(&error))?;
        data.try_into_vec::<f32>().map_err(|error| failed(&error))
    }
}

/// Splits texts, in order, into batches of at most [`ROWS`] token rows, or of one text.
fn batches<'a>(order: &'a [usize], tokens: &[Tokens]) -> Vec<&'a [usize]> {
    let mut batches = Vec::new();
    let (mut start, mut n_rows) = (0, 0);
    for (place, &text) in order.iter().enumerate() {
        let n = tokens[text].ids.len();
        if n_rows + n > ROWS && place > start {
            batches.push(&order[start..place]);
            (start, n_rows) = (place, 0);
        }
        n_rows += n;
    }
    batches.extend((start < order.len()).then(|| &order[start..]));
    batches
}

/// Identifies a model by the hashes of the files that affect its vectors.
fn origin(folder: &Path) -> Result<Origin> {
    const FILES: [&str; 8] = [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
        "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ];
    let mut content = String::new();
    for name in FILES {
        let path = folder.join(name);
        if is_there(&path)? {
            content += &format!("{name} {}\n", sha256_of_file(&path)?);
        }
    }
    let full = folder.canonicalize().map_err(Error::io(folder))?;
    let name = full.file_name().unwrap_or(full.as_os_str()).to_string_lossy().into_owned();
    Ok(Origin::of_bytes(name, content.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_full_but_never_empty() {
        let tokens: Vec<Tokens> =
            [400, 400, 400, 2000, 1, 1].iter().map(|&n| Tokens { ids: vec![0; n], types: vec![0; n] }).collect();
        let order = [0, 1, 2, 3, 4, 5];
        assert_eq!(batches(&order, &tokens), [&[0, 1][..], &[2], &[3], &[4, 5]]);
        assert!(batches(&[], &tokens).is_empty());
    }
}
