//! `viral train --mpi` under `mpirun`: the bits of one process, and what becomes of a job with a rank that is killed.

use crate::{run, viral};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ranks on one machine, however few processors it has.
fn mpirun(n: usize) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", &n.to_string()]);
    command
}

fn train<'c>(command: &'c mut Command, out: &Path, arguments: &[&str]) -> &'c mut Command {
    command.args(["--threads", "1", "--batch-size", "1024", "--out"]).arg(out).args(arguments)
}

fn over_ranks(n: usize, out: &Path, arguments: &[&str]) -> Command {
    let mut command = mpirun(n);
    train(command.arg(env!("CARGO_BIN_EXE_viral")).args(["train", "--mpi"]), out, arguments);
    command
}

fn checkpoint(out: &Path) -> Vec<u8> {
    std::fs::read(out.join("checkpoint.safetensors")).unwrap()
}

/// The checkpoint of one process. VIRAL's is that of one rank: in parts its sums are made in another order.
fn alone(outer: &Path, arguments: &[&str]) -> Vec<u8> {
    let out = outer.join("alone");
    let mut command = viral("train");
    if arguments.contains(&"viral") {
        command.arg("--mpi");
    }
    let (is_good, _, errors) = run(train(&mut command, &out, arguments));
    assert!(is_good, "{errors}");
    checkpoint(&out)
}

const LIGHTGCN: &[&str] = &["--model", "lightgcn"];
const VIRAL: &[&str] = &["--model", "viral", "--set", "user_neighbors=20", "--set", "shared_negatives=128"];

#[test]
fn ranks_have_the_bits_of_one_process() {
    for model in [LIGHTGCN, VIRAL] {
        let outer = tempfile::tempdir().unwrap();
        let one = alone(outer.path(), &[model, &["--epochs", "4"]].concat());
        for n in [2, 4] {
            let out = outer.path().join(n.to_string());
            let (is_good, found, errors) = run(&mut over_ranks(n, &out, &[model, &["--epochs", "4"]].concat()));
            assert!(is_good, "{errors}");
            assert!(checkpoint(&out) == one, "{model:?}: the checkpoint of {n} ranks");
            assert!((0..n).all(|rank| errors.contains(&format!("rank {rank}: "))), "{errors}");
            assert!(found.contains("recall") && found.contains("--resume"), "{found}");
        }
        // Two epochs of two ranks, one of four, one of three; one process then writes the model.
        let out = outer.path().join("by turns");
        for (n, epochs, existing) in [(2, "2", "--overwrite"), (4, "3", "--resume"), (3, "4", "--resume")] {
            let arguments = [model, &["--epochs", epochs, existing]].concat();
            let (is_good, _, errors) = run(&mut over_ranks(n, &out, &arguments));
            assert!(is_good, "{errors}");
        }
        let (is_good, _, errors) =
            run(train(&mut viral("train"), &out, &[model, &["--epochs", "4", "--resume"]].concat()));
        assert!(is_good && out.join("model.safetensors").exists(), "{errors}");
        assert!(checkpoint(&out) == one, "{model:?}: by turns");
    }
}

#[test]
#[ignore = "needs VIRAL_DATA, the folder of the real data sets"]
fn ranks_have_the_bits_of_one_process_on_baby() {
    let data = Path::new(&std::env::var("VIRAL_DATA").unwrap()).join("baby");
    for model in [&["--model", "lightgcn"][..], &["--model", "viral"]] {
        let outer = tempfile::tempdir().unwrap();
        let data = ["--data", data.to_str().unwrap(), "--name", "baby_mmrec", "--epochs", "2"];
        let arguments = [model, &data].concat();
        let one = alone(outer.path(), &arguments);
        for n in [2, 4] {
            let out = outer.path().join(n.to_string());
            let (is_good, _, errors) = run(&mut over_ranks(n, &out, &arguments));
            assert!(is_good, "{errors}");
            assert!(checkpoint(&out) == one, "{model:?}: the checkpoint of {n} ranks");
        }
    }
}

#[test]
fn a_rank_with_other_settings_or_data_is_refused_by_name() {
    let outer = tempfile::tempdir().unwrap();
    let out = outer.path().join("run");
    for (other, words) in [
        (&["--seed", "7"][..], "rank 1 has other settings than rank 0: 'seed = 7'"),
        (&["--data", "no/such/folder"], "no/such/folder"),
        (&["--model", "freedom"], "rank 1: freedom cannot be split over ranks"),
    ] {
        let mut command = over_ranks(1, &out, &["--model", "lightgcn", "--epochs", "2"]);
        command.args([":", "-n", "1", env!("CARGO_BIN_EXE_viral"), "train", "--mpi"]);
        let model = if other[0] == "--model" { &[][..] } else { &["--model", "lightgcn"] };
        train(&mut command, &out, &[model, &["--epochs", "2"], other].concat());
        let start = Instant::now();
        let (is_good, _, errors) = run(&mut command);
        assert!(!is_good && errors.contains(words), "{words}: {errors}");
        assert!(start.elapsed() < Duration::from_secs(10) && !out.join("checkpoint.safetensors").exists());
    }
}

/// Processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        after_name.split(' ').nth(1) == Some(&parent.to_string())
    })
    .collect()
}

/// Waits, and says how long it took.
fn ended(child: &mut Child, at_most: Duration) -> Duration {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < at_most, "the job goes on without a rank");
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

/// `VIRAL_KILLS=50` for more of them.
#[test]
fn a_killed_rank_ends_the_job_and_leaves_the_checkpoint_whole() {
    let n_kills: u64 = std::env::var("VIRAL_KILLS").map_or(3, |n| n.parse().unwrap());
    for (model, epochs) in [(LIGHTGCN, "40"), (VIRAL, "4")] {
        let outer = tempfile::tempdir().unwrap();
        let arguments = [model, &["--epochs", epochs, "--keep-last"]].concat();
        let start = Instant::now();
        let one = alone(outer.path(), &arguments);
        let whole = start.elapsed();
        let (mut longest, mut n_late) = (Duration::ZERO, 0);
        for kill in 0..n_kills {
            let out = outer.path().join(format!("kill {kill}"));
            let mut command = over_ranks(3, &out, &arguments);
            let mut job = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            // Somewhere in the run, which takes about as long as one process does.
            let share = ((kill * 2_654_435_761) % 1000) as f64 / 1000.0;
            std::thread::sleep(Duration::from_millis(600) + whole.mul_f64(share));
            let ranks = children(job.id());
            let victim = ranks.get(kill as usize % 3).copied();
            if let Some(victim) = victim {
                let killed = Command::new("kill").args(["-9", &victim.to_string()]).status().unwrap();
                assert!(killed.success() || job.try_wait().unwrap().is_some());
            }
            longest = longest.max(ended(&mut job, Duration::from_secs(10)));
            let output = job.wait_with_output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                n_late += 1; // the run was over before
            } else {
                assert!(
                    errors.contains("killed") || errors.contains("Killed") || errors.contains("signal 9"),
                    "{errors}"
                );
                assert!(errors.contains("exited on signal 9"), "{errors}");
            }
            let existing = if out.join("checkpoint.safetensors").exists() { "--resume" } else { "--overwrite" };
            let again = [arguments.as_slice(), &[existing]].concat();
            let (is_good, _, errors) = run(&mut over_ranks(1 + kill as usize % 4, &out, &again));
            assert!(is_good, "kill {kill}, {existing}: {errors}");
            assert!(checkpoint(&out) == one, "kill {kill}, {existing}");
            let left = std::fs::read_dir(&out).unwrap().flatten().map(|entry| entry.file_name());
            assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".viral-")), "unfinished files");
        }
        println!("{model:?}: {n_kills} kills, the longest end took {longest:?}, {n_late} runs were over before");
        assert!(n_late * 2 <= n_kills, "{n_late} of {n_kills} runs were over before they were killed");
    }
}
