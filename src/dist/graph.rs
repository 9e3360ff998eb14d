//! Products with a graph whose rows belong to ranks.

use super::parts::Ranks;
use super::picked::{Layout, Picked};
use crate::Result;
use crate::data::Csr;
use crate::graph::bipartite_rows;
use crate::ops::{HostRows, SparseMatrix, cut_columns, put_columns};
use std::borrow::Cow;
use std::ops::Range;

/// Columns are gathered by multiples of this many, so that sums of them fit in registers: one, if those of all rows take more.
const COLUMNS: usize = 32;

/// This rank's rows of a square graph and of its transpose.
#[derive(Debug)]
pub(super) struct PartGraph {
    a: HostRows,
    /// None where the graph is symmetric.
    at: Option<HostRows>,
    pub(super) layout: Layout,
}

impl PartGraph {
    /// Copies the rows of this rank.
    pub(super) fn new(graph: &SparseMatrix, layout: Layout, rank: usize) -> Self {
        let nodes = layout.nodes(rank);
        let rows = |turned: bool| HostRows::of(graph, turned, &nodes, |column| layout.place(column));
        Self { a: rows(false), at: (!graph.is_symmetric()).then(|| rows(true)), layout: layout.clone() }
    }

    /// The rows of this rank's users and items of the normalised user-item graph, made without the others.
    pub(super) fn user_item(pairs: &Csr, epsilon: f64, ranks: &Ranks) -> Self {
        let layout = Layout::new(vec![ranks.users.clone(), ranks.items.clone()]);
        let rows = bipartite_rows(pairs, epsilon, &ranks.own_users(), &ranks.own_items());
        Self { a: HostRows::new(rows, |column| layout.place(column)), at: None, layout }
    }

    /// Number of nonzeros in this rank's rows.
    pub(super) fn nnz(&self) -> usize {
        self.a.nnz()
    }

    fn turned(&self) -> &HostRows {
        self.at.as_ref().unwrap_or(&self.a)
    }

    /// This rank's rows of `Σ_l c_l Aˡ X`, from its rows of `X`, by Horner's rule.
    pub(super) fn polynomial(&self, ranks: &Ranks, x: &[f32], d: usize, coefficients: &[f32]) -> Result<Vec<f32>> {
        let (last, lower) = split(coefficients);
        self.horner(ranks, &self.a, x, None, d, last, lower)
    }

    /// As [`polynomial`](Self::polynomial), of the transpose.
    pub(super) fn polynomial_turned(
        &self,
        ranks: &Ranks,
        x: &[f32],
        d: usize,
        coefficients: &[f32],
    ) -> Result<Vec<f32>> {
        let (last, lower) = split(coefficients);
        self.horner(ranks, self.turned(), x, None, d, last, lower)
    }

    /// The picked rows of [`polynomial`](Self::polynomial), all of them on every rank: the last product is made for these alone.
    pub(super) fn picked(
        &self,
        ranks: &Ranks,
        x: &[f32],
        d: usize,
        coefficients: &[f32],
        picked: &Picked,
    ) -> Result<Vec<f32>> {
        let own = match coefficients {
            [] => panic!("a polynomial without a coefficient"),
            [c] => picked.of_own(x, d).into_iter().map(|x| x * c).collect(),
            [c, higher @ ..] => {
                let (y, alpha) = match higher {
                    [last] => (Cow::Borrowed(x), *last),
                    _ => (Cow::Owned(self.polynomial(ranks, x, d, higher)?), 1.0),
                };
                let mut out = vec![0f32; picked.own.len() * d];
                for columns in self.slabs(ranks, d) {
                    let all = ranks.gathered(&cut(&y, d, &columns), &self.layout.lengths, columns.len())?.into_owned();
                    let own = cut(x, d, &columns);
                    let part = self.a.picked_times(&picked.own, &all, columns.len(), alpha, (&own, *c));
                    put_columns(&part, &columns, &mut out, d);
                }
                out
            }
        };
        picked.fetch(ranks, &own, d)
    }

    /// This rank's rows of `Σ_l c_l (Aᵀ)ˡ X`, where `X` has the picked `rows` and zeros elsewhere: what the first product takes is
    /// on every rank already.
    pub(super) fn picked_turned(
        &self,
        ranks: &Ranks,
        picked: &Picked,
        rows: &[f32],
        d: usize,
        coefficients: &[f32],
    ) -> Result<Vec<f32>> {
        let (last, lower) = split(coefficients);
        let m = self.turned();
        let mut x = vec![0f32; m.n_rows() * d];
        picked.add(ranks, rows, d, &mut x);
        let Some((&c, lower)) = lower.split_last() else {
            return self.horner(ranks, m, &x, None, d, last, &[]);
        };
        let mut at = vec![-1; self.layout.n()];
        picked.places.iter().zip(0..).for_each(|(&place, k)| at[place as usize] = k);
        let y = m.times_some(&at, rows, d, last, (&x, c));
        self.horner(ranks, m, &x, Some(y), d, 1.0, lower)
    }

    /// The terms of `lower` from the highest to the lowest, on `y`, or `last · x` where there is none yet.
    fn horner(
        &self,
        ranks: &Ranks,
        m: &HostRows,
        x: &[f32],
        y: Option<Vec<f32>>,
        d: usize,
        last: f32,
        lower: &[f32],
    ) -> Result<Vec<f32>> {
        if lower.is_empty() {
            return Ok(y.unwrap_or_else(|| x.iter().map(|x| x * last).collect()));
        }
        let from = y.as_deref().unwrap_or(x);
        let slabs = self.slabs(ranks, d);
        let mut out = if slabs.len() > 1 { vec![0f32; x.len()] } else { Vec::new() };
        for columns in &slabs {
            let (own, mut y) = (cut(x, d, columns), cut(from, d, columns));
            for (term, &c) in lower.iter().rev().enumerate() {
                let alpha = if term == 0 { last } else { 1.0 };
                let all = ranks.gathered(&y, &self.layout.lengths, columns.len())?;
                let product = m.times(&all, columns.len(), alpha, (&own, c));
                drop(all);
                y = Cow::Owned(product);
            }
            match slabs.len() {
                1 => out = y.into_owned(),
                _ => put_columns(&y, columns, &mut out, d),
            }
        }
        Ok(out)
    }

    /// Neighbouring columns whose values of all rows are gathered at a time; all of them where nothing is.
    fn slabs(&self, ranks: &Ranks, d: usize) -> Vec<Range<usize>> {
        let most = ranks.slab_bytes / (size_of::<f32>() * self.layout.n()).max(1);
        let width = match ranks.world.size() {
            1 => d,
            _ => (most / COLUMNS * COLUMNS).max(COLUMNS),
        };
        (0..d).step_by(width).map(|first| first..d.min(first + width)).collect()
    }
}

fn split(coefficients: &[f32]) -> (f32, &[f32]) {
    match coefficients.split_last() {
        Some((&last, lower)) => (last, lower),
        None => panic!("a polynomial without a coefficient"),
    }
}

/// Neighbouring columns of `x`, `[n, d]`, as a matrix of their own.
fn cut<'x>(x: &'x [f32], d: usize, columns: &Range<usize>) -> Cow<'x, [f32]> {
    match columns.len() == d {
        true => Cow::Borrowed(x),
        false => Cow::Owned(cut_columns(x, d, columns)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Interactions, splitmix64};
    use crate::dist::{Collective, Threads};
    use crate::graph::{MMREC_EPS, bipartite_adjacency};
    use crate::ops::{gather_rows, indices, read_floats, spmm_polynomial};
    use burn::tensor::{Device, Tensor, TensorData};

    const D: usize = 70;
    const NODES: [usize; 2] = [120, 75];

    fn noise(n: usize, tag: u64) -> Vec<f32> {
        (0..n as u64).map(|i| (splitmix64(tag << 32 | i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    fn train() -> Interactions {
        let [n_users, n_items] = NODES.map(|n| n as u32);
        let pairs: Vec<(u32, u32)> =
            (0..n_users).flat_map(|u| (0..1 + u % 9).map(move |k| (u, (u * 7 + k * k * 13) % n_items))).collect();
        Interactions::from_pairs(n_users as usize, n_items as usize, &pairs)
    }

    /// The same graph with values that are not symmetric.
    fn crooked(graph: &SparseMatrix) -> SparseMatrix {
        let values = noise(graph.nnz(), 9);
        graph.with_values(Tensor::from_data(TensorData::new(values, [graph.nnz()]), &graph.device()))
    }

    fn tensor(x: &[f32]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(x.to_vec(), [x.len() / D, D]), &Device::flex().autodiff())
    }

    fn floats(x: Tensor<2>) -> Vec<f32> {
        read_floats(&x.inner(), <[f32]>::to_vec)
    }

    /// What one process computes with the operators: all rows, the picked ones, and the gradient of these.
    fn whole(graph: &SparseMatrix, x: &[f32], coefficients: &[f32], nodes: &[u32], g: &[f32]) -> [Vec<f32>; 3] {
        let x = tensor(x).require_grad();
        let all = spmm_polynomial(graph, x.clone(), coefficients);
        let ids = indices(nodes.iter().map(|&node| node as i32).collect(), &Device::flex());
        let some = gather_rows(all.clone(), ids);
        let gradients = (some.clone() * tensor(g)).sum().backward();
        let dx = x.grad(&gradients).unwrap();
        [floats(all), floats(some), floats(Tensor::from_inner(dx))]
    }

    /// The same of the ranks, with the rows of all of them together.
    fn split_up(
        size: usize,
        slab_bytes: usize,
        graph: fn() -> SparseMatrix,
        (x, coefficients, nodes, g): (&[f32], &[f32], &[u32], &[f32]),
    ) -> [Vec<f32>; 3] {
        let [n_users, n_items] = NODES;
        let of_rank = |world: &Threads| {
            let mut ranks = Ranks::new(world, &train())?;
            ranks.slab_bytes = slab_bytes;
            let layout = Layout::new(vec![ranks.users.clone(), ranks.items.clone()]);
            let part = PartGraph::new(&graph(), layout, world.rank());
            let (users, items) = (ranks.own_users(), ranks.own_items());
            let own = [&x[users.start * D..users.end * D], &x[(n_users + items.start) * D..(n_users + items.end) * D]];
            let own = own.concat();
            let picked = Picked::new(&part.layout, world.rank(), nodes.iter().copied());
            let all = part.polynomial(&ranks, &own, D, coefficients)?;
            let some = part.picked(&ranks, &own, D, coefficients, &picked)?;
            let dx = part.picked_turned(&ranks, &picked, g, D, coefficients)?;
            Ok((users.len() * D, all, some, dx))
        };
        let found: Vec<_> = Threads::run(size, of_rank).into_iter().collect::<Result<_>>().unwrap();
        let joined = |of: fn(&(usize, Vec<f32>, Vec<f32>, Vec<f32>)) -> &Vec<f32>| {
            let users = found.iter().flat_map(|it| &of(it)[..it.0]);
            users.chain(found.iter().flat_map(|it| &of(it)[it.0..])).copied().collect::<Vec<_>>()
        };
        assert!(found.iter().all(|it| it.2 == found[0].2), "all ranks have the picked rows");
        assert_eq!(joined(|it| &it.1).len(), (n_users + n_items) * D);
        [joined(|it| &it.1), found[0].2.clone(), joined(|it| &it.3)]
    }

    #[test]
    fn products_of_parts_have_the_bits_of_the_whole() {
        fn straight() -> SparseMatrix {
            SparseMatrix::new(&bipartite_adjacency(&train(), MMREC_EPS), &Device::flex())
        }
        let [n_users, n_items] = NODES;
        let x = noise((n_users + n_items) * D, 1);
        let nodes: Vec<u32> = [5u32, 119, 0, 120, 194, 130, 77].to_vec();
        let g = noise(nodes.len() * D, 2);
        for graph in [straight as fn() -> SparseMatrix, || crooked(&straight())] {
            for coefficients in [&[0.25f32, 0.25, 0.25, 0.25][..], &[1.0, 0.5], &[0.0, 0.0, 1.0], &[2.0]] {
                let expected = whole(&graph(), &x, coefficients, &nodes, &g);
                for (size, slab_bytes) in [(1, 1), (2, 1), (3, 1 << 20), (4, 60_000)] {
                    let found = split_up(size, slab_bytes, graph, (&x, coefficients, &nodes, &g));
                    for (what, (found, expected)) in
                        ["all", "picked", "gradient"].iter().zip(found.iter().zip(&expected))
                    {
                        assert!(found == expected, "{what} at {size} ranks, {coefficients:?}");
                    }
                }
            }
        }
    }
}
