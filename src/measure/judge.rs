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

/// Seconds asleep and seconds in all that count for a test: none for one marked `slow`, no sleep for one that uses `fast_time`.
#[must_use]
pub fn charged(test: &Test) -> (f64, f64) {
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::measure::record::{Ended, EndedHow, Header, Totals, VERSION};

    fn test(name: &str, wall_s: f64) -> Test {
        Test { outcome: Outcome::Passed, wall_s, ..Test::crashed(name.to_owned()) }
    }

    fn run(tests: Vec<Test>) -> Record {
        Record {
            header: Header {
                version: VERSION,
                run: 1,
                started: 0,
                interpreter: PathBuf::new(),
                python: String::new(),
                pytest: String::new(),
                arguments: Vec::new(),
                alloc: false,
                constrain: None,
            },
            root: PathBuf::from("/work"),
            took_s: 0.0,
            workers: 0,
            collected: 0,
            ended: Ended {
                how: EndedHow::Finished,
                exit: Some(0),
                signal: None,
                running: Vec::new(),
                collecting: None,
                last: None,
            },
            totals: Totals::of(&tests),
            tests,
            outside: Vec::new(),
        }
    }

    #[test]
    fn slower_means_by_a_fifth_and_by_50_ms_than_the_median_of_the_last_five() {
        // The median of the last five is 1.0; the run of 9 s is too long ago.
        let before: Vec<Record> = [9.0, 9.0, 9.0, 1.2, 1.0, 0.9, 5.0, 0.8].map(|t| run(vec![test("a.py::t", t)])).into();
        let found = |wall| slower(&run(vec![test("a.py::t", wall)]), &before);
        assert!(found(1.2).is_empty(), "not by more than a fifth");
        let told = &found(1.21)[0];
        assert_eq!((told.median_s, told.runs), (1.0, 5));

        let before = [run(vec![test("a.py::t", 0.1)])];
        assert!(slower(&run(vec![test("a.py::t", 0.149)]), &before).is_empty(), "by less than 50 ms");
        assert_eq!(slower(&run(vec![test("a.py::t", 0.151)]), &before).len(), 1);
        let failed = Test { outcome: Outcome::Failed, ..test("a.py::t", 5.0) };
        assert!(slower(&run(vec![failed]), &before).is_empty(), "a failure takes as long as it takes");
        let mut traced = run(vec![test("a.py::t", 5.0)]);
        traced.header.alloc = true;
        assert!(slower(&traced, &before).is_empty(), "measured in another way");
        assert!(slower(&run(vec![test("a.py::new", 5.0)]), &before).is_empty());
    }

    #[test]
    fn each_budget_is_held_against_what_it_is_about() {
        let mut tests = vec![
            Test { sleep_s: 0.4, ..test("a.py::one", 1.5) },
            Test { sleep_s: 0.5, ..test("a.py::two", 2.5) },
            Test { sleep_s: 9.0, slow: true, ..test("a.py::slow", 90.0) },
            Test { sleep_s: 9.0, fast_time: true, ..test("b.py::fast", 1.0) },
        ];
        tests[2].threads.started = 7;
        tests[3].alloc_peak = Some(20_001);
        let budgets = Budgets { file_runtime: 3.5, sleep_per_file: 0.8, sleep_per_suite: 0.8, ..Budgets::default() };
        let found = excesses(&run(tests), &budgets, &|_| budgets.clone());
        let told: Vec<_> = found.iter().map(|e| (e.of, e.name.as_str(), e.budget, e.value)).collect();
        let expected = [
            (Of::Suite, "", "sleep-per-suite", 0.9),
            (Of::File, "a.py", "sleep-per-file", 0.9),
            (Of::File, "a.py", "file-runtime", 4.0),
            (Of::Test, "a.py::slow", "threads-per-test", 7.0),
            (Of::Test, "a.py::two", "test-runtime", 2.5),
            (Of::Test, "b.py::fast", "allocation", 20_001.0),
        ];
        assert_eq!(told, expected);
    }
}
