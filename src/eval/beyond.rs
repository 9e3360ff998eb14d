//! Beyond-accuracy metrics: coverage, evenness, novelty and popularity of recommendation lists.

use super::exposure::Exposure;
use super::ranking::Ranking;
use crate::data::Interactions;
use crate::named::named;
use crate::{Error, Result};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// Share of train interactions that the head of the catalogue accounts for; the other items are the tail.
const HEAD: f64 = 0.8;

/// Which names and definitions to report: programs use the same names for different formulas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dialect {
    /// Names that describe the formula.
    #[default]
    Formula,
    /// Elliot's names and definitions: `Gini` is high if lists are diverse, and the catalogue is the items that occur
    /// in train.
    Elliot,
}

impl Dialect {
    /// Both dialects.
    pub const ALL: &'static [Self] = &[Self::Formula, Self::Elliot];
}

named! {
    Dialect, "dialect":
    Formula => "formula",
    Elliot => "elliot",
}

/// Beyond-accuracy metrics of the first `k` items of each list: coverage, evenness, novelty and popularity.
///
/// ```text
/// coverage_items        number of items in at least one list; coverage_share: divided by |I|
/// gini_concentration    Gini index G of the items' exposure counts (Exposure::gini); gini_diversity: 1 − G
/// entropy_bits          −Σ p_i log₂ p_i of the items' shares of all places; entropy_normalised: divided by log₂ |I|
/// epc                   Σ_r rel_r d_r (1 − n_i / |U|) / Σ_r d_r            d_r = 1 / log₂(r + 1)
/// efd_bits              Σ_r rel_r d_r (−log₂(n_i / Σ n)) / Σ_r d_r
/// arp                   mean of n_i over a list
/// aplt@80               share of tail items in a list
/// ```
///
/// `n_i` is the number of train interactions of item `i`, and `|U|` the number of users with train interactions;
/// `rel_r` is 1 if the item at rank `r` is held out, else 0. The head of the catalogue is the most popular items that
/// together first reach 80 % of all train interactions; the tail is all others. `arp` and `aplt` are means over
/// non-empty lists, `epc` and `efd` over users with held-out items. In `efd` an item without train interactions counts
/// as the least popular item that has some.
///
/// [`Dialect::Elliot`] reports `ItemCoverage`, `Gini` (1 − G), `SEntropy`, `EPC`, `EFD`, `ARP`, `APLT` and `ACLT` (the
/// mean number of tail items in a list). Elliot 0.3.1 takes the items of train as the catalogue, and in `SEntropy`
/// weighs a place by the inverse length of its list. Elliot itself recommends no other items; if a ranking does, they
/// join the catalogue with popularity 0. Where items of equal popularity compete for the end of the head, the lower
/// item id wins.
///
/// ```
/// use viral::data::Interactions;
/// use viral::eval::{BeyondAccuracy, Dialect, rank};
///
/// let train = Interactions::from_pairs(2, 4, &[(0, 0), (1, 0), (1, 1)]);
/// let test = Interactions::from_pairs(2, 4, &[(0, 2), (1, 2)]);
/// let ranking = rank(&[1.0, 1.0], &[0.1, 0.2, 0.9, 0.3], 1, &train, &[0, 1], 2)?;
/// // Both lists are 2, 3: items without train interactions.
/// let found = BeyondAccuracy::of(&ranking, &train, &test, 2, Dialect::Formula)?;
/// assert_eq!((found.get("coverage_share"), found.get("arp"), found.get("aplt@80")), (Some(0.5), Some(0.0), Some(1.0)));
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BeyondAccuracy(Vec<(&'static str, f64)>);

impl BeyondAccuracy {
    /// Computes the metrics of the first `k` items of each list. O(users · k + items log items).
    ///
    /// # Errors
    /// When `k` is 0 or above [`Ranking::k`], all lists are empty, the catalogue has fewer than two items, train has no
    /// interactions, or no ranked user has held-out items.
    ///
    /// # Panics
    /// When train, held-out pairs and ranking differ in their numbers of users or items.
    pub fn of(
        ranking: &Ranking,
        train: &Interactions,
        held_out: &Interactions,
        k: usize,
        dialect: Dialect,
    ) -> Result<Self> {
        let sizes = |x: &Interactions| (x.n_users(), x.n_items());
        assert_eq!(sizes(train), sizes(held_out), "beyond accuracy: train and held out are of other sizes");
        let exposure = Exposure::of(ranking, k, train.n_items())?;
        let popularity = train.item_degrees();
        let lists = Lists::of(ranking, held_out, &popularity, train, k)?;
        Ok(Self(match dialect {
            Dialect::Formula => {
                let (covered, gini, entropy) = (exposure.coverage() as f64, exposure.gini(), exposure.entropy_bits());
                let n = train.n_items() as f64;
                vec![
                    ("coverage_items", covered),
                    ("coverage_share", covered / n),
                    ("gini_concentration", gini),
                    ("gini_diversity", 1.0 - gini),
                    ("entropy_bits", entropy),
                    ("entropy_normalised", entropy / n.log2()),
                    ("epc", lists.epc),
                    ("efd_bits", lists.efd),
                    ("arp", lists.arp),
                    ("aplt@80", lists.tail_share),
                ]
            }
            Dialect::Elliot => {
                let known = exposure.counts().iter().zip(&popularity).filter(|(shown, n)| **shown > 0 || **n > 0);
                let known = Exposure::from_counts(known.map(|(shown, _)| *shown).collect())?;
                vec![
                    ("ItemCoverage", known.coverage() as f64),
                    ("Gini", 1.0 - known.gini()),
                    ("SEntropy", weighted_entropy(ranking, &exposure, k)),
                    ("EPC", lists.epc),
                    ("EFD", lists.efd),
                    ("ARP", lists.arp),
                    ("APLT", lists.tail_share),
                    ("ACLT", lists.tail_count),
                ]
            }
        }))
    }

    /// Names and values, in the order documented for [`BeyondAccuracy`].
    pub fn values(&self) -> &[(&'static str, f64)] {
        &self.0
    }

    /// Returns the value of a metric, or `None` if the dialect has no metric of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|value| value.0 == name).map(|value| value.1)
    }
}

/// Serialises as a map from names to values.
impl Serialize for BeyondAccuracy {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

/// Means over lists.
struct Lists {
    epc: f64,
    efd: f64,
    arp: f64,
    tail_share: f64,
    tail_count: f64,
}

impl Lists {
    fn of(
        ranking: &Ranking,
        held_out: &Interactions,
        popularity: &[u32],
        train: &Interactions,
        k: usize,
    ) -> Result<Self> {
        let n_pairs = train.n_pairs();
        if n_pairs == 0 {
            return Err(Error::Data("without train interactions nothing is known of items' popularity".into()));
        }
        let n_users = (0..train.n_users()).filter(|&user| !train.of_user(user).is_empty()).count() as f64;
        let is_head = head(popularity, n_pairs);
        let least = popularity.iter().filter(|n| **n > 0).min().map_or(1.0, |&n| f64::from(n));
        let (mut sums, mut n_lists, mut n_judged) = ([0f64; 5], 0usize, 0usize);
        for (row, &user) in ranking.users().iter().enumerate() {
            let items = &ranking.items(row)[..k.min(ranking.items(row).len())];
            let truth = held_out.of_user(user as usize);
            let (mut complement, mut discovery, mut discounts, mut taken, mut n_tail) = (0.0, 0.0, 0.0, 0.0, 0usize);
            for (&item, rank) in items.iter().zip(1..) {
                let n = f64::from(popularity[item as usize]);
                let discount = 1.0 / f64::from(rank + 1).log2();
                if truth.binary_search(&item).is_ok() {
                    complement += discount * (1.0 - n / n_users);
                    discovery -= discount * (n.max(least) / n_pairs as f64).log2();
                }
                discounts += discount;
                taken += n;
                n_tail += usize::from(!is_head[item as usize]);
            }
            if !items.is_empty() {
                n_lists += 1;
                sums[2] += taken / items.len() as f64;
                sums[3] += n_tail as f64 / items.len() as f64;
                sums[4] += n_tail as f64;
            }
            if !truth.is_empty() {
                n_judged += 1;
                if discounts > 0.0 {
                    sums[0] += complement / discounts;
                    sums[1] += discovery / discounts;
                }
            }
        }
        if n_judged == 0 {
            return Err(Error::Data("nothing is held out for any of the users to evaluate".into()));
        }
        let [epc, efd] = [sums[0], sums[1]].map(|sum| sum / n_judged as f64);
        let [arp, tail_share, tail_count] = [sums[2], sums[3], sums[4]].map(|sum| sum / n_lists as f64);
        Ok(Self { epc, efd, arp, tail_share, tail_count })
    }
}

/// Marks the head items: by falling popularity, up to and including the item that reaches the share `HEAD`.
fn head(popularity: &[u32], n_pairs: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..popularity.len()).collect();
    order.sort_by_key(|&item| std::cmp::Reverse(popularity[item]));
    let (mut is_head, mut left) = (vec![false; popularity.len()], HEAD * n_pairs as f64);
    for item in order {
        if left <= 0.0 {
            break;
        }
        is_head[item] = true;
        left -= f64::from(popularity[item]);
    }
    is_head
}

/// `Σ_i w_i (−log₂ p_i) / |U|` with `w_i` the sum of `1 / |list|` over the lists that item `i` stands in.
fn weighted_entropy(ranking: &Ranking, exposure: &Exposure, k: usize) -> f64 {
    let (counts, total) = (exposure.counts(), exposure.total() as f64);
    let of_list = |row: usize| {
        let items = &ranking.items(row)[..k.min(ranking.items(row).len())];
        let bits = items.iter().map(|&item| -(counts[item as usize] as f64 / total).log2());
        bits.sum::<f64>() / items.len().max(1) as f64
    };
    let n = ranking.users().len();
    (0..n).map(of_list).sum::<f64>() / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::rank_scores;

    /// Five users and eight items. Item 7 is in no train pair and in no list.
    fn toy() -> (Ranking, Interactions, Interactions) {
        let train = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 3), (2, 0), (2, 1), (2, 4), (3, 0), (3, 5), (4, 1), (4, 6)];
        let train = Interactions::from_pairs(5, 8, &train);
        // User 4 has nothing held out.
        let test = Interactions::from_pairs(5, 8, &[(0, 3), (1, 1), (1, 2), (2, 5), (3, 1), (3, 7)]);
        let lists: [&[usize]; 5] = [&[3, 4, 5], &[1, 2, 4], &[3, 2, 5], &[1, 2, 3], &[0, 2, 3]];
        let mut scores = vec![0f32; 40];
        for (user, list) in lists.iter().enumerate() {
            list.iter().enumerate().for_each(|(rank, &item)| scores[user * 8 + item] = 9.0 - rank as f32);
        }
        (rank_scores(&scores, &train, &[0, 1, 2, 3, 4], 3).unwrap(), train, test)
    }

    fn assert_values(found: &BeyondAccuracy, expected: &[(&str, f64)]) {
        assert_eq!(found.values().len(), expected.len());
        for ((name, found), (expected_name, expected)) in found.values().iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!((found - expected).abs() < 1e-12, "{name}: {found} for {expected}");
        }
    }

    #[test]
    fn a_small_example_by_formula_and_in_elliots_numbers() {
        let (ranking, train, test) = toy();
        // Lists 3 4 5 | 1 2 4 | 3 2 5 | 1 2 3 | 0 2 3, so the items hold 1, 2, 4, 4, 2, 2, 0 and 0 of fifteen places.
        // Train counts are 4, 3, 1, 1, 1, 1, 1, 0 of twelve: the head is 0, 1, 2, 3 and 4, which reach 0.8 · 12 = 9.6 with 10.
        let log = f64::log2;
        let [d1, d2, d3] = [1.0, 1.0 / log(3.0), 0.5];
        let discounts = d1 + d2 + d3;
        // Ascending 0 0 1 2 2 2 4 4 with weights -7, -5, …, 7.
        let gini = (-3.0 - 2.0 + 2.0 + 2.0 * 3.0 + 4.0 * 5.0 + 4.0 * 7.0) / (7.0 * 15.0);
        let term = |count: f64| -(count / 15.0) * log(count / 15.0);
        let entropy = term(1.0) + 3.0 * term(2.0) + 2.0 * term(4.0);
        // Hits: user 0 item 3 at 1; user 1 items 1 and 2 at 1 and 2; user 2 item 5 at 3; user 3 item 1 at 1. |U| is 5.
        let [once, thrice] = [1.0 - 1.0 / 5.0, 1.0 - 3.0 / 5.0];
        let epc = (d1 * once + (d1 * thrice + d2 * once) + d3 * once + d1 * thrice) / discounts / 4.0;
        let [once, thrice] = [log(12.0), log(4.0)];
        let efd = (d1 * once + (d1 * thrice + d2 * once) + d3 * once + d1 * thrice) / discounts / 4.0;
        let arp = (3.0 + 5.0 + 3.0 + 5.0 + 6.0) / 3.0 / 5.0;
        let aplt = (1.0 / 3.0 + 1.0 / 3.0) / 5.0; // item 5 in the lists of users 0 and 2
        let found = BeyondAccuracy::of(&ranking, &train, &test, 3, Dialect::Formula).unwrap();
        assert_values(
            &found,
            &[
                ("coverage_items", 6.0),
                ("coverage_share", 0.75),
                ("gini_concentration", gini),
                ("gini_diversity", 1.0 - gini),
                ("entropy_bits", entropy),
                ("entropy_normalised", entropy / 3.0),
                ("epc", epc),
                ("efd_bits", efd),
                ("arp", arp),
                ("aplt@80", aplt),
            ],
        );
        // For Elliot the catalogue has seven items: 0 1 2 2 2 4 4 with weights -6, -4, …, 6.
        let gini = (-4.0 - 2.0 * 2.0 + 2.0 * 2.0 + 4.0 * 4.0 + 4.0 * 6.0) / (6.0 * 15.0);
        let found = BeyondAccuracy::of(&ranking, &train, &test, 3, Dialect::Elliot).unwrap();
        assert_values(
            &found,
            &[
                ("ItemCoverage", 6.0),
                ("Gini", 1.0 - gini),
                ("SEntropy", entropy), // lists are equally long
                ("EPC", epc),
                ("EFD", efd),
                ("ARP", arp),
                ("APLT", aplt),
                ("ACLT", 2.0 / 5.0),
            ],
        );
        assert_eq!(serde_json::to_value(&found).unwrap()["ItemCoverage"], 6.0);
    }

    #[test]
    fn in_elliots_entropy_short_lists_weigh_as_much_as_long_ones() {
        // User 0 has one item left, user 1 two.
        let train = Interactions::from_pairs(2, 3, &[(0, 0), (0, 1), (1, 0)]);
        let ranking = rank_scores(&[1.0; 6], &train, &[0, 1], 2).unwrap();
        assert_eq!((ranking.items(0), ranking.items(1)), (&[2][..], &[1, 2][..]));
        let test = Interactions::from_pairs(2, 3, &[(0, 2)]);
        let of = |dialect, name| BeyondAccuracy::of(&ranking, &train, &test, 2, dialect).unwrap().get(name).unwrap();
        let (third, two_thirds) = (3f64.log2(), 1.5f64.log2());
        assert!((of(Dialect::Formula, "entropy_bits") - (third / 3.0 + two_thirds * 2.0 / 3.0)).abs() < 1e-12);
        let expected = (two_thirds + (third + two_thirds) / 2.0) / 2.0;
        assert!((of(Dialect::Elliot, "SEntropy") - expected).abs() < 1e-12);
        // Item 2 has no train interactions: it counts like item 1, which has one, and still belongs to the catalogue.
        assert!((of(Dialect::Elliot, "EFD") - third).abs() < 1e-12);
        assert_eq!(of(Dialect::Elliot, "ItemCoverage"), 2.0);
    }

    #[test]
    fn useless_questions_are_errors() {
        let (ranking, train, test) = toy();
        let none = Interactions::from_pairs(5, 8, &[]);
        let message =
            |train, test, k| BeyondAccuracy::of(&ranking, train, test, k, Dialect::Formula).unwrap_err().to_string();
        assert!(message(&train, &test, 0).contains("cutoff is 0") && message(&train, &test, 4).contains("cutoff is 4"));
        assert!(message(&train, &none, 3).contains("nothing is held out"));
        assert!(message(&none, &test, 3).contains("without train interactions"));
        assert!("warprec".parse::<Dialect>().unwrap_err().to_string().contains("formula, elliot"));
    }
}
