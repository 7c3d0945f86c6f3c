//! What runs of the tests have shown, for what the source does not tell: how long a test really sleeps where, what a `join` waits
//! for, whether a test could run on virtual time, and who else was there while it slept.
//!
//! `measure` keeps it in `.testdiet/measure/evidence.json`, by test, beside the runs themselves; a later run replaces what is known
//! of the tests it ran and leaves the others alone. Everything else only reads it. What was seen in a file counts for as long as
//! the file's bytes are the same, so nothing is ever told of lines that have moved; in a checkout that was never measured there is
//! none, and the source alone speaks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::measure::Record;
use crate::measure::history::{History, StoreError};
use crate::pytest::{Outcome, SiteKind};
use crate::source::{SourceFile, digest};

/// Of the format.
const VERSION: u32 = 2;

/// What is kept of a suite, by files relative to its root.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Store {
    version: u32,
    /// The [`digest`] of each file that something was seen in, in hexadecimal.
    digests: BTreeMap<String, String>,
    /// The tests, by node id without parameters.
    tests: BTreeMap<String, Seen>,
}

/// What one test did, all its parameters together.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Seen {
    /// The file it is in.
    file: String,
    /// How often it ran on real time; 0 where it never did, and [`Self::sites`] has no sleeps.
    runs: u64,
    sites: Vec<Place>,
    /// On virtual time: why the clock stepped aside.
    guards: BTreeSet<String>,
    /// Whether another thread was alive at some time, its own or one that was there before.
    threads: bool,
    /// Whether it started child processes.
    processes: bool,
}

/// Where it slept or joined.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place {
    kind: SiteKind,
    /// For a join: the class of the standard library that the receiver is of.
    what: String,
    file: String,
    line: u32,
    calls: u64,
    seconds: f64,
}

/// What is known of the suites of a run, as far as their files are as they were.
#[derive(Debug, Default)]
pub struct Evidence {
    digests: HashMap<PathBuf, u128>,
    /// By the root of the suite and the node id.
    tests: HashMap<(PathBuf, String), Known>,
    /// Classes that joins were measured to wait for, by file and line.
    joins: HashMap<(PathBuf, u32), BTreeSet<String>>,
    stamp: u128,
}

/// A test whose file is as it was.
#[derive(Debug)]
struct Known {
    runs: u64,
    sleeps: HashMap<(PathBuf, u32), (u64, f64)>,
    seconds: f64,
    guards: BTreeSet<String>,
    threads: bool,
    processes: bool,
}

/// What tests slept at one place.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Slept {
    /// How often.
    pub calls: u64,
    /// Real seconds, all calls together.
    pub seconds: f64,
}

/// Takes what a run showed into what is known of the suite in `root`. What changed after `started` was not what ran.
///
/// # Errors
/// When it cannot be written.
pub fn keep(root: &Path, record: &Record, started: SystemTime) -> Result<(), StoreError> {
    let history = History::of(root);
    let path = history.evidence();
    let mut store = load(&path).unwrap_or_default();
    store.version = VERSION;
    let relative = |file: &str| -> Option<String> {
        let path = record.root.join(file);
        let file = path.strip_prefix(root).ok()?;
        // Tests see no more of a virtual environment than of any other library.
        let own =
            file.components().all(|c| !c.as_os_str().as_encoded_bytes().starts_with(b".") && c.as_os_str() != "site-packages");
        own.then(|| file.to_string_lossy().replace('\\', "/"))
    };
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    for test in record.tests.iter().filter(|t| t.outcome == Outcome::Passed) {
        let Some(file) = relative(test.file()) else { continue };
        let name = test.test[test.file().len()..].split('[').next().unwrap_or_default();
        let entry = seen.entry(format!("{file}{name}")).or_default();
        entry.file = file;
        entry.guards.extend(test.guards.iter().cloned());
        entry.threads |= test.threads.alive > 1;
        entry.processes |= test.processes > 0;
        let virtual_time = test.virtual_s > 0.0 || !test.guards.is_empty();
        entry.runs += u64::from(!virtual_time);
        for site in &test.sites {
            let wanted = match site.kind {
                SiteKind::Sleep => !virtual_time,
                SiteKind::Join => true,
                _ => false,
            };
            if let Some(file) = relative(&site.file).filter(|_| wanted) {
                let what = site.base.clone().unwrap_or_else(|| site.what.clone());
                entry.sites.push(Place {
                    kind: site.kind,
                    what,
                    file,
                    line: site.line,
                    calls: site.calls,
                    seconds: site.seconds,
                });
            }
        }
    }
    let files: BTreeSet<&String> = seen.values().flat_map(|t| t.sites.iter().map(|s| &s.file).chain([&t.file])).collect();
    let now: BTreeMap<String, String> = files
        .into_par_iter()
        .filter_map(|file| {
            let path = root.join(file);
            let unchanged = fs::metadata(&path).and_then(|m| m.modified()).is_ok_and(|modified| modified <= started);
            let bytes = fs::read(&path).ok().filter(|_| unchanged)?;
            Some((file.clone(), format!("{:032x}", digest(&bytes))))
        })
        .collect();
    // What was seen in a file's earlier text is of no use any more.
    let changed: BTreeSet<&String> =
        now.iter().filter(|(f, d)| store.digests.get(*f).is_some_and(|old| old != *d)).map(|x| x.0).collect();
    store.tests.retain(|_, t| !changed.contains(&t.file) && root.join(&t.file).exists());
    for test in store.tests.values_mut() {
        test.sites.retain(|s| !changed.contains(&s.file));
    }
    for (name, mut test) in seen {
        if !now.contains_key(&test.file) {
            continue;
        }
        test.sites.retain(|s| now.contains_key(&s.file));
        // A run on virtual time tells nothing of sleeps, one on real time nothing of what the clock would do.
        if let Some(known) = store.tests.remove(&name) {
            if test.runs == 0 {
                test = Seen { guards: test.guards, ..known };
            } else {
                test.guards.extend(known.guards);
            }
        }
        store.tests.insert(name, test);
    }
    store.digests.extend(now);
    let used: BTreeSet<String> =
        store.tests.values().flat_map(|t| t.sites.iter().map(|s| s.file.clone()).chain([t.file.clone()])).collect();
    store.digests.retain(|file, _| used.contains(file));
    history.save_evidence(&store)
}

/// Another version's is none, nor is a damaged one: it can be measured again.
fn load(path: &Path) -> Option<Store> {
    let bytes = fs::read(path).ok()?;
    serde_json::from_slice::<Store>(&bytes).ok().filter(|s| s.version == VERSION)
}

impl Evidence {
    /// What is known of the suites with these roots.
    #[must_use]
    pub fn read<'r>(roots: impl IntoIterator<Item = &'r Path>) -> Self {
        let mut all = Self::default();
        let mut bytes: Vec<u8> = Vec::new();
        for root in roots {
            let Some(store) = load(&History::of(root).evidence()) else { continue };
            let fresh: HashMap<&String, u128> = store
                .digests
                .par_iter()
                .filter_map(|(file, was)| {
                    let is = digest(&fs::read(root.join(file)).ok()?);
                    (format!("{is:032x}") == *was).then_some((file, is))
                })
                .collect();
            let mut names: Vec<_> = fresh.iter().collect();
            names.sort();
            bytes.extend(serde_json::to_vec(&(root, names, &store.tests)).unwrap_or_default());
            for (name, test) in store.tests.iter().filter(|(_, t)| fresh.contains_key(&t.file)) {
                let mut known = Known {
                    runs: test.runs,
                    sleeps: HashMap::new(),
                    seconds: 0.0,
                    guards: test.guards.clone(),
                    threads: test.threads,
                    processes: test.processes,
                };
                for site in test.sites.iter().filter(|s| fresh.contains_key(&s.file)) {
                    let at = (root.join(&site.file), site.line);
                    if site.kind == SiteKind::Join {
                        all.joins.entry(at).or_default().insert(site.what.clone());
                    } else {
                        known.seconds += site.seconds;
                        let slept = known.sleeps.entry(at).or_default();
                        slept.0 += site.calls;
                        slept.1 += site.seconds;
                    }
                }
                all.tests.insert((root.to_path_buf(), name.clone()), known);
            }
            all.digests.extend(fresh.into_iter().map(|(file, is)| (root.join(file), is)));
        }
        all.stamp = if bytes.is_empty() { 0 } else { digest(&bytes) };
        all
    }

    /// Stands for all that is known; 0 where that is nothing.
    #[must_use]
    pub const fn stamp(&self) -> u128 {
        self.stamp
    }

    /// Whether the text of a file is the one that was measured.
    fn fresh(&self, source: &SourceFile) -> bool {
        !self.digests.is_empty() && source.digest.is_some() && self.digests.get(&source.path) == source.digest.as_ref()
    }

    fn test(&self, suite: &Path, test: &str) -> Option<&Known> {
        if self.tests.is_empty() {
            return None;
        }
        self.tests.get(&(suite.to_path_buf(), test.to_owned()))
    }

    /// What one test slept in some lines, and how often it ran; `None` where it was not measured on real time.
    #[must_use]
    pub fn slept(&self, suite: &Path, test: &str, source: &SourceFile, lines: RangeInclusive<u32>) -> Option<(Slept, u64)> {
        let known = self.test(suite, test).filter(|t| t.runs > 0 && self.fresh(source))?;
        let mut slept = Slept::default();
        for line in lines {
            if let Some((calls, seconds)) = known.sleeps.get(&(source.path.clone(), line)) {
                slept.calls += calls;
                slept.seconds += seconds;
            }
        }
        Some((slept, known.runs))
    }

    /// All that a test slept, wherever; `None` where it was not measured on real time.
    #[must_use]
    pub fn slept_in_all(&self, suite: &Path, test: &str) -> Option<f64> {
        self.test(suite, test).filter(|t| t.runs > 0).map(|t| t.seconds)
    }

    /// Why the clock of `fast_time` stepped aside when a test ran under it; none where it did not, or nobody tried.
    #[must_use]
    pub fn guards(&self, suite: &Path, test: &str) -> Vec<&str> {
        self.test(suite, test).into_iter().flat_map(|t| &t.guards).map(String::as_str).collect()
    }

    /// Whether a test was seen to start child processes, wherever in the code under test.
    #[must_use]
    pub fn starts_processes(&self, suite: &Path, test: &str) -> bool {
        self.test(suite, test).is_some_and(|t| t.processes)
    }

    /// Whether a test was seen to run with no other thread alive and no child process: while it sleeps, nobody does anything.
    #[must_use]
    pub fn alone(&self, suite: &Path, test: &str) -> bool {
        self.test(suite, test).is_some_and(|t| t.runs > 0 && !t.threads && !t.processes)
    }

    /// Whether all that was joined in some lines were threads or processes; `None` where nothing was seen to be.
    #[must_use]
    pub fn joins_threads(&self, source: &SourceFile, lines: RangeInclusive<u32>) -> Option<bool> {
        if self.joins.is_empty() || !self.fresh(source) {
            return None;
        }
        let mut found = lines.filter_map(|line| self.joins.get(&(source.path.clone(), line))).flatten().peekable();
        found.peek()?;
        Some(found.all(|what| matches!(what.as_str(), "threading.Thread" | "multiprocessing.process.BaseProcess")))
    }
}
