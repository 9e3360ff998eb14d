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

/// The built example; `cargo test` builds it beside this binary, a run of this binary alone may not.
fn enrich_program() -> Option<std::process::Command> {
    let mut path: std::path::PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("enrich{}", std::env::consts::EXE_SUFFIX));
    if !path.exists() {
        eprintln!("skipped: {} is not built", path.display());
        return None;
    }
    Some(std::process::Command::new(path))
}
