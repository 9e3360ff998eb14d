//! Lists of neighbours, row by row, and where they are made: a search is the work of a graph, and each of its rows is one by itself.

use super::knn::Neighbors;
use crate::Result;
use sprs::CsMat;
use std::ops::Range;

/// What some rows of a graph have: for each a number of ids, each with a value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RowLists {
    pub(crate) lengths: Vec<u32>,
    pub(crate) ids: Vec<u32>,
    pub(crate) values: Vec<f32>,
}

impl RowLists {
    /// The rows of all lists, one after the other.
    pub(crate) fn concat(lists: impl IntoIterator<Item = Self>) -> Self {
        lists.into_iter().fold(Self::default(), |mut all, lists| {
            all.lengths.extend(lists.lengths);
            all.ids.extend(lists.ids);
            all.values.extend(lists.values);
            all
        })
    }

    /// The square matrix of all rows, whose ids ascend.
    pub(super) fn into_graph(self) -> CsMat<f32> {
        let n = self.lengths.len();
        let ends = self.lengths.iter().scan(0, |end, &length| {
            *end += length as usize;
            Some(*end)
        });
        let pointers = std::iter::once(0).chain(ends).collect();
        CsMat::new((n, n), pointers, self.ids.into_iter().map(|id| id as usize).collect(), self.values)
    }

    /// The neighbours of all items, `k` of each.
    pub(super) fn into_neighbors(self, k: usize) -> Neighbors {
        Neighbors { n_items: self.lengths.len(), k, index: self.ids, cosine: self.values }
    }
}

/// Where the rows of a graph are made.
pub(crate) trait RowMaker {
    /// All `n_rows` rows, of which `make` makes a range.
    ///
    /// # Errors
    /// Those of `make`, or when whoever makes the others is gone.
    fn rows(&self, n_rows: usize, make: &dyn Fn(Range<usize>) -> Result<RowLists>) -> Result<RowLists>;
}

/// All of them here.
pub(crate) struct Here;

impl RowMaker for Here {
    fn rows(&self, n_rows: usize, make: &dyn Fn(Range<usize>) -> Result<RowLists>) -> Result<RowLists> {
        make(0..n_rows)
    }
}

/// A few rows at a time, for tests.
#[cfg(test)]
pub(crate) struct Piecewise(pub(crate) usize);

#[cfg(test)]
impl RowMaker for Piecewise {
    fn rows(&self, n_rows: usize, make: &dyn Fn(Range<usize>) -> Result<RowLists>) -> Result<RowLists> {
        let starts = (0..n_rows).step_by(self.0);
        let pieces: Vec<RowLists> =
            starts.map(|start| make(start..n_rows.min(start + self.0))).collect::<Result<_>>()?;
        Ok(RowLists::concat(pieces))
    }
}
