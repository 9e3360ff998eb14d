//! What lies in the place of files: pipes, which no reader may wait for, links and folders, which no file may replace.
#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use viral::Result;
use viral::data::{
    AppendLog, Dataset, FolderLock, ItemFeatures, Mask, Provenance, WholeFile, read_row_ids, sha256_of_file,
    write_whole,
};
use viral::experiment::Experiment;
use viral::prelude::{Device, Recipe, Recommender};
use viral::recipe::Existing;

fn pipe(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A folder whose interactions are read before the files beside them are.
fn toys(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap().to_path_buf();
    std::fs::write(folder.join("toys.inter"), "user\titem\tx_label\na\tx\t0\nb\ty\t1\nc\tz\t2\n").unwrap();
    folder
}

#[test]
fn no_reader_waits_for_a_pipe() {
    type Read = fn(&Path) -> Result<()>;
    let readers: [(&str, Read); 15] = [
        ("toys/toys.inter", |path| Dataset::read(path.parent().unwrap()).map(drop)),
        ("toys/u_id_mapping.csv", |path| Dataset::read(toys(path)).map(drop)),
        ("toys/i_id_mapping.csv", |path| Dataset::read(toys(path)).map(drop)),
        ("toys/items.jsonl", |path| Dataset::read(toys(path)).map(drop)),
        ("toys/text_feat.npy", |path| Dataset::read(toys(path)).map(drop)),
        ("item_ids.txt", |path| read_row_ids(path).map(drop)),
        ("x.npy", |path| ItemFeatures::read(path).map(drop)),
        ("x.safetensors", |path| ItemFeatures::read(path).map(drop)),
        ("x.npy.provenance.json", |path| Provenance::read_beside(path.with_file_name("x.npy")).map(drop)),
        ("x.npy.mask.jsonl", |path| Mask::read_beside(path.with_file_name("x.npy")).map(drop)),
        ("model.safetensors", |path| Recommender::load(path.parent().unwrap()).map(drop)),
        ("recipe.toml", |path| Recipe::read(path).map(drop)),
        ("experiment.toml", |path| Experiment::read(path).map(drop)),
        ("journal.jsonl", |path| AppendLog::open(path, |_, _| Ok(())).map(drop)),
        (".lock", |path| FolderLock::acquire(path.parent().unwrap()).map(drop)),
    ];
    for (name, read) in readers {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        pipe(&path);
        let (told, answer) = mpsc::channel();
        let of = path.clone();
        std::thread::spawn(move || told.send(read(&of).map_err(|e| e.to_string())));
        let message = answer.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("{name} is waited for"));
        let message = message.unwrap_err();
        assert!(message.contains(name) && message.contains("is a pipe"), "{name}: {message}");
        assert!(sha256_of_file(&path).is_err());
    }
}

#[test]
fn files_take_the_place_of_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::write(at("file"), "x").unwrap();
    pipe(&at("pipe"));
    symlink(at("file"), at("link")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    for (name, kind) in [("folder", "folder"), ("pipe", "pipe"), ("link", "link"), ("dangling", "link")] {
        let message = write_whole(at(name), b"y").unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(&format!("is a {kind}")), "{message}");
    }
    assert_eq!(std::fs::read(at("file")).unwrap(), b"x");
    write_whole(at("file"), b"y").unwrap();
    // What came while the file was written stays as well.
    let mut file = WholeFile::create(at("new")).unwrap();
    file.write(b"x").unwrap();
    symlink(at("file"), at("new")).unwrap();
    assert!(file.commit().is_err() && at("new").is_symlink());
}

#[test]
fn links_that_lead_nowhere_are_named() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("toys");
    std::fs::create_dir(&folder).unwrap();
    symlink("../gone/real.inter", folder.join("toys.inter")).unwrap();
    for given in [folder.clone(), folder.join("toys.inter")] {
        let message = Dataset::read(&given).unwrap_err().to_string();
        assert!(message.contains("toys.inter: is a link to ../gone/real.inter"), "{message}");
    }
    std::fs::remove_file(folder.join("toys.inter")).unwrap();
    toys(&folder.join("x"));
    // What is optional is not left out because its link is broken.
    for name in ["items.jsonl", "i_id_mapping.csv", "text_feat.npy", "image_feat.npy"] {
        symlink("gone", folder.join(name)).unwrap();
        let message = Dataset::read(&folder).unwrap_err().to_string();
        assert!(message.contains(&format!("{name}: is a link to gone")), "{message}");
        std::fs::remove_file(folder.join(name)).unwrap();
    }
}

#[test]
fn a_run_that_cannot_begin_leaves_the_one_that_is_there() {
    let data = viral::data::PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data;
    let folder = tempfile::tempdir().unwrap();
    let run = |recipe: &Recipe, existing| {
        recipe.runner(&data, &Device::flex()).folder(folder.path()).existing(existing).run().map(drop)
    };
    let files = || {
        ["model.safetensors", "checkpoint.safetensors", "recipe.toml", "seconds.json"]
            .map(|name| std::fs::read(folder.path().join(name)).ok())
    };
    let recipe = Recipe::named("bpr-mf").unwrap().seed(1).epochs(2);
    run(&recipe, Existing::Refuse).unwrap();
    let before = files();
    assert!(before.iter().all(Option::is_some));
    let set = |key: &str, value: &str| recipe.clone().set(key, value).unwrap();
    let mut decay = recipe.clone();
    decay.training.lr_decay = 0.0;
    for (word, recipe) in [
        ("d_embed", set("d_embed", "0")),
        ("d_embed", set("d_embed", "9223372036854775807")),
        ("d_embed", set("d_embed", "100000000000")),
        ("batch_size", recipe.clone().batch_size(0)),
        ("lr_decay", decay),
        ("0 epochs", recipe.clone().epochs(0)),
        ("diverged", recipe.clone().learning_rate(1e9)),
    ] {
        let message = run(&recipe, Existing::Overwrite).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
        assert_eq!(files(), before, "{word}");
    }
    // With fewer epochs or less patience than are behind it, a run is not one that was never interrupted.
    for (word, recipe) in
        [("1 are asked for", recipe.clone().epochs(1)), ("a patience of 0", recipe.clone().patience(0))]
    {
        let message = run(&recipe, Existing::Resume).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("2 epochs behind it"), "{message}");
        assert_eq!(files(), before, "{word}");
    }
    run(&recipe.clone().epochs(3), Existing::Resume).unwrap();
    let longer = std::fs::read_to_string(folder.path().join("recipe.toml")).unwrap();
    assert!(longer.contains("epochs = 3"), "{longer}");
    // A model without epochs takes the place of all.
    run(&Recipe::named("popularity").unwrap(), Existing::Overwrite).unwrap();
    let after = files();
    assert!(after[0].is_some() && after[0] != before[0] && after[1].is_none() && after[3].is_none());
    assert!(String::from_utf8(after[2].clone().unwrap()).unwrap().contains("popularity"));
}
