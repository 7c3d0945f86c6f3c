//! Ctrl-C, and being told to end, while something runs: remembered instead of fatal, for as long as somebody asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};

/// The handlers of this process. Once installed they stay, and do what is the default while nobody asks.
struct Handlers {
    idle: Arc<AtomicBool>,
    pressed: Arc<AtomicBool>,
}

/// While this lives, Ctrl-C and SIGTERM do not end the process but are remembered.
#[derive(Debug)]
pub struct Interrupts(());

impl Interrupts {
    /// Starts to remember.
    ///
    /// # Errors
    /// When the system does not let signals be handled.
    pub fn catch() -> std::io::Result<Self> {
        let handlers = handlers()?;
        handlers.pressed.store(false, Ordering::SeqCst);
        handlers.idle.store(false, Ordering::SeqCst);
        Ok(Self(()))
    }

    /// Whether there was one since this was asked last.
    #[must_use]
    pub fn take(&self) -> bool {
        handlers().is_ok_and(|h| h.pressed.swap(false, Ordering::SeqCst))
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Ok(handlers) = handlers() {
            handlers.idle.store(true, Ordering::SeqCst);
        }
    }
}

fn handlers() -> std::io::Result<&'static Handlers> {
    static HANDLERS: OnceLock<Result<Handlers, std::io::ErrorKind>> = OnceLock::new();
    HANDLERS.get_or_init(|| install().map_err(|e| e.kind())).as_ref().map_err(|kind| (*kind).into())
}

fn install() -> std::io::Result<Handlers> {
    let (idle, pressed) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let mut signals = vec![SIGINT, SIGTERM];
    #[cfg(unix)]
    signals.push(signal_hook::consts::SIGHUP);
    for signal in signals {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&idle))?;
        signal_hook::flag::register(signal, Arc::clone(&pressed))?;
    }
    Ok(Handlers { idle, pressed })
}
