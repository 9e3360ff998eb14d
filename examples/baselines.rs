//! Every model of the table on one data set, in one table.
//!
//! ```text
//! cargo run --release --example baselines                  # built-in catalogue
//! cargo run --release --example baselines -- --data DIR    # a folder in MMRec's layout
//! ```
//!
//! Expected on the built-in catalogue: R@20 0.13 for popularity, 0.32 for BPR-MF and MMGCN, 0.46 for LightGCN, 0.45 for FREEDOM,
//! 0.50 for VBPR, 0.52 for GRCN and LATTICE and 0.54 for VIRAL, in some minutes of two cores.

mod common;

use clap::Parser;
use viral::args::{DataArgs, TrainArgs};
use viral::prelude::*;
use viral::recipe::Results;

/// Every model of the table on one data set.
#[derive(Parser, Debug)]
struct Args {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    train: TrainArgs,
    /// Prints the table as Markdown
    #[arg(long)]
    markdown: bool,
}

fn main() -> viral::Result<()> {
    let args = Args::parse();
    let device = args.train.start()?;
    let data = args.data.read()?;
    eprintln!("{data}");
    let (mut results, mut failures) = (Results::new("model"), Vec::new());
    for &name in ModelConfig::NAMES {
        eprintln!("{name} …");
        match args.train.apply(Recipe::named(name)?)?.run(&data, &device) {
            Ok(run) => results.row(name, &run, &run.test(&Results::CUTOFFS)?),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    let table = results.table();
    print!("{}", if args.markdown { table.to_markdown() } else { table.to_text() });
    failures.iter().for_each(|failure| println!("{failure}"));
    Ok(())
}
