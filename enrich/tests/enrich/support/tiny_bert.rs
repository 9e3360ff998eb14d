//! A small Sentence-BERT model.

use std::path::{Path, PathBuf};

/// The folder of a small model and of what the transformers library makes of texts with it.
pub(crate) fn fixture() -> PathBuf {
    // From either package that includes this file.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../enrich/tests/enrich/fixtures/encoder")
}

/// A copy of the small model whose files may be changed; `fixtures/make_encoder.py` made it.
pub(crate) fn model() -> (tempfile::TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("tiny-bert");
    std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
    for name in [
        "config.json",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "model.safetensors",
        "1_Pooling/config.json",
    ] {
        std::fs::copy(fixture().join(name), folder.join(name)).unwrap();
    }
    (outer, folder)
}
