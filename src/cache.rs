//! What a run of `check` found, kept for the next one in `.testdiet_cache`.
//!
//! A result is kept with everything it rests on: the bytes of every file that was read, the answer to every question whether
//! a file exists, what every module outside of the walk was taken for. It is used again if all of that is as it was, which is
//! looked up anew each time, contents included; times of files are not trusted. The configuration, the files that were found
//! and the program itself make up the name it is kept under. So a result from the cache is the result, and a change of
//! anything it rests on, be it a module imported by a helper or one that has come to shadow another, runs everything again.
//!
//! A cache that cannot be read, is damaged or is being written by another process is as good as none, and one that cannot be
//! written is not written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use crate::edit::{Applicability, Edit, Fix};
use crate::engine::{self, Checked, FileTotal, Input, TestTotal};
use crate::finding::{Cost, Finding, Severity};
use crate::python::project::{Trace, role};
use crate::query::QueryError;
use crate::rules::{ALL, Code};
use crate::source::{SourceFile, Span, digest};

/// The folder, at the top of a project. git ignores it by a `.gitignore` inside.
pub const FOLDER: &str = ".testdiet_cache";

/// Results that are kept; pre-commit asks about other files each time.
const KEPT: usize = 64;

/// The cache of a project.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of the project with this top folder.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self { folder: root.join(FOLDER) }
    }

    /// What [`engine::check`] finds, from an earlier run where nothing has changed since.
    ///
    /// # Errors
    /// As [`engine::check`].
    pub fn check(&self, input: &Input) -> Result<Checked, QueryError> {
        let Some(name) = name(input).filter(|_| input.stdin.is_none()) else { return engine::check(input) };
        let path = self.folder.join(name);
        if let Some(checked) = read(&path).and_then(|entry| entry.checked(input)) {
            return Ok(checked);
        }
        let (checked, trace) = engine::check_traced(input)?;
        if let Some(entry) = trace.and_then(|trace| Entry::new(&checked, trace)) {
            // Whatever stands in the way: the result is there, and the next run will find it again.
            _ = self.write(&path, &entry);
        }
        Ok(checked)
    }

    fn write(&self, path: &Path, entry: &Entry) -> io::Result<()> {
        if !self.folder.is_dir() {
            fs::create_dir(&self.folder)?;
        }
        for (name, text) in [
            (".gitignore", "# Made by testdiet.\n*\n"),
            (
                "CACHEDIR.TAG",
                "Signature: 8a477f597d28d172789f06886806bc55\n# Made by testdiet; see https://bford.info/cachedir/\n",
            ),
        ] {
            if !self.folder.join(name).exists() {
                self.put(&self.folder.join(name), text.as_bytes())?;
            }
        }
        let content = serde_json::to_vec(entry)?;
        let mut bytes = seal(&content).into_bytes();
        bytes.extend_from_slice(&content);
        self.put(path, &bytes)?;
        self.prune();
        Ok(())
    }

    /// Whole or not at all: another process may be reading.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::with_prefix_in(TEMP, &self.folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    }

    /// Removes the oldest results beyond [`KEPT`], and what killed processes have left.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let results = entries.flatten().filter(|e| {
            let name = e.file_name();
            let name = name.to_string_lossy();
            name.ends_with(SUFFIX) || name.starts_with(TEMP)
        });
        let mut results: Vec<_> = results.map(|e| (e.metadata().and_then(|m| m.modified()).ok(), e.path())).collect();
        if results.len() > KEPT {
            results.sort();
            let old = results.len() - KEPT;
            for (_, path) in results.into_iter().take(old) {
                _ = fs::remove_file(path);
            }
        }
    }
}

const SUFFIX: &str = ".result";
const TEMP: &str = ".new-";

/// What the content of a result begins with: a damaged one does not match.
fn seal(content: &[u8]) -> String {
    format!("{}\n", hex(digest(content)))
}

fn read(path: &Path) -> Option<Entry> {
    let bytes = fs::read(path).ok()?;
    let (seal_read, content) = bytes.split_at_checked(33)?;
    (seal_read == seal(content).as_bytes()).then(|| serde_json::from_slice(content).ok()).flatten()
}

/// The name under which the result of a run is kept: everything it rests on but what is read on the way. `None` where that
/// cannot be told.
fn name(input: &Input) -> Option<String> {
    let mut hash = XxHash3_128::new();
    let mut add = |part: &str| {
        hash.write(&(part.len() as u64).to_le_bytes());
        hash.write(part.as_bytes());
    };
    // The program: while it is worked on, its version stays.
    let meta = std::env::current_exe().and_then(fs::metadata).ok()?;
    let built = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    add(&format!("{} {} {}", env!("CARGO_PKG_VERSION"), meta.len(), built.as_nanos()));
    // Settings are shared by the files of a folder: each is written out once.
    let mut settings: HashMap<*const crate::config::Settings, usize> = HashMap::new();
    let mut suites: HashMap<&Path, usize> = HashMap::new();
    for (found, own) in &input.files {
        let known = settings.len();
        let setting = *settings.entry(Arc::as_ptr(own)).or_insert_with(|| {
            add(&format!("{own} {} {:?} {:?} {:?} {:?}", own.root.display(), own.file, own.budgets, own.fix, own.rules));
            known
        });
        let known = suites.len();
        let suite = *suites.entry(&found.suite.root).or_insert_with(|| {
            // What its configuration says is read from the file, which is part of the trace.
            add(&format!("{} {:?}", found.suite.root.display(), found.suite.config_file));
            // That testdiet is among the dependencies is read from files that are no part of the trace.
            add(&found.suite.requires_testdiet().to_string());
            known
        });
        // Which rules are for a file is asked of the patterns, which are written relative to who knows what.
        let rules = ALL.iter().map(|rule| rule.code.clone()).chain(own.rules.iter().map(|r| Code::custom(r.name.clone())));
        let on: String = rules.map(|code| if own.enabled(&code, &found.path) { '1' } else { '0' }).collect();
        add(&format!("{setting} {suite} {:?} {} {on}", found.role, found.explicit));
        add(found.path.to_str()?);
    }
    add(&format!("{:?} {:?} {:?} {:x}", input.folders, input.own, input.rules, input.evidence.stamp()));
    Some(format!("{:032x}{SUFFIX}", hash.finish_128()))
}

/// JSON has no numbers as large as digests.
fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}

/// A result and what it rests on.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// All paths; the rest refers to them by their index.
    paths: Vec<String>,
    /// The digests of files that were read; `None` for those that could not be.
    reads: Vec<(u32, Option<String>)>,
    /// Whether files existed.
    probes: Vec<(u32, bool)>,
    /// What files outside of the walk were taken for.
    roles: Vec<(u32, String)>,
    findings: Vec<StoredFinding>,
    sources: Vec<u32>,
    totals: Vec<StoredTotal>,
}

#[derive(Serialize, Deserialize)]
struct StoredFinding {
    code: String,
    message: String,
    severity: Severity,
    file: u32,
    span: (u32, u32),
    test: Option<String>,
    cost: Cost,
    fix: Option<StoredFix>,
    declined: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredFix {
    applicability: Applicability,
    reason: Option<String>,
    message: String,
    edits: Vec<(u32, u32, u32, String)>,
    group: String,
}

#[derive(Serialize, Deserialize)]
struct StoredTotal {
    file: u32,
    suite: u32,
    cost: Cost,
    tests: Vec<(String, u64, Cost, bool, bool)>,
    measured: Option<(f64, usize)>,
}

/// Paths, each written once.
#[derive(Default)]
struct Names {
    paths: Vec<String>,
    index: HashMap<PathBuf, u32>,
}

impl Names {
    /// `None` for a path that is not Unicode.
    fn of(&mut self, path: &Path) -> Option<u32> {
        if let Some(&known) = self.index.get(path) {
            return Some(known);
        }
        let index = u32::try_from(self.paths.len()).ok()?;
        self.paths.push(path.to_str()?.to_owned());
        self.index.insert(path.to_path_buf(), index);
        Some(index)
    }
}

/// The same result is kept as the same bytes, whichever thread was first.
fn sorted<T>(answers: impl IntoIterator<Item = (PathBuf, T)>) -> impl Iterator<Item = (PathBuf, T)> {
    answers.into_iter().collect::<BTreeMap<_, _>>().into_iter()
}

impl Entry {
    /// `None` for a result that cannot be kept: with errors of the file system, or of a tree that changed meanwhile.
    fn new(checked: &Checked, trace: Trace) -> Option<Self> {
        if !checked.errors.is_empty() || trace.unsteady {
            return None;
        }
        let mut names = Names::default();
        let reads = sorted(trace.reads).map(|(path, read)| Some((names.of(&path)?, read.map(hex)))).collect::<Option<_>>()?;
        let probes = sorted(trace.probes).map(|(path, is)| Some((names.of(&path)?, is))).collect::<Option<_>>()?;
        let roles =
            sorted(trace.roles).map(|(path, role)| Some((names.of(&path)?, format!("{role:?}")))).collect::<Option<_>>()?;
        let findings = checked.findings.iter().map(|f| StoredFinding::new(f, &mut names)).collect::<Option<_>>()?;
        let sources = checked.sources.keys().map(|path| names.of(path)).collect::<Option<_>>()?;
        let totals = checked.totals.iter().map(|total| StoredTotal::new(total, &mut names)).collect::<Option<_>>()?;
        Some(Self { paths: names.paths, reads, probes, roles, findings, sources, totals })
    }

    /// The result, if everything it rests on is as it was.
    fn checked(self, input: &Input) -> Option<Checked> {
        let path = |i: u32| self.paths.get(i as usize).map(Path::new);
        let needed: HashSet<u32> = self.findings.iter().map(|f| f.file).chain(self.sources.iter().copied()).collect();
        let suites = input.suites();
        let same = self.probes.par_iter().all(|(i, was)| path(*i).is_some_and(|p| p.is_file() == *was))
            && self.roles.iter().all(|(i, was)| path(*i).is_some_and(|p| format!("{:?}", role(&suites, p)) == *was));
        if !same {
            return None;
        }
        let read = self.reads.par_iter().map(|(i, was)| {
            let path = path(*i)?;
            let bytes = fs::read(path).ok();
            if bytes.as_deref().map(|bytes| hex(digest(bytes))) != *was {
                return None;
            }
            let source = bytes.filter(|_| needed.contains(i)).map(|bytes| source(path, bytes));
            Some(source.map(|source| (*i, source)))
        });
        let read: Vec<Option<(u32, Arc<SourceFile>)>> = read.collect::<Option<_>>()?;
        let sources: HashMap<u32, Arc<SourceFile>> = read.into_iter().flatten().collect();
        let files: Vec<Arc<PathBuf>> = self.paths.iter().map(|p| Arc::new(PathBuf::from(p))).collect();
        let file = |i: u32| files.get(i as usize).map(Arc::clone);
        let findings = self.findings.into_iter().map(|f| f.finding(&file, &sources)).collect::<Option<_>>()?;
        let kept =
            self.sources.iter().map(|i| Some((file(*i)?, Arc::clone(sources.get(i)?)))).collect::<Option<BTreeMap<_, _>>>()?;
        let totals = self.totals.into_iter().map(|t| t.total(&file)).collect::<Option<_>>()?;
        Some(Checked { findings, sources: kept, totals, files: input.files.len(), ..Checked::default() })
    }
}

/// A file as a run would have it; one that is no text is empty there as well.
fn source(path: &Path, bytes: Vec<u8>) -> Arc<SourceFile> {
    Arc::new(SourceFile::from_disk(path, bytes).unwrap_or_else(|_| SourceFile::empty(path.to_path_buf())))
}

impl StoredFinding {
    fn new(finding: &Finding, names: &mut Names) -> Option<Self> {
        let fix = match &finding.fix {
            Some(fix) => Some(StoredFix::new(fix, names)?),
            None => None,
        };
        Some(Self {
            code: finding.code.to_string(),
            message: finding.message.clone(),
            severity: finding.severity,
            file: names.of(&finding.file)?,
            span: (finding.span.start, finding.span.end),
            test: finding.test.clone(),
            cost: finding.cost,
            fix,
            declined: finding.declined.clone(),
        })
    }

    fn finding(self, file: &dyn Fn(u32) -> Option<Arc<PathBuf>>, sources: &HashMap<u32, Arc<SourceFile>>) -> Option<Finding> {
        let source = Arc::clone(sources.get(&self.file)?);
        let span = Span::new(self.span.0, self.span.1);
        source.text().get(span.range())?;
        let fix = match self.fix {
            Some(fix) => Some(fix.fix(file)?),
            None => None,
        };
        Some(Finding {
            code: Code::custom(self.code),
            message: self.message,
            severity: self.severity,
            source,
            file: file(self.file)?,
            span,
            test: self.test,
            cost: self.cost,
            fix,
            declined: self.declined,
        })
    }
}

impl StoredFix {
    fn new(fix: &Fix, names: &mut Names) -> Option<Self> {
        let edit = |e: &Edit| Some((names.of(&e.file)?, e.span.start, e.span.end, e.content.clone()));
        Some(Self {
            applicability: fix.applicability,
            reason: fix.reason.clone(),
            message: fix.message.clone(),
            edits: fix.edits.iter().map(edit).collect::<Option<_>>()?,
            group: fix.group.clone(),
        })
    }

    fn fix(self, file: &dyn Fn(u32) -> Option<Arc<PathBuf>>) -> Option<Fix> {
        let edit = |(i, start, end, content)| Some(Edit { file: file(i)?, span: Span::new(start, end), content });
        let edits = self.edits.into_iter().map(edit).collect::<Option<_>>()?;
        Some(Fix { applicability: self.applicability, reason: self.reason, message: self.message, edits, group: self.group })
    }
}

impl StoredTotal {
    fn new(total: &FileTotal, names: &mut Names) -> Option<Self> {
        let tests = total.tests.iter().map(|t| (t.id.clone(), t.runs, t.cost, t.exempt, t.slow)).collect();
        Some(Self {
            file: names.of(&total.file)?,
            suite: names.of(&total.suite)?,
            cost: total.cost,
            tests,
            measured: total.measured,
        })
    }

    fn total(self, file: &dyn Fn(u32) -> Option<Arc<PathBuf>>) -> Option<FileTotal> {
        let test = |(id, runs, cost, exempt, slow)| TestTotal { id, runs, cost, exempt, slow };
        let tests = self.tests.into_iter().map(test).collect();
        Some(FileTotal { file: file(self.file)?, suite: file(self.suite)?, cost: self.cost, tests, measured: self.measured })
    }
}
