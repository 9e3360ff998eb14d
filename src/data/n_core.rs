//! The k-core of interactions: the pairs left after removing users and items with few interactions.

/// Computes the k-core of user–item pairs: repeatedly removes users with fewer than `k_user` and items with fewer than
/// `k_item` pairs until none is left to remove. Returns the ascending positions of the remaining pairs, which may be
/// none. The result is the largest such set and does not depend on the order of removal. Duplicate pairs count twice.
///
/// O(pairs + users + items): each pair is removed at most once, when its user or its item leaves the queue.
///
/// ```
/// use viral::data::n_core;
///
/// // Item 2 has one user. Without it, user 1 has one item, too few.
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
            // Each node crosses its threshold only once, so it is queued only once.
            if *degree == sides[other].k {
                queue.push((other, neighbour));
            }
            *degree -= 1;
        }
    }
    (0..pairs.len()).filter(|&position| alive[position]).collect()
}

/// The pairs of each user, or of each item, in CSR format.
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

    /// Naive reference: removes and recounts.
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
        // A chain: the loss of user 0 takes item 0 below 2, which removes user 1 and then item 1.
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
