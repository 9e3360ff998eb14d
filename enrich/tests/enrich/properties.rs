//! What holds for any input: parsers give a value or an error, never a panic; what was written is what is read.

use std::collections::HashSet;

use crate::support::raw::{folder, gzip};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};
use viral::data::{Dataset, ItemFeatures, Provenance, n_core};
use viral_enrich::{BadRows, Format, Metadata, Prepare, Reviews, parse_literal};

/// Values that a Python literal can have, with strings as keys.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// As Python's `repr` writes it: ASCII with escapes, or the characters themselves.
fn python(value: &Value, is_ascii: bool) -> String {
    let text = |text: &str| {
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        let mut out = String::from(quote);
        for c in text.chars() {
            match c {
                '\\' => out += "\\\\",
                '\n' => out += "\\n",
                c if c == quote => out.extend(['\\', c]),
                c if !is_ascii || (' '..='~').contains(&c) => out.push(c),
                c if (c as u32) < 0x100 => out += &format!("\\x{:02x}", c as u32),
                c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}")),
            }
        }
        out.push(quote);
        out
    };
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Null => "None".to_string(),
        Value::Bool(true) => "True".to_string(),
        Value::Bool(false) => "False".to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(string) => text(string),
        Value::Array(values) => format!("[{}]", join(values.iter().map(|value| python(value, is_ascii)).collect())),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{}: {}", text(key), python(value, is_ascii)));
            format!("{{{}}}", join(pairs.collect()))
        }
    }
}

/// Text of the characters that these formats are made of, which goes further into parsers than any text would.
fn near_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[{}\\[\\](),:'\"\\\\ \n\t]",
        2 => Just("'asin': 'B0'".to_string()),
        2 => Just("\"asin\": \"B1\"".to_string()),
        1 => "[uxUNL0-9eE.+-]{1,4}",
        1 => prop_oneof!["None", "True", "\\\\u[0-9a-d]{4}", "\\\\x[0-9a-f]{2}"],
        1 => any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn literals_are_read_as_they_were_written(value in value(), is_ascii: bool) {
        prop_assert_eq!(parse_literal(&python(&value, is_ascii)), Ok(value));
    }

    #[test]
    fn any_text_is_a_literal_or_an_error(text in near_text(), other: String) {
        for text in [text, other] {
            if let Err(error) = parse_literal(&text) {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}: {text:?}");
            }
        }
    }

    #[test]
    fn any_file_is_metadata_and_reviews_or_an_error(text in near_text(), bytes: Vec<u8>, cut in 0usize..100) {
        let packed = gzip(text.as_bytes());
        let files = [text.as_bytes(), &bytes, &packed, &packed[..cut.min(packed.len())]];
        let (_folder, path) = folder(&[]);
        let path = path.join("file");
        let ids = ["B0".to_string(), "B1".to_string()];
        for (bytes, format) in files.iter().zip([Format::Json, Format::Python, Format::Csv, Format::Tsv].iter().cycle()) {
            std::fs::write(&path, bytes).unwrap();
            for bad_rows in [BadRows::Skip, BadRows::Fail] {
                for format in [*format, Format::Python] {
                    let id = if matches!(format, Format::Csv | Format::Tsv) { "#1" } else { "asin" };
                    match (Metadata::new(&path, format, id).read(&ids, bad_rows), bad_rows) {
                        (Ok(found), _) => {
                            prop_assert_eq!(found.n_rows, found.n_found + found.n_others + found.skipped.count());
                        }
                        (Err(error), _) => prop_assert!(error.to_string().contains("file:"), "{error}"),
                    }
                }
            }
        }
    }

    #[test]
    fn any_npy_is_read_or_an_error(header in near_text(), shape in "[(0-9, )]{0,9}", bytes: Vec<u8>) {
        let (_folder, path) = folder(&[]);
        let path = path.join("x.npy");
        let whole = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        for header in [header, whole] {
            let length = (header.len() as u16).to_le_bytes();
            std::fs::write(&path, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &bytes].concat()).unwrap();
            if let Ok(features) = ItemFeatures::read(&path) {
                prop_assert_eq!(features.values().len(), features.n_items() * features.width());
            }
            std::fs::write(&path, &bytes).unwrap();
            prop_assert!(ItemFeatures::read(&path).is_err());
        }
    }

    #[test]
    fn any_provenance_is_read_or_an_error(ids in vec(any::<String>(), 0..5), width: usize, text in near_text()) {
        let (_folder, path) = folder(&[]);
        let path = path.join("x.npy");
        let provenance = Provenance::new(ids, width);
        provenance.write_beside(&path).unwrap();
        prop_assert_eq!(Provenance::read_beside(&path).unwrap(), Some(provenance));
        std::fs::write(Provenance::path_beside(&path), text).unwrap();
        prop_assert!(Provenance::read_beside(&path).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the rows and their order: all are accounted for, the folder is readable and the k-core of what came in.
    #[test]
    fn every_row_is_accounted_for(
        rows in vec((0u32..12, 0u32..9, 1u8..6), 1..150).prop_shuffle(),
        k in 1usize..4,
        as_csv: bool,
    ) {
        let line = |&(user, item, rating): &(u32, u32, u8)| match as_csv {
            true => format!("u{user},\"i,{item}\",{rating}\n"),
            false => json!({"#1": format!("u{user}"), "#2": format!("i,{item}"), "#3": rating}).to_string() + "\n",
        };
        let (_folder, path) = folder(&[("log", &rows.iter().map(line).collect::<String>())]);
        let format = if as_csv { Format::Csv } else { Format::Json };
        let reviews = Reviews::new(path.join("log"), format, "#1", "#2").with_rating("#3");
        let prepare = Prepare { k_user: k, k_item: k, min_rating: Some(2.0), ..Prepare::new(reviews) };

        let liked: HashSet<(u32, u32)> = rows.iter().filter(|row| row.2 >= 2).map(|row| (row.0, row.1)).collect();
        let mut liked: Vec<_> = liked.into_iter().collect();
        liked.sort_unstable();
        let core: HashSet<(String, String)> =
            n_core(&liked, k, k).iter().map(|&p| (format!("u{}", liked[p].0), format!("i,{}", liked[p].1))).collect();
        match prepare.run(path.join("out"), |_, _, _| {}) {
            Err(error) => {
                let message = error.to_string();
                let is_empty = ["nothing is left", "no interaction among"].iter().any(|part| message.contains(part));
                prop_assert_eq!(core.is_empty(), is_empty, "{}", message);
                prop_assert!(is_empty || message.contains("part of"), "{}", message);
            }
            Ok(prepared) => {
                let n_kept: usize = prepared.n_interactions.iter().sum();
                let n_gone = prepared.n_below_min_rating + prepared.n_repeats + prepared.n_outside_core;
                prop_assert_eq!(prepared.n_rows, n_kept + n_gone);
                let data = Dataset::read(path.join("out")).unwrap();
                let pairs = data.train.interactions.pairs().chain(data.valid.pairs()).chain(data.test.pairs());
                let name = |(u, i): (u32, u32)| (data.user_ids[u as usize].clone(), data.item_ids[i as usize].clone());
                let found: Vec<(String, String)> = pairs.map(name).collect();
                prop_assert_eq!(found.len(), n_kept);
                prop_assert_eq!(found.into_iter().collect::<HashSet<_>>(), core);
            }
        }
    }
}
