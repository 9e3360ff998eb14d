//! The text encoder against values of the transformers library, and against itself at other batches.

use crate::support::tiny_bert::{fixture, model};
use safetensors::SafeTensors;
use serde_json::Value;
use std::path::{Path, PathBuf};
use viral::Result;
use viral::data::ItemFeatures;
use viral::prelude::Device;
use viral_enrich::encode::TextEncoder;

fn change(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn pool_by(folder: &Path, mode: &str) {
    std::fs::write(folder.join("1_Pooling/config.json"), format!("{{\"pooling_mode_{mode}\": true}}")).unwrap();
}

fn open(folder: &Path) -> Result<TextEncoder> {
    TextEncoder::open(folder, &Device::flex())
}

/// Texts of the fixture, with their token ids.
fn texts() -> (Vec<String>, Vec<Vec<i32>>) {
    let lines = std::fs::read_to_string(fixture().join("texts.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids = |line: &Value| line["ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap() as i32).collect();
    (lines.iter().map(|line| line["text"].as_str().unwrap().to_string()).collect(), lines.iter().map(ids).collect())
}

/// A matrix of the expected values.
fn expected(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(fixture().join("expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let values = tensors.tensor(name).unwrap().data().chunks_exact(4);
    values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst, x| if x > worst || x.is_nan() { x } else { worst })
}

/// Titles of one to some forty words, most of different lengths.
pub(crate) fn titles(n: usize) -> Vec<String> {
    let words =
        ["soft", "wooden", "red", "rings", "for", "babies", "with", "a", "cot", "white", "cotton", "Crème", "toys"];
    let bits = |i: usize, j: usize| viral::data::splitmix64((i * 64 + j) as u64) as usize;
    let title =
        |i: usize| (0..1 + bits(i, 63) % 40).map(|j| words[bits(i, j) % words.len()]).collect::<Vec<_>>().join(" ");
    (0..n).map(title).collect()
}

#[test]
fn hidden_states_and_vectors_are_those_of_transformers() -> Result<()> {
    let (texts, ids) = texts();
    let (_outer, folder) = model();
    let encoder = open(&folder)?;
    assert_eq!((encoder.width(), encoder.max_tokens()), (32, 24));
    let mut most = 0f32;
    for (n, (text, ids)) in texts.iter().zip(&ids).enumerate() {
        let hidden = encoder.hidden(text)?;
        assert_eq!(hidden.tokens, *ids, "{text}");
        let worst = worst(&hidden.states, &expected(&format!("hidden.{n}")));
        assert!(worst <= 1e-5, "{text}: {worst}");
        most = most.max(worst);
    }
    for (mode, name) in [("mean_tokens", "mean"), ("cls_token", "cls"), ("max_tokens", "max")] {
        pool_by(&folder, mode);
        for (is_unit, name) in [(true, format!("{name}_unit")), (false, name.to_string())] {
            let modules = std::fs::read_to_string(fixture().join("modules.json")).unwrap();
            let kept = if is_unit { modules } else { modules.replace("models.Normalize", "models.Transformer") };
            let mut list: Vec<Value> = serde_json::from_str(&kept).unwrap();
            list.truncate(if is_unit { 3 } else { 2 });
            std::fs::write(folder.join("modules.json"), serde_json::to_string(&list).unwrap()).unwrap();
            let worst = worst(&open(&folder)?.encode(&texts, |_| {})?, &expected(&name));
            assert!(worst <= 1e-5, "{name}: {worst}");
            most = most.max(worst);
        }
    }
    eprintln!("encoder: max|difference| to transformers {most:e}");
    Ok(())
}

#[test]
fn a_plain_transformer_folder_is_averaged() -> Result<()> {
    let (_outer, folder) = model();
    for name in ["modules.json", "sentence_bert_config.json"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    std::fs::remove_dir_all(folder.join("1_Pooling")).unwrap();
    let encoder = open(&folder)?;
    assert_eq!(encoder.max_tokens(), 40, "all positions that the model has");
    let (texts, ids) = texts();
    let (found, expected) = (encoder.encode(&texts, |_| {})?, expected("mean"));
    // Those that were cut at 24 tokens are longer here.
    for n in (0..texts.len()).filter(|&n| ids[n].len() < 24) {
        assert!(worst(&found[n * 32..][..32], &expected[n * 32..][..32]) <= 1e-5, "{}", texts[n]);
    }
    // A length in the tokenizer's settings counts where the model has none of its own.
    std::fs::write(folder.join("tokenizer_config.json"), "{\"model_max_length\": 24}").unwrap();
    assert!(worst(&open(&folder)?.encode(&texts, |_| {})?, &expected) <= 1e-5);
    std::fs::write(folder.join("tokenizer_config.json"), "{\"model_max_length\": 1e30}").unwrap();
    assert_eq!(open(&folder)?.max_tokens(), 40);
    Ok(())
}

#[test]
fn other_spellings_of_the_same_weights_are_read() -> Result<()> {
    let (texts, _) = texts();
    let (_outer, folder) = model();
    let plain = open(&folder)?.encode(&texts, |_| {})?;
    let path = folder.join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let write = |rename: &dyn Fn(&str) -> String, dtype: safetensors::Dtype, convert: &dyn Fn(f32) -> Vec<u8>| {
        let views: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
            .iter()
            .map(|(name, view)| {
                let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                (rename(name), view.shape().to_vec(), values.flat_map(convert).collect())
            })
            .collect();
        let views = views.iter().map(|(name, shape, data)| {
            (name.clone(), safetensors::tensor::TensorView::new(dtype, shape.clone(), data).unwrap())
        });
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    };
    use safetensors::Dtype;
    let older = |name: &str| {
        format!("bert.{name}")
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta")
    };
    write(&older, Dtype::F32, &|x| x.to_le_bytes().to_vec());
    assert_eq!(open(&folder)?.encode(&texts, |_| {})?, plain);
    let same = |name: &str| name.to_string();
    write(&same, Dtype::F16, &|x| half::f16::from_f32(x).to_le_bytes().to_vec());
    let halves = worst(&open(&folder)?.encode(&texts, |_| {})?, &plain);
    write(&same, Dtype::BF16, &|x| half::bf16::from_f32(x).to_le_bytes().to_vec());
    let brains = worst(&open(&folder)?.encode(&texts, |_| {})?, &plain);
    assert!(halves > 0.0 && halves < 5e-3 && brains > halves && brains < 5e-2, "{halves} {brains}");
    Ok(())
}

/// Bits of the vectors when texts are encoded `n` at a time.
fn bits(encoder: &TextEncoder, texts: &[String], n: usize) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for texts in texts.chunks(n) {
        all.extend(encoder.encode(texts, |_| {})?.iter().map(|value| value.to_bits()));
    }
    Ok(all)
}

fn hold_to_every_batch(encoder: &TextEncoder, texts: &[String]) -> Result<()> {
    let alone = bits(encoder, texts, 1)?;
    for n in [2, 7, 128, texts.len()] {
        assert!(bits(encoder, texts, n)? == alone, "{n} at a time");
    }
    // Order and threads on as many as fill some batches.
    let texts = &texts[..texts.len().min(200)];
    let alone = &alone[..texts.len() * encoder.width()];
    let reversed: Vec<String> = texts.iter().rev().cloned().collect();
    let width = encoder.width();
    let mut found = bits(encoder, &reversed, texts.len())?;
    found = found.chunks_exact(width).rev().flatten().copied().collect();
    assert!(found == alone, "in reverse order");
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| bits(encoder, texts, texts.len()))? == alone, "{threads} threads");
    }
    Ok(())
}

#[test]
fn a_text_has_the_same_bits_whatever_it_is_batched_with() -> Result<()> {
    let (_outer, folder) = model();
    for mode in ["mean_tokens", "cls_token", "max_tokens"] {
        pool_by(&folder, mode);
        let mut all = titles(130);
        all.extend(texts().0);
        hold_to_every_batch(&open(&folder)?, &all)?;
    }
    Ok(())
}

#[test]
fn progress_ends_with_the_number_of_texts() -> Result<()> {
    let (_outer, folder) = model();
    let mut seen = vec![0];
    let vectors = open(&folder)?.encode(&titles(500), |n| seen.push(n))?;
    assert!(seen.is_sorted() && seen.len() > 2 && seen.last() == Some(&500), "{seen:?}");
    assert_eq!(vectors.len(), 500 * 32);
    assert!(open(&folder)?.encode(&Vec::<String>::new(), |_| {})?.is_empty());
    Ok(())
}

/// `VIRAL_MINILM` names a folder of all-MiniLM-L6-v2. If it holds `titles.txt` and `titles.npy`, made by
/// `enrich/tests/enrich/fixtures/minilm_reference.py`, vectors are held to those.
#[test]
fn real_weights_agree_with_sentence_transformers() -> Result<()> {
    let Some(folder) = std::env::var_os("VIRAL_MINILM").map(PathBuf::from) else {
        eprintln!("\nSKIPPED: VIRAL_MINILM names no folder with real weights; nothing was compared to them\n");
        return Ok(());
    };
    let encoder = open(&folder)?;
    let reference = folder.join("titles.npy");
    let texts: Vec<String> = match std::fs::read_to_string(folder.join("titles.txt")) {
        Ok(text) => text.lines().map(str::to_string).collect(),
        Err(_) => titles(1000),
    };
    hold_to_every_batch(&encoder, &texts[..texts.len().min(1000)])?;
    if !reference.exists() {
        eprintln!("\nSKIPPED: {} is missing; bits were compared, values were not\n", reference.display());
        return Ok(());
    }
    let expected = ItemFeatures::read(&reference)?;
    let found = encoder.encode(&texts, |_| {})?;
    assert_eq!((expected.n_items(), expected.width()), (texts.len(), encoder.width()));
    let mut least = 1f64;
    for (n, vector) in found.chunks_exact(encoder.width()).enumerate() {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        let other = expected.row(n);
        least = least.min(dot(vector, other) / (dot(vector, vector) * dot(other, other)).sqrt());
    }
    eprintln!("{} titles: least cosine {least}, max|difference| {:e}", texts.len(), worst(&found, expected.values()));
    assert!(least >= 0.99999, "{least}");
    Ok(())
}

#[test]
fn what_is_not_supported_or_damaged_is_named() {
    let message = |damage: &dyn Fn(&Path)| {
        let (outer, folder) = model();
        damage(&folder);
        let message = open(&folder).err().map_or("no error".to_string(), |error| error.to_string());
        message.replace(&format!("{}/", outer.path().display()), "")
    };
    let config =
        |from: &'static str, to: &'static str| message(&|folder| change(&folder.join("config.json"), from, to));
    let pooling =
        |text: &'static str| message(&|folder| std::fs::write(folder.join("1_Pooling/config.json"), text).unwrap());
    let without = |name: &'static str| message(&|folder| std::fs::remove_file(folder.join(name)).unwrap());
    let modules =
        |from: &'static str, to: &'static str| message(&|folder| change(&folder.join("modules.json"), from, to));
    let table = [
        (
            config("\"bert\"", "\"electra\""),
            "tiny-bert/config.json: `model_type` is electra; supported are bert, roberta,",
        ),
        (config("\"gelu\"", "\"mish\""), "config.json: `hidden_act` is mish; supported are gelu, gelu_new,"),
        (
            config("\"hidden_size\": 32", "\"hidden_size\": 33"),
            "`hidden_size` 33 is no multiple of `num_attention_heads` 4",
        ),
        (
            config("\"hidden_size\": 32", "\"hidden_size\": -1"),
            "config.json: `hidden_size` is -1; it must be a whole number",
        ),
        (config("\"hidden_size\": 32", "\"hidden_size\": 64"), "`word_embedding_dimension` is 32, but config.json has"),
        (
            config("\"hidden_size\": 32,", ""),
            "config.json: `hidden_size` is missing; it must be a whole number above 0",
        ),
        (config("\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": 0"), "`layer_norm_eps` is 0"),
        (config("\"is_decoder\": false", "\"is_decoder\": true"), "`is_decoder` is true; only encoders are supported"),
        (
            config("\"model_type\"", "\"position_embedding_type\": \"relative_key\", \"model_type\""),
            "`position_embedding_type` is relative_key; only absolute positions are supported",
        ),
        (
            config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
            "model.safetensors: no tensor `encoder.layer.2.attention.self.query.weight`; config.json asks for it",
        ),
        (
            config("\"intermediate_size\": 48", "\"intermediate_size\": 4611686018427387904"),
            "has shape [48, 32], but by config.json it is [4611686018427387904, 32]",
        ),
        (
            config("\"intermediate_size\": 48", "\"intermediate_size\": 64"),
            "`encoder.layer.0.intermediate.dense.weight` has shape [48, 32], but by config.json it is [64, 32]",
        ),
        (
            config("\"vocab_size\": 135", "\"vocab_size\": 100"),
            "but config.json has `vocab_size` 100; the two files are of",
        ),
        (
            config("\"vocab_size\": 135", "\"vocab_size\": 136"),
            "`embeddings.word_embeddings.weight` has shape [135, 32]",
        ),
        (config("{", "{{"), "config.json: not JSON ("),
        (without("config.json"), "config.json: No such file"),
        (without("tokenizer.json"), "tokenizer.json: missing; save the model with a recent version of transformers"),
        (
            without("model.safetensors"),
            "model.safetensors: missing; name a Hugging Face folder with safetensors weights",
        ),
        (without("1_Pooling/config.json"), "1_Pooling/config.json: missing, but modules.json lists it"),
        (
            message(&|folder| {
                std::fs::rename(folder.join("model.safetensors"), folder.join("pytorch_model.bin")).unwrap();
            }),
            "pytorch_model.bin is a pickle, which is never opened; save the model again with save_pretrained",
        ),
        (
            message(&|folder| {
                let path = folder.join("model.safetensors");
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
            }),
            "model.safetensors: truncated: the tensor ends at byte",
        ),
        (
            message(&|folder| {
                let path = folder.join("model.safetensors");
                let mut bytes = std::fs::read(&path).unwrap();
                let end = bytes.len();
                bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
                std::fs::write(path, bytes).unwrap();
            }),
            "holds NaN or infinity; copy the model's folder again",
        ),
        (
            message(&|folder| std::fs::write(folder.join("tokenizer.json"), "{}").unwrap()),
            "tokenizer.json: not a tokenizer (",
        ),
        (
            message(&|folder| change(&folder.join("sentence_bert_config.json"), "24", "2")),
            "tokenizer.json: 2 special tokens leave no room for text in 2; see to `max_seq_length`",
        ),
        (
            pooling("{\"pooling_mode_lasttoken\": true}"),
            "1_Pooling/config.json: pools by lasttoken; supported is one of",
        ),
        (pooling("{\"pooling_mode\": \"weightedmean\"}"), "1_Pooling/config.json: pools by weightedmean; supported is"),
        (
            pooling("{\"pooling_mode_mean_tokens\": true, \"pooling_mode_max_tokens\": true}"),
            "pools by max_tokens, mean_tokens; supported is one of mean, cls and max",
        ),
        (pooling("{}"), "pools by nothing; supported is one of mean, cls and max"),
        (
            modules("models.Normalize", "models.Dense"),
            "modules.json: the modules are Transformer, Pooling, Dense; supported are Transformer and Pooling,",
        ),
        (
            modules("1_Pooling", "../x"),
            "modules.json: the pooling's `path` is '../x'; it must be a folder beside this file",
        ),
        (
            message(&|folder| std::fs::write(folder.join("modules.json"), "{}").unwrap()),
            "modules.json: not a list of modules",
        ),
    ];
    for (message, expected) in &table {
        assert!(message.contains(expected) && message.starts_with("tiny-bert/"), "{message}\nshould say: {expected}");
    }
    assert!(open(Path::new("no/such/model")).err().unwrap().to_string().contains("no/such/model"));
}
