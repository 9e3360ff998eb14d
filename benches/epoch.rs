//! The parts of an epoch: its batches, its graph, its training steps, the vectors for its evaluation.
//!
//! `cargo bench --bench epoch`; with `VIRAL_BENCH_SLOW=1` also a step of the authors' full method, some seconds each.

mod common;

use burn::module::Module;
use common::Bench;
use common::data::read;
use criterion::Throughput;
use viral::Result;
use viral::data::{Dataset, Sampler, StepKey};
use viral::model::{Batch, Embed, LightGcnConfig, Trainable, ViralConfig};
use viral::nn::Init;
use viral::train::{Adam, TrainerConfig};

fn main() -> Result<()> {
    let data = read()?;
    let mut bench = Bench::start(&data)?;
    sampler(&mut bench, &data, 2048);

    let light_gcn = LightGcnConfig::default();
    let model = light_gcn.init(&data.train, &mut Init::new(0, &bench.device))?;
    step(&mut bench, "lightgcn_step", light_gcn.d_embed, model, &data, &TrainerConfig::default());

    let (viral, trainer) = (ViralConfig::new(), TrainerConfig::for_viral());
    let mut model = viral.init(&data.train, &mut Init::new(0, &bench.device))?;
    let plain = model.valid();
    let (width, n_nodes) = (plain.embed().users().dims()[1], data.n_users() + data.n_items());
    bench.time("viral_embed", width, Throughput::Elements(n_nodes as u64), || plain.embed());
    // Every epoch trains on a newly drawn part of the graph.
    let pairs = Throughput::Elements(data.train.interactions.n_pairs() as u64);
    model.begin_epoch(0, 0)?;
    bench.time("viral_begin_epoch", viral.d_embed, pairs, || model.begin_epoch(0, 0));
    step(&mut bench, "viral_step", viral.d_embed, model, &data, &trainer);

    if std::env::var_os("VIRAL_BENCH_SLOW").is_some() {
        let (redu2, mut trainer) = (ViralConfig::reference(), TrainerConfig::default());
        trainer.adam.lr = 1e-4;
        let model = redu2.init(&data.train, &mut Init::new(0, &bench.device))?;
        step(&mut bench, "viral_redu2_step", redu2.d_embed, model, &data, &trainer);
    }
    bench.finish();
    Ok(())
}

/// The order of an epoch and all its batches with their negatives.
fn sampler(bench: &mut Bench, data: &Dataset, batch_size: usize) {
    let train = &data.train.interactions;
    let mut epochs = 0..;
    bench.time("sampler_epoch", batch_size, Throughput::Elements(train.n_pairs() as u64), || {
        let order = Sampler::new(0, batch_size).epoch(train, epochs.next().unwrap_or_default());
        order.batches().map(|batch| batch.len()).sum::<usize>()
    });
    let order = Sampler::new(0, batch_size).epoch(train, 0);
    bench.time("sampler_negatives", batch_size, Throughput::Elements(train.n_pairs() as u64), || {
        order.batches().map(|batch| batch.len()).sum::<usize>()
    });
}

/// One step as the trainer takes it: batch, objective, gradients, Adam.
fn step<M: Trainable>(bench: &mut Bench, work: &str, width: usize, model: M, data: &Dataset, trainer: &TrainerConfig) {
    let batch_size = trainer.batch_size.triplets(&data.train);
    let order = Sampler::new(0, batch_size).epoch(&data.train.interactions, 0);
    let mut steps = (0..order.n_steps()).cycle();
    let (device, mut adam, mut model) = (bench.device.clone(), Adam::new(trainer.adam), Some(model));
    bench.time(work, width, Throughput::Elements(batch_size as u64), || {
        let batch = Batch::new(&order.batch(steps.next().unwrap_or_default()), StepKey::default(), &device);
        model = model.take().map(|model| {
            let gradients = model.objective(&batch).total().backward();
            adam.step(model, gradients)
        });
    });
}
