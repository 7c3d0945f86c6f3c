//! Events become a record. Works on what a process told before it died as on a whole run.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use super::record::{Ended, EndedHow, Header, Record, Running, Totals};
use crate::pytest::run::How;
use crate::pytest::stream::Resources;
use crate::pytest::{Event, Outcome, Site, Test, Told};

/// What one process told.
#[derive(Debug, Default)]
struct Process {
    worker: Option<String>,
    running: Option<(String, Resources)>,
    collecting: Option<String>,
    closed: bool,
}

/// What a run has told so far.
#[derive(Debug, Default)]
pub struct Gathered {
    processes: HashMap<String, Process>,
    tests: BTreeMap<String, Test>,
    outside: Vec<Site>,
    /// Selected tests that do not exist.
    pub unknown: Vec<String>,
    /// Tests that will run; 0 while they are collected.
    pub collected: u64,
    root: Option<PathBuf>,
    last: Option<String>,
    sleep_s: f64,
}

impl Gathered {
    /// Takes one event in.
    pub fn hear(&mut self, event: Event) {
        let process = self.processes.entry(event.process).or_default();
        match event.told {
            Told::Session { root, worker, .. } => {
                process.worker = worker;
                self.root = Some(root);
            }
            Told::Collecting { file } => process.collecting = Some(file),
            Told::Collected { tests } => {
                process.collecting = None;
                // Each worker of pytest-xdist collects all of them.
                self.collected = self.collected.max(tests);
            }
            Told::Unknown { tests } => self.unknown = tests,
            Told::Started { test, before } => process.running = Some((test, before)),
            Told::Ended(test) => {
                process.running = None;
                self.last = Some(test.test.clone());
                self.sleep_s += test.sleep_s;
                self.tests.insert(test.test.clone(), *test);
            }
            Told::Closed { outside, .. } => {
                process.closed = true;
                process.collecting = None;
                self.outside.extend(outside);
            }
        }
    }

    /// Whether pytest got so far as to load the recorder.
    #[must_use]
    pub fn began(&self) -> bool {
        self.root.is_some()
    }

    /// Tests that have ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.tests.len()
    }

    /// Seconds the tests that have ended slept.
    #[must_use]
    pub const fn slept(&self) -> f64 {
        self.sleep_s
    }

    /// A test that is running.
    #[must_use]
    pub fn running(&self) -> Option<&str> {
        self.processes.values().filter_map(|p| p.running.as_ref()).map(|(test, _)| test.as_str()).min()
    }

    /// A file that is being searched for tests.
    #[must_use]
    pub fn collecting(&self) -> Option<&str> {
        self.processes.values().filter_map(|p| p.collecting.as_deref()).min()
    }

    /// The record of the run. `how` is `None` for one whose end nobody saw.
    #[must_use]
    pub fn record(mut self, header: Header, how: Option<How>, took: Duration) -> Record {
        let workers = self.processes.values().filter_map(|p| p.worker.as_deref()).collect::<std::collections::BTreeSet<_>>();
        let workers = workers.len() as u64;
        // The controller of pytest-xdist, or the only process.
        let closed = self.processes.values().any(|p| p.worker.is_none() && p.closed);
        let (how, exit, signal) = match how {
            None if closed => (EndedHow::Finished, None, None),
            None => (EndedHow::Lost, None, None),
            Some(How::Exited(code)) if closed => (EndedHow::Finished, Some(code), None),
            // Whoever calls `os._exit` leaves no word behind. Before there was anything to run, pytest itself gave up.
            Some(How::Exited(code)) if self.last.is_some() || self.running().is_some() || self.collecting().is_some() => {
                (EndedHow::Crashed, Some(code), None)
            }
            Some(How::Exited(code)) => (EndedHow::Finished, Some(code), None),
            Some(How::Killed(signal)) => (EndedHow::Crashed, None, Some(signal)),
            Some(How::Interrupted | How::Stopped) => (EndedHow::Interrupted, None, None),
            Some(How::Overdue | How::Silent) => (EndedHow::Hung, None, None),
        };
        let mut running: Vec<Running> = self
            .processes
            .values()
            .filter_map(|p| {
                let (test, before) = p.running.clone()?;
                Some(Running { test, worker: p.worker.clone(), before })
            })
            .collect();
        running.sort_by(|a, b| a.test.cmp(&b.test));
        if how == EndedHow::Finished {
            running.clear();
            // Its worker died; pytest-xdist started another one and went on. One that closed has broken the test off.
            let died = self.processes.values_mut().filter(|p| !p.closed).filter_map(|p| p.running.take());
            for (test, _) in died {
                self.tests.entry(test.clone()).or_insert_with(|| Test::crashed(test)).outcome = Outcome::Crashed;
            }
        }
        let collecting = self.collecting().map(str::to_owned).filter(|_| running.is_empty());
        let tests: Vec<Test> = self.tests.into_values().collect();
        Record {
            header,
            root: self.root.unwrap_or_default(),
            took_s: took.as_secs_f64(),
            workers,
            collected: self.collected,
            ended: Ended { how, exit, signal, running, collecting, last: self.last },
            totals: Totals::of(&tests),
            tests,
            outside: self.outside,
        }
    }
}
