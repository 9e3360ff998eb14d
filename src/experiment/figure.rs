//! A metric at a cutoff, as in the column headings of tables.

use crate::eval::Metric;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A metric at a cutoff: `R@20`, `N@10`, `P@5`, `MAP@20`. Parses `recall@20` and the like as well.
///
/// ```
/// use viral::experiment::Figure;
///
/// let figure: Figure = "R@20".parse()?;
/// assert_eq!((figure.to_string(), figure.name()), ("R@20".into(), "recall@20".into()));
/// assert_eq!("recall@20".parse::<Figure>()?, figure);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct Figure {
    /// The metric.
    pub metric: Metric,
    /// Its cutoff.
    pub k: usize,
}

impl Figure {
    /// A metric at a cutoff.
    pub fn new(metric: Metric, k: usize) -> Self {
        Self { metric, k }
    }

    /// Its name in files, such as `recall@20`.
    pub fn name(self) -> String {
        format!("{}@{}", self.metric, self.k)
    }
}

/// Returns the abbreviation of a metric in tables.
fn letters(metric: Metric) -> &'static str {
    match metric {
        Metric::Recall => "R",
        Metric::Ndcg => "N",
        Metric::Precision => "P",
        Metric::Map => "MAP",
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", letters(self.metric), self.k)
    }
}

impl FromStr for Figure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once('@').and_then(|(name, k)| {
            let metric = Metric::ALL.iter().find(|m| letters(**m) == name || m.name() == name)?;
            Some(Self { metric: *metric, k: k.parse().ok().filter(|k| *k > 0)? })
        });
        parsed.ok_or_else(|| {
            Error::Config(format!(
                "no figure '{text}'; write a metric and its cutoff, such as R@20, N@10, P@5 or MAP@20"
            ))
        })
    }
}

impl TryFrom<String> for Figure {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Figure> for String {
    fn from(figure: Figure) -> Self {
        figure.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_letters_and_nothing_else_is_one() {
        for &metric in Metric::ALL {
            let figure = Figure::new(metric, 20);
            assert_eq!(figure.to_string().parse::<Figure>().unwrap(), figure);
            assert_eq!(figure.name().parse::<Figure>().unwrap(), figure);
        }
        for text in ["R20", "R@", "R@0", "r@20", "@20", "R@-1"] {
            assert!(text.parse::<Figure>().unwrap_err().to_string().contains(text));
        }
    }
}
