//! `viral export`: a saved model as files that other programs read.

use super::choice::Choice;
use crate::bar::Bar;
use crate::export::{Export, Format};
use crate::shell::say;
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use viral::prelude::Recommender;
use viral::{Error, Result};

/// Default length of a list.
const TOP: usize = 20;

/// Writes the vectors of a saved model and the lists of all users, for NumPy, pandas, databases and search engines.
///
/// blocks.json has the name, the first column and the width of each block of the vectors. The other files depend on --format:
///
/// npy: items.npy and users.npy, a vector per row, whose inner product is the score; item_ids.txt and user_ids.txt, the
/// id of each row on a line. An id that does not fit on a line as it is, such as one with a line break, is written as a
/// JSON string; a line is one if it begins with a double quote.
///
/// jsonl: top.jsonl, an object with user and items for each user, the items as `viral recommend --json` prints them.
///
/// parquet: top.parquet, a row for each item of a list: user, rank from 1, item, score and, for each block, share_BLOCK.
///
/// Users without train interactions have no lists. All files appear at the end of the run, each of them complete.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  viral export --model out/baby-viral-default-seed0 --out export --top 50 --format npy,parquet"
)]
pub(crate) struct Arguments {
    /// Folder with model.safetensors, or the file itself
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder for the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to write, separated by commas
    #[arg(long, value_enum, value_name = "FORMAT,…", value_delimiter = ',', default_value = "npy,jsonl")]
    format: Vec<Format>,
    /// Items per list [default: 20]
    #[arg(long, value_name = "K")]
    top: Option<NonZeroUsize>,
    /// Writes vectors of 16-bit floats instead of 32 bits
    #[arg(long)]
    half: bool,
    /// Replaces an earlier export in the folder
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    choice: Choice,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { format, half, overwrite, .. } = arguments;
    if *half && !format.contains(&Format::Npy) {
        return Err(Error::Config("--half is about vectors; add npy to --format".into()));
    }
    let has_lists = format.iter().any(|&format| format != Format::Npy);
    if !has_lists && (arguments.top.is_some() || arguments.choice != Choice::default()) {
        let message = "--top and which items may come are about lists; add jsonl or parquet to --format";
        return Err(Error::Config(message.into()));
    }
    let recommender = Recommender::load(&arguments.model)?;
    let options = arguments.choice.options(&recommender, arguments.top.map_or(TOP, NonZeroUsize::get))?;
    let export = Export { recommender: &recommender, formats: format, options: &options, half: *half };
    let mut bar = Bar::new(recommender.users().len(), None);
    let exported = export.write(&arguments.out, *overwrite, |n_users| bar.count(n_users));
    bar.finish();
    let exported = exported?;

    let (z, out) = (recommender.embeddings(), arguments.out.display());
    let model = recommender.model_name().unwrap_or("a model");
    say!(
        "{model} on {}: {} users, {} items, {} numbers each",
        recommender.data_name(),
        z.n_users(),
        recommender.catalogue().count(),
        z.d()
    )?;
    if has_lists {
        say!("lists for {} users, {} items in all", exported.n_users, exported.n_listed)?;
    }
    if has_lists && format.contains(&Format::Npy) && !arguments.choice.weigh.is_empty() {
        say!("--weigh is in the scores of the lists, and not in users.npy and items.npy")?;
    }
    if exported.n_skipped > 0 {
        say!("no lists for {} users without train interactions", exported.n_skipped)?;
    }
    if exported.n_quoted > 0 {
        say!("{} ids cannot stand in a line as they are; they are written as JSON strings", exported.n_quoted)?;
    }
    say!("In {out}: {}", exported.files.join(", "))
}
