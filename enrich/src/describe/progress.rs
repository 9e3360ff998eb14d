//! Progress of a run: items, tokens, cost and time.

use super::completion::Tokens;
use serde::Serialize;

/// Prices of a million tokens, in any currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Prices {
    /// Price of input tokens: prompts and pictures.
    pub input: f64,
    /// Price of output tokens: answers.
    pub output: f64,
}

impl Prices {
    /// Returns the cost of `tokens`.
    pub fn of(&self, tokens: Tokens) -> f64 {
        (self.input * tokens.input as f64 + self.output * tokens.output as f64) / 1e6
    }
}

/// Progress of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Progress {
    /// Items in the catalogue.
    pub n_items: usize,
    /// Items that had a record before this run.
    pub n_before: usize,
    /// Items described in this run.
    pub n_described: usize,
    /// Items quarantined in this run.
    pub n_quarantined: usize,
    /// Requests sent in this run for the items that have a record now.
    pub n_requests: u64,
    /// Tokens of those requests, as far as servers report them.
    pub tokens: Tokens,
    /// Seconds since the start.
    pub seconds: f64,
    /// The last quarantined item and the reason, until another item is done.
    pub quarantined: Option<(String, String)>,
}

impl Progress {
    /// Returns the number of items that have a record, from this run or before.
    pub fn n_done(&self) -> usize {
        self.n_before + self.n_described + self.n_quarantined
    }

    /// Returns the items finished per second in this run, without those that had a record before.
    pub fn rate(&self) -> f64 {
        (self.n_described + self.n_quarantined) as f64 / self.seconds.max(1e-9)
    }

    /// Estimates the seconds left at the rate so far; `None` before the first item.
    pub fn seconds_left(&self) -> Option<f64> {
        let left = self.n_items.saturating_sub(self.n_done());
        (self.rate() > 0.0).then(|| left as f64 / self.rate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_count_this_run_only() {
        let progress = Progress {
            n_items: 100,
            n_before: 40,
            n_described: 18,
            n_quarantined: 2,
            seconds: 10.0,
            ..Progress::default()
        };
        assert_eq!((progress.n_done(), progress.rate(), progress.seconds_left()), (60, 2.0, Some(20.0)));
        assert_eq!(Progress::default().seconds_left(), None);
    }

    #[test]
    fn tokens_have_a_price() {
        let prices = Prices { input: 0.5, output: 2.0 };
        assert_eq!(prices.of(Tokens { input: 2_000_000, output: 500_000 }), 2.0);
    }
}
