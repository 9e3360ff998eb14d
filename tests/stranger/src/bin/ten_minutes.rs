//! From vectors in memory to recommendations. The first run trains and saves; the next one, another process, loads and asks.
use viral::prelude::*;

fn main() -> viral::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or("model".into());
    if !std::path::Path::new(&folder).exists() {
        // What a shop has: who bought what, and a vector of text and of the picture for each item.
        let log =
            (0..4000u32).map(|i| (format!("customer-{}", i % 200), format!("sku-{}", (i * i + 7 * (i % 200)) % 97)));
        let vector =
            |seed: u32| move |i: u32| (format!("sku-{i}"), [seed, 1, 2].map(|k| ((i * k + k) as f32).sin()).to_vec());
        let data = Dataset::from_log("shop", log, SplitPolicy::Random { seed: 1 })?
            .with_features(Modality::Text, (0..97).map(vector(3)))?
            .with_features(Modality::Visual, (0..97).map(vector(5)))?;
        let run = Recipe::viral().epochs(5).run(&data, &Device::default())?;
        println!("{}", run.test(&[10, 20])?);
        return run.recommender()?.save(&folder);
    }
    let recommender = Recommender::load(&folder)?;
    println!("{}", Recommendation::table(&recommender.recommend("customer-7", 10)?).to_text());
    println!("{}", Recommendation::table(&recommender.recommend_for(&["sku-3", "sku-17"], 10)?).to_text());
    println!("{}", Recommendation::table(&recommender.similar("sku-3", 10)?).to_text());
    Ok(())
}
