//! VIRAL, split over ranks.
//!
//! Items pass through the layers that all of them share in parts that do not depend on the number of ranks, and the
//! gradients of these layers are summed over the parts along a tree. So the bits are the same at any number of ranks.
//! They differ from those of [`Viral`] trained as a whole, which sums over all items at once.

use super::graph::PartGraph;
use super::model::{OwnEmbeddings, constant, fetch_table_rows, gradient, leaf, pull};
use super::parts::Ranks;
use super::picked::{Layout, Picked};
use super::shared::Shared;
use crate::Result;
use crate::data::{StepKey, Triplets};
use crate::model::{Batch, BatchRows, PrunedGraph, RowContent, Viral};
use crate::ops::{gather_rows, indices, read_floats, row_range};
use crate::train::Step;
use burn::module::{Module, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use std::ops::Range;

/// A rank's rows of the graphs, and the content of its items.
pub(super) struct PartViral {
    draws: PrunedGraph,
    /// The graph of all pairs, for ranking.
    user_item: PartGraph,
    /// The graph of the epoch, if pairs are left out.
    of_epoch: Option<PartGraph>,
    user_user: Option<PartGraph>,
    item_item: Option<PartGraph>,
    /// The layouts of users alone and of items alone.
    layouts: [Layout; 2],
    /// For each of the rank's parts of items: its rows, relative to the rank's, and their content; `None` for a part
    /// without items.
    parts: Vec<Option<(Range<usize>, RowContent)>>,
}

/// The outputs of the shared layers for this rank's items.
struct Content {
    /// The items' vectors in each channel.
    vectors: Vec<Vec<f32>>,
    /// The picked items' encodings, which the loss terms of the fusion compare, with their widths.
    encodings: Vec<(Vec<f32>, usize)>,
}

impl PartViral {
    pub(super) fn new(model: Viral, ranks: &Ranks) -> (Viral, Self) {
        let rank = ranks.world.rank();
        let (users, items) = (ranks.own_users(), ranks.own_items());
        let all: Vec<Range<usize>> = ranks.own_parts().map(|part| ranks.items.part(part)).collect();
        let (model, contents, graphs) = model.of_rows(&users, &items, &all);
        let own = |rows: Range<usize>| rows.start - items.start..rows.end - items.start;
        let parts = all.into_iter().zip(contents);
        let parts = parts.map(|(rows, content)| (!rows.is_empty()).then(|| (own(rows), content))).collect();
        let nodes = Layout::new(vec![ranks.users.clone(), ranks.items.clone()]);
        let layouts = [&ranks.users, &ranks.items].map(|rows| Layout::new(vec![rows.clone()]));
        let some = |graph: &Option<_>, layout: &Layout| {
            graph.as_ref().map(|graph| PartGraph::new(graph, layout.clone(), rank))
        };
        let part = Self {
            user_item: PartGraph::new(graphs.user_item.full(), nodes, rank),
            user_user: some(&graphs.user_user, &layouts[0]),
            item_item: some(&graphs.item_item, &layouts[1]),
            draws: graphs.user_item.without_rows(),
            of_epoch: None,
            layouts,
            parts,
        };
        (model, part)
    }

    pub(super) fn nnz(&self) -> usize {
        let others = [&self.user_user, &self.item_item].into_iter().flatten().map(PartGraph::nnz);
        self.user_item.nnz() + others.sum::<usize>()
    }

    pub(super) fn begin_epoch(&mut self, ranks: &Ranks, seed: u64, epoch: usize) {
        self.of_epoch = None;
        let drawn = self.draws.drawn(seed, epoch);
        self.of_epoch = drawn.map(|(pairs, epsilon)| PartGraph::user_item(&pairs, epsilon, ranks));
    }

    /// Runs the shared layers a part at a time, so that intermediate values exist for one part alone. Nothing is kept
    /// for the backward pass, which runs the layers again.
    fn content(&self, model: &Viral, picked: &Picked) -> Content {
        let n_values: usize = self.parts.iter().flatten().map(|(rows, _)| rows.len() * model.config().d_embed).sum();
        let vectors = model.channels.iter().map(|_| Vec::with_capacity(n_values)).collect();
        let mut all = Content { vectors, encodings: Vec::new() };
        for (rows, content) in self.parts.iter().flatten() {
            let (vectors, encodings) = model.content_vectors(content);
            for (all, vectors) in all.vectors.iter_mut().zip(&vectors) {
                read_floats(vectors, |vectors| all.extend_from_slice(vectors));
            }
            all.encodings.resize_with(encodings.len(), Default::default);
            for ((all, width), encodings) in all.encodings.iter_mut().zip(&encodings) {
                *width = encodings.dims()[1];
                read_floats(encodings, |rows_of_part| {
                    picked_in(picked, rows)
                        .for_each(|row| all.extend_from_slice(&rows_of_part[row * *width..][..*width]));
                });
            }
        }
        all
    }

    pub(super) fn step(&self, model: &Viral, ranks: &Ranks, batch: &Triplets, key: StepKey) -> Result<Step> {
        let rank = ranks.world.rank();
        let (device, [of_users, of_items]) = (model.channels[0].users.val().device(), &self.layouts);
        let at = |places: Vec<i32>| indices(places, &device.clone().inner());
        let on_device = Batch::new(batch, key, &device);
        let [negatives, compared] = model.compared_items(&on_device, ranks.items.n());
        let picked_users = Picked::new(of_users, rank, batch.users().iter().copied());
        let items = || batch.positives().iter().chain(&negatives).copied();
        let picked_items = Picked::new(of_items, rank, items());
        let picked_encodings = Picked::new(of_items, rank, compared.iter().copied());
        let [nodes, over_users, over_items] = model.coefficients();
        let graph = self.of_epoch.as_ref().unwrap_or(&self.user_item);
        let n_users = ranks.own_users().len();

        // Forward pass of this rank's rows, through the graphs.
        let d_embed = model.config().d_embed;
        let Content { vectors, encodings } = self.content(&model.clone().valid(), &picked_encodings);
        let fetched =
            encodings.into_iter().map(|(own, d)| Ok(leaf(picked_encodings.fetch(ranks, &own, d)?, d, &device)));
        let encodings: Vec<Tensor<2>> = fetched.collect::<Result<_>>()?;
        let content: Vec<Tensor<2>> = vectors.into_iter().map(|rows| leaf(rows, d_embed, &device)).collect();
        let own = ranks.own_items();
        let kept = model.kept_ids(&on_device, ranks.items.n());
        let kept = kept.map(|kept| Tensor::from_inner(row_range(kept, own.start, own.len())));
        // Computed twice: it is large, and the backward pass begins long after.
        let input = || model.input_nodes(content.clone(), kept.as_ref());
        let x = plain(&input());
        let d = x.dims()[1];
        let mut h_users = read_floats(&x, |x| graph.polynomial(ranks, x, d, &nodes))?;
        drop(x);
        let h_items = h_users.split_off(n_users * d);
        h_users.shrink_to_fit();
        let h_users = leaf(h_users, d, &device);
        let weighed = model.weights.as_ref().map_or(h_users.clone(), |weights| weights.forward(h_users.clone()));
        let u = read_floats(&plain(&weighed), |x| {
            propagate_rows(&self.user_user, ranks, x, d, &over_users, &picked_users)
        })?;
        let i = propagate_rows(&self.item_item, ranks, &h_items, d, &over_items, &picked_items)?;
        drop(h_items);

        // The batch and its objective, on every rank.
        let tables = |tables: Vec<Tensor<2>>, picked: &Picked| {
            let rows = tables.into_iter().map(|table| fetch_table_rows(table.inner(), picked, ranks));
            Ok(rows.collect::<Result<Vec<_>>>()?.into_iter().map(|rows| leaf(rows, d_embed, &device)).collect())
        };
        let user_tables: Vec<Tensor<2>> =
            tables(model.channels.iter().map(|c| c.users.val()).collect(), &picked_users)?;
        let free = model.channels.iter().filter_map(|c| c.items.as_ref().map(Param::val));
        let item_tables: Vec<Tensor<2>> = tables(free.collect(), &picked_items)?;
        let (u, i) = (leaf(u, d, &device), leaf(i, d, &device));
        let users_at = at(picked_users.find(batch.users().iter().copied()));
        let positives_at = at(picked_items.find(batch.positives().iter().copied()));
        let mut step = Step::of(model.objective_of(BatchRows {
            u: gather_rows(u.clone(), users_at.clone()),
            items: i.clone(),
            positives: positives_at.clone(),
            negatives: at(picked_items.find(negatives.iter().copied())),
            user_tables: user_tables.clone(),
            users_at,
            item_tables: item_tables.clone(),
            items_at: positives_at,
            weights: mean_square_of_weights(model, ranks, &device)?,
            encodings: encodings.clone(),
        }));
        let mut of = |x: &Tensor<2>| gradient(x, &mut step.gradients);
        let (du, di) = (of(&u), of(&i));
        let d_user_tables: Vec<Vec<f32>> = user_tables.iter().map(&mut of).collect();
        let d_item_tables: Vec<Vec<f32>> = item_tables.iter().map(&mut of).collect();
        let d_encodings: Vec<Vec<f32>> = encodings.iter().map(&mut of).collect();

        // Backward pass: through the graphs, this rank's rows and the shared layers.
        let d_weighed = propagate_rows_backward(&self.user_user, ranks, &picked_users, &du, d, &over_users, n_users)?;
        let (mut dh, d_weights) = match &model.weights {
            None => (d_weighed, None),
            Some(weights) => {
                let weight = weights.weight.val();
                let mut pulled = pull(vec![(weighed, d_weighed)]);
                let factor = 2.0 * model.weight_of_squares() / (ranks.users.n() * weight.dims()[1]) as f64;
                let mut d_weight = gradient(&weight, &mut pulled);
                read_floats(&weight.clone().inner(), |w| {
                    d_weight.iter_mut().zip(w).for_each(|(d, w)| *d += factor as f32 * w);
                });
                (gradient(&h_users, &mut pulled), Some((weight, d_weight)))
            }
        };
        drop(h_users);
        dh.extend(propagate_rows_backward(&self.item_item, ranks, &picked_items, &di, d, &over_items, own.len())?);
        let dx = graph.polynomial_backward(ranks, &dh, d, &nodes)?;
        drop(dh);
        let mut pulled = pull(vec![(input(), dx)]);
        let mut put = |parameter: Tensor<2>, values: Vec<f32>| {
            let d = parameter.dims()[1];
            parameter.grad_replace(&mut step.gradients, constant(values, d, &device));
        };
        for (c, d_rows) in model.channels.iter().zip(&d_user_tables) {
            let mut d_table = gradient(&c.users.val(), &mut pulled);
            picked_users.add(ranks, d_rows, d_embed, &mut d_table);
            put(c.users.val(), d_table);
        }
        let free = model.channels.iter().filter_map(|c| c.items.as_ref());
        for (table, d_rows) in free.zip(&d_item_tables) {
            let mut d_table = gradient(&table.val(), &mut pulled);
            picked_items.add(ranks, d_rows, d_embed, &mut d_table);
            put(table.val(), d_table);
        }
        if let Some((weight, d_weight)) = d_weights {
            put(weight, d_weight);
        }
        let d_content: Vec<Vec<f32>> = content.iter().map(|content| gradient(content, &mut pulled)).collect();
        self.pull_shared(model, ranks, [d_content, d_encodings], &picked_encodings, &mut step.gradients)?;
        Ok(step)
    }

    /// Back-propagates to the shared layers, from the gradients of the items' vectors in each channel and of the picked
    /// encodings.
    fn pull_shared(
        &self,
        model: &Viral,
        ranks: &Ranks,
        [d_content, d_encodings]: [Vec<Vec<f32>>; 2],
        picked: &Picked,
        gradients: &mut Gradients,
    ) -> Result<()> {
        let n = Shared::count(model);
        if n == 0 {
            return Ok(());
        }
        let d_embed = model.config().d_embed;
        let d_own: Vec<Vec<f32>> = d_encodings
            .iter()
            .map(|d_rows| picked.own_rows(ranks, d_rows, d_rows.len() / picked.len().max(1)).flat_map(|(_, row)| row))
            .map(|values| values.copied().collect())
            .collect();
        let mut before = 0;
        let mut of_part = |part: &Option<(Range<usize>, RowContent)>| {
            let Some((rows, content)) = part else { return vec![0.0; n] };
            let (vectors, encodings) = model.content_vectors(content);
            let vectors = vectors.into_iter().zip(&d_content);
            let span = rows.start * d_embed..rows.end * d_embed;
            let mut outputs: Vec<_> = vectors.map(|(x, dx)| (x, dx[span.clone()].to_vec())).collect();
            let here: Vec<i32> = picked_in(picked, rows).map(|row| row as i32).collect();
            let (first, end) = (before, before + here.len());
            before = end;
            if !here.is_empty() {
                for (x, dx) in encodings.into_iter().zip(&d_own) {
                    let d = x.dims()[1];
                    let ids = indices(here.clone(), &x.device().inner());
                    outputs.push((gather_rows(x, ids), dx[first * d..end * d].to_vec()));
                }
            }
            Shared::values(model, &mut pull(outputs))
        };
        let of_parts = self.parts.iter().map(&mut of_part).collect();
        let sum = ranks.sum(of_parts, n, |part| !ranks.items.part(part).is_empty())?;
        Shared::put(model, gradients, sum);
        Ok(())
    }

    pub(super) fn embed(&self, model: &Viral, ranks: &Ranks) -> Result<OwnEmbeddings> {
        let d_embed = model.config().d_embed;
        let device = model.channels[0].users.val().device();
        let nobody = Picked::new(&self.layouts[1], ranks.world.rank(), std::iter::empty());
        let content = self.content(model, &nobody).vectors;
        let content = content.into_iter().map(|rows| constant(rows, d_embed, &device)).collect();
        let x = model.input_nodes(content, None);
        let (d, [nodes, over_users, over_items]) = (x.dims()[1], model.coefficients());
        let mut users = read_floats(&x, |x| self.user_item.polynomial(ranks, x, d, &nodes))?;
        drop(x);
        let items = users.split_off(ranks.own_users().len() * d);
        let users = constant(users, d, &device);
        let users = model.weights.as_ref().map_or(users.clone(), |weights| weights.forward(users));
        let over = |graph: &Option<PartGraph>, x: &[f32], coefficients: &[f32]| match graph {
            Some(graph) => graph.polynomial(ranks, x, d, coefficients),
            None => Ok(x.to_vec()),
        };
        let users = read_floats(&users, |x| over(&self.user_user, x, &over_users))?;
        let items = over(&self.item_item, &items, &over_items)?;
        Ok(OwnEmbeddings { users, items, d, blocks: model.blocks_of_columns() })
    }
}

/// The picked rows among some `rows` of this rank, relative to the first of these.
fn picked_in<'p>(picked: &'p Picked, rows: &Range<usize>) -> impl Iterator<Item = usize> + 'p {
    let (first, end) = (rows.start, rows.end);
    picked.own.iter().map(|&row| row as usize).filter(move |row| (first..end).contains(row)).map(move |row| row - first)
}

/// Detaches a tensor from its graph.
fn plain(x: &Tensor<2>) -> Tensor<2> {
    if x.is_autodiff() { x.clone().inner() } else { x.clone() }
}

/// The picked rows of a polynomial of a graph, or of `x` itself if there is no graph.
fn propagate_rows(
    graph: &Option<PartGraph>,
    ranks: &Ranks,
    x: &[f32],
    d: usize,
    coefficients: &[f32],
    picked: &Picked,
) -> Result<Vec<f32>> {
    match graph {
        Some(graph) => graph.picked(ranks, x, d, coefficients, picked),
        None => picked.fetch(ranks, &picked.of_own(x, d), d),
    }
}

/// The gradient of `x` in [`propagate_rows`].
fn propagate_rows_backward(
    graph: &Option<PartGraph>,
    ranks: &Ranks,
    picked: &Picked,
    g: &[f32],
    d: usize,
    coefficients: &[f32],
    n_own: usize,
) -> Result<Vec<f32>> {
    match graph {
        Some(graph) => graph.picked_backward(ranks, picked, g, d, coefficients),
        None => {
            let mut dx = vec![0.0; n_own * d];
            picked.add(ranks, g, d, &mut dx);
            Ok(dx)
        }
    }
}

/// The mean square of the weights of all users.
fn mean_square_of_weights(model: &Viral, ranks: &Ranks, device: &Device) -> Result<Option<Tensor<1>>> {
    let Some(weights) = &model.weights else { return Ok(None) };
    let weight = weights.weight.val().inner();
    let (n_blocks, first) = (weight.dims()[1], ranks.own_users().start);
    let of_parts = read_floats(&weight, |w| {
        let of_part = |part: usize| {
            let rows = ranks.users.part(part);
            let squares = w[(rows.start - first) * n_blocks..(rows.end - first) * n_blocks].iter().map(|w| w * w);
            vec![squares.sum::<f32>()]
        };
        ranks.own_parts().map(of_part).collect()
    });
    let sum = ranks.sum(of_parts, 1, |part| !ranks.users.part(part).is_empty())?[0];
    let mean = sum / (ranks.users.n() * n_blocks) as f32;
    Ok(Some(Tensor::from_data(TensorData::new(vec![mean], [1]), device)))
}
