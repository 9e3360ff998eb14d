//! From photos and titles to features: the paper's first half (section 2.2, equation 5). Feature `enrich`.
//!
//! | module | |
//! |---|---|
//! | `prepare`, `download`, `amazon` | [`Prepare`]: raw reviews and metadata to a folder of data |
//! | [`describe`] | pictures and titles to descriptions, by vision-language models behind servers |
//! | [`encode`] | texts to vectors, by a Sentence-BERT model in this process |
//! | [`embed`] | texts to vectors, by servers |
//! | [`features`] | descriptions, titles and vectors to feature files with mask and provenance |
//! | `server`, `append_log`, `digest`, `clean` | what these share: requests and retries, what was paid for, hashes, words of strangers |

mod amazon;
mod append_log;
mod clean;
pub mod describe;
mod digest;
mod download;
pub mod embed;
pub mod encode;
pub mod features;
mod prepare;
mod server;

pub use amazon::{AMAZON_2014, AMAZON_CATEGORIES, amazon_files};
pub use download::{Download, Downloaded};
pub use prepare::{
    BadRows, CatalogueItem, Coverage, Format, LiteralError, Metadata, Prepare, PrepareStep, Prepared, ReadMetadata,
    Repeats, Reviews, Skipped, SkippedRows, Split, parse_literal,
};
