//! `viral missing` on a small catalogue: the table, what is not done again, and mistakes.

use crate::run;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A small folder of data with both modalities.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toys");
    std::fs::create_dir(&path).unwrap();
    let (n_users, n_items) = (60u64, 30u64);
    let mut inter = String::from("userID\titemID\tx_label\n");
    for user in 0..n_users {
        for n in 0..8 {
            let item = (user % 3 * 10 + (user * 7 + n * 3) % 10 + n / 4 * 10) % n_items;
            let label = [0, 0, 0, 0, 0, 1, 2, 2][n as usize];
            inter.push_str(&format!("{user}\t{item}\t{label}\n"));
        }
    }
    let mut lines: Vec<&str> = inter.lines().collect();
    let mut seen = std::collections::HashSet::new();
    lines.retain(|line| seen.insert(line.rsplit_once('\t').unwrap().0));
    std::fs::write(path.join("toys.inter"), lines.join("\n") + "\n").unwrap();
    for (name, width) in [("text_feat.npy", 6), ("image_feat.npy", 4)] {
        let value = |i: u64| {
            ((i * 2_654_435_761 % 1000) as f32 / 500.0 - 1.0) + f32::from(u8::from(i % width == i / width / 10))
        };
        let values = (0..n_items * width).map(value).collect();
        let features = viral::data::ItemFeatures::new(n_items as usize, width as usize, values).unwrap();
        features.write(path.join(name)).unwrap();
    }
    folder
}

fn command(folder: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = crate::viral("missing");
    command.arg("--data").arg(folder.join("toys")).arg("--out").arg(out).args(["--epochs", "3", "--threads", "1"]);
    command.args(["--set", "d_embed=8", "--set", "d_fusion=8", "--batch-size", "64"]).args(more);
    command
}

fn lines(out: &Path) -> String {
    std::fs::read_to_string(out.join("results.jsonl")).unwrap_or_default()
}

const GRID: [&str; 8] =
    ["--rates", "0,50,100", "--lost", "text,both", "--imputation", "zero-aware,multi-hop", "--seeds", "1,2"];

#[test]
fn a_killed_run_goes_on_to_the_same_table() {
    let folder = folder();
    let (whole, json) = (folder.path().join("whole"), folder.path().join("report.json"));
    let more = [&GRID[..], &["--missing-in", "train+test,test"]].concat();
    let (is_good, shown, errors) = run(command(folder.path(), &whole, &more).arg("--json").arg(&json));
    assert!(is_good, "{errors}");
    assert!(shown.contains("text and visual missing in test") && shown.contains("multi-hop"), "{shown}");
    // 2 parts, 2 curves, 2 rates, 2 imputations and 2 seeds.
    let expected = lines(&whole);
    assert_eq!(expected.lines().count(), 32, "{expected}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!((rows.len(), rows[0]["figures"].as_array().unwrap().len()), (16, 2));
    assert_eq!((&rows[0]["missing_in"], &rows[15]["missing_in"]), (&"train+test".into(), &"test".into()));
    // Where all have lost it, there are no others.
    let at = |share: f64| rows.iter().find(|row| row["share"] == share).unwrap();
    assert!(at(1.0)["figures"][0]["others"].is_null() && at(0.5)["figures"][0]["others"].is_number(), "{report}");
    assert!(at(0.5)["above_floor"]["low"].is_number() && report["floor"].is_number());

    let out = folder.path().join("killed");
    for attempt in 1..6u64 {
        let mut child =
            command(folder.path(), &out, &more).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (start, before) = (Instant::now(), lines(&out).len());
        while lines(&out).len() == before
            && child.try_wait().unwrap().is_none()
            && start.elapsed() < Duration::from_secs(20)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(attempt * 11));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(expected.starts_with(lines(&out).trim_end_matches('\n')), "{}", lines(&out));
    }
    let (is_good, again, errors) = run(&mut command(folder.path(), &out, &more));
    assert!(is_good, "{errors}");
    assert_eq!((lines(&out), again), (expected, shown));
    assert!(!out.join("running").exists());
}

#[test]
fn mistakes_are_told() {
    let folder = folder();
    let out = folder.path().join("out");
    for (more, words) in [
        (&["--lost", "audio"][..], "audio"),
        (&["--rates", "120"], "per cent"),
        (&["--imputation", "magic"], "zero-aware, zeros, mean"),
        (&["--missing-in", "nowhere"], "train+test, test"),
        (&["--seeds", "1,1"], "the seed 1 comes twice"),
        (&["--rates", "50,20,50"], "the share 0.5 comes twice"),
        (&["--lost", "text,text"], "the loss of text comes twice"),
        (&["--imputation", "mean,mean"], "the imputation mean comes twice"),
        (&["--missing-in", "test,test"], "the part test comes twice"),
        (&["--rates", "0"], "always included; add a rate above it"),
    ] {
        let (is_good, shown, errors) = run(&mut command(folder.path(), &out, more));
        assert!(!is_good && shown.is_empty() && errors.contains(words), "{more:?}: {errors}");
        assert!(!out.exists(), "{more:?}");
    }
}
