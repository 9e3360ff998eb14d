//! Packed batches: the tokens of many texts as rows of one matrix, without padding between them.

use super::tokens::Tokens;

/// Minimum number of rows in a batch; spare rows fill it up. A matrix product of fewer rows may sum in another order
/// than one of many.
pub(super) const MIN_ROWS: usize = 80;

/// Consecutive texts of equal length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) n_texts: usize,
    pub(super) n_tokens: usize,
}

/// Token rows of a batch: token, type, and position in the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) tokens: Vec<i32>,
    pub(super) types: Vec<i32>,
    pub(super) positions: Vec<i32>,
    /// The texts in order, grouped by equal length.
    pub(super) runs: Vec<Run>,
    /// Number of rows at the end that belong to no text.
    pub(super) n_spare: usize,
}

impl Packed {
    /// Packs texts in their order. Texts of equal length share a run only if they are neighbours.
    pub(super) fn new<'a>(texts: impl Iterator<Item = &'a Tokens>, first_position: usize) -> Self {
        let mut packed = Self::default();
        for text in texts {
            let n_tokens = text.ids.len();
            packed.tokens.extend_from_slice(&text.ids);
            packed.types.extend_from_slice(&text.types);
            packed.positions.extend((0..n_tokens).map(|position| (first_position + position) as i32));
            match packed.runs.last_mut() {
                Some(run) if run.n_tokens == n_tokens => run.n_texts += 1,
                _ => packed.runs.push(Run { n_texts: 1, n_tokens }),
            }
        }
        packed.n_spare = MIN_ROWS.saturating_sub(packed.tokens.len());
        let n_rows = packed.tokens.len() + packed.n_spare;
        for column in [&mut packed.tokens, &mut packed.types, &mut packed.positions] {
            column.resize(n_rows, 0);
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lengths_share_a_run_and_few_rows_are_filled_up() {
        let text = |ids: &[i32]| Tokens { ids: ids.to_vec(), types: vec![0; ids.len()] };
        let texts = [text(&[5, 6]), text(&[7, 8]), text(&[9])];
        let packed = Packed::new(texts.iter(), 2);
        assert_eq!(packed.runs, [Run { n_texts: 2, n_tokens: 2 }, Run { n_texts: 1, n_tokens: 1 }]);
        assert_eq!(packed.tokens[..6], [5, 6, 7, 8, 9, 0]);
        assert_eq!(packed.positions[..6], [2, 3, 2, 3, 2, 0]);
        assert_eq!((packed.tokens.len(), packed.n_spare), (MIN_ROWS, MIN_ROWS - 5));
    }
}
