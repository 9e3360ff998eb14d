//! Data sets made from events in memory, held to the same events in a file.

use std::fmt::Display;
use viral::data::{Counts, Dataset, InteractionLog, LogEvent, ReadOptions, SplitPolicy, splitmix64};
use viral::{Error, Result};

const POLICIES: [SplitPolicy; 3] = [SplitPolicy::Random { seed: 5 }, SplitPolicy::Temporal, SplitPolicy::Everything];

/// 250 events of 20 users and 15 items, with few distinct times; no pair twice.
fn events() -> Vec<(u64, u64, f64)> {
    let mut seen = std::collections::HashSet::new();
    let draws = (0u64..).map(splitmix64).map(|bits| (bits % 20, bits / 1000 % 15, (bits / 1_000_000 % 6) as f64));
    draws.filter(|&(user, item, _)| seen.insert((user, item))).take(250).collect()
}

fn log<U: Display, I: Display>(events: impl IntoIterator<Item = (U, I, f64)>) -> InteractionLog {
    events.into_iter().map(|(user, item, time)| LogEvent::new(user, item).at(time)).collect()
}

/// The same events as a file.
fn from_file(events: &[(String, String, f64)], split: SplitPolicy) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = events.iter().map(|(user, item, time)| format!("{user}\t{item}\t{time}\n")).collect();
    std::fs::write(folder.path().join("log.inter"), format!("user\titem\ttime\n{rows}")).unwrap();
    Dataset::read_with(folder.path(), &ReadOptions::new().with_name("log").with_split(split)).unwrap()
}

/// The pairs of the three parts by external ids, sorted.
fn by_id(data: &Dataset) -> [Vec<(String, String)>; 3] {
    [&data.train.interactions, &data.valid, &data.test].map(|part| {
        let name =
            |(user, item): (u32, u32)| (data.user_ids[user as usize].clone(), data.item_ids[item as usize].clone());
        let mut pairs: Vec<_> = part.pairs().map(name).collect();
        pairs.sort();
        pairs
    })
}

fn message<T>(result: Result<T>) -> String {
    match result.err() {
        Some(error @ (Error::Data(_) | Error::Config(_))) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_equals_the_file_with_the_same_events() -> Result<()> {
    for split in POLICIES {
        let numbers = log(events()).into_dataset("log", split)?.0;
        let rows: Vec<_> =
            events().into_iter().map(|(user, item, t)| (user.to_string(), item.to_string(), t)).collect();
        let file = from_file(&rows, split);
        assert_eq!((numbers.fingerprint(), &numbers.user_ids), (file.fingerprint(), &file.user_ids), "{split}");
        assert_eq!(numbers.item_ids, file.item_ids);
        let rows: Vec<_> =
            rows.into_iter().map(|(user, item, t)| (format!("u{user}"), format!("i{item}"), t)).collect();
        let file = from_file(&rows, split);
        let names = log(rows).into_dataset("log", split)?.0;
        assert_eq!((names.fingerprint(), names.item_ids), (file.fingerprint(), file.item_ids), "{split}");
    }
    Ok(())
}

#[test]
fn pairs_alone_are_split_as_events_are() -> Result<()> {
    for split in [SplitPolicy::Random { seed: 5 }, SplitPolicy::Random { seed: 6 }, SplitPolicy::Everything] {
        let pairs = events().into_iter().map(|(user, item, _)| (user, item));
        let data = Dataset::from_log("log", pairs, split)?;
        assert_eq!(data.fingerprint(), log(events()).into_dataset("log", split)?.0.fingerprint());
    }
    let of = |seed| {
        let pairs = events().into_iter().map(|(user, item, _)| (user, item));
        Dataset::from_log("log", pairs, SplitPolicy::Random { seed }).unwrap().fingerprint()
    };
    assert_ne!(of(5), of(6));
    Ok(())
}

/// Neither the order of the events nor the size of the ids decides between equal times.
#[test]
fn a_temporal_split_depends_neither_on_the_order_of_the_log_nor_on_ids() -> Result<()> {
    let split = |events: Vec<(u64, u64, f64)>| -> Result<[Vec<(String, String)>; 3]> {
        Ok(by_id(&log(events).into_dataset("log", SplitPolicy::Temporal)?.0))
    };
    let plain = split(events())?;
    assert_eq!(split(events().into_iter().rev().collect())?, plain);
    // 200 users with ten items each on one day: every item is in test about as often.
    let day = (0..2000).map(|i| (i / 10, i % 10, 1.0)).collect();
    let mut counts = [0; 10];
    split(day)?[2].iter().for_each(|(_, item)| counts[item.parse::<usize>().unwrap()] += 1);
    // Binomial(200, 0.1) has a standard deviation of 4.2: five of them.
    assert!(counts.iter().all(|&n: &i32| n.abs_diff(20) < 22), "{counts:?}");
    Ok(())
}

#[test]
fn repeated_pairs_and_low_ratings_are_counted() -> Result<()> {
    let event = |user: &str, item: &str, time: f64, rating: f64| LogEvent::new(user, item).at(time).rated(rating);
    let events = [
        event("ann", "cup", 9.0, 5.0),
        event("ann", "cot", 5.0, 5.0),
        event("ann", "bib", 4.0, 5.0),
        event("ann", "cup", 1.0, 4.0), // the earliest: this one counts
        event("ann", "cot", 5.0, 4.5), // at the same time: the first counts
        event("zoe", "lamp", 1.0, 3.9),
        event("ann", "cot", 0.0, 1.0), // the earliest, but too low
    ];
    let log: InteractionLog = events.into_iter().collect();
    let (data, report) = log.clone().with_min_rating(4.0).into_dataset("shop", SplitPolicy::Temporal)?;
    let pair = |item: &str| vec![("ann".to_string(), item.to_string())];
    assert_eq!(by_id(&data), [pair("cup"), pair("bib"), pair("cot")]);
    // Zoe and the lamp are gone with their only event; ids are in the order of the events that count.
    assert_eq!((data.user_ids.join(" "), data.item_ids.join(" ")), ("ann".into(), "cot bib cup".into()));
    assert_eq!((report.events, report.below_threshold, report.repeated, report.interactions), (7, 2, 2, 3));
    assert_eq!(report.to_string(), "7 events, 2 rated below 4, 2 repeated: 3 interactions of 1 users and 3 items");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<viral::data::LogReport>(&json).unwrap(), report);

    // Without a threshold, ratings do not matter.
    let (data, report) = log.clone().into_dataset("shop", SplitPolicy::Everything)?;
    assert_eq!((data.n_users(), report.below_threshold, report.repeated), (2, 0, 3));
    let listed = log.with_items(["mug", "cup"]).into_dataset("shop", SplitPolicy::Everything)?;
    assert_eq!(listed.0.item_ids[..2], ["mug", "cup"]);
    assert_eq!((listed.1.items, listed.1.items_without_interactions), (5, 1));
    let shown = listed.1.to_string();
    assert!(shown.ends_with("4 interactions of 2 users and 5 items, 1 of them without interactions"), "{shown}");
    Ok(())
}

#[test]
fn everything_is_in_train() -> Result<()> {
    let data = Dataset::from_log("shop", [("ann", "cup"), ("zoe", "cup"), ("ann", "cup")], SplitPolicy::Everything)?;
    let expected = Counts {
        n_users: 2,
        n_items: 1,
        n_train: 2,
        n_valid: 0,
        n_test: 0,
        users_without_train: 0,
        items_without_train: 0,
    };
    assert_eq!(data.counts(), expected);
    Ok(())
}

#[test]
fn logs_that_cannot_be_used_are_explained() {
    let random = SplitPolicy::Random { seed: 0 };
    let of = |event: LogEvent, split| {
        let log: InteractionLog = [LogEvent::new("ann", "cup").at(1.0), event].into_iter().collect();
        message(log.into_dataset("shop", split))
    };
    let event = || LogEvent::new("zoe", "cot");
    let units: InteractionLog = [LogEvent::new("ann", "cup").at(1.4e9), event().at(1.4e12)].into_iter().collect();
    let mixed = message(units.into_dataset("shop", random));
    for (found, words) in [
        (message(Dataset::from_log("shop", Vec::<(u8, u8)>::new(), random)), "the log has no events"),
        (message(Dataset::from_log("shop", [("ann", "cup")], SplitPolicy::ByLabel)), "no labels"),
        (
            message(Dataset::from_log("shop", [("ann", "cup")], SplitPolicy::Temporal)),
            "event 0 (user 'ann', item 'cup'",
        ),
        (message(Dataset::from_log("shop", [("ann", "cup"), ("ann", "cot")], random)), "no valid part among 2"),
        (message(Dataset::from_log("shop", [("", "cup")], random)), "an empty id"),
        (message(Dataset::from_log("shop", [(" ", "cup")], random)), "an empty id"),
        (
            message(Dataset::from_log("shop", [("ann", "cup"), ("ann ", "cot")], random)),
            "user `ann ` is `ann` of an earlier",
        ),
        (
            message(Dataset::from_log("shop", [("ann", " cup"), ("bob", "cup")], random)),
            "item `cup` is ` cup` of an earlier",
        ),
        (of(event(), SplitPolicy::Temporal), "event 1 (user 'zoe', item 'cot', counted from 0): it has no time"),
        (mixed, "event 1 (counted from 0): its time is in milliseconds, and others in seconds"),
        (of(event().at(f64::NAN), random), "event 1 (user 'zoe', item 'cot', counted from 0): its time or rating"),
        (of(event().rated(f64::INFINITY), random), "not a finite number"),
        (message(InteractionLog::new().with_items([""]).into_dataset("shop", random)), "empty id"),
        (message(InteractionLog::new().with_min_rating(f64::NAN).into_dataset("shop", random)), "not a finite number"),
    ] {
        assert!(found.starts_with("data set shop: ") && found.contains(words), "{found}");
    }
    let rated = |rating: Option<f64>| {
        let mut log = InteractionLog::new().with_min_rating(4.0);
        log.push(rating.map_or(event(), |rating| event().rated(rating)));
        message(log.into_dataset("shop", SplitPolicy::Everything))
    };
    assert!(rated(None).contains("it has no rating"));
    assert!(rated(Some(3.0)).contains("none of 1 events is rated high enough"));
}
