//! The text encoder (equation 5's Enc): Sentence-BERT models on Burn, from a local Hugging Face folder.
//!
//! | file | |
//! |---|---|
//! | `encoder` | [`TextEncoder`]: one vector per text, whatever the texts are batched with |
//! | `settings`, `json` | architecture, pooling and maximum length, from the folder's JSON files |
//! | `tokens` | tokenization |
//! | `weights` | loads the tensors of `model.safetensors` by name and checks their shapes |
//! | `bert`, `distance`, `activation` | the transformer |
//! | `packed`, `pooling` | batches of token rows without padding; pooling of token rows to one vector per text |
//!
//! This is the only part of `enrich` that uses tensors.

mod activation;
mod bert;
mod distance;
mod encoder;
mod json;
mod packed;
mod pooling;
mod settings;
mod tokens;
mod weights;

pub use encoder::{Hidden, TextEncoder};
