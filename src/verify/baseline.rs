//! What the tests do without any fix: run twice, so that what comes and goes by itself is known. And what a run with fixes is
//! held against it for.

use std::collections::{BTreeMap, BTreeSet};

use super::session::{Covered, Lines, Ran, Seen, is_well};
use crate::pytest::{Outcome, Site, SiteKind, Test};

/// A test may take ten times as long as it did, and this much more, in seconds, before it counts as hung.
const GRACE_S: f64 = 5.0;
const TIMES: f64 = 10.0;

/// How often a join has to fit into the timeout that a fix gives it: as the plan has it for waits that it can see.
const SPARE: f64 = 4.0;
/// The same where the join was made slower by all cores being busy.
const SPARE_UNDER_LOAD: f64 = 2.0;

/// A test without any fix.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// How it ends.
    pub state: State,
    /// Seconds it took, the longer of both times.
    pub wall_s: f64,
    /// Lines of the product that it ran both times; `None` when nobody looked.
    pub covered: Option<Covered>,
    /// How often it ran on its own too; the lines are those of these runs as well.
    pub alone: usize,
    /// What it did, the first time.
    pub facts: Test,
    /// The last lines of its failure.
    pub tail: Option<String>,
    /// Whether it could use what testdiet's fixes put into tests.
    pub equipped: bool,
    /// Seconds that a timeout has to give its joins that have none, as far as any run shows.
    pub join_timeout: f64,
}

/// Whether a test can prove anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It ends the same way each time, and well.
    Stable(Outcome),
    /// It fails each time.
    Red,
    /// It does not end the same way each time.
    Flaky,
}

/// All tests without any fix.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    pub tests: BTreeMap<String, Known>,
    /// Files that could not be imported, with the last lines of why.
    pub uncollected: BTreeMap<String, String>,
    /// Warnings that come without any fix, whichever test shows them.
    warned: BTreeSet<String>,
}

impl Baseline {
    /// Takes up runs of the same tests, two at least.
    pub fn add(&mut self, runs: &[&Ran]) {
        let names: BTreeSet<&String> = runs.iter().flat_map(|r| r.tests.keys()).collect();
        for name in names {
            let seen: Vec<&Seen> = runs.iter().filter_map(|r| r.tests.get(name)).collect();
            let Some(first) = seen.first() else { continue };
            let outcome = first.facts.outcome;
            let same = seen.len() == runs.len() && seen.iter().all(|s| s.facts.outcome == outcome && !s.hung);
            let state = match (same, is_well(outcome)) {
                (true, true) => State::Stable(outcome),
                _ if seen.iter().all(|s| !is_well(s.facts.outcome)) => State::Red,
                _ => State::Flaky,
            };
            let covered = seen.iter().map(|s| s.covered.clone()).reduce(|a, b| Some(common(&a?, &b?))).flatten();
            let known = Known {
                state,
                wall_s: seen.iter().map(|s| s.facts.wall_s).fold(0.0, f64::max),
                covered,
                alone: 0,
                facts: first.facts.clone(),
                tail: seen.iter().find_map(|s| s.tail.clone()),
                equipped: first.equipped,
                join_timeout: longest_join(&first.facts, |s| s.untimed > 0) * SPARE,
            };
            self.tests.insert(name.clone(), known);
        }
        for ran in runs {
            self.uncollected.extend(ran.uncollected.clone());
            self.warned.extend(ran.tests.values().flat_map(|s| &s.facts.warned).map(|w| plain(w)));
        }
    }

    /// Takes up a run of a test in less company, or `alone`: lines that it runs only in more of it are not its own.
    pub fn refine(&mut self, test: &str, seen: &Seen, alone: bool) {
        if let (Some(known), Some(now)) = (self.tests.get_mut(test), &seen.covered) {
            known.covered = known.covered.as_ref().map(|before| common(before, now));
            known.alone += usize::from(alone);
        }
    }

    /// Takes up that a test goes wrong without any fix after all.
    pub fn doubt(&mut self, test: &str) {
        if let Some(known) = self.tests.get_mut(test) {
            known.state = State::Flaky;
        }
    }

    /// Names of tests that were not stable.
    pub fn unstable(&self) -> BTreeSet<String> {
        let unstable = self.tests.iter().filter(|(_, known)| !matches!(known.state, State::Stable(_)));
        unstable.map(|(name, _)| name.clone()).collect()
    }

    /// Seconds a test may take with fixes.
    pub fn limit(&self, test: &str) -> f64 {
        self.tests.get(test).map_or(0.0, |known| known.wall_s) * TIMES + GRACE_S
    }

    /// Seconds that a fix has to give the joins of a test.
    pub fn join_timeout(&self, test: &str) -> f64 {
        self.tests.get(test).map_or(0.0, |known| known.join_timeout)
    }

    /// Takes up how long the joins took in a run with fixes: on a slower machine, or a busier one, a timeout that only just did
    /// would not do.
    pub fn note_joins(&mut self, test: &str, seen: &Seen, load: bool) {
        let Some(known) = self.tests.get_mut(test) else { return };
        // Lines move with the fixes.
        let place = |s: &Site| (s.file.clone(), s.function.clone(), s.what.clone());
        let untimed: BTreeSet<_> =
            known.facts.sites.iter().filter(|s| s.kind == SiteKind::Join && s.untimed > 0).map(place).collect();
        let took = longest_join(&seen.facts, |s| untimed.contains(&place(s)));
        known.join_timeout = known.join_timeout.max(took * if load { SPARE_UNDER_LOAD } else { SPARE });
    }

    /// What is wrong with a test of a run with fixes; `None` when it does what it did.
    pub fn complaint(&self, test: &str, seen: Option<&Seen>) -> Option<Complaint> {
        let known = self.tests.get(test)?;
        let State::Stable(before) = known.state else { return None };
        let Some(seen) = seen else {
            return Some(Complaint { reason: "pytest no longer finds the test".to_owned(), tail: None, lines_only: false });
        };
        let complaint = |reason: String| Some(Complaint { reason, tail: seen.tail.clone(), lines_only: false });
        if seen.hung {
            let (limit, took) = (self.limit(test), known.wall_s);
            return complaint(format!("it did not end within {limit:.1} s; without the fix it took {took:.1} s"));
        }
        let now = seen.facts.outcome;
        if now != before {
            let why = seen.facts.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            return complaint(format!("it {} without the fix, {} with it{why}", past(before), past(now)));
        }
        if let Some(new) = seen.facts.warned.iter().find(|w| !self.warned.contains(&plain(w))) {
            return complaint(format!("a warning that is not there without it: {new}"));
        }
        let (before, now) = (known.covered.as_ref()?, seen.covered.as_ref()?);
        let lost = before.iter().find_map(|(file, lines)| {
            let line = lines.first_missing(now.get(file).unwrap_or(&Lines::default()))?;
            Some(format!("it no longer runs {file}:{line}"))
        })?;
        Some(Complaint { reason: lost, tail: None, lines_only: true })
    }
}

/// What a test holds against a fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// One sentence.
    pub reason: String,
    /// The last lines of the failure.
    pub tail: Option<String>,
    /// Whether it is only that lines were not run; what depends on time may run them the next time.
    pub lines_only: bool,
}

/// The seconds of the place that a test joins at longest, of those that `counts` is true for. Several joins at one place count as
/// one: rather too long than too short.
fn longest_join(test: &Test, counts: impl Fn(&Site) -> bool) -> f64 {
    test.sites.iter().filter(|s| s.kind == SiteKind::Join && counts(s)).map(|s| s.seconds).fold(0.0, f64::max)
}

/// The lines that both cover.
fn common(a: &Covered, b: &Covered) -> Covered {
    let both = a.iter().filter_map(|(file, lines)| Some((file.clone(), lines.common(b.get(file)?))));
    both.filter(|(_, lines)| !lines.is_empty()).collect()
}

/// The lines that either covers.
pub(super) fn either(a: &Covered, b: &Covered) -> Covered {
    let mut out = a.clone();
    for (file, lines) in b {
        let known = out.entry(file.clone()).or_default();
        *known = known.either(lines);
    }
    out
}

/// A warning without its numbers, which differ from run to run: addresses, descriptors, times.
fn plain(warning: &str) -> String {
    let mut out = String::with_capacity(warning.len());
    for word in warning.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let (letters, rest) = word.split_at(word.trim_end_matches(|c: char| !c.is_alphanumeric()).len());
        out.push_str(if letters.contains(|c: char| c.is_ascii_digit()) { "#" } else { letters });
        out.push_str(rest);
    }
    out
}

fn past(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Error => "had an error",
        Outcome::Skipped => "was skipped",
        Outcome::Xfailed => "failed as expected",
        Outcome::Xpassed => "passed unexpectedly",
        Outcome::Crashed => "ended the process",
    }
}

/// The post-mortem's table: what tests do in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Figures {
    /// Tests that are counted.
    pub tests: usize,
    /// Seconds asleep, all threads added up.
    pub sleep_s: f64,
    /// Threads and processes started.
    pub started: u64,
    /// Most threads alive at one time, the main one included.
    pub peak: u64,
    /// Seconds of setup, call and teardown, added up.
    pub runtime_s: f64,
    /// Places that join without a timeout.
    pub bare_joins: usize,
}

impl Figures {
    /// Adds up tests.
    pub(super) fn of<'t>(tests: impl Iterator<Item = &'t Test>) -> Self {
        let mut out = Self::default();
        let mut joins: BTreeSet<(&str, u32)> = BTreeSet::new();
        for test in tests {
            out.tests += 1;
            out.sleep_s += test.sleep_s;
            out.started += test.started();
            out.peak = out.peak.max(test.threads.alive).max(test.threads.peak + u64::from(test.threads.peak > 0));
            out.runtime_s += test.wall_s;
            let bare = test.sites.iter().filter(|s| s.kind == SiteKind::Join && s.untimed > 0);
            joins.extend(bare.map(|s| (s.file.as_str(), s.line)));
        }
        out.bare_joins = joins.len();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(outcome: Outcome, lines: Option<&str>) -> Seen {
        let mut facts = Test::crashed("a.py::t".to_owned());
        facts.outcome = outcome;
        facts.wall_s = 2.0;
        let covered = lines.map(|hex| [("p.py".to_owned(), Lines::from_hex(hex))].into());
        Seen { facts, hung: false, tail: None, covered, equipped: false }
    }

    fn ran(outcome: Outcome, lines: Option<&str>) -> Ran {
        Ran { tests: [("a.py::t".to_owned(), seen(outcome, lines))].into(), ..Ran::default() }
    }

    fn baseline(a: Outcome, b: Outcome) -> Baseline {
        let mut out = Baseline::default();
        out.add(&[&ran(a, Some("e")), &ran(b, Some("6"))]);
        out
    }

    #[test]
    fn a_test_proves_something_when_it_ends_well_each_time() {
        let state = |a, b| baseline(a, b).tests["a.py::t"].state;
        assert_eq!(state(Outcome::Passed, Outcome::Passed), State::Stable(Outcome::Passed));
        assert_eq!(state(Outcome::Skipped, Outcome::Skipped), State::Stable(Outcome::Skipped));
        assert_eq!(state(Outcome::Passed, Outcome::Failed), State::Flaky);
        assert_eq!(state(Outcome::Passed, Outcome::Skipped), State::Flaky);
        assert_eq!(state(Outcome::Failed, Outcome::Error), State::Red);
        let mut once = Baseline::default();
        once.add(&[&ran(Outcome::Passed, None), &Ran::default()]);
        assert_eq!(once.tests["a.py::t"].state, State::Flaky);
    }

    #[test]
    fn what_changed_is_told() {
        let known = baseline(Outcome::Passed, Outcome::Passed);
        let reason = |seen: Option<Seen>| known.complaint("a.py::t", seen.as_ref()).map(|c| c.reason);
        assert_eq!(reason(Some(seen(Outcome::Passed, Some("6")))), None);
        // Line 3 was run only once before.
        assert_eq!(reason(Some(seen(Outcome::Passed, Some("e")))), None);
        assert_eq!(reason(Some(seen(Outcome::Passed, None))), None);
        assert_eq!(reason(Some(seen(Outcome::Passed, Some("4")))), Some("it no longer runs p.py:1".to_owned()));
        assert_eq!(reason(Some(seen(Outcome::Failed, None))), Some("it passed without the fix, failed with it".to_owned()));
        assert_eq!(reason(Some(seen(Outcome::Skipped, None))), Some("it passed without the fix, was skipped with it".to_owned()));
        assert_eq!(reason(None), Some("pytest no longer finds the test".to_owned()));
        let hung = Seen { hung: true, ..seen(Outcome::Crashed, None) };
        assert_eq!(reason(Some(hung)), Some("it did not end within 25.0 s; without the fix it took 2.0 s".to_owned()));
    }

    #[test]
    fn a_join_needs_more_than_it_took() {
        let with_joins = |joins: &[(&str, f64, u64)]| {
            let mut out = seen(Outcome::Passed, None);
            out.facts.sites = joins
                .iter()
                .map(|&(function, seconds, untimed)| Site {
                    base: None,
                    kind: SiteKind::Join,
                    what: "threading.Thread".to_owned(),
                    file: "a.py".to_owned(),
                    line: 1,
                    function: function.to_owned(),
                    calls: 1,
                    seconds,
                    untimed,
                    leaked: 0,
                })
                .collect();
            out
        };
        let mut known = Baseline::default();
        let ran = |seen| Ran { tests: [("a.py::t".to_owned(), seen)].into(), ..Ran::default() };
        let bare = with_joins(&[("t", 2.0, 1), ("helper", 9.0, 0)]);
        known.add(&[&ran(bare.clone()), &ran(bare)]);
        let mut needs = |joins: &[_], load| {
            known.note_joins("a.py::t", &with_joins(joins), load);
            known.join_timeout("a.py::t")
        };
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(needs(&[("helper", 9.0, 0)], false), 8.0), "the other one has its timeout");
        assert!(close(needs(&[("t", 1.0, 0)], false), 8.0), "what took longer before counts");
        assert!(close(needs(&[("t", 3.5, 0)], true), 8.0), "busy cores need less to spare");
        assert!(close(needs(&[("t", 4.5, 0)], true), 9.0));
        assert!(close(needs(&[("t", 2.5, 0)], false), 10.0));
    }

    #[test]
    fn warnings_are_new_when_more_than_their_numbers_are() {
        let mut first = ran(Outcome::Passed, None);
        let warned = |text: &str| vec![text.to_owned()];
        first.tests.get_mut("a.py::t").unwrap().facts.warned = warned("ResourceWarning: unclosed <socket fd=12 at 0x7f3a>");
        let mut known = Baseline::default();
        known.add(&[&first, &ran(Outcome::Passed, None)]);
        let mut now = seen(Outcome::Passed, None);
        now.facts.warned = warned("ResourceWarning: unclosed <socket fd=13 at 0x7f4b>");
        assert_eq!(known.complaint("a.py::t", Some(&now)), None);
        now.facts.warned = warned("PytestUnhandledThreadExceptionWarning: Exception in thread Thread-1");
        assert!(known.complaint("a.py::t", Some(&now)).unwrap().reason.contains("Unhandled"));
    }
}
