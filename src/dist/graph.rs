//! Products with a graph whose rows are distributed over ranks.

use super::parts::Ranks;
use super::picked::{Layout, Picked};
use crate::Result;
use crate::data::Csr;
use crate::graph::bipartite_rows;
use crate::ops::{HostRows, SparseMatrix, cut_columns, put_columns};
use std::borrow::Cow;
use std::ops::Range;

/// Columns are gathered in multiples of this number, so that sums of them fit in registers. At least one multiple is
/// gathered, even if it exceeds the slab.
const COLUMNS: usize = 16;

/// This rank's rows of a square graph and of its transpose.
#[derive(Debug)]
pub(super) struct PartGraph {
    a: HostRows,
    /// `None` if the graph is symmetric.
    at: Option<HostRows>,
    pub(super) layout: Layout,
}

impl PartGraph {
    /// Copies the rows of this rank from a graph.
    pub(super) fn new(graph: &SparseMatrix, layout: Layout, rank: usize) -> Self {
        let nodes = layout.nodes(rank);
        let rows = |transposed: bool| HostRows::of(graph, transposed, &nodes, |column| layout.place(column));
        Self { a: rows(false), at: (!graph.is_symmetric()).then(|| rows(true)), layout: layout.clone() }
    }

    /// Builds this rank's rows of the normalised user-item graph, without those of other ranks.
    pub(super) fn user_item(pairs: &Csr, epsilon: f64, ranks: &Ranks) -> Self {
        let layout = Layout::new(vec![ranks.users.clone(), ranks.items.clone()]);
        let rows = bipartite_rows(pairs, epsilon, &ranks.own_users(), &ranks.own_items());
        Self { a: HostRows::new(rows, |column| layout.place(column)), at: None, layout }
    }

    /// Number of nonzeros in this rank's rows.
    pub(super) fn nnz(&self) -> usize {
        self.a.nnz()
    }

    fn transpose(&self) -> &HostRows {
        self.at.as_ref().unwrap_or(&self.a)
    }

    /// Computes this rank's rows of `Σ_l c_l Aˡ X` from its rows of `X`, by Horner's rule.
    pub(super) fn polynomial(&self, ranks: &Ranks, x: &[f32], d: usize, coefficients: &[f32]) -> Result<Vec<f32>> {
        self.whole(ranks, &self.a, x, d, coefficients)
    }

    /// [`polynomial`](Self::polynomial) with the transpose.
    pub(super) fn polynomial_backward(
        &self,
        ranks: &Ranks,
        x: &[f32],
        d: usize,
        coefficients: &[f32],
    ) -> Result<Vec<f32>> {
        self.whole(ranks, self.transpose(), x, d, coefficients)
    }

    fn whole(&self, ranks: &Ranks, m: &HostRows, x: &[f32], d: usize, coefficients: &[f32]) -> Result<Vec<f32>> {
        let (last, lower) = split(coefficients);
        if lower.is_empty() {
            return Ok(x.iter().map(|x| x * last).collect());
        }
        self.by_slabs(ranks, d, x.len() / d, |columns| {
            let own = cut(x, d, columns);
            self.terms(ranks, m, &own, Cow::Borrowed(&own[..]), columns.len(), (last, lower)).map(Cow::into_owned)
        })
    }

    /// Computes the picked rows of [`polynomial`](Self::polynomial), all of them on every rank. The last product is
    /// computed for these rows alone.
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
                let (last, lower) = split(higher);
                let alpha = if lower.is_empty() { last } else { 1.0 };
                self.by_slabs(ranks, d, picked.own.len(), |columns| {
                    let (own, width) = (cut(x, d, columns), columns.len());
                    let y = self.terms(ranks, &self.a, &own, Cow::Borrowed(&own[..]), width, (last, lower))?;
                    ranks.with_gathered(&y, &self.layout.lengths, width, |all| {
                        self.a.picked_times(&picked.own, all, width, alpha, (&own, *c))
                    })
                })?
            }
        };
        picked.fetch(ranks, &own, d)
    }

    /// Computes this rank's rows of `Σ_l c_l (Aᵀ)ˡ X`, where `X` has the picked `rows` and is zero elsewhere. The input
    /// of the first product is on every rank already.
    pub(super) fn picked_backward(
        &self,
        ranks: &Ranks,
        picked: &Picked,
        rows: &[f32],
        d: usize,
        coefficients: &[f32],
    ) -> Result<Vec<f32>> {
        let ((last, lower), m) = (split(coefficients), self.transpose());
        let spread = |rows: &[f32], width: usize| {
            let mut x = vec![0f32; m.n_rows() * width];
            picked.add(ranks, rows, width, &mut x);
            x
        };
        let Some((&c, lower)) = lower.split_last() else {
            return Ok(spread(rows, d).into_iter().map(|x| x * last).collect());
        };
        let mut at = vec![-1; self.layout.n()];
        picked.places.iter().zip(0..).for_each(|(&place, k)| at[place as usize] = k);
        self.by_slabs(ranks, d, m.n_rows(), |columns| {
            let (rows, width) = (cut(rows, d, columns), columns.len());
            let x = spread(&rows, width);
            let y = m.times_some(&at, &rows, width, last, (&x, c));
            self.terms(ranks, m, &x, Cow::Owned(y), width, (1.0, lower)).map(Cow::into_owned)
        })
    }

    /// Applies the terms of `lower` to `y` by Horner's rule, from the highest to the lowest; `alpha` scales the first
    /// product.
    fn terms<'y>(
        &self,
        ranks: &Ranks,
        m: &HostRows,
        own: &[f32],
        mut y: Cow<'y, [f32]>,
        width: usize,
        (mut alpha, lower): (f32, &[f32]),
    ) -> Result<Cow<'y, [f32]>> {
        for &c in lower.iter().rev() {
            let product = |all: &[f32]| m.times(all, width, alpha, (own, c));
            y = Cow::Owned(ranks.with_gathered(&y, &self.layout.lengths, width, product)?);
            alpha = 1.0;
        }
        Ok(y)
    }

    /// Assembles `[n, d]` from what `make` returns for each slab of columns.
    fn by_slabs(
        &self,
        ranks: &Ranks,
        d: usize,
        n: usize,
        mut make: impl FnMut(&Range<usize>) -> Result<Vec<f32>>,
    ) -> Result<Vec<f32>> {
        let slabs = self.slabs(ranks, d);
        if let [all] = &slabs[..] {
            return make(all);
        }
        let mut out = vec![0f32; n * d];
        for columns in &slabs {
            put_columns(&make(columns)?, columns, &mut out, d);
        }
        Ok(out)
    }

    /// Ranges of columns that are gathered at a time; all columns in one range if there is a single rank.
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

/// Neighbouring columns of `x`, `[n, d]`, as a contiguous matrix.
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

    /// The same graph with asymmetric values.
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

    /// The results of one process with the operators: all rows, the picked ones, and the gradient of these.
    fn whole(graph: &SparseMatrix, x: &[f32], coefficients: &[f32], nodes: &[u32], g: &[f32]) -> [Vec<f32>; 3] {
        let x = tensor(x).require_grad();
        let all = spmm_polynomial(graph, x.clone(), coefficients);
        let ids = indices(nodes.iter().map(|&node| node as i32).collect(), &Device::flex());
        let some = gather_rows(all.clone(), ids);
        let gradients = (some.clone() * tensor(g)).sum().backward();
        let dx = x.grad(&gradients).unwrap();
        [floats(all), floats(some), floats(Tensor::from_inner(dx))]
    }

    /// The number of values of a rank's users among its rows; all rows, picked rows, gradient.
    type OfRank = (usize, Vec<f32>, Vec<f32>, Vec<f32>);

    /// The same results from ranks, with the rows of all ranks joined.
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
            let dx = part.picked_backward(&ranks, &picked, g, D, coefficients)?;
            Ok((users.len() * D, all, some, dx))
        };
        let found: Vec<_> = Threads::run(size, of_rank).into_iter().collect::<Result<_>>().unwrap();
        let joined = |of: fn(&OfRank) -> &Vec<f32>| {
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
