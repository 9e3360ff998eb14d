//! Groups of users by activity, and the mean of a metric in each.

use super::metrics::{Metric, Metrics};
use crate::data::Interactions;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Groups of users by number of train interactions. Each group reaches from its lower bound to below the next.
///
/// ```
/// use viral::data::Interactions;
/// use viral::eval::ActivityGroups;
///
/// let train = Interactions::from_pairs(3, 9, &[(0, 1), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (2, 5)]);
/// let groups = ActivityGroups::new(&train, &[2, 4])?;
/// assert_eq!(groups.of_users(), [0, 1, 2]);
/// assert_eq!(groups.name(1), "2 to 3");
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityGroups {
    bounds: Vec<u32>,
    of_users: Vec<u32>,
}

impl ActivityGroups {
    /// Builds groups from the lower bounds of all groups but the first, which starts at 0.
    ///
    /// # Errors
    /// When the bounds are not strictly increasing, or one is 0.
    pub fn new(train: &Interactions, bounds: &[u32]) -> Result<Self> {
        let rises = bounds.first().is_none_or(|first| *first > 0) && bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !rises {
            return Err(Error::Config(format!("the bounds of groups of users must rise from above 0: {bounds:?}")));
        }
        let group = |degree: u32| bounds.partition_point(|bound| *bound <= degree) as u32;
        let of_users = train.user_degrees().into_iter().map(group).collect();
        Ok(Self { bounds: bounds.to_vec(), of_users })
    }

    /// Builds activity quartiles: four groups of about equal size. Equally active users share a group, so there are
    /// fewer groups if many users are equally active.
    pub fn quartiles(train: &Interactions) -> Self {
        let mut degrees = train.user_degrees();
        degrees.sort_unstable();
        let bounds: Vec<u32> = (1..4).filter_map(|j| degrees.get(j * degrees.len() / 4).copied()).collect();
        let mut rising: Vec<u32> =
            bounds.into_iter().filter(|bound| degrees.first().is_some_and(|first| first < bound)).collect();
        rising.dedup();
        let group = |degree: u32| rising.partition_point(|bound| *bound <= degree) as u32;
        Self { of_users: train.user_degrees().into_iter().map(group).collect(), bounds: rising }
    }

    /// Number of groups, including empty ones.
    pub fn n_groups(&self) -> usize {
        self.bounds.len() + 1
    }

    /// The group of each user.
    pub fn of_users(&self) -> &[u32] {
        &self.of_users
    }

    /// Returns the range of a group: `below 6`, `6 to 19`, `20 or more`; `all` if there is only one group.
    ///
    /// # Panics
    /// When there is no such group.
    pub fn name(&self, group: usize) -> String {
        assert!(group < self.n_groups(), "group {group} of {}", self.n_groups());
        let (from, to) = (group.checked_sub(1).map(|g| self.bounds[g]), self.bounds.get(group));
        match (from, to) {
            (None, None) => "all".into(),
            (None, Some(to)) => format!("below {to}"),
            (Some(from), Some(to)) if from + 1 == *to => from.to_string(),
            (Some(from), Some(to)) => format!("{from} to {}", to - 1),
            (Some(from), None) => format!("{from} or more"),
        }
    }
}

/// A metric's mean in each group of users, and the mean absolute difference between groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupMeans {
    /// Mean over the evaluated users of each group; `None` if there are none.
    pub means: Vec<Option<f64>>,
    /// Number of evaluated users in each group.
    pub n_users: Vec<usize>,
    /// The mean absolute difference over all pairs of groups that have a mean; 0 for a single one.
    pub mad: f64,
}

impl GroupMeans {
    /// Computes a metric's mean at a cutoff in each group. `groups` holds the group of every user of the data, such as
    /// [`ActivityGroups::of_users`].
    ///
    /// ```text
    /// MAD = 2 / (g (g − 1)) Σ_{a < b} |mean_a − mean_b|
    /// ```
    ///
    /// Elliot reports it for nDCG as `UserMADranking` (Deldjoo et al., 2021).
    ///
    /// ```
    /// use viral::data::Interactions;
    /// use viral::eval::{GroupMeans, Metric, evaluate};
    ///
    /// let (none, test) = (Interactions::from_pairs(2, 2, &[]), Interactions::from_pairs(2, 2, &[(0, 0), (1, 1)]));
    /// let metrics = evaluate(&[1.0, 1.0], &[0.2, 0.1], 1, &none, &test, &[1])?;
    /// let found = GroupMeans::of(&metrics, Metric::Recall, 1, &[0, 1]);
    /// assert_eq!((found.means, found.mad), (vec![Some(1.0), Some(0.0)], 1.0));
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Panics
    /// When `k` is not a cutoff of the metrics, or a user has no group.
    pub fn of(metrics: &Metrics, metric: Metric, k: usize, groups: &[u32]) -> Self {
        let n_groups = groups.iter().map(|&group| group as usize + 1).max().unwrap_or(0);
        let (mut sums, mut n_users) = (vec![0f64; n_groups], vec![0usize; n_groups]);
        for (&user, value) in metrics.users().iter().zip(metrics.per_user(metric, k)) {
            let group = groups[user as usize] as usize;
            sums[group] += value;
            n_users[group] += 1;
        }
        let means: Vec<Option<f64>> =
            sums.iter().zip(&n_users).map(|(sum, &n)| (n > 0).then(|| sum / n as f64)).collect();
        let known: Vec<f64> = means.iter().flatten().copied().collect();
        let pairs = (0..known.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let differences: Vec<f64> = pairs.map(|(a, b)| (known[a] - known[b]).abs()).collect();
        let mad = differences.iter().fold(0.0, |sum, x| sum + x) / differences.len().max(1) as f64;
        Self { means, n_users, mad }
    }

    /// Returns the last group's mean divided by the first's: how many times better the most active users are served
    /// than the least active. `None` if either group has no mean or the first's is 0.
    pub fn ratio(&self) -> Option<f64> {
        let (first, last) = (self.means.first().copied()??, self.means.last().copied()??);
        (first > 0.0).then(|| last / first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(degrees: &[u32]) -> Interactions {
        let pairs: Vec<(u32, u32)> =
            degrees.iter().zip(0..).flat_map(|(&n, user)| (0..n).map(move |i| (user, i))).collect();
        Interactions::from_pairs(degrees.len(), 40, &pairs)
    }

    #[test]
    fn equally_active_users_share_a_quartile() {
        let quartiles = |degrees: &[u32]| {
            let groups = ActivityGroups::quartiles(&train(degrees));
            (groups.of_users().to_vec(), (0..groups.n_groups()).map(|g| groups.name(g)).collect::<Vec<_>>())
        };
        let (groups, names) = quartiles(&[1, 2, 3, 4, 5, 6, 7, 30]);
        assert_eq!(groups, [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(names, ["below 3", "3 to 4", "5 to 6", "7 or more"]);
        assert_eq!(quartiles(&[4; 5]), (vec![0; 5], vec!["all".to_string()]));
        assert_eq!(quartiles(&[3, 3, 3, 3, 3, 9]).0, [0; 6].map(|_| 0));
        assert!(quartiles(&[]).0.is_empty());
    }

    #[test]
    fn bounds_must_rise() {
        for bounds in [&[0, 3][..], &[3, 3], &[5, 2]] {
            assert!(ActivityGroups::new(&train(&[1]), bounds).unwrap_err().to_string().contains("must rise"));
        }
        assert_eq!(ActivityGroups::new(&train(&[6]), &[6, 7]).unwrap().name(1), "6");
    }
}
