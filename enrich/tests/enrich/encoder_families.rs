//! Encoders of BERT's family other than BERT, and prompts that are read but not pooled.

use crate::support::tiny_bert::{fixture, model};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use viral::Result;
use viral::prelude::Device;
use viral_enrich::encode::TextEncoder;

/// Shape and numbers by name.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |data: &[u8]| data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    file.iter().map(|(name, view)| (name.to_string(), (view.shape().to_vec(), values(view.data())))).collect()
}

fn write(path: &Path, tensors: &Tensors) {
    let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let owned: Vec<_> = tensors.iter().map(|(name, (shape, values))| (name, shape.clone(), bytes(values))).collect();
    let views =
        owned.iter().map(|(name, shape, data)| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn open(folder: &Path) -> Result<TextEncoder> {
    TextEncoder::open(folder, &Device::flex())
}

fn texts() -> Vec<String> {
    let lines = std::fs::read_to_string(fixture().join("texts.jsonl")).unwrap();
    let text = |line: &str| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_string();
    lines.lines().map(text).collect()
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst, x| if x > worst || x.is_nan() { x } else { worst })
}

/// The small BERT as a folder of another family: names of tensors changed, types added to the positions, `first` empty
/// rows before these.
fn converted(config: Value, first: usize, names: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let (outer, folder) = model();
    let path = folder.join("model.safetensors");
    let mut found = tensors(&path);
    let (_, types) = found.remove("embeddings.token_type_embeddings.weight").unwrap();
    let (shape, positions) = found.get_mut("embeddings.position_embeddings.weight").unwrap();
    positions.chunks_exact_mut(32).for_each(|row| row.iter_mut().zip(&types[..32]).for_each(|(x, t)| *x += t));
    positions.splice(0..0, vec![9.0; first * 32]);
    shape[0] += first;
    let renamed = found.into_iter().map(|(name, tensor)| {
        let name = names.iter().fold(name, |name, (from, to)| name.replace(from, to));
        (name, tensor)
    });
    let mut renamed: Tensors = renamed.collect();
    if first > 0 {
        renamed.insert("encoder.relative_attention_bias.weight".to_string(), (vec![32, 4], vec![0.0; 128]));
    }
    write(&path, &renamed);
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    (outer, folder)
}

const MPNET: [(&str, &str); 5] = [
    ("attention.self.query", "attention.attn.q"),
    ("attention.self.key", "attention.attn.k"),
    ("attention.self.value", "attention.attn.v"),
    ("attention.output.dense", "attention.attn.o"),
    ("attention.output.LayerNorm", "attention.LayerNorm"),
];

fn mpnet_config() -> Value {
    json!({
        "model_type": "mpnet", "vocab_size": 135, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 48, "max_position_embeddings": 42, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "relative_attention_num_buckets": 32,
    })
}

#[test]
fn distilbert_is_bert_by_other_names() -> Result<()> {
    let (_outer, bert) = model();
    let expected = open(&bert)?.encode(&texts(), |_| {})?;
    let names = [
        ("encoder.layer", "transformer.layer"),
        ("attention.self.query", "attention.q_lin"),
        ("attention.self.key", "attention.k_lin"),
        ("attention.self.value", "attention.v_lin"),
        ("attention.output.dense", "attention.out_lin"),
        ("attention.output.LayerNorm", "sa_layer_norm"),
        ("intermediate.dense", "ffn.lin1"),
        ("output.dense", "ffn.lin2"),
        ("output.LayerNorm", "output_layer_norm"),
    ];
    let config = json!({
        "model_type": "distilbert", "vocab_size": 135, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48,
        "max_position_embeddings": 40, "activation": "gelu", "sinusoidal_pos_embds": false,
    });
    let (outer, folder) = converted(config, 0, &names);
    assert!(worst(&open(&folder)?.encode(&texts(), |_| {})?, &expected) < 1e-5);
    std::fs::write(folder.join("config.json"), r#"{"model_type": "distilbert", "dim": 33, "n_heads": 4}"#).unwrap();
    let error = open(&folder).err().unwrap().to_string();
    assert!(error.contains("`dim` 33") && error.contains("n_heads"), "{error}");
    drop(outer);
    Ok(())
}

#[test]
fn mpnet_without_bias_is_bert_with_later_positions() -> Result<()> {
    let (_outer, bert) = model();
    let expected = open(&bert)?.encode(&texts(), |_| {})?;
    let (_other, folder) = converted(mpnet_config(), 2, &MPNET);
    let encoder = open(&folder)?;
    assert_eq!(encoder.max_tokens(), 24);
    assert!(worst(&encoder.encode(&texts(), |_| {})?, &expected) < 1e-5);
    Ok(())
}

/// Rows of numbers in double precision.
type Rows = Vec<Vec<f64>>;

/// A transformer of MPNet's kind with one head and ReLU, in double precision, one number after another.
struct Plain(Tensors);

impl Plain {
    fn row(&self, name: &str, row: usize) -> Vec<f64> {
        let (shape, values) = &self.0[name];
        let d = shape.last().unwrap();
        values[row * d..][..*d].iter().map(|&x| f64::from(x)).collect()
    }

    fn linear(&self, name: &str, rows: &Rows) -> Rows {
        let (weight, bias) = (format!("{name}.weight"), self.row(&format!("{name}.bias"), 0));
        let n = self.0[&weight].0[0];
        let dot =
            |x: &[f64], out: usize| x.iter().zip(self.row(&weight, out)).map(|(a, b)| a * b).sum::<f64>() + bias[out];
        rows.iter().map(|x| (0..n).map(|out| dot(x, out)).collect()).collect()
    }

    fn norm(&self, name: &str, rows: &Rows) -> Rows {
        let (scale, shift) = (self.row(&format!("{name}.weight"), 0), self.row(&format!("{name}.bias"), 0));
        let one = |x: &Vec<f64>| {
            let n = x.len() as f64;
            let mean = x.iter().sum::<f64>() / n;
            let deviation = (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n + 1e-12).sqrt();
            x.iter().zip(scale.iter().zip(&shift)).map(|(v, (a, b))| (v - mean) / deviation * a + b).collect()
        };
        rows.iter().map(one).collect()
    }

    fn forward(&self, tokens: &[i32], n_heads: usize) -> Rows {
        let add = |a: &Rows, b: &Rows| {
            a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect::<Rows>()
        };
        let embedded = tokens.iter().enumerate().map(|(at, &token)| {
            let word = self.row("embeddings.word_embeddings.weight", token as usize);
            word.iter().zip(self.row("embeddings.position_embeddings.weight", at + 2)).map(|(a, b)| a + b).collect()
        });
        let mut x = self.norm("embeddings.LayerNorm", &embedded.collect());
        let d_head = x[0].len() / n_heads;
        // The first distance of each class, as the T5 article draws them.
        let firsts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
        let class = |query: usize, key: usize| {
            let n = query.abs_diff(key);
            firsts.iter().rposition(|&first| first <= n).unwrap() + if key > query { 16 } else { 0 }
        };
        for layer in 0..2 {
            let name = |part: &str| format!("encoder.layer.{layer}.{part}");
            let [q, k, v] = ["q", "k", "v"].map(|part| self.linear(&name(&format!("attention.attn.{part}")), &x));
            let mut mixed = vec![vec![0.0; x[0].len()]; x.len()];
            for head in 0..n_heads {
                let columns = head * d_head..(head + 1) * d_head;
                for query in 0..x.len() {
                    let score = |key: usize| {
                        let dot: f64 = columns.clone().map(|c| q[query][c] * k[key][c]).sum();
                        let bias = self.row("encoder.relative_attention_bias.weight", class(query, key))[head];
                        (dot / (d_head as f64).sqrt() + bias).exp()
                    };
                    let scores: Vec<f64> = (0..x.len()).map(score).collect();
                    let total: f64 = scores.iter().sum();
                    for c in columns.clone() {
                        mixed[query][c] = (0..x.len()).map(|key| scores[key] / total * v[key][c]).sum();
                    }
                }
            }
            let y = self.norm(&name("attention.LayerNorm"), &add(&x, &self.linear(&name("attention.attn.o"), &mixed)));
            let mut hidden = self.linear(&name("intermediate.dense"), &y);
            hidden.iter_mut().flatten().for_each(|value| *value = value.max(0.0));
            x = self.norm(&name("output.LayerNorm"), &add(&y, &self.linear(&name("output.dense"), &hidden)));
        }
        x
    }
}

#[test]
fn mpnet_agrees_with_a_plain_calculation_in_double_precision() -> Result<()> {
    let mut config = mpnet_config();
    config["hidden_act"] = json!("relu");
    let (_outer, folder) = converted(config, 2, &MPNET);
    let path = folder.join("model.safetensors");
    let mut found = tensors(&path);
    let (_, bias) = found.get_mut("encoder.relative_attention_bias.weight").unwrap();
    bias.iter_mut().enumerate().for_each(|(i, x)| *x = ((i * 37 % 101) as f32 - 50.0) / 20.0);
    write(&path, &found);
    let encoder = open(&folder)?;
    let plain = Plain(found);
    for text in texts() {
        let hidden = encoder.hidden(&text)?;
        let expected: Vec<f32> = plain.forward(&hidden.tokens, 4).into_iter().flatten().map(|x| x as f32).collect();
        let worst = worst(&hidden.states, &expected);
        assert!(worst < 1e-4, "{text}: {worst}");
    }
    // The same bits alone and among others.
    let all = encoder.encode(&texts(), |_| {})?;
    let alone = texts().iter().map(|text| encoder.encode(&[text], |_| {})).collect::<Result<Vec<_>>>()?.concat();
    assert_eq!(all, alone);
    Ok(())
}

/// A copy of the model whose pooling leaves out its prompt.
fn unpooled() -> (tempfile::TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("unpooled");
    std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
    for name in [
        "config.json",
        "config_sentence_transformers.json",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "model.safetensors",
        "1_Pooling/config.json",
    ] {
        std::fs::copy(fixture().with_file_name("unpooled_prompt").join(name), folder.join(name)).unwrap();
    }
    (outer, folder)
}

#[test]
fn prompt_that_is_not_pooled() -> Result<()> {
    // Computed from the weights in double precision.
    const EXPECTED: [[f32; 8]; 3] = [
        [0.591453, -0.736359, 0.083042, 0.18946, 0.092074, -0.072973, -0.119309, 0.192691],
        [0.558255, -0.776487, 0.156132, 0.131024, 0.081018, -0.026356, -0.081715, 0.17303],
        [0.408427, -0.834158, 0.04742, 0.237342, 0.067981, 0.096366, -0.189491, 0.170217],
    ];
    let texts = ["a wooden rattle with bells", "soft cotton blanket", "bath toys"];
    let (_outer, folder) = unpooled();
    let found = open(&folder)?.encode(&texts, |_| {})?;
    assert!(worst(&found, EXPECTED.as_flattened()) < 1e-4);
    // With the flag set, or without it, all tokens are averaged.
    let pooling = folder.join("1_Pooling/config.json");
    let text = std::fs::read_to_string(&pooling).unwrap();
    let mut pooled = Vec::new();
    for (from, to) in [("false", "true"), (", \"include_prompt\": false", "")] {
        std::fs::write(&pooling, text.replace(from, to)).unwrap();
        pooled.push(open(&folder)?.encode(&texts, |_| {})?);
    }
    assert_eq!(pooled[0], pooled[1]);
    assert!(worst(&pooled[0], &found) > 0.01);
    // The first token stands for the text, whatever the prompt.
    let cls = |prompt: bool| {
        std::fs::write(&pooling, format!("{{\"pooling_mode_cls_token\": true, \"include_prompt\": {prompt}}}"))
            .unwrap();
        open(&folder)?.encode(&texts, |_| {})
    };
    assert_eq!(cls(true)?, cls(false)?);
    // A prompt that leaves no room, and a flag that is none.
    std::fs::write(&pooling, &text).unwrap();
    std::fs::write(folder.join("sentence_bert_config.json"), "{\"max_seq_length\": 7}").unwrap();
    let error = open(&folder).err().unwrap().to_string();
    assert!(error.contains("default prompt") && error.contains("max_seq_length"), "{error}");
    std::fs::write(&pooling, text.replace("false", "\"no\"")).unwrap();
    assert!(open(&folder).err().unwrap().to_string().contains("`include_prompt`"));
    Ok(())
}
