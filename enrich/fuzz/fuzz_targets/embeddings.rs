//! Any bytes as the answer of an embeddings server: as many vectors as texts, all finite, or a sentence.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for n_texts in 0..3 {
        if let Ok(vectors) = viral_enrich::embed::parse_embeddings(bytes, n_texts) {
            assert_eq!(vectors.len(), n_texts);
            assert!(vectors.iter().flatten().all(|x| x.is_finite()));
        }
    }
});
