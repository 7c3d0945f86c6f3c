//! The binary at a terminal: a real pseudo-terminal, keys as they are typed, and the screen as a terminal would show it.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long to wait for what has to come: far longer than it takes, because the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Terminals that know this mode (synchronized output) show what comes between the two at once; this one does, too, so that a
/// screen is never looked at half drawn.
const FRAME_STARTS: &str = "\x1b[?2026h";
const FRAME_ENDS: &str = "\x1b[?2026l";

/// A run of the binary at a terminal.
pub struct Pty {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    raw: Arc<Mutex<Vec<u8>>>,
}

impl Pty {
    /// Starts the binary in a folder, at a terminal of so many rows and columns.
    pub fn start(folder: &Path, args: &[&str], env: &[(&str, &str)], (rows, cols): (u16, u16)) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_testdiet"));
        command.args(args);
        command.cwd(folder);
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "VISUAL", "EDITOR"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        for (name, value) in env {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        // Ours would keep the terminal open after the run.
        drop(pair.slave);
        let keys = pair.master.take_writer().unwrap();
        let mut from = pair.master.try_clone_reader().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, cols, 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let (to_screen, to_raw) = (Arc::clone(&screen), Arc::clone(&raw));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // What was sent and is not shown yet: a frame that has begun is shown when it is whole.
            let mut pending = Vec::new();
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                pending.extend_from_slice(&buffer[..n]);
                if !mid_frame(&pending) {
                    to_screen.lock().unwrap().process(&pending);
                    to_raw.lock().unwrap().append(&mut pending);
                }
            }
            to_screen.lock().unwrap().process(&pending);
            to_raw.lock().unwrap().append(&mut pending);
        });
        Self { child, master: pair.master, keys, screen, raw }
    }

    /// What the screen shows.
    pub fn screen(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Every byte that the screen has been shown.
    pub fn raw(&self) -> Vec<u8> {
        self.raw.lock().unwrap().clone()
    }

    /// Types.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen shows a text; what it then shows.
    pub fn wait(&self, text: &str) -> String {
        self.wait_until(&format!("`{text}`"), |screen| screen.contains(text))
    }

    /// Waits until the screen is as wanted.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            if start.elapsed() > PATIENCE {
                let mut tail = String::new();
                for b in self.raw().iter().rev().take(400).rev() {
                    write!(tail, "{}", b.escape_ascii()).unwrap();
                }
                panic!("no {what} on the screen:\n{screen}\n--- the last bytes: {tail}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types, and waits until the screen shows a text.
    pub fn then(&mut self, keys: &str, text: &str) -> String {
        self.press(keys);
        self.wait(text)
    }

    /// Types a key that shows nothing new, and waits for the screen to be drawn again.
    pub fn drawn_after(&mut self, key: &str) -> String {
        let before = self.raw().len();
        self.press(key);
        let start = Instant::now();
        let end = FRAME_ENDS.as_bytes();
        while !self.raw()[before..].windows(end.len()).any(|window| window == end) {
            assert!(start.elapsed() < PATIENCE, "it is not drawn again:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.screen()
    }

    /// Makes the terminal larger or smaller.
    pub fn resize(&self, rows: u16, cols: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, cols);
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Kills it as nothing can be kept from.
    pub fn kill(mut self) {
        let id = self.child.process_id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-9", &id]).status().unwrap().success());
        self.child.wait().unwrap();
    }

    /// Waits for it to end; its exit code and all that the screen shows.
    pub fn end(mut self) -> (u32, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > PATIENCE {
                let screen = self.screen();
                self.child.kill().unwrap();
                panic!("it does not end:\n{screen}");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        // The last it wrote may still be on its way.
        let mut last = self.raw().len();
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.raw().len();
            if now == last {
                return (status.exit_code(), self.screen());
            }
            last = now;
        }
    }
}

/// Whether bytes end inside a frame, or inside the sequence that may begin one.
fn mid_frame(bytes: &[u8]) -> bool {
    let last = |mode: &[u8]| bytes.windows(mode.len()).rposition(|window| window == mode);
    let begins = FRAME_STARTS.as_bytes();
    last(begins) > last(FRAME_ENDS.as_bytes()) || (1..begins.len()).any(|n| bytes.ends_with(&begins[..n]))
}
