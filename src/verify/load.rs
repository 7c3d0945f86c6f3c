//! Load: all cores busy, as on a machine that does other things too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Busy threads for each core. A machine of two cores with a load of eight is a usual sight where many jobs share it.
const TIMES: usize = 4;

/// Several times as many busy threads as there are cores.
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
        let threads = (0..TIMES * cores).map(|_| busy()).collect();
        Self { stop, threads }
    }
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
