//! Rows of neighbour lists, and their makers: rows are independent, so one process or several can compute them.

use super::knn::Neighbors;
use crate::Result;
use sprs::CsMat;
use std::ops::Range;

/// Some rows of a graph: a list of ids with values for each row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RowLists {
    pub(crate) lengths: Vec<u32>,
    pub(crate) ids: Vec<u32>,
    pub(crate) values: Vec<f32>,
}

impl RowLists {
    /// Concatenates lists.
    pub(crate) fn concat(lists: impl IntoIterator<Item = Self>) -> Self {
        lists.into_iter().fold(Self::default(), |mut all, lists| {
            all.lengths.extend(lists.lengths);
            all.ids.extend(lists.ids);
            all.values.extend(lists.values);
            all
        })
    }

    /// Builds the square matrix of all rows, whose ids must ascend.
    pub(super) fn into_graph(self) -> CsMat<f32> {
        let n = self.lengths.len();
        let ends = self.lengths.iter().scan(0, |end, &length| {
            *end += length as usize;
            Some(*end)
        });
        let pointers = std::iter::once(0).chain(ends).collect();
        CsMat::new((n, n), pointers, self.ids.into_iter().map(|id| id as usize).collect(), self.values)
    }

    /// Converts the rows of all items, with `k` neighbours each.
    pub(super) fn into_neighbors(self, k: usize) -> Neighbors {
        Neighbors { n_items: self.lengths.len(), k, index: self.ids, cosine: self.values }
    }
}

/// Computes the rows of a graph, possibly on several processes.
pub(crate) trait RowMaker {
    /// Returns all `n_rows` rows; `make` computes a range of them.
    ///
    /// # Errors
    /// Those of `make`, or when a process that computes other rows is gone.
    fn rows(&self, n_rows: usize, make: &dyn Fn(Range<usize>) -> Result<RowLists>) -> Result<RowLists>;
}

/// Computes all rows in this process.
pub(crate) struct Here;

impl RowMaker for Here {
    fn rows(&self, n_rows: usize, make: &dyn Fn(Range<usize>) -> Result<RowLists>) -> Result<RowLists> {
        make(0..n_rows)
    }
}

/// Computes a few rows at a time, for tests.
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
