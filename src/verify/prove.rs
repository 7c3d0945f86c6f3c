//! The story of a proof: plan, copy, baseline, search, and what became of each fix.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::VerifyError;
use super::baseline::Figures;
use super::memory::{Ground, Memory, Verdict};
use super::reach::Files;
use super::session::{Setup, imports, slashed};
use super::shadow::Shadow;
use super::trial::{Kept, Trial};
use super::units::{Unit, Version, add_gentler, changes, units};
use crate::config::Strategy;
use crate::discover::{Found, Role};
use crate::edit::Applicability;
use crate::engine::{self, Change, Fixed, Input};
use crate::finding::Finding;
use crate::pytest::{Interpreter, Interrupts, Plugin};

/// Gaps and shortest waits of gentler versions, as multiples of what is planned first, and timeouts of joins: these cost nothing
/// while all is well, so they go further.
const GENTLER: [(f64, f64); 3] = [(2.5, 2.5), (5.0, 5.0), (5.0, 12.0)];
/// Most times that what takes the place of dropped fixes is planned and tried.
const ROUNDS: usize = 3;

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
    /// Whether an earlier run found that, and nothing it rests on has changed since.
    pub remembered: bool,
    /// Whether its tests would need testdiet's fixtures, or `wait_until`: there may be another way to fix what it fixes.
    pub takes_testdiet: bool,
}

/// What a proof costs: wall clock, from the start of pytest to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Spent {
    /// Seconds for the tests without any fix, two times side by side, and those again that ended otherwise then.
    pub baseline_s: f64,
    /// Runs after that: of candidates, and of tests on their own where only lines were lost.
    pub runs: usize,
    /// Seconds for these.
    pub runs_s: f64,
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
    /// What that took.
    pub spent: Spent,
    /// Whether Ctrl-C ended it: what is kept has done well at least once, but not as often as was asked for.
    pub interrupted: bool,
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
    let first = engine::fix_where(request.input, &[], Applicability::Unsafe, request.wanted)?;
    if first.changes.is_empty() {
        // Nothing to fix, so it is before as it is after.
        proof.fixed = first;
        return Ok(proof);
    }
    let plugin = Plugin::watching().map_err(VerifyError::Scratch)?;
    progress(Progress::Copying);
    let shadow = Shadow::new(request.root)?;
    if let Some(suite) = request.input.suites().into_iter().find(|suite| shadow.of(&suite.root).is_none()) {
        return Err(VerifyError::LeftOut { folder: suite.root.clone() });
    }
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
    let tests: BTreeSet<PathBuf> =
        request.suites.iter().filter(|f| f.role == Role::Test).filter_map(|f| shadow.below(&f.path)).collect();
    let (python, pytest) = (&request.interpreter.python, &request.interpreter.pytest);
    let how = (&request.interpreter.path, python, pytest, request.args, request.runs, request.stress);
    let mut memory = Memory::open(request.root);
    let ground = Ground::new(&shadow, &how, &tests, &[]);
    let mut trial = Trial::new(request, setup, shadow, files, progress);
    let mut kept = Kept::default();
    let mut refused: HashMap<Name, Verdict> = HashMap::new();
    let mut known: Vec<Version> = Vec::new();
    // Findings whose better way was refused: what a next one would do is planned without it.
    let mut second_best: HashSet<Place> = HashSet::new();
    let mut input = request.input.clone();
    let mut next = Some(first);
    for _ in 0..ROUNDS {
        let well: HashSet<Place> =
            kept.units.iter().filter(|u| u.takes_testdiet()).flat_map(|u| &u.findings).map(Place::of).collect();
        let wanted = |f: &Finding| (request.wanted)(f) && !refused.contains_key(&Name::of(f)) && !well.contains(&Place::of(f));
        let fixed = match next.take() {
            Some(fixed) => Ok(fixed),
            None => engine::fix_where(&input, &[], Applicability::Unsafe, &wanted),
        }?;
        let mut fresh = kept.fresh(&fixed);
        if fresh.is_empty() {
            break;
        }
        with_gentler(&input, &[], &mut fresh, &wanted)?;
        let mut judged = Vec::new();
        fresh.retain(|unit| match memory.recall(&ground, unit, &trial.reach(unit, &kept.originals)) {
            Some(Verdict::Proven(version)) if version < unit.versions.len() => {
                known.push(unit.versions[0].clone());
                kept.units.push(unit.clone());
                kept.choice.push(Some(version));
                false
            }
            Some(Verdict::Dropped { test, reason }) => {
                let fate = Fate::Dropped { test, reason, tail: None };
                judged.push(Judged { remembered: true, ..Judged::of(unit.clone(), fate) });
                false
            }
            _ => true,
        });
        if !fresh.is_empty() {
            judged.extend(trial.judge(&mut kept, fresh)?);
        }
        for one in &judged {
            let verdict = match &one.fate {
                Fate::Dropped { test, reason, .. } => Verdict::Dropped { test: test.clone(), reason: reason.clone() },
                _ => Verdict::Held,
            };
            refused.extend(one.findings.iter().map(|f| (Name::of(f), verdict.clone())));
        }
        let takes = |one: &&Judged| !one.remembered && one.takes_testdiet;
        second_best.extend(judged.iter().filter(takes).flat_map(|one| &one.findings).map(Place::of));
        without_testdiet(&mut input, &second_best);
        proof.judged.extend(judged);
        if proof.fixed.before.files == 0 {
            proof.fixed.before = fixed.before;
        }
        if trial.interrupted() {
            break;
        }
    }
    let done = changes(&kept.units, &kept.originals, &kept.choice);
    proof.fixed.after = engine::check_as(request.input, done.iter().map(|c| Arc::new(c.after.clone())))?;
    if !trial.interrupted() {
        for (unit, version) in kept.units.iter().zip(&kept.choice) {
            let reach = trial.reach(unit, &kept.originals);
            version.iter().for_each(|v| memory.keep(&ground, unit, &reach, Verdict::Proven(*v)));
        }
        for (unit, verdict) in &kept.dropped {
            memory.keep(&ground, unit, &trial.reach(unit, &kept.originals), verdict.clone());
        }
        // What would be proposed again once the changes are written.
        let after = trial.ground(&how, &tests, &done);
        let all = engine::fix_where(request.input, &done, Applicability::Unsafe, request.wanted)?;
        let (mut rest, originals) = units(&all);
        with_gentler(request.input, &done, &mut rest, request.wanted)?;
        for unit in rest {
            let before: Option<Vec<&Verdict>> = unit.findings.iter().map(|f| refused.get(&Name::of(f))).collect();
            if let Some(Verdict::Dropped { test, reason }) = before.as_ref().and_then(|v| v.first()) {
                let verdict = Verdict::Dropped { test: test.clone(), reason: reason.clone() };
                memory.keep(&after, &unit, &trial.reach(&unit, &originals), verdict);
            }
        }
        memory.save();
    }
    for (unit, version) in kept.units.iter().zip(&kept.choice) {
        let Some(version) = *version else { continue };
        for finding in &unit.findings {
            *proof.fixed.applied.entry(finding.code.clone()).or_default() += 1;
        }
        let next_best = unit.findings.iter().any(|f| second_best.contains(&Place::of(f)));
        let fate = if version == 0 && !next_best { Fate::Proven } else { Fate::Relaxed };
        let remembered = known.iter().any(|known| known.is(&unit.versions[0]));
        let messages = unit.versions[version].messages.clone();
        proof.judged.push(Judged { messages, remembered, ..Judged::of(unit.clone(), fate) });
    }
    // What was refused in one way and proven in the next is no longer refused.
    let proven: HashSet<Place> = kept.units.iter().flat_map(|u| &u.findings).map(Place::of).collect();
    let settled = |j: &Judged| j.takes_testdiet && j.findings.iter().all(|f| proven.contains(&Place::of(f)));
    proof.judged.retain(|j| !matches!(j.fate, Fate::Dropped { .. }) || !settled(j));
    proof.fixed.changes = done;
    trial.conclude(&mut proof);
    Ok(proof)
}

/// Adds the gentler versions.
fn with_gentler(
    input: &Input,
    changes: &[Change],
    units: &mut [Unit],
    wanted: &dyn Fn(&Finding) -> bool,
) -> Result<(), VerifyError> {
    for factor in GENTLER {
        add_gentler(units, &engine::fix_where(&gentler(input, factor), changes, Applicability::Unsafe, wanted)?);
    }
    Ok(())
}

impl Judged {
    pub(super) fn of(unit: Unit, fate: Fate) -> Self {
        let takes_testdiet = unit.takes_testdiet();
        Self { messages: unit.versions[0].messages.clone(), findings: unit.findings, fate, remembered: false, takes_testdiet }
    }
}

/// A finding across plans of the same texts, whatever its fix. Where fixes of an earlier round have moved it, it is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    code: crate::rules::Code,
    file: Arc<PathBuf>,
    start: u32,
    length: usize,
}

impl Place {
    fn of(finding: &Finding) -> Self {
        let (start, length) = (finding.span.start, finding.source.text().len());
        Self { code: finding.code.clone(), file: Arc::clone(&finding.file), start, length }
    }
}

/// A fix across plans: positions change with what is around.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

/// The same run with wider gaps, longer shortest waits and longer timeouts.
fn gentler(input: &Input, (wider, longer): (f64, f64)) -> Input {
    let mut input = input.clone();
    for (_, settings) in &mut input.files {
        let settings = Arc::make_mut(settings);
        settings.fix.margin *= wider;
        settings.fix.floor *= wider;
        settings.fix.join_timeout *= longer;
    }
    input
}

/// Takes the ways that need testdiet from the files of some findings.
fn without_testdiet(input: &mut Input, findings: &HashSet<Place>) {
    let files: HashSet<&Path> = findings.iter().map(|f| f.file.as_path()).collect();
    for (_, settings) in input.files.iter_mut().filter(|(found, _)| files.contains(found.path.as_path())) {
        let strategies = &mut Arc::make_mut(settings).fix.strategies;
        strategies.retain(|s| !matches!(s, Strategy::FastTime | Strategy::WaitUntil));
    }
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
