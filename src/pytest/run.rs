//! One run of pytest: started in a process group of its own, listened to while it runs, and gone when this returns.

use std::env::JoinPathsError;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::facts::file_of;
use super::interpreter::Interpreter;
use super::interrupt::Interrupts;
use super::plugin::{Plugin, RECORDER};
use super::stream::{Event, Reader, Told};

/// How often the events are looked at. Short beside a test that is worth waiting for, long beside what looking costs.
const BEAT: Duration = Duration::from_millis(25);
/// How often they are forced to disk. That costs more than a look.
const SYNC: Duration = Duration::from_millis(100);
/// How long pytest may take to end after Ctrl-C: teardowns run.
const GRACE: Duration = Duration::from_secs(10);
/// How long it may take to print every thread's stack after SIGABRT.
#[cfg(unix)]
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long a worker of pytest-xdist may, before the next one is asked.
#[cfg(unix)]
const A_WORD: Duration = Duration::from_millis(200);
/// Bytes of arguments that are surely accepted: Windows takes 32,767 characters in all, Linux 128 KiB in one.
const ARGUMENTS: usize = 16_000;
/// Bytes of output that are read back to show its end.
const TAIL: u64 = 64 << 10;

/// How pytest is run.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// With which interpreter.
    pub interpreter: &'a Interpreter,
    /// The unpacked package.
    pub plugin: &'a Plugin,
    /// In which folder.
    pub folder: PathBuf,
    /// Arguments of pytest's own: options, paths, node ids.
    pub args: Vec<OsString>,
    /// The tests to run, by node id, in place of paths in `args`; any number of them. What does not exist is told
    /// ([`super::Told::Unknown`]), and the rest runs.
    pub select: Option<Vec<String>>,
    /// Modules handed to pytest with `-p`, beside the recorder.
    pub plugins: Vec<String>,
    /// Folders on `PYTHONPATH`, after the plugin's and before the user's.
    pub python_path: Vec<PathBuf>,
    /// Variables set, or taken out.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// What is recorded.
    pub recording: Recording,
    /// A folder that exists: the events and pytest's output are kept in it. One for each run.
    pub keep: PathBuf,
    /// When to give up.
    pub timeouts: Timeouts,
}

/// What the recorder does beside telling which test runs and how it ended.
#[derive(Debug, Clone, Copy)]
pub struct Recording {
    /// Sleeps, waits, threads, processes, joins and where they happen.
    pub gauges: bool,
    /// Traced allocation; slows the run down.
    pub alloc: bool,
    /// Limits the run has to live with. Each start of a test is then on disk before it starts; without them the disk is
    /// little more than 100 ms behind.
    pub constraint: Option<Constraint>,
}

impl Default for Recording {
    fn default() -> Self {
        Self { gauges: true, alloc: false, constraint: None }
    }
}

/// Limits of another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Constraint {
    /// Threads alive at one time beside the main one, shared by the workers of pytest-xdist.
    pub threads: u64,
    /// Descriptors open in a process.
    pub descriptors: u64,
    /// Bytes of address space of a process.
    pub memory: u64,
}

impl Constraint {
    /// WSL2 as the post-mortem found it: about 100 threads, 1,024 descriptors; 8 GB is what a machine of 16 GB gives it.
    pub const WSL2: Self = Self { threads: 100, descriptors: 1_024, memory: 8_000_000_000 };
}

/// When a run is given up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeouts {
    /// The whole run took so long.
    pub run: Option<Duration>,
    /// Nothing was told for so long: a test, or the import of a file, hangs.
    pub silence: Option<Duration>,
    /// All tests were over, and for so long the process did not end: threads that they left behind keep it.
    pub exit: Option<Duration>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// pytest ended by itself, with this exit code.
    Exited(i32),
    /// A signal ended it that we did not send.
    Killed(i32),
    /// Ctrl-C.
    Interrupted,
    /// [`Timeouts::run`] was over.
    Overdue,
    /// [`Timeouts::silence`] or [`Timeouts::exit`] was over.
    Silent,
    /// The listener had heard enough.
    Stopped,
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct End {
    /// How it ended.
    pub how: How,
    /// How long it took.
    pub took: Duration,
    /// The file with all that it printed.
    pub output: PathBuf,
}

impl End {
    /// The last lines of what it printed.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.output)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let text = read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let text = text.trim_end();
        let start = text.lines().count().saturating_sub(lines);
        text.lines().skip(start).collect::<Vec<_>>().join("\n")
    }
}

/// Why pytest could not be run. A bad end of a run that was started is no error: see [`How`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder for the events cannot be used.
    #[error("cannot keep what is recorded in {path}: {error}", path = path.display())]
    Keep {
        /// The folder or a file in it.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A folder that cannot be named in `PYTHONPATH`.
    #[error("cannot hand the plugin to Python: {0}")]
    PythonPath(#[from] JoinPathsError),
    /// The interpreter could not be started.
    #[error("{path} cannot be run: {error}", path = path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The system lost it.
    #[error("cannot wait for pytest: {0}")]
    Wait(#[source] io::Error),
}

/// What the recorder is told, as JSON in `TESTDIET_RECORD`.
#[derive(Serialize)]
struct Order<'a> {
    folder: &'a str,
    select: Option<&'a str>,
    gauges: bool,
    alloc: bool,
    limits: Option<Constraint>,
}

impl<'a> Run<'a> {
    /// A run of the whole suite that a folder belongs to, recorded in full, without a timeout.
    #[must_use]
    pub fn new(interpreter: &'a Interpreter, plugin: &'a Plugin, folder: &Path, keep: &Path) -> Self {
        Self {
            interpreter,
            plugin,
            folder: folder.to_path_buf(),
            args: Vec::new(),
            select: None,
            plugins: Vec::new(),
            python_path: Vec::new(),
            env: Vec::new(),
            recording: Recording::default(),
            keep: keep.to_path_buf(),
            timeouts: Timeouts::default(),
        }
    }

    /// Runs pytest to its end and hands each event to `listen` as it comes. When `listen` breaks off, or Ctrl-C is
    /// pressed, or a timeout is over, pytest and all that it started is ended first.
    ///
    /// # Errors
    /// When it could not be started or watched.
    pub fn run(&self, interrupts: &Interrupts, listen: &mut dyn FnMut(Event) -> ControlFlow<()>) -> Result<End, RunError> {
        self.watch(interrupts, &mut |event| event.map_or(ControlFlow::Continue(()), &mut *listen))
    }

    /// As [`Self::run`], and calls `watch` with `None` some forty times a second: time passes also while nothing is told.
    ///
    /// # Errors
    /// When it could not be started or watched.
    pub fn watch(
        &self,
        interrupts: &Interrupts,
        watch: &mut dyn FnMut(Option<Event>) -> ControlFlow<()>,
    ) -> Result<End, RunError> {
        let output = self.keep.join("output.txt");
        let out = File::create(&output).map_err(kept(&output))?;
        let err = out.try_clone().map_err(kept(&output))?;
        let mut command = self.command()?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let start = Instant::now();
        let path = &self.interpreter.path;
        let mut group = Group::spawn(&mut command).map_err(|error| RunError::Start { path: path.clone(), error })?;
        let mut reader = Reader::new(&self.keep);
        let (mut heard, mut synced) = (start, start);
        let mut workers = Vec::new();
        // The process that pytest was started in, and when its tests were over.
        let (mut main, mut closed) = (None, None);
        let how = loop {
            let over = group.ended().map_err(RunError::Wait)?;
            let events = reader.poll().map_err(kept(&self.keep))?;
            if !events.is_empty() {
                heard = Instant::now();
            }
            for event in &events {
                match event.told {
                    Told::Session { pid, worker: Some(_), .. } => workers.push(pid),
                    Told::Session { worker: None, .. } if main.is_none() => main = Some(event.process.clone()),
                    Told::Closed { .. } if main.as_ref() == Some(&event.process) => closed = Some(Instant::now()),
                    _ => {}
                }
            }
            let enough = events.into_iter().map(Some).chain([None]).any(|event| watch(event).is_break());
            if over {
                break None;
            } else if enough {
                break Some(How::Stopped);
            } else if interrupts.take() {
                break Some(How::Interrupted);
            } else if self.timeouts.run.is_some_and(|limit| start.elapsed() > limit) {
                break Some(How::Overdue);
            } else if self.timeouts.silence.is_some_and(|limit| heard.elapsed() > limit)
                || self.timeouts.exit.zip(closed).is_some_and(|(limit, at)| at.elapsed() > limit)
            {
                break Some(How::Silent);
            }
            if synced.elapsed() >= SYNC {
                reader.sync();
                synced = Instant::now();
            }
            std::thread::sleep(BEAT);
        };
        match how {
            Some(How::Interrupted) => group.ask_to_end(interrupts),
            Some(How::Overdue | How::Silent) => group.ask_where_it_is(&workers),
            _ => {}
        }
        let status = group.end().map_err(RunError::Wait)?;
        let how = how.unwrap_or_else(|| of_status(status));
        if !matches!(how, How::Exited(_)) {
            sweep(&self.keep);
        }
        for event in reader.poll().map_err(kept(&self.keep))? {
            // Too late to break off.
            _ = watch(Some(event));
        }
        Ok(End { how, took: start.elapsed(), output })
    }

    fn command(&self) -> Result<Command, RunError> {
        let mut command = Command::new(&self.interpreter.path);
        command.args(["-m", "pytest", "-p", RECORDER]).current_dir(&self.folder);
        for plugin in &self.plugins {
            command.args(["-p", plugin]);
        }
        command.args(&self.args);
        let mut select = None;
        if let Some(tests) = &self.select {
            let path = self.keep.join("select.json");
            let json = serde_json::to_vec(tests).map_err(|e| kept(&path)(e.into()))?;
            File::create(&path).and_then(|mut file| file.write_all(&json)).map_err(kept(&path))?;
            command.args(files_of(tests, ARGUMENTS));
            select = Some(path);
        }
        command.env("PYTHONPATH", self.plugin.python_path(&self.python_path)?);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let text = |path: &Path| {
            let error = io::Error::new(io::ErrorKind::InvalidFilename, "its path is not Unicode");
            path.to_str().map(str::to_owned).ok_or_else(|| kept(path)(error))
        };
        let folder = text(&std::path::absolute(&self.keep).map_err(kept(&self.keep))?)?;
        let select = select.as_deref().map(text).transpose()?;
        let order = Order {
            folder: &folder,
            select: select.as_deref(),
            gauges: self.recording.gauges,
            alloc: self.recording.alloc,
            limits: self.recording.constraint,
        };
        // Numbers, flags and text always become JSON.
        command.env(ORDER, serde_json::to_string(&order).unwrap_or_default());
        Ok(command)
    }
}

/// Says what could not be kept.
fn kept(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_path_buf();
    move |error| RunError::Keep { path, error }
}

/// The variable that carries the order. It also marks the processes that descend from a run.
const ORDER: &str = "TESTDIET_RECORD";

/// The files of tests, each once and in order; none, which is the whole suite, when they are too many to name.
fn files_of(tests: &[String], most: usize) -> Vec<&str> {
    let mut seen = rustc_hash::FxHashSet::default();
    let files: Vec<&str> = tests.iter().map(|test| file_of(test)).filter(|file| seen.insert(*file)).collect();
    let bytes: usize = files.iter().map(|file| file.len() + 1).sum();
    if bytes > most { Vec::new() } else { files }
}

fn of_status(status: std::process::ExitStatus) -> How {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return How::Killed(signal);
    }
    // Windows has no signals: an abort is an exit code, as `std::process` reports it.
    How::Exited(status.code().unwrap_or(-1))
}

/// A process and those that it starts; ended whole, at the latest when it is dropped.
struct Group {
    child: Child,
    done: bool,
}

#[cfg(unix)]
impl Group {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        use std::os::unix::process::CommandExt;
        Ok(Self { child: command.process_group(0).spawn()?, done: false })
    }

    fn id(&self) -> Option<rustix::process::Pid> {
        i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
    }

    /// Whether the process is over. It stays a zombie, so that its id and its group's are nobody else's.
    fn ended(&mut self) -> io::Result<bool> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let Some(id) = self.id() else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(id), options) {
                Ok(status) => return Ok(status.is_some()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(id) = self.id() {
            // A group whose processes are all over is what is wanted.
            _ = rustix::process::kill_process_group(id, signal);
        }
    }

    fn wait_for(&mut self, patience: Duration, impatient: impl Fn() -> bool) {
        let start = Instant::now();
        while start.elapsed() < patience && !impatient() && !self.ended().unwrap_or(true) {
            std::thread::sleep(BEAT);
        }
    }

    /// What a terminal does at Ctrl-C; a second one stops waiting.
    fn ask_to_end(&mut self, interrupts: &Interrupts) {
        self.signal(rustix::process::Signal::INT);
        self.wait_for(GRACE, || interrupts.take());
    }

    /// Lets pytest's faulthandler print every thread's stack: one worker of pytest-xdist after the other, because they share
    /// the output, then whatever is left.
    fn ask_where_it_is(&mut self, workers: &[u32]) {
        use rustix::process::{Pid, Signal, getpgid, kill_process};
        for worker in workers.iter().filter_map(|id| Pid::from_raw(i32::try_from(*id).ok()?)) {
            // One that is over may have left its id to somebody else.
            if getpgid(Some(worker)).ok() == self.id() && kill_process(worker, Signal::ABORT).is_ok() {
                std::thread::sleep(A_WORD);
            }
        }
        self.signal(Signal::ABORT);
        self.wait_for(LAST_WORDS, || false);
    }

    fn end(&mut self) -> io::Result<std::process::ExitStatus> {
        if !self.done {
            self.signal(rustix::process::Signal::KILL);
        }
        self.done = true;
        self.child.wait()
    }
}

#[cfg(not(unix))]
impl Group {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        Ok(Self { child: command.spawn()?, done: false })
    }

    fn ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// The console has told pytest of Ctrl-C as it has told us.
    fn ask_to_end(&mut self, interrupts: &Interrupts) {
        let start = Instant::now();
        while start.elapsed() < GRACE && !interrupts.take() && !self.ended().unwrap_or(true) {
            std::thread::sleep(BEAT);
        }
    }

    /// There is no signal that asks.
    fn ask_where_it_is(&mut self, _workers: &[u32]) {}

    fn end(&mut self) -> io::Result<std::process::ExitStatus> {
        if !self.done && !self.ended()? {
            self.child.kill()?;
        }
        self.done = true;
        self.child.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.done {
            // Only after an error of the system, which has been told.
            _ = self.end();
        }
    }
}

/// Ends what left the group of a run that did not end by itself: descendants carry the run's order in their environment.
#[cfg(target_os = "linux")]
fn sweep(keep: &Path) {
    use rustix::process::{Pid, Signal, kill_process};
    let Ok(keep) = std::path::absolute(keep) else { return };
    // The folder's name is part of the order, and no other run's.
    let Ok(marker) = serde_json::to_string(&keep) else { return };
    let finder = memchr::memmem::Finder::new(&marker);
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(id) = id.filter(|id| id.as_raw_nonzero().get().unsigned_abs() != std::process::id()) else { continue };
        // The environments of other users' processes are closed to us, and none of ours.
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let ours = environment.split(|b| *b == 0).any(|v| v.starts_with(ORDER.as_bytes()) && finder.find(v).is_some());
        if ours {
            _ = kill_process(id, Signal::KILL);
        }
    }
}

/// Other systems do not show what descends from a run.
#[cfg(not(target_os = "linux"))]
fn sweep(_keep: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_once_and_only_when_they_fit() {
        let tests = ["a.py::t[x::y]", "b.py::T::t", "a.py::u"].map(str::to_owned);
        assert_eq!(files_of(&tests, 100), ["a.py", "b.py"]);
        assert!(files_of(&tests, 9).is_empty());
    }
}
