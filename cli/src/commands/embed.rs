//! `viral embed`: one vector for the picture and title of each item.

use super::folder::{Folder, file_name, open_catalogue, write_features};
use super::servers::{PriceArguments, Requests, open_journal, say_progress};
use crate::bar::Bar;
use crate::shell::{note, say};
use clap::Args;
use std::ops::ControlFlow;
use std::path::PathBuf;
use viral::Result;
use viral::data::{Provenance, sha256_of_file};
use viral_enrich::describe::{AnswerKind, ImageFolder, Items, PictureSettings, Prompt};
use viral_enrich::embed::ItemEmbedConfig;
use viral_enrich::features::FeatureTable;

/// Makes multimodal_feat.npy from the items' pictures and titles, with a vision-language model that embeds both
/// together.
///
/// Such models, VLM2Vec and Qwen3-VL-Embedding among them, run behind servers such as vLLM, which take a picture and
/// words as one message at /v1/embeddings. Each item is one request. With embed_journal.jsonl the run can be stopped at
/// any moment and started again. An item without a picture is embedded by its words alone, and counted. Train with
/// --modality multimodal.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  viral embed --data data/baby --images photos --server http://127.0.0.1:8000/v1 --model Qwen/Qwen3-VL-Embedding-2B")]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// Folder with the pictures, named as items.jsonl says or <id>.jpg, .png, .webp, …
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Address of a server; can be repeated, for replicas that share the work
    #[arg(long, value_name = "URL", required = true, help_heading = "Servers")]
    server: Vec<String>,
    /// The model's name, as the server knows it
    #[arg(long, help_heading = "Servers")]
    model: String,
    #[command(flatten)]
    requests: Requests,
    #[command(flatten)]
    message: MessageArguments,
    /// Maximum number of items to ask about, for a first look
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Asks again for items that were quarantined
    #[arg(long)]
    retry_quarantined: bool,
    #[command(flatten)]
    prices: PriceArguments,
    /// Name of the feature file
    #[arg(long, value_name = "NAME", default_value = "multimodal_feat.npy", value_parser = file_name, help_heading = "Results")]
    name: String,
}

/// What to send for an item.
#[derive(Args, Debug)]
#[command(next_help_heading = "Message")]
struct MessageArguments {
    /// A text file with places such as {title}, instead of the built-in prompt
    #[arg(long, value_name = "FILE")]
    prompt: Option<PathBuf>,
    /// Longer side of the pictures that are sent, in pixels
    #[arg(long, default_value_t = 768)]
    max_side: u32,
    /// Quarantines items without a picture, which are otherwise embedded by their words alone
    #[arg(long)]
    require_pictures: bool,
}

/// Embeds every item that the journal does not know yet, and writes the features.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let config = config(arguments)?;
    let prices = arguments.prices.prices()?;
    let folder = &arguments.folder;
    folder.check()?;
    let file = folder.data.join("items.jsonl");
    let items = Items::open(&file)?;
    let items_sha256 = sha256_of_file(&file)?;
    let images = ImageFolder::open(&arguments.images)?;
    let catalogue = open_catalogue(folder)?;
    let path = folder.made()?.join(&arguments.name);
    FeatureTable::check_free(&path)?;
    let mut journal = open_journal(&folder.out().join("embed_journal.jsonl"), &items, &config.prompt)?;
    let mut bar = Bar::new(items.n_items(), prices);
    let embedded = config.run(&items, &images, &mut journal, |progress| {
        bar.show(progress);
        ControlFlow::Continue(())
    });
    bar.finish();
    let embedded = match embedded {
        Ok(embedded) => embedded,
        Err(error) => {
            note!("what was embedded until then is in {}", folder.out().join("embed_journal.jsonl").display());
            return Err(error);
        }
    };
    if let Err(error) = embedded.check_any() {
        say_progress("embedded", &embedded.progress, &embedded.faults, &embedded.servers, prices)?;
        return Err(error);
    }
    let table = embedded.table(&catalogue, &items, &journal)?;
    write_features(&catalogue, &table, &path, |new| {
        embedded.provenance(new.with_input(Provenance::input_name(&file, &path), &items_sha256))
    })?;
    say_progress("embedded", &embedded.progress, &embedded.faults, &embedded.servers, prices)?;
    if embedded.n_without_picture > 0 {
        let n = embedded.n_without_picture;
        say!("{n} items have no picture and were embedded by their words alone; --require-pictures leaves them out")?;
    }
    Ok(())
}

fn config(arguments: &Arguments) -> Result<ItemEmbedConfig> {
    let Arguments { message, requests, .. } = arguments;
    let usual = ItemEmbedConfig::new(&arguments.model, &arguments.server)?;
    let prompt = match &message.prompt {
        Some(path) => Prompt::read(path, AnswerKind::Prose)?,
        None => usual.prompt.clone(),
    };
    Ok(ItemEmbedConfig {
        prompt,
        api_key: requests.api_key()?,
        needs_picture: message.require_pictures,
        picture: PictureSettings { max_side: message.max_side, ..PictureSettings::default() },
        concurrency: requests.concurrency(),
        timeout: requests.timeout(),
        patience: requests.patience(),
        backoff: requests.backoff(),
        retry_quarantined: arguments.retry_quarantined,
        limit: arguments.limit,
        ..usual
    })
}
