//! Tests of the whole package: raw catalogues, servers, encoders.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod catalogue_cases;
mod describe;
mod descriptions;
mod download;
mod embed;
mod embed_items;
mod encoder;
mod encoder_families;
mod malformed;
mod multimodal;
mod pipes;
mod prepare;
mod properties;
mod refusals;
mod streaming;
mod support;
mod tls;
mod tls_server;
