//! Prepares data sets for multimodal recommendation: interactions, item metadata, and text and image features.
//!
//! The library [`viral`] trains on a folder with interactions and one feature matrix per modality. This crate makes
//! such folders and hands them to `viral` through files only:
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
//! | `prepare`, `download`, `amazon` | [`Prepare`]: converts raw reviews and metadata to a data folder |
//! | [`describe`] | describes items from pictures and titles, by vision-language models behind servers |
//! | [`encode`] | embeds texts, by a Sentence-BERT model in this process |
//! | [`embed`] | embeds texts, and pictures together with titles, by servers |
//! | [`features`] | writes feature files from descriptions, titles and vectors, with mask and provenance |
//! | `server`, `digest`, `clean`, `pictures` | shared: requests and retries, hashes, sanitised text, picture files |
//!
//! Errors are [`viral::Error`]: a sentence with the file, the line if there is one, and what to do. Nothing here
//! prints; progress is reported to callbacks. The program `viral` of the package `viral-cli` offers all of this on the
//! command line.
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
