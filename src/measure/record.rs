//! What a measured run leaves behind. The format on disk, and what `--output-format json` prints.
//!
//! Keys may be added; those there are keep their meaning for as long as [`VERSION`] stays.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::pytest::stream::Resources;
use crate::pytest::{Outcome, Site, SiteKind, Test};

/// Of the format.
pub const VERSION: u32 = 1;

/// What is run and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// Counts the runs of a suite, from 1.
    pub run: u64,
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// The interpreter.
    pub interpreter: PathBuf,
    /// Its version.
    pub python: String,
    /// Its pytest's version.
    pub pytest: String,
    /// What pytest was given: paths and options.
    pub arguments: Vec<String>,
    /// Whether allocation was traced.
    pub alloc: bool,
    /// The machine whose limits it had: `wsl2`.
    pub constrain: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndedHow {
    /// pytest ended in good order, whatever the tests did.
    Finished,
    /// The process that ran the tests ended while it did.
    Crashed,
    /// Ctrl-C.
    Interrupted,
    /// No test ended for too long.
    Hung,
    /// testdiet itself was killed, or the machine.
    Lost,
}

/// A test that had started and had not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Its node id.
    pub test: String,
    /// The worker of pytest-xdist that ran it.
    pub worker: Option<String>,
    /// The state of its process before it.
    pub before: Resources,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub how: EndedHow,
    /// pytest's exit code.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Tests that were running: the culprits of a crash.
    pub running: Vec<Running>,
    /// The file that was being imported, when no test had started.
    pub collecting: Option<String>,
    /// The test that ended last.
    pub last: Option<String>,
}

/// A measured run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was run and how.
    #[serde(flatten)]
    pub header: Header,
    /// pytest's root folder: node ids and the files of sites are relative to it.
    pub root: PathBuf,
    /// Seconds from start to end.
    pub took_s: f64,
    /// Workers of pytest-xdist; 0 without it.
    pub workers: u64,
    /// Tests that would have run.
    pub collected: u64,
    /// How it ended.
    pub ended: Ended,
    /// The sum of the tests.
    pub totals: Totals,
    /// The tests, by node id.
    pub tests: Vec<Test>,
    /// What was done outside of any test: while modules were imported, and by threads that outlived their test.
    pub outside: Vec<Site>,
}

/// Sums over tests: of a file, or of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Tests that ran.
    pub tests: u64,
    /// How many ended how.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Seconds of the tests.
    pub wall_s: f64,
    /// Seconds asleep.
    pub sleep_s: f64,
    /// Seconds in waits.
    pub wait_s: f64,
    /// Seconds that the `fast_time` clock saved.
    pub virtual_s: f64,
    /// Threads started.
    pub threads_started: u64,
    /// Most threads of one test alive at one time.
    pub threads_peak: u64,
    /// Most threads alive in a process at one time.
    pub threads_alive: u64,
    /// Threads left behind.
    pub threads_leaked: u64,
    /// Processes started.
    pub processes: u64,
    /// Joins without a timeout.
    pub joins_untimed: u64,
    /// Warnings.
    pub warnings: u64,
    /// Bytes: the largest traced peak of a test; only with `--alloc`.
    pub alloc_peak: Option<u64>,
}

impl Totals {
    /// The sums of some tests.
    #[must_use]
    pub fn of<'a>(tests: impl IntoIterator<Item = &'a Test>) -> Self {
        let mut all = Self::default();
        for test in tests {
            all.tests += 1;
            *all.outcomes.entry(test.outcome).or_default() += 1;
            all.wall_s += test.wall_s;
            all.sleep_s += test.sleep_s;
            all.wait_s += test.wait_s;
            all.virtual_s += test.virtual_s;
            all.threads_started += test.threads.started;
            all.threads_peak = all.threads_peak.max(test.threads.peak);
            all.threads_alive = all.threads_alive.max(test.threads.alive);
            all.threads_leaked += test.threads.leaked;
            all.processes += test.processes;
            all.joins_untimed += test.sites.iter().filter(|s| s.kind == SiteKind::Join).map(|s| s.untimed).sum::<u64>();
            all.warnings += test.warnings;
            all.alloc_peak = all.alloc_peak.max(test.alloc_peak);
        }
        all
    }

    /// Tests that ended badly.
    #[must_use]
    pub fn bad(&self) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| outcome.is_bad()).map(|(_, n)| n).sum()
    }
}

impl Record {
    /// The sums of each file, by its path relative to [`Self::root`].
    #[must_use]
    pub fn files(&self) -> BTreeMap<&str, Totals> {
        let mut files: BTreeMap<&str, Vec<&Test>> = BTreeMap::new();
        for test in &self.tests {
            files.entry(test.file()).or_default().push(test);
        }
        files.into_iter().map(|(file, tests)| (file, Totals::of(tests))).collect()
    }

    /// Whether times of two runs can be compared: tracing, limits and workers change them.
    #[must_use]
    pub fn comparable(&self, other: &Self) -> bool {
        let how = |run: &Self| (run.header.alloc, run.header.constrain.clone(), run.workers);
        how(self) == how(other)
    }
}
