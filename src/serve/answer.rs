//! What is asked of a recommender, and what it answers.

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
/// // What the text and the picture have to do with it adds up to the score.
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
    /// Title, where the data have titles.
    pub title: Option<String>,
    /// The score: exactly the sum of the shares, in their order.
    pub score: f64,
    /// Name of each block of the embeddings, and its share of the score.
    pub shares: Vec<(String, f64)>,
}

impl Recommendation {
    /// A table of recommendations for people: rank, item, score, the blocks' shares and, where there are titles, these.
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

/// What to recommend: how many items, which ones may come, and how much each block of the embeddings counts.
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
    /// Number of items; more than there are gives all there are.
    pub k: usize,
    /// External ids of items that must not come.
    pub exclude: Vec<String>,
    /// External ids of the only items that may come; all items of the catalogue if `None`, which is the default.
    pub candidates: Option<Vec<String>>,
    /// Factors of blocks of the embeddings; a block that is not named has the factor 1.
    pub weights: Vec<(String, f64)>,
    /// Whether items may come that the user is known to have: from the train, valid or test part, or among the liked items
    /// of the request. `false` by default.
    pub with_known: bool,
}

impl RecommendOptions {
    /// The `k` best items of the whole catalogue that are new to the user.
    pub fn new(k: usize) -> Self {
        Self { k, exclude: Vec::new(), candidates: None, weights: Vec::new(), with_known: false }
    }

    /// Leaves these items out; may be called again.
    pub fn exclude<S: Into<String>>(mut self, items: impl IntoIterator<Item = S>) -> Self {
        self.exclude.extend(items.into_iter().map(Into::into));
        self
    }

    /// Chooses among these items only, such as what is in stock.
    pub fn among<S: Into<String>>(mut self, items: impl IntoIterator<Item = S>) -> Self {
        self.candidates = Some(items.into_iter().map(Into::into).collect());
        self
    }

    /// Multiplies the share of a block of the embeddings by `weight`.
    pub fn weigh(mut self, block: impl Into<String>, weight: f64) -> Self {
        self.weights.push((block.into(), weight));
        self
    }

    /// Whether items that the user is known to have may come.
    pub fn with_known(mut self, with_known: bool) -> Self {
        self.with_known = with_known;
        self
    }
}
