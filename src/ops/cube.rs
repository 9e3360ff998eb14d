//! What the GPU paths share.

/// How many columns one load takes: `d` is a multiple of it.
pub(crate) fn vector_size(d: usize) -> usize {
    [4, 2].into_iter().find(|v| d.is_multiple_of(*v)).unwrap_or(1)
}
