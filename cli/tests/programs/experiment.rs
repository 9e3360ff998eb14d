//! `viral experiment` on a small catalogue, killed again and again, and on files with mistakes.

use crate::run;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TOYS: &str = r#"
name = "toys"
seeds = [1, 2]
training = { epochs = 30, patience = 30, batch_size = 64 }
comparison = { resamples = 200 }

[[data]]
name = "planted"
planted = { n_users = 150, n_items = 60 }

[[models]]
model = "popularity"
seeds = [1]

[[models]]
model = "lightgcn"
settings = { d_embed = 16 }
[models.tune]
epochs = 10
training.adam.lr = [1e-3, 1e-2]

[[contrasts]]
of = "lightgcn"
"#;

/// The file of the experiment in a folder of its own.
fn toys() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("toys.toml");
    std::fs::write(&file, TOYS).unwrap();
    (folder, file)
}

fn command(file: &Path, out: &Path) -> Command {
    let mut command = crate::viral("experiment");
    command.arg(file).arg("--out").arg(out).args(["--threads", "1"]);
    command
}

fn lines(out: &Path) -> String {
    std::fs::read_to_string(out.join("results.jsonl")).unwrap_or_default()
}

/// Whether there is a checkpoint of a run that is not done.
fn is_within_a_run(out: &Path) -> bool {
    let Ok(running) = std::fs::read_dir(out.join("running")) else { return false };
    running.flatten().any(|entry| entry.path().join("checkpoint.safetensors").exists())
}

#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_lines() {
    let (folder, file) = toys();
    let whole = folder.path().join("whole");
    let (is_good, shown, errors) = run(&mut command(&file, &whole));
    assert!(is_good, "{errors}");
    assert!(shown.contains("lightgcn − popularity") && shown.contains("read 3 times for 3 finished runs"), "{shown}");
    assert!(std::fs::read_to_string(whole.join("report.md")).unwrap().contains("| lightgcn − popularity |"));
    let expected = lines(&whole);
    assert_eq!(expected.lines().count(), 5);

    let out = folder.path().join("killed");
    let (mut n_killed, mut n_within) = (0, 0);
    for attempt in 0..12u64 {
        let mut child = command(&file, &out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // At once, and later and later after it began to train.
        let start = Instant::now();
        while attempt > 0 && !is_within_a_run(&out) && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(attempt * 7));
        let is_alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        n_killed += usize::from(is_alive);
        n_within += usize::from(is_within_a_run(&out));
        assert!(expected.starts_with(lines(&out).trim_end_matches('\n')), "{}", lines(&out));
        if lines(&out) == expected {
            break;
        }
    }
    assert!(n_killed >= 2 && n_within >= 1, "killed {n_killed} times, {n_within} of these within a run");
    let (is_good, _, errors) = run(&mut command(&file, &out));
    assert!(is_good, "{errors}");
    assert_eq!(lines(&out), expected);
}

#[test]
fn what_is_to_do_is_listed_and_what_is_not_run_has_a_command() {
    let (folder, file) = toys();
    let out = folder.path().join("out");
    let (is_good, shown, errors) = run(command(&file, &out).arg("--dry-run"));
    assert!(is_good, "{errors}");
    assert!(shown.contains("to run        planted lightgcn trial 2 of 2 (adam.lr = 0.01)\n"), "{shown}");
    assert!(shown.contains("after trials  planted lightgcn seed 2\n"), "{shown}");
    assert!(shown.contains("5 runs: 3 to run, 2 after trials") && !out.exists(), "{shown}");
    let (is_good, shown, errors) = run(command(&file, &out).args(["--only", "popularity", "--markdown"]));
    assert!(is_good && errors.contains("[1/1] planted popularity seed 1"), "{errors}");
    assert!(shown.contains("| lightgcn | not run |"), "{shown}");
    let line = shown.lines().find(|line| line.starts_with("viral experiment")).unwrap();
    assert!(line.ends_with("--on planted --only lightgcn"), "{line}");
    let (is_good, again, errors) = run(command(&file, &out).args(["--report", "--markdown"]));
    assert!(is_good && again == shown, "{again}{errors}");
}

#[test]
fn mistakes_are_told_with_file_line_and_key() {
    let (folder, file) = toys();
    let out = folder.path().join("out");
    std::fs::write(&file, TOYS.replace("d_embed", "d_embde")).unwrap();
    let (is_good, _, errors) = run(&mut command(&file, &out));
    assert!(!is_good && errors.contains("toys.toml:17: models[1].settings.d_embde: "), "{errors}");
    std::fs::write(&file, TOYS.replace("planted = {", "folder = \"nowhere\" # {")).unwrap();
    let (is_good, _, errors) = run(command(&file, &out).arg("--data-root").arg(folder.path()));
    assert!(!is_good && errors.contains("nowhere") && !out.exists(), "{errors}");
}
