//! Early stopping: the best epoch so far, and how long ago it was.

use serde::{Deserialize, Serialize};

/// Early stopping: remembers the best value; larger is better.
///
/// ```
/// use viral::train::EarlyStopping;
///
/// let mut stopping = EarlyStopping::new(2);
/// for (epoch, recall) in [0.05, 0.07, 0.06, 0.06].into_iter().enumerate() {
///     stopping.update(epoch, recall);
///     assert_eq!(stopping.is_over(epoch), epoch == 3);
/// }
/// assert_eq!(stopping.best(), Some((1, 0.07)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    patience: usize,
    best: Option<(usize, f64)>,
}

impl EarlyStopping {
    /// Stops after `patience` epochs without a new best value.
    pub fn new(patience: usize) -> Self {
        Self { patience, best: None }
    }

    pub(super) fn set_patience(&mut self, patience: usize) {
        self.patience = patience;
    }

    /// Records the value of an epoch and returns whether it is the best so far. Of equal values the first stays the
    /// best.
    pub fn update(&mut self, epoch: usize, value: f64) -> bool {
        let better = self.best.is_none_or(|(_, best)| value > best);
        if better {
            self.best = Some((epoch, value));
        }
        better
    }

    /// Epoch and value of the best so far.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.best
    }

    /// Returns whether the last `patience` epochs up to `epoch` brought no new best.
    pub fn is_over(&self, epoch: usize) -> bool {
        self.best.is_some_and(|(best, _)| epoch.saturating_sub(best) >= self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_patience_epochs_after_the_best() {
        let mut stopping = EarlyStopping::new(2);
        assert!(stopping.update(0, 0.1) && stopping.update(1, 0.3));
        assert!(!stopping.update(2, 0.3) && !stopping.is_over(2));
        assert!(!stopping.update(3, 0.2) && stopping.is_over(3));
        assert_eq!(stopping.best(), Some((1, 0.3)));
        assert!(!stopping.is_over(0), "an epoch before the best");
    }
}
