//! Settings of a model from the JSON files of its folder; an unsupported setting is an error that names it.

use super::activation::Activation;
use super::json::JsonFile;
use super::pooling::Pooling;
use crate::{Error, Result};
use std::path::Path;

/// Architectures of the BERT family that differ in more than their settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// BERT itself, and RoBERTa.
    Bert,
    /// DistilBERT: other tensor names, and no token types.
    Distil,
    /// MPNet: other tensor names, no token types, and a bias of attention by distance, in `n_buckets` buckets.
    Mpnet { n_buckets: usize },
}

/// The layout of a transformer encoder of BERT's family.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) family: Family,
    /// Optional prefix of tensor names.
    pub(super) prefix: &'static str,
    pub(super) n_tokens: usize,
    pub(super) n_positions: usize,
    pub(super) n_types: usize,
    pub(super) d_model: usize,
    pub(super) d_hidden: usize,
    pub(super) n_layers: usize,
    pub(super) n_heads: usize,
    pub(super) activation: Activation,
    pub(super) epsilon: f64,
    /// Position of a text's first token: RoBERTa counts from after the padding token's.
    pub(super) first_position: usize,
}

/// All settings of a model except its weights and its vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) layout: Layout,
    pub(super) pooling: Pooling,
    /// Whether vectors are L2-normalised.
    pub(super) is_normalized: bool,
    /// Whether texts are lower-cased before tokenization.
    pub(super) is_lower_case: bool,
    /// Maximum number of tokens of a text, special ones included.
    pub(super) max_tokens: usize,
    /// Prompt put before every text.
    pub(super) prompt: String,
    /// Whether the tokens of the prompt are pooled like those of the text.
    pub(super) is_prompt_pooled: bool,
}

impl Settings {
    /// Reads the files of a folder.
    ///
    /// # Errors
    /// Names the file, what it says and what is supported.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let config = JsonFile::read(&folder.join("config.json"))?;
        let layout = layout(&config)?;
        let modules = modules(folder)?;
        let (pooling, is_prompt_pooled) =
            match JsonFile::read_if_there(&folder.join(&modules.pooling).join("config.json"))? {
                Some(file) => (pooling(&file, layout.d_model)?, file.flag_or("include_prompt", true)?),
                None if modules.is_given => {
                    let path = folder.join(&modules.pooling).join("config.json");
                    return Err(Error::file(path, "missing, but modules.json lists it; copy the model's folder again"));
                }
                None => (Pooling::Mean, true),
            };
        let sentence = JsonFile::read_if_there(&folder.join("sentence_bert_config.json"))?;
        let tokenizer = JsonFile::read_if_there(&folder.join("tokenizer_config.json"))?;
        let most = layout.n_positions.saturating_sub(layout.first_position);
        let limit = |file: &Option<JsonFile>, key: &str| match file {
            // Some tokenizers say 1e30 for "no limit", which is no whole number.
            Some(file) => file.number_or(key, f64::INFINITY),
            None => Ok(f64::INFINITY),
        };
        let by_model = limit(&sentence, "max_seq_length")?;
        let by_tokenizer = limit(&tokenizer, "model_max_length")?;
        // Compared as floats: a limit above `most` has no effect, and one below is small enough to be exact.
        let asked = if by_model.is_finite() { by_model } else { by_tokenizer };
        let max_tokens = if asked < most as f64 { asked.max(0.0) as usize } else { most };
        let is_lower_case = sentence.as_ref().map_or(Ok(false), |file| file.flag_or("do_lower_case", false))?;
        let (is_normalized, prompt) = (modules.is_normalized, prompt(folder)?);
        Ok(Self { layout, pooling, is_normalized, is_lower_case, max_tokens, prompt, is_prompt_pooled })
    }
}

fn layout(config: &JsonFile) -> Result<Layout> {
    let kind = config.text_or("model_type", "bert")?;
    let (prefix, family, is_roberta) = match kind {
        "bert" => ("bert.", Family::Bert, false),
        "roberta" | "xlm-roberta" | "camembert" => ("roberta.", Family::Bert, true),
        "distilbert" => ("distilbert.", Family::Distil, false),
        "mpnet" => {
            let n_buckets = config.size_or("relative_attention_num_buckets", 32)?;
            // Half of them for each direction, and half of those for single distances.
            if n_buckets < 4 || n_buckets % 2 == 1 {
                let message =
                    format!("`relative_attention_num_buckets` is {n_buckets}; it must be even and 4 at least");
                return Err(config.fault(message));
            }
            ("mpnet.", Family::Mpnet { n_buckets }, true)
        }
        other => {
            let message = format!(
                "`model_type` is {other}; supported are bert, roberta, xlm-roberta, camembert, distilbert and mpnet, such as \
                 all-MiniLM-L6-v2 and all-mpnet-base-v2"
            );
            return Err(config.fault(message));
        }
    };
    let positions = config.text_or("position_embedding_type", "absolute")?;
    if positions != "absolute" {
        let message = format!("`position_embedding_type` is {positions}; only absolute positions are supported");
        return Err(config.fault(message));
    }
    if config.flag_or("is_decoder", false)? {
        return Err(config.fault("`is_decoder` is true; only encoders are supported"));
    }
    // DistilBERT has names of its own for the same sizes.
    let names = match family {
        Family::Distil => ["dim", "n_heads", "activation", "hidden_dim", "n_layers"],
        _ => ["hidden_size", "num_attention_heads", "hidden_act", "intermediate_size", "num_hidden_layers"],
    };
    let (d_model, n_heads) = (config.size(names[0])?, config.size(names[1])?);
    if !d_model.is_multiple_of(n_heads) {
        let message = format!("`{}` {d_model} is no multiple of `{}` {n_heads}", names[0], names[1]);
        return Err(config.fault(format!("{message}; copy the model's folder again")));
    }
    let name = config.text_or(names[2], "gelu")?;
    let activation = Activation::by_name(name).ok_or_else(|| {
        config.fault(format!("`{}` is {name}; supported are {}", names[2], Activation::NAMES.join(", ")))
    })?;
    let epsilon = config.number_or("layer_norm_eps", 1e-12)?;
    if !(epsilon > 0.0 && epsilon < 1.0) {
        return Err(config.fault(format!("`layer_norm_eps` is {epsilon}; it must lie between 0 and 1")));
    }
    Ok(Layout {
        family,
        prefix,
        n_tokens: config.size("vocab_size")?,
        n_positions: config.size("max_position_embeddings")?,
        n_types: if family == Family::Bert { config.size_or("type_vocab_size", 2)?.max(1) } else { 1 },
        d_model,
        d_hidden: config.size(names[3])?,
        n_layers: config.size(names[4])?,
        n_heads,
        activation,
        epsilon,
        first_position: match family {
            // MPNet's padding is token 1, whatever its settings say.
            Family::Mpnet { .. } => 2,
            _ if is_roberta => config.size_or("pad_token_id", 1)?.saturating_add(1),
            _ => 0,
        },
    })
}

/// The modules of a Sentence-BERT model: a transformer, pooling, and optional normalisation.
struct Modules {
    is_given: bool,
    /// The folder of the pooling's settings.
    pooling: String,
    is_normalized: bool,
}

/// Reads `modules.json`. A folder without it is a plain transformer with mean pooling, as in sentence-transformers.
fn modules(folder: &Path) -> Result<Modules> {
    let plain = Modules { is_given: false, pooling: "1_Pooling".to_string(), is_normalized: false };
    let Some(file) = JsonFile::read_if_there(&folder.join("modules.json"))? else { return Ok(plain) };
    let list = file.value().as_array().ok_or_else(|| file.fault("not a list of modules; copy the folder again"))?;
    let text = |value: &serde_json::Value, key: &str| value.get(key).and_then(|v| v.as_str()).map(str::to_string);
    let mut steps = Vec::new();
    for module in list {
        let kind = text(module, "type").ok_or_else(|| file.fault("a module without `type`; copy the folder again"))?;
        // The class name is stable; its module path differs between releases.
        let class = kind.rsplit('.').next().unwrap_or_default().to_string();
        steps.push((class, text(module, "path").unwrap_or_default()));
    }
    let classes: Vec<&str> = steps.iter().map(|(class, _)| class.as_str()).collect();
    let is_normalized = match classes[..] {
        ["Transformer", "Pooling"] => false,
        ["Transformer", "Pooling", "Normalize"] => true,
        _ => {
            let message = format!(
                "the modules are {}; supported are Transformer and Pooling, and Normalize behind them",
                classes.join(", ")
            );
            return Err(file.fault(message));
        }
    };
    if !steps[0].1.is_empty() {
        let message =
            format!("the transformer is in the folder '{}'; name that folder's parent with its files", steps[0].1);
        return Err(file.fault(format!("{message} at the top, as newer releases save it")));
    }
    let pooling = steps[1].1.clone();
    if pooling.is_empty() || pooling.contains(['/', '\\']) || pooling.contains("..") {
        return Err(file.fault(format!("the pooling's `path` is '{pooling}'; it must be a folder beside this file")));
    }
    Ok(Modules { is_given: true, pooling, is_normalized })
}

fn pooling(file: &JsonFile, d_model: usize) -> Result<Pooling> {
    for key in ["word_embedding_dimension", "embedding_dimension"] {
        let width = file.size_or(key, d_model)?;
        if width != d_model {
            return Err(file.fault(format!("`{key}` is {width}, but config.json has `hidden_size` {d_model}")));
        }
    }
    // Newer files name the pooling mode, older ones have a flag for each.
    let named = file.text_or("pooling_mode", "")?;
    let found = match named {
        "" => file.flags("pooling_mode_"),
        named => vec![named.to_string()],
    };
    let known = |name: &str| match name.trim_end_matches("_tokens").trim_end_matches("_token") {
        "mean" => Some(Pooling::Mean),
        "cls" => Some(Pooling::First),
        "max" => Some(Pooling::Max),
        _ => None,
    };
    match &found[..] {
        [one] if let Some(pooling) = known(one) => Ok(pooling),
        _ => {
            let found = if found.is_empty() { "nothing".to_string() } else { found.join(", ") };
            Err(file.fault(format!("pools by {found}; supported is one of mean, cls and max")))
        }
    }
}

/// Returns the prompt that a model puts before every text by default; empty if there is none.
fn prompt(folder: &Path) -> Result<String> {
    let Some(file) = JsonFile::read_if_there(&folder.join("config_sentence_transformers.json"))? else {
        return Ok(String::new());
    };
    let name = file.text_or("default_prompt_name", "")?;
    if name.is_empty() {
        return Ok(String::new());
    }
    let prompt = file.value().get("prompts").and_then(|prompts| prompts.get(name)).and_then(|prompt| prompt.as_str());
    let missing = || file.fault(format!("`default_prompt_name` is {name}, which `prompts` does not have"));
    prompt.map(str::to_string).ok_or_else(missing)
}
