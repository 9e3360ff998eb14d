//! Report sections with maps of items.

use super::{SEED, mean};
use serde_json::json;
use viral::Result;
use viral::data::{Interactions, ItemFeatures, Modality};
use viral::eval::ActivityGroups;
use viral::insight::{Pca, Tsne, TsneOptions, stratified_sample, trustworthiness};
use viral::model::HostEmbeddings;
use viral::report::{Scatter, Section, Table};

/// Maximum number of items on a map.
const MOST: usize = 2000;

/// Minimum number of items on a map.
const FEWEST: usize = 12;

/// Number of neighbours for trustworthiness, if there are enough items.
const NEIGHBOURS: usize = 15;

/// Maximum number of characters of a title: a page has each of them four times.
const LETTERS: usize = 80;

/// Maps of L2-normalised item vectors; `names` has each item's id and title.
pub(super) fn section(z: &HostEmbeddings, seen: &Interactions, names: &[(String, Option<String>)]) -> Result<Section> {
    of_vectors(
        &Of { heading: "A map of the items".into(), vectors: "vectors", alike: "the model takes for" },
        z,
        seen,
        names,
    )
}

/// The same maps for the features of a modality, the input of the model.
pub(super) fn of_features(
    modality: &Modality,
    rows: &ItemFeatures,
    seen: &Interactions,
    names: &[(String, Option<String>)],
) -> Result<Section> {
    let z = HostEmbeddings::new(Vec::new(), rows.values().to_vec(), vec![(modality.to_string(), rows.width())])?;
    let (heading, alike) = (format!("A map of the items by their {modality} features"), "these features take for");
    of_vectors(&Of { heading, vectors: &format!("{modality} features"), alike }, &z, seen, names)
}

/// The subject of a map, in words.
struct Of<'a> {
    heading: String,
    vectors: &'a str,
    alike: &'a str,
}

fn of_vectors(
    of: &Of<'_>,
    z: &HostEmbeddings,
    seen: &Interactions,
    names: &[(String, Option<String>)],
) -> Result<Section> {
    let section = Section::new(&*of.heading);
    let length = |item: usize| z.item(item).iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let there: Vec<usize> = (0..z.n_items()).filter(|&item| length(item) > 0.0).collect();
    if there.len() < FEWEST || z.d() < 2 {
        let n = there.len();
        return Ok(section.text(format!("{n} items with vectors of {} numbers are too few for a map.", z.d())));
    }
    // Groups items by popularity, as users are grouped by activity.
    let turned: Vec<(u32, u32)> = seen.pairs().map(|(user, item)| (item, user)).collect();
    let groups = ActivityGroups::quartiles(&Interactions::from_pairs(seen.n_items(), seen.n_users(), &turned));
    let of_there: Vec<u32> = there.iter().map(|&item| groups.of_users()[item]).collect();
    let sample: Vec<usize> = stratified_sample(&of_there, MOST, SEED).into_iter().map(|i| there[i]).collect();
    let d = z.d();
    let unit = |&item: &usize| {
        let length = length(item);
        z.item(item).iter().map(move |&x| (f64::from(x) / length) as f32)
    };
    let rows: Vec<f32> = sample.iter().flat_map(unit).collect();
    let pca = Pca::fit(&rows, d, 2)?;
    let linear: Vec<[f32; 2]> = pca.project(&rows).chunks_exact(2).map(|place| [place[0], place[1]]).collect();
    let mut options = TsneOptions::default();
    options.perplexity = options.perplexity.min((sample.len() - 1) as f64 / 3.0);
    let tsne = Tsne::fit(&rows, d, &options)?;
    let neighbours = NEIGHBOURS.min((sample.len() - 1) / 3);
    let kept = [&linear[..], tsne.places()].map(|places| trustworthiness(&rows, d, places, neighbours));
    let [kept_linear, kept_tsne] = kept;
    let (kept_linear, kept_tsne) = (kept_linear?, kept_tsne?);

    let group_names: Vec<String> = (0..groups.n_groups()).map(|g| format!("{} in train", groups.name(g))).collect();
    let mut table = Table::new(["item", "title", "interactions", "PCA 1", "PCA 2", "t-SNE 1", "t-SNE 2"]);
    let degrees = seen.item_degrees();
    let mut titles = Vec::new();
    for (row, &item) in sample.iter().enumerate() {
        let (id, title) = &names[item];
        let title: String = title.as_deref().unwrap_or_default().chars().take(LETTERS).collect();
        let places = [linear[row], tsne.places()[row]].concat();
        let places = places.iter().map(|x| format!("{x:.2}"));
        let tip = if title.is_empty() { id.clone() } else { title.clone() };
        table.row([id.clone(), title, degrees[item].to_string()].into_iter().chain(places));
        titles.push(tip);
    }
    let scatter = |title: &str, caption: &str, places: &[[f32; 2]]| {
        let map = Scatter::new(title, caption, group_names.iter().map(String::as_str));
        let points = sample.iter().zip(places).zip(&titles);
        points.fold(map, |map, ((&item, &[x, y]), tip)| {
            map.point(groups.of_users()[item] as usize, f64::from(x), f64::from(y), Some(tip))
        })
    };
    let share = 100.0 * pca.explained();
    let n = sample.len();
    let lengths: Vec<f64> = there.iter().map(|&item| length(item)).collect();
    let text = format!(
        "{n} of {} items by their {}, brought to length 1, in colours of how many interactions they have in train. Items that \
         {} alike lie close to each other. Pointing at an item says which it is.",
        z.n_items(),
        of.vectors,
        of.alike
    );
    let first = format!(
        "The two directions of the largest variance, which have {share:.0} % of it. Trustworthiness at {neighbours} \
         neighbours: {kept_linear:.3}; 1 would be a map whose neighbours are all neighbours in truth."
    );
    let second = format!(
        "t-SNE of the same items, perplexity {:.0}: trustworthiness {kept_tsne:.3}. Distances between clusters and their sizes mean \
         nothing. Its table is the one above.",
        options.perplexity
    );
    // A short table: the coordinates are in the first one, and two thousand items again would add nothing.
    let mut summary = Table::new(["map", "trustworthiness"]);
    summary.row(["PCA".to_string(), format!("{kept_linear:.4}")]).row(["t-SNE".to_string(), format!("{kept_tsne:.4}")]);
    let values = json!({
        "n_items": n, "explained": pca.explained(), "mean length": mean(&lengths), "divergence": tsne.divergence(),
        "trustworthiness": {"neighbours": neighbours, "pca": kept_linear, "tsne": kept_tsne},
    });
    let section = section
        .text(text)
        .figure(scatter(&format!("Items by {}, principal components", of.vectors), "", &linear).to_svg(), first, table)
        .figure(scatter(&format!("Items by {}, t-SNE", of.vectors), "", tsne.places()).to_svg(), second, summary);
    Ok(section.values(values))
}
