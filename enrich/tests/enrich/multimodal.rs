//! Models that learn from items embedded by a server.

use crate::embed_items::{answer, config, run};
use crate::support::hostile_server::{Act, Server};
use burn::tensor::Device;
use serde_json::json;
use std::collections::HashMap;
use viral::Result;
use viral::data::{Dataset, Mask, Modality, Part, PlantedConfig, ReadOptions};
use viral::model::{Embed, ModelConfig};
use viral::recipe::Recipe;
use viral_enrich::features::Catalogue;

/// The built-in catalogue, with a server that sees its planted text and image features in an item's message.
#[test]
fn the_features_train_every_model_with_content_alone_and_beside_others() -> Result<()> {
    let planted = PlantedConfig::new().with_n_users(300).with_n_items(150).with_interactions_per_user(12);
    let data = planted.with_d_text(12).with_d_visual(12).generate().data;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("images")).unwrap();
    let (mut lines, mut inter, mut rows) = (String::new(), "userID\titemID\tx_label\n".to_string(), HashMap::new());
    for (item, id) in data.item_ids.iter().enumerate() {
        lines += &format!("{{\"id\": \"{id}\", \"title\": \"{id}\"}}\n");
        image::RgbImage::from_pixel(9, 9, image::Rgb([item as u8, 9, 99]))
            .save(at("images").join(format!("{id}.png")))
            .unwrap();
        let of = |modality| data.features().get(&modality).unwrap().row(item).to_vec();
        rows.insert(id.clone(), [of(Modality::Text), of(Modality::Visual)].concat());
    }
    for (part, label) in [(Part::Train, 0), (Part::Valid, 1), (Part::Test, 2)] {
        for (user, item) in data.part(part).pairs() {
            inter += &format!("{}\t{}\t{label}\n", data.user_ids[user as usize], data.item_ids[item as usize]);
        }
    }
    std::fs::write(at("items.jsonl"), lines).unwrap();
    std::fs::write(at("toy.inter"), inter).unwrap();
    let server =
        Server::start(move |seen| Act::Answer(200, String::new(), answer(json!(rows[&seen.title])).to_string()));
    let (embedded, table) = run(&config(&[&server.url]), folder.path())?;
    Catalogue::open(folder.path())?.write_ids()?;
    table.write(at("multimodal_feat.npy"), |new| embedded.provenance(new))?;
    assert!(Mask::read_beside(at("multimodal_feat.npy"))?.is_some());
    let read = Dataset::read_with(folder.path(), &ReadOptions::new().with_name("toy"))?;
    assert_eq!(read.features().modalities().collect::<Vec<_>>(), [&Modality::Multimodal]);
    let recall = |recipe: Recipe, data: &Dataset| -> Result<f64> {
        Ok(recipe.run(data, &Device::flex())?.test(&[20])?.recall(20))
    };
    let floor = recall(Recipe::named("popularity")?, &read)?;
    for name in ["vbpr", "freedom", "viral"] {
        let found = recall(Recipe::named(name)?.learning_rate(1e-2).epochs(60).seed(1), &read)?;
        eprintln!("{name} by multimodal features alone: R@20 {found:.3}, popularity {floor:.3}");
        assert!(found > floor, "{name}: {found}, popularity {floor}");
    }
    // Another order of items than the planted one: text goes beside by the items' ids.
    let text: Vec<(String, Vec<f32>)> = data
        .item_ids
        .iter()
        .enumerate()
        .map(|(item, id)| (id.clone(), data.features().get(&Modality::Text).unwrap().row(item).to_vec()))
        .collect();
    let beside = read.clone().with_features(Modality::Text, text)?;
    for name in ModelConfig::NAMES.iter().filter(|name| **name != "attribute-knn") {
        for data in [&read, &beside] {
            let run = Recipe::named(name)?.epochs(1).run(data, &Device::flex())?;
            let users = run.model().embed().to_host().users().iter().all(|x| x.is_finite());
            assert!(users && run.test(&[20])?.recall(20).is_finite(), "{name}");
        }
    }
    Ok(())
}
