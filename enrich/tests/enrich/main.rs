//! Tests of the whole package: raw catalogues, servers, encoders.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod catalogue_cases;
mod describe;
mod download;
mod embed;
mod encoder;
mod malformed;
mod prepare;
mod properties;
mod streaming;
mod support;
