//! Evaluation over ranks: each rank ranks its own users.

use super::model::OwnEmbeddings;
use super::parts::Ranks;
use crate::data::Interactions;
use crate::eval::{Hits, rank_from};
use crate::{Error, Result};

/// Finds the places, up to `depth`, of the held-out items in the rankings of all users. The result is the same on every
/// rank.
pub(super) fn hits(
    ranks: &Ranks,
    own: &OwnEmbeddings,
    seen: &Interactions,
    held_out: &Interactions,
    depth: usize,
) -> Result<Hits> {
    let users = ranks.own_users();
    let d = own.d;
    let items = ranks.gathered(&own.items, &ranks.items.lengths(), d)?;
    let with_truth: Vec<u32> =
        users.clone().filter(|&user| !held_out.of_user(user).is_empty()).map(|user| user as u32).collect();
    let found = match with_truth.is_empty() {
        true => None,
        false => {
            let ranking = rank_from(users.start, &own.users, &items, d, seen, &with_truth, depth)?;
            Some(Hits::of(&ranking, held_out)?)
        }
    };
    drop(items);
    // For each user: the user, the number of held-out items, the number found, and their places.
    let mut message = Vec::new();
    if let Some(found) = &found {
        for (row, (&user, &n)) in found.users().iter().zip(found.n_held_out()).enumerate() {
            let at = found.ranks(row);
            [user, n, at.len() as u32].iter().chain(at).for_each(|x| message.extend(x.to_le_bytes()));
        }
    }
    let all = ranks.world.all_gather_bytes(&message)?.concat();
    let mut numbers = all.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let (mut users, mut n_held_out, mut rows, mut at) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    while let (Some(user), Some(n), Some(n_found)) = (numbers.next(), numbers.next(), numbers.next()) {
        let row = users.len() as u32;
        users.push(user);
        n_held_out.push(n);
        rows.extend(std::iter::repeat_n(row, n_found as usize));
        at.extend(numbers.by_ref().take(n_found as usize));
    }
    if users.is_empty() {
        return Err(Error::Data("nothing is held out for any of the users to evaluate".into()));
    }
    Hits::from_parts(users, n_held_out, &rows, at, depth).map_err(Error::Data)
}
