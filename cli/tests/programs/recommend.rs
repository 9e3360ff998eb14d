//! `viral recommend`: which items are named, and which nobody has.

use crate::run;
use crate::train::{TOYS, items, recommend, toys, trained};

/// A model of the toys, where the ball is called `cot,kite`.
fn with_a_comma() -> (tempfile::TempDir, tempfile::TempDir) {
    let (outer, folder) = toys("userID itemID x_label", TOYS);
    let path = folder.join("toys.inter");
    let text = std::fs::read_to_string(&path).unwrap().replace("ball", "cot,kite");
    std::fs::write(&path, text).unwrap();
    let (out, _, _) = trained(&folder, &["--model", "popularity"]);
    (outer, out)
}

#[test]
fn ids_with_commas_are_named_and_unknown_ones_are_told() {
    let (_outer, model) = with_a_comma();
    let named = |arguments: &[&str]| -> Vec<String> {
        items(&recommend(model.path(), arguments)).into_iter().map(|(item, _)| item).collect()
    };
    let eve = ["--user", "eve", "-k", "9", "--with-known"];
    let with = |more: &[&'static str]| named(&[&eve[..], more].concat());
    assert_eq!(with(&[]).len(), 6);
    for (arguments, left_out) in [
        // The whole is an id, and is that one alone.
        (&["--exclude", "cot,kite"][..], &["cot,kite"][..]),
        (&["--exclude", "cot", "--exclude", "kite"], &["cot", "kite"]),
        (&["--exclude", "kite,cot"], &["cot", "kite"]),
        (&["--exclude", "cot,kite", "--exclude", "lamp,cot"], &["cot,kite", "lamp", "cot"]),
    ] {
        let found = with(arguments);
        assert!(!left_out.iter().any(|item| found.contains(&item.to_string())), "{arguments:?}: {found:?}");
        assert_eq!(found.len(), 6 - left_out.len(), "{arguments:?}: {found:?}");
    }
    assert_eq!(with(&["--among", "cot,kite", "--among", "lamp"]).len(), 2);
    let liked = named(&["--liked", "cot,kite", "-k", "9"]);
    assert!(liked.len() == 5 && !liked.contains(&"cot,kite".to_string()), "{liked:?}");
    for arguments in [["--exclude", "nothing"], ["--exclude", "cot,nothing"], ["--among", "nothing"]] {
        let mut command = crate::viral("recommend");
        command.arg("--model").arg(model.path()).args(["--user", "eve"]).args(arguments);
        let (is_good, _, errors) = run(&mut command);
        assert!(!is_good && errors.contains("no item 'nothing' among 6"), "{arguments:?}: {errors}");
    }
}
