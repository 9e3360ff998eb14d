//! What the benches share: the allocator, the data, the device and the timing.

#![allow(dead_code)] // each bench uses a part of it

pub(crate) mod data;

use burn::tensor::{Tensor, TensorData};
use criterion::{BenchmarkId, Criterion, Throughput};
use std::time::Duration;
use viral::data::{Dataset, splitmix64};
use viral::prelude::Device;
use viral::{Error, Result};

/// The programs' allocator. The system's returns the pages of a freed tensor and requests them anew at every step: a
/// bench without this one would time page faults that training does not have.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Times work, and names it `work/data set/width`.
pub(crate) struct Bench {
    criterion: Criterion,
    /// The device with autodiff; its `inner` is without.
    pub(crate) device: Device,
    /// Whether tensors lie in host memory.
    pub(crate) on_cpu: bool,
    data_set: String,
}

impl Bench {
    /// Short measurements of ten samples each; options of the command line take precedence.
    pub(crate) fn start(data: &Dataset) -> Result<Self> {
        let (name, device) = device()?;
        let criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        let on_cpu = name == "flex";
        let data_set = if on_cpu { data.name.clone() } else { format!("{}-{name}", data.name) };
        Ok(Self { criterion, device: device.autodiff(), on_cpu, data_set })
    }

    /// Times `run` until the device has finished what it started, including dropping the result.
    ///
    /// `amount` is the floor of the work (README), which criterion prints per second.
    pub(crate) fn time<R>(&mut self, work: &str, width: usize, amount: Throughput, mut run: impl FnMut() -> R) {
        let device = self.device.clone().inner();
        let mut group = self.criterion.benchmark_group(work);
        group.throughput(amount);
        group.bench_function(BenchmarkId::new(&self.data_set, width), |b| {
            b.iter(|| {
                let result = run();
                if let Err(error) = device.sync() {
                    panic!("{work}: the device failed: {error}");
                }
                result
            });
        });
        group.finish();
    }

    /// Compares with earlier runs if the command line asks for it.
    pub(crate) fn finish(&self) {
        self.criterion.final_summary();
    }

    /// A noise tensor on the device that requires gradients.
    pub(crate) fn leaf<const D: usize>(&self, shape: [usize; D], tag: u64) -> Tensor<D> {
        let values = noise(shape.iter().product(), tag);
        Tensor::from_data(TensorData::new(values, shape), &self.device).require_grad()
    }
}

/// Uniform noise in [-1, 1), the same in every run.
pub(crate) fn noise(n: usize, tag: u64) -> Vec<f32> {
    (0..n as u64).map(|i| (splitmix64(tag << 40 | i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
}

/// The device that `VIRAL_DEVICE` names; the CPU by default.
fn device() -> Result<(String, Device)> {
    let name = std::env::var("VIRAL_DEVICE").unwrap_or_else(|_| "flex".to_string());
    let device = match name.as_str() {
        #[cfg(feature = "flex")]
        "flex" => Device::flex(),
        #[cfg(feature = "wgpu-plain")]
        "wgpu" => Device::wgpu(Default::default()),
        #[cfg(feature = "cuda-plain")]
        "cuda" => Device::cuda(0),
        other => {
            let message =
                format!("VIRAL_DEVICE={other}: write flex, wgpu or cuda, and build with `--features {other}`");
            return Err(Error::Config(message));
        }
    };
    Ok((name, device))
}
