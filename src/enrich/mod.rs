//! From photos and titles to features: the paper's first half (section 2.2, equation 5). Feature `enrich`.

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
