//! `viral recommend`: recommendations of a saved model, with the shares of its blocks.

use super::choice::{Choice, listed};
use crate::shell::say;
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use viral::prelude::{Recommendation, Recommender};
use viral::{Error, Result};

/// Recommends items from a saved model, each score split into the shares of the model's blocks.
///
/// Recommends to a known user, to a new user by what they liked, or lists items similar to an item. Items that a user
/// is known to have are left out. A value with commas that is itself an id is taken as that id; if ids have commas,
/// give the option once for each.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("whom").required(true))]
#[command(after_help = "Example:\n  viral recommend --model out/baby-viral-default-seed0 --user A1004703RC79J9 -k 10")]
pub(crate) struct Arguments {
    /// Folder with model.safetensors, or the file itself
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Number of items
    #[arg(short, default_value_t = 10)]
    k: usize,
    /// Prints one JSON object instead of the table, with all digits
    #[arg(long)]
    json: bool,
    /// External id of a user
    #[arg(long, value_name = "ID", group = "whom", allow_hyphen_values = true, help_heading = "For whom")]
    user: Option<String>,
    /// External ids of items that a new user liked: one, or several separated by commas; can be repeated
    #[arg(long, value_name = "ID,…", group = "whom", allow_hyphen_values = true, help_heading = "For whom")]
    liked: Vec<String>,
    /// External id of an item, to list similar ones
    #[arg(long, value_name = "ID", group = "whom", allow_hyphen_values = true, help_heading = "For whom")]
    similar: Option<String>,
    #[command(flatten)]
    choice: Choice,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let recommender = Recommender::load(&arguments.model)?;
    let options = arguments.choice.options(&recommender, arguments.k)?;
    let (mut note, found) = match (&arguments.user, &arguments.similar) {
        (Some(user), _) => (format!("new items for user {user}"), recommender.recommend_with(user, &options)),
        (_, Some(item)) => (format!("items similar to {item}"), recommender.similar_with(item, &options)),
        _ => {
            let liked = listed(&recommender, &arguments.liked)?;
            let found = recommender.recommend_for_with(&liked, &options);
            (format!("items for somebody who liked {}", liked.join(", ")), found)
        }
    };
    let mut model = recommender.model_name().unwrap_or("a model");
    let items = match found {
        // Nothing is known of this user: lists the most popular items, and says so.
        Err(Error::NoHistory { id, .. }) => {
            let known = "has no train interactions, so nothing is known of their taste";
            note = format!("of the items that most users have, for user {id} {known}");
            model = "popularity";
            recommender.popular_for(&id, &options)?
        }
        found => found?,
    };
    let data = recommender.data_name();
    if arguments.json {
        let all = serde_json::json!({
            "data": data, "model": model, "user": arguments.user, "note": note, "items": items
        });
        return say!("{all:#}");
    }
    say!("{model} on {data}: {} {note}\n\n{}", items.len(), Recommendation::table(&items).to_text())?;
    if items.iter().any(|item| !item.shares.is_empty()) {
        say!("The shares of the blocks add up to the score; the table rounds to six digits, --json does not.")?;
    }
    Ok(())
}
