//! The k-core of interactions: only users and items with enough of them.

/// Positions, ascending, of the pairs that stay when users with fewer than `k_user` and items with fewer than `k_item`
/// pairs are removed, again and again, until none is left to remove. The result is the largest such set, whatever the
/// order of removal; it may be empty. Pairs given twice count twice.
///
/// O(pairs + users + items): each pair is removed at most once, when the queue comes to its user or its item.
///
/// ```
/// use viral::data::n_core;
///
/// // Item 2 has one user; without it user 1 has one item, too few.
/// let pairs = [(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 1)];
/// assert_eq!(n_core(&pairs, 2, 2), [0, 1, 4, 5]);
/// ```
pub fn n_core(pairs: &[(u32, u32)], k_user: usize, k_item: usize) -> Vec<usize> {
    let users = Side::new(pairs.iter().map(|pair| pair.0), k_user);
    let items = Side::new(pairs.iter().map(|pair| pair.1), k_item);
    let mut degrees = [users.degrees(), items.degrees()];
    let sides = [users, items];

    let mut alive = vec![true; pairs.len()];
    let mut queue: Vec<(usize, u32)> = Vec::new(); // (0 user or 1 item, index), each once
    for (s, side) in sides.iter().enumerate() {
        queue.extend((0..).zip(&degrees[s]).filter(|&(_, &degree)| degree < side.k).map(|(node, _)| (s, node)));
    }
    while let Some((s, node)) = queue.pop() {
        for &position in sides[s].pairs_of(node) {
            if !std::mem::take(&mut alive[position]) {
                continue;
            }
            let (user, item) = pairs[position];
            let (other, neighbour) = (1 - s, [item, user][s]);
            let degree = &mut degrees[other][neighbour as usize];
            // It crosses its threshold once, and that is when it joins the queue.
            if *degree == sides[other].k {
                queue.push((other, neighbour));
            }
            *degree -= 1;
        }
    }
    (0..pairs.len()).filter(|&position| alive[position]).collect()
}

/// The pairs of each user, or of each item, in compressed rows.
struct Side {
    k: usize,
    offsets: Vec<usize>,
    positions: Vec<usize>,
}

impl Side {
    fn new(nodes: impl Iterator<Item = u32> + Clone, k: usize) -> Self {
        let n = nodes.clone().max().map_or(0, |node| node as usize + 1);
        let mut offsets = vec![0; n + 1];
        nodes.clone().for_each(|node| offsets[node as usize + 1] += 1);
        (0..n).for_each(|node| offsets[node + 1] += offsets[node]);
        let (mut next, mut positions) = (offsets.clone(), vec![0; offsets[n]]);
        for (position, node) in nodes.enumerate() {
            positions[next[node as usize]] = position;
            next[node as usize] += 1;
        }
        Self { k, offsets, positions }
    }

    fn degrees(&self) -> Vec<usize> {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    fn pairs_of(&self, node: u32) -> &[usize] {
        &self.positions[self.offsets[node as usize]..self.offsets[node as usize + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::super::counter::{below, draw};
    use super::*;

    /// The definition: remove and count again.
    fn plain(pairs: &[(u32, u32)], k_user: usize, k_item: usize) -> Vec<usize> {
        let mut kept: Vec<usize> = (0..pairs.len()).collect();
        loop {
            let user = |p: usize| kept.iter().filter(|&&q| pairs[q].0 == pairs[p].0).count();
            let item = |p: usize| kept.iter().filter(|&&q| pairs[q].1 == pairs[p].1).count();
            let next: Vec<usize> = kept.iter().copied().filter(|&p| user(p) >= k_user && item(p) >= k_item).collect();
            if next == kept {
                return kept;
            }
            kept = next;
        }
    }

    #[test]
    fn removals_cascade() {
        // A chain: user 0's loss takes item 0 below 2, which takes user 1, which takes item 1.
        let pairs = [(0, 0), (1, 0), (1, 1), (2, 1)];
        assert_eq!(n_core(&pairs, 2, 2), [] as [usize; 0]);
        let square = [(5, 1), (5, 2), (6, 1), (6, 2), (7, 2)];
        assert_eq!(n_core(&square, 2, 2), [0, 1, 2, 3]);
        assert_eq!(n_core(&square, 0, 0), [0, 1, 2, 3, 4]);
        assert_eq!(n_core(&[], 2, 2), [] as [usize; 0]);
    }

    #[test]
    fn it_is_what_removing_and_counting_again_leaves() {
        for seed in 0..20 {
            let mut pairs: Vec<(u32, u32)> =
                (0..150).map(|i| (below(30, draw(seed, 2 * i)), below(25, draw(seed, 2 * i + 1)))).collect();
            pairs.sort_unstable();
            pairs.dedup();
            for (k_user, k_item) in [(2, 2), (3, 4), (5, 5), (1, 6)] {
                assert_eq!(n_core(&pairs, k_user, k_item), plain(&pairs, k_user, k_item), "{seed} {k_user} {k_item}");
            }
        }
    }
}
