//! Where operators and models are tested: on the CPU, or where `VIRAL_TEST_DEVICE` says.

use burn::tensor::Device;
use std::cell::Cell;
use std::sync::OnceLock;

/// Environment variable: `flex` (the CPU, if it is not set), `wgpu` or `cuda`.
const VARIABLE: &str = "VIRAL_TEST_DEVICE";

thread_local! {
    static CPU_ONLY: Cell<bool> = const { Cell::new(false) };
}

/// The device under test, with autodiff. Where it does not exist, the process says so and ends.
pub(crate) fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    match CPU_ONLY.get() {
        true => Device::flex().autodiff(),
        false => DEVICE.get_or_init(find).clone().autodiff(),
    }
}

/// What `run` gives when [`device`] is the CPU: the oracle, of which the device under test has no part.
pub(crate) fn on_cpu<T>(run: impl FnOnce() -> T) -> T {
    CPU_ONLY.set(true);
    let result = run();
    CPU_ONLY.set(false);
    result
}

/// How far from the expected value a result may be that is within `on_cpu` of it on the CPU.
///
/// A GPU sums in other orders, and NVIDIA's multiplies matrices of ten-bit mantissas where that is fastest (TF32).
pub(crate) fn tolerance(on_cpu: f32) -> f32 {
    match name().as_str() {
        "flex" => on_cpu,
        "cuda" => on_cpu.max(5e-3),
        _ => on_cpu.max(1e-4),
    }
}

fn name() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| "flex".to_string())
}

fn find() -> Device {
    match name().as_str() {
        "flex" => Device::flex(),
        #[cfg(feature = "wgpu-plain")]
        "wgpu" => first(burn::tensor::DeviceType::Wgpu, || Device::wgpu(Default::default())),
        #[cfg(feature = "cuda-plain")]
        "cuda" => first(burn::tensor::DeviceType::Cuda, || Device::cuda(0)),
        other => panic!("{VARIABLE}={other}: write flex, wgpu or cuda, and test with `--features {other}`"),
    }
}

/// A test that has begun can fail or pass, and without an adapter it did neither: the process ends with a line that no
/// capture of output hides and without a summary, so that nobody counts it as passed.
#[cfg(feature = "cube")]
fn first(kind: burn::tensor::DeviceType, device: impl Fn() -> Device) -> Device {
    use std::io::Write;
    if Device::enumerate(kind).into_vec().is_empty() {
        let _ = writeln!(std::io::stderr(), "\nskipped: no adapter for {VARIABLE}={}; nothing was tested", name());
        std::process::exit(0);
    }
    device()
}
