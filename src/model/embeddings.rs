//! User and item embeddings, the output of every model (4).

use crate::{Error, Result};
use burn::tensor::Tensor;

/// User and item vectors. A score is their inner product, `ŷ_ui = z_uᵀ z_i` (4).
///
/// Columns are grouped into named blocks, so that a score splits into one share for each block.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::model::Embeddings;
///
/// let device = Device::flex();
/// let users = Tensor::from_floats([[1.0, 2.0, 3.0]], &device);
/// let items = Tensor::from_floats([[1.0, 1.0, 1.0], [0.0, 0.0, 2.0]], &device);
/// let blocks = vec![("text".to_string(), 2), ("visual".to_string(), 1)];
/// let z = Embeddings::with_blocks(users, items, blocks).to_host();
/// // The score of item 1 is 6, all of it from the visual block.
/// assert_eq!((z.attribute(0, 0), z.attribute(0, 1)), (vec![3.0, 3.0], vec![0.0, 6.0]));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Embeddings {
    users: Tensor<2>,
    items: Tensor<2>,
    blocks: Vec<(String, usize)>,
}

impl Embeddings {
    /// Creates embeddings of one block of columns.
    pub fn new(users: Tensor<2>, items: Tensor<2>, block: &str) -> Self {
        let d = users.dims()[1];
        Self::with_blocks(users, items, vec![(block.to_string(), d)])
    }

    /// Creates embeddings of several blocks of columns.
    ///
    /// # Panics
    /// When users and items differ in width, or the blocks' widths do not add up to it.
    pub fn with_blocks(users: Tensor<2>, items: Tensor<2>, blocks: Vec<(String, usize)>) -> Self {
        let (d, d_items) = (users.dims()[1], items.dims()[1]);
        let d_blocks: usize = blocks.iter().map(|b| b.1).sum();
        assert!(d == d_items && d == d_blocks, "embeddings: users {d}, items {d_items}, blocks {d_blocks} columns");
        Self { users, items, blocks }
    }

    /// Returns the users' vectors, `[n_users, d]`.
    pub fn users(&self) -> &Tensor<2> {
        &self.users
    }

    /// Returns the items' vectors, `[n_items, d]`.
    pub fn items(&self) -> &Tensor<2> {
        &self.items
    }

    /// Returns the name and width of each block of columns; the widths add up to `d`.
    pub fn blocks(&self) -> &[(String, usize)] {
        &self.blocks
    }

    /// Splits into the users' and the items' vectors, without a copy.
    pub fn into_users_and_items(self) -> (Tensor<2>, Tensor<2>) {
        (self.users, self.items)
    }

    /// Copies both matrices to host memory, row-major.
    pub fn to_host(&self) -> HostEmbeddings {
        let host = |t: &Tensor<2>| t.to_data().iter::<f32>().collect::<Vec<f32>>();
        HostEmbeddings {
            users: host(&self.users),
            items: host(&self.items),
            d: self.users.dims()[1],
            blocks: self.blocks.clone(),
        }
    }
}

/// [`Embeddings`] in host memory, for recommendation, attribution and files.
///
/// ```
/// use viral::data::Interactions;
/// use viral::model::HostEmbeddings;
///
/// // Vectors from another program: one user, two items, a block of two columns and one of one.
/// let blocks = vec![("text".to_string(), 2), ("visual".to_string(), 1)];
/// let z = HostEmbeddings::new(vec![1.0, 2.0, 3.0], vec![1.0, 1.0, 1.0, 0.0, 0.0, 2.0], blocks)?;
/// assert_eq!((z.n_users(), z.n_items(), z.d()), (1, 2, 3));
/// assert_eq!(z.attribute(0, 1), [0.0, 6.0]);
/// let best = z.rank(&Interactions::from_pairs(1, 2, &[(0, 0)]), &[0], 10)?;
/// assert_eq!(best.items(0), [1]);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HostEmbeddings {
    users: Vec<f32>,
    items: Vec<f32>,
    d: usize,
    blocks: Vec<(String, usize)>,
}

impl HostEmbeddings {
    /// Appends rows to the users' vectors.
    pub(crate) fn push_users(&mut self, rows: &[f32]) {
        debug_assert!(rows.len().is_multiple_of(self.d));
        self.users.extend_from_slice(rows);
    }

    /// Appends rows to the items' vectors.
    pub(crate) fn push_items(&mut self, rows: &[f32]) {
        debug_assert!(rows.len().is_multiple_of(self.d));
        self.items.extend_from_slice(rows);
    }

    /// Replaces the row of an item.
    pub(crate) fn set_item(&mut self, item: usize, row: &[f32]) {
        self.items[item * self.d..(item + 1) * self.d].copy_from_slice(row);
    }

    /// Removes the row of an item; later rows move up.
    pub(crate) fn remove_item(&mut self, item: usize) {
        self.items.drain(item * self.d..(item + 1) * self.d);
    }

    /// Creates embeddings from row-major vectors of users, `[n_users, d]`, and items, `[n_items, d]`, with the name and
    /// width of each block of columns; `d` is the sum of the widths.
    ///
    /// # Errors
    /// When `d` is 0, or the length of either list is no multiple of it.
    pub fn new(users: Vec<f32>, items: Vec<f32>, blocks: Vec<(String, usize)>) -> Result<Self> {
        let d = blocks.iter().try_fold(0usize, |sum, block| sum.checked_add(block.1));
        let Some(d) = d.filter(|&d| d > 0) else {
            return Err(Error::Data("embeddings: the blocks have no columns; give each block its width".into()));
        };
        for (side, n) in [("users", users.len()), ("items", items.len())] {
            if !n.is_multiple_of(d) {
                return Err(Error::Data(format!("embeddings: {n} numbers for {side} are no rows of {d} columns")));
            }
        }
        Ok(Self { users, items, d, blocks })
    }

    /// Returns the users' vectors, `[n_users, d]`, row-major.
    pub fn users(&self) -> &[f32] {
        &self.users
    }

    /// Returns the items' vectors, `[n_items, d]`, row-major.
    pub fn items(&self) -> &[f32] {
        &self.items
    }

    /// Returns the number of columns.
    pub fn d(&self) -> usize {
        self.d
    }

    /// Returns the number of users; 0 if there are no columns.
    pub fn n_users(&self) -> usize {
        self.users.len().checked_div(self.d).unwrap_or(0)
    }

    /// Returns the number of items; 0 if there are no columns.
    pub fn n_items(&self) -> usize {
        self.items.len().checked_div(self.d).unwrap_or(0)
    }

    /// Returns the name and width of each block of columns; the widths add up to [`d`](Self::d).
    pub fn blocks(&self) -> &[(String, usize)] {
        &self.blocks
    }

    /// Returns the vector of a user.
    pub fn user(&self, user: usize) -> &[f32] {
        &self.users[user * self.d..][..self.d]
    }

    /// Returns the vector of an item.
    pub fn item(&self, item: usize) -> &[f32] {
        &self.items[item * self.d..][..self.d]
    }

    /// Returns the share of each block in the score of `(user, item)`. The score is exactly their sum, in this order.
    pub fn attribute(&self, user: usize, item: usize) -> Vec<f64> {
        self.shares(self.user(user), item)
    }

    /// Like [`attribute`](Self::attribute), for any user vector, `[d]`.
    pub(crate) fn shares(&self, user: &[f32], item: usize) -> Vec<f64> {
        let (mut u, mut i) = (user, self.item(item));
        let share = |&(_, width): &(String, usize)| {
            let ((u_block, u_rest), (i_block, i_rest)) = (u.split_at(width), i.split_at(width));
            (u, i) = (u_rest, i_rest);
            u_block.iter().zip(i_block).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        self.blocks.iter().map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_are_no_rows_are_refused() {
        let new = |users: usize, items: usize, widths: &[usize]| {
            let blocks = widths.iter().map(|&width| (format!("of {width}"), width)).collect();
            HostEmbeddings::new(vec![0.5; users], vec![0.5; items], blocks)
        };
        let z = new(6, 0, &[1, 2]).unwrap();
        assert_eq!((z.n_users(), z.n_items(), z.d(), z.user(1).len()), (2, 0, 3, 3));
        for (found, words) in [
            (new(6, 6, &[]), "no columns"),
            (new(6, 6, &[0]), "no columns"),
            (new(6, 6, &[usize::MAX, 2]), "no columns"),
            (new(7, 6, &[3]), "7 numbers for users"),
            (new(6, 4, &[3]), "4 numbers for items"),
        ] {
            let message = found.unwrap_err().to_string();
            assert!(message.contains(words), "'{words}' is missing in: {message}");
        }
    }
}
