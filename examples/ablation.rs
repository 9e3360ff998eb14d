//! What VIRAL's fusion is worth: its rivals from the paper's Table 2, and VIRAL without its redundancy estimator.
//!
//! ```text
//! cargo run --release --example ablation                  # built-in catalogue
//! cargo run --release --example ablation -- --data DIR    # a folder in MMRec's layout
//! ```
//!
//! Expected on the built-in catalogue: R@20 0.52 for mean pooling, 0.51 for concatenation, 0.52 for weighted concatenation,
//! 0.53 without redundancy and 0.54 for the whole, in about two minutes of two cores.

mod common;

use clap::Parser;
use viral::args::{DataArgs, TrainArgs};
use viral::prelude::*;
use viral::recipe::Results;

/// VIRAL with other fusions.
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

/// What each row is called, and what makes it of the default.
const ROWS: [(&str, &str, &str); 5] = [
    ("mean pooling", "fusion", "mean_pooling"),
    ("concatenation", "fusion", "concatenation"),
    ("weighted concatenation", "fusion", "weighted_concatenation"),
    ("without redundancy", "redundancy", "false"),
    ("information-aware", "fusion", "information_aware"),
];

fn main() -> viral::Result<()> {
    let args = Args::parse();
    let device = args.train.start()?;
    let data = args.data.read()?;
    eprintln!("{data}");
    let mut results = Results::new("fusion");
    for (name, key, value) in ROWS {
        eprintln!("{name} …");
        let run = args.train.apply(Recipe::viral().set(key, value)?)?.run(&data, &device)?;
        results.row(name, &run, &run.test(&Results::CUTOFFS)?);
    }
    let table = results.table();
    print!("{}", if args.markdown { table.to_markdown() } else { table.to_text() });
    Ok(())
}
