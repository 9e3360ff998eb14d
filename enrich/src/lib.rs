//! From raw catalogues, photos and titles to the files that multimodal recommenders learn from.
//!
//! The library [`viral`] trains on a folder: interactions, and a matrix of features for each modality. This one makes such
//! folders, and meets `viral` through files only:
//!
//! ```text
//! reviews, metadata ─► Prepare ─► toys.inter, items.jsonl
//! items.jsonl, photos ─► describe ─► descriptions.jsonl
//! items.jsonl, descriptions.jsonl ─► encode or embed ─► features ─► text_feat.npy, image_feat.npy
//! items.jsonl, photos ─► embed ─► multimodal_feat.npy
//! ```
//!
//! | module | |
//! |---|---|
//! | `prepare`, `download`, `amazon` | [`Prepare`]: raw reviews and metadata to a folder of data |
//! | [`describe`] | pictures and titles to descriptions, by vision-language models behind servers |
//! | [`encode`] | texts to vectors, by a Sentence-BERT model in this process |
//! | [`embed`] | texts, and pictures together with titles, to vectors, by servers |
//! | [`features`] | descriptions, titles and vectors to feature files with mask and provenance |
//! | `server`, `digest`, `clean`, `pictures` | what these share: requests and retries, hashes, words of strangers, files of pictures |
//!
//! Errors are [`viral::Error`]: a sentence with the file, the line where there is one, and what to do. Nothing here prints;
//! progress goes to callbacks. The program `viral` of the package `viral-cli` does all of this from a command line.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod amazon;
mod clean;
pub mod describe;
mod digest;
mod download;
pub mod embed;
pub mod encode;
pub mod features;
mod pictures;
mod prepare;
mod server;

pub use amazon::{AMAZON_2014, AMAZON_CATEGORIES, amazon_files};
pub use download::{Download, Downloaded};
pub use prepare::{
    BadRows, CatalogueItem, Coverage, Format, LiteralError, Metadata, Prepare, PrepareStep, Prepared, ReadMetadata,
    Repeats, Reviews, Skipped, SkippedRows, Split, parse_literal,
};
pub use viral::{Error, Result};
