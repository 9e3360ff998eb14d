//! Loader, graphs, masking, ranking and metrics end to end on real data, without training.

use crate::golden;
use serde_json::Value;
use std::collections::BTreeMap;
use viral::data::{Dataset, Interactions};
use viral::eval::{Metric, Metrics, evaluate, rank_scores};
use viral::graph::{bipartite_adjacency, cooccurrence_counts};

fn close(what: &str, found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what} is missing in baby_stats.json"));
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what}: {found} for {expected}");
}

fn exact(what: &str, found: usize, expected: &Value) {
    assert_eq!(Some(found as u64), expected.as_u64(), "{what}");
}

/// Lower, middle (the mean of two where their number is even) and upper value.
fn min_median_max(mut values: Vec<usize>) -> [f64; 3] {
    values.sort_unstable();
    let n = values.len();
    [values[0] as f64, (values[(n - 1) / 2] + values[n / 2]) as f64 / 2.0, values[n - 1] as f64]
}

/// Every number of `baby_stats.json`, from the files that `VIRAL_DATA` names.
#[test]
#[ignore = "needs VIRAL_DATA, the folder of the real data sets"]
fn replay_baby_stats() {
    let stats = golden::json("baby_stats.json");
    let dataset = Dataset::read(golden::real_data().join("baby")).unwrap();
    let train = &dataset.train.interactions;
    counts(&stats, &dataset);
    cooccurrence(&stats, train);
    propagation(&stats["propagation"], train);
    for (name, held_out) in [("valid", &dataset.valid), ("test", &dataset.test)] {
        popularity(&stats["popularity"][name], train, held_out);
        linear_filter(&stats["linear_filter"][name], train, held_out);
    }
}

fn counts(stats: &Value, dataset: &Dataset) {
    let train = &dataset.train.interactions;
    exact("n_users", train.n_users(), &stats["n_users"]);
    exact("n_items", train.n_items(), &stats["n_items"]);
    exact("n_train", train.n_pairs(), &stats["n_train"]);
    exact("n_val", dataset.valid.n_pairs(), &stats["n_val"]);
    exact("n_test", dataset.test.n_pairs(), &stats["n_test"]);
    let degrees = |degrees: Vec<u32>| degrees.into_iter().map(|d| d as usize).collect::<Vec<_>>();
    let (users, items) = (degrees(train.user_degrees()), degrees(train.item_degrees()));
    let cold: Vec<usize> = (0..items.len()).filter(|&i| items[i] == 0).collect();
    assert_eq!(serde_json::json!(cold), stats["items_without_train"]);
    for (name, degrees) in [("user_degree_min_med_max", users), ("item_degree_min_med_max", items)] {
        for (at, found) in min_median_max(degrees).into_iter().enumerate() {
            close(name, found, &stats[name][at], 0.0);
        }
    }
}

fn cooccurrence(stats: &Value, train: &Interactions) {
    let graph = cooccurrence_counts(train, train.n_users());
    let expected = &stats["user_cooccurrence"];
    exact("nnz", graph.nnz(), &expected["nnz"]);
    close("sum_counts", graph.data().iter().map(|&c| f64::from(c)).sum(), &expected["sum_counts"], 0.0);
    close("max_count", graph.data().iter().fold(0.0, |max, &c| f64::from(c).max(max)), &expected["max_count"], 0.0);
    let mut histogram: BTreeMap<String, u64> = BTreeMap::new();
    graph.data().iter().for_each(|count| *histogram.entry(count.to_string()).or_default() += 1);
    assert_eq!(serde_json::json!(histogram), expected["hist_counts"]);
    let lengths: Vec<usize> = graph.outer_iterator().map(|row| row.nnz()).collect();
    let below = |n: usize| lengths.iter().filter(|&&length| length < n).count();
    exact("users_with_0", below(1), &expected["users_with_0"]);
    exact("users_lt10", below(10), &expected["users_lt10"]);
    exact("users_lt40", below(40), &expected["users_lt40"]);
    let [_, median, max] = min_median_max(lengths);
    close("median_neighbours", median, &expected["median_neighbours"], 0.0);
    close("max_neighbours", max, &expected["max_neighbours"], 0.0);
    // A row is cut at a tie when its k-th and its next count are equal.
    for (k, share) in stats["user_topk_boundary_tie_share"].as_object().unwrap() {
        let k: usize = k.parse().unwrap();
        let is_tied = |counts: &[f32]| {
            let mut counts = counts.to_vec();
            counts.sort_by(|a, b| b.total_cmp(a));
            counts.len() > k && counts[k - 1] == counts[k]
        };
        let tied = graph.outer_iterator().filter(|row| is_tied(row.data())).count();
        close("user_topk_boundary_tie_share", tied as f64 / train.n_users() as f64, share, 1e-12);
    }
}

fn propagation(expected: &Value, train: &Interactions) {
    let graph = bipartite_adjacency(train, 0.0);
    let (n, width) = (graph.rows(), 4);
    let start: Vec<f64> =
        (0..n * width).map(|at| (0.37 * (at / width + 1) as f64 * (at % width + 1) as f64).cos()).collect();
    let mut layers = vec![start];
    for l in 0..3 {
        let mut next = vec![0f64; n * width];
        for (&value, (i, j)) in graph.iter() {
            for c in 0..width {
                next[i * width + c] += f64::from(value) * layers[l][j * width + c];
            }
        }
        layers.push(next);
    }
    for (l, layer) in layers.iter().enumerate() {
        close("sum_abs_per_layer", layer.iter().map(|x| x.abs()).sum(), &expected["sum_abs_per_layer"][l], 1e-5);
        let norm = layer.iter().map(|x| x * x).sum::<f64>().sqrt();
        close("frobenius_per_layer", norm, &expected["frobenius_per_layer"][l], 1e-5);
    }
    let sum_of = |row: usize, c: usize, n_layers: usize| -> f64 {
        layers[..=n_layers].iter().map(|layer| layer[row * width + c]).sum()
    };
    for c in 0..width {
        let checks = [
            ("mean_agg_L3_user0", sum_of(0, c, 3) / 4.0),
            ("sum_agg_L2_item0", sum_of(train.n_users(), c, 2)),
            ("mean_agg_L3_last_item", sum_of(n - 1, c, 3) / 4.0),
        ];
        for (name, found) in checks {
            close(name, found, &expected[name][c], 1e-5);
        }
    }
}

const CUTOFFS: [usize; 4] = [5, 10, 20, 50];

/// Every item scored by its users in train: factors of width 1.
fn popularity(expected: &Value, train: &Interactions, held_out: &Interactions) {
    let items: Vec<f32> = train.item_degrees().into_iter().map(|degree| degree as f32).collect();
    let metrics = evaluate(&vec![1.0; train.n_users()], &items, 1, train, held_out, &CUTOFFS).unwrap();
    for (name, value) in expected.as_object().unwrap() {
        let (metric, k) = name.split_once('@').unwrap();
        let found = metrics.mean(metric.parse().unwrap(), k.parse().unwrap());
        close(&format!("popularity {name}"), found, value, 1e-10);
    }
}

/// `R Rnᵀ Rn` with `Rn = D_u^-1/2 R D_i^-1/2`, in `f64`, a few hundred users at a time.
fn linear_filter(expected: &Value, train: &Interactions, held_out: &Interactions) {
    let (n_users, n_items) = (train.n_users(), train.n_items());
    let users_of_item = {
        let mut users = vec![Vec::new(); n_items];
        train.pairs().for_each(|(user, item)| users[item as usize].push(user as usize));
        users
    };
    let root = |degree: usize| 1.0 / (degree as f64).sqrt();
    // G[i, j] = Σ_u Rn[u, i] Rn[u, j], dense rows of it on demand.
    let row = |item: usize| {
        let mut row = vec![0f64; n_items];
        for &user in &users_of_item[item] {
            let share = root(users_of_item[item].len()) / train.of_user(user).len() as f64;
            train.of_user(user).iter().for_each(|&j| row[j as usize] += share * root(users_of_item[j as usize].len()));
        }
        row
    };
    let filter: Vec<Vec<(u32, f64)>> = (0..n_items)
        .map(|i| row(i).into_iter().enumerate().filter(|x| x.1 != 0.0).map(|(j, x)| (j as u32, x)).collect())
        .collect();
    let users: Vec<u32> = (0..n_users as u32).collect();
    let mut sums: BTreeMap<String, (f64, usize)> = BTreeMap::new();
    for block in users.chunks(500) {
        let mut scores = Vec::with_capacity(block.len() * n_items);
        for &user in block {
            let mut row = vec![0f64; n_items];
            for &item in train.of_user(user as usize) {
                filter[item as usize].iter().for_each(|&(j, x)| row[j as usize] += x);
            }
            scores.extend(row.into_iter().map(|x| x as f32));
        }
        let ranking = rank_scores(&scores, train, block, 50).unwrap();
        let metrics = Metrics::of(&ranking, held_out, &CUTOFFS).unwrap();
        for &metric in Metric::ALL {
            for k in CUTOFFS {
                let values = metrics.per_user(metric, k);
                let sum = sums.entry(format!("{metric}@{k}")).or_default();
                *sum = (sum.0 + values.iter().sum::<f64>(), sum.1 + values.len());
            }
        }
    }
    for (name, value) in expected.as_object().unwrap() {
        let (sum, n) = sums[name];
        // Equal scores differ by rounding, here and in the golden run, so a few pairs of items change places.
        close(&format!("linear_filter {name}"), sum / n as f64, value, 2e-4);
    }
}
