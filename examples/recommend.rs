//! Recommends items to a user from a saved model, each score split into the shares of the model's blocks.
//!
//! ```text
//! cargo run --release --example train_baby                  # saves out/planted-viral-default-seed0/model.safetensors
//! cargo run --release --example recommend -- --model out/planted-viral-default-seed0 --user u0000 -k 10
//! ```
//!
//! Expected: ten items that the user does not have yet, best first, in less than a second.

mod common;

use clap::Parser;
use common::{note, say};
use std::path::PathBuf;
use viral::Error;
use viral::serve::{RecommendOptions, Recommendation, Recommender};

/// Recommends items to a user from a saved model.
#[derive(Parser, Debug)]
struct Args {
    /// Folder with model.safetensors, or the file itself
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// External id of the user
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    user: String,
    /// Number of items
    #[arg(short, default_value_t = 10)]
    k: usize,
    /// Prints one JSON object instead of the table, with all digits
    #[arg(long)]
    json: bool,
}

fn main() -> viral::Result<()> {
    let args: Args = viral::args::parse();
    let recommender = Recommender::load(&args.model)?;
    let (name, data) = (recommender.model_name().unwrap_or("the model"), recommender.data_name());
    let items = match recommender.recommend(&args.user, args.k) {
        // Nothing is known of this user: lists the most popular items, and says so.
        Err(error @ Error::NoHistory { .. }) => {
            note!("{error}");
            if !args.json {
                say!("{data}: the items that most users have\n")?;
            }
            recommender.popular_for(&args.user, &RecommendOptions::new(args.k))?
        }
        found => {
            let items = found?;
            if !args.json {
                say!("{name} on {data}: {} new items for user {}\n", items.len(), args.user)?;
            }
            items
        }
    };
    if args.json {
        let all = serde_json::json!({"data": data, "model": name, "user": args.user, "items": items});
        return say!("{all:#}");
    }
    say!("{}", Recommendation::table(&items).to_text())?;
    if items.iter().all(|item| item.shares.iter().map(|(_, share)| share).sum::<f64>() == item.score) {
        say!("The shares of the blocks add up to the score exactly; the table rounds to six digits, --json does not.")?;
    }
    Ok(())
}
