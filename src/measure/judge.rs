//! Holds a record against budgets, and against the runs before it.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::record::Record;
use crate::config::Budgets;
use crate::pytest::{Outcome, Test};

/// Runs whose median a test is compared with.
const COMPARED: usize = 5;
/// How much slower a test has to be to be told: by this share,
const SHARE: f64 = 0.2;
/// and by so many seconds.
const LEAST: f64 = 0.05;

/// What a budget is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// One test.
    Test,
    /// The tests of a file.
    File,
    /// All tests.
    Suite,
}

/// A budget that was not kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Excess {
    /// What it is about.
    pub of: Of,
    /// The test's node id or the file; empty for the suite.
    pub name: String,
    /// The budget's key in the configuration.
    pub budget: &'static str,
    /// Seconds, threads or bytes allowed.
    pub limit: f64,
    /// And measured.
    pub value: f64,
}

/// A test that has become slower.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slower {
    /// Its node id.
    pub test: String,
    /// Seconds now.
    pub wall_s: f64,
    /// The median of the last runs.
    pub median_s: f64,
    /// How many runs those were.
    pub runs: usize,
}

/// The budgets that were not kept, the suite's first, then files, then tests, each by name. `budgets` are those of a file.
///
/// As in the static rules, a test marked `slow` is charged only for what can hang or crash, its threads; one that uses
/// `fast_time` is not charged for its sleeps. `allocation` is held against the traced peak of a test, where it was traced.
#[must_use]
pub fn excesses(record: &Record, suite: &Budgets, budgets: &dyn Fn(&str) -> Budgets) -> Vec<Excess> {
    let mut all = Vec::new();
    let mut hold = |of, name: &str, budget, limit: f64, value: f64| {
        if value > limit {
            all.push(Excess { of, name: name.to_owned(), budget, limit, value });
        }
    };
    let mut files: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let mut of_file: HashMap<&str, Budgets> = HashMap::new();
    for test in &record.tests {
        let limits = of_file.entry(test.file()).or_insert_with(|| budgets(test.file()));
        let (sleep, wall) = charged(test);
        let file = files.entry(test.file()).or_default();
        file.0 += sleep;
        file.1 += wall;
        hold(Of::Test, &test.test, "sleep-per-test", limits.sleep_per_test, sleep);
        hold(Of::Test, &test.test, "test-runtime", limits.test_runtime, wall);
        hold(Of::Test, &test.test, "threads-per-test", limits.threads_per_test as f64, test.started() as f64);
        if let Some(peak) = test.alloc_peak.filter(|_| !test.slow) {
            hold(Of::Test, &test.test, "allocation", limits.allocation as f64, peak as f64);
        }
    }
    for (file, (sleep, wall)) in &files {
        let limits = &of_file[file];
        hold(Of::File, file, "sleep-per-file", limits.sleep_per_file, *sleep);
        hold(Of::File, file, "file-runtime", limits.file_runtime, *wall);
    }
    hold(Of::Suite, "", "sleep-per-suite", suite.sleep_per_suite, files.values().map(|f| f.0).sum());
    all.sort_by(|a, b| b.of.cmp(&a.of).then_with(|| a.name.cmp(&b.name)));
    all
}

/// Seconds asleep and seconds in all that count for a test.
fn charged(test: &Test) -> (f64, f64) {
    if test.slow {
        return (0.0, 0.0);
    }
    (if test.fast_time { 0.0 } else { test.sleep_s }, test.wall_s)
}

/// Tests that took more than 20 % and 50 ms longer than the median of the last runs before, the worst first.
#[must_use]
pub fn slower(record: &Record, before: &[Record]) -> Vec<Slower> {
    let mut times: HashMap<&str, Vec<f64>> = HashMap::new();
    let passed = |test: &&Test| test.outcome == Outcome::Passed;
    for run in before.iter().rev().filter(|run| run.comparable(record)) {
        for test in run.tests.iter().filter(passed) {
            let known = times.entry(&test.test).or_default();
            if known.len() < COMPARED {
                known.push(test.wall_s);
            }
        }
    }
    let mut slower: Vec<Slower> = record
        .tests
        .iter()
        .filter(passed)
        .filter_map(|test| {
            let known = times.get_mut(test.test.as_str())?;
            let (median_s, runs) = (median(known), known.len());
            let is = test.wall_s > median_s * (1.0 + SHARE) && test.wall_s > median_s + LEAST;
            is.then(|| Slower { test: test.test.clone(), wall_s: test.wall_s, median_s, runs })
        })
        .collect();
    slower.sort_by(|a, b| (b.wall_s - b.median_s).total_cmp(&(a.wall_s - a.median_s)));
    slower
}

/// The median of some values; there is at least one.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
}
