//! Any bytes as the answer of an embeddings server: as many vectors as texts, all finite, which are read as they are written; or a
//! sentence.
#![no_main]

use libfuzzer_sys::fuzz_target;
use viral_enrich::embed::parse_embeddings;

fuzz_target!(|bytes: &[u8]| {
    for n_texts in 0..4 {
        let vectors = match parse_embeddings(bytes, n_texts) {
            Ok(vectors) => vectors,
            Err(sentence) => {
                assert!(!sentence.is_empty());
                continue;
            }
        };
        assert_eq!(vectors.len(), n_texts);
        assert!(vectors.iter().all(|vector| vector.len() == vectors[0].len() && vector.iter().any(|&x| x != 0.0)));
        assert!(vectors.iter().flatten().all(|x| x.is_finite()));
        let entries: Vec<String> = vectors.iter().map(|vector| format!("{{\"embedding\":{vector:?}}}")).collect();
        let written = format!("{{\"data\":[{}]}}", entries.join(","));
        assert_eq!(parse_embeddings(written.as_bytes(), n_texts), Ok(vectors), "{written}");
    }
});
