//! Keys of training steps, from which all random numbers of a step derive.

use super::counter::{splitmix64, stream};

/// Domain separator of step streams in the key.
const STEP: u64 = 5;

/// Identifies a training step by seed, epoch and step.
///
/// Each random number of a step is a function of this key, the name of its stream and its position there. So the
/// numbers do not depend on the number of threads, on earlier draws, or on whether the run was interrupted and resumed.
///
/// ```
/// use viral::data::StepKey;
///
/// let key = StepKey { seed: 7, epoch: 2, step: 40 };
/// assert_eq!(key.stream("views"), key.stream("views"));
/// assert_ne!(key.stream("views"), key.stream("dropout"));
/// assert_ne!(key.stream("views"), StepKey { step: 41, ..key }.stream("views"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StepKey {
    /// Seed of the run.
    pub seed: u64,
    /// Epoch, from 0.
    pub epoch: usize,
    /// Step within the epoch, from 0.
    pub step: usize,
}

impl StepKey {
    /// Returns the random stream with a name; distinct names give independent streams.
    pub fn stream(&self, name: &str) -> StreamKey {
        let key = stream(&[self.seed, STEP, self.epoch as u64, self.step as u64]);
        StreamKey(key).stream(name)
    }
}

/// Key of a random stream: each number is a function of the key and its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey(pub(crate) u64);

impl StreamKey {
    /// Creates the stream of a seed, for draws outside of training.
    pub fn new(seed: u64) -> Self {
        Self(stream(&[seed, STEP]))
    }

    /// Derives a sub-stream, for example that of one layer.
    pub fn stream(&self, name: &str) -> Self {
        let words = name.as_bytes().chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        // The length distinguishes "a" from "a\0".
        let start = splitmix64(self.0 ^ splitmix64(name.len() as u64));
        Self(words.fold(start, |key, word| splitmix64(key ^ word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_their_key() {
        let key = StepKey { seed: 1, epoch: 2, step: 3 };
        let others = [
            StepKey { seed: 2, ..key }.stream("a"),
            StepKey { epoch: 3, ..key }.stream("a"),
            StepKey { step: 2, ..key }.stream("a"),
            StepKey { seed: 1, epoch: 3, step: 2 }.stream("a"),
            key.stream("b"),
            key.stream("a\0"),
            key.stream(""),
            key.stream("a").stream(""),
            key.stream("a").stream("a"),
            key.stream("eight by eight"),
            StreamKey::new(1).stream("a"),
        ];
        let mut all: Vec<u64> = others.iter().map(|stream| stream.0).chain([key.stream("a").0]).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), others.len() + 1);
    }
}
