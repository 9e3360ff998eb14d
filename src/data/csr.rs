//! Compressed sparse rows (CSR): the one format for the sparsity patterns of interactions, graphs and sparse matrices.

/// The sparsity pattern of a matrix in CSR format: the columns of each row, ascending and distinct.
///
/// Memory: 4 bytes per nonzero and 4 per row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Csr {
    n_cols: usize,
    row_ptr: Vec<u32>,
    col_idx: Vec<u32>,
}

impl Csr {
    /// Builds a pattern from `(row, column)` pairs in any order; duplicates are merged. O(pairs + rows + columns).
    ///
    /// # Panics
    /// When a row or column is out of range, or there are 2³² pairs or more.
    pub(crate) fn from_pairs(n_rows: usize, n_cols: usize, pairs: &[(u32, u32)]) -> Self {
        let (mut csr, _) = Self::sorted(n_rows, n_cols, pairs.len(), |e| pairs[e]);
        let mut n = 0;
        for row in 0..n_rows {
            let (start, end) = (csr.row_ptr[row] as usize, csr.row_ptr[row + 1] as usize);
            // Earlier rows have shrunk by their duplicates, so this one now starts at `n`.
            csr.row_ptr[row] = n as u32;
            let first = n;
            for e in start..end {
                let col = csr.col_idx[e];
                if n == first || csr.col_idx[n - 1] != col {
                    csr.col_idx[n] = col;
                    n += 1;
                }
            }
        }
        csr.row_ptr[n_rows] = n as u32;
        csr.col_idx.truncate(n);
        csr
    }

    /// Builds a pattern from distinct `(row, column)` pairs in any order, with the pair index of each nonzero. Fails
    /// with the first duplicated pair if there is one. O(pairs + rows + columns).
    ///
    /// # Panics
    /// When a row or column is out of range, or there are 2³² pairs or more.
    pub(crate) fn from_distinct(
        n_rows: usize,
        n_cols: usize,
        n_pairs: usize,
        pair: impl Fn(usize) -> (u32, u32),
    ) -> Result<(Self, Vec<u32>), (u32, u32)> {
        let (csr, order) = Self::sorted(n_rows, n_cols, n_pairs, pair);
        let twice = |row: usize| csr.row(row).windows(2).find(|w| w[0] == w[1]).map(|w| (row as u32, w[0]));
        match (0..n_rows).find_map(twice) {
            Some(pair) => Err(pair),
            None => Ok((csr, order)),
        }
    }

    /// Builds the pattern whose row `r` has the columns `col_idx[row_ptr[r]..row_ptr[r + 1]]`.
    ///
    /// # Panics
    /// When the row pointers do not begin with 0, decrease, or do not end with the number of columns given, or when the
    /// columns of a row do not ascend or are not below `n_cols`.
    pub(crate) fn from_parts(n_cols: usize, row_ptr: Vec<u32>, col_idx: Vec<u32>) -> Self {
        assert!(row_ptr.first() == Some(&0), "sparse rows: row pointers begin with {:?}, not with 0", row_ptr.first());
        let end = row_ptr[row_ptr.len() - 1] as usize;
        assert_eq!(
            end,
            col_idx.len(),
            "sparse rows: row pointers end with {end}, and {} columns are there",
            col_idx.len()
        );
        for (row, span) in row_ptr.windows(2).enumerate() {
            assert!(span[0] <= span[1], "sparse rows: the pointers of row {row} fall from {} to {}", span[0], span[1]);
        }
        for (row, span) in row_ptr.windows(2).enumerate() {
            let (start, end) = (span[0] as usize, span[1] as usize);
            let ascend = col_idx[start..end].windows(2).all(|w| w[0] < w[1]);
            assert!(ascend, "sparse rows: the columns of row {row} do not ascend: {:?}", &col_idx[start..end]);
            let last = col_idx[start..end].last();
            assert!(
                last.is_none_or(|&c| (c as usize) < n_cols),
                "sparse rows: row {row} has column {last:?} of {n_cols}"
            );
        }
        Self { n_cols, row_ptr, col_idx }
    }

    /// Sorts pairs with two stable counting sorts, by column and then by row: the columns of a row ascend, and
    /// duplicates keep their order. Also returns the pair index of each nonzero.
    fn sorted(n_rows: usize, n_cols: usize, n: usize, pair: impl Fn(usize) -> (u32, u32)) -> (Self, Vec<u32>) {
        assert!(u32::try_from(n).is_ok(), "sparse rows: {n} pairs are too many for 32-bit indices");
        let (mut row_ptr, mut next_of_col) = (vec![0u32; n_rows + 1], vec![0u32; n_cols + 1]);
        let (mut last, mut ascend) = ((0, 0), true);
        for e in 0..n {
            let (row, col) = pair(e);
            assert!((row as usize) < n_rows, "row {row} of {n_rows}");
            assert!((col as usize) < n_cols, "column {col} of {n_cols}");
            row_ptr[row as usize + 1] += 1;
            next_of_col[col as usize + 1] += 1;
            ascend &= last <= (row, col);
            last = (row, col);
        }
        accumulate(&mut row_ptr);
        if ascend {
            // Already sorted, as the pairs of a pruned graph are in every epoch.
            let col_idx = (0..n).map(|e| pair(e).1).collect();
            return (Self { n_cols, row_ptr, col_idx }, (0..n as u32).collect());
        }
        accumulate(&mut next_of_col);
        let mut by_col = vec![0u32; n];
        for e in 0..n {
            let next = &mut next_of_col[pair(e).1 as usize];
            by_col[*next as usize] = e as u32;
            *next += 1;
        }
        let mut next_of_row = row_ptr.clone();
        let (mut col_idx, mut order) = (vec![0u32; n], vec![0u32; n]);
        for e in by_col {
            let (row, col) = pair(e as usize);
            let next = &mut next_of_row[row as usize];
            (col_idx[*next as usize], order[*next as usize]) = (col, e);
            *next += 1;
        }
        (Self { n_cols, row_ptr, col_idx }, order)
    }

    /// Returns the transpose and the position in `self` of each of its nonzeros. O(nonzeros + rows + columns).
    pub(crate) fn transpose(&self) -> (Self, Vec<u32>) {
        let mut row_ptr = vec![0u32; self.n_cols + 1];
        self.col_idx.iter().for_each(|&col| row_ptr[col as usize + 1] += 1);
        accumulate(&mut row_ptr);
        let mut next = row_ptr.clone();
        let (mut col_idx, mut order) = (vec![0u32; self.nnz()], vec![0u32; self.nnz()]);
        for row in 0..self.n_rows() {
            for e in self.span(row) {
                let next = &mut next[self.col_idx[e] as usize];
                (col_idx[*next as usize], order[*next as usize]) = (row as u32, e as u32);
                *next += 1;
            }
        }
        (Self { n_cols: self.n_rows(), row_ptr, col_idx }, order)
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.row_ptr.len() - 1
    }

    pub(crate) fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Number of nonzeros.
    pub(crate) fn nnz(&self) -> usize {
        self.col_idx.len()
    }

    /// Row pointers: the offset of each row, then the number of nonzeros.
    pub(crate) fn row_ptr(&self) -> &[u32] {
        &self.row_ptr
    }

    /// Column indices of the nonzeros, row by row.
    pub(crate) fn col_idx(&self) -> &[u32] {
        &self.col_idx
    }

    /// Positions of a row's nonzeros.
    pub(crate) fn span(&self, row: usize) -> std::ops::Range<usize> {
        self.row_ptr[row] as usize..self.row_ptr[row + 1] as usize
    }

    /// Column indices of a row, ascending.
    pub(crate) fn row(&self, row: usize) -> &[u32] {
        &self.col_idx[self.span(row)]
    }

    /// Row index of each nonzero.
    pub(crate) fn row_idx(&self) -> Vec<u32> {
        let mut rows = Vec::with_capacity(self.nnz());
        for (row, span) in self.row_ptr.windows(2).enumerate() {
            rows.resize(span[1] as usize, row as u32);
        }
        rows
    }

    /// Number of nonzeros in each row.
    pub(crate) fn row_degrees(&self) -> Vec<u32> {
        self.row_ptr.windows(2).map(|w| w[1] - w[0]).collect()
    }

    /// Number of nonzeros in each column.
    pub(crate) fn col_degrees(&self) -> Vec<u32> {
        let mut degrees = vec![0u32; self.n_cols];
        self.col_idx.iter().for_each(|&col| degrees[col as usize] += 1);
        degrees
    }
}

/// Computes prefix sums in place: counts after a leading zero become offsets.
fn accumulate(counts: &mut [u32]) {
    let mut sum = 0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splitmix64;

    #[test]
    fn pairs_in_any_order_are_sorted_and_counted_once() {
        let csr = Csr::from_pairs(4, 5, &[(3, 4), (0, 2), (3, 0), (0, 2), (3, 4), (0, 1)]);
        assert_eq!((csr.row_ptr(), csr.col_idx()), (&[0, 2, 2, 2, 4][..], &[1, 2, 0, 4][..]));
        assert_eq!((csr.n_rows(), csr.n_cols(), csr.nnz()), (4, 5, 4));
        assert_eq!(csr.row_idx(), [0, 0, 3, 3]);
        assert_eq!(csr.row_degrees(), [2, 0, 0, 2]);
        assert_eq!(csr.col_degrees(), [1, 1, 1, 0, 1]);
    }

    /// Compares with a sorted set.
    #[test]
    fn random_pairs_are_those_of_a_sorted_set() {
        for (n_rows, n_cols, n) in [(1, 1, 3), (1, 50, 40), (50, 1, 40), (17, 23, 300), (9, 9, 0)] {
            let pairs: Vec<(u32, u32)> = (0..n)
                .map(|e| (splitmix64(2 * e) % n_rows, splitmix64(2 * e + 1) % n_cols))
                .map(|(row, col)| (row as u32, col as u32))
                .collect();
            let set: std::collections::BTreeSet<(u32, u32)> = pairs.iter().copied().collect();
            let csr = Csr::from_pairs(n_rows as usize, n_cols as usize, &pairs);
            let found: Vec<(u32, u32)> = csr.row_idx().into_iter().zip(csr.col_idx().iter().copied()).collect();
            assert_eq!(found, set.iter().copied().collect::<Vec<_>>());
            let mut ascending = pairs.clone();
            ascending.sort_unstable();
            assert_eq!(Csr::from_pairs(n_rows as usize, n_cols as usize, &ascending), csr);
            assert_eq!(Csr::from_parts(n_cols as usize, csr.row_ptr().to_vec(), csr.col_idx().to_vec()), csr);

            let (transpose, order) = csr.transpose();
            let turned: Vec<(u32, u32)> = pairs.iter().map(|&(row, col)| (col, row)).collect();
            assert_eq!(transpose, Csr::from_pairs(n_cols as usize, n_rows as usize, &turned));
            let rows = csr.row_idx();
            let through: Vec<u32> = order.iter().map(|&e| rows[e as usize]).collect();
            assert_eq!(through, transpose.col_idx());
        }
    }

    #[test]
    fn distinct_pairs_know_where_they_came_from_and_repeated_ones_are_named() {
        let pairs = [(2, 1), (0, 3), (2, 0)];
        let ascending = [(0, 3), (2, 0), (2, 1)];
        let (csr, order) = Csr::from_distinct(3, 4, 3, |e| ascending[e]).unwrap();
        assert_eq!((csr.col_idx(), &order[..]), (&[3, 0, 1][..], &[0, 1, 2][..]));
        let (csr, order) = Csr::from_distinct(3, 4, 3, |e| pairs[e]).unwrap();
        assert_eq!((csr.col_idx(), order.as_slice()), (&[3, 0, 1][..], &[1, 2, 0][..]));
        let twice = [(2, 1), (0, 3), (2, 1)];
        assert_eq!(Csr::from_distinct(3, 4, 3, |e| twice[e]), Err((2, 1)));
    }

    #[test]
    fn parts_that_are_no_matrix_panic() {
        let message = |n_cols, row_ptr: &[u32], col_idx: &[u32]| {
            let (row_ptr, col_idx) = (row_ptr.to_vec(), col_idx.to_vec());
            let panic = std::panic::catch_unwind(move || Csr::from_parts(n_cols, row_ptr, col_idx)).unwrap_err();
            panic.downcast_ref::<String>().cloned().unwrap()
        };
        assert!(message(3, &[1, 2], &[0, 1]).contains("begin with Some(1)"));
        assert!(message(3, &[0, 1], &[0, 1]).contains("end with 1, and 2 columns"));
        assert!(message(3, &[0, 2, 1, 2], &[0, 1]).contains("row 1 fall from 2 to 1"));
        assert!(message(3, &[0, 5, 2], &[0, 1]).contains("row 1 fall from 5 to 2"));
        assert!(message(3, &[0, 2], &[1, 1]).contains("row 0 do not ascend"));
        assert!(message(3, &[0, 2], &[1, 3]).contains("row 0 has column Some(3) of 3"));
    }
}
