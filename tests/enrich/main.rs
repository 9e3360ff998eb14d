//! Tests of the feature `enrich`: raw catalogues, servers, encoders.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod describe;
mod describe_program;
mod download;
mod embed;
mod encode_program;
mod encoder;
mod hostile_server;
mod malformed;
mod prepare;
mod properties;
mod streaming;
