//! Tests of the feature `enrich`: raw catalogues, servers, encoders.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod download;
mod malformed;
mod prepare;
mod properties;
mod streaming;
