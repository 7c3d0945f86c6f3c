//! Runs the pipeline over a project: once for `check`, to a fixpoint for `fix`.
//!
//! A run has two halves. Files are judged in parallel, each on its own: what comes out is small and owned, so a file's syntax tree
//! is dropped as soon as it is judged. Then the durations of all tests are joined and solved, because a constant shared by two
//! files belongs to both; suppressions are applied last, when it is known what they suppress.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::config::{Budgets, CustomRule, Settings};
use crate::discover::{Found, Role, Suite};
use crate::edit::Applicability;
use crate::evidence::Evidence;
use crate::finding::{Cost, Finding, Severity};
use crate::plan::durations::{self, Model};
use crate::python::cost::Counter;
use crate::python::project::{Module, Project};
use crate::python::semantics::Semantics;
use crate::python::view::Fact;
use crate::query::{Mask, Queries, QueryError};
use crate::rules::context::{Context, Draft};
use crate::rules::{self, Code};
use crate::source::{SourceError, SourceFile, Span};
use crate::suppression::Suppressions;

mod conclusion;
mod offer;
mod past;
mod step;

use self::offer::Offer;
pub use self::past::Past;
use self::past::{Memory, Part};
pub(crate) use self::step::rewritten;

/// What one test costs, everything it reaches counted: fixtures, helpers, loops, parametrize.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct TestTotal {
    /// pytest's node id, without the parameters.
    pub id: String,
    /// How often it runs (parametrize, parametrised fixtures).
    pub runs: u64,
    /// All its runs together; `bytes` is the largest one.
    pub cost: Cost,
    /// Whether its sleeps are not charged (it uses `fast_time`) or only partly (`slow`).
    pub exempt: bool,
    /// Whether it is marked `slow`, and so left out of a plain run.
    pub slow: bool,
}

/// What one file costs.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct FileTotal {
    /// The file, as findings name it.
    pub file: Arc<PathBuf>,
    /// Its suite's root folder.
    pub suite: Arc<PathBuf>,
    /// Sum over its tests, virtual time left out; `bytes` is the largest one.
    pub cost: Cost,
    /// Its tests.
    pub tests: Vec<TestTotal>,
    /// Seconds that those of its tests were measured to sleep that are known as they are now, and how many those are.
    pub measured: Option<(f64, usize)>,
}

/// A file that could not be read or written.
#[derive(Debug, Clone)]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// Why, and what to do.
    pub message: String,
}

/// What `check` found.
#[derive(Debug, Default, Clone)]
pub struct Checked {
    /// Findings by file, then offset, then rule.
    pub findings: Vec<Finding>,
    /// Files that findings' fixes reach into, for their positions.
    pub sources: BTreeMap<Arc<PathBuf>, Arc<SourceFile>>,
    /// Costs of the files that have any.
    pub totals: Vec<FileTotal>,
    /// Number of files looked at.
    pub files: usize,
    /// Files parsed (what is imported included), and their bytes.
    pub parsed: (usize, usize),
    /// Files that could not be read.
    pub errors: Vec<FileError>,
}

/// One file before and after.
#[derive(Debug)]
pub struct Change {
    /// As read.
    pub before: Arc<SourceFile>,
    /// As it should be.
    pub after: SourceFile,
}

/// What `fix` would do, nothing written yet.
#[derive(Debug, Default)]
pub struct Fixed {
    /// Changed files.
    pub changes: Vec<Change>,
    /// Fixes applied, by rule.
    pub applied: BTreeMap<Code, usize>,
    /// The findings whose fixes were applied, by round. Edits of a round are about the texts that the round before left.
    pub rounds: Vec<Vec<Finding>>,
    /// What was there before any fix (for the totals' "before").
    pub before: Checked,
    /// What is left once the changes are written.
    pub after: Checked,
}

/// What a run works on.
#[derive(Clone, Default)]
pub struct Input {
    /// The files, each with the settings that hold for it.
    pub files: Vec<(Found, Arc<Settings>)>,
    /// Folders that were looked through whole: a number shared by files of such a folder has no users elsewhere.
    pub folders: Vec<PathBuf>,
    /// A file's text given on standard input, instead of what is on disk.
    pub stdin: Option<Arc<SourceFile>>,
    /// Queries of the project's own.
    pub own: Vec<crate::query::Own>,
    /// The rules those queries belong to, by the index that [`crate::query::Own::rule`] holds.
    pub rules: Vec<CustomRule>,
    /// What runs of the tests have shown.
    pub evidence: Arc<Evidence>,
}

impl Input {
    /// The suites that the files belong to, by their roots.
    #[must_use]
    pub fn suites(&self) -> Vec<Arc<Suite>> {
        let mut suites: Vec<_> = self.files.iter().map(|(f, _)| Arc::clone(&f.suite)).collect();
        suites.sort_by(|a, b| a.root.cmp(&b.root));
        suites.dedup_by(|a, b| a.root == b.root);
        suites
    }
}

/// Most rounds of check-and-fix. A second round is common (a shorter sleep makes the iterations the cheapest cut), more are rare.
const ROUNDS: usize = 8;

/// Looks for findings.
///
/// # Errors
/// When a project's own query does not load.
pub fn check(input: &Input) -> Result<Checked, QueryError> {
    Ok(Run::new(input)?.round())
}

/// The same, judging only files of which what is known from the past no longer holds. A file's key says under which settings it is
/// judged. `None` when nothing else is known now than was.
///
/// # Errors
/// As [`check`].
pub fn check_again(input: &Input, past: &Past, keys: &[String]) -> Result<(Checked, Option<Past>), QueryError> {
    let mut run = Run::new(input)?;
    run.project.note_questions();
    run.memory = Some(Memory::new(past, keys));
    let checked = run.round();
    Ok((checked, run.memory.and_then(Memory::into_past)))
}

/// Looks for findings in the project as it would be with other texts of some files.
///
/// # Errors
/// As [`check`].
pub fn check_as(input: &Input, texts: impl IntoIterator<Item = Arc<SourceFile>>) -> Result<Checked, QueryError> {
    let mut run = Run::new(input)?;
    run.project.overlay(texts);
    Ok(run.round())
}

/// What the tests of some files cost with other texts of some files; the rest of the project is read only as far as they use it.
///
/// # Errors
/// As [`check`].
pub fn totals_as(
    input: &Input,
    files: &BTreeSet<PathBuf>,
    texts: impl IntoIterator<Item = Arc<SourceFile>>,
) -> Result<Vec<FileTotal>, QueryError> {
    let mut run = Run::new(input)?;
    run.project.overlay(texts);
    let wanted = input.files.par_iter().enumerate().filter(|(_, (found, _))| files.contains(&found.path));
    let total = |(i, _)| {
        let (source, mask, _) = run.read(i).ok()?;
        run.judge(i, source, mask).0.total
    };
    Ok(wanted.filter_map(total).collect())
}

/// Applies every fix of at least the given applicability, again and again until nothing changes.
///
/// # Errors
/// As [`check`].
pub fn fix(input: &Input, level: Applicability) -> Result<Fixed, QueryError> {
    fix_where(input, &[], level, &|_| true)
}

/// As [`fix`], of the texts after changes that are not written, and only with the fixes of findings that are wanted.
///
/// # Errors
/// As [`check`].
pub fn fix_where(
    input: &Input,
    changes: &[Change],
    level: Applicability,
    wanted: &dyn Fn(&Finding) -> bool,
) -> Result<Fixed, QueryError> {
    let mut run = Run::new(input)?;
    run.project.overlay(changes.iter().map(|c| Arc::new(c.after.clone())));
    let before = run.round();
    let mut fixed = Fixed::default();
    let mut current: HashMap<PathBuf, Arc<SourceFile>> = HashMap::new();
    let mut original: BTreeMap<PathBuf, Arc<SourceFile>> = BTreeMap::new();
    // Files that one fix has changed together stand and fall together.
    let mut together: Vec<BTreeSet<PathBuf>> = Vec::new();
    let mut refused: HashSet<String> = HashSet::new();
    let mut after: Option<Checked> = None;
    let mut unsettled: BTreeSet<PathBuf> = BTreeSet::new();
    for round in 0..=ROUNDS {
        let checked = after.as_ref().unwrap_or(&before);
        let step = run.step(checked, level, wanted, &current, &mut refused);
        if step.texts.is_empty() {
            break;
        }
        if round == ROUNDS {
            unsettled.extend(step.texts.keys().cloned());
            break;
        }
        for (code, n) in step.applied {
            *fixed.applied.entry(code).or_default() += n;
        }
        together.extend(step.together);
        fixed.rounds.push(step.findings);
        for (path, text) in step.texts {
            let Some(old) = current.get(&path).cloned().or_else(|| run.source(&path)) else { continue };
            original.entry(path.clone()).or_insert_with(|| Arc::clone(&old));
            current.insert(path, Arc::new(old.with_text(text)));
        }
        run.project.overlay(current.values().map(Arc::clone));
        after = Some(run.round());
    }
    if !unsettled.is_empty() {
        // What never settles is not written at all, and neither is what belongs to it.
        loop {
            let more: Vec<PathBuf> = together
                .iter()
                .filter(|set| set.iter().any(|p| unsettled.contains(p)))
                .flatten()
                .filter(|p| !unsettled.contains(*p))
                .cloned()
                .collect();
            if more.is_empty() {
                break;
            }
            unsettled.extend(more);
        }
        for round in &mut fixed.rounds {
            round.retain(|f| !f.fix.iter().flat_map(|fix| &fix.edits).any(|e| unsettled.contains(&**e.file)));
        }
        for path in &unsettled {
            if let Some(old) = original.get(path) {
                current.insert(path.clone(), Arc::clone(old));
            }
        }
        run.project.overlay(current.values().map(Arc::clone));
        after = Some(run.round());
    }
    for (path, old) in original {
        if let Some(new) = current.get(&path)
            && new.text() != old.text()
        {
            fixed.changes.push(Change { before: old, after: (**new).clone() });
        }
    }
    match after {
        Some(after) => {
            fixed.before = before;
            fixed.after = after;
        }
        None => fixed.after = before,
    }
    Ok(fixed)
}

/// Lines at the head of a file in which `@generated` marks it as a program's work.
const MARK_LINES: usize = 20;

/// Whether a file says that a program writes it: it is never changed.
#[must_use]
pub fn generated(source: &SourceFile) -> bool {
    source.text().lines().take(MARK_LINES).any(|line| line.contains("@generated"))
}

/// The smallest budget of any file.
fn smallest(input: &Input, budget: impl Fn(&Budgets) -> u64) -> Option<u64> {
    input.files.iter().map(|(_, settings)| budget(&settings.budgets)).min()
}

struct Run<'i> {
    input: &'i Input,
    project: Project,
    memory: Option<Memory<'i>>,
}

/// What judging one file gives.
#[derive(serde::Serialize, serde::Deserialize)]
struct Judged {
    drafts: Vec<Draft>,
    models: Vec<Model>,
    total: Option<FileTotal>,
    suppressions: Option<Suppressions>,
}

impl<'i> Run<'i> {
    fn new(input: &'i Input) -> Result<Self, QueryError> {
        let mut budgets = Budgets::default();
        budgets.allocation = smallest(input, |b| b.allocation).unwrap_or(budgets.allocation);
        budgets.iterations_per_loop = smallest(input, |b| b.iterations_per_loop).unwrap_or(budgets.iterations_per_loop);
        let queries = Queries::load_for(input.own.clone(), &budgets, |rule| {
            let rule = rules::ALL.iter().find(|r| r.code.as_str() == rule);
            rule.is_some_and(|r| input.files.iter().any(|(_, settings)| settings.selected(&r.code)))
        })?;
        let roles = input.files.iter().map(|(f, _)| (f.path.clone(), f.role)).collect();
        let mut project = Project::new(queries, roles, input.suites());
        project.evidence = Arc::clone(&input.evidence);
        project.overlay(input.stdin.iter().map(Arc::clone));
        Ok(Self { input, project, memory: None })
    }

    fn source(&self, path: &Path) -> Option<Arc<SourceFile>> {
        self.project.source(path).ok()
    }

    fn round(&mut self) -> Checked {
        let mut checked = Checked { files: self.input.files.len(), ..Checked::default() };
        let read: Vec<_> = (0..self.input.files.len()).into_par_iter().map(|i| self.read(i)).collect();
        let mut wanted: Vec<(usize, Arc<SourceFile>, Mask)> = Vec::new();
        let mut idle: Vec<(usize, Arc<SourceFile>, Mask)> = Vec::new();
        for (i, source) in read.into_iter().enumerate() {
            match source {
                Ok((source, m, speaks)) => {
                    if m.is_empty() && !speaks {
                        idle.push((i, source, m));
                    } else {
                        wanted.push((i, source, m));
                    }
                }
                Err(SourceError::Io(e)) => {
                    let path = self.input.files[i].0.path.clone();
                    checked.errors.push(FileError { path, message: format!("cannot read it: {e}") });
                }
                Err(e) => checked.findings.extend(self.undecodable(i, &e)),
            }
        }
        // A file without a trigger of its own may call helpers that sleep, or use constants that a fix would change.
        // A conftest.py that does so passes it on to those who use its fixtures.
        let mut asked = 0;
        loop {
            // All are parsed before any is asked: an answer looks into other modules, and would wait for those that others parse.
            let shared = |i: usize| matches!(self.input.files[i].0.role, Role::Helper | Role::Conftest);
            let asking: Vec<_> = wanted[asked..].iter().filter(|(i, ..)| shared(*i)).collect();
            let unknown = asking.par_iter().filter(|(i, ..)| !self.knows(*i, Part::Offer));
            unknown.for_each(|(_, source, _)| _ = self.project.load(&source.path));
            let offers = asking.par_iter().filter_map(|(i, source, _)| {
                let known = self.recall::<Option<Offer>>(*i, Part::Offer);
                let offer = known.unwrap_or_else(|| self.keep(*i, Part::Offer, self.offer(*i, source)))?;
                Some((offer.names()?, offer))
            });
            let offers: Vec<_> = offers.collect();
            asked = wanted.len();
            let (named, rest): (Vec<_>, Vec<_>) =
                idle.into_par_iter().partition(|(_, source, _)| offers.iter().any(|(names, o)| o.is_taken_up_by(source, names)));
            idle = rest;
            let more = named.iter().any(|(i, ..)| shared(*i));
            wanted.extend(named);
            if !more {
                break;
            }
        }
        wanted.sort_by_key(|(i, ..)| *i);
        let judged: Vec<(usize, Judged)> =
            wanted.into_par_iter().map(|(i, source, mask)| (i, self.judged(i, source, mask))).collect();
        self.conclude(judged, &mut checked);
        checked.parsed = self.project.parsed();
        checked
    }

    /// A file's text, the queries that it triggers, and whether it may hold comments to testdiet.
    fn read(&self, i: usize) -> Result<(Arc<SourceFile>, Mask, bool), SourceError> {
        let source = self.project.source(&self.input.files[i].0.path)?;
        let (mask, speaks) = self.recall(i, Part::Text).unwrap_or_else(|| {
            let mask = self.project.queries.triggered(source.text());
            let speaks = memchr::memmem::find(source.text().as_bytes(), b"testdiet:").is_some();
            self.keep(i, Part::Text, ((mask, speaks), vec![Fact::text(&source)]))
        });
        Ok((source, mask, speaks))
    }

    /// A file that is no text CPython would read either: told as a syntax error, since nothing in it can be judged.
    fn undecodable(&self, i: usize, error: &SourceError) -> Option<Finding> {
        let (found, settings) = &self.input.files[i];
        let code = Code::new("syntax-error");
        if !settings.enabled(&code, &found.path) {
            return None;
        }
        Some(Finding {
            code,
            message: format!("testdiet could not read this file: {error}"),
            severity: Severity::Info,
            source: Arc::new(SourceFile::empty(found.path.clone())),
            file: Arc::new(found.path.clone()),
            span: Span::at(0),
            test: None,
            cost: Cost::default(),
            fix: None,
            declined: None,
        })
    }

    /// Whether part of what is known of a file still holds.
    fn knows(&self, i: usize, part: Part) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.knows(i, &self.input.files[i].0.path, part, &self.project))
    }

    /// What is known of a file, if it still holds.
    fn recall<T: serde::de::DeserializeOwned>(&self, i: usize, part: Part) -> Option<T> {
        self.memory.as_ref()?.recall(i, &self.input.files[i].0.path, part, &self.project)
    }

    /// Keeps what was found out about a file, with what it rests on.
    fn keep<T: serde::Serialize>(&self, i: usize, part: Part, (value, facts): (T, Vec<Fact>)) -> T {
        if let Some(memory) = &self.memory {
            memory.keep(i, &self.input.files[i].0.path, part, &value, facts);
        }
        value
    }

    /// What a file is judged to be.
    fn judged(&self, i: usize, source: Arc<SourceFile>, mask: Mask) -> Judged {
        if let Some(mut judged) = self.recall::<Judged>(i, Part::Judged)
            && judged.anchor(&|path| self.source(path)).is_some()
        {
            return judged;
        }
        self.keep(i, Part::Judged, self.judge(i, source, mask))
    }

    /// Judges a file, and says what that rests on.
    fn judge(&self, i: usize, source: Arc<SourceFile>, mask: Mask) -> (Judged, Vec<Fact>) {
        let (found, settings) = &self.input.files[i];
        // A test module is dropped when it is judged; what others import is kept and shared.
        let module = if let Some(module) = self.project.loaded(&found.path) {
            module
        } else if found.role == Role::Test {
            Arc::new(self.project.parse(source, found.role, mask))
        } else {
            match self.project.load(&found.path) {
                Some(module) => module,
                None => return (Judged { drafts: Vec::new(), models: Vec::new(), total: None, suppressions: None }, Vec::new()),
            }
        };
        let sem = Semantics::new(&self.project, Arc::clone(&found.suite));
        let counter = Counter::default();
        let tests: Vec<_> = sem.tests(&module).into_iter().map(|t| sem.facts(&counter, t)).collect();
        let cx = Context::new(&sem, &counter, &module, &tests, settings);
        let mut drafts = Vec::new();
        for rule in rules::ALL {
            if settings.enabled(&rule.code, &found.path) {
                rule.judge(&cx, &mut drafts);
            }
        }
        rules::custom(&cx, &self.input.rules, &mut drafts);
        let mut models: Vec<Model> = Vec::new();
        for test in &tests {
            let mut model = durations::model(&sem, &counter, test);
            for d in &mut model.durations {
                if d.key.file != module.file && !self.input.folders.iter().any(|f| d.key.file.starts_with(f)) {
                    d.frozen.get_or_insert_with(|| {
                        let name = d.key.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                        format!("it is shared through {name}, and not all of its users were looked at; run testdiet on the whole suite")
                    });
                }
            }
            if !model.durations.is_empty() {
                models.push(model);
            }
        }
        let total = total(&sem, &counter, &module, &tests, &found.suite.root);
        let mut facts = sem.project.facts();
        facts.push(Fact::text(&module.source));
        (Judged { drafts, models, total, suppressions: Some(Suppressions::of(&module)) }, facts)
    }

    fn settings_of(&self, path: &Path) -> Option<&Settings> {
        self.input.files.binary_search_by(|(f, _)| f.path.as_path().cmp(path)).ok().map(|i| &*self.input.files[i].1)
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturating is what is wanted
fn total(
    sem: &Semantics<'_>,
    counter: &Counter,
    module: &Arc<Module>,
    tests: &[crate::python::cost::TestFacts],
    suite: &Path,
) -> Option<FileTotal> {
    let slept: Vec<f64> = tests.iter().filter_map(|t| sem.project.evidence.slept_in_all(suite, &t.test.id)).collect();
    let mut out = FileTotal {
        file: Arc::clone(&module.file),
        suite: Arc::new(suite.to_path_buf()),
        cost: Cost::default(),
        tests: Vec::new(),
        measured: (!slept.is_empty()).then(|| (slept.iter().sum(), slept.len())),
    };
    let mut add = |cost: &Cost, runs: u64| {
        out.cost.sleep_s += cost.sleep_s * runs as f64;
        out.cost.threads = out.cost.threads.saturating_add(cost.threads.saturating_mul(runs));
        out.cost.bytes = out.cost.bytes.max(cost.bytes);
        out.cost.iterations = out.cost.iterations.saturating_add(cost.iterations.saturating_mul(runs));
    };
    let mut shared: Vec<crate::python::semantics::Def> = Vec::new();
    let mut rows = Vec::new();
    for t in tests {
        // Virtual time costs nothing.
        let sleep_s = if t.fast_time { 0.0 } else { t.cost.sleep_s };
        add(&Cost { sleep_s, ..t.cost }, t.runs);
        for (def, info) in &t.fixtures {
            if info.shared && !shared.contains(def) {
                shared.push(def.clone());
            }
        }
        let cost = Cost {
            sleep_s: t.cost.sleep_s * t.runs as f64,
            threads: t.cost.threads.saturating_mul(t.runs),
            bytes: t.cost.bytes,
            iterations: t.cost.iterations.saturating_mul(t.runs),
        };
        if cost != Cost::default() {
            rows.push(TestTotal { id: t.test.id.clone(), runs: t.runs, cost, exempt: t.fast_time || t.slow, slow: t.slow });
        }
    }
    for def in shared {
        add(&crate::python::cost::cost(&sem.body_uses(counter, &def)), 1);
    }
    out.tests = rows;
    (out.cost != Cost::default()).then_some(out)
}
