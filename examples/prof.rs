#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
use burn::tensor::Device;
use std::time::Instant;
use viral::data::*;
use viral::model::{Batch, *};
use viral::nn::Init;
use viral::train::*;
fn main() -> viral::Result<()> {
    let name = std::env::args().nth(1).unwrap_or("viral".into());
    let steps: usize = std::env::args().nth(2).map(|s| s.parse().unwrap()).unwrap_or(8);
    let bs: usize = std::env::args().nth(3).map(|s| s.parse().unwrap()).unwrap_or(4096);
    let t = Instant::now();
    let data = Dataset::read("/work/shared/data/baby", &ReadOptions::new())?;
    println!("read {:?}", t.elapsed());
    let device = Device::flex().autodiff();
    let mut config = ModelConfig::by_name(&name)?;
    for kv in std::env::args().skip(4) {
        let (k, v) = kv.split_once('=').unwrap();
        config.set(k, v)?;
    }
    let t = Instant::now();
    let mut model = config.init(&data.train, &mut Init::new(1, &device))?;
    println!("init {:?}", t.elapsed());
    let order = Sampler::new(0, bs).epoch(&data.train.interactions, 0);
    let t = Instant::now();
    model.begin_epoch(0, 0);
    println!("begin_epoch {:?} steps/epoch {}", t.elapsed(), order.n_steps());
    let mut adam = Adam::new(AdamConfig::default());
    for step in 0..steps {
        let t0 = Instant::now();
        let b = order.batch(step);
        let batch = Batch::new(&b, &device);
        let t1 = Instant::now();
        let o = model.objective(&batch);
        let total = o.total();
        let t2 = Instant::now();
        let g = total.backward();
        drop(o);
        drop(total);
        let t3 = Instant::now();
        model = adam.step(model, g);
        let t4 = Instant::now();
        println!(
            "sample {:?} forward {:?} backward {:?} adam {:?} total {:?}",
            t1 - t0,
            t2 - t1,
            t3 - t2,
            t4 - t3,
            t4 - t0
        );
    }
    let t = Instant::now();
    use burn::module::Module;
    let z = model.valid().embed().to_host();
    println!("embed {:?}", t.elapsed());
    let t = Instant::now();
    z.evaluate(&data.train.interactions, &data.valid, &[20])?;
    println!("evaluate {:?}", t.elapsed());
    Ok(())
}
