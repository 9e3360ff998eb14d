//! From raw catalogues to folders: what is written, and that it is what the library reads.

use crate::support::raw::{folder, review};
use std::path::Path;

use viral::data::{Counts, Dataset, ReadOptions};
use viral_enrich::{BadRows, CatalogueItem, Format, Metadata, Prepare, PrepareStep, Prepared, Repeats, Reviews, Split};

/// Three users with the same three items; one more user and item that no 2-core has room for; a repeat, a bad rating.
fn reviews() -> String {
    let mut text = String::new();
    for (u, user) in ["zoe", "ann", "bob"].into_iter().enumerate() {
        for (i, item) in ["B3", "B1", "B2"].into_iter().enumerate() {
            text += &review(user, item, 5.0, (100 + 10 * u + i) as u64);
        }
    }
    text += &review("ann", "B1", 3.0, 90);
    text += &review("eve", "B1", 1.0, 95);
    text += &review("eve", "B2", 4.0, 96);
    text += &review("bob", "B9", 4.0, 97);
    text
}

const META: &str = r#"{'asin': 'B9', 'title': 'Nobody\'s'}
{'asin': 'B2', 'title': "Baby's \"cup\"", 'brand': 'Klean', 'imUrl': 'http://ecx.images-amazon.com/2.jpg', 'categories': [['Baby', 'Cups']], 'description': 'Two\nlines'}
{'asin': 'B1', 'categories': [['Baby', 'Toys'], ['Baby', 'Gifts']], 'price': 9.99, 'related': {'also_bought': ['B2']}}
"#;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn two_core(folder: &Path) -> Prepare {
    let metadata = Some(Metadata::amazon(folder.join("meta_Toy.json.gz")));
    let reviews = Reviews::amazon(folder.join("reviews_Toy_5.json.gz"));
    Prepare { metadata, k_user: 2, k_item: 2, min_rating: Some(2.0), ..Prepare::new(reviews) }
}

#[test]
fn a_hand_made_catalogue_becomes_the_expected_folder() -> viral::Result<()> {
    let (_folder, path) = folder(&[("reviews_Toy_5.json.gz", &reviews()), ("meta_Toy.json.gz", META)]);
    let out = path.join("toy");
    let mut heard = Vec::new();
    let prepare = Prepare { split: Split::LeaveOneOut, ..two_core(&path) };
    let prepared = prepare.run(&out, |step, done, total| heard.push((step, done, total)))?;

    // eve has one row of rating 2 or more, and B9 one row at all.
    let inter = "userID\titemID\trating\ttimestamp\tx_label\n\
                 0\t0\t3\t90\t0\n0\t1\t5\t112\t2\n0\t2\t5\t110\t1\n\
                 1\t0\t5\t121\t1\n1\t1\t5\t122\t2\n1\t2\t5\t120\t0\n\
                 2\t0\t5\t101\t1\n2\t1\t5\t102\t2\n2\t2\t5\t100\t0\n";
    assert_eq!(read(&out.join("toy.inter")), inter);
    assert_eq!(read(&out.join("u_id_mapping.csv")), "user_id\tuserID\nann\t0\nbob\t1\nzoe\t2\n");
    assert_eq!(read(&out.join("i_id_mapping.csv")), "asin\titemID\nB1\t0\nB2\t1\nB3\t2\n");
    let items = r#"{"id":"B1","title":"","brand":null,"categories":["Baby","Toys","Gifts"],"description":null,"image":null}
{"id":"B2","title":"Baby's \"cup\"","brand":"Klean","categories":["Baby","Cups"],"description":"Two\nlines","image":"http://ecx.images-amazon.com/2.jpg"}
{"id":"B3","title":"","brand":null,"categories":[],"description":null,"image":null}
"#;
    assert_eq!(read(&out.join("items.jsonl")), items);

    assert_eq!((prepared.n_rows, prepared.n_below_min_rating, prepared.n_repeats), (13, 1, 1));
    assert_eq!((prepared.n_outside_core, prepared.n_interactions), (2, [3, 3, 3]));
    assert_eq!((prepared.n_metadata_rows, prepared.bad_metadata.count()), (3, 0));
    let coverage = prepared.coverage;
    assert_eq!((coverage.n_items, coverage.metadata, coverage.title, coverage.categories), (3, 2, 1, 2));
    assert_eq!((coverage.text, coverage.visual, coverage.both, coverage.image_url), (1, 1, 1, 1));
    let report: Prepared = serde_json::from_str(&read(&out.join("coverage.json"))).unwrap();
    assert_eq!(report, prepared);
    let hash = viral::data::sha256_of_file(path.join("meta_Toy.json.gz"))?;
    assert_eq!(report.inputs["meta_Toy.json.gz"], hash);
    for step in [PrepareStep::Reviews, PrepareStep::Metadata] {
        let last = heard.iter().rfind(|heard| heard.0 == step).unwrap();
        assert!(last.1 == last.2 && last.2 > 0, "{heard:?}");
    }

    let data = Dataset::read(&out)?;
    assert_eq!((data.user_ids.join(" "), data.item_ids.join(" ")), ("ann bob zoe".into(), "B1 B2 B3".into()));
    assert_eq!(data.titles.as_ref().map(|titles| titles[1].as_str()), Some("Baby's \"cup\""));
    let expected = Counts {
        n_users: 3,
        n_items: 3,
        n_train: 3,
        n_valid: 3,
        n_test: 3,
        users_without_train: 0,
        items_without_train: 1,
    };
    assert_eq!(data.counts(), expected);
    let names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    Ok(())
}

#[test]
fn the_order_of_the_rows_changes_nothing() -> viral::Result<()> {
    let text = reviews();
    let backwards: String = text.lines().rev().map(|line| format!("{line}\n")).collect();
    let meta: String = META.lines().rev().map(|line| format!("{line}\n")).collect();
    let written = |reviews: &str, meta: &str| {
        let (_folder, path) = folder(&[("reviews_Toy_5.json.gz", reviews), ("meta_Toy.json.gz", meta)]);
        // The one repeat is of another time, so its first row depends on the order: the lower rating goes instead.
        Prepare { min_rating: Some(4.0), ..two_core(&path) }.run(path.join("toy"), |_, _, _| {}).unwrap();
        ["toy.inter", "u_id_mapping.csv", "i_id_mapping.csv", "items.jsonl"]
            .map(|name| read(&path.join("toy").join(name)))
    };
    assert_eq!(written(&text, META), written(&backwards, &meta));
    Ok(())
}

#[test]
fn splits_are_those_of_the_library() -> viral::Result<()> {
    let mut text = String::new();
    for user in 0..20 {
        for item in 0..10 {
            text += &format!("{user},{},{}\n", (user + item) % 12, (item * 7) % 10);
        }
    }
    let (_folder, path) = folder(&[("log.csv", &text)]);
    let reviews = Reviews::new(path.join("log.csv"), Format::Csv, "#1", "#2").with_time("#3");
    let of = |split: Split, name: &str| {
        let prepare = Prepare { split, name: Some("log".to_string()), ..Prepare::new(reviews.clone()) };
        let prepared = prepare.run(path.join(name), |_, _, _| {}).unwrap();
        (prepared, Dataset::read_with(path.join(name), &ReadOptions::new().with_name("log")).unwrap())
    };
    let (random, data) = of(Split::Random { seed: 3 }, "random");
    assert_eq!(random.n_interactions, [160, 20, 20]);
    let by_library = ReadOptions::new().with_name("log").with_split(viral::data::SplitPolicy::Random { seed: 3 });
    assert_eq!(Dataset::read_with(path.join("random"), &by_library)?.fingerprint(), data.fingerprint());
    assert_ne!(of(Split::Random { seed: 4 }, "other").1.fingerprint(), data.fingerprint());
    let (_, data) = of(Split::Temporal, "temporal");
    // Time 9 is at position 7 of each user's ten, since 7 * 7 % 10 = 9; time 8 at position 4.
    assert!((0..20).all(|user| data.test.of_user(user) == [((user + 7) % 12) as u32]));
    assert!((0..20).all(|user| data.valid.of_user(user) == [((user + 4) % 12) as u32]));
    assert_eq!(data.user_ids[..3], ["0", "1", "2"]); // numbers in numeric order
    Ok(())
}

#[test]
fn repeats_are_kept_or_refused_as_asked() {
    let (_folder, path) = folder(&[("reviews_Toy_5.json.gz", &reviews()), ("meta_Toy.json.gz", META)]);
    let of = |repeats| Prepare { repeats, overwrite: true, ..two_core(&path) }.run(path.join("toy"), |_, _, _| {});
    of(Repeats::KeepLast).unwrap();
    assert!(read(&path.join("toy/toy.inter")).contains("0\t0\t5\t111\t"));
    let message = of(Repeats::Fail).unwrap_err().to_string();
    assert!(message.contains("reviews_Toy_5.json.gz:10: user ann has item B1 in line 5 already"), "{message}");
}

#[test]
fn images_in_a_folder_come_before_urls() -> viral::Result<()> {
    let (_folder, path) = folder(&[("reviews_Toy_5.json.gz", &reviews()), ("meta_Toy.json.gz", META)]);
    let images = path.join("photos");
    std::fs::create_dir(&images).unwrap();
    std::fs::write(images.join("B1.jpg"), "x").unwrap();
    // An empty file takes no address away.
    std::fs::write(images.join("B2.jpg"), "").unwrap();
    let prepare = Prepare { images: Some(images), ..two_core(&path) };
    let prepared = prepare.run(path.join("toy"), |_, _, _| {})?;
    assert_eq!((prepared.coverage.image_file, prepared.coverage.image_url), (1, 1));
    let items = read(&path.join("toy/items.jsonl"));
    let items: Vec<CatalogueItem> = items.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(items[0].image.as_deref(), Some("B1.jpg"));
    assert_eq!(items[1].image.as_deref(), Some("http://ecx.images-amazon.com/2.jpg"));
    Ok(())
}

#[test]
fn what_cannot_become_a_folder_is_said_and_nothing_is_written() {
    let (_folder, path) = folder(&[
        ("reviews_Toy_5.json.gz", &reviews()),
        ("meta_Toy.json.gz", META),
        ("other.json", "{'asin': 'X'}\n"),
        ("empty.json", ""),
    ]);
    let whole = std::fs::read(path.join("reviews_Toy_5.json.gz")).unwrap();
    std::fs::write(path.join("cut.json.gz"), &whole[..whole.len() - 20]).unwrap();
    let good = two_core(&path);
    let amazon = |name: &str| Reviews::amazon(path.join(name));
    let cases = [
        (
            Prepare { k_user: 5, ..good.clone() },
            "reviews_Toy_5.json.gz: nothing is left of 11 interactions when users have 5",
        ),
        (
            Prepare { min_rating: Some(6.0), ..good.clone() },
            "no interaction among 13 rows, 0 of them bad and 13 rated too low",
        ),
        (Prepare { min_rating: Some(f64::NAN), ..good.clone() }, "min-rating is NaN; it must be a finite number"),
        (Prepare { min_rating: Some(f64::NEG_INFINITY), ..good.clone() }, "min-rating is -inf; it must be a finite"),
        (Prepare { reviews: amazon("empty.json"), ..good.clone() }, "empty.json: no interaction among 0 rows"),
        (Prepare { reviews: amazon("none.json"), ..good.clone() }, "none.json: No such file"),
        (Prepare { reviews: amazon("cut.json.gz"), bad_rows: BadRows::Skip, ..good.clone() }, "the file is truncated"),
        (
            Prepare { metadata: Some(Metadata::amazon(path.join("other.json"))), ..good.clone() },
            "other.json: no row is about an item of the reviews; the ids must be the same, such as `B1`",
        ),
        (Prepare { metadata: Some(Metadata::amazon(path.join("none"))), ..good.clone() }, "none: No such file"),
        (Prepare { images: Some(path.join("none")), ..good.clone() }, "none: No such file"),
        (Prepare { name: Some("../x".to_string()), ..good.clone() }, "no name for the data set"),
        (
            Prepare { split: Split::Temporal, reviews: Reviews { time: None, ..good.reviews.clone() }, ..good.clone() },
            "a split by time needs the column of the timestamp",
        ),
        (
            Prepare { reviews: Reviews { rating: None, ..good.reviews.clone() }, ..good.clone() },
            "a smallest rating needs the column of the rating",
        ),
    ];
    for (prepare, expected) in cases {
        let message = prepare.run(path.join("toy"), |_, _, _| {}).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nfor {expected}");
        assert!(!path.join("toy").exists(), "{expected}");
    }
    // A file in the way of the folder.
    let message = good.run(path.join("empty.json"), |_, _, _| {}).unwrap_err().to_string();
    assert!(message.contains("is a file, not a folder"), "{message}");
}
