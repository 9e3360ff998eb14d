//! The text encoder (equation 5's Enc): Sentence-BERT models on Burn, from a local Hugging Face folder.
//!
//! | file | |
//! |---|---|
//! | `encoder` | [`TextEncoder`]: texts in, one vector each out, whatever they are batched with |
//! | `settings`, `json` | what the folder's JSON files say about architecture, pooling and length |
//! | `tokens` | texts as token ids |
//! | `weights` | tensors of `model.safetensors` by name, their shapes checked |
//! | `bert`, `distance`, `activation` | the transformer |
//! | `packed`, `pooling` | token rows of many texts without padding; from token rows to one vector a text |
//!
//! The only part of `enrich` that knows tensors.

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
