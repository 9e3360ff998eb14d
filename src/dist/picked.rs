//! Positions of a graph's nodes on ranks, and the rows that a batch needs.

use super::parts::{Ranks, Rows};
use crate::Result;
use std::collections::HashMap;
use std::ops::Range;

/// The order of a graph's rows over ranks: users, items, or on each rank its users and then its items.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The kinds of nodes, in the order of the graph.
    sides: Vec<Rows>,
    /// Number of nodes of each rank.
    pub(super) lengths: Vec<usize>,
}

impl Layout {
    pub(super) fn new(sides: Vec<Rows>) -> Self {
        let size = sides[0].lengths().len();
        let of_rank = |rank: usize| sides.iter().map(|rows| rows.of_rank(rank).len()).sum();
        let lengths = (0..size).map(of_rank).collect();
        Self { sides, lengths }
    }

    pub(super) fn n(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Position of a node's row among the gathered rows.
    pub(super) fn place(&self, node: u32) -> u32 {
        let (mut row, mut side) = (node as usize, 0);
        while row >= self.sides[side].n() {
            row -= self.sides[side].n();
            side += 1;
        }
        let rank = self.sides[side].owner(row);
        let before: usize = self.sides[..side].iter().map(|rows| rows.of_rank(rank).end).sum();
        let after: usize = self.sides[side + 1..].iter().map(|rows| rows.of_rank(rank).start).sum();
        (row + before + after) as u32
    }

    /// The nodes of a rank, as ranges of the graph's nodes.
    pub(super) fn nodes(&self, rank: usize) -> Vec<Range<usize>> {
        let first = |side: usize| self.sides[..side].iter().map(Rows::n).sum::<usize>();
        let of_side = |(side, rows): (usize, &Rows)| {
            let own = rows.of_rank(rank);
            first(side) + own.start..first(side) + own.end
        };
        self.sides.iter().enumerate().map(of_side).collect()
    }

    /// The positions of a rank's rows.
    fn places(&self, rank: usize) -> Range<usize> {
        let first = self.lengths[..rank].iter().sum();
        first..first + self.lengths[rank]
    }
}

/// The distinct rows that a batch needs, which all ranks know.
#[derive(Debug)]
pub(super) struct Picked {
    /// Index of each node among the picked ones, in the order in which the batch first names them.
    at: HashMap<u32, u32>,
    /// Positions of the picked nodes, in that order.
    pub(super) places: Vec<u32>,
    /// Indices of the picked nodes, sorted by position.
    order: Vec<u32>,
    /// This rank's picked rows, sorted, relative to its first row.
    pub(super) own: Vec<u32>,
    /// Number of picked rows of each rank.
    lengths: Vec<usize>,
}

impl Picked {
    pub(super) fn new(layout: &Layout, rank: usize, nodes: impl IntoIterator<Item = u32>) -> Self {
        let (mut at, mut places) = (HashMap::new(), Vec::new());
        for node in nodes {
            at.entry(node).or_insert_with(|| {
                places.push(layout.place(node));
                places.len() as u32 - 1
            });
        }
        let mut order: Vec<u32> = (0..places.len() as u32).collect();
        order.sort_unstable_by_key(|&k| places[k as usize]);
        let of_rank = |rank: usize| {
            let range = layout.places(rank);
            let below = |end: usize| order.partition_point(|&k| (places[k as usize] as usize) < end);
            (below(range.start)..below(range.end), range.start)
        };
        let (span, first) = of_rank(rank);
        let own = order[span].iter().map(|&k| places[k as usize] - first as u32).collect();
        let lengths = (0..layout.lengths.len()).map(|rank| of_rank(rank).0.len()).collect();
        Self { at, places, order, own, lengths }
    }

    /// Number of picked rows.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Indices of nodes among the picked rows.
    ///
    /// # Panics
    /// If a node was not picked.
    pub(super) fn find(&self, nodes: impl IntoIterator<Item = u32>) -> Vec<i32> {
        nodes.into_iter().map(|node| self.at[&node] as i32).collect()
    }

    /// Gathers all picked rows, from those that each rank has, `[picked of this rank, d]`.
    pub(super) fn fetch(&self, ranks: &Ranks, own: &[f32], d: usize) -> Result<Vec<f32>> {
        let gathered = ranks.gathered(own, &self.lengths, d)?;
        let mut rows = vec![0f32; self.len() * d];
        for (row, &k) in gathered.chunks_exact(d).zip(&self.order) {
            rows[k as usize * d..][..d].copy_from_slice(row);
        }
        Ok(rows)
    }

    /// The picked rows that belong to this rank, `x[own] = rows[own]`: the inverse of [`fetch`](Self::fetch).
    pub(super) fn own_rows<'r>(
        &'r self,
        ranks: &Ranks,
        rows: &'r [f32],
        d: usize,
    ) -> impl Iterator<Item = (usize, &'r [f32])> {
        let before: usize = self.lengths[..ranks.world.rank()].iter().sum();
        let of_own = self.order[before..][..self.own.len()].iter();
        self.own.iter().zip(of_own).map(move |(&own, &k)| (own as usize, &rows[k as usize * d..][..d]))
    }

    /// Adds gradients of the picked rows to those of this rank's rows, `[n, d]`.
    pub(super) fn add(&self, ranks: &Ranks, rows: &[f32], d: usize, to: &mut [f32]) {
        for (own, row) in self.own_rows(ranks, rows, d) {
            to[own * d..][..d].iter_mut().zip(row).for_each(|(to, x)| *to += x);
        }
    }

    /// This rank's picked rows of `x`, `[n, d]`.
    pub(super) fn of_own(&self, x: &[f32], d: usize) -> Vec<f32> {
        self.own.iter().flat_map(|&row| &x[row as usize * d..][..d]).copied().collect()
    }
}
