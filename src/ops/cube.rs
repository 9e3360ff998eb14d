//! Helpers shared by the GPU paths.

/// Returns the number of columns of one vector load: the largest of 4, 2 and 1 that divides `d`.
pub(crate) fn vector_size(d: usize) -> usize {
    [4, 2].into_iter().find(|v| d.is_multiple_of(*v)).unwrap_or(1)
}
