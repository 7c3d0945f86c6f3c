//! Tries fixes on the copy: the baseline, the candidates, and what each test holds against them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::VerifyError;
use super::baseline::{Baseline, Complaint, Figures, Known, State, either};
use super::load::Stress;
use super::memory::{Ground, Verdict};
use super::prove::{Fate, Judged, Progress, Proof, Request, Spent};
use super::reach::{Files, Reach, Which};
use super::search::{Choice, Problem};
use super::session::{Ran, Seen, Setup, Wanted, file_of, function_of, slashed};
use super::shadow::Shadow;
use super::units::{Originals, Unit, changes, units};
use crate::engine::{Change, Fixed};
use crate::pytest::{Outcome, Test};

/// Most tests that are run one by one at once to see which lines they run on their own: each is a start of pytest. More are run in
/// groups of so many first: a thread that one of them leaves behind runs lines in none but its group.
const ALONE: usize = 16;

/// Most tests that are run one by one after that. Whom it would accuse wrongly costs more runs than that; where so many lose lines in
/// groups as well, it is no thread.
const LEFT: usize = 64;

/// Most times that a test runs on its own to see which lines it always runs: one that is a matter of luck is soon found out.
const AGAIN: usize = 4;

/// The fixes that hold so far.
#[derive(Default)]
pub(super) struct Kept {
    pub units: Vec<Unit>,
    pub choice: Choice,
    pub originals: Originals,
    /// What tests refused.
    pub dropped: Vec<(Unit, Verdict)>,
}

impl Kept {
    /// Of a plan, the fixes that are not kept already and do not touch what is.
    pub fn fresh(&mut self, fixed: &Fixed) -> Vec<Unit> {
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

/// What trying has come to.
pub(super) struct Trial<'a> {
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
    spent: Spent,
    number: usize,
    dropped: usize,
    interrupted: bool,
}

impl<'a> Trial<'a> {
    /// A trial in a copy, before anything has run.
    pub fn new(
        request: &'a Request<'a>,
        setup: Setup<'a>,
        shadow: Shadow,
        files: Files<'a>,
        progress: &'a (dyn Fn(Progress<'_>) + Sync),
    ) -> Self {
        Self {
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
            spent: Spent::default(),
            number: 0,
            dropped: 0,
            interrupted: false,
        }
    }

    /// The tests that a fix can reach.
    pub fn reach(&self, unit: &Unit, originals: &Originals) -> Reach {
        self.files.reach(unit, originals)
    }

    /// What proofs of the project after changes rest on.
    pub fn ground<'c>(&self, how: &impl Hash, tests: &BTreeSet<PathBuf>, changes: &'c [Change]) -> Ground<'c> {
        Ground::new(&self.shadow, how, tests, changes)
    }

    /// Whether Ctrl-C ended it before everything was tried.
    pub const fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// Adds to the kept fixes those of the fresh ones that the tests accept, and says what became of the others.
    pub fn judge(&mut self, kept: &mut Kept, fresh: Vec<Unit>) -> Result<Vec<Judged>, VerifyError> {
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
        for (unit, tests) in &units[old..] {
            // What is known to be too short need not be tried.
            let needed = tests.iter().map(|t| self.baseline.join_timeout(t)).fold(0.0, f64::max);
            start.push(Some(unit.patient(0, needed).unwrap_or(unit.versions.len() - 1)));
        }
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
            let mut dirty = problem.tests();
            while !dirty.is_empty() {
                let settled = problem.settle(choice.clone(), dirty, |choice, tests| {
                    self.dropped = choice.iter().filter(|c| c.is_none()).count();
                    let mut wrong = BTreeSet::new();
                    let times = if again { runs - 1 } else { 1 };
                    for time in 1..=times {
                        let load = again && self.request.stress && time == times;
                        let tests: BTreeSet<usize> = tests.difference(&wrong).copied().collect();
                        wrong.extend(self.candidate(&problem, &units, &kept.originals, choice, &names, &tests, load)?);
                    }
                    Ok::<_, VerifyError>(wrong)
                });
                let settled = match settled {
                    Ok(settled) => settled,
                    // What stood until now may be kept, if somebody wants that.
                    Err(VerifyError::Interrupted) if again || old > 0 => {
                        self.interrupted = true;
                        if !again {
                            choice[old..].fill(None);
                        }
                        break;
                    }
                    Err(error) => return Err(error),
                };
                choice = settled.choice;
                for blame in settled.blamed {
                    let name = &names[blame.test];
                    if let Some(complaint) = self.complaints.get(name) {
                        blames.insert(blame.fix, (name.clone(), complaint.clone()));
                    }
                }
                for test in settled.unexplained {
                    self.baseline.doubt(&names[test]);
                }
                dirty = self.give_time(&problem, &units, &names, &mut choice, &mut blames);
            }
            if self.interrupted {
                break;
            }
        }
        // A test that turned out to go wrong without any fix proves nothing, and what it held against a fix says nothing.
        let doubtful = |test: &str| self.baseline.tests[test].state == State::Flaky;
        for (fix, unit) in units.iter().enumerate() {
            if choice[fix].is_none() && blames.get(&fix).is_none_or(|(test, _)| !doubtful(test)) {
                continue;
            }
            if let Some(test) = names.iter().zip(&problem.reach).find(|(n, reach)| reach.contains(&fix) && doubtful(n)) {
                choice[fix] = None;
                blames.remove(&fix);
                judged.push(held(unit.clone(), format!("{} is flaky without it", test.0)));
            }
        }
        for (fix, unit) in units.into_iter().enumerate() {
            if choice[fix].is_some() {
                kept.units.push(unit);
            } else if let Some((test, Complaint { reason, tail, .. })) = blames.remove(&fix) {
                kept.dropped.push((unit.clone(), Verdict::Dropped { test: test.clone(), reason: reason.clone() }));
                judged.push(Judged::of(unit, Fate::Dropped { test, reason, tail }));
            }
        }
        kept.choice = choice.into_iter().flatten().map(Some).collect();
        Ok(judged)
    }

    /// Takes, of the fixes whose timeouts turned out to leave the joins of their tests too little time, the first version that
    /// leaves them enough. Returns the tests that have to do well with that.
    fn give_time(
        &self,
        problem: &Problem,
        units: &[Unit],
        names: &[String],
        choice: &mut Choice,
        blames: &mut BTreeMap<usize, (String, Complaint)>,
    ) -> BTreeSet<usize> {
        let mut again = BTreeSet::new();
        for (fix, unit) in units.iter().enumerate() {
            let tests = || (0..names.len()).filter(|&t| problem.reach[t].contains(&fix));
            let needs = |t: &usize| self.baseline.join_timeout(&names[*t]);
            let slowest = tests().max_by(|a, b| needs(a).total_cmp(&needs(b)));
            let (Some(version), Some(test)) = (choice[fix], slowest) else { continue };
            let next = unit.patient(version, needs(&test));
            if next == choice[fix] {
                continue;
            }
            choice[fix] = next;
            again.extend(tests());
            if next.is_none() {
                let reason = format!("to be safe its joins would need a timeout of {:.0} s", needs(&test).ceil());
                blames.insert(fix, (names[test].clone(), Complaint { reason, tail: None, lines_only: false }));
            }
        }
        again
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
            let ran = setup.run(shadow, wanted, false, &mut |test| {
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
        let begun = Instant::now();
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
                alone.push(self.setup.run(&self.shadow, &Wanted::Tests(&unstable), false, &mut |test| {
                    (self.progress)(Progress::Test { test });
                    ControlFlow::Continue(())
                })?);
            }
            self.baseline.add(&alone.iter().collect::<Vec<_>>());
        }
        self.spent.baseline_s += begun.elapsed().as_secs_f64();
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
        if unit.takes_testdiet() && tests.iter().any(|t| !self.baseline.tests[t].equipped) {
            let python = self.request.interpreter.path.display();
            return Some(format!(
                "it takes testdiet, which the tests cannot import: install it for {python}, or let `testdiet init` write its fixtures \
                 into the suite"
            ));
        }
        let ran = |t: &String| !matches!(self.baseline.tests[t].state, State::Stable(Outcome::Skipped));
        (!tests.iter().any(ran)).then(|| "the tests that it reaches are skipped".to_owned())
    }

    /// Runs tests with a choice of fixes. Returns those that go wrong.
    #[expect(clippy::too_many_arguments, reason = "all of what is tried, and how")]
    fn candidate(
        &mut self,
        problem: &Problem,
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
            let seen = seen.get(&names[test]);
            let complaint = self.baseline.complaint(&names[test], seen);
            if let (None, Some(seen)) = (&complaint, seen) {
                self.baseline.note_joins(&names[test], seen, load);
            }
            // Which lines a test runs that nothing has changed is a matter of luck.
            if let Some(complaint) =
                complaint.filter(|c| !c.lines_only || problem.reach[test].iter().any(|&u| choice[u].is_some()))
            {
                complaints.insert(test, complaint);
            }
        }
        let mut lines: Vec<usize> = complaints.iter().filter(|(_, c)| c.lines_only).map(|(&t, _)| t).collect();
        if lines.len() > ALONE {
            for group in lines.chunks(ALONE) {
                self.look_again(group, names, &changes, &mut seen, &mut complaints)?;
            }
            lines.retain(|t| complaints.get(t).is_some_and(|c| c.lines_only));
        }
        if lines.len() <= LEFT {
            for &test in &lines {
                self.look_again(&[test], names, &changes, &mut seen, &mut complaints)?;
            }
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
        let begun = Instant::now();
        let stress = load.then(Stress::start);
        let ran = self.setup.run(&self.shadow, &Wanted::Tests(limits), load, &mut |test| {
            (self.progress)(Progress::Test { test });
            ControlFlow::Continue(())
        });
        drop(stress);
        self.spent.runs += 1;
        self.spent.runs_s += begun.elapsed().as_secs_f64();
        ran
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
        // With the fixes first: that is quicker, and often settles it.
        for fixed in [true, false] {
            let pending: Vec<usize> = tests.iter().copied().filter(|t| complaints.contains_key(t)).collect();
            let known = |t: &usize| !fixed && self.baseline.tests.get(&names[*t]).is_some_and(|k| k.alone >= AGAIN);
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
                    self.baseline.refine(name, &now, tests.len() == 1);
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
    pub fn conclude(self, proof: &mut Proof) {
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
        let covers = |known: &Known| known.covered.as_ref().is_some_and(|c| !c.is_empty());
        proof.coverage = self.coverage.filter(|c| !c || self.baseline.tests.values().any(covers));
        proof.uncollected = self.baseline.uncollected;
        proof.written = self.written.into_iter().collect();
        proof.candidates = self.number;
        proof.spent = self.spent;
        proof.interrupted = self.interrupted;
    }
}

fn held(unit: Unit, reason: String) -> Judged {
    Judged::of(unit, Fate::Held { reason })
}
