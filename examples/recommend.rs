//! Recommends items to a user from a saved model, each score split into what its blocks gave.
//!
//! ```text
//! cargo run --release --example train_baby                  # saves out/planted-viral/model.safetensors
//! cargo run --release --example recommend -- --model out/planted-viral --user u0000 -k 10
//! ```
//!
//! Expected: ten items that the user does not have yet, best first, in less than a second.

use clap::Parser;
use std::path::{Path, PathBuf};
use viral::report::Table;
use viral::train::{Recommendation, SavedModel};
use viral::{Error, Result};

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

fn main() -> Result<()> {
    let args = Args::parse();
    let path = if args.model.is_dir() { args.model.join("model.safetensors") } else { args.model.clone() };
    if !path.exists() {
        let message = "there is no such model; train one with `cargo run --release --example train_baby`";
        return Err(Error::File { path, message: message.to_string() });
    }
    let model = SavedModel::load(&path)?;
    let items = model.recommend(&args.user, args.k)?;
    if args.json {
        let items = serde_json::to_value(&items).map_err(|e| Error::Data(e.to_string()))?;
        let all =
            serde_json::json!({"data": model.data, "model": model.config["model"], "user": args.user, "items": items});
        println!("{all:#}");
        return Ok(());
    }
    let name = model.config["model"].as_str().unwrap_or("the model");
    println!("{name} on {}: {} new items for user {}\n", model.data, items.len(), args.user);
    print!("{}", table(&items).to_text());
    println!("\n{}", footer(&path, &items));
    Ok(())
}

fn table(items: &[Recommendation]) -> Table {
    let blocks = items.first().map_or(&[][..], |item| &item.shares);
    let has_titles = items.iter().any(|item| item.title.is_some());
    let mut header = vec!["", "item", "score"];
    header.extend(blocks.iter().map(|(block, _)| block.as_str()));
    header.extend(has_titles.then_some("title"));
    let mut table = Table::new(header);
    for (rank, item) in items.iter().enumerate() {
        let mut cells = vec![(rank + 1).to_string(), item.item.clone(), format!("{:.6}", item.score)];
        cells.extend(item.shares.iter().map(|(_, share)| format!("{share:.6}")));
        cells.extend(has_titles.then(|| shortened(item.title.as_deref().unwrap_or_default())));
        table.row(cells);
    }
    table
}

/// The score is defined as the sum of the shares, in this order; said only when it is so to the last bit.
fn footer(path: &Path, items: &[Recommendation]) -> String {
    let is_sum = |item: &Recommendation| item.shares.iter().map(|(_, share)| share).sum::<f64>() == item.score;
    match items.iter().all(is_sum) {
        true => {
            "The shares of the blocks add up to the score exactly; the table rounds to six digits, --json does not."
                .into()
        }
        false => format!("{}: some shares do not add up to their score", path.display()),
    }
}

fn shortened(title: &str) -> String {
    const MOST: usize = 56;
    match title.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", title[..end].trim_end()),
        None => title.to_string(),
    }
}
