//! Graph rows, built by their owners.

use super::all_or_none;
use super::model::Side;
use super::parts::Ranks;
use crate::graph::{RowLists, RowMaker};
use crate::{Error, Result};
use std::ops::Range;

/// Builds a graph on all ranks: each searches the neighbours of its own users or items and sends them to all others.
/// The search takes long, and its result is small.
pub(super) struct OwnRows<'r> {
    ranks: &'r Ranks<'r>,
    side: Side,
}

impl<'r> OwnRows<'r> {
    pub(super) fn of(ranks: &'r Ranks<'r>, side: Side) -> Self {
        Self { ranks, side }
    }
}

impl RowMaker for OwnRows<'_> {
    fn rows(&self, n_rows: usize, make: &dyn Fn(Range<usize>) -> Result<RowLists>) -> Result<RowLists> {
        let (world, rows) = (self.ranks.world, self.ranks.of(self.side));
        assert_eq!(rows.n(), n_rows, "a graph of other rows than the ranks have");
        let own = all_or_none(world, make(rows.of_rank(world.rank())))?;
        let messages = world.all_gather_bytes(&to_bytes(&own))?;
        let lists = messages.iter().zip(rows.lengths()).map(|(message, n)| from_bytes(message, n));
        Ok(RowLists::concat(lists.collect::<Result<Vec<_>>>()?))
    }
}

/// Serialises lengths, ids and the bits of the values, four bytes each.
fn to_bytes(lists: &RowLists) -> Vec<u8> {
    let bits = lists.values.iter().map(|value| value.to_bits());
    lists.lengths.iter().chain(&lists.ids).copied().chain(bits).flat_map(u32::to_le_bytes).collect()
}

fn from_bytes(bytes: &[u8], n_rows: usize) -> Result<RowLists> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let numbers: Vec<u32> = numbers.iter().map(|number| u32::from_le_bytes(*number)).collect();
    let lists = numbers.split_at_checked(n_rows).and_then(|(lengths, lists)| {
        let n: usize = lengths.iter().map(|&length| length as usize).sum();
        let (ids, bits) = lists.split_at_checked(n)?;
        let values = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
        (bits.len() == n && rest.is_empty()).then(|| RowLists { lengths: lengths.to_vec(), ids: ids.to_vec(), values })
    });
    lists.ok_or_else(|| Error::Data(format!("{} bytes came where {n_rows} rows of a graph were to come", bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Interactions, ItemFeatures, splitmix64};
    use crate::dist::{Collective, Threads};
    use crate::graph::{
        ItemGraph, KnnSearch, NeighborWeight, item_graph, item_graph_by, user_cooccurrence, user_cooccurrence_by,
    };
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn data() -> (Interactions, ItemFeatures) {
        let pairs: Vec<(u32, u32)> =
            (0..300).flat_map(|u| (0..1 + u % 6).map(move |k| (u, (u * 7 + k * k * 11) % 90))).collect();
        let value = |i: u64| (splitmix64(i) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let features = ItemFeatures::new(90, 12, (0..90 * 12).map(value).collect()).unwrap();
        (Interactions::from_pairs(300, 90, &pairs), features)
    }

    #[test]
    fn graphs_made_by_their_owners_are_those_of_one_process() {
        let (train, features) = data();
        let modalities = [(&features, 1.0)];
        for search in [KnnSearch::Exact, KnnSearch::Approximate { n_probe: 3 }] {
            let items = item_graph(ItemGraph::Mixture, &modalities, 5, search).unwrap();
            let users = user_cooccurrence(&train, 4, NeighborWeight::Softmax);
            for size in [1, 2, 4] {
                let made = Threads::run(size, |world| {
                    let ranks = Ranks::new(world, &train)?;
                    let [of_users, of_items] = [Side::Users, Side::Items].map(|side| OwnRows::of(&ranks, side));
                    let items = item_graph_by(&of_items, ItemGraph::Mixture, &modalities, 5, search)?;
                    Ok((items, user_cooccurrence_by(&of_users, &train, 4, NeighborWeight::Softmax)?))
                });
                for made in made {
                    let made: Result<_> = made;
                    assert_eq!(made.unwrap(), (items.clone(), users.clone()), "{size} ranks");
                }
            }
        }
    }

    #[test]
    fn each_row_is_made_once() {
        let (train, _) = data();
        let made = AtomicUsize::new(0);
        for lists in Threads::run(3, |world| {
            let ranks = Ranks::new(world, &train)?;
            OwnRows::of(&ranks, Side::Users).rows(300, &|rows| {
                made.fetch_add(rows.len(), Ordering::Relaxed);
                let ids = rows.clone().map(|row| row as u32);
                Ok(RowLists {
                    lengths: vec![1; rows.len()],
                    ids: ids.clone().collect(),
                    values: ids.map(|id| id as f32).collect(),
                })
            })
        }) {
            assert!(lists.unwrap().ids.into_iter().eq(0..300));
        }
        assert_eq!(made.into_inner(), 300);
    }

    #[test]
    fn an_error_of_one_rank_is_that_of_all() {
        let (train, _) = data();
        for made in Threads::run(3, |world| {
            let ranks = Ranks::new(world, &train)?;
            let fails = |_: Range<usize>| match world.rank() {
                1 => Err(Error::Data("no room".into())),
                _ => Ok(RowLists::default()),
            };
            OwnRows::of(&ranks, Side::Items).rows(90, &fails)
        }) {
            assert_eq!(made.unwrap_err().to_string(), "rank 1: no room");
        }
    }

    #[test]
    fn what_is_no_list_of_rows_is_an_error() {
        let lists = RowLists { lengths: vec![2, 0, 1], ids: vec![4, 7, 1], values: vec![0.5, -0.0, f32::MAX] };
        let bytes = to_bytes(&lists);
        assert_eq!(from_bytes(&bytes, 3).unwrap(), lists);
        for (bytes, n) in [(&bytes[..], 2), (&bytes[..], 10), (&bytes[1..], 3), (&bytes[..32], 3), (&[], 1)] {
            assert!(from_bytes(bytes, n).unwrap_err().to_string().contains("rows of a graph"));
        }
    }
}
