//! Communication between ranks.

use crate::Result;

/// Communication between the processes that train together, as one of them sees it: each has a rank, and all of them
/// call the same methods in the same order.
///
/// There is deliberately no reduction: it would add in an order that depends on the number of ranks. Values are
/// gathered instead, and the caller adds them in a fixed order.
///
/// ```
/// use viral::dist::{Collective, Solo};
///
/// assert_eq!((Solo.rank(), Solo.size()), (0, 1));
/// assert_eq!(Solo.all_gather(&[1.0, 2.0], &[2])?, [1.0, 2.0]);
/// # Ok::<(), viral::Error>(())
/// ```
pub trait Collective {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn size(&self) -> usize;

    /// Concatenates the values of all ranks; `lengths` says how many each has.
    ///
    /// # Errors
    /// If a rank is gone.
    ///
    /// # Panics
    /// If `own` does not have the length that `lengths` states.
    fn all_gather(&self, own: &[f32], lengths: &[usize]) -> Result<Vec<f32>> {
        let mut all = vec![0.0; lengths.iter().sum()];
        self.all_gather_into(own, lengths, &mut all)?;
        Ok(all)
    }

    /// [`all_gather`](Self::all_gather) into an existing buffer.
    ///
    /// # Errors
    /// If a rank is gone.
    ///
    /// # Panics
    /// If `own` or `all` does not have the length that `lengths` states.
    fn all_gather_into(&self, own: &[f32], lengths: &[usize], all: &mut [f32]) -> Result<()>;

    /// [`all_gather`](Self::all_gather) for rank 0 alone; the others get `None`.
    ///
    /// # Errors
    /// If a rank is gone.
    ///
    /// # Panics
    /// If `own` does not have the length that `lengths` states.
    fn gather(&self, own: &[f32], lengths: &[usize]) -> Result<Option<Vec<f32>>>;

    /// Gathers the messages of all ranks, each of any length.
    ///
    /// # Errors
    /// If a rank is gone.
    fn all_gather_bytes(&self, own: &[u8]) -> Result<Vec<Vec<u8>>>;
}

/// A single process: nothing is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Solo;

impl Collective for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_gather_into(&self, own: &[f32], lengths: &[usize], all: &mut [f32]) -> Result<()> {
        check_lengths(self, own, lengths);
        all.copy_from_slice(own);
        Ok(())
    }

    fn gather(&self, own: &[f32], lengths: &[usize]) -> Result<Option<Vec<f32>>> {
        self.all_gather(own, lengths).map(Some)
    }

    fn all_gather_bytes(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(vec![own.to_vec()])
    }
}

/// Panics if a rank does not have as many values as `lengths` states.
pub(super) fn check_lengths(world: &(impl Collective + ?Sized), own: &[f32], lengths: &[usize]) {
    let (rank, size) = (world.rank(), world.size());
    assert_eq!(lengths.len(), size, "gather: {} lengths for {size} ranks", lengths.len());
    assert_eq!(lengths[rank], own.len(), "gather: rank {rank} has {} values, not {}", own.len(), lengths[rank]);
}
