//! Requests and answers of a recommender.

use crate::report::Table;
use serde::Serialize;

/// A recommended item.
///
/// ```
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let run = Recipe::named("profile-match")?.run(&data, &Device::flex())?;
/// let found = run.recommender()?.recommend("u0007", 3)?;
/// // The shares of text and picture add up to the score.
/// assert_eq!(found[0].score, found[0].shares.iter().map(|(_, share)| share).sum::<f64>());
/// println!("{}", Recommendation::table(&found).to_text());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Recommendation {
    /// External id.
    pub item: String,
    /// Title, if the data have titles.
    pub title: Option<String>,
    /// The score: exactly the sum of the shares, in their order.
    pub score: f64,
    /// Name of each block of the embeddings, with its share of the score.
    pub shares: Vec<(String, f64)>,
}

impl Recommendation {
    /// Formats recommendations as a table: rank, item, score, the share of each block and, if there are any, titles.
    pub fn table(items: &[Self]) -> Table {
        let blocks = items.first().map_or(&[][..], |item| &item.shares);
        let has_titles = items.iter().any(|item| item.title.is_some());
        let mut header = vec!["", "item", "score"];
        header.extend(blocks.iter().map(|(block, _)| block.as_str()));
        header.extend(has_titles.then_some("title"));
        let mut table = Table::new(header);
        for (rank, item) in items.iter().enumerate() {
            let mut cells = vec![(rank + 1).to_string(), item.item.clone(), format!("{:.6}", item.score)];
            cells.extend(item.shares.iter().map(|(_, share)| format!("{share:.6}")));
            cells.extend(has_titles.then(|| shortened(item.title.as_deref().unwrap_or_default())));
            table.row(cells);
        }
        table
    }
}

fn shortened(title: &str) -> String {
    const MOST: usize = 56;
    match title.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", title[..end].trim_end()),
        None => title.to_string(),
    }
}

/// Options of a request: how many items, which items are eligible, and the weight of each block of the embeddings.
///
/// ```
/// use viral::serve::RecommendOptions;
///
/// let options = RecommendOptions::new(10).exclude(["i3"]).weigh("visual", 2.0).with_known(true);
/// assert_eq!(options.k, 10);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RecommendOptions {
    /// Number of items; if fewer are eligible, all of them are returned.
    pub k: usize,
    /// External ids of items to exclude.
    pub exclude: Vec<String>,
    /// External ids of the only eligible items; `None`, the default, makes the whole catalogue eligible.
    pub candidates: Option<Vec<String>>,
    /// Weights of blocks of the embeddings; a block that is not named has weight 1.
    pub weights: Vec<(String, f64)>,
    /// Whether to return items that the user is known to have: from the train, valid or test part, since training, or
    /// among the liked items of the request. `false` by default.
    pub with_known: bool,
}

impl RecommendOptions {
    /// Requests the `k` best items of the whole catalogue that are new to the user.
    pub fn new(k: usize) -> Self {
        Self { k, exclude: Vec::new(), candidates: None, weights: Vec::new(), with_known: false }
    }

    /// Excludes these items; may be called again.
    pub fn exclude<S: Into<String>>(mut self, items: impl IntoIterator<Item = S>) -> Self {
        self.exclude.extend(items.into_iter().map(Into::into));
        self
    }

    /// Restricts the answer to these items, such as those in stock.
    pub fn among<S: Into<String>>(mut self, items: impl IntoIterator<Item = S>) -> Self {
        self.candidates = Some(items.into_iter().map(Into::into).collect());
        self
    }

    /// Multiplies the share of a block of the embeddings by `weight`.
    pub fn weigh(mut self, block: impl Into<String>, weight: f64) -> Self {
        self.weights.push((block.into(), weight));
        self
    }

    /// Sets whether to return items that the user is known to have.
    pub fn with_known(mut self, with_known: bool) -> Self {
        self.with_known = with_known;
        self
    }
}
