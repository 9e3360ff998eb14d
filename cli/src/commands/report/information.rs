//! Report sections on the value of a model's blocks and of the items' content.

use super::{K, RESAMPLES, SEED, four, signed};
use serde_json::json;
use viral::data::{Dataset, Modality, Part};
use viral::eval::{Difference, Metric, Metrics, Ranking, paired_bootstrap};
use viral::insight::{ClickPairs, EvidenceOptions, Negatives, PidEvidence, mean_block_shares};
use viral::model::HostEmbeddings;
use viral::report::{Bars, Section, StackedBars, Table};
use viral::{Error, Result};

/// Number of quantile bins of a cosine.
const BINS: usize = 6;

/// The shares of the blocks in the scores of recommended items.
pub(super) fn shares(z: &HostEmbeddings, ranking: &Ranking, name: &str) -> Section {
    let section = Section::new("What the scores are made of");
    let shares = mean_block_shares(z, ranking);
    if shares.len() < 2 || shares.iter().all(|share| share.1 == 0.0) {
        let what = "The model has one block alone: its scores have no parts to tell apart.";
        return section.text(what).values(json!(shares));
    }
    let mut table = Table::new(["block", "share of the score, %", "numbers a vector"]);
    for ((block, share), (_, width)) in shares.iter().zip(z.blocks()) {
        table.row([block.clone(), format!("{:.1}", 100.0 * share), width.to_string()]);
    }
    let names = shares.iter().map(|share| share.0.as_str());
    let bars =
        StackedBars::new("Share of each block in the scores", names).bar(name, shares.iter().map(|share| share.1));
    let caption = format!(
        "Mean over the first {K} items of {} users of |share of a block| / Σ |shares|. A score is a sum over blocks, so that this \
         is exact; it says what the model draws on, not what it would lose: that is the next section.",
        ranking.users().len()
    );
    section.figure(bars.to_svg(), caption, table).values(json!(shares))
}

/// Ablation: what the trained model loses without each of its blocks.
pub(super) fn deletion(z: &HostEmbeddings, data: &Dataset, whole: &Metrics) -> Result<Section> {
    let section = Section::new("What it loses without each block");
    let blocks = z.blocks();
    if blocks.len() < 2 {
        return Ok(section.text("The model has one block alone; without it nothing is left."));
    }
    let mut table = Table::new(["without", "R@20", "difference", "95 % from", "to", "of the whole, %"]);
    let mut bars = Bars::new("R@20 without a block, minus R@20 of the whole", "difference of R@20");
    let (mut said, mut values, mut from, mut is_worse) = (Vec::new(), Vec::new(), 0, false);
    for (block, width) in blocks {
        let rest = evaluate_without(z, data, from, *width)?;
        let found = paired_bootstrap(&rest, whole, Metric::Recall, K, RESAMPLES, SEED)?;
        let Difference { mean, low, high, .. } = found;
        let relative = 100.0 * mean / whole.recall(K).max(f64::MIN_POSITIVE);
        table.row([
            block.clone(),
            four(rest.recall(K)),
            signed(mean),
            signed(low),
            signed(high),
            format!("{relative:+.1}"),
        ]);
        bars = bars.bar(format!("without {block}"), mean, Some([low, high]), None);
        is_worse |= found.is_significant() && mean < 0.0;
        said.push(match (found.is_significant(), mean < 0.0) {
            (true, true) => format!("without {block} the lists are worse ({relative:+.1} %)"),
            (true, false) => format!("without {block} they are better ({relative:+.1} %)"),
            _ => format!("without {block} there is no difference that these users show"),
        });
        values.push(json!({"without": block, "recall@20": rest.recall(K), "difference": found}));
        from += width;
    }
    let caption = format!(
        "One block at a time is set to 0 in the finished model. Test part, paired over {} users; intervals by {RESAMPLES} resamples \
         of them.",
        whole.users().len()
    );
    let uses = match is_worse {
        true => "this model, as it is, uses the blocks without which it is worse",
        false => "the lists of this model stand on no block alone",
    };
    let follows = format!(
        "In words: {}. What follows: {uses}. What does not follow: that the content behind a block is worth as much. Blocks may \
         carry what the others could; a model that is trained without one may make up for it. Only training again tells.",
        said.join("; ")
    );
    Ok(section.figure(bars.to_svg(), caption, table).text(follows).values(values.into()))
}

fn evaluate_without(z: &HostEmbeddings, data: &Dataset, from: usize, width: usize) -> Result<Metrics> {
    let mut users = z.users().to_vec();
    users.chunks_exact_mut(z.d()).for_each(|user| user[from..from + width].fill(0.0));
    let rest = HostEmbeddings::new(users, z.items().to_vec(), z.blocks().to_vec())?;
    rest.evaluate(data, Part::Test, &[K])
}

/// How much the similarity of an item to a user's history tells about a click, by two modalities.
pub(super) fn clicks(data: &Dataset) -> Result<Section> {
    let section = Section::new("What content says of a click");
    let mut modalities: Vec<&Modality> = data.features().modalities().collect();
    modalities.sort_by_key(|modality| match modality {
        Modality::Text => 0,
        Modality::Visual => 1,
        _ => 2,
    });
    let [first, second, ..] = modalities[..] else {
        let n = modalities.len();
        return Ok(section.text(format!("The data have features of {n} modalities; it takes two to tell them apart.")));
    };
    let names = [first.as_str(), second.as_str()];
    let measured = || -> Result<(ClickPairs, PidEvidence)> {
        let pairs = ClickPairs::draw(data, Part::Test, Negatives::Uniform, SEED)?;
        let cosines = [pairs.profile_cosines(&data.train, first)?, pairs.profile_cosines(&data.train, second)?];
        let samples = pairs.samples([&cosines[0], &cosines[1]], BINS)?;
        Ok((pairs, PidEvidence::of(&samples, &EvidenceOptions::default())?))
    };
    let (pairs, found) = match measured() {
        Err(Error::Data(why)) => return Ok(section.text(format!("It cannot be measured on these data: {why}."))),
        found => found?,
    };
    if let Some(at) = found.sizes[..2].iter().position(|&n| n < 2) {
        let message =
            format!("By {} all of these items are alike to every user: it says nothing of clicks.", names[at]);
        return Ok(section.text(message));
    }
    let caption = format!(
        "{} held-out clicks, each beside an item that the same user took in no part (seed {SEED}); one bit would tell all. The \
         sources are the cosines of the item to what the user has in train, in {} and {} bins. Bars are corrected for the size of \
         the sample, whiskers are 95 % intervals over users, dashes what labels shuffled within users give; what both sources say \
         together is not corrected, so that of few clicks parts that one source alone has come out too large. The decomposition \
         (BROJA) is certain to {:.1e} bit.",
        pairs.pairs().len() / 2,
        found.sizes[0],
        found.sizes[1],
        found.pid.gap
    );
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (name, estimate) in found.estimates(names) {
        match estimate.is_above_chance() {
            true => known.push(format!("{name} {:.4} bits", estimate.corrected)),
            false => unknown.push(name),
        }
    }
    let or_none = |list: Vec<String>| if list.is_empty() { "nothing".to_string() } else { list.join(", ") };
    let cells: usize = found.sizes.iter().product();
    let mut words = String::new();
    if found.n < 50 * cells {
        words = format!("These are few: {} observations for {cells} cells, each of which wants some fifty. ", found.n);
    }
    if modalities.len() > 2 {
        words += &format!("The data have {} modalities, of which these two are held side by side. ", modalities.len());
    }
    words += &format!("In words: told from chance are {}; not told from it: {}.", or_none(known), or_none(unknown));
    let follows = format!(
        "{words} Redundant is what either of {} and {} says, only one is what the other does not, synergy what neither says alone. This is \
         measured on the data, whatever the model is; what a cosine to a profile does not see is not in it.",
        names[0], names[1]
    );
    let figure = found.bars("Information about a click", names);
    let section = section.figure(figure.to_svg(), caption, found.table(names)).text(follows);
    Ok(section.values(json!({"sources": names, "evidence": found})))
}
