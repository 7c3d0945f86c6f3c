//! The story of a proof: plan, copy, baseline, search, and what became of each fix.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::VerifyError;
use super::baseline::{Baseline, Complaint, Figures, State, either};
use super::reach::{Files, Reach, Which};
use super::search::{Choice, Problem};
use super::session::{Ran, Seen, Setup, Wanted, file_of, function_of, imports, slashed};
use super::shadow::Shadow;
use super::units::{Originals, Unit, add_gentler, changes, units};
use crate::discover::Found;
use crate::edit::Applicability;
use crate::engine::{self, Change, Fixed, Input};
use crate::finding::Finding;
use crate::pytest::{Interpreter, Interrupts, Outcome, Plugin, Test};

/// Gaps and shortest waits of gentler versions, as multiples of what is planned first.
const GENTLER: [f64; 2] = [2.5, 5.0];
/// Most times that what takes the place of dropped fixes is planned and tried.
const ROUNDS: usize = 3;
/// Most tests that are run one by one to see which lines they run on their own: each is a start of pytest.
const ALONE: usize = 16;

/// What is to be proven.
pub struct Request<'a> {
    /// The findings' files, as for the engine.
    pub input: &'a Input,
    /// Every file of the suites, for what a fix can reach.
    pub suites: &'a [Found],
    /// The project's root: what is copied.
    pub root: &'a Path,
    /// Where the user is, and would start pytest.
    pub cwd: &'a Path,
    /// With which Python.
    pub interpreter: &'a Interpreter,
    /// The user's arguments for pytest.
    pub args: &'a [OsString],
    /// How often the tests have to do well with the fixes; at least 1.
    pub runs: usize,
    /// Whether the last of several runs is under load.
    pub stress: bool,
    /// Which fixes are proposed.
    pub wanted: &'a (dyn Fn(&Finding) -> bool + Sync),
}

/// What is going on. Told from the thread it happens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// The project is copied.
    Copying,
    /// The tests run without any fix.
    Baseline,
    /// A candidate is run.
    Candidate {
        /// Its number, from 1.
        number: usize,
        /// Fixes in it.
        fixes: usize,
        /// Fixes dropped so far.
        dropped: usize,
        /// Tests it runs.
        tests: usize,
        /// Whether it is under load.
        load: bool,
    },
    /// A test does not do what it did.
    Wrong {
        /// The test.
        test: &'a str,
        /// What it does instead, one sentence.
        reason: &'a str,
    },
    /// A test has ended.
    Test {
        /// Its node id.
        test: &'a str,
    },
}

/// What became of a fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Every test it reaches does with it what it did.
    Proven,
    /// As proven, in a gentler version than planned first.
    Relaxed,
    /// A test refused it.
    Dropped {
        /// The test.
        test: String,
        /// What the test holds against it, one sentence.
        reason: String,
        /// The last lines of the failure.
        tail: Option<String>,
    },
    /// No test can tell.
    Held {
        /// Why, one sentence.
        reason: String,
    },
}

impl Fate {
    /// Whether the fix is part of what was proven.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        matches!(self, Self::Proven | Self::Relaxed)
    }
}

/// A fix and what became of it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The findings it fixes.
    pub findings: Vec<Finding>,
    /// What it does, in the version that was kept, or else the first.
    pub messages: Vec<String>,
    /// What became of it.
    pub fate: Fate,
}

/// What was proven.
#[derive(Debug, Default)]
pub struct Proof {
    /// The changes that hold, what was there before and what is left after them. Nothing is written yet.
    pub fixed: Fixed,
    /// Every fix.
    pub judged: Vec<Judged>,
    /// The tests without fixes, where both sides are known.
    pub before: Figures,
    /// The same tests with them.
    pub after: Figures,
    /// Tests that fail without any fix.
    pub red: Vec<String>,
    /// Tests that do not end the same way each time without any fix.
    pub flaky: Vec<String>,
    /// Files that pytest could not import, with the last lines of why.
    pub uncollected: BTreeMap<String, String>,
    /// Whether lines of the product were compared: `None` when no test ran any, `Some(false)` without `coverage`.
    pub coverage: Option<bool>,
    /// Files that tests wrote into the copy of the project.
    pub written: Vec<PathBuf>,
    /// Candidates that were run.
    pub candidates: usize,
}

/// Proves fixes: runs the tests they reach without and with them, and keeps those that change nothing for any test.
///
/// # Errors
/// When nothing can be proven at all.
pub fn prove(
    request: &Request<'_>,
    interrupts: &Interrupts,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Proof, VerifyError> {
    let mut proof = Proof::default();
    let first = engine::fix_where(request.input, Applicability::Unsafe, request.wanted)?;
    if first.changes.is_empty() {
        proof.fixed = first;
        return Ok(proof);
    }
    let plugin = Plugin::unpack().map_err(VerifyError::Scratch)?;
    progress(Progress::Copying);
    let shadow = Shadow::new(request.root)?;
    let files = Files::read(request.suites);
    let below = |path: &Path| shadow.below(path).map(|p| slashed(&p));
    let setup = Setup {
        interpreter: request.interpreter,
        plugin: &plugin,
        interrupts,
        folders: folders(request, &shadow),
        imports: imports(request.interpreter, &shadow),
        args: request.args,
        omit: request.suites.iter().filter_map(|f| below(&f.path)).collect(),
    };
    let mut run = Prover {
        request,
        setup,
        shadow,
        files,
        progress,
        baseline: Baseline::default(),
        known: Reach::default(),
        latest: BTreeMap::new(),
        complaints: BTreeMap::new(),
        coverage: None,
        written: BTreeSet::new(),
        number: 0,
        dropped: 0,
    };
    let mut kept = Kept::default();
    let mut refused: HashSet<Name> = HashSet::new();
    let mut next = Some(first);
    for _ in 0..ROUNDS {
        let fixed = match next.take() {
            Some(fixed) => fixed,
            None => {
                let wanted = |f: &Finding| (request.wanted)(f) && !refused.contains(&Name::of(f));
                engine::fix_where(request.input, Applicability::Unsafe, &wanted)?
            }
        };
        let mut fresh = kept.fresh(&fixed);
        if fresh.is_empty() {
            break;
        }
        for factor in GENTLER {
            let gentler = gentler(request.input, factor);
            let wanted = |f: &Finding| (request.wanted)(f) && !refused.contains(&Name::of(f));
            add_gentler(&mut fresh, &engine::fix_where(&gentler, Applicability::Unsafe, &wanted)?);
        }
        let judged = run.judge(&mut kept, fresh)?;
        refused.extend(judged.iter().flat_map(|j| &j.findings).map(Name::of));
        proof.judged.extend(judged);
        if proof.fixed.before.files == 0 {
            proof.fixed.before = fixed.before;
        }
    }
    proof.fixed.changes = changes(&kept.units, &kept.originals, &kept.choice);
    proof.fixed.after = engine::check_changed(request.input, &proof.fixed.changes)?;
    for (unit, version) in kept.units.iter().zip(&kept.choice) {
        let Some(version) = *version else { continue };
        for finding in &unit.findings {
            *proof.fixed.applied.entry(finding.code.clone()).or_default() += 1;
        }
        proof.judged.push(Judged {
            findings: unit.findings.clone(),
            messages: unit.versions[version].messages.clone(),
            fate: if version == 0 { Fate::Proven } else { Fate::Relaxed },
        });
    }
    run.conclude(&mut proof);
    Ok(proof)
}

/// The fixes that hold so far.
#[derive(Default)]
struct Kept {
    units: Vec<Unit>,
    choice: Choice,
    originals: Originals,
}

impl Kept {
    /// Of a plan, the fixes that are not kept already and do not touch what is.
    fn fresh(&mut self, fixed: &Fixed) -> Vec<Unit> {
        let (units, originals) = units(fixed);
        self.originals.extend(originals);
        let known = |unit: &Unit| self.units.iter().any(|k| k.versions[0].is(&unit.versions[0]));
        let clashes = |unit: &Unit| {
            let kept = self.units.iter().flat_map(|k| &k.versions).flat_map(|v| &v.edits);
            let own = &unit.versions[0].edits;
            kept.into_iter().any(|(_, k)| own.iter().any(|(_, e)| e.conflicts_with(k)))
        };
        units.into_iter().filter(|u| !known(u) && !clashes(u)).collect()
    }
}

/// A fix across plans: positions change with what is around.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Name {
    code: crate::rules::Code,
    file: Arc<PathBuf>,
    line: String,
    contents: Vec<String>,
}

impl Name {
    fn of(finding: &Finding) -> Self {
        let line = finding.source.line(finding.source.line_of(finding.span.start)).trim().to_owned();
        let contents = finding.fix.iter().flat_map(|f| &f.edits).map(|e| e.content.clone()).collect();
        Self { code: finding.code.clone(), file: Arc::clone(&finding.file), line, contents }
    }
}

/// The same run with wider gaps and longer shortest waits.
fn gentler(input: &Input, factor: f64) -> Input {
    let mut input = input.clone();
    for (_, settings) in &mut input.files {
        let settings = Arc::make_mut(settings);
        settings.fix.margin *= factor;
        settings.fix.floor *= factor;
    }
    input
}

/// Suites by their roots below the project's, the deepest first, and where pytest is started for each: where the user is, if
/// that is in the suite, else in its root.
fn folders(request: &Request<'_>, shadow: &Shadow) -> Vec<(PathBuf, PathBuf)> {
    let roots: BTreeSet<&Path> = request.suites.iter().map(|f| f.suite.root.as_path()).collect();
    let cwd = shadow.below(request.cwd);
    let mut out: Vec<(PathBuf, PathBuf)> = roots
        .into_iter()
        .filter_map(|root| {
            let root = shadow.below(root)?;
            let start = cwd.clone().filter(|cwd| cwd.starts_with(&root)).unwrap_or_else(|| root.clone());
            Some((root, start))
        })
        .collect();
    out.sort_by_key(|(root, _)| std::cmp::Reverse(root.components().count()));
    out
}

struct Prover<'a> {
    request: &'a Request<'a>,
    setup: Setup<'a>,
    shadow: Shadow,
    files: Files<'a>,
    progress: &'a (dyn Fn(Progress<'_>) + Sync),
    baseline: Baseline,
    /// What the baseline has looked at.
    known: Reach,
    /// What each test did the last time it did well.
    latest: BTreeMap<String, Test>,
    /// What each test complained about last.
    complaints: BTreeMap<String, Complaint>,
    coverage: Option<bool>,
    written: BTreeSet<PathBuf>,
    number: usize,
    dropped: usize,
}

impl Prover<'_> {
    /// Adds to the kept fixes those of the fresh ones that the tests accept, and says what became of the others.
    fn judge(&mut self, kept: &mut Kept, fresh: Vec<Unit>) -> Result<Vec<Judged>, VerifyError> {
        let mut judged = Vec::new();
        let reaches: Vec<Reach> = fresh.iter().map(|u| self.files.reach(u, &kept.originals)).collect();
        let mut wanted = Reach::default();
        reaches.iter().for_each(|r| wanted.extend(r));
        self.know(&wanted)?;
        let old = kept.units.len();
        let mut units: Vec<(Unit, BTreeSet<String>)> = Vec::new();
        for unit in std::mem::take(&mut kept.units) {
            let reach = self.files.reach(&unit, &kept.originals);
            units.push((unit, self.tests_of(&reach)));
        }
        for (unit, reach) in fresh.into_iter().zip(reaches) {
            let tests = self.tests_of(&reach);
            match self.unprovable(&unit, &reach, &tests) {
                Some(reason) => judged.push(held(unit, reason)),
                None => units.push((unit, tests)),
            }
        }
        let names: Vec<String> = units.iter().flat_map(|(_, tests)| tests.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let mut files: BTreeMap<&str, usize> = BTreeMap::new();
        let problem = Problem {
            versions: units.iter().map(|(u, _)| u.versions.len()).collect(),
            reach: names.iter().map(|n| (0..units.len()).filter(|&u| units[u].1.contains(n)).collect()).collect(),
            file: names
                .iter()
                .map(|n| {
                    let count = files.len();
                    *files.entry(file_of(n)).or_insert(count)
                })
                .collect(),
        };
        let mut start: Choice = std::mem::take(&mut kept.choice);
        start.resize(units.len(), Some(0));
        let (units, _): (Vec<Unit>, Vec<_>) = units.into_iter().unzip();
        if units.len() == old {
            (kept.units, kept.choice) = (units, start);
            return Ok(judged);
        }
        let mut blames: BTreeMap<usize, (String, Complaint)> = BTreeMap::new();
        let mut choice = start;
        let runs = self.request.runs.max(1);
        // Once for the search; what stands then has to stand the other times as well.
        for again in [false, true] {
            if again && runs == 1 {
                break;
            }
            let settled = problem.settle(choice, |choice, tests| {
                self.dropped = choice.iter().filter(|c| c.is_none()).count();
                let mut wrong = BTreeSet::new();
                let times = if again { runs - 1 } else { 1 };
                for time in 1..=times {
                    let load = again && self.request.stress && time == times;
                    let tests: BTreeSet<usize> = tests.difference(&wrong).copied().collect();
                    wrong.extend(self.candidate(&units, &kept.originals, choice, &names, &tests, load)?);
                }
                Ok::<_, VerifyError>(wrong)
            })?;
            choice = settled.choice;
            for blame in settled.blamed {
                let name = &names[blame.test];
                if let Some(complaint) = self.complaints.get(name) {
                    blames.insert(blame.fix, (name.clone(), complaint.clone()));
                }
            }
            // A test that goes wrong without any fix after all proves nothing.
            for (fix, version) in choice.iter_mut().enumerate() {
                let reached = settled.unexplained.iter().find(|&&t| problem.reach[t].contains(&fix));
                if let Some(&test) = reached.filter(|_| version.is_some()) {
                    *version = None;
                    blames.remove(&fix);
                    judged.push(held(units[fix].clone(), format!("{} is flaky without it", names[test])));
                }
            }
        }
        for (fix, unit) in units.into_iter().enumerate() {
            if choice[fix].is_some() {
                kept.units.push(unit);
            } else if let Some((test, complaint)) = blames.remove(&fix) {
                let (reason, tail) = (complaint.reason, complaint.tail);
                judged.push(Judged {
                    messages: unit.versions[0].messages.clone(),
                    findings: unit.findings,
                    fate: Fate::Dropped { test, reason, tail },
                });
            }
        }
        kept.choice = choice.into_iter().filter(Option::is_some).collect();
        Ok(judged)
    }

    /// Runs what is reached without any fix, as far as that has not been done.
    fn know(&mut self, wanted: &Reach) -> Result<(), VerifyError> {
        let mut new = Reach::default();
        for (file, which) in &wanted.files {
            let missing = match (self.known.files.get(file), which) {
                (Some(Which::All), _) => false,
                (Some(Which::Of(known)), Which::Of(names)) => !names.is_subset(known),
                _ => true,
            };
            if missing {
                new.files.insert(file.clone(), which.clone());
            }
        }
        if new.files.is_empty() {
            return Ok(());
        }
        (self.progress)(Progress::Baseline);
        self.shadow.become_with(&[])?;
        let mut second = Shadow::new(self.request.root)?;
        let stop = AtomicBool::new(false);
        let (setup, progress) = (&self.setup, self.progress);
        let run = |shadow: &Shadow, wanted: &Wanted<'_>, tell: bool| {
            let ran = setup.run(shadow, wanted, true, &mut |test| {
                if tell {
                    progress(Progress::Test { test });
                }
                if stop.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if ran.is_err() {
                stop.store(true, Ordering::SeqCst);
            }
            ran
        };
        let wanted = Wanted::Reached(&new);
        // Side by side: most of what they do is wait.
        let (a, b) = std::thread::scope(|scope| {
            let other = scope.spawn(|| run(&second, &wanted, false));
            let a = run(&self.shadow, &wanted, true);
            let b = other.join().unwrap_or(Err(VerifyError::Interrupted));
            (a, b)
        });
        // The one that was stopped because of the other says less.
        let (a, b) = match (a, b) {
            (Err(VerifyError::Interrupted), Err(b)) => return Err(b),
            (a, b) => (a?, b?),
        };
        self.baseline.add(&[&a, &b]);
        self.coverage = self.coverage.or(a.coverage);
        self.written.extend(second.become_with(&[])?);
        // Two at a time may have got in each other's way, at a port or a file outside the project.
        let unstable: BTreeMap<String, f64> = self
            .baseline
            .unstable()
            .into_iter()
            .filter(|n| a.tests.contains_key(n))
            .map(|n| (n.clone(), self.baseline.limit(&n)))
            .collect();
        if !unstable.is_empty() {
            drop(second);
            let mut alone: Vec<Ran> = Vec::new();
            for _ in 0..2 {
                self.written.extend(self.shadow.become_with(&[])?);
                alone.push(self.setup.run(&self.shadow, &Wanted::Tests(&unstable), true, &mut |test| {
                    (self.progress)(Progress::Test { test });
                    ControlFlow::Continue(())
                })?);
            }
            self.baseline.add(&alone.iter().collect::<Vec<_>>());
        }
        self.known.extend(&new);
        self.red_if_all_are()
    }

    fn red_if_all_are(&self) -> Result<(), VerifyError> {
        let tests = &self.baseline.tests;
        let red: Vec<_> = tests.iter().filter(|(_, known)| known.state == State::Red).collect();
        match red.first() {
            Some((name, known)) if red.len() == tests.len() => {
                Err(VerifyError::Red { tests: red.len(), test: (*name).clone(), tail: known.tail.clone().unwrap_or_default() })
            }
            _ => Ok(()),
        }
    }

    /// The tests of the baseline that are reached.
    fn tests_of(&self, reach: &Reach) -> BTreeSet<String> {
        let root = self.shadow.original();
        let given = self.request.root;
        let holds = |name: &&String| {
            let (file, function) = (file_of(name), function_of(name));
            reach.holds(&root.join(file), function) || reach.holds(&given.join(file), function)
        };
        self.baseline.tests.keys().filter(holds).cloned().collect()
    }

    /// Why no run can prove a fix.
    fn unprovable(&self, unit: &Unit, reach: &Reach, tests: &BTreeSet<String>) -> Option<String> {
        let edited = unit.versions.iter().flat_map(|v| &v.edits).map(|(_, e)| &e.file);
        if let Some(outside) = edited.into_iter().find(|f| self.shadow.of(f).is_none()) {
            return Some(format!("{} is outside the project, or left out of its copy", outside.display()));
        }
        let broken = self.baseline.uncollected.keys().find(|id| {
            let ends = |file: &&PathBuf| slashed(file).ends_with(file_of(id));
            reach.files.keys().any(|f| ends(&f))
        });
        if let Some(file) = broken {
            return Some(format!("pytest cannot import {}", file_of(file)));
        }
        let state = |wanted: State| tests.iter().find(|t| self.baseline.tests[*t].state == wanted);
        if let Some(test) = state(State::Flaky) {
            return Some(format!("{test} is flaky without it"));
        }
        if let Some(test) = state(State::Red) {
            return Some(format!("{test} fails without it"));
        }
        if tests.is_empty() {
            return Some("no test that pytest runs is seen to reach it".to_owned());
        }
        let ran = |t: &String| !matches!(self.baseline.tests[t].state, State::Stable(Outcome::Skipped));
        (!tests.iter().any(ran)).then(|| "the tests that it reaches are skipped".to_owned())
    }

    /// Runs tests with a choice of fixes. Returns those that go wrong.
    fn candidate(
        &mut self,
        units: &[Unit],
        originals: &Originals,
        choice: &Choice,
        names: &[String],
        tests: &BTreeSet<usize>,
        load: bool,
    ) -> Result<BTreeSet<usize>, VerifyError> {
        let mut wrong = BTreeSet::new();
        if tests.is_empty() {
            return Ok(wrong);
        }
        self.number += 1;
        (self.progress)(Progress::Candidate {
            number: self.number,
            fixes: choice.iter().flatten().count(),
            dropped: self.dropped,
            tests: tests.len(),
            load,
        });
        let changes = changes(units, originals, choice);
        let limits = tests.iter().map(|&t| (names[t].clone(), self.baseline.limit(&names[t]))).collect();
        let mut seen = self.tests_with(&changes, &limits, load)?.tests;
        let mut complaints: BTreeMap<usize, Complaint> = BTreeMap::new();
        for &test in tests {
            if let Some(complaint) = self.baseline.complaint(&names[test], seen.get(&names[test])) {
                complaints.insert(test, complaint);
            }
        }
        let lines: Vec<usize> = complaints.iter().filter(|(_, c)| c.lines_only).map(|(&t, _)| t).collect();
        for group in apart(&lines) {
            self.look_again(group, names, &changes, &mut seen, &mut complaints)?;
        }
        for &test in tests {
            let name = &names[test];
            match complaints.remove(&test) {
                Some(complaint) => {
                    (self.progress)(Progress::Wrong { test: name, reason: &complaint.reason });
                    self.complaints.insert(name.clone(), complaint);
                    wrong.insert(test);
                }
                None => {
                    if let Some(seen) = seen.remove(name).filter(|_| !load) {
                        self.latest.insert(name.clone(), seen.facts);
                    }
                }
            }
        }
        Ok(wrong)
    }

    /// Runs tests in the copy with changes.
    fn tests_with(&mut self, changes: &[Change], limits: &BTreeMap<String, f64>, load: bool) -> Result<Ran, VerifyError> {
        self.written.extend(self.shadow.become_with(changes)?);
        let _stress = load.then(Stress::start);
        self.setup.run(&self.shadow, &Wanted::Tests(limits), !load, &mut |test| {
            (self.progress)(Progress::Test { test });
            ControlFlow::Continue(())
        })
    }

    /// Holds tests that lost lines to what they run on their own: threads that earlier tests left behind run lines in others
    /// as well, now in this one, now in that one. And what depends on time may not run a line once: only a line that stays
    /// unrun is lost.
    fn look_again(
        &mut self,
        tests: &[usize],
        names: &[String],
        changes: &[Change],
        seen: &mut BTreeMap<String, Seen>,
        complaints: &mut BTreeMap<usize, Complaint>,
    ) -> Result<(), VerifyError> {
        for fixed in [false, true] {
            let pending: Vec<usize> = tests.iter().copied().filter(|t| complaints.contains_key(t)).collect();
            let known = |t: &usize| !fixed && self.baseline.tests.get(&names[*t]).is_some_and(|k| k.alone);
            let limits: BTreeMap<String, f64> =
                pending.iter().filter(|t| !known(t)).map(|&t| (names[t].clone(), self.baseline.limit(&names[t]))).collect();
            if limits.is_empty() {
                continue;
            }
            let mut ran = self.tests_with(if fixed { changes } else { &[] }, &limits, false)?;
            for test in pending {
                let name = &names[test];
                let Some(now) = ran.tests.remove(name) else { continue };
                if fixed {
                    let before = seen.get(name).and_then(|s| s.covered.as_ref());
                    let covered = now.covered.as_ref().zip(before).map(|(a, b)| either(a, b));
                    seen.insert(name.clone(), Seen { covered, ..now });
                } else {
                    self.baseline.refine(name, &now);
                }
                match self.baseline.complaint(name, seen.get(name)) {
                    Some(complaint) => _ = complaints.insert(test, complaint),
                    None => _ = complaints.remove(&test),
                }
            }
        }
        Ok(())
    }

    /// What there is to tell beside the fixes.
    fn conclude(self, proof: &mut Proof) {
        // A test that no kept fix reaches does what it did.
        let stable = self.baseline.tests.iter().filter(|(_, known)| matches!(known.state, State::Stable(_)));
        let both = stable.map(|(name, known)| (&known.facts, self.latest.get(name).unwrap_or(&known.facts)));
        let (before, after): (Vec<&Test>, Vec<&Test>) = both.unzip();
        proof.before = Figures::of(before.into_iter());
        proof.after = Figures::of(after.into_iter());
        for (name, known) in &self.baseline.tests {
            match known.state {
                State::Red => proof.red.push(name.clone()),
                State::Flaky => proof.flaky.push(name.clone()),
                State::Stable(_) => {}
            }
        }
        let covers = |known: &super::baseline::Known| known.covered.as_ref().is_some_and(|c| !c.is_empty());
        proof.coverage = self.coverage.filter(|c| !c || self.baseline.tests.values().any(covers));
        proof.uncollected = self.baseline.uncollected;
        proof.written = self.written.into_iter().collect();
        proof.candidates = self.number;
    }
}

fn held(unit: Unit, reason: String) -> Judged {
    Judged { messages: unit.versions[0].messages.clone(), findings: unit.findings, fate: Fate::Held { reason } }
}

/// Tests that run on their own: one by one while that is quick, else together.
fn apart(tests: &[usize]) -> impl Iterator<Item = &[usize]> {
    tests.chunks(if tests.len() <= ALONE { 1 } else { tests.len().max(1) })
}

/// Load: twice as many busy threads as there are cores, so that with the tests each core is wanted three times.
struct Stress {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Stress {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let busy = || {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = (0..2 * cores).map(|_| busy()).collect();
        Self { stop, threads }
    }
}

impl Drop for Stress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It cannot panic.
            _ = thread.join();
        }
    }
}
