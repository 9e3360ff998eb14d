//! What ranks say to each other.

use crate::Result;

/// The processes that train together, as one of them sees them: each has a rank, and all of them call the same methods in the
/// same order.
///
/// There are sums over ranks nowhere in it. A reduction adds in an order of its own, which depends on how many ranks there are;
/// values are gathered here, and whoever needs their sum adds them in an order that is fixed.
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

    /// How many processes there are.
    fn size(&self) -> usize;

    /// The values of all ranks one after the other; `lengths` says how many each has.
    ///
    /// # Errors
    /// When a rank is gone.
    ///
    /// # Panics
    /// When `own` has another length than it should.
    fn all_gather(&self, own: &[f32], lengths: &[usize]) -> Result<Vec<f32>> {
        let mut all = vec![0.0; lengths.iter().sum()];
        self.all_gather_into(own, lengths, &mut all)?;
        Ok(all)
    }

    /// [`all_gather`](Self::all_gather) into room that is there.
    ///
    /// # Errors
    /// When a rank is gone.
    ///
    /// # Panics
    /// When `own` or `all` has another length than it should.
    fn all_gather_into(&self, own: &[f32], lengths: &[usize], all: &mut [f32]) -> Result<()>;

    /// [`all_gather`](Self::all_gather) for rank 0 alone; the others get nothing.
    ///
    /// # Errors
    /// When a rank is gone.
    ///
    /// # Panics
    /// When `own` has another length than it should.
    fn gather(&self, own: &[f32], lengths: &[usize]) -> Result<Option<Vec<f32>>>;

    /// The messages of all ranks, each of any length.
    ///
    /// # Errors
    /// When a rank is gone.
    fn all_gather_bytes(&self, own: &[u8]) -> Result<Vec<Vec<u8>>>;
}

/// One process alone: nothing is sent.
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

/// Panics where a rank's own values are not as many as all were told.
pub(super) fn check_lengths(world: &(impl Collective + ?Sized), own: &[f32], lengths: &[usize]) {
    let (rank, size) = (world.rank(), world.size());
    assert_eq!(lengths.len(), size, "gather: {} lengths for {size} ranks", lengths.len());
    assert_eq!(lengths[rank], own.len(), "gather: rank {rank} has {} values, not {}", own.len(), lengths[rank]);
}
