//! `viral encode`: features of descriptions and titles.

use super::folder::{FeatureFiles, Folder, Part, open_catalogue, write_features};
use super::servers::Requests;
use crate::bar::{Bar, duration};
use crate::shell::{note, say};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Instant;
use viral::args::DeviceName;
use viral::data::{Origin, Provenance, sha256_of_file};
use viral::{Error, Result};
use viral_enrich::embed::{EmbedConfig, TextForm, VectorStore};
use viral_enrich::encode::TextEncoder;
use viral_enrich::features::{Content, Descriptions, FeatureTable, ItemText, PictureText};

/// Makes text_feat.npy from the items' texts, and image_feat.npy from their descriptions.
///
/// A Sentence-BERT model encodes in this process, some 300 titles a second on two cores, or a server does. Each feature
/// file comes with its mask and its provenance.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  viral encode --data data/baby --encoder all-MiniLM-L6-v2")]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// Hugging Face folder of a Sentence-BERT model; without it, a server encodes (--server and --model)
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "model"], help_heading = "Encoder")]
    encoder: Option<PathBuf>,
    /// Where the encoder runs; wgpu and cuda need the feature of that name
    #[arg(long, value_enum, default_value_t = DeviceName::Flex, help_heading = "Encoder")]
    device: DeviceName,
    /// Address of a server; can be repeated, for replicas that share the work
    #[arg(long, value_name = "URL", required_unless_present = "encoder", help_heading = "Servers")]
    server: Vec<String>,
    /// The model's name, as the server knows it
    #[arg(long, required_unless_present = "encoder", help_heading = "Servers")]
    model: Option<String>,
    /// How servers receive the texts: input, many in a request, or messages, one in a request, which puts them into the
    /// space of items embedded by `viral embed` with the same model
    #[arg(long, value_enum, default_value_t = Form::Input, conflicts_with = "encoder", help_heading = "Servers")]
    form: Form,
    #[command(flatten)]
    requests: Requests,
    #[command(flatten)]
    texts: TextArguments,
    #[command(flatten)]
    files: FeatureFiles,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Form {
    Input,
    Messages,
}

/// What to encode.
#[derive(Args, Debug)]
#[command(next_help_heading = "Texts")]
struct TextArguments {
    /// Descriptions to encode [default: descriptions.jsonl, or attributes.jsonl, whichever is there]
    #[arg(long, value_name = "FILE")]
    descriptions: Option<PathBuf>,
    /// Fields of an item that are joined for its text features
    #[arg(long, value_name = "FIELDS", default_value = "title,brand,categories,description")]
    fields: String,
    /// Leaves the title out of the image features: what a picture alone says
    #[arg(long)]
    no_title: bool,
    /// Makes only one of the two feature files
    #[arg(long, value_enum)]
    only: Option<Part>,
}

/// What computes the vectors of texts.
enum Encoder {
    Here(Box<TextEncoder>),
    Servers(Box<EmbedConfig>, VectorStore),
}

/// Encodes the items' texts and, if there are any, the descriptions of their pictures.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { folder, texts, files, .. } = arguments;
    folder.check()?;
    files.check()?;
    let path = |part| -> Result<PathBuf> { Ok(folder.made()?.join(files.name(part))) };
    let catalogue = open_catalogue(folder)?;
    let items = folder.data.join("items.jsonl");
    let items_sha256 = sha256_of_file(&items)?;
    let mut jobs: Vec<(PathBuf, Vec<Content>, Provenance)> = Vec::new();
    let made_of_items = |features: &Path| {
        Provenance::new(Vec::new(), 0).with_input(Provenance::input_name(&items, features), &items_sha256)
    };
    if texts.only != Some(Part::Image) {
        let text = ItemText::by_names(&texts.fields)?;
        let path = path(Part::Text)?;
        let made_of = made_of_items(&path);
        jobs.push((path, catalogue.contents(|item| text.of(item)), made_of));
    }
    if texts.only != Some(Part::Text) {
        match descriptions(texts, folder)? {
            Some(descriptions) => {
                let picture = PictureText { descriptions: &descriptions, with_title: !texts.no_title };
                let path = path(Part::Image)?;
                let name = Provenance::input_name(&descriptions.path, &path);
                let mut made_of = made_of_items(&path).with_input(name, &descriptions.sha256);
                if let Some(source) = &descriptions.source {
                    made_of = made_of.with_prompt(source.prompt.clone()).with_model(source.model.clone());
                }
                jobs.push((path, catalogue.contents(|item| picture.of(item)), made_of));
            }
            None => say!("No descriptions, so no {}; describe the pictures first", files.name(Part::Image))?,
        }
    }
    // Obstacles to writing the result are found before the work, not after it.
    jobs.iter().try_for_each(|(path, ..)| FeatureTable::check_free(path))?;
    let mut encoder = Encoder::open(arguments)?;
    for (path, mut contents, made_of) in jobs {
        let (width, vectors) = encoder.vectors(&mut contents)?;
        let table = FeatureTable::new(catalogue.ids(), &contents, width, &vectors)?;
        write_features(&catalogue, &table, &path, |new| Provenance {
            inputs: made_of.inputs,
            prompt: made_of.prompt,
            model: made_of.model,
            encoder: Some(encoder.origin()),
            ..new
        })?;
    }
    Ok(())
}

/// The descriptions that are named, or else found in the folder.
fn descriptions(texts: &TextArguments, folder: &Folder) -> Result<Option<Descriptions>> {
    if let Some(path) = &texts.descriptions {
        return Descriptions::read(path).map(Some);
    }
    let there = ["descriptions.jsonl", "attributes.jsonl"].map(|name| folder.out().join(name));
    match there.each_ref().map(|path| path.exists()) {
        [true, true] => {
            let message = "beside attributes.jsonl; name the one to encode with --descriptions".to_string();
            Err(Error::File { path: there[0].clone(), message })
        }
        [true, false] => Descriptions::read(&there[0]).map(Some),
        [false, true] => Descriptions::read(&there[1]).map(Some),
        [false, false] => Ok(None),
    }
}

impl Encoder {
    fn open(arguments: &Arguments) -> Result<Self> {
        let Arguments { folder, requests, .. } = arguments;
        if let Some(model) = &arguments.encoder {
            return Ok(Self::Here(Box::new(TextEncoder::open(model, &arguments.device.open()?)?)));
        }
        let form = match arguments.form {
            Form::Input => TextForm::Input,
            Form::Messages => TextForm::Messages,
        };
        let config = EmbedConfig {
            form,
            api_key: requests.api_key()?,
            concurrency: requests.concurrency(),
            timeout: requests.timeout(),
            patience: requests.patience(),
            backoff: requests.backoff(),
            ..EmbedConfig::new(arguments.model.clone().unwrap_or_default(), &arguments.server)
        };
        Ok(Self::Servers(Box::new(config), VectorStore::open(folder.made()?.join("embeddings.jsonl"))?))
    }

    fn origin(&self) -> Origin {
        match self {
            Self::Here(encoder) => encoder.origin().clone(),
            Self::Servers(config, _) => Origin::named(&config.model),
        }
    }

    /// Encodes the texts that exist. A text that a server refuses becomes missing content.
    fn vectors(&mut self, contents: &mut [Content]) -> Result<(usize, Vec<f32>)> {
        let start = Instant::now();
        let texts = FeatureTable::texts(contents);
        let mut bar = Bar::new(texts.len(), None);
        let found = match self {
            Self::Here(encoder) => {
                let vectors = encoder.encode(&texts, |n| bar.count(n));
                bar.finish();
                let seconds = start.elapsed().as_secs_f64();
                note!("{} texts encoded in {}, {:.0}/s", texts.len(), duration(seconds), texts.len() as f64 / seconds);
                (encoder.width(), vectors?)
            }
            Self::Servers(config, store) => {
                let embedded = config.run(&texts, store, |n| bar.count(n));
                bar.finish();
                let embedded = embedded?;
                note!("{} texts embedded, {} of them asked for now", texts.len(), embedded.n_asked);
                let width = embedded.width;
                let kept = |text: &usize| !embedded.refused.contains_key(text);
                let rows =
                    (0..texts.len()).filter(kept).flat_map(|text| embedded.values[text * width..][..width].to_vec());
                let vectors = rows.collect();
                let there = contents.iter_mut().filter(|content| content.is_ok());
                for (text, content) in there.enumerate() {
                    if let Some(reason) = embedded.refused.get(&text) {
                        *content = Err(format!("refused: {reason}"));
                    }
                }
                (width, vectors)
            }
        };
        Ok(found)
    }
}
