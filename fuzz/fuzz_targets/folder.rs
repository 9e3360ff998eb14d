//! Folders: one file beside the interactions is any bytes, and the folder is a data set or an error.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use viral::data::{Dataset, ItemFeatures, Mask, Modality, feature_rows};

const INTER: &str = "userID\titemID\tx_label\n0\t0\t0\n0\t2\t1\n0\t1\t2\n1\t1\t0\n1\t3\t0\n1\t0\t1\n";

const FILES: [(&str, &str); 6] = [
    ("i_id_mapping.csv", "asin\titemID\nB0\t0\nB1\t1\nB2\t2\nB3\t3\n"),
    ("u_id_mapping.csv", "name\tuserID\nann\t0\nzoe\t1\n"),
    ("items.jsonl", "{\"id\": \"B0\", \"title\": \"A cot\"}\n{\"id\": \"1\", \"title\": \"A cup\"}\n"),
    ("item_ids.txt", "3\n2\n1\n0\n"),
    ("text_feat.npy.mask.jsonl", "{\"id\": \"B3\", \"reason\": \"no text\"}\n"),
    ("text_feat.npy.provenance.json", ""),
];

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let (chosen, with_names) = (usize::from(choice) % FILES.len(), choice & 128 != 0);
    let (name, _) = FILES[chosen];
    // Each kind of folder has a place of its own, in which everything else stays as it is.
    let folder = format!("{chosen}-{with_names}");
    let path = file::write(&format!("{folder}/{name}"), bytes);
    let dir = path.parent().expect("a folder");
    if !dir.join("toys.inter").exists() {
        file::write(&format!("{folder}/toys.inter"), INTER.as_bytes());
        let features = ItemFeatures::new(4, 1, vec![1.0, 2.0, 3.0, 0.0]).expect("finite numbers");
        features.write(dir.join("text_feat.npy")).expect("room for a temporary file");
        let (mapping, text) = FILES[0];
        if with_names && mapping != name {
            file::write(&format!("{folder}/{mapping}"), text.as_bytes());
        }
    }
    match Dataset::read(dir.join("toys.inter")) {
        Ok(data) => {
            assert_eq!((data.n_users(), data.n_items()), (2, 4));
            assert_eq!((data.user_ids.len(), data.item_ids.len()), (2, 4));
            assert!(data.titles.as_ref().is_none_or(|titles| titles.len() == 4));
            let features = data.train.features.get(&Modality::Text).expect("they are there");
            let mut values = features.values().to_vec();
            values.sort_by(f32::total_cmp);
            assert_eq!(values, [0.0, 1.0, 2.0, 3.0]);
        }
        Err(error) => assert!(error.to_string().contains(&*dir.to_string_lossy()), "{error}"),
    }
    let _ = feature_rows(dir);
    if let Ok(Some(mask)) = Mask::read_beside(dir.join("text_feat.npy")) {
        let again = dir.join("again.npy");
        mask.write_beside(&again).expect("a mask can be written");
        assert_eq!(Mask::read_beside(&again).expect("what was written can be read"), Some(mask));
    }
});
