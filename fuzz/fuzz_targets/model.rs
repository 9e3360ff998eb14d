//! Saved models: any bytes are a recommender or an error, and a recommender answers, and is read as it was written.
#![no_main]

mod file;
mod repaired;

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use viral::Error;
use viral::serve::{RecommendOptions, Recommendation, Recommender};

const K: usize = 5;

/// Finite scores, best first, each the sum of its shares, of items that are named once and may come.
fn check(found: &[Recommendation], unwanted: &[&str]) {
    assert!(found.len() <= K && found.is_sorted_by(|a, b| a.score >= b.score), "{found:?}");
    for found in found {
        let shares: f64 = found.shares.iter().map(|(_, share)| share).sum();
        assert!(found.score.is_finite() && found.score == shares && !unwanted.contains(&&*found.item), "{found:?}");
    }
    let items: BTreeSet<&str> = found.iter().map(|found| &*found.item).collect();
    assert_eq!(items.len(), found.len(), "{found:?}");
    assert!(!Recommendation::table(found).to_text().is_empty());
}

fuzz_target!(|bytes: &[u8]| {
    let path = file::write("model.safetensors", &repaired::with_checksum(bytes).unwrap_or_else(|| bytes.to_vec()));
    let recommender = match Recommender::load(&path) {
        Ok(recommender) => recommender,
        Err(error) => {
            assert!(error.to_string().contains("model.safetensors: "), "{error}");
            return;
        }
    };
    let (users, items): (Vec<&str>, Vec<&str>) = (recommender.users().collect(), recommender.items().collect());
    let seen = recommender.train_interactions();
    let options = RecommendOptions::new(K);
    let mut with_history = Vec::new();
    for (number, user) in users.iter().enumerate() {
        let known: Vec<&str> = seen.of_user(number).iter().map(|&item| items[item as usize]).collect();
        match recommender.recommend_with(user, &options) {
            Ok(found) => {
                with_history.push(*user);
                check(&found, &known);
            }
            Err(error) => {
                assert!(known.is_empty() && matches!(error, Error::NoHistory { .. }), "{error}");
                let popular = recommender.popular_for(user, &options).expect("a user without history");
                assert!(popular.len() <= K && popular.is_sorted_by(|a, b| a.score >= b.score));
            }
        }
    }
    let many = recommender.recommend_many(&with_history, &options).expect("users with history");
    many.iter().for_each(|found| check(found, &[]));
    for liked in items.chunks(3) {
        // Sums of many long vectors may be too long for a score.
        if let Ok(found) = recommender.recommend_for(liked, K) {
            check(&found, liked);
        }
        check(&recommender.similar(liked[0], K).expect("an item of the catalogue"), &liked[..1]);
    }

    let (once, twice) = (path.with_file_name("once.safetensors"), path.with_file_name("twice.safetensors"));
    recommender.save(&once).expect("a model can be written");
    Recommender::load(&once).expect("what was written can be read").save(&twice).expect("and written again");
    assert!(
        std::fs::read(once).expect("a file") == std::fs::read(twice).expect("a file"),
        "equal models are equal files"
    );
});
