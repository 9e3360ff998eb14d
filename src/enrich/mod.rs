//! From photos and titles to features: the paper's first half (section 2.2, equation 5). Feature `enrich`.

mod amazon;
pub mod describe;
mod download;
pub mod encode;
mod prepare;

pub use amazon::{AMAZON_2014, AMAZON_CATEGORIES, amazon_files};
pub use download::{Download, Downloaded};
pub use prepare::{
    BadRows, CatalogueItem, Coverage, Format, LiteralError, Metadata, Prepare, PrepareStep, Prepared, ReadMetadata,
    Repeats, Reviews, Skipped, SkippedRows, Split, parse_literal,
};
