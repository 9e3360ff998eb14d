//! Experiments from their files to their tables, and interrupted at any moment.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use viral::data::Part;
use viral::experiment::{Experiment, JobState, Notice, Outcome, Selection, Session};
use viral::model::ModelConfig;
use viral::prelude::*;

const TOYS: &str = r#"
name = "toys"
seeds = [1, 2]
cutoffs = [10, 20]
training = { epochs = 3, patience = 20, batch_size = 256 }
comparison = { resamples = 500 }

[[data]]
name = "small"
planted = { n_users = 60, n_items = 40 }

[[data]]
name = "other"
planted = { n_users = 50, n_items = 40, seed = 5 }

[[models]]
model = "popularity"
seeds = [1]

[[models]]
model = "bpr-mf"
settings = { d_embed = 8 }
published = { small = { "R@20" = 0.3 } }
[models.tune]
epochs = 2
training.adam.lr = [1e-3, 1e-2]

[[models]]
name = "light"
model = "lightgcn"
data = ["small"]
settings = { d_embed = 8 }

[[contrasts]]
of = "light"
"#;

fn device() -> Device {
    Device::flex()
}

/// No spread can be told of one user, and still there are tables.
#[test]
fn a_test_part_of_one_user_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = (0..12).flat_map(|user| (0..3).map(move |n| (user, (user * 5 + n * 3) % 9)));
    let lines =
        pairs.enumerate().map(|(at, (user, item))| format!("{user}\t{item}\t{}\n", [1, 2].get(at).unwrap_or(&0)));
    std::fs::create_dir(folder.path().join("one")).unwrap();
    let text = format!("userID\titemID\tx_label\n{}", lines.collect::<String>());
    std::fs::write(folder.path().join("one/one.inter"), text).unwrap();
    let file = "name = 'e'\n[[data]]\nname = 'one'\n[[models]]\nmodel = 'popularity'\n[[models]]\nmodel = 'bpr-mf'\n\
                training = { epochs = 1 }\n[[contrasts]]\nof = 'bpr-mf'\n";
    let experiment = Experiment::from_toml(file).unwrap();
    let mut session = experiment.open(folder.path(), folder.path().join("out")).unwrap();
    session.run(&device(), &Selection::all(), go_on).unwrap();
    let report = session.report("viral experiment e.toml").unwrap().to_text();
    assert!(report.contains("R@20 of 1 user") && report.contains("bpr-mf − popularity"), "{report}");
}

fn open(out: &Path) -> Session {
    Experiment::from_toml(TOYS).unwrap().open("no/such/root", out).unwrap()
}

fn go_on(_: Notice) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn finish(out: &Path) -> (Session, Outcome) {
    let mut session = open(out);
    let outcome = session.run(&device(), &Selection::all(), go_on).unwrap();
    assert!(outcome.failures.is_empty() && !outcome.is_interrupted, "{outcome:?}");
    (session, outcome)
}

/// All that a result is: the lines, and the users' files by name.
fn results(out: &Path) -> (String, BTreeMap<PathBuf, Vec<u8>>) {
    let files = std::fs::read_dir(out.join("users")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.map(|path| (path.file_name().unwrap().into(), std::fs::read(&path).unwrap()));
    (std::fs::read_to_string(out.join("results.jsonl")).unwrap(), files.collect())
}

#[test]
fn every_run_is_done_once_and_the_tables_say_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let before = open(folder.path());
    let states = |session: &Session| session.jobs().unwrap().iter().map(|job| job.state).collect::<Vec<_>>();
    // On each data set popularity, two trials and two runs of bpr-mf; on the small one two of lightgcn.
    assert_eq!(states(&before).len(), 12);
    assert_eq!(states(&before).iter().filter(|state| **state == JobState::AfterTrials).count(), 4);
    let text = before.report("viral").unwrap().to_text();
    assert!(
        text.contains("Not run on small: popularity (seeds 1), bpr-mf (seeds 1, 2), light (seeds 1, 2)."),
        "{text}"
    );
    assert!(text.contains("    viral --on other --only bpr-mf\n") && text.contains("read 0 times for 0 finished runs"));
    assert!(!folder.path().join("results.jsonl").exists(), "a report writes nothing");

    let (session, outcome) = finish(folder.path());
    assert_eq!(outcome.n_finished, 12);
    assert!(states(&session).iter().all(|state| *state == JobState::Done));
    let lines = results(folder.path());
    assert_eq!((lines.0.lines().count(), lines.1.len()), (12, 8));
    let (again, outcome) = finish(folder.path());
    assert_eq!((outcome.n_finished, &results(folder.path())), (0, &lines));
    assert!(!folder.path().join("running").exists());

    let report = again.report("viral").unwrap();
    let (text, markdown) = (report.to_text(), report.to_markdown());
    assert!(text.contains("The test part was read 8 times for 8 finished runs."), "{text}");
    assert!(!text.contains("not run") && !text.contains("Not run"), "{text}");
    assert!(text.contains("bpr-mf: 2 trials of 2 epochs on valid chose adam.lr = 0.0"), "{text}");
    assert!(markdown.contains("## small\n") && markdown.contains("| R@20, published |"), "{markdown}");
    assert!(markdown.contains("±") && markdown.contains("| light − bpr-mf |"), "{markdown}");
    let comparisons: Vec<_> = report.comparisons().collect();
    assert_eq!((comparisons[0].0, comparisons[0].1.len(), comparisons[1].1.len()), ("small", 2, 0));
    for c in comparisons[0].1 {
        assert!(c.difference.low <= c.difference.mean && c.difference.mean <= c.difference.high, "{c:?}");
        assert!(c.p <= c.benjamini_hochberg && c.benjamini_hochberg <= c.holm, "{c:?}");
    }

    // A line is what the library itself finds.
    let line: serde_json::Value = serde_json::from_str(lines.0.lines().next().unwrap()).unwrap();
    let data = session.data().next().unwrap();
    let run = Recipe::named("popularity").unwrap().run(data, &device()).unwrap();
    let expected = run.embeddings().evaluate(data, Part::Test, &[20]).unwrap();
    assert_eq!(line["test"]["recall@20"].as_f64().unwrap(), expected.recall(20));
    assert_eq!((&line["config"]["model"], &line["kind"]), (&"popularity".into(), &"run".into()));
    let trial: serde_json::Value = serde_json::from_str(lines.0.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&trial["kind"], trial.get("test")), (&"trial".into(), None));
    let mean = comparisons[0].1[1].difference.mean;
    let of = |model: &str| -> f64 {
        let values: Vec<f64> = lines
            .0
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["kind"] == "run" && line["data"] == "small" && line["config"]["model"] == model)
            .map(|line| line["test"]["recall@20"].as_f64().unwrap())
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert!((mean - (of("lightgcn") - of("bpr-mf"))).abs() < 1e-12, "{mean}");
}

#[test]
fn interrupted_at_any_moment_the_results_are_the_same_bytes() {
    let outer = tempfile::tempdir().unwrap();
    let whole = outer.path().join("whole");
    let mut n_notices = 0;
    let count = |_: Notice| {
        n_notices += 1;
        ControlFlow::Continue(())
    };
    open(&whole).run(&device(), &Selection::all(), count).unwrap();
    let expected = results(&whole);
    assert!(n_notices > 60, "{n_notices}");
    // Broken off after every so many notices, within steps, epochs, trials and runs.
    for every in [5, 7, 11] {
        let out = outer.path().join(format!("every{every}"));
        let mut n_sessions = 0;
        loop {
            n_sessions += 1;
            assert!(n_sessions < 200, "it does not come to an end");
            let mut left = every;
            let outcome = open(&out).run(&device(), &Selection::all(), |_| {
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if !outcome.unwrap().is_interrupted {
                break;
            }
        }
        assert!(n_sessions > 5, "{n_sessions} sessions with {every} notices each");
        assert_eq!(results(&out), expected, "every {every}");
    }
}

#[test]
fn what_a_killed_process_leaves_is_mended() {
    let outer = tempfile::tempdir().unwrap();
    let whole = outer.path().join("whole");
    finish(&whole);
    let expected = results(&whole);
    let copy = |name: &str, lines: &str| {
        let out = outer.path().join(name);
        std::fs::create_dir_all(out.join("users")).unwrap();
        for (file, bytes) in &expected.1 {
            std::fs::write(out.join("users").join(file), bytes).unwrap();
        }
        std::fs::write(out.join("results.jsonl"), lines).unwrap();
        out
    };
    let lines: Vec<&str> = expected.0.split_inclusive('\n').collect();
    let (first, next) = (lines[..7].concat(), lines[7]);
    // Killed between the users' file and the line; while the line was written; before its end.
    for (i, torn) in ["", &next[..1], &next[..next.len() / 2], &next[..next.len() - 1]].into_iter().enumerate() {
        let out = copy(&format!("torn{i}"), &format!("{first}{torn}"));
        let (session, _) = finish(&out);
        assert_eq!(results(&out), expected, "{i}");
        assert!(session.jobs().unwrap().iter().all(|job| job.state == JobState::Done));
    }
    // Killed between the line and the clean-up.
    let out = copy("left", &expected.0);
    let key = serde_json::from_str::<serde_json::Value>(lines[0]).unwrap()["key"].as_str().unwrap().to_string();
    std::fs::create_dir_all(out.join("running").join(key)).unwrap();
    finish(&out);
    assert_eq!((results(&out), out.join("running").exists()), (expected.clone(), false));
    // Lines without what users got still make tables, and say what they lack.
    let out = copy("lines", &expected.0);
    std::fs::remove_dir_all(out.join("users")).unwrap();
    let text = open(&out).report("viral").unwrap().to_text();
    assert!(text.contains("Not compared") && text.contains("±") && !text.contains("not run"), "{text}");
    // Damage is no end of a line.
    std::fs::write(out.join("results.jsonl"), format!("{}x\n{}", lines[0], lines[1])).unwrap();
    let error = Experiment::from_toml(TOYS).unwrap().open("", &out).unwrap_err().to_string();
    assert!(error.contains("results.jsonl:2: not a result"), "{error}");
}

#[test]
fn a_selection_runs_alone_and_a_failure_keeps_nobody_from_running() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(folder.path());
    let mut selection = Selection::all();
    selection.models = vec!["light".into()];
    assert_eq!(session.run(&device(), &selection, go_on).unwrap().n_finished, 2);
    selection.models = vec!["heavy".into()];
    let error = session.run(&device(), &selection, go_on).unwrap_err().to_string();
    assert!(error.contains("no model 'heavy'") && error.contains("light"), "{error}");

    let text = TOYS
        .replace("training.adam.lr = [1e-3, 1e-2]", "training.adam.lr = [1e9, 1e8]")
        .replace("settings = { d_embed = 8 }\n\n[[contrasts]]", "settings = { d_embed = 0 }\n\n[[contrasts]]");
    let out = folder.path().join("failing");
    let mut session = Experiment::from_toml(&text).unwrap().open("", &out).unwrap();
    let mut told = Vec::new();
    let outcome = session
        .run(&device(), &Selection::all(), |notice| {
            if let Notice::Failed { job, .. } = notice {
                told.push(job.to_string());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    let failures: Vec<String> = outcome.failures.iter().map(|(job, error)| format!("{job}: {error}")).collect();
    assert_eq!(failures.len(), told.len());
    // Two runs of bpr-mf on each data set without settings, two of lightgcn without a width.
    assert_eq!(failures.iter().filter(|failure| failure.contains("every trial of bpr-mf")).count(), 4, "{failures:?}");
    assert_eq!(failures.iter().filter(|failure| failure.contains("d_embed")).count(), 2, "{failures:?}");
    // Popularity on both, and four trials that came to nothing.
    assert_eq!(outcome.n_finished, 6);
    let text = session.report("viral").unwrap().to_text();
    assert!(text.contains("bpr-mf: 2 trials of 2 epochs all diverged.") && text.contains("not run"), "{text}");
    let again = session.run(&device(), &Selection::all(), go_on).unwrap();
    assert_eq!((again.n_finished, again.failures.len()), (0, 6), "what diverged is not tried again");
}

/// Models that files may name before the library has them.
fn without_unknown_models(text: &str) -> String {
    let is_known = |section: &&str| {
        let name = section.lines().find_map(|line| line.strip_prefix("model = \""));
        name.is_none_or(|name| ModelConfig::NAMES.contains(&name.trim_end_matches('"')))
    };
    let (mut text, contrasts) = text.split_once("\n[[contrasts]]").unwrap();
    let head;
    (head, text) = text.split_once("\n[[models]]").unwrap();
    let models: String =
        text.split("\n[[models]]").filter(is_known).map(|section| format!("\n[[models]]{section}")).collect();
    format!("{head}{models}\n[[contrasts]]{contrasts}")
}

#[test]
fn the_experiments_of_the_paper_are_well_formed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/experiments");
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        Experiment::from_toml(&without_unknown_models(&text)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for name in ["table1_baby", "table1_sports", "table1_tiktok", "table1_lastfm"] {
        let experiment = read(name);
        assert_eq!(experiment.name, name);
        let models: Vec<&str> = experiment.models.iter().map(|row| row.name.as_str()).collect();
        // No copy of these data has attributes: a vision-language model has to see the pictures for them.
        let needed = ModelConfig::NAMES.iter().filter(|name| **name != "attribute-knn");
        assert!(needed.into_iter().all(|name| models.contains(name)), "{name}: {models:?}");
        for row in &experiment.models {
            assert_eq!((row.recipe.training.epochs, row.recipe.training.patience), (150, 20), "{name}: {}", row.name);
            let n_trials = row.tune.as_ref().map_or(0, |tune| tune.choices.iter().map(|c| c.values.len()).product());
            assert!(n_trials <= 6 && row.tune.as_ref().is_none_or(|tune| tune.epochs == 10), "{name}: {}", row.name);
        }
    }
    assert_eq!(read("table2_fusion").models.len(), 5);
}

#[test]
fn the_first_look_finds_that_content_helps() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/experiments/planted.toml");
    let folder = tempfile::tempdir().unwrap();
    let mut session = Experiment::read(path).unwrap().open("", folder.path()).unwrap();
    let outcome = session.run(&device(), &Selection::all(), go_on).unwrap();
    assert!(outcome.failures.is_empty(), "{outcome:?}");
    let report = session.report("viral").unwrap();
    let (_, comparisons) = report.comparisons().next().unwrap();
    assert_eq!(comparisons.len(), 4);
    for c in comparisons {
        assert!(c.difference.low > 0.0 && c.holm < 0.01 && c.wilcoxon < 0.01 && c.t < 0.01, "{c:?}");
    }
}
