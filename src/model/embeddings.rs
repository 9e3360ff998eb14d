//! What every model comes down to: a vector for each user and each item (4).

use burn::tensor::Tensor;

/// User and item vectors whose inner product is the score, `ŷ_ui = z_uᵀ z_i` (4).
///
/// Columns come in named blocks, so that a score splits into the blocks' shares.
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
    /// `[n_users, d]`.
    pub users: Tensor<2>,
    /// `[n_items, d]`.
    pub items: Tensor<2>,
    /// Name and width of each block of columns; the widths add up to `d`.
    pub blocks: Vec<(String, usize)>,
}

impl Embeddings {
    /// Embeddings of one block.
    pub fn new(users: Tensor<2>, items: Tensor<2>, block: &str) -> Self {
        let d = users.dims()[1];
        Self::with_blocks(users, items, vec![(block.to_string(), d)])
    }

    /// Embeddings of several blocks side by side.
    ///
    /// # Panics
    /// When users and items differ in width, or the blocks' widths do not add up to it.
    pub fn with_blocks(users: Tensor<2>, items: Tensor<2>, blocks: Vec<(String, usize)>) -> Self {
        let (d, d_items) = (users.dims()[1], items.dims()[1]);
        let d_blocks: usize = blocks.iter().map(|b| b.1).sum();
        assert!(d == d_items && d == d_blocks, "embeddings: users {d}, items {d_items}, blocks {d_blocks} columns");
        Self { users, items, blocks }
    }

    /// Both matrices in host memory, row-major.
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

/// [`Embeddings`] in host memory: what recommendation, attribution and files read.
#[derive(Debug, Clone, PartialEq)]
pub struct HostEmbeddings {
    /// `[n_users, d]`, row after row.
    pub users: Vec<f32>,
    /// `[n_items, d]`, row after row.
    pub items: Vec<f32>,
    /// Columns.
    pub d: usize,
    /// Name and width of each block of columns.
    pub blocks: Vec<(String, usize)>,
}

impl HostEmbeddings {
    /// The vector of a user.
    pub fn user(&self, user: usize) -> &[f32] {
        &self.users[user * self.d..][..self.d]
    }

    /// The vector of an item.
    pub fn item(&self, item: usize) -> &[f32] {
        &self.items[item * self.d..][..self.d]
    }

    /// The share of each block in the score of `(user, item)`; the score is their sum, exactly, in this order.
    pub fn attribute(&self, user: usize, item: usize) -> Vec<f64> {
        self.shares(self.user(user), item)
    }

    /// [`attribute`](Self::attribute) for any user vector, `[d]`.
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
