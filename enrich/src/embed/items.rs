//! Embeds items as one vector each: picture and title in one message to a vision-language model.

use super::parse_embeddings;
use super::store::{packed, unpacked};
use crate::describe::{
    ApiKey, Ask, Asked, Asking, Backoff, ImageFolder, Item, Items, Journal, NO_RECORD, PictureSettings, Progress,
    Prompt, ServerReport, Tokens, message,
};
use crate::digest::hash;
use crate::features::{Catalogue, Content, FeatureTable};
use crate::server::{CrewConfig, Dialect, EMBEDDINGS, Tries, endpoints, json_of, lock};
use crate::{Error, Result};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;
use viral::data::{Origin, Provenance};

/// Configuration of a run that embeds items with their pictures: prompt, model and servers, and limits.
///
/// A vision-language embedding model reads an item's picture and the [`Prompt`], which quotes the title, as one
/// message. Its vector is the item's only modality: nothing is left to be fused. Servers accept it at `/v1/embeddings`
/// in chat format, as vLLM's pooling models do:
///
/// ```json
/// {"model": "…", "messages": [{"role": "user", "content": [
///     {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,…"}},
///     {"type": "text", "text": "Represent this product …"}]}], "encoding_format": "float"}
/// ```
///
/// and answer with `data[0].embedding`, a list of numbers or their base64. A request is about one item. Journal,
/// replicas, faults, quarantine and limits work as for [descriptions](crate::describe::DescribeConfig). Texts get
/// vectors in the same space by an [`EmbedConfig`](super::EmbedConfig) of the same model with
/// [`TextForm::Messages`](super::TextForm::Messages).
///
/// ```no_run
/// # use std::ops::ControlFlow;
/// use viral_enrich::describe::{ImageFolder, Items, Journal};
/// use viral_enrich::embed::ItemEmbedConfig;
/// use viral_enrich::features::Catalogue;
///
/// # fn main() -> viral::Result<()> {
/// let config = ItemEmbedConfig::new("Qwen/Qwen3-VL-Embedding-2B", ["http://127.0.0.1:8000/v1"])?;
/// let (items, images) = (Items::open("data/baby/items.jsonl")?, ImageFolder::open("photos")?);
/// let mut journal = Journal::open("data/baby/embed_journal.jsonl")?;
/// let embedded = config.run(&items, &images, &mut journal, |_| ControlFlow::Continue(()))?;
/// let table = embedded.table(&Catalogue::open("data/baby")?, &items, &journal)?;
/// table.write("data/baby/multimodal_feat.npy", |new| embedded.provenance(new))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ItemEmbedConfig {
    /// Text sent with the picture ([`Prompt::for_embedding`]).
    pub prompt: Prompt,
    /// The model's name, as the servers know it.
    pub model: String,
    /// Addresses such as `http://127.0.0.1:8000/v1`. No other host is ever contacted.
    pub servers: Vec<String>,
    /// API key, sent to these servers only.
    pub api_key: Option<ApiKey>,
    /// Whether items without a picture are quarantined (no); otherwise they are embedded by their text alone, and
    /// counted.
    pub needs_picture: bool,
    /// How pictures are prepared.
    pub picture: PictureSettings,
    /// Requests in flight at each server (8).
    pub concurrency: usize,
    /// Timeout of a request (3 min).
    pub timeout: Duration,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// Failed requests after which an item is quarantined (6); twice as many while no server answers anything. A server
    /// that cannot be reached does not count.
    pub max_failures: u32,
    /// Time without an answer from any server after which the run fails (10 min).
    pub patience: Duration,
    /// Whether quarantined items are requested again.
    pub retry_quarantined: bool,
    /// Maximum number of items to request.
    pub limit: Option<usize>,
}

/// Result of a run.
#[derive(Debug, Clone)]
pub struct EmbeddedItems {
    /// Progress at the end of the run; embedded items count as described.
    pub progress: Progress,
    /// Number of items quarantined in this run, by name of the fault.
    pub faults: BTreeMap<String, usize>,
    /// Statistics of each server.
    pub servers: Vec<ServerReport>,
    /// Items of the catalogue, from this run or before, embedded by their text alone because they have no picture.
    pub n_without_picture: usize,
    prompt: Origin,
    model: Origin,
    asked: Asked,
}

impl ItemEmbedConfig {
    /// Creates a configuration with default settings.
    ///
    /// # Errors
    /// Those of [`Prompt::for_embedding`].
    pub fn new(model: impl Into<String>, servers: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        Ok(Self {
            prompt: Prompt::for_embedding()?,
            model: model.into(),
            servers: servers.into_iter().map(Into::into).collect(),
            api_key: None,
            needs_picture: false,
            picture: PictureSettings::default(),
            concurrency: 8,
            timeout: Duration::from_secs(180),
            backoff: Backoff::default(),
            max_failures: 6,
            patience: Duration::from_secs(600),
            retry_quarantined: false,
            limit: None,
        })
    }

    /// Embeds every item that the journal does not know yet, and calls `observe` after each one. `Break` from `observe`
    /// ends the run once the requests in flight are answered.
    ///
    /// # Errors
    /// If a setting or file cannot be used, all servers fail for longer than `patience`, reject the key or do not know
    /// the model, or the journal cannot be written. Vectors up to then are in the journal.
    pub fn run(
        &self,
        items: &Items,
        images: &ImageFolder,
        journal: &mut Journal,
        observe: impl FnMut(&Progress) -> ControlFlow<()> + Send,
    ) -> Result<EmbeddedItems> {
        self.picture.check()?;
        let asking = Asking {
            model: &self.model,
            crew: CrewConfig {
                servers: &self.servers,
                endpoints: endpoints(&self.servers, &self.model, EMBEDDINGS)?,
                api_key: self.api_key.as_ref(),
                concurrency: self.concurrency,
                timeout: self.timeout,
                backoff: &self.backoff,
                patience: self.patience,
            },
            picture: &self.picture,
            max_failures: self.max_failures,
            max_unfit: 1,
            retry_quarantined: self.retry_quarantined,
            limit: self.limit,
        };
        let known = journal.text_by(&self.model)?;
        let width = match known {
            Some(vector) => unpacked(&vector).map_err(|what| damaged(journal, &what))?.len(),
            None => 0,
        };
        let ask = Embedding { config: self, width: Mutex::new(width) };
        let asked = asking.run(&ask, items, images, journal, observe)?;
        let mut n_without_picture = 0;
        let mut records = journal.reader()?;
        for &place in asked.places.iter().filter(|&&place| place != NO_RECORD) {
            let record = records.read(place)?;
            n_without_picture += usize::from(record.text.is_some() && record.image.is_empty());
        }
        let Asked { progress, faults, servers, .. } = asked.clone();
        let prompt = Origin::of_bytes(self.prompt.name(), self.prompt.template().as_bytes());
        let model = Origin::named(&self.model);
        Ok(EmbeddedItems { progress, faults, servers, n_without_picture, prompt, model, asked })
    }

    /// Returns what the journal knows about the items without sending any request: the result of a run that ended with
    /// an error.
    ///
    /// # Errors
    /// If a setting or file cannot be used.
    pub fn known(&self, items: &Items, images: &ImageFolder, journal: &mut Journal) -> Result<EmbeddedItems> {
        let nobody = Self { limit: Some(0), retry_quarantined: false, ..self.clone() };
        nobody.run(items, images, journal, |_| ControlFlow::Continue(()))
    }
}

impl EmbeddedItems {
    /// Checks that at least one of the items is embedded, in this run or before.
    ///
    /// # Errors
    /// If every item is quarantined.
    pub fn check_any(&self) -> Result<()> {
        self.asked.check_any(Embedding::DONE)
    }

    /// Returns the vectors as feature rows in catalogue order; items without a vector are masked, with the reason.
    ///
    /// # Errors
    /// If there is no vector at all, the journal has vectors of different widths or a record without a valid one, or
    /// the catalogue has changed meanwhile.
    pub fn table(&self, catalogue: &Catalogue, items: &Items, journal: &Journal) -> Result<FeatureTable> {
        let mut places: HashMap<String, u64> = HashMap::new();
        for (item, &place) in items.iter()?.zip(&self.asked.places) {
            places.insert(item?.id, place);
        }
        let mut records = journal.reader()?;
        let (mut contents, mut vectors, mut width) = (Vec::<Content>::new(), Vec::new(), 0);
        for id in catalogue.ids() {
            let record = match places.get(id) {
                Some(&NO_RECORD) => Err("not asked yet"),
                Some(&place) => Ok(records.read(place)?),
                None if id.is_empty() => Err(""),
                None => Err("no line in items.jsonl"),
            };
            contents.push(match record {
                Err(why) => Err(why.to_string()),
                Ok(record) if record.item != *id => {
                    let message = format!("has {} where {id} was; embed the items again", record.item);
                    return Err(Error::file(journal.path(), message));
                }
                Ok(record) => match record.text {
                    None => Err(record.quarantined.unwrap_or_default()),
                    Some(text) => {
                        let vector = unpacked(&text).map_err(|what| damaged(journal, &what))?;
                        if width != 0 && vector.len() != width {
                            let message = format!(
                                "vectors of {width} and {} numbers, which one model does not make; move this file away, and \
                                 embed the items again",
                                vector.len()
                            );
                            return Err(Error::file(journal.path(), message));
                        }
                        width = vector.len();
                        vectors.extend_from_slice(&vector);
                        Ok(String::new())
                    }
                },
            });
        }
        FeatureTable::new(catalogue.ids(), &contents, width, &vectors)
    }

    /// Adds prompt, model and the number of items without a picture to the provenance of the features.
    pub fn provenance(&self, new: Provenance) -> Provenance {
        let new = new.with_prompt(self.prompt.clone()).with_encoder(self.model.clone());
        new.with_n_without_picture(self.n_without_picture)
    }
}

fn damaged(journal: &Journal, what: &str) -> Error {
    let message = format!("a record without a vector ({what}); name another journal, or move this one away");
    Error::file(journal.path(), message)
}

/// The request for an item: one message.
struct Embedding<'a> {
    config: &'a ItemEmbedConfig,
    /// Width of the vectors; 0 before the first.
    width: Mutex<usize>,
}

impl Ask for Embedding<'_> {
    type Answer = (Vec<f32>, Tokens);

    const DONE: &'static str = "embedded";

    fn question(&self, item: &Item, has_picture: bool) -> (String, String) {
        let text = self.config.prompt.render(item);
        let PictureSettings { max_side, quality, .. } = self.config.picture;
        let settings = match (has_picture, self.config.needs_picture) {
            (true, _) => format!("embedding {max_side} {quality}"),
            (false, true) => "embedding, and no picture".to_string(),
            (false, false) => "embedding of words alone".to_string(),
        };
        let hash = hash(&[settings.as_bytes(), text.as_bytes()]);
        (text, hash)
    }

    fn without_picture(&self, item: &Item) -> std::result::Result<(), String> {
        if self.config.needs_picture {
            return Err("image: no file for it in the folder".to_string());
        }
        match self.config.prompt.quotes(item) {
            true => Ok(()),
            false => {
                Err("image: no file for it in the folder, nor any of the words that the prompt quotes".to_string())
            }
        }
    }

    fn body(&self, text: &str, jpeg: Option<&[u8]>, _: &Tries, dialect: &Dialect) -> Vec<u8> {
        let mut body = json!({ "model": self.config.model, "messages": message(text, jpeg) });
        dialect.put(&mut body, "encoding_format", "float");
        body.to_string().into_bytes()
    }

    fn parse(&self, body: &[u8]) -> std::result::Result<Self::Answer, String> {
        let vector = parse_embeddings(body, 1)?.pop().unwrap_or_default();
        let mut width = lock(&self.width);
        // The first answer fixes the width of all.
        if *width != 0 && *width != vector.len() {
            return Err(format!("a vector of {} numbers where others have {width}", vector.len()));
        }
        *width = vector.len();
        drop(width);
        let usage = json_of(body)?.get("usage").and_then(|usage| usage.get("prompt_tokens")?.as_u64());
        Ok((vector, Tokens { input: usage.unwrap_or(0), output: 0 }))
    }

    fn judge(&self, (vector, tokens): Self::Answer) -> (Tokens, std::result::Result<String, String>) {
        (tokens, Ok(packed(&vector)))
    }
}
