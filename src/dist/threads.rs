//! Ranks as threads of one process.

use super::collective::{Collective, check_lengths};
use crate::{Error, Result};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A rank as a thread: to try out, and to test, what will run on many machines.
///
/// ```
/// use viral::dist::{Collective, Threads};
///
/// let found = Threads::run(3, |rank| rank.all_gather(&[rank.rank() as f32], &[1, 1, 1]));
/// for gathered in found {
///     assert_eq!(gathered?, [0.0, 1.0, 2.0]);
/// }
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
}

type Messages = Arc<Vec<Vec<u8>>>;

#[derive(Debug)]
struct Board {
    round: usize,
    messages: Vec<Option<Vec<u8>>>,
    last: Messages,
    /// The first rank that has ended: whoever waits for it would wait for ever.
    left: Option<usize>,
}

impl Threads {
    /// Runs `work` on `size` threads, and returns the results by rank.
    ///
    /// If a rank ends or panics while others wait for it, they get an error.
    ///
    /// # Panics
    /// If `size` is 0, or `work` panics.
    pub fn run<T: Send>(size: usize, work: impl Fn(&Self) -> T + Sync) -> Vec<T> {
        assert!(size > 0, "threads: no rank");
        let messages = (0..size).map(|_| None).collect();
        let board = Board { round: 0, messages, last: Arc::default(), left: None };
        let shared = Arc::new(Shared { board: Mutex::new(board), changed: Condvar::new() });
        std::thread::scope(|scope| {
            let start = |rank| {
                let (rank, work) = (Self { rank, shared: shared.clone() }, &work);
                scope.spawn(move || work(&rank))
            };
            let threads: Vec<_> = (0..size).map(start).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended.map(|made| made.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.shared.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exchange(&self, own: Vec<u8>) -> Result<Messages> {
        let mut board = self.board();
        let round = board.round;
        board.messages[self.rank] = Some(own);
        if board.messages.iter().all(Option::is_some) {
            let all = board.messages.iter_mut().filter_map(Option::take).collect();
            (board.last, board.round) = (Arc::new(all), round + 1);
            self.shared.changed.notify_all();
        }
        while board.round == round {
            if let Some(rank) = board.left {
                return Err(Error::Data(format!("rank {rank} of {} is gone", board.messages.len())));
            }
            board = self.shared.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(board.last.clone())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let rank = self.rank;
        self.board().left.get_or_insert(rank);
        self.shared.changed.notify_all();
    }
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.board().messages.len()
    }

    fn all_gather_into(&self, own: &[f32], lengths: &[usize], to: &mut [f32]) -> Result<()> {
        check_lengths(self, own, lengths);
        assert_eq!(to.len(), lengths.iter().sum::<usize>(), "gather: room for another number of values");
        let all = self.exchange(own.iter().flat_map(|x| x.to_le_bytes()).collect())?;
        // A rank that sends another length is at another point of the work.
        if let Some(rank) = all.iter().zip(lengths).position(|(bytes, n)| bytes.len() != n * size_of::<f32>()) {
            let (found, n) = (all[rank].len(), lengths[rank]);
            return Err(Error::Data(format!("rank {rank} sent {found} bytes where {n} numbers were to come")));
        }
        let values = all.iter().flat_map(|bytes| bytes.as_chunks::<4>().0).map(|x| f32::from_le_bytes(*x));
        to.iter_mut().zip(values).for_each(|(to, x)| *to = x);
        Ok(())
    }

    fn gather(&self, own: &[f32], lengths: &[usize]) -> Result<Option<Vec<f32>>> {
        let all = self.all_gather(own, lengths)?;
        Ok((self.rank == 0).then_some(all))
    }

    fn all_gather_bytes(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(self.exchange(own.to_vec())?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rounds_of_messages_of_any_length() {
        let found = Threads::run(4, |rank| {
            (0..200u8).try_for_each(|round| {
                let of = |rank: usize| vec![round.wrapping_mul(rank as u8); rank + 1];
                assert_eq!(rank.all_gather_bytes(&of(rank.rank()))?, (0..4).map(of).collect::<Vec<_>>());
                Ok::<(), Error>(())
            })
        });
        assert!(found.into_iter().all(|done| done.is_ok()));
    }

    #[test]
    fn who_waits_for_a_rank_that_is_gone_gets_an_error() {
        let found = Threads::run(3, |rank| match rank.rank() {
            1 => Ok(Vec::new()),
            _ => rank.all_gather_bytes(b"anybody?"),
        });
        assert!(found[1].is_ok());
        for waiting in [&found[0], &found[2]] {
            assert!(waiting.as_ref().unwrap_err().to_string().ends_with("of 3 is gone"));
        }
    }
}
