//! Costs of a run: time and memory, which are not part of its result.

use serde::{Deserialize, Serialize};
use std::fs;
use std::time::Instant;

/// Times and memory of a run. CPU time and memory are known only on Linux, and only for runs that were not interrupted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Number of epochs.
    pub epochs: usize,
    /// Mean seconds of an epoch's training.
    pub train_seconds: f64,
    /// Mean seconds of an epoch's evaluation.
    pub eval_seconds: f64,
    /// Wall-clock seconds in this process, from building the model to the test.
    pub seconds: f64,
    /// User and system CPU seconds of all threads.
    pub cpu_seconds: Option<f64>,
    /// Peak memory of the process during the run, in MB.
    pub peak_mb: Option<f64>,
    /// Number of threads.
    pub threads: usize,
}

/// The clocks of a run.
pub(super) struct Meter {
    start: Instant,
    cpu: Option<f64>,
    is_reset: bool,
}

impl Meter {
    /// Starts the clocks and resets the peak memory, which earlier runs of this process may have raised.
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu_seconds(), is_reset: fs::write("/proc/self/clear_refs", "5").is_ok() }
    }

    /// Returns the usage since the start. CPU time and memory are `None` unless `whole`: the run also began then.
    pub(super) fn read(&self, whole: bool) -> Usage {
        let cpu = cpu_seconds().zip(self.cpu).map(|(now, before)| now - before);
        Usage {
            seconds: self.start.elapsed().as_secs_f64(),
            cpu_seconds: cpu.filter(|_| whole),
            peak_mb: peak_mb().filter(|_| whole && self.is_reset),
            threads: rayon::current_num_threads(),
            ..Usage::default()
        }
    }
}

/// User and system CPU seconds of this process so far.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The process name, which ends at the last parenthesis, may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<f64>().ok();
    // Linux reports hundredths of a second here, whatever the tick rate of the kernel.
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Peak memory of this process since the last reset.
fn peak_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_are_measured() {
        let meter = Meter::start();
        let mut block = vec![1u8; 300 << 20];
        let begin = Instant::now();
        while begin.elapsed().as_secs_f64() < 0.1 {
            block.iter_mut().for_each(|x| *x = x.wrapping_mul(3));
        }
        assert!(std::hint::black_box(&block).iter().any(|x| *x != 1));
        let usage = meter.read(true);
        assert!(usage.seconds >= 0.1 && usage.cpu_seconds.unwrap() >= 0.05, "{usage:?}");
        assert!(usage.peak_mb.is_none_or(|mb| mb > 300.0), "{usage:?}");
        assert_eq!(meter.read(false).cpu_seconds, None);
    }
}
