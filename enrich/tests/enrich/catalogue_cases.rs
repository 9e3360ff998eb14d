//! Catalogues as shops and releases have them: each of these was once read wrongly or refused in vain.

use crate::support::hostile_server::{Act, Server};
use crate::support::raw::{folder, gzip, review};
use std::ops::ControlFlow;
use std::path::Path;
use viral::data::{Dataset, FolderLock, sha256_of_file};
use viral_enrich::describe::{DescribeConfig, ImageFolder, Items, Journal, Prompt};
use viral_enrich::{BadRows, CatalogueItem, Format, Metadata, Prepare, Prepared, Reviews, Split};

/// Eight users who each have four of six items.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..8).flat_map(|user| (0..6).filter(move |item| (user + item) % 3 != 0).map(move |item| (user, item)))
}

/// `pairs` as a table of users and items.
fn log() -> String {
    let rows: String = pairs().map(|(user, item)| format!("u{user:02},B00{item}\n")).collect();
    format!("customer,sku\n{rows}")
}

fn reviews(path: &Path) -> Reviews {
    Reviews::new(path.join("log.csv"), Format::Csv, "customer", "sku")
}

fn two_core(reviews: Reviews) -> Prepare {
    Prepare { k_user: 2, k_item: 2, ..Prepare::new(reviews) }
}

/// The six lines of a file about six items.
fn six(line: impl Fn(usize) -> String) -> String {
    (0..6).map(|i| line(i) + "\n").collect()
}

fn items(out: &Path) -> Vec<CatalogueItem> {
    let text = std::fs::read_to_string(out.join("items.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run(prepare: &Prepare, path: &Path) -> viral::Result<Prepared> {
    prepare.run(path.join("out"), |_, _, _| {})
}

fn message(prepare: &Prepare, path: &Path) -> String {
    let message = run(prepare, path).unwrap_err().to_string();
    assert!(!path.join("out").exists(), "{message}");
    message
}

fn holds(message: &str, words: &[&str]) {
    assert!(words.iter().all(|word| message.contains(word)), "{message}\nfor {words:?}");
}

#[test]
fn metadata_of_2018() -> viral::Result<()> {
    let meta = six(|i| {
        let high = if i == 5 { "[]".to_string() } else { format!(r#"["https://img.example/{i}.jpg"]"#) };
        format!(
            r#"{{"category": ["Baby", "Toys"], "description": ["A nice toy.", "In two parts."], "title": "Rattle {i}", "brand": "Acme", "price": "$7.50", "asin": "B00{i}", "fit": null, "imageURL": ["https://img.example/{i}._SS40_.jpg"], "imageURLHighRes": {high}}}"#
        )
    });
    let rows: String =
        pairs().map(|(user, item)| review(&format!("u{user}"), &format!("B00{item}"), 5.0, 1_474_156_800)).collect();
    let (_folder, path) = folder(&[("reviews.json", &rows), ("meta.json", &meta)]);
    let metadata = Metadata::amazon(path.join("meta.json"));
    for format in [Format::Python, Format::Json] {
        let metadata = Some(Metadata { format, ..metadata.clone() });
        let prepare = Prepare { metadata, overwrite: true, ..two_core(Reviews::amazon(path.join("reviews.json"))) };
        let coverage = run(&prepare, &path)?.coverage;
        assert_eq!((coverage.n_items, coverage.categories, coverage.image_url, coverage.brand), (6, 6, 6, 6));
        let items = items(&path.join("out"));
        assert_eq!(items[0].image.as_deref(), Some("https://img.example/0.jpg"));
        assert_eq!(
            items[5].image.as_deref(),
            Some("https://img.example/5._SS40_.jpg"),
            "the small one where no other is"
        );
        assert_eq!(items[3].categories, ["Baby", "Toys"]);
        assert_eq!(items[3].description.as_deref(), Some("A nice toy. In two parts."));
    }
    Ok(())
}

#[test]
fn pictures_of_2023() -> viral::Result<()> {
    let picture = |name: &str, variant: &str, high: &str| {
        format!(
            r#"{{"thumb": "https://img.example/{name}_t.jpg", "large": "https://img.example/{name}_l.jpg", "variant": "{variant}", "hi_res": {high}}}"#
        )
    };
    let meta = six(|i| {
        let high = if i == 2 { "null".to_string() } else { format!("\"https://img.example/{i}_h.jpg\"") };
        let pictures = [picture(&i.to_string(), "MAIN", &high), picture(&format!("{i}b"), "PT01", "null")].join(", ");
        format!(
            r#"{{"title": "Rattle {i}", "store": "Acme", "categories": ["Baby"], "price": null, "images": [{pictures}], "parent_asin": "B00{i}"}}"#
        )
    });
    let csv: String = pairs().map(|(u, i)| format!("u{u},B00{i},5.0,158868772892{i},\n")).collect();
    let csv = format!("user_id,parent_asin,rating,timestamp,history\n{csv}");
    let json: String = pairs()
        .map(|(u, i)| format!("{{\"rating\": 5.0, \"asin\": \"V{u}{i}\", \"parent_asin\": \"B00{i}\", \"user_id\": \"u{u}\", \"timestamp\": 158868772892{i}}}\n"))
        .collect();
    let (_folder, path) = folder(&[("reviews.csv", &csv), ("reviews.jsonl", &json), ("meta.jsonl", &meta)]);
    let by_columns = Reviews::new(path.join("reviews.csv"), Format::Csv, "user_id", "parent_asin");
    let named = Metadata {
        title: Some("title".to_string()),
        image: Some("images".to_string()),
        ..Metadata::new(path.join("meta.jsonl"), Format::Json, "parent_asin")
    };
    let cases = [
        (by_columns.with_rating("rating").with_time("timestamp"), named),
        (Reviews::amazon(path.join("reviews.jsonl")), Metadata::amazon(path.join("meta.jsonl"))),
    ];
    for (reviews, metadata) in cases {
        let prepare =
            Prepare { metadata: Some(metadata), overwrite: true, split: Split::LeaveOneOut, ..two_core(reviews) };
        let prepared = run(&prepare, &path)?;
        assert_eq!((prepared.n_users, prepared.coverage.title, prepared.coverage.image_url), (8, 6, 6));
        let items = items(&path.join("out"));
        assert_eq!(items[0].image.as_deref(), Some("https://img.example/0_h.jpg"));
        assert_eq!(items[2].image.as_deref(), Some("https://img.example/2_l.jpg"));
    }
    Ok(())
}

#[test]
fn pictures_in_sub_folders() -> viral::Result<()> {
    let rows: String = pairs().map(|(user, item)| format!("{user:032},01087750{}\n", 15 + item)).collect();
    let (_folder, path) = folder(&[("log.csv", &format!("customer,sku\n{rows}"))]);
    let images = path.join("images");
    std::fs::create_dir_all(images.join("010")).unwrap();
    let prepare = Prepare { images: Some(images.clone()), ..two_core(reviews(&path)) };
    holds(&message(&prepare, &path), &["images: no picture in the folder", "0108775015.jpg"]);
    // Zeros lost, as spreadsheets lose them: nobody's pictures.
    std::fs::write(images.join("010/108775015.png"), "x").unwrap();
    holds(&message(&prepare, &path), &["no picture is named after an item", "`010/108775015.png`", "`0108775015`"]);
    // Copied in vain.
    for i in 15..21 {
        std::fs::write(images.join(format!("010/01087750{i}.png")), "").unwrap();
    }
    holds(&message(&prepare, &path), &["6 items have a picture here", "empty"]);
    for i in 15..20 {
        std::fs::write(images.join(format!("010/01087750{i}.png")), "x").unwrap();
    }
    let coverage = run(&prepare, &path)?.coverage;
    assert_eq!((coverage.image_file, coverage.image_missing, coverage.visual), (5, 1, 5));
    assert_eq!(items(&path.join("out"))[0].image.as_deref(), Some("010/0108775015.png"));
    Ok(())
}

#[test]
fn pictures_with_decomposed_names() -> viral::Result<()> {
    // One id composed, its picture decomposed, and the other way round; a picture that the metadata name.
    let ids = ["caf\u{e9}", "mu\u{308}sli", "plain"];
    let rows: String = (0..4).flat_map(|user| ids.map(|id| format!("u{user},{id}\n"))).collect();
    let meta = "sku,name,photo\nplain,Cup,Tasse-fu\u{308}r-zwei.jpg\n";
    let (_folder, path) = folder(&[("log.csv", &format!("customer,sku\n{rows}")), ("meta.csv", meta)]);
    let images = path.join("images");
    std::fs::create_dir(&images).unwrap();
    for name in ["cafe\u{301}.Jpg", "m\u{fc}sli.jfif", "Tasse-f\u{fc}r-zwei.jpg"] {
        std::fs::write(images.join(name), "x").unwrap();
    }
    let metadata = Metadata {
        title: Some("name".to_string()),
        image: Some("photo".to_string()),
        ..Metadata::new(path.join("meta.csv"), Format::Csv, "sku")
    };
    let metadata = Some(metadata);
    let prepare = Prepare { images: Some(images.clone()), metadata, ..two_core(reviews(&path)) };
    assert_eq!(run(&prepare, &path)?.coverage.image_file, 3);
    // The file that is written says where each picture is, and so does what reads it.
    let folder = ImageFolder::open(&images)?;
    for item in Items::open(path.join("out/items.jsonl"))?.iter()? {
        let item = item?;
        let found = folder.find(&item).unwrap();
        assert_eq!(found, images.join(item.image.unwrap()));
        let without_name = viral_enrich::describe::Item { image: None, ..Default::default() };
        if item.id != "plain" {
            assert_eq!(folder.find(&viral_enrich::describe::Item { id: item.id, ..without_name }), Some(found));
        }
    }
    Ok(())
}

#[test]
fn titles_with_html() -> viral::Result<()> {
    let meta = format!(
        "sku,name,text\n{}",
        six(|i| format!("B00{i},Tom &amp; Jerry&#39;s rattle {i},<p>&amp;lt;b&amp;gt;<br>R&D <3</p>"))
    );
    let (_folder, path) = folder(&[("log.csv", &log()), ("meta.csv", &meta)]);
    let metadata = Metadata {
        title: Some("name".to_string()),
        description: Some("text".to_string()),
        ..Metadata::new(path.join("meta.csv"), Format::Csv, "sku")
    };
    run(&Prepare { metadata: Some(metadata), ..two_core(reviews(&path)) }, &path)?;
    let items = items(&path.join("out"));
    assert_eq!(items[4].title, "Tom & Jerry's rattle 4");
    assert_eq!(items[4].description.as_deref(), Some("&lt;b&gt; R&D <3"));
    let data = Dataset::read(path.join("out"))?;
    assert_eq!(data.titles.as_ref().map(|titles| titles[0].as_str()), Some("Tom & Jerry's rattle 0"));
    Ok(())
}

#[test]
fn price_that_is_no_number() -> viral::Result<()> {
    let price = |i: usize| ["7.5", "NaN", "-Infinity"][i % 3];
    let json = six(|i| format!(r#"{{"sku": "B00{i}", "name": "Rattle {i}", "price": {}}}"#, price(i)));
    let python =
        six(|i| format!("{{'sku': 'B00{i}', 'name': 'Rattle {i}', 'price': {}}}", ["7.5", "nan", "-inf"][i % 3]));
    let (_folder, path) = folder(&[("log.csv", &log()), ("meta.jsonl", &json), ("meta.py", &python)]);
    for (name, format) in [("meta.jsonl", Format::Json), ("meta.py", Format::Python)] {
        let metadata = Metadata { title: Some("name".to_string()), ..Metadata::new(path.join(name), format, "sku") };
        let prepare = Prepare { metadata: Some(metadata), overwrite: true, ..two_core(reviews(&path)) };
        assert_eq!(run(&prepare, &path)?.coverage.title, 6);
    }
    // A missing price where a text is wanted is an empty text.
    let metadata =
        Metadata { title: Some("price".to_string()), ..Metadata::new(path.join("meta.jsonl"), Format::Json, "sku") };
    let prepare = Prepare { metadata: Some(metadata), overwrite: true, ..two_core(reviews(&path)) };
    assert_eq!(run(&prepare, &path)?.coverage.title, 2);
    Ok(())
}

#[test]
fn dates_as_text() -> viral::Result<()> {
    // The latest purchase of u00 is B005.
    let day = |user: usize, item: usize| 1 + (user + 5 * item) % 28;
    let ways: [fn(usize) -> String; 4] = [
        |day| format!("2018-09-{day:02}"),
        |day| format!("2018-09-{day:02} 14:44:16"),
        |day| format!("2018-09-{day:02}T14:44:16Z"),
        |day| format!("\"09 {day}, 2018\""),
    ];
    for way in ways {
        let rows: String = pairs().map(|(u, i)| format!("u{u:02},B00{i},{}\n", way(day(u, i)))).collect();
        let (_folder, path) = folder(&[("log.csv", &format!("customer,sku,day\n{rows}"))]);
        let prepare = Prepare { split: Split::LeaveOneOut, ..two_core(reviews(&path).with_time("day")) };
        run(&prepare, &path)?;
        let data = Dataset::read(path.join("out"))?;
        assert_eq!(data.item_ids[data.test.of_user(0)[0] as usize], "B005");
    }
    let refused = |times: [&str; 2]| {
        let rows: String =
            pairs().enumerate().map(|(n, (u, i))| format!("u{u:02},B00{i},{}\n", times[n % 2])).collect();
        let (_folder, path) = folder(&[("log.csv", &format!("customer,sku,day\n{rows}"))]);
        message(&two_core(reviews(&path).with_time("day")), &path)
    };
    holds(&refused(["09/20/2018"; 2]), &["log.csv:2: ", "`day` is \"09/20/2018\"", "YYYY-MM-DD"]);
    holds(&refused(["2018-09-20", "1537401600"]), &["log.csv:3: ", "`day` is a number here and a date elsewhere"]);
    holds(
        &refused(["1537401600", "1457401600000"]),
        &["log.csv:3: ", "`day` is in milliseconds, and others in seconds"],
    );
    Ok(())
}

#[test]
fn double_colons() -> viral::Result<()> {
    let rows = |separator: &str| -> String {
        pairs()
            .map(|(u, i)| {
                [u.to_string(), i.to_string(), "4".into(), (978_300_760 + i).to_string()].join(separator) + "\n"
            })
            .collect()
    };
    for separator in ["::", ";", "|", "\t", " ", "  "] {
        let (_folder, path) = folder(&[("ratings.dat", &rows(separator))]);
        for format in [Format::Csv, Format::Tsv] {
            let reviews = Reviews::new(path.join("ratings.dat"), format, "#1", "#2").with_rating("#3").with_time("#4");
            let prepare = Prepare { overwrite: true, ..two_core(reviews.with_separator(separator)) };
            let prepared = run(&prepare, &path)?;
            assert_eq!((prepared.n_rows, prepared.n_users, prepared.n_items), (32, 8, 6), "{separator:?}");
        }
    }
    let (_folder, path) = folder(&[("ratings.dat", &rows("::")), ("log.csv", &log().replace(',', ";"))]);
    let plain = Reviews::new(path.join("ratings.dat"), Format::Csv, "#1", "#2");
    holds(&message(&two_core(plain.clone()), &path), &["1 cells and no cell #2", "--separator '::'"]);
    holds(&message(&two_core(reviews(&path)), &path), &["no column `customer`", "--separator ';'"]);
    holds(&message(&two_core(plain.clone().with_separator("")), &path), &["an empty separator"]);
    let json = Reviews { format: Format::Json, ..plain.with_separator("::") };
    holds(&message(&two_core(json), &path), &["separator", "json"]);
    Ok(())
}

#[test]
fn log_in_a_zip() {
    let zip = b"PK\x03\x04\x14\0\0\0\0\0\0\0!X\xa5,\x9f\xe0-\x01\0\0-\x01\0\0\x07\0\0\0log.csvcustomer,sku\nu00,B001\n";
    let utf16: Vec<u8> = format!("\u{feff}{}", log()).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, words) in [
        (zip.to_vec(), &["a zip archive", "unpack"][..]),
        (b"BZh91AY&SY\x1b".to_vec(), &["bzip2", "unpack"]),
        (utf16.clone(), &["UTF-16", "UTF-8"]),
        (gzip(&utf16), &["UTF-16", "UTF-8"]),
        (gzip(&tar), &["tar archive", "unpack"]),
        (b"customer,sku\nu00,caf\xe9\n".to_vec(), &["log.csv:2: not UTF-8", "Windows-1252"]),
        (log().replace('\n', "\r").into_bytes(), &["CR alone"]),
    ] {
        let (_folder, path) = folder(&[]);
        std::fs::write(path.join("log.csv"), bytes).unwrap();
        holds(&message(&two_core(reviews(&path)), &path), words);
    }
}

#[test]
fn two_files_of_one_name() -> viral::Result<()> {
    let (_folder, path) = folder(&[]);
    for name in ["log", "items"] {
        std::fs::create_dir(path.join(name)).unwrap();
    }
    let (of_log, of_items) = (path.join("log/data.csv"), path.join("items/data.csv"));
    std::fs::write(&of_log, log()).unwrap();
    std::fs::write(&of_items, format!("sku,name\n{}", six(|i| format!("B00{i},Toy {i}")))).unwrap();
    let metadata = Metadata { title: Some("name".to_string()), ..Metadata::new(&of_items, Format::Csv, "sku") };
    let reviews = Reviews::new(&of_log, Format::Csv, "customer", "sku");
    let inputs = run(&Prepare { metadata: Some(metadata), ..two_core(reviews) }, &path)?.inputs;
    assert_eq!(inputs.len(), 2);
    for file in [of_log, of_items] {
        assert_eq!(inputs[&file.display().to_string()], sha256_of_file(&file)?);
    }
    Ok(())
}

#[test]
fn address_with_percent_signs() -> viral::Result<()> {
    let (_folder, path) = folder(&[("secret.jpg", "x")]);
    let images = path.join("images");
    std::fs::create_dir(&images).unwrap();
    let picture = image_of(9);
    for name in ["41+XyZ.jpg", "51%2BAbC.jpg", "a rattle.jpg", "61%2BQ.jpg"] {
        std::fs::write(images.join(name), &picture).unwrap();
    }
    let names = ["41%2BXyZ.jpg", "a%20rattle.jpg", "51%2BAbC.jpg", "61+Q.jpg", "..%2Fsecret.jpg"];
    let line = |(i, name): (usize, &&str)| {
        format!("{{\"id\": \"{i}\", \"title\": \"{i}\", \"image\": \"http://img.example/I/{name}\"}}\n")
    };
    std::fs::write(path.join("items.jsonl"), names.iter().enumerate().map(line).collect::<String>()).unwrap();
    let server = Server::start(|_| Act::Describe);
    let config = DescribeConfig::new(Prompt::by_name("title")?, "test/model", [server.url.as_str()]);
    let (items, mut journal) = (Items::open(path.join("items.jsonl"))?, Journal::open(path.join("journal.jsonl"))?);
    let described = config.run(&items, &ImageFolder::open(&images)?, &mut journal, |_| ControlFlow::Continue(()))?;
    assert_eq!(
        (described.progress.n_described, described.faults["image"]),
        (4, 1),
        "the one that leads out is refused"
    );
    Ok(())
}

fn image_of(shade: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_pixel(16, 16, image::Rgb([shade; 3]));
    image::DynamicImage::from(picture).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn pictures_that_say_that_there_is_none() -> viral::Result<()> {
    let nophoto = "https://s.gr-assets.com/assets/nophoto/book/111x148-bcc042a9c91a29c1d680899eff700a03.png";
    let meta = six(|i| {
        let image = if i < 4 { nophoto.to_string() } else { format!("https://images.gr-assets.com/books/{i}.jpg") };
        format!(
            r#"{{"book_id": "B00{i}", "title": "Book {i}", "image_url": "{image}", "popular_shelves": [{{"count": "3", "name": "fiction"}}, {{"count": "1", "name": "cats"}}]}}"#
        )
    });
    let (_folder, path) = folder(&[("log.csv", &log()), ("meta.json", &meta)]);
    let some = |name: &str| Some(name.to_string());
    let metadata = Metadata {
        image: some("image_url"),
        categories: some("popular_shelves"),
        ..Metadata::new(path.join("meta.json"), Format::Json, "book_id")
    };
    let coverage = run(&Prepare { metadata: Some(metadata), ..two_core(reviews(&path)) }, &path)?.coverage;
    assert_eq!((coverage.image_placeholder, coverage.visual, coverage.image_url), (4, 2, 2));
    assert_eq!(items(&path.join("out"))[0].categories, ["fiction", "cats"]);
    Ok(())
}

#[test]
fn misspelt_columns_are_named_with_the_closest() {
    let meta = six(|i| format!(r#"{{"sku": "B00{i}", "name": "Rattle {i}"}}"#));
    let json: String = pairs().map(|(u, i)| format!("{{\"user_id\": \"u{u}\", \"item_id\": \"B00{i}\"}}\n")).collect();
    let (_folder, path) = folder(&[("log.csv", &log()), ("log.json", &json), ("meta.json", &meta)]);
    let csv = |user: &str, item: &str| two_core(Reviews::new(path.join("log.csv"), Format::Csv, user, item));
    holds(&message(&csv("custmer", "sku"), &path), &["log.csv:1: ", "no column `custmer`", "did you mean `customer`?"]);
    let of_json = two_core(Reviews::new(path.join("log.json"), Format::Json, "user", "item_id"));
    let words = ["no field `user`", "`item_id`, `user_id`", "did you mean `user_id`?"];
    holds(&message(&of_json, &path), &words);
    holds(&message(&Prepare { bad_rows: BadRows::Skip, ..of_json }, &path), &words);
    let metadata = |id: &str, title: &str| Prepare {
        metadata: Some(Metadata {
            title: Some(title.to_string()),
            ..Metadata::new(path.join("meta.json"), Format::Json, id)
        }),
        ..two_core(reviews(&path))
    };
    holds(&message(&metadata("sku", "nmae"), &path), &["meta.json: no field `nmae`", "did you mean `name`?"]);
    holds(&message(&metadata("sku", "headline"), &path), &["no field `headline` among `name`, `sku`"]);
    holds(&message(&metadata("skus", "name"), &path), &["meta.json:1: ", "did you mean `sku`?"]);
}

#[test]
fn a_folder_in_use_is_refused() -> viral::Result<()> {
    let (_folder, path) = folder(&[("log.csv", &log())]);
    let (prepare, out) = (two_core(reviews(&path)), path.join("out"));
    // Other files are no data set.
    std::fs::create_dir_all(out.join("raw")).unwrap();
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    run(&prepare, &path)?;
    let names = || {
        let entries = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort_unstable();
        names
    };
    let expected = names();
    let before = std::fs::read(out.join("out.inter")).unwrap();
    let other = Prepare { split: Split::Random { seed: 1 }, ..prepare.clone() };
    for prepare in [other.clone(), Prepare { name: Some("other".to_string()), ..other.clone() }] {
        let refused = run(&prepare, &path).unwrap_err().to_string();
        holds(&refused, &["is there already", "--out", "--overwrite"]);
        assert_eq!((names(), std::fs::read(out.join("out.inter")).unwrap()), (expected.clone(), before.clone()));
    }
    // What a killed run left half written goes with the next run; two at once are one too many.
    std::fs::write(out.join(".viral-half"), "half").unwrap();
    let overwrite = Prepare { overwrite: true, ..other };
    let lock = FolderLock::acquire(&out)?;
    std::fs::write(out.join(".viral-theirs"), "being written").unwrap();
    holds(&run(&overwrite, &path).unwrap_err().to_string(), &["another run", "--out"]);
    assert!(out.join(".viral-theirs").exists() && !out.join(".viral-half").exists());
    drop(lock);
    run(&overwrite, &path)?;
    assert_eq!(names(), expected);
    assert_ne!(std::fs::read(out.join("out.inter")).unwrap(), before);
    // Somebody's own features, of which nothing says whose rows they are: for the same items they stay, beside others they would be
    // of others.
    let features = out.join("text_feat.npy");
    std::fs::write(&features, "rows").unwrap();
    run(&overwrite, &path)?;
    std::fs::write(path.join("log.csv"), log().replace("B00", "C00")).unwrap();
    let kept = std::fs::read(out.join("i_id_mapping.csv")).unwrap();
    holds(
        &run(&overwrite, &path).unwrap_err().to_string(),
        &["text_feat.npy", "the new ones are others", "Move it away"],
    );
    assert_eq!(std::fs::read(out.join("i_id_mapping.csv")).unwrap(), kept);
    std::fs::remove_file(features).unwrap();
    run(&overwrite, &path)?;
    assert_ne!(std::fs::read(out.join("i_id_mapping.csv")).unwrap(), kept);
    Ok(())
}
