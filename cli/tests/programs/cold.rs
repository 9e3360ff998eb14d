//! `viral cold` on the built-in catalogue.

use crate::{run, viral};
use serde_json::Value;

#[test]
fn new_items_and_users_are_measured_and_a_second_run_trains_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (of, rows) in [("items", 3), ("users", 4)] {
        let (out, report) = (folder.path().join(of), folder.path().join(format!("{of}.json")));
        let measure = || {
            let mut program = viral("cold");
            program
                .args(["--of", of, "--share", "0.2", "--draws", "2", "--model", "lightgcn", "--epochs", "3", "--out"]);
            run(program.arg(&out).arg("--json").arg(&report))
        };
        let (ok, first, errors) = measure();
        assert!(ok, "{errors}");
        assert!(first.contains("trained with them") && first.contains("against profile-match"), "{first}");
        let figures: Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
        let figures = &figures["systems"];
        assert_eq!(figures.as_array().unwrap().len(), rows);
        let column = if of == "items" { "of new ones among themselves" } else { "R@20" };
        assert!(figures[1][column].as_f64().unwrap() > 0.0, "{figures}");
        let model = out.join("draw2/model.safetensors");
        let written = std::fs::metadata(&model).unwrap().modified().unwrap();
        let (ok, second, _) = measure();
        assert!(ok && second == first);
        assert_eq!(std::fs::metadata(&model).unwrap().modified().unwrap(), written);
        // Another model does not go into these folders.
        let mut other = viral("cold");
        let (ok, _, errors) =
            run(other.args(["--of", of, "--share", "0.2", "--model", "bpr-mf", "--epochs", "3", "--out"]).arg(&out));
        assert!(!ok && errors.contains("other settings"), "{errors}");
        // Nor does one that is trained otherwise.
        for changed in [["--lr", "0.05"], ["--seed", "7"], ["--epochs", "4"]] {
            let mut other = viral("cold");
            other.args(["--of", of, "--share", "0.2", "--draws", "2", "--model", "lightgcn"]);
            if changed[0] != "--epochs" {
                other.args(["--epochs", "3"]);
            }
            let (ok, shown, errors) = run(other.args(changed).arg("--out").arg(&out));
            assert!(!ok && shown.is_empty() && errors.contains("other settings"), "{changed:?}: {shown}{errors}");
        }
    }
    let (ok, _, errors) =
        run(viral("cold").args(["--share", "1.5", "--model", "popularity", "--out"]).arg(folder.path().join("x")));
    assert!(!ok && errors.contains("between 0 and 1"), "{errors}");
    assert!(!folder.path().join("x").exists(), "nothing is trained before that");
}

/// Six new items are fewer than the places of a list: each is in it, by chance too.
#[test]
fn chance_is_at_most_certainty() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = viral("cold");
    program.args(["--share", "0.01", "--draws", "1", "--model", "popularity", "--out"]).arg(folder.path().join("out"));
    let (ok, shown, errors) = run(&mut program);
    assert!(ok, "{errors}");
    let chance = shown.lines().find(|line| line.starts_with("chance")).unwrap();
    assert!(chance.contains("1.0000"), "{chance}");
    // Popularity finds none of them, trained with them or not: that is no share of anything.
    assert!(shown.contains("training with them finds nothing"), "{shown}");
}
