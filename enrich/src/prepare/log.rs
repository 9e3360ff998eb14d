//! Interactions as compact integers: repeats, k-core, dense ids, split.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use viral::data::{Part, RATIOS, Ties, n_core, random_split, temporal_split};

/// What to do if a user has more than one row about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// Keep the earliest row by time; without times, the first in the file.
    #[default]
    KeepFirst,
    /// Keep the latest row by time; without times, the last in the file.
    KeepLast,
    /// Fail, naming both lines.
    Fail,
}

/// How interactions are split into train, valid and test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Random split of each user's interactions, 8:1:1, by [`random_split`].
    Random {
        /// Seed of the draw.
        seed: u64,
    },
    /// Temporal split of each user's interactions, 8:1:1, by [`temporal_split`]: the latest are test. Interactions at
    /// the same time are ordered pseudo-randomly, depending only on the external ids of user and item ([`Ties`]).
    Temporal,
    /// Leave-one-out: each user's latest interaction is test, the one before it valid. Interactions at the same time
    /// are ordered as for [`Temporal`](Self::Temporal).
    LeaveOneOut,
}

/// The interactions of a file. Users and items are numbered in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Log {
    users: Intern,
    items: Intern,
    /// Original spelling of user ids and of item ids that have blanks around them, by trimmed id.
    padded: [HashMap<Box<str>, Box<str>>; 2],
    pairs: Vec<(u32, u32)>,
    lines: Vec<u32>,
    /// As long as `pairs`, or empty if the file has none.
    ratings: Vec<f64>,
    times: Vec<f64>,
}

/// An interaction to be added to the log.
pub(super) struct Entry<'a> {
    pub(super) user: &'a str,
    pub(super) item: &'a str,
    pub(super) rating: Option<f64>,
    pub(super) time: Option<f64>,
}

/// Interactions with dense ids, sorted by user and then by item.
#[derive(Debug, PartialEq)]
pub(super) struct Dense {
    /// External id of each user; in numeric order if all are plain integers, else in the order of their bytes.
    pub(super) user_ids: Vec<String>,
    /// External id of each item, in the same kind of order.
    pub(super) item_ids: Vec<String>,
    pub(super) pairs: Vec<(u32, u32)>,
    /// As long as `pairs`, or empty.
    pub(super) ratings: Vec<f64>,
    pub(super) times: Vec<f64>,
}

impl Log {
    /// Returns the number of interactions.
    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Adds an interaction. All have ratings or none, all have times or none. Returns `None` if there is no room for
    /// more: from line 2³² on.
    pub(super) fn push(&mut self, entry: Entry<'_>, line: usize) -> Option<()> {
        self.lines.push(u32::try_from(line).ok()?);
        self.pairs.push((self.users.index(entry.user), self.items.index(entry.item)));
        self.ratings.extend(entry.rating);
        self.times.extend(entry.time);
        Some(())
    }

    /// Compares the spelling of an id, including surrounding blanks, with that of its first occurrence; `Err` has the
    /// first spelling if they differ.
    pub(super) fn check_blanks(&mut self, is_user: bool, id: &str, written: &str) -> std::result::Result<(), String> {
        let known = if is_user { &self.users } else { &self.items };
        let padded = &mut self.padded[usize::from(!is_user)];
        let first = match padded.get(id) {
            Some(first) => first.to_string(),
            None if id == written || known.0.contains_key(id) => id.to_string(),
            None => {
                padded.insert(id.into(), written.into());
                return Ok(());
            }
        };
        if first == written { Ok(()) } else { Err(first) }
    }

    /// Keeps one row for each pair; returns the number of rows removed. O(rows log rows).
    pub(super) fn drop_repeats(&mut self, policy: Repeats, path: &Path) -> Result<usize> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        let time = |row: u32| self.times.get(row as usize).copied().unwrap_or(0.0);
        order.sort_unstable_by(|&a, &b| {
            let pairs = self.pairs[a as usize].cmp(&self.pairs[b as usize]);
            pairs.then(time(a).total_cmp(&time(b))).then(a.cmp(&b))
        });
        let mut kept = Vec::new();
        for same in order.chunk_by(|&a, &b| self.pairs[a as usize] == self.pairs[b as usize]) {
            let &[first, .., last] = same else {
                kept.push(same[0] as usize);
                continue;
            };
            kept.push(match policy {
                Repeats::KeepFirst => first as usize,
                Repeats::KeepLast => last as usize,
                Repeats::Fail => {
                    let mut lines: Vec<_> = same.iter().map(|&row| self.lines[row as usize]).collect();
                    lines.sort_unstable();
                    let [earlier, later] = [lines[0], lines[1]];
                    let (user, item) = self.pairs[first as usize];
                    let message = format!(
                        "user {} has item {} in line {earlier} already; remove one of the two, or keep the first or last",
                        self.users.name(user),
                        self.items.name(item)
                    );
                    return Err(Error::line(path, later as usize, message));
                }
            });
        }
        kept.sort_unstable();
        let n_gone = self.len() - kept.len();
        self.retain(&kept);
        Ok(n_gone)
    }

    /// Keeps the k-core; returns the number of rows removed.
    pub(super) fn keep_core(&mut self, k_user: usize, k_item: usize) -> usize {
        let kept = n_core(&self.pairs, k_user, k_item);
        let n_gone = self.len() - kept.len();
        self.retain(&kept);
        n_gone
    }

    /// Keeps the rows at these positions, which must ascend.
    fn retain(&mut self, kept: &[usize]) {
        fn pick<T: Copy>(values: &mut Vec<T>, kept: &[usize]) {
            if !values.is_empty() {
                kept.iter().enumerate().for_each(|(to, &from)| values[to] = values[from]);
                values.truncate(kept.len());
            }
        }
        pick(&mut self.pairs, kept);
        pick(&mut self.lines, kept);
        pick(&mut self.ratings, kept);
        pick(&mut self.times, kept);
    }

    /// Numbers users and items by their external ids and sorts the rows, so that nothing depends on the order of the
    /// file. O(rows log rows).
    pub(super) fn into_dense(self) -> Dense {
        let (user_ids, dense_user) = self.users.dense(self.pairs.iter().map(|pair| pair.0));
        let (item_ids, dense_item) = self.items.dense(self.pairs.iter().map(|pair| pair.1));
        let number = |&(user, item): &(u32, u32)| (dense_user[user as usize], dense_item[item as usize]);
        let pairs: Vec<(u32, u32)> = self.pairs.iter().map(number).collect();
        let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
        order.sort_unstable_by_key(|&row| pairs[row as usize]);
        let sorted = |values: &[f64]| match values.is_empty() {
            true => Vec::new(),
            false => order.iter().map(|&row| values[row as usize]).collect(),
        };
        let (ratings, times) = (sorted(&self.ratings), sorted(&self.times));
        Dense { user_ids, item_ids, pairs: order.iter().map(|&row| pairs[row as usize]).collect(), ratings, times }
    }
}

impl Dense {
    /// Assigns each row to train, valid or test.
    ///
    /// # Errors
    /// If a split by time has no times, or a part is empty.
    pub(super) fn split(&self, split: Split) -> Result<Vec<Part>> {
        if !matches!(split, Split::Random { .. }) && self.times.is_empty() {
            let message = "a split by time needs the column of the timestamp; name it, or split at random";
            return Err(Error::Config(message.to_string()));
        }
        let by_time = |ratios| {
            let ties = Ties::new(0, &self.user_ids, &self.item_ids);
            temporal_split(&self.pairs, &self.times, ratios, &ties)
        };
        let parts = match split {
            Split::Random { seed } => random_split(&self.pairs, RATIOS, seed),
            Split::Temporal => by_time(RATIOS),
            // Shares that round to zero are raised to one interaction each.
            Split::LeaveOneOut => by_time([u32::MAX, 1, 1]),
        };
        for (part, name) in [(Part::Train, "train"), (Part::Valid, "valid"), (Part::Test, "test")] {
            if !parts.contains(&part) {
                let n = parts.len();
                let message = format!(
                    "the {name} part of {n} interactions is empty; give users three interactions or more, \
                     or choose a larger core"
                );
                return Err(Error::Data(message));
            }
        }
        Ok(parts)
    }
}

/// Interned names: numbers in order of first appearance.
#[derive(Debug, Default)]
struct Intern(HashMap<Box<str>, u32>);

impl Intern {
    fn index(&mut self, name: &str) -> u32 {
        match self.0.get(name) {
            Some(&index) => index,
            None => {
                let index = self.0.len() as u32; // below the number of rows
                self.0.insert(name.into(), index);
                index
            }
        }
    }

    /// Returns the name of a number; a linear search, for messages.
    fn name(&self, index: u32) -> &str {
        self.0.iter().find(|found| *found.1 == index).map_or("", |found| found.0)
    }

    /// Returns the names of the numbers in use, sorted, and the rank of each number among them.
    fn dense(self, used: impl Iterator<Item = u32>) -> (Vec<String>, Vec<u32>) {
        let mut is_used = vec![false; self.0.len()];
        used.for_each(|index| is_used[index as usize] = true);
        let mut dense = vec![u32::MAX; self.0.len()];
        let names = self.0.into_iter().filter(|name| is_used[name.1 as usize]);
        let mut names: Vec<(String, u32)> = names.map(|(name, index)| (name.into(), index)).collect();
        let is_number =
            |name: &str| name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
        if names.iter().all(|(name, _)| is_number(name)) {
            // Of two plain integers, the one with more digits is larger.
            names.sort_unstable_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        } else {
            names.sort_unstable();
        }
        names.iter().enumerate().for_each(|(place, name)| dense[name.1 as usize] = place as u32);
        (names.into_iter().map(|(name, _)| name).collect(), dense)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(rows: &[(&str, &str, f64)]) -> Log {
        let mut log = Log::default();
        for (index, &(user, item, time)) in rows.iter().enumerate() {
            log.push(Entry { user, item, rating: None, time: Some(time) }, index + 1).unwrap();
        }
        log
    }

    #[test]
    fn repeats_follow_the_policy() -> Result<()> {
        let rows = [("u", "a", 1.0), ("u", "b", 2.0), ("u", "a", 3.0), ("v", "a", 4.0), ("u", "a", 5.0)];
        let path = Path::new("r.json");
        let mut first = log(&rows);
        assert_eq!((first.drop_repeats(Repeats::KeepFirst, path)?, &first.times), (2, &vec![1.0, 2.0, 4.0]));
        let mut last = log(&rows);
        assert_eq!((last.drop_repeats(Repeats::KeepLast, path)?, &last.times), (2, &vec![2.0, 4.0, 5.0]));
        // By time and not by place: a file with the newest first says the same.
        for (policy, times) in [(Repeats::KeepFirst, [1.0, 2.0, 4.0]), (Repeats::KeepLast, [2.0, 4.0, 5.0])] {
            let mut turned = log(&rows.iter().rev().copied().collect::<Vec<_>>());
            turned.drop_repeats(policy, path)?;
            turned.times.sort_by(f64::total_cmp);
            assert_eq!(turned.times, times);
        }
        let message = log(&rows).drop_repeats(Repeats::Fail, path).unwrap_err().to_string();
        let expected =
            "r.json:3: user u has item a in line 1 already; remove one of the two, or keep the first or last";
        assert_eq!(message, expected);
        Ok(())
    }

    #[test]
    fn dense_ids_follow_the_names_not_the_file() {
        let rows = [("zoe", "10", 3.0), ("ann", "9", 1.0), ("zoe", "9", 2.0)];
        let dense = log(&rows).into_dense();
        assert_eq!(dense.user_ids, ["ann", "zoe"]);
        assert_eq!(dense.item_ids, ["9", "10"]); // numbers by number
        assert_eq!(dense.pairs, [(0, 0), (1, 0), (1, 1)]);
        assert_eq!(dense.times, [1.0, 2.0, 3.0]);
        let reversed: Vec<_> = rows.iter().rev().copied().collect();
        assert_eq!(log(&reversed).into_dense(), dense);
        assert_eq!(
            log(&[("u", "10", 0.0), ("u", "9", 0.0), ("u", "09", 0.0)]).into_dense().item_ids,
            ["09", "10", "9"]
        );
    }

    #[test]
    fn the_core_leaves_no_gaps() {
        let mut log = log(&[("a", "x", 0.0), ("b", "y", 0.0), ("b", "z", 0.0), ("c", "y", 0.0), ("c", "z", 0.0)]);
        assert_eq!(log.keep_core(2, 2), 1);
        let dense = log.into_dense();
        assert_eq!(
            (dense.user_ids.as_slice(), dense.item_ids.as_slice()),
            (&["b".to_string(), "c".to_string()][..], &["y".to_string(), "z".to_string()][..])
        );
        assert_eq!(dense.pairs, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }

    #[test]
    fn one_is_left_out_by_time() -> Result<()> {
        let rows: Vec<(&str, &str, f64)> =
            (0..20).map(|i| ("u", ["a", "b", "c", "d"][i % 4], i as f64)).take(4).chain([("v", "a", 0.0)]).collect();
        let parts = log(&rows).into_dense().split(Split::LeaveOneOut)?;
        assert_eq!(parts, [Part::Train, Part::Train, Part::Valid, Part::Test, Part::Train]);
        let mut timeless = log(&rows).into_dense();
        timeless.times.clear();
        assert!(timeless.split(Split::Temporal).unwrap_err().to_string().starts_with("a split by time needs"));
        assert!(timeless.split(Split::Random { seed: 1 }).is_ok());
        let few = log(&rows[4..]).into_dense().split(Split::Temporal).unwrap_err().to_string();
        assert!(few.starts_with("the valid part of 1 interactions is empty"), "{few}");
        Ok(())
    }
}
