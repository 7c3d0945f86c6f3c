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
use crate::edit::{Applicability, Edit, Fix, apply, compatible};
use crate::evidence::Evidence;
use crate::finding::{Cost, Finding, Severity};
use crate::plan::durations::{self, Groups, Key, Model, Planned};
use crate::plan::number::write_seconds;
use crate::python::cost::Counter;
use crate::python::lower;
use crate::python::project::{Module, Project, Trace};
use crate::python::semantics::Semantics;
use crate::query::{Mask, Queries, QueryError, SiteKind};
use crate::rules::context::{Context, Draft};
use crate::rules::{self, Code};
use crate::source::{SourceError, SourceFile, Span};
use crate::suppression::Suppressions;

/// What one test costs, everything it reaches counted: fixtures, helpers, loops, parametrize.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
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
#[derive(Clone)]
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

/// The same, with everything in the file system that the result rests on.
///
/// # Errors
/// As [`check`].
pub fn check_traced(input: &Input) -> Result<(Checked, Option<Trace>), QueryError> {
    let mut run = Run::new(input)?;
    run.project.start_trace();
    for suite in run.project.suites() {
        // Its configuration was read before the run began.
        if let Some(file) = &suite.config_file {
            _ = run.project.source(file);
        }
    }
    let checked = run.round();
    Ok((checked, run.project.end_trace()))
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
    let total = |(i, (found, _)): (usize, &(Found, Arc<Settings>))| {
        let (source, mask, _) = run.read(found).ok()?;
        run.judge(i, source, mask).total
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
}

/// What judging one file gives.
struct Judged {
    drafts: Vec<Draft>,
    models: Vec<Model>,
    total: Option<FileTotal>,
    suppressions: Option<Suppressions>,
}

/// What a helper module or conftest file has for others: a file that takes it up is judged, whatever else is in it.
struct Offer {
    /// The names, as one expression.
    names: regex::bytes::Regex,
    /// Where they can be used without an import.
    below: Option<PathBuf>,
    /// The module's name, which an import mentions.
    module: Option<String>,
}

impl Offer {
    fn is_taken_up_by(&self, source: &SourceFile) -> bool {
        let text = source.text().as_bytes();
        self.below.as_ref().is_none_or(|folder| source.path.starts_with(folder))
            && self.module.as_ref().is_none_or(|name| memchr::memmem::find(text, name.as_bytes()).is_some())
            && self.names.is_match(text)
    }
}

/// One round of fixes, applied to texts.
#[derive(Default)]
struct Step {
    texts: BTreeMap<PathBuf, String>,
    applied: BTreeMap<Code, usize>,
    findings: Vec<Finding>,
    together: Vec<BTreeSet<PathBuf>>,
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
        Ok(Self { input, project })
    }

    fn source(&self, path: &Path) -> Option<Arc<SourceFile>> {
        self.project.source(path).ok()
    }

    fn round(&mut self) -> Checked {
        let mut checked = Checked { files: self.input.files.len(), ..Checked::default() };
        let read: Vec<_> = self.input.files.par_iter().map(|(found, _)| self.read(found)).collect();
        let mut wanted: Vec<(usize, Arc<SourceFile>, Mask)> = Vec::new();
        let mut idle: Vec<(usize, Arc<SourceFile>, Mask)> = Vec::new();
        let mut weights: BTreeMap<Mask, usize> = BTreeMap::new();
        for (i, source) in read.into_iter().enumerate() {
            match source {
                Ok((source, m, speaks)) => {
                    *weights.entry(m).or_default() += source.text().len();
                    if m.is_empty() && !speaks { idle.push((i, source, m)) } else { wanted.push((i, source, m)) }
                }
                Err(SourceError::Io(e)) => {
                    let path = self.input.files[i].0.path.clone();
                    checked.errors.push(FileError { path, message: format!("cannot read it: {e}") });
                }
                Err(e) => checked.findings.extend(self.undecodable(i, &e)),
            }
        }
        self.project.queries.prepare(&weights);
        // A file without a trigger of its own may call helpers that sleep, or use constants that a fix would change.
        // A conftest.py that does so passes it on to those who use its fixtures.
        let mut asked = 0;
        loop {
            // All are parsed before any is asked: an answer looks into other modules, and would wait for those that others parse.
            let shared = |i: usize| matches!(self.input.files[i].0.role, Role::Helper | Role::Conftest);
            let asking: Vec<_> = wanted[asked..].iter().filter(|(i, ..)| shared(*i)).collect();
            asking.par_iter().for_each(|(_, source, _)| _ = self.project.load(&source.path));
            let offers: Vec<Offer> = asking.par_iter().filter_map(|(i, source, _)| self.offer(*i, source)).collect();
            asked = wanted.len();
            let (named, rest): (Vec<_>, Vec<_>) =
                idle.into_par_iter().partition(|(_, source, _)| offers.iter().any(|o| o.is_taken_up_by(source)));
            idle = rest;
            let more = named.iter().any(|(i, ..)| shared(*i));
            wanted.extend(named);
            if !more {
                break;
            }
        }
        wanted.sort_by_key(|(i, ..)| *i);
        let judged: Vec<(usize, Judged)> =
            wanted.into_par_iter().map(|(i, source, mask)| (i, self.judge(i, source, mask))).collect();
        self.conclude(judged, &mut checked);
        checked.parsed = self.project.parsed();
        checked
    }

    fn read(&self, found: &Found) -> Result<(Arc<SourceFile>, Mask, bool), SourceError> {
        let source = self.project.source(&found.path)?;
        let mask = self.project.queries.triggered(source.text());
        let speaks = memchr::memmem::find(source.text().as_bytes(), b"testdiet:").is_some();
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

    /// What a helper module or conftest file offers that sleeps, starts threads or holds a duration.
    fn offer(&self, i: usize, source: &Arc<SourceFile>) -> Option<Offer> {
        use crate::python::ast::{ArgKind, ExprKind, StmtId, StmtKind};
        let found = &self.input.files[i].0;
        if !matches!(found.role, Role::Helper | Role::Conftest) {
            return None;
        }
        let module = self.project.load(&source.path)?;
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut autouse = false;
        let sem = Semantics::new(&self.project, Arc::clone(&found.suite));
        let sites = sem.sites(&Counter::default(), &module);
        let heavy = |kind: SiteKind| matches!(kind, SiteKind::Sleep | SiteKind::Thread | SiteKind::Pool | SiteKind::Custom);
        let spans: Vec<Span> = sites.values().flatten().filter(|s| heavy(s.kind)).map(|s| module.expr(s.expr).span).collect();
        // What holds a site, and what mentions something that does.
        let mut costly: Vec<StmtId> = Vec::new();
        let mut mentioned: BTreeSet<&str> = BTreeSet::new();
        loop {
            let before = costly.len();
            for &id in &module.ast.body {
                let (StmtKind::Function(_) | StmtKind::Class(_)) = &module.stmt(id).kind else { continue };
                let span = module.stmt(id).span;
                let text = module.source.slice(span);
                if !costly.contains(&id)
                    && (spans.iter().any(|s| span.contains(*s)) || mentioned.iter().any(|n| text.contains(n)))
                {
                    costly.push(id);
                    match &module.stmt(id).kind {
                        StmtKind::Function(f) => mentioned.insert(module.name(f.name)),
                        StmtKind::Class(c) => mentioned.insert(module.name(c.name)),
                        _ => false,
                    };
                }
            }
            if costly.len() == before {
                break;
            }
        }
        for &id in &module.ast.body {
            match &module.stmt(id).kind {
                StmtKind::Function(f) if costly.contains(&id) => {
                    names.insert(module.name(f.name).to_owned());
                    // What a decorator says may make it a fixture of another name, or one that nobody has to name.
                    for &d in &f.decorators {
                        if !module.text(d).contains("fixture") {
                            continue;
                        }
                        names.insert(module.name(f.name).to_owned());
                        let ExprKind::Call { args, .. } = &module.expr(d).kind else { continue };
                        for arg in args {
                            let ArgKind::Keyword(keyword) = arg.kind else { continue };
                            match (module.name(keyword), &module.expr(arg.value).kind) {
                                ("name", ExprKind::Str { text: Some(text), .. }) => {
                                    names.insert(text.clone());
                                }
                                ("autouse", ExprKind::Bool(true)) => autouse = true,
                                _ => {}
                            }
                        }
                    }
                }
                StmtKind::Class(c) if costly.contains(&id) => {
                    names.insert(module.name(c.name).to_owned());
                }
                StmtKind::Assign { targets, .. } => {
                    for &t in targets {
                        if let ExprKind::Name(n) = module.expr(t).kind
                            && durations::duration_name(module.name(n)).is_some()
                        {
                            names.insert(module.name(n).to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        if names.is_empty() && !autouse {
            return None;
        }
        let folder = source.path.parent()?.to_path_buf();
        let names = names.iter().map(|n| regex::escape(n)).collect::<Vec<_>>().join("|");
        let names = if autouse { String::new() } else { format!(r"\b(?:{names})\b") };
        let names = regex::bytes::RegexBuilder::new(&names).unicode(false).build().ok()?;
        // The fixtures of a conftest.py reach what lies below it; anything else has to be imported by the module's name.
        Some(if found.role == Role::Conftest {
            Offer { names, below: Some(folder), module: None }
        } else {
            let stem = source.path.file_stem()?.to_string_lossy().into_owned();
            let module = if stem == "__init__" { folder.file_name()?.to_string_lossy().into_owned() } else { stem };
            Offer { names, below: None, module: Some(module) }
        })
    }

    fn judge(&self, i: usize, source: Arc<SourceFile>, mask: Mask) -> Judged {
        let (found, settings) = &self.input.files[i];
        let nothing = Judged { drafts: Vec::new(), models: Vec::new(), total: None, suppressions: None };
        // A test module is dropped when it is judged; what others import is kept and shared.
        let module = if let Some(module) = self.project.loaded(&found.path) {
            module
        } else if found.role == Role::Test {
            match self.project.parse(source, found.role, mask) {
                Ok(module) => Arc::new(module),
                Err(_) => return nothing,
            }
        } else {
            match self.project.load(&found.path) {
                Some(module) => module,
                None => return nothing,
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
        Judged { drafts, models, total, suppressions: Some(Suppressions::of(&module)) }
    }

    /// Everything that takes the whole run: groups of durations, the suites' budgets, duplicates, suppressions.
    fn conclude(&self, judged: Vec<(usize, Judged)>, checked: &mut Checked) {
        let mut groups = Groups::default();
        let mut drafts: Vec<Draft> = Vec::new();
        let mut suppressions: BTreeMap<Arc<PathBuf>, (usize, Suppressions)> = BTreeMap::new();
        for (i, file) in judged {
            for model in file.models {
                groups.add(model);
            }
            // A helper that nobody asked about is counted with the tests that call it, and told when it is looked at itself.
            drafts.extend(file.drafts.into_iter().filter(|d| self.settings_of(&d.finding.file).is_some()));
            checked.totals.extend(file.total);
            if let Some(s) = file.suppressions {
                suppressions.insert(Arc::clone(&s.file), (i, s));
            }
        }
        // A wait that is meant to be as it is does not change along with others either.
        let suppressed = |f: &Finding| suppressions.get(&f.file).is_some_and(|(_, s)| s.would_suppress(f));
        for draft in drafts.iter().filter(|d| !d.durations.is_empty() && suppressed(&d.finding)) {
            for key in &draft.durations {
                groups.freeze(key, "it is also what is slept where a comment suppresses the finding");
            }
        }
        let fix = self.input.files.first().map(|(_, s)| s.fix.clone());
        let solved = fix.map(|fix| groups.solve(&fix)).unwrap_or_default();
        // What a test sleeps that can run on virtual time needs no shorter numbers: once it does, the rest is solved without it.
        let first = drafts.iter().filter(|d| d.first.is_some()).flat_map(|d| &d.durations);
        let held: HashSet<String> =
            first.filter_map(|key| solved.get(key)?.as_ref().ok()).map(|planned| planned.group.clone()).collect();
        let mut best: BTreeMap<(Arc<PathBuf>, Span, Code), Finding> = BTreeMap::new();
        for mut draft in drafts {
            let unless = std::mem::take(&mut draft.unless);
            // All it rests on is meant to be as it is, or something can be made better. A comment of its own is not unused for that.
            let place = |d: &Draft| (Arc::clone(&d.finding.file), d.finding.span);
            let silent: HashSet<_> = unless.iter().filter(|d| suppressed(&d.finding)).map(place).collect();
            let meant = !silent.is_empty() && unless.iter().all(|d| silent.contains(&place(d))) && !suppressed(&draft.finding);
            if meant || unless.into_iter().any(|better| attach(better, &solved, &held).fix.is_some()) {
                continue;
            }
            let finding = attach(draft, &solved, &held);
            let key = (Arc::clone(&finding.file), finding.span, finding.code.clone());
            match best.get_mut(&key) {
                // A helper judged with several test files: the worst of them speaks.
                Some(known) => {
                    let better = (finding.fix.is_some(), finding.cost.sleep_s, finding.cost.threads)
                        > (known.fix.is_some(), known.cost.sleep_s, known.cost.threads);
                    if better {
                        *known = finding;
                    }
                }
                None => {
                    best.insert(key, finding);
                }
            }
        }
        checked.findings.extend(best.into_values());
        self.suite_budgets(checked);
        let mut kept: HashSet<String> = HashSet::new();
        checked.findings.retain(|f| {
            let suppressed = suppressions.get_mut(&f.file).is_some_and(|(_, s)| s.suppresses(f));
            if suppressed {
                kept.extend(f.fix.iter().map(|fix| fix.group.clone()));
            }
            !suppressed
        });
        for finding in &mut checked.findings {
            if finding.fix.as_ref().is_some_and(|fix| kept.contains(&fix.group)) {
                finding.fix = None;
                finding.declined = Some("it would also change what a comment suppresses the finding for".to_owned());
            }
        }
        let unused = &rules::unused_suppression::RULE.code;
        for (i, s) in suppressions.values() {
            let (found, settings) = &self.input.files[*i];
            if settings.enabled(unused, &found.path) {
                checked.findings.extend(s.unused(unused, found.role, &|code| settings.enabled(code, &found.path)));
            }
        }
        for finding in &mut checked.findings {
            let settings = self.settings_of(&finding.file);
            if settings.is_some_and(|s| !s.fixable(&finding.code)) && finding.fix.take().is_some() {
                finding.declined = Some("fixes of this rule are turned off in the configuration".to_owned());
            }
            let why = finding.fix.iter().flat_map(|f| &f.edits).find_map(|edit| self.hands_off(&edit.file));
            if let Some(why) = why {
                finding.fix = None;
                finding.declined = Some(why.to_owned());
            }
        }
        checked.findings.sort_by(|a, b| (&a.file, a.span, &a.code).cmp(&(&b.file, b.span, &b.code)));
        for finding in &checked.findings {
            for edit in finding.fix.iter().flat_map(|f| &f.edits) {
                if !checked.sources.contains_key(&edit.file)
                    && let Some(source) = self.source(&edit.file)
                {
                    checked.sources.insert(Arc::clone(&edit.file), source);
                }
            }
        }
    }

    /// Why a file is never changed, whatever a rule proposes: it is no test code, or a program writes it.
    fn hands_off(&self, path: &Path) -> Option<&'static str> {
        if self.input.files.iter().any(|(found, _)| found.suite.config_file.as_deref() == Some(path)) {
            return None;
        }
        if self.project.role(path) == Role::Product {
            return Some("it would change product code");
        }
        let source = self.source(path)?;
        generated(&source).then_some("the file is marked @generated: change what generates it")
    }

    fn settings_of(&self, path: &Path) -> Option<&Settings> {
        self.input.files.binary_search_by(|(f, _)| f.path.as_path().cmp(path)).ok().map(|i| &*self.input.files[i].1)
    }

    /// A suite that sleeps past its budget is told once, at the file that sleeps most.
    fn suite_budgets(&self, checked: &mut Checked) {
        let mut suites: BTreeMap<Arc<PathBuf>, (f64, Option<&FileTotal>)> = BTreeMap::new();
        for total in &checked.totals {
            let slept: f64 = total.tests.iter().filter(|t| !t.exempt).map(|t| t.cost.sleep_s).sum();
            let entry = suites.entry(Arc::clone(&total.suite)).or_default();
            entry.0 += slept;
            if entry.1.is_none_or(|worst| worst.cost.sleep_s < total.cost.sleep_s) {
                entry.1 = Some(total);
            }
        }
        let code = Code::new("sleep-budget");
        let mut found = Vec::new();
        for (slept, worst) in suites.into_values() {
            let Some(worst) = worst else { continue };
            let Some(settings) = self.settings_of(&worst.file) else { continue };
            let budget = settings.budgets.sleep_per_suite;
            if slept <= budget || !settings.enabled(&code, &worst.file) {
                continue;
            }
            let Some(source) = self.source(&worst.file) else { continue };
            let span = source.line_span(0);
            found.push(Finding {
                code: code.clone(),
                message: format!(
                    "the suite sleeps {slept:.1} s in all, most of it ({:.1} s) in this file; its budget is {budget} s",
                    worst.cost.sleep_s
                ),
                severity: Severity::Warning,
                source,
                file: Arc::clone(&worst.file),
                span,
                test: None,
                cost: Cost { sleep_s: slept, ..Cost::default() },
                fix: None,
                declined: Some("it is the sum of the sleeps of its tests: fix those".to_owned()),
            });
        }
        checked.findings.extend(found);
    }

    /// Applies what can be applied together, and keeps only what leaves every file as parseable as it was.
    fn step(
        &self,
        checked: &Checked,
        level: Applicability,
        wanted: &dyn Fn(&Finding) -> bool,
        current: &HashMap<PathBuf, Arc<SourceFile>>,
        refused: &mut HashSet<String>,
    ) -> Step {
        let mut seen = HashSet::new();
        let mut fixes: Vec<(&Finding, &Fix)> = checked
            .findings
            .iter()
            .filter_map(|f| Some((f, f.fix.as_ref()?)))
            .filter(|(_, fix)| fix.applicability >= level && !fix.edits.is_empty() && !refused.contains(&fix.group))
            .filter(|(finding, _)| wanted(finding))
            .collect();
        fixes.retain(|(_, fix)| seen.insert((&fix.group, &fix.edits)));
        let mut chosen: Vec<usize> = compatible(fixes.iter().map(|(_, f)| *f));
        let text = |path: &Path| current.get(path).cloned().or_else(|| self.source(path));
        loop {
            let mut by_file: BTreeMap<&Arc<PathBuf>, Vec<&Edit>> = BTreeMap::new();
            for &i in &chosen {
                for edit in &fixes[i].1.edits {
                    by_file.entry(&edit.file).or_default().push(edit);
                }
            }
            let results: Vec<(&Arc<PathBuf>, Option<String>)> =
                by_file.into_par_iter().map(|(path, edits)| (path, text(path).and_then(|old| rewritten(&old, &edits)))).collect();
            let bad: HashSet<&Arc<PathBuf>> = results.iter().filter(|(_, new)| new.is_none()).map(|(p, _)| *p).collect();
            if bad.is_empty() {
                let mut step = Step::default();
                for (path, new) in results {
                    if let (Some(new), Some(old)) = (new, text(path))
                        && new != old.text()
                    {
                        step.texts.insert((**path).clone(), new);
                    }
                }
                for &i in &chosen {
                    let (finding, fix) = fixes[i];
                    *step.applied.entry(finding.code.clone()).or_default() += 1;
                    step.findings.push(finding.clone());
                    step.together.push(fix.edits.iter().map(|e| (*e.file).clone()).collect());
                }
                return step;
            }
            // Find the fixes to blame one by one: each alone on its file.
            let before = chosen.len();
            chosen.retain(|&i| {
                let fix = fixes[i].1;
                let alone = fix.edits.iter().all(|e| {
                    !bad.contains(&e.file) || {
                        let own: Vec<&Edit> = fix.edits.iter().filter(|o| o.file == e.file).collect();
                        text(&e.file).is_some_and(|old| rewritten(&old, &own).is_some())
                    }
                });
                if !alone {
                    refused.insert(fix.group.clone());
                }
                alone
            });
            if chosen.len() == before {
                // Only together do they break the file: leave it alone.
                chosen.retain(|&i| !fixes[i].1.edits.iter().any(|e| bad.contains(&e.file)));
            }
        }
    }
}

/// A text after edits; `None` when it has an error that it did not have, or cannot be written in the file's encoding. What is
/// added to a configuration is read back by [`crate::discover::amend`].
pub(crate) fn rewritten(old: &SourceFile, edits: &[&Edit]) -> Option<String> {
    let new = apply(old.text(), edits.iter().copied());
    let configuration = old.path.extension().is_some_and(|e| ["toml", "ini", "cfg"].iter().any(|c| e == *c));
    if !configuration && lower::parse(&new)?.root_node().has_error() {
        return None;
    }
    old.with_text(new.clone()).encode()?;
    Some(new)
}

/// Completes a finding with the fix of its group of durations.
fn attach(draft: Draft, solved: &HashMap<Key, Result<Arc<Planned>, String>>, held: &HashSet<String>) -> Finding {
    let mut finding = draft.finding;
    if draft.first.is_some() {
        finding.fix = draft.first;
        return finding;
    }
    if draft.durations.is_empty() {
        if draft.last.is_some() {
            finding.fix = draft.last;
            finding.declined = None;
        }
        if finding.fix.is_none()
            && finding.declined.is_none()
            && finding.code.rule().is_some_and(|r| r.code.as_str().contains("sleep"))
        {
            finding.declined = Some("how long it sleeps is not a number in the tests".to_owned());
        }
        return finding;
    }
    let mut reason = None;
    for key in &draft.durations {
        match solved.get(key) {
            Some(Ok(planned)) if held.contains(&planned.group) => {
                finding.fix = None;
                reason.get_or_insert_with(|| {
                    "it is tied to what tests sleep that can run on virtual time: fix those first".to_owned()
                });
            }
            Some(Ok(planned)) => {
                let Some((_, old, new)) = planned.values.iter().find(|(k, ..)| k == key) else { continue };
                if (old - new).abs() < 1e-9 {
                    let frozen = planned.frozen.iter().find(|(k, _)| k == key).map(|(_, why)| why.clone());
                    reason.get_or_insert_with(|| {
                        frozen.unwrap_or_else(|| "it is as short as what it is tied to allows".to_owned())
                    });
                    continue;
                }
                let more = planned.edits.len() - 1;
                let message = match more {
                    0 => format!("Shrink {} s to {} s", write_seconds(*old), write_seconds(*new)),
                    1 => format!("Shrink {} s to {} s, with 1 duration tied to it", write_seconds(*old), write_seconds(*new)),
                    _ => {
                        format!("Shrink {} s to {} s, with {more} durations tied to it", write_seconds(*old), write_seconds(*new))
                    }
                };
                let why = "the code under test may need longer than it is left; only a run of the tests can tell";
                let note = draft.note.or_else(|| draft.hint.map(ToOwned::to_owned));
                let why = note.map_or_else(|| why.to_owned(), |note| format!("{why}; {note}"));
                let fix = Fix::new(Applicability::Unsafe, message, planned.edits.clone(), planned.group.clone()).because(why);
                finding.fix = Some(fix);
                return finding;
            }
            Some(Err(why)) => {
                // What decides how long it takes lies outside: fewer rounds would be a shorter wait as well.
                finding.fix = None;
                reason.get_or_insert_with(|| why.clone());
            }
            None if finding.fix.is_some() && finding.code.as_str() == "sleep-budget" => {
                finding.fix = None;
                reason.get_or_insert_with(|| "it only yields; how often it does is what adds up".to_owned());
            }
            None if finding.test.is_none() => {
                reason.get_or_insert_with(|| "no test that was looked at is seen to reach it".to_owned());
            }
            None => {
                reason.get_or_insert_with(|| "it is as short as it gets; how often it happens is what adds up".to_owned());
            }
        }
    }
    if finding.fix.is_none() && draft.last.is_some() {
        finding.fix = draft.last;
        finding.declined = None;
    }
    if finding.fix.is_none() && finding.declined.is_none() {
        // What keeps its own time is in the way of both.
        let note = draft.note.filter(|note| reason.as_ref().is_some_and(|why| !note.ends_with(why.as_str())));
        finding.declined = reason.map(|why| note.map_or_else(|| why.clone(), |note| format!("{why}; {note}")));
    }
    finding
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
        add(&Cost { sleep_s, ..t.cost.clone() }, t.runs);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    const TEXT: &str = "worker.join()\nother.join()\n";

    /// A finding at `at`, whose fix writes `content` there.
    fn finding(source: &Arc<SourceFile>, at: Span, content: &str) -> Finding {
        let file = Arc::new(source.path.clone());
        let edits = vec![Edit::replace(&file, at, content)];
        Finding {
            code: Code::new("join-without-timeout"),
            message: String::new(),
            severity: Severity::Error,
            source: Arc::clone(source),
            fix: Some(Fix::new(Applicability::Safe, "", edits, content)),
            file,
            span: at,
            test: None,
            cost: Cost::default(),
            declined: None,
        }
    }

    /// What a round makes of the given fixes, and the groups that it refuses.
    fn round(fixes: &[(u32, u32, &str)]) -> (Vec<String>, HashSet<String>) {
        let source = Arc::new(SourceFile::from_bytes(PathBuf::from("test_a.py"), TEXT.into()).unwrap());
        let input = Input {
            files: Vec::new(),
            folders: Vec::new(),
            stdin: None,
            own: Vec::new(),
            rules: Vec::new(),
            evidence: Arc::default(),
        };
        let findings = fixes.iter().map(|&(from, to, content)| finding(&source, Span::new(from, to), content)).collect();
        let checked = Checked { findings, ..Checked::default() };
        let current = HashMap::from_iter([(source.path.clone(), source)]);
        let mut refused = HashSet::default();
        let step = Run::new(&input).unwrap().step(&checked, Applicability::Safe, &|_| true, &current, &mut refused);
        assert_eq!(step.applied.values().sum::<usize>(), step.findings.len());
        (step.texts.into_values().collect(), refused)
    }

    #[test]
    fn a_fix_that_would_break_parsing_is_refused_and_the_others_are_applied() {
        let (texts, refused) = round(&[(11, 13, "(timeout="), (24, 26, "(timeout=5.0)")]);
        assert_eq!(texts, ["worker.join()\nother.join(timeout=5.0)\n"]);
        assert_eq!(refused, HashSet::from_iter(["(timeout=".to_owned()]));
    }

    #[test]
    fn fixes_that_break_a_file_only_together_leave_it_alone() {
        // `worker.join(); other.join()` parses, and so does an `if` on its own line.
        for alone in [(13, 14, "; "), (14, 19, "if late: other")] {
            assert_eq!(round(&[alone]).0.len(), 1);
        }
        assert_eq!(round(&[(13, 14, "; "), (14, 19, "if late: other")]), (Vec::new(), HashSet::default()));
    }
}
