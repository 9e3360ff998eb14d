//! `viral probe` on the built-in catalogue, and its figures on the page of `viral report`.

use crate::{run, viral};
use serde_json::Value;

#[test]
fn a_probe_is_kept_and_shown_with_its_model_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let vbpr = ["--model", "vbpr", "--epochs", "2"];
    let probe = || {
        let mut program = viral("probe");
        program.args(vbpr).args(["--knockout", "noise", "--out"]).arg(at("probe")).arg("--json").arg(at("probe.json"));
        program
    };
    let (ok, shown, errors) = run(&mut probe());
    assert!(ok, "{errors}");
    for word in ["whole", "text as noise", "visual as noise", "text and visual as noise", "What does not follow"] {
        assert!(shown.contains(word), "{shown}");
    }
    // Nothing is run twice.
    let lines = std::fs::read(at("probe").join("results.jsonl")).unwrap();
    let (ok, again, _) = run(&mut probe());
    assert!(ok && again == shown && std::fs::read(at("probe").join("results.jsonl")).unwrap() == lines);

    let train = |model: &[&str], out: &str| {
        let (ok, _, errors) = run(viral("train").args(model).arg("--out").arg(at(out)));
        assert!(ok, "{errors}");
    };
    train(&vbpr, "vbpr");
    let report = |model: &str, more: &[&str]| {
        let mut program = viral("report");
        program.arg("--model").arg(at(model)).arg("--out").arg(at("page.html")).arg("--json").arg(at("page.json"));
        program.arg("--probe").arg(at("probe.json")).args(more);
        run(&mut program)
    };
    let (ok, _, errors) = report("vbpr", &["--dialect", "elliot"]);
    assert!(ok, "{errors}");
    let page: Value = serde_json::from_slice(&std::fs::read(at("page.json")).unwrap()).unwrap();
    let sections = page["sections"].as_array().unwrap();
    let section = |heading: &str| sections.iter().find(|section| section["heading"] == heading).unwrap();
    let probed: Value = serde_json::from_slice(&std::fs::read(at("probe.json")).unwrap()).unwrap();
    assert_eq!(section("What it loses when trained without content")["values"], probed);
    assert!(section("Beyond accuracy").to_string().contains("SEntropy"));

    // Of another model, or of no probe.
    train(&["--model", "lightgcn", "--epochs", "1"], "lightgcn");
    let (ok, _, errors) = report("lightgcn", &[]);
    assert!(!ok && errors.contains("probe.json") && errors.contains("vbpr"), "{errors}");
    std::fs::write(at("probe.json"), "{}").unwrap();
    let (ok, _, errors) = report("vbpr", &[]);
    assert!(!ok && errors.contains("probe.json"), "{errors}");
    let (ok, _, errors) = run(viral("probe").args(["--knockout", "fog"]));
    assert!(!ok && errors.contains("fog") && errors.contains("permuted"), "{errors}");
}
