//! Training over ranks, which are threads here: the bits of one process, at any number of them, through checkpoints and errors.

use crate::support::with;
use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};
use viral::data::{Dataset, Modality, Part, PlantedConfig};
use viral::dist::{Collective, Job, Solo, Threads};
use viral::eval::Metrics;
use viral::model::HostEmbeddings;
use viral::prelude::{Device, Recipe};
use viral::recipe::Existing;
use viral::{Error, Result};

const CUTOFFS: [usize; 2] = [5, 20];

fn small() -> Dataset {
    let config = PlantedConfig::new().with_n_users(150).with_n_items(90).with_interactions_per_user(8);
    config.with_d_text(12).with_d_visual(10).generate().data
}

fn recipes() -> Vec<Recipe> {
    let lightgcn = || Recipe::lightgcn().seed(5).epochs(4).batch_size(256).learning_rate(1e-2);
    vec![
        lightgcn(),
        with(lightgcn().set("n_layers", "3").unwrap().set("d_embed", "40").unwrap().fixed_epochs(4), |recipe| {
            recipe.training.adam.weight_decay = 1e-3;
            recipe.training.lr_decay = 0.9;
        }),
        lightgcn().set("n_layers", "0").unwrap(),
    ]
}

/// VIRAL as it is, and with what it has else: other fusions, heads, masks, free vectors that are left out, no graphs.
fn viral() -> Vec<Recipe> {
    let sets: [&[(&str, &str)]; 6] = [
        &[],
        &[
            ("shared_negatives", "0"),
            ("info_nce_rows", "0"),
            ("id_dropout", "0.3"),
            ("self_encoders", "true"),
            ("ranking", "softmax"),
        ],
        &[
            ("ranking", "softmax"),
            ("d_fusion", "16"),
            ("d_embed", "24"),
            ("d_hidden", "20"),
            ("n_layers", "3"),
            ("n_item_layers", "2"),
        ],
        &[("fusion", "concatenation"), ("edge_dropout", "0"), ("user_mix", "1"), ("n_user_layers", "2")],
        &[("fusion", "weighted_concatenation"), ("n_item_layers", "0"), ("n_user_layers", "0"), ("item_ids", "false")],
        &[
            ("redundancy_heads", "2"),
            ("mask", "learned"),
            ("anchor", "shared"),
            ("normalize_inputs", "false"),
            ("log2", "true"),
        ],
    ];
    let recipe = Recipe::viral().seed(5).epochs(3).batch_size(512).learning_rate(1e-2);
    let with = |sets: &&[(&str, &str)]| {
        let small = [("item_neighbors", "5"), ("user_neighbors", "7")];
        small.iter().chain(*sets).fold(recipe.clone(), |recipe, (key, value)| recipe.set(key, value).unwrap())
    };
    sets.iter().map(with).collect()
}

fn name(recipe: &Recipe) -> String {
    format!("{} with {:?}", recipe.model.name(), recipe.model)
}

/// What one process comes to: its checkpoint, its vectors, its figures.
struct Alone {
    checkpoint: Vec<u8>,
    vectors: HostEmbeddings,
    test: Metrics,
}

fn checkpoint(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("checkpoint.safetensors")).unwrap()
}

fn alone(recipe: &Recipe, data: &Dataset) -> Alone {
    let folder = tempfile::tempdir().unwrap();
    let run = recipe.runner(data, &Device::flex()).folder(folder.path()).run().unwrap();
    let (vectors, test) = (run.embeddings().to_host(), run.test(&CUTOFFS).unwrap());
    Alone { checkpoint: checkpoint(folder.path()), vectors, test }
}

/// What one rank comes to: where whole models add up in another order, the bits that others must have.
fn alone_in_parts(recipe: &Recipe, data: &Dataset) -> Alone {
    let folder = tempfile::tempdir().unwrap();
    let trained = Job::new(&Solo, recipe, data).folder(folder.path()).run().unwrap();
    let (vectors, test) = (trained.embeddings().unwrap().unwrap(), trained.evaluate(Part::Test, &CUTOFFS).unwrap());
    Alone { checkpoint: checkpoint(folder.path()), vectors, test }
}

/// Items of which some lack text, and some an image.
fn with_gaps() -> Dataset {
    let data = small();
    let missing = |share, seed| viral::data::missing_items(data.n_items(), share, seed);
    let features = data.features().without(&[Modality::Text], &missing(0.2, 1));
    let features = features.without(&[Modality::Visual], &missing(0.1, 2));
    let train = viral::data::TrainSet { interactions: data.train.interactions.clone(), features };
    Dataset::new("gaps", train, data.valid.clone(), data.test.clone()).unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

#[test]
fn viral_has_the_same_bits_at_any_number_of_ranks() {
    for (data, recipes) in [(small(), viral()), (with_gaps(), viral()[..2].to_vec())] {
        for recipe in recipes {
            let alone = alone_in_parts(&recipe, &data);
            for size in [2, 4] {
                let folder = tempfile::tempdir().unwrap();
                let found = over(size, &recipe, &data, folder.path(), Existing::Refuse);
                is_alone(&alone, folder.path(), found, &format!("{}, {size} ranks", name(&recipe)));
            }
            let folder = tempfile::tempdir().unwrap();
            over(2, &recipe.clone().epochs(1), &data, folder.path(), Existing::Refuse);
            over(3, &recipe.clone().epochs(2), &data, folder.path(), Existing::Resume);
            let found = over(4, &recipe, &data, folder.path(), Existing::Resume);
            is_alone(&alone, folder.path(), found, &format!("{}, by turns", name(&recipe)));
        }
    }
}

/// One step differs by rounding alone; more let it grow.
#[test]
fn viral_in_parts_is_viral_but_for_rounding() {
    for (data, recipes) in [(small(), viral()), (with_gaps(), viral()[..2].to_vec())] {
        for recipe in recipes {
            let recipe = recipe.fixed_epochs(2);
            let run = recipe.run(&data, &Device::flex()).unwrap();
            let trained = Job::new(&Solo, &recipe, &data).run().unwrap();
            for (parts, whole) in trained.history().iter().zip(run.history()) {
                let names: Vec<&String> = whole.terms.keys().collect();
                assert_eq!(parts.terms.keys().collect::<Vec<_>>(), names, "{}", name(&recipe));
                for (term, value) in &whole.terms {
                    let found = parts.terms[term];
                    assert!(
                        (found - value).abs() < 1e-4 * value.abs().max(1e-3),
                        "{}: {term} {found} {value}",
                        name(&recipe)
                    );
                }
            }
            let (parts, whole) = (trained.embeddings().unwrap().unwrap(), run.embeddings().to_host());
            assert_eq!(parts.blocks(), whole.blocks());
            let largest = largest_difference(parts.users(), whole.users());
            let largest = largest.max(largest_difference(parts.items(), whole.items()));
            assert!(largest < 2e-2, "{}: {largest}", name(&recipe));
        }
    }
}

fn over(
    size: usize,
    recipe: &Recipe,
    data: &Dataset,
    folder: &Path,
    existing: Existing,
) -> Vec<Result<(Option<HostEmbeddings>, Metrics)>> {
    Threads::run(size, |world| {
        let trained = Job::new(world, recipe, data).folder(folder).existing(existing).run()?;
        Ok((trained.embeddings()?, trained.evaluate(Part::Test, &CUTOFFS)?))
    })
}

fn is_alone(alone: &Alone, folder: &Path, found: Vec<Result<(Option<HostEmbeddings>, Metrics)>>, what: &str) {
    assert!(checkpoint(folder) == alone.checkpoint, "{what}: the checkpoint");
    for (rank, found) in found.into_iter().enumerate() {
        let (vectors, test) = found.unwrap();
        assert_eq!(test, alone.test, "{what}: the figures of rank {rank}");
        match vectors {
            Some(vectors) => {
                assert_eq!(rank, 0);
                assert!(vectors.users() == alone.vectors.users(), "{what}: the users' vectors");
                assert!(vectors.items() == alone.vectors.items(), "{what}: the items' vectors");
            }
            None => assert_ne!(rank, 0),
        }
    }
}

#[test]
fn any_number_of_ranks_gives_the_bits_of_one_process() {
    let data = small();
    for recipe in recipes() {
        let alone = alone(&recipe, &data);
        for size in [1, 2, 3, 4, 8] {
            let folder = tempfile::tempdir().unwrap();
            let found = over(size, &recipe, &data, folder.path(), Existing::Refuse);
            is_alone(&alone, folder.path(), found, &format!("{}, {size} ranks", name(&recipe)));
        }
    }
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks() {
    let data = small();
    for recipe in recipes() {
        let alone = alone(&recipe, &data);
        let shorter = recipe.clone().epochs(1);
        for sizes in [[2, 3, 1], [1, 4, 2], [4, 1, 3]] {
            let folder = tempfile::tempdir().unwrap();
            let what = format!("{}, {sizes:?} ranks", name(&recipe));
            over(sizes[0], &shorter, &data, folder.path(), Existing::Refuse);
            over(sizes[1], &recipe.clone().epochs(3), &data, folder.path(), Existing::Resume);
            let found = over(sizes[2], &recipe, &data, folder.path(), Existing::Resume);
            is_alone(&alone, folder.path(), found, &what);
            // One process takes it up where it is over, and has the model.
            let runner = recipe.runner(&data, &Device::flex()).folder(folder.path()).existing(Existing::Resume);
            assert!(runner.run().unwrap().embeddings().to_host().items() == alone.vectors.items(), "{what}: the model");
            assert!(folder.path().join("model.safetensors").exists());
        }
        // And the ranks go on from one process's.
        let folder = tempfile::tempdir().unwrap();
        shorter.runner(&data, &Device::flex()).folder(folder.path()).run().unwrap();
        let found = over(3, &recipe, &data, folder.path(), Existing::Resume);
        is_alone(&alone, folder.path(), found, &format!("{}, after one process", name(&recipe)));
    }
}

/// A rank that is gone after some calls.
struct Leaving<'a> {
    world: &'a Threads,
    left: Cell<usize>,
}

impl Leaving<'_> {
    fn call(&self) -> Result<()> {
        self.left.set(self.left.get().saturating_sub(1));
        if self.left.get() == 0 { Err(Error::Data("rank 1 is gone".into())) } else { Ok(()) }
    }
}

impl Collective for Leaving<'_> {
    fn rank(&self) -> usize {
        self.world.rank()
    }

    fn size(&self) -> usize {
        self.world.size()
    }

    fn all_gather_into(&self, own: &[f32], lengths: &[usize], all: &mut [f32]) -> Result<()> {
        self.call().and_then(|()| self.world.all_gather_into(own, lengths, all))
    }

    fn gather(&self, own: &[f32], lengths: &[usize]) -> Result<Option<Vec<f32>>> {
        self.call().and_then(|()| self.world.gather(own, lengths))
    }

    fn all_gather_bytes(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.call().and_then(|()| self.world.all_gather_bytes(own))
    }
}

fn refused(size: usize, run: impl Fn(&Threads) -> Result<()> + Sync, words: &[&str]) {
    let start = Instant::now();
    for (rank, found) in Threads::run(size, run).into_iter().enumerate() {
        let message = found.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "rank {rank}, {words:?}: {message}");
    }
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_cannot_be_is_an_error_on_every_rank() {
    let (data, recipe) = (small(), recipes().remove(0).epochs(2));
    let other = PlantedConfig::new().with_n_users(151).with_n_items(90).with_interactions_per_user(8).generate().data;
    let job = |world: &Threads, recipe: &Recipe, data: &Dataset| Job::new(world, recipe, data).run().map(|_| ());
    refused(3, |world| job(world, &recipe, if world.rank() == 2 { &other } else { &data }), &["rank 2 has other data"]);
    let seeded = recipe.clone().seed(6);
    let settings = |world: &Threads| job(world, if world.rank() == 1 { &seeded } else { &recipe }, &data);
    refused(2, settings, &["rank 1 has other settings", "'seed = 6' and not 'seed = 5'"]);
    for model in ["freedom", "bpr-mf", "popularity"] {
        let recipe = Recipe::named(model).unwrap();
        refused(2, |world| job(world, &recipe, &data), &[model, "cannot be split over ranks", "lightgcn"]);
    }
    for (key, value) in [("fusion", "mean_pooling"), ("placement", "propagated")] {
        let recipe = Recipe::viral().set(key, value).unwrap();
        refused(2, |world| job(world, &recipe, &data), &["viral with", key, value, "train it in one process"]);
    }
    refused(2, |world| job(world, &recipe.clone().epochs(0), &data), &["0 epochs"]);
    refused(2, |world| job(world, &recipe.clone().batch_size(0), &data), &["batch_size"]);
    refused(17, |world| job(world, &recipe, &data), &["17 ranks are too many", "shared out in 16 parts"]);
    refused(2, |world| job(world, &recipe.clone().learning_rate(1e9), &data), &["diverged"]);
}

#[test]
fn what_is_wrong_with_the_folder_is_an_error_on_every_rank() {
    let (data, recipe) = (small(), recipes().remove(0).epochs(2));
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("run");
    let job = |recipe: &Recipe, existing| {
        let (recipe, data, folder) = (recipe.clone(), &data, &folder);
        move |world: &Threads| Job::new(world, &recipe, data).folder(folder).existing(existing).run().map(|_| ())
    };
    refused(2, job(&recipe, Existing::Resume), &["rank 0: ", "no such checkpoint"]);
    assert!(Threads::run(2, job(&recipe, Existing::Refuse)).into_iter().all(|done| done.is_ok()));
    refused(2, job(&recipe, Existing::Refuse), &["rank 0: ", "is of an earlier run", "--overwrite"]);
    refused(2, job(&recipe.clone().learning_rate(0.5), Existing::Resume), &["of another training", "lr"]);
    refused(
        2,
        job(&recipe.clone().set("d_embed", "32").unwrap(), Existing::Resume),
        &["of another model", "d_embed is 64, here 32"],
    );
    let path = folder.join("checkpoint.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    refused(2, job(&recipe, Existing::Resume), &["is damaged"]);
    // A run that fails leaves the last checkpoint as it was.
    std::fs::write(&path, &bytes).unwrap();
    for calls in [1, 4, 9, 17, 30] {
        let gone = Threads::run(3, |world| {
            let recipe = recipe.clone().epochs(9);
            let left = Cell::new(if world.rank() == 1 { calls } else { usize::MAX });
            let world = Leaving { world, left };
            Job::new(&world, &recipe, &data).folder(&folder).existing(Existing::Resume).run().map(|_| ())
        });
        for (rank, gone) in gone.into_iter().enumerate() {
            let message = gone.unwrap_err().to_string();
            assert!(message.contains("is gone"), "{calls} calls, rank {rank}: {message}");
        }
    }
    assert!(checkpoint(&folder) == bytes);
    assert!(Threads::run(2, job(&recipe.epochs(3), Existing::Resume)).into_iter().all(|done| done.is_ok()));
}

#[test]
fn a_rank_alone_asks_nobody() {
    assert_eq!((Solo.rank(), Solo.size()), (0, 1));
    assert_eq!(Solo.all_gather(&[1.0, 2.0], &[2]).unwrap(), [1.0, 2.0]);
    assert_eq!(Solo.gather(&[], &[0]).unwrap(), Some(Vec::new()));
    assert_eq!(Solo.all_gather_bytes(b"me").unwrap(), [b"me".to_vec()]);
    let failed: Result<()> = viral::dist::all_or_none(&Solo, Err(Error::Data("as it was".into())));
    assert_eq!(failed.unwrap_err().to_string(), "as it was");
}
