//! Policies for splitting interactions into train, valid and test.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Interactions, Part};
use crate::{Error, Result};

/// How to split interactions into train, valid and test.
///
/// On command lines and in files, a word: `label`, `random` (seed 0) or `random:SEED`, `temporal`, `everything`.
///
/// ```
/// use viral::data::SplitPolicy;
///
/// assert_eq!("random:7".parse::<SplitPolicy>()?, SplitPolicy::Random { seed: 7 });
/// assert_eq!(SplitPolicy::Everything.to_string(), "everything");
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum SplitPolicy {
    /// By the label column of the file, such as `x_label`.
    ByLabel,
    /// 8:1:1 at random, by [`random_split`](super::random_split); labels are ignored.
    Random {
        /// Random seed.
        seed: u64,
    },
    /// 8:1:1 by timestamps, by [`temporal_split`](super::temporal_split). Events at the same time are ordered
    /// pseudorandomly, by the external ids of user and item only ([`Ties`](super::Ties)). Labels are ignored.
    Temporal,
    /// Everything in train; valid and test are empty. For the final training before deployment, with a number of epochs
    /// chosen beforehand. Labels are ignored.
    Everything,
}

impl fmt::Display for SplitPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByLabel => f.pad("label"),
            Self::Random { seed: 0 } => f.pad("random"),
            Self::Random { seed } => f.pad(&format!("random:{seed}")),
            Self::Temporal => f.pad("temporal"),
            Self::Everything => f.pad("everything"),
        }
    }
}

impl FromStr for SplitPolicy {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let (name, seed) = word.split_once(':').map_or((word, None), |(name, seed)| (name, Some(seed)));
        match (name, seed) {
            ("label", None) => Ok(Self::ByLabel),
            ("random", None) => Ok(Self::Random { seed: 0 }),
            ("temporal", None) => Ok(Self::Temporal),
            ("everything", None) => Ok(Self::Everything),
            ("random", Some(seed)) => {
                let seed = seed.parse().map_err(|_| {
                    Error::Config(format!("split '{word}': the seed is an integer from 0 on, such as random:7"))
                })?;
                Ok(Self::Random { seed })
            }
            _ => Err(Error::Config(format!(
                "no split '{word}'; there are label, random (or random:SEED), temporal and everything"
            ))),
        }
    }
}

impl TryFrom<String> for SplitPolicy {
    type Error = Error;

    fn try_from(word: String) -> Result<Self> {
        word.parse()
    }
}

impl From<SplitPolicy> for String {
    fn from(policy: SplitPolicy) -> Self {
        policy.to_string()
    }
}

/// Returns the names of empty parts, such as `valid or test`, unless the policy is
/// [`Everything`](SplitPolicy::Everything), which allows them.
pub(super) fn empty_parts(policy: SplitPolicy, parts: &[Part]) -> Option<String> {
    let all = [(Part::Train, "train"), (Part::Valid, "valid"), (Part::Test, "test")];
    let missing: Vec<&str> = all.iter().filter(|(part, _)| !parts.contains(part)).map(|&(_, name)| name).collect();
    (policy != SplitPolicy::Everything && !missing.is_empty()).then(|| missing.join(" or "))
}

/// Builds the train, valid and test interactions from pairs and the part of each.
pub(super) fn by_part(n_users: usize, n_items: usize, pairs: &[(u32, u32)], parts: &[Part]) -> [Interactions; 3] {
    [Part::Train, Part::Valid, Part::Test].map(|part| {
        let of_part = pairs.iter().zip(parts).filter(|&(_, &p)| p == part).map(|(&pair, _)| pair);
        Interactions::from_pairs(n_users, n_items, &of_part.collect::<Vec<_>>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_go_there_and_back_as_words_and_in_json() -> Result<()> {
        let max = SplitPolicy::Random { seed: u64::MAX };
        for policy in [SplitPolicy::ByLabel, SplitPolicy::Random { seed: 0 }, max, SplitPolicy::Temporal] {
            assert_eq!(policy.to_string().parse::<SplitPolicy>()?, policy);
            let json = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<SplitPolicy>(&json).unwrap(), policy);
        }
        for (word, words) in [("random:x", "random:7"), ("temporal:1", "there are label"), ("", "there are label")] {
            let message = word.parse::<SplitPolicy>().unwrap_err().to_string();
            assert!(message.contains(words) && message.contains(&format!("'{word}'")), "{message}");
        }
        Ok(())
    }

    #[test]
    fn only_everything_may_leave_parts_empty() {
        let parts = [Part::Train, Part::Test];
        assert_eq!(empty_parts(SplitPolicy::Temporal, &parts).as_deref(), Some("valid"));
        assert_eq!(empty_parts(SplitPolicy::ByLabel, &[]).as_deref(), Some("train or valid or test"));
        assert_eq!(empty_parts(SplitPolicy::Everything, &parts), None);
    }
}
