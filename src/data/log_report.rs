//! Counts of the events of a log that were kept and left out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Counts of the events of an [`InteractionLog`](super::InteractionLog), kept and left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogReport {
    /// Events in the log.
    pub events: usize,
    /// The minimum rating, if one was set.
    pub min_rating: Option<f64>,
    /// Events left out because they are rated below it.
    pub below_threshold: usize,
    /// Events left out because another event of the same user and item is kept.
    pub repeated: usize,
    /// Distinct user–item pairs: the interactions of the data set, over all parts.
    pub interactions: usize,
    /// Users with an interaction.
    pub users: usize,
    /// Items, including those without interactions.
    pub items: usize,
    /// Items listed by [`InteractionLog::with_items`](super::InteractionLog::with_items) that have no interaction.
    pub items_without_interactions: usize,
}

impl fmt::Display for LogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events", self.events)?;
        if let Some(min_rating) = self.min_rating {
            write!(f, ", {} rated below {min_rating}", self.below_threshold)?;
        }
        let Self { repeated, interactions, users, items, .. } = self;
        write!(f, ", {repeated} repeated: {interactions} interactions of {users} users and {items} items")?;
        match self.items_without_interactions {
            0 => Ok(()),
            n => write!(f, ", {n} of them without interactions"),
        }
    }
}
