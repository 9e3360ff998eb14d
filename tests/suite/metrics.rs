//! Ranking and metrics against the golden values of MMRec's evaluator, with ties and without.

use crate::golden;
use viral::data::Interactions;
use viral::eval::{Metric, Metrics, rank_scores};

fn interactions(n_users: usize, n_items: usize, users: &[i64], items: &[i64]) -> Interactions {
    let pairs: Vec<(u32, u32)> = users.iter().zip(items).map(|(&u, &i)| (u as u32, i as u32)).collect();
    Interactions::from_pairs(n_users, n_items, &pairs)
}

fn evaluator(name: &str) {
    let golden = golden::load(name);
    let (shape, scores) = golden.f32("scores");
    let (n_users, n_items) = (shape[0], shape[1]);
    let set = |part: &str| {
        interactions(n_users, n_items, &golden.i64(&format!("{part}_u")).1, &golden.i64(&format!("{part}_i")).1)
    };
    let (train, test) = (set("train"), set("test"));
    let values = golden::manifest_values(name);
    let means = values["stable"]["raw"].as_object().unwrap();
    let mut cutoffs: Vec<usize> =
        means.keys().filter_map(|key| key.strip_prefix("recall@")).map(|k| k.parse().unwrap()).collect();
    cutoffs.sort_unstable();

    let (shape, order) = golden.i64("topk_stable_low_id_first");
    let users: Vec<u32> = (0..n_users as u32).collect();
    let ranking = rank_scores(&scores, &train, &users, shape[1]).unwrap();
    for user in 0..n_users {
        // MMRec fills the ranks that are left with masked items; here they stay empty.
        let new = shape[1].min(n_items - train.of_user(user).len());
        let found: Vec<i64> = ranking.items(user).iter().map(|&i| i64::from(i)).collect();
        assert_eq!(found, order[user * shape[1]..][..new], "{name}: user {user}");
    }

    let metrics = Metrics::of(&ranking, &test, &cutoffs).unwrap();
    for &metric in Metric::ALL {
        let (shape, per_user) = golden.f32(&format!("stable.per_user.{metric}"));
        assert_eq!(shape, [metrics.users().len(), cutoffs.len()], "{name}: {metric}");
        for (c, &k) in cutoffs.iter().enumerate() {
            let mean = metrics.mean(metric, k);
            let expected = means[&format!("{metric}@{k}")].as_f64().unwrap();
            assert!((mean - expected).abs() <= 1e-12, "{name}: {metric}@{k} is {mean} for {expected}");
            for (n, found) in metrics.per_user(metric, k).iter().enumerate() {
                let expected = f64::from(per_user[n * cutoffs.len() + c]);
                assert!((found - expected).abs() <= 1e-6, "{name}: {metric}@{k} of user {n}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn mmrecs_evaluator_without_ties() {
    evaluator("metrics_distinct");
}

#[test]
fn mmrecs_evaluator_with_ties() {
    evaluator("metrics_ties");
}
