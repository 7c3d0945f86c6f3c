//! Load: all cores busy, as on a machine that does other things too.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Busy threads for each core. A machine of two cores with a load of eight is a usual sight where many jobs share it.
const TIMES: usize = 4;

/// How often, and how far apart, it is looked at what runs already.
const LOOKS: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Several times as many busy threads as there are cores, those of other programs included: a machine that is busy already would
/// fail tests that are well on any that people work on.
pub(super) struct Stress {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Stress {
    /// Makes the cores busy until it is dropped.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let busy = || {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = (0..(TIMES * cores).saturating_sub(present())).map(|_| busy()).collect();
        Self { stop, threads }
    }
}

/// Threads of other programs that run or wait for a core, on average over a moment; none where the system does not say.
fn present() -> usize {
    let look = || {
        std::thread::sleep(PAUSE);
        // "0.20 0.18 0.12 1/80 11206": runnable ones, this one included, of all; proc(5)
        let text = fs::read_to_string("/proc/loadavg").ok()?;
        let runnable = text.split_whitespace().nth(3)?.split('/').next()?.parse::<usize>().ok()?;
        Some(runnable.saturating_sub(1))
    };
    (0..LOOKS).filter_map(|_| look()).sum::<usize>() / LOOKS
}

impl Drop for Stress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It cannot panic.
            _ = thread.join();
        }
    }
}
