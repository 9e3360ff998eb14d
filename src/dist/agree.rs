//! Agreement of all ranks: on settings and data, and on errors.

use super::Collective;
use crate::data::Dataset;
use crate::recipe::Recipe;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Returns each rank's own value, or on all ranks the error of the first rank that failed, with its number. So no rank
/// waits for one that has given up.
///
/// ```
/// use viral::Error;
/// use viral::dist::{Collective, Threads, all_or_none};
///
/// let found = Threads::run(2, |rank| {
///     let read = if rank.rank() == 1 { Err(Error::Data("no such folder".into())) } else { Ok("data") };
///     all_or_none(rank, read)
/// });
/// for found in found {
///     assert_eq!(found.unwrap_err().to_string(), "rank 1: no such folder");
/// }
/// ```
///
/// # Errors
/// The error of the first rank that failed, or an error if a rank is gone.
pub fn all_or_none<T>(world: &dyn Collective, own: Result<T>) -> Result<T> {
    if world.size() == 1 {
        return own;
    }
    let message = own.as_ref().err().map(ToString::to_string);
    let message = serde_json::to_vec(&message).map_err(|e| Error::Data(e.to_string()))?;
    let all = world.all_gather_bytes(&message)?;
    let failed = all.iter().enumerate().find_map(|(rank, bytes)| {
        let message: Option<String> = serde_json::from_slice(bytes).unwrap_or(Some("cannot be understood".into()));
        message.map(|message| (rank, message))
    });
    match failed {
        None => own,
        Some((rank, message)) => Err(Error::Data(format!("rank {rank}: {message}"))),
    }
}

/// Everything that the bits of a run depend on, besides its code.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Alike {
    version: String,
    data: String,
    recipe: String,
    /// Whether multiply-add rounds once.
    fused: bool,
}

/// Checks that every rank has the version, data, settings and arithmetic of rank 0.
///
/// # Errors
/// The same on every rank: which rank differs, and in what.
pub(super) fn check_alike(world: &dyn Collective, recipe: &Recipe, data: &Dataset) -> Result<()> {
    let own = Alike {
        version: env!("CARGO_PKG_VERSION").to_string(),
        data: data.fingerprint(),
        recipe: recipe.to_toml()?,
        fused: crate::linalg::is_fused(),
    };
    check_same(world, &own)
}

fn check_same(world: &dyn Collective, own: &Alike) -> Result<()> {
    let own = serde_json::to_vec(own).map_err(|e| Error::Data(e.to_string()))?;
    let all = world.all_gather_bytes(&own)?;
    let all = all.iter().enumerate().map(|(rank, bytes)| {
        let stranger =
            |_| Error::Data(format!("rank {rank} says nothing that this version understands; start the same program"));
        serde_json::from_slice::<Alike>(bytes).map_err(stranger)
    });
    let all: Vec<Alike> = all.collect::<Result<_>>()?;
    let first = &all[0];
    let other = |is_other: &dyn Fn(&Alike) -> bool| all.iter().position(is_other);
    if let Some(rank) = other(&|it| it.version != first.version) {
        let (found, wanted) = (&all[rank].version, &first.version);
        return Err(Error::Config(format!(
            "rank {rank} is version {found}, and rank 0 version {wanted}; start the same program"
        )));
    }
    if let Some(rank) = other(&|it| it.data != first.data) {
        let (found, wanted) = (&all[rank].data, &first.data);
        return Err(Error::Data(format!(
            "rank {rank} has other data than rank 0, {found:.8} and not {wanted:.8}; give all of them the same"
        )));
    }
    if let Some(rank) = other(&|it| it.recipe != first.recipe) {
        let lines = all[rank].recipe.lines().zip(first.recipe.lines()).find(|(found, wanted)| found != wanted);
        let (found, wanted) = lines.unwrap_or(("more settings", "fewer"));
        return Err(Error::Config(format!(
            "rank {rank} has other settings than rank 0: '{found}' and not '{wanted}'; start all with the same"
        )));
    }
    if let Some(rank) = other(&|it| it.fused != first.fused) {
        return Err(Error::Config(format!(
            "the processors of rank {rank} and rank 0 round products differently (one has fused multiply-add and one has not), so \
             that bits would depend on which rank has which rows; use machines of one kind"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::Threads;

    #[test]
    fn a_rank_with_something_else_is_refused_by_name_on_all_ranks() {
        let same = || Alike { version: "1".into(), data: "abc".into(), recipe: "x = 1\ny = 2\n".into(), fused: true };
        let refused = |other: Alike, words: &[&str]| {
            let found = Threads::run(3, |world| match world.rank() {
                2 => check_same(world, &other),
                _ => check_same(world, &same()),
            });
            for found in found {
                let message = found.unwrap_err().to_string();
                assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
            }
        };
        assert!(Threads::run(3, |world| check_same(world, &same())).into_iter().all(|found| found.is_ok()));
        refused(Alike { version: "2".into(), ..same() }, &["rank 2 is version 2, and rank 0 version 1"]);
        refused(Alike { data: "abd".into(), ..same() }, &["rank 2 has other data", "abd and not abc"]);
        refused(
            Alike { recipe: "x = 1\ny = 3\n".into(), ..same() },
            &["rank 2 has other settings", "'y = 3' and not 'y = 2'"],
        );
        refused(Alike { fused: false, ..same() }, &["rank 2", "fused multiply-add"]);
    }
}
