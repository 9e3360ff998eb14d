//! The command line.

use crate::common::args::DeviceName;
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use viral::{Error, Result};

/// From pictures and titles to feature files: describes pictures by a vision-language model; with --encode makes features
/// of the descriptions and of the items' texts; with --import takes features made elsewhere.
///
/// The key of a server that wants one is taken from the environment variable VIRAL_API_KEY.
#[derive(Parser, Debug)]
pub(crate) struct Args {
    /// Folder with items.jsonl: an object with id, title and image a line
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Folder for journal, descriptions and features [default: the data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Address of a server; may be given again, for replicas that share the work
    #[arg(long, value_name = "URL", required_unless_present_any = ["encoder", "import"])]
    pub(crate) server: Vec<String>,
    /// The model's name, as the server knows it
    #[arg(long, required_unless_present_any = ["encoder", "import"])]
    pub(crate) model: Option<String>,
    /// Environment variable that holds the servers' key
    #[arg(long, value_name = "VARIABLE", default_value = "VIRAL_API_KEY")]
    pub(crate) api_key_env: String,
    /// Requests in flight at each server
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
    /// Seconds that one request may take
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// Seconds that all servers may be out of order before the run ends
    #[arg(long, default_value_t = 600)]
    pub(crate) patience: u64,
    /// Seed of the waits after failures
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// Folder with the pictures, named as items.jsonl says or <id>.jpg, .png, .webp, …
    #[arg(long, value_name = "DIR", help_heading = "Describing", required_unless_present_any = ["encode", "import"])]
    pub(crate) images: Option<PathBuf>,
    /// plain, title, attributes, or a text file with places such as {title}
    #[arg(long, default_value = "title", help_heading = "Describing")]
    pub(crate) prompt: String,
    /// What a prompt file asks for
    #[arg(long, value_enum, default_value_t = Kind::Prose, help_heading = "Describing")]
    pub(crate) answer: Kind,
    /// Tokens at which an answer is cut
    #[arg(long, default_value_t = 400, help_heading = "Describing")]
    pub(crate) max_tokens: u32,
    /// Temperature of the first request for an item
    #[arg(long, default_value_t = 0.0, help_heading = "Describing")]
    pub(crate) temperature: f32,
    /// Longer side of the pictures that are sent, in pixels
    #[arg(long, default_value_t = 768, help_heading = "Describing")]
    pub(crate) max_side: u32,
    /// Asks for so many items at most: for a first look
    #[arg(long, value_name = "N", help_heading = "Describing")]
    pub(crate) limit: Option<usize>,
    /// Asks again for items that were quarantined
    #[arg(long, help_heading = "Describing")]
    pub(crate) retry_quarantined: bool,
    /// Keeps answers in any language
    #[arg(long, help_heading = "Describing")]
    pub(crate) any_language: bool,
    /// Keeps every answer that is not empty: for trying a server, never for results
    #[arg(long, conflicts_with = "any_language", help_heading = "Describing")]
    pub(crate) accept_any: bool,
    /// Price of a million tokens of prompts and pictures
    #[arg(long, value_name = "MONEY", requires = "price_out", help_heading = "Describing")]
    pub(crate) price_in: Option<f64>,
    /// Price of a million tokens of answers
    #[arg(long, value_name = "MONEY", requires = "price_in", help_heading = "Describing")]
    pub(crate) price_out: Option<f64>,

    /// Makes text_feat.npy of the items' texts, and image_feat.npy of their descriptions
    #[arg(long, help_heading = "Encoding")]
    pub(crate) encode: bool,
    /// Hugging Face folder of a Sentence-BERT model; without it, --server and --model say who encodes
    #[arg(long, value_name = "DIR", requires = "encode", conflicts_with_all = ["server", "model"], help_heading = "Encoding")]
    pub(crate) encoder: Option<PathBuf>,
    /// Where the encoder runs; wgpu and cuda need the feature of that name
    #[arg(long, value_enum, default_value_t = DeviceName::Flex, help_heading = "Encoding")]
    pub(crate) device: DeviceName,
    /// Descriptions to encode [default: descriptions.jsonl, or attributes.jsonl, whichever is there]
    #[arg(long, value_name = "FILE", help_heading = "Encoding")]
    pub(crate) descriptions: Option<PathBuf>,
    /// Fields of an item that are joined for its text features
    #[arg(
        long,
        value_name = "FIELDS",
        default_value = "title,brand,categories,description",
        help_heading = "Encoding"
    )]
    pub(crate) fields: String,
    /// Leaves the title out of the image features: what a picture alone says
    #[arg(long, help_heading = "Encoding")]
    pub(crate) no_title: bool,
    /// Makes one of the two feature files only
    #[arg(long, value_enum, help_heading = "Encoding")]
    pub(crate) only: Option<Part>,

    /// Matrix made elsewhere, .npy or .safetensors, that becomes the features of --only
    #[arg(long, value_name = "FILE", requires_all = ["ids", "only"], conflicts_with = "encode", help_heading = "Importing")]
    pub(crate) import: Option<PathBuf>,
    /// External ids of its rows, one a line
    #[arg(long, value_name = "FILE", requires = "import", help_heading = "Importing")]
    pub(crate) ids: Option<PathBuf>,

    /// Name of the text features' file
    #[arg(long, value_name = "NAME", default_value = "text_feat.npy", help_heading = "Results")]
    pub(crate) text_name: String,
    /// Name of the image features' file
    #[arg(long, value_name = "NAME", default_value = "image_feat.npy", help_heading = "Results")]
    pub(crate) image_name: String,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Kind {
    Prose,
    Attributes,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text,
    Image,
}

impl Args {
    /// The folder for results, made if it is missing.
    pub(crate) fn out_folder(&self) -> Result<&Path> {
        let out = self.out.as_deref().unwrap_or(&self.data);
        std::fs::create_dir_all(out).map_err(|source| Error::Io { path: out.to_path_buf(), source })?;
        Ok(out)
    }

    /// The file of a part's features.
    pub(crate) fn feature_file(&self, part: Part) -> Result<PathBuf> {
        let name = if part == Part::Text { &self.text_name } else { &self.image_name };
        Ok(self.out_folder()?.join(name))
    }
}
