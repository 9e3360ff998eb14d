//! What became of the events of a log.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an [`InteractionLog`](super::InteractionLog) had in it, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogReport {
    /// Events of the log.
    pub events: usize,
    /// The lowest rating that counts, if one was set.
    pub min_rating: Option<f64>,
    /// Events rated below that, left out.
    pub below_threshold: usize,
    /// Events left out because the same user and item come in an event that is kept.
    pub repeated: usize,
    /// Distinct pairs of user and item: the data set's interactions, all parts together.
    pub interactions: usize,
    /// Users with an interaction.
    pub users: usize,
    /// Items, those without interactions included.
    pub items: usize,
    /// Items that are listed by [`InteractionLog::with_items`](super::InteractionLog::with_items) and have no interaction.
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
