//! Ranks as processes of an MPI job, with Open MPI or MPICH.

use super::collective::{Collective, check_lengths};
use crate::{Error, Result};
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Root, Source};
use std::fmt;
use std::time::Duration;

/// How long other ranks wait for rank 0 to report an error first.
const FIRST_SAY: Duration = Duration::from_secs(1);
/// Values per message: MPI counts them in 31 bits.
const MOST: usize = 1 << 28;

/// This process as a rank of the MPI job that it was started in.
///
/// A process can start MPI only once. A killed rank ends the job: `mpirun` says which one it was and stops the others.
pub struct Mpi {
    _universe: Universe,
    world: SimpleCommunicator,
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mpi {{ rank: {}, size: {} }}", self.rank(), self.size())
    }
}

impl Mpi {
    /// Joins the job. Without `mpirun`, this is a job of one rank.
    ///
    /// # Errors
    /// If MPI was started in this process before, or does not support other threads in the process.
    pub fn start() -> Result<Self> {
        let wanted = mpi::Threading::Funneled;
        let started = mpi::initialize_with_threading(wanted);
        let (universe, given) =
            started.ok_or_else(|| Error::Config("MPI has been started already; start it once in a process".into()))?;
        if given < wanted {
            return Err(Error::Config(format!(
                "MPI offers {given:?} threads, and {wanted:?} are needed; use another MPI"
            )));
        }
        let world = universe.world();
        Ok(Self { _universe: universe, world })
    }

    /// Joins the job and runs `work` on this rank. If that fails, calls `tell` with the error and ends the job on all
    /// ranks with exit status 1: others may be waiting for this one.
    ///
    /// ```no_run
    /// use viral::dist::{Job, Mpi};
    /// use viral::prelude::*;
    ///
    /// # fn main() -> viral::Result<()> {
    /// let data = Dataset::read("data/baby")?;
    /// let work = |world: &Mpi| Job::new(world, &Recipe::lightgcn(), &data).folder("out/baby").run().map(|_| ());
    /// Mpi::run(work, |error| eprintln!("{error}"))
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn run<T>(work: impl FnOnce(&Self) -> Result<T>, tell: impl FnOnce(&Error)) -> Result<T> {
        let world = Self::start()?;
        match work(&world) {
            Ok(made) => Ok(made),
            Err(error) => {
                // An error that all ranks have is reported once: by rank 0, which then ends the others.
                if world.rank() > 0 {
                    std::thread::sleep(FIRST_SAY);
                }
                tell(&error);
                world.abort()
            }
        }
    }

    fn abort(&self) -> ! {
        self.world.abort(1)
    }
}

/// Aborts the job if a rank panics: it would wait for the others at the end of MPI, and they for it.
impl Drop for Mpi {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abort();
        }
    }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn all_gather_into(&self, own: &[f32], lengths: &[usize], all: &mut [f32]) -> Result<()> {
        check_lengths(self, own, lengths);
        let total: usize = lengths.iter().sum();
        assert_eq!(all.len(), total, "gather: room for another number of values");
        if total <= MOST {
            let (counts, starts) = counted(lengths);
            self.world.all_gather_varcount_into(own, &mut PartitionMut::new(all, counts, starts));
            return Ok(());
        }
        let mut rest = all;
        for (rank, &length) in lengths.iter().enumerate() {
            let (of_rank, after) = rest.split_at_mut(length);
            if rank == self.rank() {
                of_rank.copy_from_slice(own);
            }
            let root = self.world.process_at_rank(rank as i32);
            of_rank.chunks_mut(MOST).for_each(|message| root.broadcast_into(message));
            rest = after;
        }
        Ok(())
    }

    fn gather(&self, own: &[f32], lengths: &[usize]) -> Result<Option<Vec<f32>>> {
        check_lengths(self, own, lengths);
        if self.rank() > 0 {
            let root = self.world.process_at_rank(0);
            own.chunks(MOST).for_each(|message| root.send(message));
            return Ok(None);
        }
        let mut all = vec![0f32; lengths.iter().sum()];
        let (mine, mut rest) = all.split_at_mut(own.len());
        mine.copy_from_slice(own);
        for (rank, &length) in lengths.iter().enumerate().skip(1) {
            let (of_rank, after) = rest.split_at_mut(length);
            let process = self.world.process_at_rank(rank as i32);
            for message in of_rank.chunks_mut(MOST) {
                process.receive_into(message);
            }
            rest = after;
        }
        Ok(Some(all))
    }

    fn all_gather_bytes(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut lengths = vec![0u64; self.size()];
        self.world.all_gather_into(&(own.len() as u64), &mut lengths[..]);
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        let total: usize = lengths.iter().sum();
        if total > MOST {
            let mut all: Vec<Vec<u8>> = lengths.into_iter().map(|length| vec![0; length]).collect();
            all[self.rank()].copy_from_slice(own);
            for (rank, message) in all.iter_mut().enumerate() {
                let root = self.world.process_at_rank(rank as i32);
                message.chunks_mut(MOST).for_each(|part| root.broadcast_into(part));
            }
            return Ok(all);
        }
        let mut all = vec![0u8; total];
        let (counts, starts) = counted(&lengths);
        self.world.all_gather_varcount_into(own, &mut PartitionMut::new(&mut all[..], counts, starts));
        let mut rest = &all[..];
        let mut next = |length: usize| {
            let (message, after) = rest.split_at(length);
            rest = after;
            message.to_vec()
        };
        Ok(lengths.into_iter().map(&mut next).collect())
    }
}

/// Counts and offsets in the type that MPI takes.
fn counted(lengths: &[usize]) -> (Vec<i32>, Vec<i32>) {
    let counts: Vec<i32> = lengths.iter().map(|&length| length as i32).collect();
    let starts = counts.iter().scan(0, |end, &length| {
        *end += length;
        Some(*end - length)
    });
    (counts.clone(), starts.collect())
}
