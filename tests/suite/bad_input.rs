//! What goes wrong outside: each is an error that names the path and says what to do, never a panic and never a half
//! written file. Bad interactions and features have their tests beside the readers, in `src/data`.

#[cfg(unix)]
mod damaged;

use crate::support::with;
use burn::tensor::Device;
use std::path::{Path, PathBuf};
use std::process::Command;
use viral::data::{Dataset, Interactions, Modality, Part, PlantedConfig, ReadOptions};
use viral::model::{Model, ModelConfig};
use viral::nn::Init;
use viral::serve::Recommender;
use viral::train::{Checkpoint, Event, TrainState, TrainerConfig};

fn device() -> Device {
    Device::flex().autodiff()
}

pub(crate) fn small() -> Dataset {
    let config = PlantedConfig::new().with_n_users(12).with_n_items(30).with_interactions_per_user(6);
    config.with_d_text(3).with_d_visual(3).generate().data
}

fn config(d_embed: usize) -> ModelConfig {
    let mut config = ModelConfig::by_name("lightgcn").unwrap();
    config.set("d_embed", &d_embed.to_string()).unwrap();
    config
}

fn trainer() -> TrainerConfig {
    with(TrainerConfig::default(), |c| {
        c.epochs = 3;
        c.batch_size = 32.into();
    })
}

fn fresh(config: &ModelConfig, data: &Dataset) -> Model {
    config.init(&data.train, &mut Init::new(1, &device())).unwrap()
}

fn saved(data: &Dataset) -> Recommender {
    let config = config(2);
    Recommender::new(&fresh(&config, data), &config, data).unwrap()
}

fn checkpoint(data: &Dataset) -> Checkpoint {
    Checkpoint::new(&config(2), &trainer(), &data.fingerprint()).unwrap()
}

/// Trains one epoch and leaves its checkpoint at `path`.
fn save_checkpoint(data: &Dataset, path: &Path) {
    let state = TrainState::new(fresh(&config(2), data), &trainer());
    let observe = |event: Event<Model>| {
        Ok(match event {
            Event::Epoch { state, .. } => {
                checkpoint(data).save(path, state)?;
                std::ops::ControlFlow::Break(())
            }
            _ => std::ops::ControlFlow::Continue(()),
        })
    };
    trainer().fit_from(state, &data.train, &data.valid, &device(), observe).unwrap();
}

fn load_checkpoint(data: &Dataset, path: &Path) -> viral::Result<TrainState<Model>> {
    checkpoint(data).load(path, fresh(&config(2), data))
}

/// The message of an error names the path and has each of `parts`.
fn expect<T>(result: viral::Result<T>, path: &Path, parts: &[&str]) {
    let message = match result {
        Ok(_) => panic!("{}: no error; expected one that says {parts:?}", path.display()),
        Err(error) => error.to_string(),
    };
    assert!(message.starts_with(&path.display().to_string()), "the path does not lead: {message}");
    for part in parts {
        assert!(message.contains(part), "'{part}' is missing in: {message}");
    }
}

/// A folder with files in it, and what is in there now.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// `[n, 2]` of ones, as NumPy writes it.
fn npy(n: usize) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, 2), }}");
    header.push_str(&" ".repeat(127 - 10 - header.len() % 64));
    header.truncate(117);
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend((0..2 * n).flat_map(|_| 1f32.to_le_bytes()));
    bytes
}

#[test]
fn features_with_too_few_or_too_many_rows_are_refused_by_name() {
    let folder = Folder::new();
    let rows = "0\t0\t0\n0\t1\t1\n1\t2\t0\n1\t0\t2\n";
    std::fs::write(folder.at("toy.inter"), format!("userID\titemID\tx_label\n{rows}")).unwrap();
    let read = || Dataset::read_with(folder.0.path(), &ReadOptions::new().with_name("toy"));
    for file in ["text_feat.npy", "image_feat.npy"] {
        for n in [2, 4] {
            std::fs::write(folder.at(file), npy(n)).unwrap();
            let found = format!("{n} rows, but item ids run to 2");
            expect(read(), &folder.at(file), &[&found, "toy.inter", "which makes 3 rows", "item_ids.txt"]);
        }
        std::fs::write(folder.at(file), npy(3)).unwrap();
        assert_eq!(read().unwrap().n_items(), 3);
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::new();
    let missing = folder.at("baby");
    expect(Dataset::read(&missing), &missing, &["No such file", "check the path"]);
    // A folder without the file of interactions.
    std::fs::create_dir(&missing).unwrap();
    expect(Dataset::read(&missing), &missing.join("baby.inter"), &["No such file", "check the path"]);
}

#[test]
fn more_recommendations_than_items_are_all_there_are_and_unknown_users_are_errors() {
    let saved = saved(&small());
    let data = small();
    let known = [Part::Train, Part::Valid, Part::Test].map(|part| data.part(part).of_user(3).len());
    for k in [30, 31, usize::MAX] {
        assert_eq!(saved.recommend("u0003", k).unwrap().len(), 30 - known.iter().sum::<usize>());
    }
    let message = saved.recommend("u0003", 0).unwrap_err().to_string();
    assert!(message.contains("k is 0"), "{message}");
    for user in ["u12", "", "3", "u0003 "] {
        let message = saved.recommend(user, 5).unwrap_err().to_string();
        assert!(message.contains(&format!("no user '{user}' among 12")), "{message}");
        assert!(message.contains("u0000, u0001, u0002"), "no example of an id: {message}");
    }
}

type Writer<'a> = Box<dyn Fn(&Path) -> viral::Result<()> + 'a>;

/// What writes a file, by name: a saved model and a checkpoint.
fn writers(data: &Dataset) -> [(&'static str, Writer<'_>); 2] {
    let state = TrainState::new(fresh(&config(2), data), &trainer());
    let model = saved(data);
    [
        ("saved.safetensors", Box::new(move |path: &Path| model.save(path))),
        ("checkpoint", Box::new(move |path: &Path| checkpoint(data).save(path, &state))),
    ]
}

#[test]
fn a_path_below_a_regular_file_cannot_be_written() {
    let (data, folder) = (small(), Folder::new());
    std::fs::write(folder.at("file"), "something").unwrap();
    for (what, write) in writers(&data) {
        for below in ["file/model.safetensors", "file/folder/model.safetensors"] {
            let message = write(&folder.at(below)).unwrap_err().to_string();
            assert!(message.starts_with(&folder.at(below).display().to_string()), "{what}: {message}");
            assert!(message.contains("is a file") && message.contains("choose another output"), "{what}: {message}");
        }
    }
    assert_eq!(folder.names(), ["file"]);
    assert_eq!(std::fs::read(folder.at("file")).unwrap(), b"something");
}

#[test]
fn a_folder_in_the_place_of_the_file_stays_and_nothing_is_left_beside_it() {
    let (data, folder) = (small(), Folder::new());
    // A model goes into a folder; there its file's place is taken.
    let places = [("model", folder.at("model/model.safetensors")), ("checkpoint", folder.at("checkpoint"))];
    for ((name, taken), (_, write)) in places.iter().zip(writers(&data)) {
        std::fs::create_dir_all(taken.join("inside")).unwrap();
        expect(write(&folder.at(name)), taken, &[]);
        assert!(taken.join("inside").is_dir());
    }
    assert_eq!(folder.names(), ["checkpoint", "model"]);
    assert_eq!(std::fs::read_dir(folder.at("model")).unwrap().count(), 1);
}

#[test]
fn missing_folders_are_made_and_an_old_file_is_replaced_whole() {
    let (data, folder) = (small(), Folder::new());
    for (what, write) in writers(&data) {
        let path = folder.at(what).join("a/b/file.safetensors");
        write(&path).unwrap();
        let first = std::fs::read(&path).unwrap();
        std::fs::write(&path, "longer than what comes ".repeat(9000)).unwrap();
        write(&path).unwrap();
        assert!(std::fs::read(&path).unwrap() == first, "{what}");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "{what}: something was left behind");
    }
}

const FULL_DISK: &str = "VIRAL_TEST_FULL_DISK";

/// The part of the next test that runs in a process whose files may not grow.
#[test]
#[ignore = "runs in a process with a limit, started by a_full_disk_leaves_the_old_file_and_no_other"]
fn writes_on_a_full_disk() {
    let folder = PathBuf::from(std::env::var_os(FULL_DISK).expect("started by hand"));
    let data = small();
    for (what, write) in writers(&data) {
        expect(write(&folder.join(what)), &folder.join(what), &["os error", "free some space"]);
        expect(
            write(&folder.join("new.safetensors")),
            &folder.join("new.safetensors"),
            &["os error", "free some space"],
        );
    }
}

/// A limit on the size of files stands in for a full disk: the system refuses to write in the middle of the file.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_the_old_file_and_no_other() {
    let (data, folder) = (small(), Folder::new());
    for (what, write) in writers(&data) {
        write(&folder.at(what)).unwrap();
    }
    let contents = || ["checkpoint", "saved.safetensors"].map(|name| std::fs::read(folder.at(name)).unwrap());
    let before = contents();
    assert!(before.iter().all(|bytes| bytes.len() > 1024), "files of {:?} bytes", before.each_ref().map(Vec::len));
    let test = "bad_input::writes_on_a_full_disk";
    // Without the trap the system would end the process instead of failing the write.
    let script = format!("trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact {test} --ignored --nocapture");
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("bash");
    command.args(["-c", &script]).arg(program).env(FULL_DISK, folder.0.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(contents() == before, "the old files have changed");
    assert_eq!(folder.names(), ["checkpoint", "saved.safetensors"], "something was left behind");
}

#[test]
fn missing_files_are_named() {
    let (data, folder) = (small(), Folder::new());
    let path = folder.at("nothing.safetensors");
    expect(load_checkpoint(&data, &path), &path, &["no such file", "train a model first"]);
    expect(Recommender::load(&path), &path, &["no such file", "train a model first"]);
}

#[test]
fn a_checkpoint_of_another_model_training_or_data_set_is_refused() {
    let (data, folder) = (small(), Folder::new());
    let path = folder.at("checkpoint");
    save_checkpoint(&data, &path);
    assert_eq!(load_checkpoint(&data, &path).unwrap().next_epoch(), 1);
    let advice = "resume with the settings and data it was made with, or start anew elsewhere";

    for (other, difference) in
        [(config(4), "d_embed is 2, here 4"), (ModelConfig::by_name("bpr-mf").unwrap(), "lightgcn")]
    {
        let belongs_to = Checkpoint::new(&other, &trainer(), &data.fingerprint()).unwrap();
        expect(belongs_to.load(&path, fresh(&other, &data)), &path, &["is of another model", difference, advice]);
    }
    let mut slower = trainer();
    slower.adam.lr = 5e-4;
    for (other, difference) in [
        (with(trainer(), |c| c.seed = 9), "seed is 0, here 9"),
        (with(trainer(), |c| c.batch_size = 16.into()), "batch_size is 32, here 16"),
        (slower, "adam.lr is 0.001, here 0.0005"),
    ] {
        let belongs_to = Checkpoint::new(&config(2), &other, &data.fingerprint()).unwrap();
        let parts = ["is of another training", difference, advice];
        expect(belongs_to.load(&path, fresh(&config(2), &data)), &path, &parts);
    }
    // Only how long it goes on may change.
    let longer = with(trainer(), |c| {
        c.epochs = 9;
        c.patience = 5;
    });
    let belongs_to = Checkpoint::new(&config(2), &longer, &data.fingerprint()).unwrap();
    assert!(belongs_to.load(&path, fresh(&config(2), &data)).is_ok());

    let mut other = small();
    let pairs: Vec<(u32, u32)> = other.train.interactions.pairs().skip(1).collect();
    other.train.interactions = Interactions::from_pairs(other.n_users(), other.n_items(), &pairs);
    expect(load_checkpoint(&other, &path), &path, &["is of other data", "features", advice]);
    let mut without_text = data.clone();
    without_text.train.features.remove(&Modality::Text);
    expect(load_checkpoint(&without_text, &path), &path, &["is of other data", "features", advice]);
}

#[test]
fn a_model_that_does_not_fit_its_checkpoint_is_refused() {
    // The settings agree, the model handed in is not theirs.
    let (data, folder) = (small(), Folder::new());
    let path = folder.at("checkpoint");
    save_checkpoint(&data, &path);
    let load = |model| checkpoint(&data).load(&path, model);
    expect(load(fresh(&config(3), &data)), &path, &["LightGcn", "[12, 2]", "[12, 3]"]);
    expect(load(fresh(&ModelConfig::by_name("bpr-mf").unwrap(), &data)), &path, &["saved by another model"]);
}

#[test]
fn files_of_another_kind_are_refused() {
    let (data, folder) = (small(), Folder::new());
    let (model, check) = (folder.at("model.safetensors"), folder.at("checkpoint.safetensors"));
    saved(&data).save(&model).unwrap();
    save_checkpoint(&data, &check);
    let advice = "use a copy or train again";
    expect(Recommender::load(&check), &check, &["is damaged or not ours", advice]);
    expect(load_checkpoint(&data, &model), &model, &["is damaged or not ours", advice]);

    let strangers: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("text", b"userID\titemID\tx_label\n0\t0\t0\n".to_vec()),
        ("zeros", vec![0; 4096]),
        ("ones", vec![255; 4096]),
        ("npy", npy(3)),
    ];
    for (name, bytes) in strangers {
        let path = folder.at(&format!("{name}.safetensors"));
        std::fs::write(&path, bytes).unwrap();
        expect(load_checkpoint(&data, &path), &path, &["is damaged or not ours", advice]);
        expect(Recommender::load(&path), &path, &["is damaged or not ours", advice]);
    }
    // A safetensors file of somebody else's.
    let values: Vec<u8> = [1f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &values).unwrap();
    let path = folder.at("foreign.safetensors");
    std::fs::write(&path, safetensors::serialize([("users", view)], None).unwrap()).unwrap();
    expect(load_checkpoint(&data, &path), &path, &["is damaged or not ours", advice]);
    expect(Recommender::load(&path), &path, &["is damaged or not ours", advice]);

    // A folder without a model.
    std::fs::create_dir(folder.at("empty")).unwrap();
    let path = folder.at("empty").join("model.safetensors");
    expect(Recommender::load(folder.at("empty")), &path, &["no such file", "train a model first"]);
}
