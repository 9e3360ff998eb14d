//! What is asked of a recommender, and what it answers.

use serde::Serialize;

/// A recommended item.
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
