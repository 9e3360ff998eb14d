//! The report page of a finished run.

use super::{Arguments, K, RESAMPLES, SEED, curves, four, information, knockouts, map, measured, signed};
use crate::shell::{note, quoted};
use serde_json::{Value, json};
use std::path::Path;
use viral::args::DataArgs;
use viral::data::{Dataset, Interactions, Part, is_there};
use viral::eval::{
    ActivityGroups, BeyondAccuracy, Dialect, Exposure, GroupMeans, Metric, Metrics, Ranking, bootstrap_interval,
    intra_list_diversity, paired_bootstrap,
};
use viral::model::{HostEmbeddings, ModelConfig};
use viral::prelude::{Recipe, Recommender};
use viral::report::{Bars, Lines, Page, Section, Table};
use viral::{Error, Result};

/// Cut-offs of the metrics.
const CUTOFFS: [usize; 4] = [5, 10, 20, 50];

/// One of the two systems that are compared on the same users: the model and popularity.
struct System<'a> {
    name: &'a str,
    ranking: Ranking,
}

pub(super) fn page(model: &Path, arguments: &Arguments) -> Result<Page> {
    let recommender = Recommender::load(model)?;
    let file = Recommender::file_of(model);
    let folder = file.parent().unwrap_or(Path::new("."));
    let data = data_of(&recommender, &arguments.data)?;
    if let Some(data) = &data {
        note!("{data}");
    }
    let z = match &data {
        // Updated vectors would know what the test part holds out, if it has been bought since.
        Some(data) => recommender.trained_embeddings_of(data)?,
        None => recommender.trained_embeddings()?,
    };
    let seen = data.as_ref().map_or(recommender.train_interactions(), |data| &data.train.interactions);
    let tested = data.as_ref().filter(|data| data.test.n_pairs() > 0);
    let mut of_tests = arguments.probe.iter().chain(&arguments.missing).chain(&arguments.cold);
    if let (Some(path), None) = (of_tests.next(), tested) {
        let message =
            "is for a model with its data, of which a part is held out for the test; give --data as in training";
        return Err(Error::file(path, message));
    }
    let users: Vec<u32> = match tested {
        Some(data) => (0..z.n_users() as u32).filter(|&user| !data.test.of_user(user as usize).is_empty()).collect(),
        None => (0..z.n_users() as u32).filter(|&user| !seen.of_user(user as usize).is_empty()).collect(),
    };
    let degrees = seen.item_degrees().into_iter().map(|n| n as f32).collect();
    let by_popularity = HostEmbeddings::new(vec![1.0; z.n_users()], degrees, vec![("popularity".into(), 1)])?;
    let name = recommender.model_name().unwrap_or("the model");
    let systems = [
        System { name, ranking: z.rank(seen, &users, K)? },
        // Named differently beside the model of that name.
        System {
            name: if name == "popularity" { "most popular" } else { "popularity" },
            ranking: by_popularity.rank(seen, &users, K)?,
        },
    ];

    let title = format!("{name} on {}", recommender.data_name());
    let folder_word = quoted(&model.display().to_string());
    let report = format!("viral report --model {folder_word} --data DIR --out report.html");
    let train_word = format!("viral train --data DIR --model {} --out out/again", quoted(name));
    let again = |command: &str| format!("viral {command} --data DIR --model {} --json {command}.json", quoted(name));
    let takes_content = ModelConfig::by_name(name).is_ok_and(|config| config.takes_content());
    let no_content = !takes_content || data.as_ref().is_some_and(|data| data.features().is_empty());
    let lost = data.as_ref().map_or(Vec::new(), |data| data.features().modalities().map(ToString::to_string).collect());
    let lost = if lost.len() > 1 { format!("{},both", lost.join(",")) } else { lost.concat() };
    // Either the data are missing, or they have no test part.
    let needs_data = |heading: &str| match &data {
        None => Section::new(heading).not_run("This takes the data that the model was trained on:", &*report),
        Some(_) => {
            Section::new(heading).text("Nothing is held out in the data's test part: the model has seen everything.")
        }
    };
    let mut page = Page::new(title).section(about(&recommender, data.as_ref(), folder)?);
    page = match tested {
        Some(data) => {
            let metrics =
                [z.evaluate(data, Part::Test, &CUTOFFS)?, by_popularity.evaluate(data, Part::Test, &CUTOFFS)?];
            let probe = arguments.probe.as_ref().map(|path| measured::read(path, &recommender, data)).transpose()?;
            page.section(accuracy(&systems, &metrics)?)
                .section(information::shares(&z, &systems[0].ranking, name))
                .section(information::deletion(&z, data, &metrics[0])?)
                .section(knockouts::section(probe.as_ref(), no_content, &again("probe")))
                .section(information::clicks(data)?)
                .section(beyond(&systems, data, seen, arguments.dialect)?)
                .section(lorenz(&systems, seen.n_items())?)
                .section(groups(&systems, &metrics, seen))
        }
        None => page
            .section(needs_data("Accuracy beside popularity"))
            .section(information::shares(&z, &systems[0].ranking, name))
            .section(needs_data("What it loses without each block"))
            .section(needs_data("What it loses when trained without content"))
            .section(needs_data("What content says of a click"))
            .section(needs_data("Beyond accuracy"))
            .section(lorenz(&systems, seen.n_items())?)
            .section(needs_data("Users by activity")),
    };
    let ids: Vec<String> = match &data {
        Some(data) => data.item_ids.clone(),
        None => recommender.items().take(z.n_items()).map(str::to_string).collect(),
    };
    let names: Vec<(String, Option<String>)> =
        ids.into_iter().map(|id| (id.clone(), recommender.title(&id).map(str::to_string))).collect();
    page = page.section(map::section(&z, seen, &names)?);
    for (modality, rows) in data.iter().flat_map(Dataset::features) {
        page = page.section(map::of_features(modality, rows, seen, &names)?);
    }
    if let Some(weights) = curves::weights(&recommender)? {
        page = page.section(weights);
    }
    let (mut missing, mut cold) = (None, Vec::new());
    if let Some(data) = tested {
        missing = arguments.missing.as_ref().map(|path| measured::read(path, &recommender, data)).transpose()?;
        cold =
            arguments.cold.iter().map(|path| measured::read(path, &recommender, data)).collect::<Result<Vec<_>>>()?;
    }
    page =
        page.section(measured::missing(missing.as_ref(), no_content, &format!("{} --lost {lost}", again("missing"))));
    let cold = measured::cold(&cold, &again("cold"));
    Ok(page.section(curves::training(folder, &train_word)?).section(cold))
}

/// The training data, if they are given or built in.
fn data_of(recommender: &Recommender, arguments: &DataArgs) -> Result<Option<Dataset>> {
    let data = arguments.read()?;
    match recommender.fingerprint().is_none_or(|fingerprint| fingerprint == data.fingerprint()) {
        true if !arguments.is_planted() || recommender.fingerprint().is_some() => Ok(Some(data)),
        false if !arguments.is_planted() => Err(Error::Data(format!(
            "data set {}: it is not what the model was trained on ({}); give --data, --name, --modality and --split as in training",
            data.name,
            recommender.data_name()
        ))),
        _ => Ok(None),
    }
}

/// Describes the model and its training data.
fn about(recommender: &Recommender, data: Option<&Dataset>, folder: &Path) -> Result<Section> {
    let z = recommender.embeddings();
    let mut table = Table::new(["", "value"]);
    let mut row = |name: &str, value: String| {
        table.row([name.to_string(), value]);
    };
    row("model", recommender.model_name().unwrap_or("not one of the table").into());
    row("data", recommender.data_name().into());
    row("fingerprint of the data", recommender.fingerprint().unwrap_or("not known").into());
    let train = recommender.train_interactions();
    row("users", train.n_users().to_string());
    row("items", train.n_items().to_string());
    row("train interactions", train.n_pairs().to_string());
    if let Some(data) = data {
        row("valid interactions", data.valid.n_pairs().to_string());
        row("test interactions", data.test.n_pairs().to_string());
        let features = data.features().iter().map(|(modality, features)| format!("{modality} ({})", features.width()));
        row("features", features.collect::<Vec<_>>().join(", "));
    }
    let drift = recommender.drift();
    for (what, n) in [
        ("items removed since training, counted here as they were", drift.removed_items),
        ("items added since training, not counted here", drift.new_items),
        ("users who came since training, not counted here", drift.new_users),
        ("interactions since training, not counted here", drift.new_interactions),
    ] {
        if n > 0 {
            row(what, n.to_string());
        }
    }
    let blocks = z.blocks().iter().map(|(block, width)| format!("{block} ({width})"));
    row("blocks of the vectors", blocks.collect::<Vec<_>>().join(", "));
    let mut settings = Table::new(["setting", "value"]);
    flatten("", recommender.config(), &mut settings);
    let recipe = folder.join("recipe.toml");
    let mut training = Value::Null;
    if is_there(&recipe)? {
        training =
            serde_json::to_value(Recipe::read(&recipe)?.training).map_err(|e| Error::file(&recipe, e.to_string()))?;
        flatten("training", &training, &mut settings);
    }
    let section = Section::new("What this is").table("The model and its data", table).table("Settings", settings);
    Ok(section.values(json!({"config": recommender.config(), "training": training, "blocks": z.blocks()})))
}

fn flatten(path: &str, value: &Value, table: &mut Table) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, table);
            }
        }
        Value::String(text) => {
            table.row([path, text]);
        }
        value => {
            table.row([path.to_string(), value.to_string()]);
        }
    }
}

fn accuracy(systems: &[System; 2], metrics: &[Metrics; 2]) -> Result<Section> {
    let section = Section::new("Accuracy beside popularity");
    let names = || metrics[0].means().map(|(name, _)| name);
    let mut table = Table::new(std::iter::once("test part".to_string()).chain(names()));
    let mut bars = Bars::new("R@20 on the test part", "recall@20");
    for (system, metrics) in systems.iter().zip(metrics) {
        table.row(std::iter::once(system.name.to_string()).chain(metrics.means().map(|(_, value)| four(value))));
        let found = bootstrap_interval(metrics.per_user(Metric::Recall, K), RESAMPLES, SEED)?;
        bars = bars.bar(system.name, found.mean, Some([found.low, found.high]), None);
    }
    let [model, popularity] = metrics;
    let difference = paired_bootstrap(model, popularity, Metric::Recall, K, RESAMPLES, SEED)?;
    let n = model.users().len();
    let text = format!(
        "R@20 minus that of popularity, user by user: {} [{}, {}] of {n} users.",
        signed(difference.mean),
        signed(difference.low),
        signed(difference.high)
    );
    let caption = format!("All items ranked for {n} users, train items left out. 95 % intervals over users, one seed.");
    let values = |metrics: &Metrics| {
        metrics.means().map(|(name, value)| (name, value.into())).collect::<serde_json::Map<_, _>>()
    };
    let values = json!({
        systems[0].name: values(model), systems[1].name: values(popularity), "difference of recall@20": difference
    });
    Ok(section.figure(bars.to_svg(), caption, table).text(text).values(values))
}

fn beyond(systems: &[System; 2], data: &Dataset, seen: &Interactions, dialect: Dialect) -> Result<Section> {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut values = serde_json::Map::new();
    let mut put = |name: String, value: String| match rows.iter_mut().find(|row| row.0 == name) {
        Some(row) => row.1.push(value),
        None => rows.push((name, vec![value])),
    };
    for system in systems {
        let found = BeyondAccuracy::of(&system.ranking, seen, &data.test, K, dialect)?;
        for (name, value) in found.values() {
            let is_count = ["coverage_items", "ItemCoverage"].contains(name);
            put(name.to_string(), if is_count { format!("{value:.0}") } else { four(*value) });
        }
        let mut of_system = serde_json::to_value(&found).map_err(|e| Error::Data(e.to_string()))?;
        for (modality, features) in data.features().iter() {
            let name = format!("intra-list diversity by {modality}");
            match intra_list_diversity(&system.ranking, features, K) {
                Ok(found) => {
                    of_system[&name] = json!(found);
                    put(name, four(found.mean));
                }
                // No list has two items with content.
                Err(Error::Data(_)) => put(name, "–".into()),
                Err(error) => return Err(error),
            }
        }
        values.insert(system.name.to_string(), of_system);
    }
    let mut table = Table::new([format!("first {K}"), systems[0].name.to_string(), systems[1].name.to_string()]);
    for (name, cells) in rows {
        table.row(std::iter::once(name).chain(cells));
    }
    let text = "Coverage, Gini and entropy say how evenly places go to items; epc and efd how unexpected what was found is; arp and aplt \
                how popular the listed items are (aplt: the share from the tail, behind the items with 80 % of all interactions). \
                Intra-list diversity is the mean of 1 − cosine over pairs of a list.";
    let text = match dialect {
        Dialect::Elliot => format!(
            "{text} Names and definitions are Elliot's, whose Gini is 1 minus the coefficient of the next section."
        ),
        _ => text.to_string(),
    };
    Ok(Section::new("Beyond accuracy").text(text).table("What lists are like", table).values(values.into()))
}

fn lorenz(systems: &[System; 2], n_items: usize) -> Result<Section> {
    let mut curves: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut ginis = Vec::new();
    let title = "Who gets the places";
    for system in systems {
        let exposure = match Exposure::of(&system.ranking, K, n_items) {
            Ok(exposure) => exposure,
            Err(Error::Data(why)) => {
                return Ok(Section::new(title).text(format!("There is nothing to compare: {why}.")));
            }
            Err(error) => return Err(error),
        };
        ginis.push(exposure.gini());
        let curve = exposure.lorenz();
        // A hundred points: more would not be visible.
        let n = curve.len() - 1;
        let steps = n.min(100);
        curves.push((0..=steps).map(|i| curve[i * n / steps.max(1)]).collect());
    }
    let mut table = Table::new(["share of items", systems[0].name, systems[1].name]);
    for (a, b) in curves[0].iter().zip(&curves[1]) {
        table.row([format!("{:.3}", a.0), four(a.1), four(b.1)]);
    }
    let lines = Lines::lorenz(title, systems[0].name, curves[0].clone()).line(systems[1].name, curves[1].clone());
    let caption = format!(
        "Lorenz curve of the first {K} places of {} users: the dotted diagonal is an even share for all. Gini {:.3} for {}, {:.3} for \
         {}.",
        systems[0].ranking.users().len(),
        ginis[0],
        systems[0].name,
        ginis[1],
        systems[1].name
    );
    let values = json!({systems[0].name: {"gini": ginis[0], "lorenz": curves[0]}, systems[1].name: {"gini": ginis[1], "lorenz": curves[1]}});
    Ok(Section::new(title).figure(lines.to_svg(), caption, table).values(values))
}

fn groups(systems: &[System; 2], metrics: &[Metrics; 2], seen: &Interactions) -> Section {
    let groups = ActivityGroups::quartiles(seen);
    let found = metrics.each_ref().map(|metrics| GroupMeans::of(metrics, Metric::Recall, K, groups.of_users()));
    let mut table = Table::new(["train interactions", "users", systems[0].name, systems[1].name]);
    let mut bars = Bars::new("R@20 by activity of the user", "recall@20");
    for group in 0..found[0].means.len() {
        let cell = |found: &GroupMeans| found.means[group].map_or_else(|| "–".to_string(), four);
        let n = found[0].n_users[group].to_string();
        table.row([groups.name(group), n, cell(&found[0]), cell(&found[1])]);
        for (system, found) in systems.iter().zip(&found) {
            if let Some(mean) = found.means[group] {
                bars = bars.bar(format!("{}: {}", groups.name(group), system.name), mean, None, None);
            }
        }
    }
    let caption = "Users in quarters by how many train interactions they have; equally active users stay together.";
    let ratio = found[0].ratio().map(|ratio| {
        format!("The most active quarter is served {ratio:.2} times as well as the least active one; this says nothing of why.")
    });
    let text = match found[0].means.iter().flatten().count() {
        0 | 1 => "All of these users are in one group: there is nothing to compare.".to_string(),
        _ => format!("{} The groups are {} apart on average.", ratio.unwrap_or_default(), four(found[0].mad)),
    };
    let values = json!({systems[0].name: found[0], systems[1].name: found[1]});
    let section = Section::new("Users by activity").figure(bars.to_svg(), caption, table);
    section.text(text.trim().to_string()).values(values)
}
