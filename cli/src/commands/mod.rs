//! The commands, one file each: arguments, and what is done with them.
//!
//! A new command is a file here, a variant of [`Command`] and a line in [`Command::run`].

mod choice;
mod cold;
mod describe;
mod embed;
mod encode;
mod experiment;
mod export;
mod folder;
mod import;
mod missing;
mod prepare;
mod probe;
#[cfg(feature = "mpi")]
mod ranks;
mod recommend;
mod report;
mod run_args;
mod serve;
mod servers;
mod train;

use clap::Subcommand;
use viral::Result;

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Prepare(Box<prepare::Arguments>),
    Describe(Box<describe::Arguments>),
    Embed(Box<embed::Arguments>),
    Encode(Box<encode::Arguments>),
    Import(import::Arguments),
    Train(Box<train::Arguments>),
    Recommend(Box<recommend::Arguments>),
    Export(Box<export::Arguments>),
    Experiment(experiment::Arguments),
    Cold(Box<cold::Arguments>),
    Missing(Box<missing::Arguments>),
    Probe(Box<probe::Arguments>),
    Report(Box<report::Arguments>),
    Serve(serve::Arguments),
}

impl Command {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Prepare(arguments) => prepare::run(&arguments),
            Self::Describe(arguments) => describe::run(&arguments),
            Self::Embed(arguments) => embed::run(&arguments),
            Self::Encode(arguments) => encode::run(&arguments),
            Self::Import(arguments) => import::run(&arguments),
            Self::Train(arguments) => train::run(&arguments),
            Self::Recommend(arguments) => recommend::run(&arguments),
            Self::Export(arguments) => export::run(&arguments),
            Self::Experiment(arguments) => experiment::run(&arguments),
            Self::Cold(arguments) => cold::run(&arguments),
            Self::Missing(arguments) => missing::run(&arguments),
            Self::Probe(arguments) => probe::run(&arguments),
            Self::Report(arguments) => report::run(&arguments),
            Self::Serve(arguments) => serve::run(&arguments),
        }
    }
}

/// The mean; 0 of no values.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
