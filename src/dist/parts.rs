//! Distribution of rows over ranks. Users and items are cut into parts that do not depend on the number of ranks, so
//! that sums over them do not either.

use super::Collective;
use crate::data::Interactions;
use crate::{Error, Result};
use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

/// Maximum number of parts of users, and of items: more than jobs have ranks, and few enough that summing over parts is
/// cheap.
const MOST_PARTS: usize = 64;
/// Minimum number of parts, for few rows.
const LEAST_PARTS: usize = 16;
/// Rows per part, between these limits.
const ROWS: usize = 256;

/// Weight of a row besides its nonzeros, in mean numbers of nonzeros: for its vectors, and the layers that it passes.
const OF_A_ROW: u64 = 2;

/// Number of parts for so many rows, a power of two.
fn n_parts(n_rows: usize) -> usize {
    (n_rows / ROWS).next_power_of_two().clamp(LEAST_PARTS, MOST_PARTS)
}

/// The rows of users or of items, cut into parts. Each rank owns a contiguous run of parts.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// Start of each part, and the end.
    parts: Vec<usize>,
    /// Start of each rank's rows, and the end.
    ranks: Vec<usize>,
}

impl Rows {
    /// Cuts rows into parts of about equal weight, by degree.
    fn balanced(degrees: &[u32], n_parts: usize, size: usize) -> Self {
        let n = degrees.len() as u64;
        let all: u64 = degrees.iter().map(|&degree| u64::from(degree)).sum();
        // Scaled by the number of rows, so that the mean is an integer.
        let weight = |degree: u32| u64::from(degree) * n + OF_A_ROW * all.max(n);
        let total: u128 = degrees.iter().map(|&degree| u128::from(weight(degree))).sum();
        let mut parts = vec![0];
        let mut before = 0u128;
        for (row, &degree) in degrees.iter().enumerate() {
            while parts.len() < n_parts && before * n_parts as u128 >= total * parts.len() as u128 {
                parts.push(row);
            }
            before += u128::from(weight(degree));
        }
        parts.resize(n_parts + 1, degrees.len());
        let ranks = (0..=size).map(|rank| parts[first_part(rank, size, n_parts)]).collect();
        Self { parts, ranks }
    }

    pub(super) fn n(&self) -> usize {
        self.parts[self.parts.len() - 1]
    }

    pub(super) fn part(&self, part: usize) -> Range<usize> {
        self.parts[part]..self.parts[part + 1]
    }

    pub(super) fn of_rank(&self, rank: usize) -> Range<usize> {
        self.ranks[rank]..self.ranks[rank + 1]
    }

    /// The rank that owns a row.
    pub(super) fn owner(&self, row: usize) -> usize {
        self.ranks.partition_point(|&first| first <= row) - 1
    }

    /// Number of rows of each rank.
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.ranks.windows(2).map(|w| w[1] - w[0]).collect()
    }
}

fn first_part(rank: usize, size: usize, n_parts: usize) -> usize {
    rank * n_parts / size
}

/// The ranks, and the rows that each owns.
pub(super) struct Ranks<'a> {
    pub(super) world: &'a dyn Collective,
    pub(super) users: Rows,
    pub(super) items: Rows,
    /// Number of parts of users, and of items.
    n_parts: usize,
    /// Maximum number of bytes for the gathered columns of all rows.
    pub(super) slab_bytes: usize,
    /// Buffer for them, which is reused: fresh pages are slow.
    slab: RefCell<Vec<f32>>,
}

/// Size of a slab of columns, in bytes: less than a rank's own data if these are large.
const SLAB_BYTES: usize = 48 << 20;

impl<'a> Ranks<'a> {
    pub(super) fn new(world: &'a dyn Collective, train: &Interactions) -> Result<Self> {
        let (size, n_parts) = (world.size(), n_parts(train.n_users().max(train.n_items())));
        let side = |degrees: Vec<u32>, what: &str| {
            let rows = Rows::balanced(&degrees, n_parts, size);
            match size > n_parts || rows.lengths().contains(&0) {
                true => Err(Error::Config(format!(
                    "{size} ranks are too many for {} {what}: they are shared out in {n_parts} parts, and each rank must have one \
                     with some in it; start fewer",
                    rows.n()
                ))),
                false => Ok(rows),
            }
        };
        let users = side(train.user_degrees(), "users")?;
        let items = side(train.item_degrees(), "items")?;
        Ok(Self { world, users, items, n_parts, slab_bytes: SLAB_BYTES, slab: RefCell::default() })
    }

    pub(super) fn own_users(&self) -> Range<usize> {
        self.users.of_rank(self.world.rank())
    }

    pub(super) fn own_items(&self) -> Range<usize> {
        self.items.of_rank(self.world.rank())
    }

    /// The parts of this rank.
    pub(super) fn own_parts(&self) -> Range<usize> {
        self.parts_of(self.world.rank())
    }

    fn parts_of(&self, rank: usize) -> Range<usize> {
        let first = |rank: usize| first_part(rank, self.world.size(), self.n_parts);
        first(rank)..first(rank + 1)
    }

    /// Concatenates the rows of all ranks, `d` values each; a single rank borrows its own.
    pub(super) fn gathered<'v>(&self, own: &'v [f32], rows: &[usize], d: usize) -> Result<Cow<'v, [f32]>> {
        match self.world.size() {
            1 => Ok(Cow::Borrowed(own)),
            _ => {
                let lengths: Vec<usize> = rows.iter().map(|n| n * d).collect();
                self.world.all_gather(own, &lengths).map(Cow::Owned)
            }
        }
    }

    /// Applies `take` to [`gathered`](Self::gathered) rows.
    pub(super) fn with_gathered<T>(
        &self,
        own: &[f32],
        rows: &[usize],
        d: usize,
        take: impl FnOnce(&[f32]) -> T,
    ) -> Result<T> {
        if self.world.size() == 1 {
            return Ok(take(own));
        }
        let lengths: Vec<usize> = rows.iter().map(|n| n * d).collect();
        let mut all = self.slab.take();
        all.resize(lengths.iter().sum(), 0.0);
        self.world.all_gather_into(own, &lengths, &mut all)?;
        let taken = take(&all);
        self.slab.replace(all);
        Ok(taken)
    }

    /// Sums vectors of `n` values over all parts for which `has` is true, from the vectors of this rank's parts, in
    /// order.
    ///
    /// Vectors are added along a tree over the parts. The owner of all parts below a node adds them by itself, so that
    /// few values are sent; the sum is the same whoever that is.
    pub(super) fn sum(&self, own: Vec<Vec<f32>>, n: usize, has: impl Fn(usize) -> bool) -> Result<Vec<f32>> {
        let mut own: Vec<Option<Vec<f32>>> = own.into_iter().map(Some).collect();
        let first = self.own_parts().start;
        let mut of_part = |part: usize| if has(part) { own[part - first].take() } else { None };
        let all_parts = 0..self.n_parts;
        let mine = subtrees(&all_parts, self.parts_of(self.world.rank()));
        let sums = mine.into_iter().map(|node| add_up(node, &mut of_part).unwrap_or_else(|| vec![0.0; n]));
        let sums: Vec<f32> = sums.flatten().collect();
        let all: Vec<Vec<Range<usize>>> =
            (0..self.world.size()).map(|rank| subtrees(&all_parts, self.parts_of(rank))).collect();
        let lengths: Vec<usize> = all.iter().map(Vec::len).collect();
        let gathered = self.gathered(&sums, &lengths, n)?;
        let nodes: Vec<Range<usize>> = all.into_iter().flatten().collect();
        let total = complete(all_parts.clone(), &nodes, &mut |at: usize| {
            let node = nodes[at].clone();
            node.into_iter().any(&has).then(|| gathered[at * n..(at + 1) * n].to_vec())
        });
        Ok(total.unwrap_or_else(|| vec![0.0; n]))
    }
}

/// The largest nodes of the tree over all parts that cover nothing but these parts.
fn subtrees(all: &Range<usize>, parts: Range<usize>) -> Vec<Range<usize>> {
    fn within(node: Range<usize>, parts: &Range<usize>, found: &mut Vec<Range<usize>>) {
        if node.start >= parts.end || node.end <= parts.start {
            return;
        }
        if parts.start <= node.start && node.end <= parts.end {
            return found.push(node);
        }
        let [left, right] = children(&node);
        within(left, parts, found);
        within(right, parts, found);
    }
    let mut found = Vec::new();
    within(all.clone(), &parts, &mut found);
    found
}

fn children(node: &Range<usize>) -> [Range<usize>; 2] {
    let middle = node.start.midpoint(node.end);
    [node.start..middle, middle..node.end]
}

fn add_up(node: Range<usize>, of_part: &mut impl FnMut(usize) -> Option<Vec<f32>>) -> Option<Vec<f32>> {
    if node.len() == 1 {
        return of_part(node.start);
    }
    let [left, right] = children(&node);
    let left = add_up(left, of_part);
    both(left, add_up(right, of_part))
}

fn complete(
    node: Range<usize>,
    known: &[Range<usize>],
    value: &mut impl FnMut(usize) -> Option<Vec<f32>>,
) -> Option<Vec<f32>> {
    if let Some(at) = known.iter().position(|other| *other == node) {
        return value(at);
    }
    let [left, right] = children(&node);
    let left = complete(left, known, value);
    both(left, complete(right, known, value))
}

fn both(left: Option<Vec<f32>>, right: Option<Vec<f32>>) -> Option<Vec<f32>> {
    match (left, right) {
        (Some(mut left), Some(right)) => {
            left.iter_mut().zip(&right).for_each(|(left, right)| *left += right);
            Some(left)
        }
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::Threads;

    fn interactions(n_users: u32, n_items: u32) -> Interactions {
        let pairs: Vec<(u32, u32)> =
            (0..n_users).flat_map(|u| (0..1 + u % 5).map(move |k| (u, (u * 7 + k * k * 11) % n_items))).collect();
        Interactions::from_pairs(n_users as usize, n_items as usize, &pairs)
    }

    #[test]
    fn parts_hold_each_row_once_and_ranks_have_about_equal_shares() {
        let degrees: Vec<u32> = (0..10_000).map(|row| 20_000 / (row + 1)).collect();
        for size in [1, 2, 3, 4, 7, 64] {
            let rows = Rows::balanced(&degrees, 64, size);
            assert_eq!((rows.parts[0], rows.n(), rows.ranks[0], rows.ranks[size]), (0, 10_000, 0, 10_000));
            assert!(rows.parts.is_sorted() && rows.ranks.is_sorted());
            assert_eq!(rows.parts, Rows::balanced(&degrees, 64, 1).parts);
            for row in [0, 1, 99, 5000, 9999] {
                assert!(rows.of_rank(rows.owner(row)).contains(&row));
            }
            let mean = degrees.iter().sum::<u32>() as f64 / 1e4;
            let weight = |rank: usize| {
                rows.of_rank(rank).map(|row| f64::from(degrees[row]) + OF_A_ROW as f64 * mean).sum::<f64>()
            };
            let shares: Vec<f64> = (0..size).map(weight).collect();
            let (least, most) =
                (shares.iter().copied().fold(f64::MAX, f64::min), shares.iter().copied().fold(0.0, f64::max));
            assert!(size > 4 || most / least < 1.2, "{size}: {shares:?}");
        }
    }

    #[test]
    fn a_sum_has_the_same_bits_at_any_number_of_ranks() {
        let train = interactions(300, 90); // in sixteen parts
        // Values of very different size, so that the order of the sum matters.
        let value = |part: usize, at: usize| ((part * 31 + at * 17) % 97) as f32 * 10f32.powi((part % 9) as i32 - 4);
        let has = |part: usize| part % 11 != 3;
        let sums = |size: usize| {
            let found = Threads::run(size, |world| {
                let ranks = Ranks::new(world, &train)?;
                let own = ranks.own_parts().map(|part| (0..5).map(|at| value(part, at)).collect()).collect();
                ranks.sum(own, 5, has)
            });
            found
                .into_iter()
                .map(|sum| sum.unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        let alone = sums(1).remove(0);
        let exact: f64 = (0..LEAST_PARTS).filter(|&part| has(part)).map(|part| f64::from(value(part, 2))).sum();
        assert!((f64::from(f32::from_bits(alone[2])) / exact - 1.0).abs() < 1e-5);
        for size in [2, 3, 4, 5] {
            assert!(sums(size).iter().all(|sum| *sum == alone), "{size} ranks");
        }
    }

    #[test]
    fn more_ranks_than_rows_are_refused() {
        let train = interactions(3, 90);
        let refused = Threads::run(4, |world| Ranks::new(world, &train).map(|_| ()).unwrap_err().to_string());
        assert!(refused.iter().all(|message| message.contains("4 ranks are too many for 3 users")), "{refused:?}");
    }
}
