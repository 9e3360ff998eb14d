//! The program `viral` on toy data, as a user runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cold;
mod describe;
mod embed;
mod encode;
mod experiment;
mod export;
mod missing;
mod outputs;
mod prepare;
mod probe;
#[cfg(feature = "mpi")]
mod ranks;
mod recommend;
mod report;
mod serve;
mod serve_changes;
#[allow(dead_code)] // the tests of the library use the rest
#[path = "../../../enrich/tests/enrich/support/mod.rs"]
mod support;
mod train;

/// A command of the program.
fn viral(command: &str) -> std::process::Command {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_viral"));
    program.arg(command);
    program
}

/// Runs a program that must not panic: whether it succeeded, what it printed, and what it said beside that.
fn run(command: &mut std::process::Command) -> (bool, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (shown, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(!errors.contains("panicked"), "{errors}");
    (output.status.success(), shown, errors)
}
