//! The best of each row, and rankings on a device against those of the CPU.

use super::{matrix, number, numbers};
use crate::devices::{device, on_cpu, tolerance};
use crate::golden::values;
use burn::tensor::{DType, Int, Tensor, TensorData};
use viral::data::{Interactions, splitmix64};
use viral::eval::{Ranking, evaluate, rank};
use viral::model::Embeddings;
use viral::ops::{masked_top_k, reference_masked_top_k};

type TopK = fn(Tensor<2>, Tensor<1, Int>, Tensor<1, Int>, usize) -> (Tensor<2, Int>, Tensor<2>);

fn indices(values: Vec<i32>) -> Tensor<1, Int> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), (&device(), DType::I32))
}

/// Ids and scores, `k` a row, of scores on the device without the `masked` of each row.
fn run(top_k: TopK, scores: Tensor<2>, masked: &[Vec<i32>], k: usize) -> (Vec<i32>, Vec<f32>) {
    let mut row_ptr = vec![0];
    masked.iter().for_each(|row| row_ptr.push(row_ptr[row_ptr.len() - 1] + row.len() as i32));
    let (ids, best) = top_k(scores, indices(row_ptr), indices(masked.concat()), k);
    assert_eq!((ids.dims(), best.dims()), ([masked.len(), k], [masked.len(), k]));
    (ids.into_data().iter().collect(), values(best))
}

/// The definition, written once more.
fn sorted(scores: &[f32], masked: &[Vec<i32>], k: usize) -> (Vec<i32>, Vec<f32>) {
    let (mut ids, mut best) = (Vec::new(), Vec::new());
    for (scores, masked) in scores.chunks(scores.len() / masked.len()).zip(masked) {
        let mut left: Vec<(i32, f32)> =
            (0..).zip(scores.iter().copied()).filter(|x| masked.binary_search(&x.0).is_err()).collect();
        left.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
        left.resize(left.len().max(k), (-1, f32::NEG_INFINITY));
        ids.extend(left[..k].iter().map(|x| x.0));
        best.extend(left[..k].iter().map(|x| x.1));
    }
    (ids, best)
}

/// Row after row a few items, all of them, all but one, and none.
fn masked(rows: usize, n_items: usize) -> Vec<Vec<i32>> {
    let few = |row: usize, item: &i32| splitmix64((row * n_items) as u64 + *item as u64).is_multiple_of(5);
    let of_row = |row: usize| -> Vec<i32> {
        let all = 0..n_items as i32;
        match row % 4 {
            0 => all.filter(|item| few(row, item)).collect(),
            1 => all.collect(),
            2 => all.filter(|&item| item as usize != n_items / 2).collect(),
            _ => Vec::new(),
        }
    };
    (0..rows).map(of_row).collect()
}

fn check(what: &str, scores: Vec<f32>, masked: &[Vec<i32>], k: usize) {
    let n_items = scores.len() / masked.len();
    let on_device = || Tensor::<2>::from_data(TensorData::new(scores.clone(), [masked.len(), n_items]), &device());
    let expected = sorted(&scores, masked, k);
    let what = format!("{what}, [{}, {n_items}], k {k}", masked.len());
    assert_eq!(run(masked_top_k, on_device(), masked, k), expected, "{what}");
    assert_eq!(on_cpu(|| run(reference_masked_top_k, on_device(), masked, k)), expected, "the reference: {what}");
}

#[test]
fn top_k_is_a_full_sort_at_odd_sizes() {
    for n_items in [1, 2, 63, 64, 65, 255, 256, 257, 5000] {
        for rows in [1, 2, 9] {
            for k in [1, 20, 50] {
                check("scores", numbers(n_items as u64, rows * n_items), &masked(rows, n_items), k);
                let all: Vec<Vec<i32>> = vec![(0..n_items as i32).collect(); rows];
                check("everything masked", numbers(1, rows * n_items), &all, k);
            }
        }
    }
    // More than `k` of the best in the share of one unit, and more entries in a share than there are units.
    let every = |n: usize| move |i: usize| if i.is_multiple_of(n) { 1.0 + number(3, i) } else { -2.0 + number(4, i) };
    check("one share", (0..20_000).map(every(256)).collect(), &masked(1, 20_000), 50);
    check("long shares", (0..150_000).map(every(65_536)).collect(), &masked(2, 75_000), 50);
    check("more rows than one axis of a grid has", numbers(5, 65_600 * 2), &masked(65_600, 2), 1);
}

#[test]
fn ties_rank_the_lower_id_first() {
    for n_items in [1, 64, 257, 5000] {
        let few = |i: usize| [-1.5, -0.0, 0.0, 0.25][(splitmix64(i as u64) % 4) as usize];
        for k in [1, 50, 70] {
            check("four values", (0..9 * n_items).map(few).collect(), &masked(9, n_items), k);
            check("one value", vec![-3.0; 9 * n_items], &masked(9, n_items), k);
        }
    }
    let ends = [f32::MIN, f32::MAX, 1e-40, -1e-40, f32::MIN_POSITIVE, 0.0, -f32::MIN_POSITIVE];
    let row: Vec<f32> = (0..300).map(|i| ends[i % ends.len()]).collect();
    check("the ends of the range", [row.clone(), row].concat(), &masked(2, 300), 300);
}

#[test]
fn top_k_of_a_view_leaves_the_scores_of_others_alone() {
    let scores = matrix(1, [300, 7]);
    let rows: Vec<Vec<i32>> = masked(7, 300);
    let before = values(scores.clone());
    let found = run(masked_top_k, scores.clone().transpose(), &rows, 20);
    let transposed: Vec<f32> =
        (0..7).flat_map(|c| (0..300).map(move |r| (r, c))).map(|(r, c)| before[r * 7 + c]).collect();
    assert_eq!(found, sorted(&transposed, &rows, 20));
    let found = run(masked_top_k, scores.clone(), &masked(300, 7), 3);
    assert_eq!(found, sorted(&before, &masked(300, 7), 3));
    assert_eq!(values(scores), before);
}

#[test]
fn scores_that_are_not_finite_rank_first() {
    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut scores = numbers(1, 2 * 600);
        scores[600 + 411] = bad;
        let scores = Tensor::<2>::from_data(TensorData::new(scores, [2, 600]), &device());
        let (ids, best) = run(masked_top_k, scores.clone(), &[vec![], vec![]], 3);
        assert!(ids[3] == 411 && !best[3].is_finite() && best[4].is_finite() && best[0].is_finite(), "{bad}");
        let (ids, best) = run(masked_top_k, scores, &[vec![], vec![411]], 3);
        assert!(!ids.contains(&411) && best.iter().all(|x| x.is_finite()), "{bad} is masked");
    }
}

#[test]
#[should_panic(expected = "masked_top_k: scores are [3, 4] but row_ptr is [3]")]
fn top_k_of_the_wrong_shape_panics_with_both_shapes() {
    let _ = masked_top_k(matrix(0, [3, 4]), indices(vec![0, 0, 0]), indices(vec![]), 1);
}

/// Some seen items for most users, all for one.
fn seen(n_users: usize, n_items: usize) -> Interactions {
    let is = |u: usize, i: usize| {
        u == n_users / 2 || (!u.is_multiple_of(3) && splitmix64((u * n_items + i) as u64).is_multiple_of(9))
    };
    let pairs = (0..n_users).flat_map(|u| (0..n_items).filter(move |&i| is(u, i)).map(move |i| (u as u32, i as u32)));
    Interactions::from_pairs(n_users, n_items, &pairs.collect::<Vec<_>>())
}

fn embeddings(users: &[f32], items: &[f32], d: usize) -> Embeddings {
    let on_device = |x: &[f32]| Tensor::<2>::from_data(TensorData::new(x.to_vec(), [x.len() / d, d]), &device());
    Embeddings::new(on_device(users), on_device(items), "id")
}

/// Scores are within `off` of the expected ones, and ids are equal where no neighbour is so near.
fn check_ranking(found: &Ranking, expected: &Ranking, largest: f32) {
    assert_eq!((found.users(), found.k()), (expected.users(), expected.k()));
    // Sums of floats in any order are as near as on the CPU; those of TF32 are not.
    let allowed = tolerance(1e-5);
    let off = if allowed > 1e-3 { allowed } else { 1e-5 } * largest;
    for row in 0..found.users().len() {
        let (scores, other) = (found.scores(row), expected.scores(row));
        assert_eq!(scores.len(), other.len(), "row {row}");
        let near =
            |a: usize, b: Option<usize>| b.and_then(|b| other.get(b)).is_some_and(|b| (other[a] - b).abs() <= off);
        for r in 0..scores.len() {
            assert!((scores[r] - other[r]).abs() <= off, "row {row}, rank {r}: {} for {}", scores[r], other[r]);
            // What comes after the last rank is not known.
            let tied = near(r, r.checked_sub(1)) || near(r, Some(r + 1)) || r + 1 == found.k();
            assert!(tied || found.items(row)[r] == expected.items(row)[r], "row {row}, rank {r}");
        }
    }
}

#[test]
fn embeddings_rank_as_host_memory_does() {
    for ([n_users, n_items], d) in [([1, 1], 1), ([7, 65], 5), ([40, 257], 64), ([130, 5000], 33), ([6, 90_000], 8)] {
        let (users, items) = (numbers(1, n_users * d), numbers(2, n_items * d));
        let (z, seen) = (embeddings(&users, &items, d), seen(n_users, n_items));
        let backwards: Vec<u32> = (0..n_users as u32).rev().collect();
        for (who, k) in [(&backwards[..], 20), (&backwards[..n_users.div_ceil(2)], 50), (&[], 5), (&backwards, 0)] {
            let expected = rank(&users, &items, d, &seen, who, k).unwrap();
            let largest = expected.users().iter().enumerate().flat_map(|(row, _)| expected.scores(row));
            let largest = largest.fold(0f32, |m, x| m.max(x.abs()));
            check_ranking(&z.rank(&seen, who, k).unwrap(), &expected, largest);
        }
    }
}

/// Small integers have exact products: nothing rounds, and there are ties everywhere. The scores of a block of users take
/// 64 MiB here, and there are more users than one block has.
#[test]
fn rankings_and_metrics_of_exact_vectors_are_those_of_host_memory() {
    for ([n_users, n_items], d) in [([57, 300], 6), ([40, 700_000], 2)] {
        let integers = |tag: u64, n: usize| -> Vec<f32> { numbers(tag, n).iter().map(|x| (x * 4.0).round()).collect() };
        let (users, items) = (integers(1, n_users * d), integers(2, n_items * d));
        let seen =
            if n_items > 1000 { Interactions::from_pairs(n_users, n_items, &[(3, 5)]) } else { seen(n_users, n_items) };
        let pairs: Vec<(u32, u32)> = (0..4 * n_users)
            .map(|p| ((p / 5) as u32, (splitmix64(p as u64) % n_items as u64) as u32))
            .filter(|&(user, item)| !seen.contains(user as usize, item))
            .collect();
        let held_out = Interactions::from_pairs(n_users, n_items, &pairs);
        let z = embeddings(&users, &items, d);
        let everyone: Vec<u32> = (0..n_users as u32).collect();
        let expected = rank(&users, &items, d, &seen, &everyone, 50).unwrap();
        assert_eq!(z.rank(&seen, &everyone, 50).unwrap(), expected);
        let (found, expected) = (
            z.evaluate_against(&seen, &held_out, &[1, 20, 50]).unwrap(),
            evaluate(&users, &items, d, &seen, &held_out, &[1, 20, 50]).unwrap(),
        );
        assert_eq!(found, expected);
        assert!(n_items > 1000 || found.recall(50) > 0.0);
    }
}

#[test]
fn a_diverged_model_is_an_error_on_any_device() {
    let seen = Interactions::from_pairs(3, 4, &[(0, 2), (1, 1)]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let z = embeddings(&[1.0, 2.0, 3.0], &[1.0, bad, 1.0, 1.0], 1);
        let error = z.rank(&seen, &[0, 1], 2).unwrap_err().to_string();
        assert_eq!(error, "the vector of item 1 is not finite: the model diverged");
        assert!(z.evaluate_against(&seen, &Interactions::from_pairs(3, 4, &[(0, 0)]), &[2]).is_err());
    }
    let z = embeddings(&[1e30, 0.0, 0.0], &[1e30; 4], 1);
    let error = z.rank(&seen, &[0], 2).unwrap_err().to_string();
    assert!(error.contains("have no finite score"), "{error}");
}

#[test]
#[should_panic(expected = "rank: ")]
fn vectors_of_other_numbers_of_items_panic() {
    let _ = embeddings(&[1.0, 2.0], &[1.0, 2.0, 3.0], 1).rank(&Interactions::from_pairs(2, 4, &[]), &[0], 1);
}
