//! Flags and TOML become [`Settings`], validated once, so that nothing after this module sees a key, a glob or a
//! rule's name that does not exist.
//!
//! Each folder's files are governed by the nearest configuration above them: `.testdiet.toml`, else `testdiet.toml`,
//! else a `pyproject.toml` with a `[tool.testdiet]` table. One [`Settings`] is made for each such file and shared.
//! `--config` and the flags lie over whatever was found.
//!
//! The keys are one table ([`keys`]): reading, the reference of the documentation and `--show-settings` are made from it.
//! What one source says is a [`layer`] of them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::rules::{self, Code};

mod custom;
mod keys;
mod layer;
mod patterns;
mod selection;
mod written;

use layer::Layer;
use patterns::{Ignored, Patterns};
use written::Source;

pub use keys::reference;

/// A set of budgets for a kind of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// A virtual machine that a suite can bring down: the post-mortem's figures.
    #[default]
    Wsl2,
    /// A rented runner.
    Ci,
    /// A machine of one's own.
    Native,
}

impl Profile {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Wsl2, Self::Ci, Self::Native];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wsl2 => "wsl2",
            Self::Ci => "ci",
            Self::Native => "native",
        }
    }
}

/// What tests may cost. The table of DESIGN.md.
#[derive(Debug, Clone, PartialEq)]
pub struct Budgets {
    /// Seconds a test may sleep.
    pub sleep_per_test: f64,
    /// Seconds the tests of a file may sleep together.
    pub sleep_per_file: f64,
    /// Seconds the tests of a suite may sleep together.
    pub sleep_per_suite: f64,
    /// Threads and processes a test may start.
    pub threads_per_test: u64,
    /// What a thread count over budget is brought down to.
    pub threads_target: u64,
    /// Bytes a test may allocate at once. A KB is 1,000 bytes: the post-mortem's remedy was strings of 20,000.
    pub allocation: u64,
    /// Iterations a loop may make.
    pub iterations_per_loop: u64,
    /// Seconds a test may run, measured.
    pub test_runtime: f64,
    /// Seconds the tests of a file may run, measured.
    pub file_runtime: f64,
}

impl Budgets {
    /// The budgets of a profile.
    #[must_use]
    pub const fn profile(profile: Profile) -> Self {
        match profile {
            Profile::Wsl2 => Self {
                sleep_per_test: 0.5,
                sleep_per_file: 5.0,
                sleep_per_suite: 60.0,
                threads_per_test: 5,
                threads_target: 3,
                allocation: 20_000,
                iterations_per_loop: 1_000,
                test_runtime: 2.0,
                file_runtime: 30.0,
            },
            Profile::Ci => Self {
                sleep_per_test: 1.0,
                sleep_per_file: 10.0,
                sleep_per_suite: 120.0,
                threads_per_test: 8,
                threads_target: 4,
                allocation: 1_000_000,
                iterations_per_loop: 100_000,
                test_runtime: 5.0,
                file_runtime: 60.0,
            },
            Profile::Native => Self {
                sleep_per_test: 1.0,
                sleep_per_file: 20.0,
                sleep_per_suite: 300.0,
                threads_per_test: 32,
                threads_target: 8,
                allocation: 16_000_000,
                iterations_per_loop: 1_000_000,
                test_runtime: 10.0,
                file_runtime: 120.0,
            },
        }
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self::profile(Profile::default())
    }
}

/// A way to make a test wait less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Run the test on virtual time, with the `fast_time` fixture.
    FastTime,
    /// Wait until what is asserted holds, instead of a fixed time.
    WaitUntil,
    /// Shorter durations, all that belong together at once.
    Shrink,
    /// Take the test out of a plain run, by the marker `slow`.
    Slow,
}

impl Strategy {
    /// All of them, in the order in which they are preferred unless the configuration says otherwise.
    pub const ALL: [Self; 4] = [Self::FastTime, Self::WaitUntil, Self::Shrink, Self::Slow];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FastTime => "fast-time",
            Self::WaitUntil => "wait-until",
            Self::Shrink => "shrink",
            Self::Slow => "slow",
        }
    }
}

/// How fixes choose what to do, and their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct FixSettings {
    /// Ways to make a test wait less that fixes may take, the preferred ones first.
    pub strategies: Vec<Strategy>,
    /// Whether fixes may use the `fast_time` fixture although nothing shows that the suite has it.
    pub fast_time: bool,
    /// Seconds given to a `join` that had no timeout.
    pub join_timeout: f64,
    /// No duration is shrunk below this, in seconds.
    pub floor: f64,
    /// Seconds that have to lie between two moments whose order matters.
    pub margin: f64,
}

impl FixSettings {
    /// The least margin that is accepted. On 2 cores, oversubscribed three times, an event wakes up to 12 ms late and
    /// a sleep overshoots by up to 8.5 ms (HAZARDS.md).
    pub const LEAST_MARGIN: f64 = 0.05;

    /// Whether fixes may take a way at all.
    #[must_use]
    pub fn allows(&self, strategy: Strategy) -> bool {
        self.strategies.contains(&strategy)
    }

    /// Whether the first of two ways is taken where both would do.
    #[must_use]
    pub fn prefers(&self, first: Strategy, second: Strategy) -> bool {
        let place = |s| self.strategies.iter().position(|x| *x == s);
        match (place(first), place(second)) {
            (Some(a), Some(b)) => a < b,
            (a, _) => a.is_some(),
        }
    }
}

impl Default for FixSettings {
    fn default() -> Self {
        Self { strategies: Strategy::ALL.to_vec(), fast_time: false, join_timeout: 5.0, floor: 0.1, margin: 0.1 }
    }
}

/// What a rule of a project's own measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// Time asleep.
    Seconds,
    /// Threads and processes.
    Threads,
    /// Iterations of loops.
    Iterations,
    /// Memory.
    Bytes,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Threads, Self::Iterations, Self::Bytes];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Threads => "threads",
            Self::Iterations => "iterations",
            Self::Bytes => "bytes",
        }
    }
}

/// A rule that a project adds: a query, and the limit its amounts are held against.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomRule {
    /// Its id in comments, flags and reports.
    pub name: String,
    /// The `.scm` file, absolute.
    pub query: PathBuf,
    /// What its findings say.
    pub message: String,
    /// What its amounts are.
    pub dimension: Dimension,
    /// The amount from which on it finds something; `None` for every match.
    pub limit: Option<f64>,
}

impl CustomRule {
    /// Its id as findings carry it.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::custom(self.name.clone())
    }
}

/// The settings that govern the files below one configuration file.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    /// Folder of the configuration file, or the root of the project where there is none.
    pub root: PathBuf,
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// What the budgets started from.
    pub profile: Profile,
    /// What tests may cost.
    pub budgets: Budgets,
    /// How fixes choose their numbers.
    pub fix: FixSettings,
    /// Rules the project adds.
    pub rules: Vec<CustomRule>,
    /// Whether exclusions hold for files named on the command line too.
    pub force_exclude: bool,
    /// Whether what git ignores is left out.
    pub respect_gitignore: bool,
    /// The name of the output format asked for.
    pub output_format: Option<String>,
    /// Whether unsafe fixes are applied without `--unsafe-fixes`.
    pub unsafe_fixes: bool,
    /// Whether product files named on the command line are treated as tests.
    pub as_test: bool,
    selected: BTreeSet<Code>,
    may_fix: BTreeSet<Code>,
    ignored: Vec<Ignored>,
    exclude: Vec<String>,
    excluded: Patterns,
}

impl Settings {
    /// The settings of a project that says nothing.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self {
            root,
            file: None,
            profile: Profile::default(),
            budgets: Budgets::default(),
            fix: FixSettings::default(),
            rules: Vec::new(),
            force_exclude: false,
            respect_gitignore: true,
            output_format: None,
            unsafe_fixes: false,
            as_test: false,
            selected: rules::ALL.iter().filter(|r| r.default).map(|r| r.code.clone()).collect(),
            may_fix: rules::ALL.iter().map(|r| r.code.clone()).collect(),
            ignored: Vec::new(),
            exclude: patterns::EXCLUDED.iter().map(ToString::to_string).collect(),
            excluded: Patterns::names(patterns::EXCLUDED),
        }
    }

    /// Whether a rule looks at a file (by its absolute path).
    #[must_use]
    pub fn enabled(&self, code: &Code, path: &Path) -> bool {
        self.selected.contains(code) && !self.ignored.iter().any(|i| i.applies(code, path))
    }

    /// Whether a rule looks at any file at all; what no file needs is not compiled.
    #[must_use]
    pub fn selected(&self, code: &Code) -> bool {
        self.selected.contains(code)
    }

    /// Whether a rule's fixes are offered.
    #[must_use]
    pub fn fixable(&self, code: &Code) -> bool {
        self.may_fix.contains(code)
    }

    /// Whether `exclude` or `extend-exclude` name this very file or folder (absolute), by its name or its path.
    #[must_use]
    pub fn excludes(&self, path: &Path) -> bool {
        self.excluded.matches(path)
    }

    /// Whether a path or a folder above it, up to [`Self::root`], is excluded.
    #[must_use]
    pub fn excludes_below_root(&self, path: &Path) -> bool {
        path.ancestors().take_while(|p| *p != self.root).any(|p| self.excludes(p))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::at(PathBuf::new())
    }
}

/// What `--show-settings` prints: TOML that says all that was decided.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        keys::show(self, f)
    }
}

/// What the command line says, before any of it is understood.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--select`
    pub select: Option<Vec<String>>,
    /// `--ignore`
    pub ignore: Option<Vec<String>>,
    /// `--extend-select`
    pub extend_select: Option<Vec<String>>,
    /// `--per-file-ignores`, each `PATTERN:RULE`
    pub per_file_ignores: Option<Vec<String>>,
    /// `--fixable`
    pub fixable: Option<Vec<String>>,
    /// `--unfixable`
    pub unfixable: Option<Vec<String>>,
    /// `--exclude`
    pub exclude: Option<Vec<String>>,
    /// `--extend-exclude`
    pub extend_exclude: Option<Vec<String>>,
    /// `--force-exclude` or `--no-force-exclude`
    pub force_exclude: Option<bool>,
    /// `--respect-gitignore` or `--no-respect-gitignore`
    pub respect_gitignore: Option<bool>,
    /// `--config`, each a file or `KEY = VALUE`
    pub config: Vec<String>,
    /// `--isolated`
    pub isolated: bool,
    /// `--as-test`
    pub as_test: bool,
}

/// Where in the configuration something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, or the flag.
    pub origin: String,
    /// Line in the file, from 1.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.origin),
            None => f.write_str(&self.origin),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("{file}: cannot read it: {error}", file = file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not TOML.
    #[error("{place}: not valid TOML: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`; {hint}")]
    UnknownKey {
        /// Where.
        place: Place,
        /// The key, with its tables.
        key: String,
        /// The nearest known one, or those there are.
        hint: String,
    },
    /// A value that cannot be.
    #[error("{place}: `{key}` {message}")]
    Value {
        /// Where.
        place: Place,
        /// The key, with its tables.
        key: String,
        /// What is wrong, as the rest of a sentence.
        message: String,
    },
    /// A rule that does not exist.
    #[error("{place}: there is no rule `{name}`; {hint}")]
    UnknownRule {
        /// Where.
        place: Place,
        /// The name.
        name: String,
        /// The nearest one that exists, or how to list them.
        hint: String,
    },
    /// A pattern that is none.
    #[error("{place}: `{glob}` is not a valid pattern: {message}")]
    Glob {
        /// Where.
        place: Place,
        /// The pattern.
        glob: String,
        /// What is wrong with it.
        message: String,
    },
    /// `--config` with something that is neither.
    #[error("--config {0}: there is no such file, and it is not KEY = VALUE")]
    NotAFile(String),
    /// `--config` names a `pyproject.toml` that does not mention testdiet.
    #[error("--config {0}: it has no [tool.testdiet] table")]
    NoTable(String),
    /// More than one file.
    #[error("--config names two files, {0} and {1}; give one, and `--config 'KEY = VALUE'` for what differs")]
    TwoFiles(String, String),
    /// A file, and the wish for none.
    #[error("--isolated ignores configuration files, but --config names {0}; leave out one of them")]
    IsolatedFile(String),
}

/// Names in the order in which they are looked for in a folder.
const FILES: [&str; 3] = [".testdiet.toml", "testdiet.toml", PYPROJECT];
const PYPROJECT: &str = "pyproject.toml";
/// What the top of a project has when there is no repository.
const PROJECT: [&str; 8] =
    [".testdiet.toml", "testdiet.toml", PYPROJECT, "setup.py", "setup.cfg", "pytest.ini", "pytest.toml", "tox.ini"];

/// Finds the settings of any file.
#[derive(Debug)]
pub struct Configuration {
    cwd: PathBuf,
    project_root: PathBuf,
    /// The only settings there are: `--isolated`, or `--config FILE`.
    only: Option<Arc<Settings>>,
    /// For files that no configuration file is above of.
    fallback: Arc<Settings>,
    /// `--config 'KEY = VALUE'` and the flags, in this order.
    over: Vec<Layer>,
    as_test: bool,
    folders: RwLock<HashMap<PathBuf, Arc<Settings>>>,
}

impl Configuration {
    /// Understands the command line, and the configuration of the folder it was typed in.
    ///
    /// # Errors
    /// When either does not make sense.
    pub fn new(overrides: Overrides, cwd: &Path) -> Result<Self, ConfigError> {
        let as_test = overrides.as_test;
        let isolated = overrides.isolated;
        let mut file: Option<(String, Layer)> = None;
        let mut over = Vec::new();
        for given in &overrides.config {
            let path = cwd.join(given);
            if path.is_file() {
                if let Some((first, _)) = file {
                    return Err(ConfigError::TwoFiles(first, given.clone()));
                }
                let mut layer = read(&path, cwd)?.ok_or_else(|| ConfigError::NoTable(given.clone()))?;
                // A file that is handed over may lie anywhere: its patterns are about the files here, as in ruff.
                layer.base = cwd.to_path_buf();
                file = Some((given.clone(), layer));
            } else if given.contains('=') {
                let source = Source { origin: format!("--config '{given}'"), text: given, numbered: false };
                over.push(Layer::parse(&source, cwd, false)?.unwrap_or_default());
            } else {
                return Err(ConfigError::NotAFile(given.clone()));
            }
        }
        over.push(Layer::flags(overrides, cwd)?);
        let project_root = project_root(cwd);
        let none = Self {
            cwd: cwd.to_path_buf(),
            only: None,
            fallback: Arc::new(Settings::at(project_root.clone())),
            project_root,
            over,
            as_test,
            folders: RwLock::default(),
        };
        let fallback = none.settle(None, false)?;
        let only = match file {
            Some((name, _)) if isolated => return Err(ConfigError::IsolatedFile(name)),
            Some((_, layer)) => Some(Arc::new(none.settle(Some(&layer), true)?)),
            None if isolated => Some(Arc::new(none.settle(None, true)?)),
            None => None,
        };
        let all = Self { only, fallback: Arc::new(fallback), ..none };
        // The names of rules on the command line are those known here; other folders may know fewer.
        if all.only.is_none() {
            let layer = cwd.ancestors().find_map(|dir| find(dir, cwd).transpose()).transpose()?;
            all.settle(layer.as_ref(), true)?;
        }
        Ok(all)
    }

    /// The working directory that relative paths and patterns of the command line belong to.
    #[must_use]
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The top of the project the command was typed in: of the repository, else the nearest folder that looks like a
    /// project's, else the working directory. The undo journal lives there, so `undo` finds it from any subfolder.
    #[must_use]
    pub fn project_root(&self) -> &Path {
        &self.project_root
    }

    /// The settings of a file.
    ///
    /// # Errors
    /// When the nearest configuration file makes no sense.
    pub fn for_path(&self, path: &Path) -> Result<Arc<Settings>, ConfigError> {
        let path = self.cwd.join(path);
        self.for_folder(path.parent().unwrap_or(&path))
    }

    /// The settings of the files in a folder.
    ///
    /// # Errors
    /// When the nearest configuration file makes no sense.
    pub fn for_folder(&self, folder: &Path) -> Result<Arc<Settings>, ConfigError> {
        if let Some(only) = &self.only {
            return Ok(Arc::clone(only));
        }
        let folder = self.cwd.join(folder);
        let mut passed = Vec::new();
        let mut found = None;
        for dir in folder.ancestors() {
            // A reader that panicked cannot have left half a map behind.
            if let Some(known) = self.folders.read().unwrap_or_else(PoisonError::into_inner).get(dir) {
                found = Some(Arc::clone(known));
                break;
            }
            passed.push(dir);
            if let Some(layer) = find(dir, &self.cwd)? {
                found = Some(Arc::new(self.settle(Some(&layer), false)?));
                break;
            }
        }
        let settings = found.unwrap_or_else(|| Arc::clone(&self.fallback));
        if !passed.is_empty() {
            let mut folders = self.folders.write().unwrap_or_else(PoisonError::into_inner);
            for dir in passed {
                folders.entry(dir.to_path_buf()).or_insert_with(|| Arc::clone(&settings));
            }
        }
        Ok(settings)
    }

    /// Lays the command line over a file. `strict` refuses rules on the command line that are not known here.
    fn settle(&self, file: Option<&Layer>, strict: bool) -> Result<Settings, ConfigError> {
        let mut settings = Settings::at(self.project_root.clone());
        if let Some(layer) = file {
            settings.root.clone_from(&layer.base);
            settings.file.clone_from(&layer.file);
        }
        settings.as_test = self.as_test;
        let layers: Vec<&Layer> = file.into_iter().chain(&self.over).collect();
        layer::settle(&mut settings, &layers, strict)?;
        Ok(settings)
    }
}

/// The configuration of one folder, where it has one.
fn find(dir: &Path, cwd: &Path) -> Result<Option<Layer>, ConfigError> {
    for name in FILES {
        let file = dir.join(name);
        if file.is_file()
            && let Some(layer) = read(&file, cwd)?
        {
            return Ok(Some(layer));
        }
    }
    Ok(None)
}

/// Reads a configuration file; `None` for a `pyproject.toml` without our table.
fn read(file: &Path, cwd: &Path) -> Result<Option<Layer>, ConfigError> {
    let bytes = std::fs::read(file).map_err(|error| ConfigError::Read { file: file.to_path_buf(), error })?;
    let pyproject = file.file_name().is_some_and(|name| name == PYPROJECT);
    // A pyproject.toml that does not speak of us may be as broken as it likes: test data often is.
    if pyproject && memchr::memmem::find(&bytes, b"testdiet").is_none() {
        return Ok(None);
    }
    let origin = file.strip_prefix(cwd).unwrap_or(file).display().to_string();
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::Syntax {
        place: Place { origin: origin.clone(), line: None },
        message: "it is not UTF-8".to_owned(),
    })?;
    let dir = file.parent().unwrap_or(file);
    let mut layer = Layer::parse(&Source { origin, text: &text, numbered: true }, dir, pyproject)?;
    if let Some(layer) = &mut layer {
        layer.file = Some(file.to_path_buf());
    }
    Ok(layer)
}

fn project_root(cwd: &Path) -> PathBuf {
    let has = |dir: &Path, names: &[&str]| names.iter().any(|name| dir.join(name).exists());
    let repository = cwd.ancestors().find(|dir| has(dir, &[".git"]));
    repository.or_else(|| cwd.ancestors().find(|dir| has(dir, &PROJECT))).unwrap_or(cwd).to_path_buf()
}
