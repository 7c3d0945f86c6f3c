//! What the recorder says about a test: the wire format of its events, and what stored runs hold.
//!
//! A test's facts are those of its setup, call and teardown together. What a thread does counts for the test that started
//! it. Keys that say nothing are left out where a test is written, so each has a default here.

use serde::{Deserialize, Serialize};

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It passed.
    Passed,
    /// An assertion or anything else in the test failed.
    Failed,
    /// Its setup or teardown failed.
    Error,
    /// It was skipped.
    Skipped,
    /// It failed, as it was expected to.
    Xfailed,
    /// It passed, although it was expected to fail.
    Xpassed,
    /// Its process ended while it ran.
    Crashed,
}

impl Outcome {
    /// Whether it makes pytest fail.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::Crashed)
    }

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::Xfailed => "xfailed",
            Self::Xpassed => "xpassed",
            Self::Crashed => "crashed",
        }
    }
}

/// What happens at a place in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteKind {
    /// A sleep: nothing ends it early.
    Sleep,
    /// A wait that something else can end: an event, a condition, a queue, a future.
    Wait,
    /// A `join` of a thread, process, pool or queue.
    Join,
    /// A thread starts.
    Thread,
    /// A process starts.
    Process,
}

/// A place in the source and what one test did there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// What happens there.
    pub kind: SiteKind,
    /// What is called: `time.sleep`, `Event.wait`; for a join and a start, the type: `threading.Thread`.
    pub what: String,
    /// For a join, where it is another: the class of the standard library that the type derives from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The file: relative to the root of the tests with `/` where it is below it, absolute elsewhere.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// The function it is in.
    #[serde(default)]
    pub function: String,
    /// How often.
    pub calls: u64,
    /// Real seconds spent there, those of all threads added up; a sleep counts for no more than it was asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seconds: f64,
    /// Of `calls`, those without a timeout (`join`, `wait`).
    #[serde(default, skip_serializing_if = "is_none")]
    pub untimed: u64,
    /// Of `calls`, the threads that were still alive after the test.
    #[serde(default, skip_serializing_if = "is_none")]
    pub leaked: u64,
}

/// The threads of a test, those of its own and those that they started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Threads {
    /// Started.
    pub started: u64,
    /// Most of them alive at one time.
    pub peak: u64,
    /// Still alive after the teardown, short of those that a fixture of a wider scope started.
    pub leaked: u64,
    /// Most threads alive in the process at one time, the main thread and what earlier tests left included.
    pub alive: u64,
}

/// A test's facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// pytest's node id.
    pub test: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, for a bad end: the first line of the exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Real seconds from its start to the end of its teardown.
    pub wall_s: f64,
    /// Real seconds of its setup, call and teardown.
    #[serde(default)]
    pub phases_s: [f64; 3],
    /// Real seconds in sleeps, those of all threads added up, as far as they were asked for.
    #[serde(default)]
    pub sleep_s: f64,
    /// Real seconds in waits, those of all threads added up. Joins are not among them.
    #[serde(default)]
    pub wait_s: f64,
    /// Seconds that the `fast_time` clock let pass without their being spent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub virtual_s: f64,
    /// Its threads.
    #[serde(default)]
    pub threads: Threads,
    /// Child processes started.
    #[serde(default)]
    pub processes: u64,
    /// Descriptors open in the process at its end; `None` where the system does not tell.
    #[serde(default)]
    pub descriptors: Option<u64>,
    /// Of them, how many more than at its start.
    #[serde(default)]
    pub descriptors_left: i64,
    /// Warnings raised.
    #[serde(default, skip_serializing_if = "is_none")]
    pub warnings: u64,
    /// Bytes traced at the peak of its call, more than at its start; only with `--alloc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alloc_peak: Option<u64>,
    /// Whether it is marked `slow`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub slow: bool,
    /// Whether it uses a fixture named `fast_time`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fast_time: bool,
    /// Why the `fast_time` clock stepped aside, where the test really waited for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<String>,
    /// Limits of `--constrain` that it ran into: `threads`, `descriptors`, `memory`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// Its warnings, each `Category: first line`, no more than twenty different ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned: Vec<String>,
    /// Where it sleeps, waits, joins, starts threads and processes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Site>,
}

impl Test {
    /// The file of its node id, which is relative to the root of the tests.
    #[must_use]
    pub fn file(&self) -> &str {
        file_of(&self.test)
    }

    /// Threads and processes it started.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.threads.started + self.processes
    }

    /// A test of which nothing is known but that it ran.
    #[must_use]
    pub fn crashed(test: String) -> Self {
        Self {
            test,
            outcome: Outcome::Crashed,
            why: None,
            wall_s: 0.0,
            phases_s: [0.0; 3],
            sleep_s: 0.0,
            wait_s: 0.0,
            virtual_s: 0.0,
            threads: Threads::default(),
            processes: 0,
            descriptors: None,
            descriptors_left: 0,
            warnings: 0,
            alloc_peak: None,
            slow: false,
            fast_time: false,
            guards: Vec::new(),
            limits: Vec::new(),
            warned: Vec::new(),
            sites: Vec::new(),
        }
    }
}

/// The file in a node id. A parameter may hold `::`, a path before it cannot.
#[must_use]
pub fn file_of(test: &str) -> &str {
    test.split_once("::").map_or(test, |(file, _)| file)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_none(value: &u64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(value: &bool) -> bool {
    !*value
}
