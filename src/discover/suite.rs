//! pytest's view of a folder: which configuration governs it and what that says about collecting.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;

use super::{Role, equipment, ini, is_python, lock};
use crate::engine::FileError;

/// A tree of tests under one pytest configuration.
#[derive(Debug)]
pub struct Suite {
    /// pytest's rootdir: where the configuration lies, else the nearest folder with a packaging file, else the repository,
    /// else what was named on the command line.
    pub root: PathBuf,
    /// The file pytest reads its configuration from.
    pub config_file: Option<PathBuf>,
    /// Where pytest collects by default, as written: folders, files, globs.
    pub testpaths: Vec<String>,
    /// Globs of the files that hold tests.
    pub python_files: Vec<String>,
    /// Prefixes or globs of the classes that hold tests.
    pub python_classes: Vec<String>,
    /// Prefixes or globs of test functions.
    pub python_functions: Vec<String>,
    /// Globs of the folders pytest never collects from.
    pub norecursedirs: Vec<String>,
    /// Folders the configuration puts on `sys.path`, absolute.
    pub pythonpath: Vec<PathBuf>,
    /// Names of the markers the configuration registers. A `conftest.py` may register more.
    pub markers: Vec<String>,
    /// The warning filters of the configuration, one a line.
    pub filterwarnings: Vec<String>,
    /// Whether its project needs testdiet; looked up when first asked.
    requires_testdiet: OnceLock<bool>,
    found_by: FoundBy,
    files: FnMatch,
    never: FnMatch,
    /// Whether the root's own name says that it holds tests.
    root_is_test_folder: bool,
    /// Folders of `testpaths` that are test folders although their names do not say so; looked up when first needed.
    test_folders: OnceLock<Vec<PathBuf>>,
    /// Folders that were asked about: whether they serve the tests.
    known: RwLock<HashMap<PathBuf, bool>>,
}

/// What made a folder a root, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FoundBy {
    Pytest,
    Packaging,
    Repository,
    CommandLine,
}

/// pytest's defaults.
const PYTHON_FILES: [&str; 2] = ["test_*.py", "*_test.py"];
const NORECURSEDIRS: [&str; 9] = ["*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}"];

/// In pytest's order of precedence.
const CONFIG_FILES: [&str; 7] =
    ["pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"];
const PACKAGING: [&str; 3] = ["setup.py", "setup.cfg", "pyproject.toml"];

/// Files counted to tell whether a folder of `testpaths` holds tests or the product.
const SAMPLE: usize = 2_000;

impl Suite {
    /// Whether a function of that name may be a test, in some class or other: pytest's prefixes, globs cut at their wildcard, and
    /// unittest's.
    #[must_use]
    pub fn may_be_test(&self, name: &str) -> bool {
        let prefixes = self.python_functions.iter().map(|p| p.trim_end_matches('*'));
        prefixes.chain(["test"]).any(|prefix| name.starts_with(prefix))
    }

    fn new(root: PathBuf, found_by: FoundBy) -> Self {
        let strings = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        let mut suite = Self {
            config_file: None,
            testpaths: Vec::new(),
            python_files: strings(&PYTHON_FILES),
            python_classes: strings(&["Test"]),
            python_functions: strings(&["test"]),
            norecursedirs: strings(&NORECURSEDIRS),
            pythonpath: Vec::new(),
            markers: Vec::new(),
            filterwarnings: Vec::new(),
            requires_testdiet: OnceLock::new(),
            found_by,
            files: FnMatch::default(),
            never: FnMatch::default(),
            // `my-tests/` that is a repository or a package of its own is a project, not a folder of tests.
            root_is_test_folder: root.file_name().is_some_and(is_test_name)
                && found_by != FoundBy::Repository
                && !PACKAGING.iter().chain(&[".git"]).any(|name| root.join(name).exists()),
            test_folders: OnceLock::new(),
            known: RwLock::default(),
            root,
        };
        suite.compile();
        suite
    }

    fn compile(&mut self) {
        self.files = FnMatch::new(&self.python_files);
        self.never = FnMatch::new(&self.norecursedirs);
    }

    /// Takes over what a configuration file says.
    fn configure(mut self, file: PathBuf, values: HashMap<String, Value>) -> Self {
        for (key, value) in values {
            match key.as_str() {
                "testpaths" => self.testpaths = value.words(),
                "python_files" => self.python_files = value.words(),
                "python_classes" => self.python_classes = value.words(),
                "python_functions" => self.python_functions = value.words(),
                "norecursedirs" => self.norecursedirs = value.words(),
                "pythonpath" => self.pythonpath = value.words().iter().map(|p| self.root.join(p)).collect(),
                "filterwarnings" => self.filterwarnings = value.lines(),
                "markers" => self.markers = value.lines().iter().map(|line| marker(line)).collect(),
                _ => {}
            }
        }
        self.config_file = Some(file);
        self.compile();
        self
    }

    /// What a Python file (by its absolute path) is to the suite.
    #[must_use]
    pub fn role(&self, path: &Path) -> Role {
        if path.file_name().is_some_and(|name| name == "conftest.py") {
            Role::Conftest
        } else if self.files.matches(path) {
            Role::Test
        } else if path.parent().is_some_and(|folder| self.is_test_folder(folder)) {
            Role::Helper
        } else {
            Role::Product
        }
    }

    /// Whether all Python below a folder serves the tests: it or one above it, up to the root, has the name of a test
    /// folder, or `testpaths` says so.
    fn is_test_folder(&self, folder: &Path) -> bool {
        let Ok(below) = folder.strip_prefix(&self.root) else { return false };
        if self.root_is_test_folder {
            return true;
        }
        if below.as_os_str().is_empty() {
            return false;
        }
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(folder) {
            return *known;
        }
        let is = self.is_named_for_tests(folder)
            || (!self.testpaths.is_empty() && self.test_folders().iter().any(|t| t == folder))
            || folder.parent().is_some_and(|above| self.is_test_folder(above));
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(folder.to_path_buf(), is);
        is
    }

    /// Whether a folder's name says that it holds tests. Within a package such a name may also be part of the product, which
    /// offers help with testing to others: `trio.testing`, `pandas._testing`, `django.test`.
    fn is_named_for_tests(&self, folder: &Path) -> bool {
        let Some(name) = folder.file_name() else { return false };
        // `t` at the top is what `tests` is elsewhere; further down it may be anything.
        if has_word(name, &["tests"]) || name == "t" && folder.parent() == Some(&self.root) {
            return true;
        }
        if !is_test_name(name) {
            return false;
        }
        let within_package = folder.parent().is_some_and(|above| above.join("__init__.py").is_file());
        if !within_package {
            return true;
        }
        let holds_tests = || {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.into_iter().any(|e| self.files.matches(&e.path()))
        };
        has_word(name, &["test"]) && holds_tests()
    }

    /// Whether testdiet is among the dependencies of the project, so that its fixtures are there.
    #[must_use]
    pub fn requires_testdiet(&self) -> bool {
        *self.requires_testdiet.get_or_init(|| equipment::required(&self.root))
    }

    /// Whether the configuration turns what a thread raises into a failure.
    #[must_use]
    pub fn fails_on_thread_errors(&self) -> bool {
        const CATEGORIES: [&str; 5] = ["", "Warning", "UserWarning", "PytestWarning", "PytestUnhandledThreadExceptionWarning"];
        self.filterwarnings.iter().any(|line| {
            let mut parts = line.split(':').map(str::trim);
            let (action, message, category) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
            action == Some("error")
                && message.unwrap_or_default().is_empty()
                && CATEGORIES.contains(&category.rsplit('.').next().unwrap_or_default())
        })
    }

    /// Whether pytest would not enter a folder.
    pub(super) fn never_enters(&self, folder: &Path) -> bool {
        self.never.matches(folder) || folder.join("pyvenv.cfg").exists()
    }

    /// Where `testpaths` leads, sorted; what does not exist left out.
    pub(super) fn test_paths(&self) -> Vec<PathBuf> {
        let mut out = Vec::new();
        for pattern in &self.testpaths {
            if !pattern.contains(['*', '?', '[']) {
                let path: PathBuf = self.root.join(pattern).components().collect();
                out.extend(Some(path).filter(|p| p.exists()));
            } else if let Ok(glob) = GlobBuilder::new(pattern.trim_end_matches('/')).literal_separator(true).build() {
                let glob = glob.compile_matcher();
                let walk = WalkBuilder::new(&self.root).require_git(false).build().flatten();
                out.extend(
                    walk.map(ignore::DirEntry::into_path)
                        .filter(|path| path.strip_prefix(&self.root).is_ok_and(|rest| glob.is_match(rest))),
                );
            }
        }
        out.sort();
        out.dedup();
        out
    }

    /// Folders of `testpaths` whose files serve the tests. `testpaths` may also name the product (to run its doctests,
    /// or because tests lie within packages), so a folder whose name does not say `test` has to hold tests mostly.
    fn test_folders(&self) -> &[PathBuf] {
        self.test_folders.get_or_init(|| {
            let holds_tests = |folder: &PathBuf| {
                if *folder == self.root || !self.root.join(folder).is_dir() {
                    return false;
                }
                let (mut tests, mut others) = (0_usize, 0_usize);
                let walk = WalkBuilder::new(folder).require_git(false).build().flatten();
                for path in walk.map(ignore::DirEntry::into_path).filter(|p| is_python(p)).take(SAMPLE) {
                    let below = path.parent().and_then(|p| p.strip_prefix(folder).ok());
                    if below.is_some_and(|p| p.iter().any(is_test_name)) {
                        continue; // speaks for itself, not for the folder
                    }
                    let name = path.file_name().unwrap_or_default();
                    if self.files.matches(&path) || name == "conftest.py" {
                        tests += 1;
                    } else if name != "__init__.py" {
                        others += 1;
                    }
                }
                tests > 0 && tests >= others
            };
            self.test_paths().into_iter().filter(holds_tests).collect()
        })
    }
}

/// Whether `test`, `tests` or `testing` is a word of a folder's name: `_tests`, `unit-tests`, `Test`, but not `latest`.
fn is_test_name(name: &OsStr) -> bool {
    has_word(name, &["test", "tests", "testing"])
}

fn has_word(name: &OsStr, words: &[&str]) -> bool {
    let Some(name) = name.to_str() else { return false };
    name.split(['_', '-', '.']).any(|word| words.iter().any(|w| word.eq_ignore_ascii_case(w)))
}

/// `slow: takes long` and `needs(what): …` register `slow` and `needs`.
pub(super) fn marker(line: &str) -> String {
    line.split([':', '(']).next().unwrap_or_default().trim().to_owned()
}

/// The patterns of Python's `fnmatch`, as pytest applies them: to the name, or to the path where they hold a slash.
#[derive(Debug, Default)]
struct FnMatch {
    names: GlobSet,
    paths: GlobSet,
}

impl FnMatch {
    fn new(patterns: &[String]) -> Self {
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let path = pattern.contains('/');
            // `{}` are letters to fnmatch, and a bracket that does not close is one too.
            let mut plain = pattern.replace('{', "[{]").replace('}', "[}]");
            if path && !pattern.starts_with('/') {
                plain.insert_str(0, "*/");
            }
            let build = |pattern: &str| GlobBuilder::new(pattern).backslash_escape(false).build();
            if let Ok(glob) = build(&plain).or_else(|_| build(&globset::escape(pattern))) {
                if path {
                    paths.add(glob)
                } else {
                    names.add(glob)
                };
            }
        }
        // What is compiled one by one only fails together for its size; then nothing matches.
        Self { names: names.build().unwrap_or_default(), paths: paths.build().unwrap_or_default() }
    }

    fn matches(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| self.names.is_match(name)) || (!self.paths.is_empty() && self.paths.is_match(path))
    }
}

/// A value of pytest's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// From an INI file, or a string in TOML.
    Text(String),
    /// An array in TOML.
    List(Vec<String>),
}

impl Value {
    /// As pytest reads `args` and `paths`.
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Self::Text(text) => shlex::split(text).unwrap_or_else(|| text.split_whitespace().map(ToOwned::to_owned).collect()),
            Self::List(list) => list.clone(),
        }
    }

    /// As pytest reads `linelist`.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Text(text) => text.lines().map(str::trim).filter(|l| !l.is_empty()).map(ToOwned::to_owned).collect(),
            Self::List(list) => list.clone(),
        }
    }
}

/// What a file says about pytest: nothing, values, or something that cannot be read.
pub(super) type Reading = Result<Option<HashMap<String, Value>>, String>;

/// Reads what one of [`CONFIG_FILES`] says about pytest.
fn read(file: &Path, name: &str) -> Reading {
    let bytes = std::fs::read(file).map_err(|e| format!("cannot read it: {e}"))?;
    if !is_own(name) && memchr::memmem::find(&bytes, b"pytest").is_none() {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    read_text(text.trim_start_matches('\u{feff}'), name)
}

/// Whether a file of [`CONFIG_FILES`] is about pytest and nothing else.
fn is_own(name: &str) -> bool {
    !["pyproject.toml", "tox.ini", "setup.cfg"].contains(&name)
}

/// Reads what the text of one of [`CONFIG_FILES`] says about pytest.
pub(super) fn read_text(text: &str, name: &str) -> Reading {
    let own = is_own(name);
    let values = if is_toml(name) { toml_values(text, own)? } else { ini_values(text, name)? };
    // A file of pytest's own marks a root even when it is empty.
    Ok(if own { Some(values.unwrap_or_default()) } else { values })
}

fn ini_values(text: &str, name: &str) -> Reading {
    let ini = ini::parse(text).map_err(|line| format!("line {line} is not valid in an INI file"))?;
    let section = ini.into_iter().find(|s| s.name == ini_section(name));
    Ok(section.map(|s| s.keys.into_iter().map(|key| (key.name, Value::Text(key.value))).collect()))
}

/// Whether a file of a name is TOML.
pub(super) fn is_toml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "toml")
}

/// The section in which an INI file of a name speaks of pytest.
pub(super) fn ini_section(name: &str) -> &'static str {
    if name == "setup.cfg" { "tool:pytest" } else { "pytest" }
}

fn toml_values(text: &str, own: bool) -> Reading {
    let table: toml::Table = toml::from_str(text).map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |s| memchr::memchr_iter(b'\n', &text.as_bytes()[..s.start.min(text.len())]).count() + 1);
        format!("line {line} is not valid TOML: {}", e.message().trim().replace('\n', ", "))
    })?;
    let pytest = if own { table.get("pytest") } else { table.get("tool").and_then(|tool| tool.get("pytest")) };
    let Some(pytest) = pytest.and_then(toml::Value::as_table) else { return Ok(None) };
    let options = pytest.get("ini_options").and_then(toml::Value::as_table).unwrap_or(pytest);
    let value = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(Value::Text(text.clone())),
        toml::Value::Array(items) => Some(Value::List(items.iter().filter_map(|i| i.as_str().map(ToOwned::to_owned)).collect())),
        _ => None,
    };
    Ok(Some(options.iter().filter_map(|(key, v)| Some((key.clone(), value(v)?))).collect()))
}

/// Finds the suite of any folder; each suite is made once.
#[derive(Debug, Default)]
pub struct Suites {
    folders: RwLock<HashMap<PathBuf, Arc<Suite>>>,
    roots: Mutex<HashMap<PathBuf, Arc<Suite>>>,
    warnings: Mutex<Vec<FileError>>,
}

impl Suites {
    /// The suite of the files in a folder (absolute); `named` is what was asked for, the root where nothing else is.
    #[must_use]
    pub fn of_folder(&self, folder: &Path, named: &Path) -> Arc<Suite> {
        let mut passed = Vec::new();
        let mut best: Option<(FoundBy, &Path)> = None;
        let mut suite = None;
        for dir in folder.ancestors() {
            if let Some(known) = self.folders.read().unwrap_or_else(PoisonError::into_inner).get(dir) {
                // Nearest first among equals.
                if best.is_none_or(|(found_by, _)| known.found_by < found_by) {
                    suite = Some(Arc::clone(known));
                }
                break;
            }
            passed.push(dir);
            if let Some(configured) = self.configured(dir) {
                suite = Some(configured);
                break;
            }
            let found_by = if PACKAGING.iter().any(|name| dir.join(name).is_file()) {
                FoundBy::Packaging
            } else if dir.join(".git").exists() {
                FoundBy::Repository
            } else {
                continue;
            };
            if best.is_none_or(|(known, _)| found_by < known) {
                best = Some((found_by, dir));
            }
        }
        let (found_by, root) = best.unwrap_or((FoundBy::CommandLine, named));
        let suite = suite.unwrap_or_else(|| self.once(root, || Suite::new(root.to_path_buf(), found_by)));
        // What was found holds for the folders between; those above the root may have another.
        let mut folders = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        for dir in passed.into_iter().take_while(|dir| dir.starts_with(&suite.root)) {
            folders.entry(dir.to_path_buf()).or_insert_with(|| Arc::clone(&suite));
        }
        suite
    }

    /// The suite that a folder's own configuration makes.
    fn configured(&self, dir: &Path) -> Option<Arc<Suite>> {
        for name in CONFIG_FILES {
            let file = dir.join(name);
            if !file.is_file() {
                continue;
            }
            match read(&file, name) {
                Ok(None) => {}
                Ok(Some(values)) => {
                    return Some(self.once(dir, || Suite::new(dir.to_path_buf(), FoundBy::Pytest).configure(file, values)));
                }
                Err(message) => {
                    let message = format!("pytest's configuration is taken for empty: {message}");
                    lock(&self.warnings).push(FileError { path: file.clone(), message });
                    // Broken, but pytest's own: the root is where it lies.
                    if name.trim_start_matches('.').starts_with("pytest.") {
                        return Some(
                            self.once(dir, || Suite::new(dir.to_path_buf(), FoundBy::Pytest).configure(file, HashMap::new())),
                        );
                    }
                }
            }
        }
        None
    }

    fn once(&self, root: &Path, make: impl FnOnce() -> Suite) -> Arc<Suite> {
        Arc::clone(lock(&self.roots).entry(root.to_path_buf()).or_insert_with(|| Arc::new(make())))
    }

    pub(super) fn warnings(&self) -> Vec<FileError> {
        std::mem::take(&mut *lock(&self.warnings))
    }
}

/// The folders on `sys.path` when pytest runs a file in a folder, first those that win: the configuration's `pythonpath`, then what the
/// `prepend` import mode inserts for the file and the `conftest.py`s above it, then where a project's packages usually
/// lie. Asks the file system; callers keep the answer.
#[must_use]
pub fn module_roots(suite: &Suite, folder: &Path) -> Vec<PathBuf> {
    let mut roots = suite.pythonpath.clone();
    roots.push(basedir(folder));
    let above = folder.ancestors().skip(1).take_while(|dir| dir.starts_with(&suite.root));
    roots.extend(above.filter(|dir| dir.join("conftest.py").is_file()).map(basedir));
    roots.push(suite.root.clone());
    roots.push(suite.root.join("src"));
    let mut seen = std::collections::HashSet::new();
    roots.retain(|root| seen.insert(root.clone()) && root.is_dir());
    roots
}

/// The first folder upwards that is no package: what the `prepend` import mode puts on `sys.path` for a file in it.
#[must_use]
pub fn basedir(folder: &Path) -> PathBuf {
    folder.ancestors().find(|dir| !dir.join("__init__.py").is_file()).unwrap_or(folder).to_path_buf()
}

/// The `__init__.py` files of the packages that lie where a project's packages usually do: in its root, or in `src` there.
#[must_use]
pub fn packages(root: &Path) -> Vec<PathBuf> {
    let folders = [root.to_path_buf(), root.join("src")].into_iter().filter_map(|dir| dir.read_dir().ok()).flatten().flatten();
    let mut files: Vec<PathBuf> = folders.map(|entry| entry.path().join("__init__.py")).filter(|file| file.is_file()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_folder_names_tell_tests() {
        for yes in ["tests", "Test", "_tests", "unit_tests", "integration-tests", "testing", "test.d"] {
            assert!(is_test_name(OsStr::new(yes)), "{yes}");
        }
        for no in ["latest", "contest", "testdata", "testsuite", "src", "attest"] {
            assert!(!is_test_name(OsStr::new(no)), "{no}");
        }
    }

    #[test]
    fn patterns_mean_what_fnmatch_means() {
        let m = |pattern: &str, path: &str| FnMatch::new(&[pattern.to_owned()]).matches(Path::new(path));
        assert!(m("test_*.py", "/a/test_b.py") && !m("test_*.py", "/test_a/b.py"));
        assert!(m("unit/*.py", "/a/unit/b.py") && !m("unit/*.py", "/a/b.py"));
        assert!(m("[!_]*.py", "/a/b.py") && !m("[!_]*.py", "/a/_b.py"));
        assert!(m("{arch}", "/a/{arch}") && !m("{arch}", "/a/arch"));
        assert!(m("a[b", "/a[b"));
    }

    #[test]
    fn values_come_from_every_dialect() {
        let ini =
            ini_values("[pytest]\npython_files = check_*.py 'a b.py'\n  x.py\nmarkers =\n  slow: s\n  net(host): n\n", "tox.ini");
        let suite = Suite::new("/r".into(), FoundBy::Pytest).configure("/r/tox.ini".into(), ini.unwrap().unwrap());
        assert_eq!(suite.python_files, ["check_*.py", "a b.py", "x.py"]);
        assert_eq!(suite.markers, ["slow", "net"]);

        let toml = "[tool.pytest.ini_options]\ntestpaths = 'a b'\npythonpath = ['src']\nmarkers = ['slow: s']\naddopts = 1\n";
        let suite = Suite::new("/r".into(), FoundBy::Pytest).configure("/r/p".into(), toml_values(toml, false).unwrap().unwrap());
        assert_eq!((suite.testpaths.len(), suite.markers.len()), (2, 1));
        assert_eq!(suite.pythonpath, [Path::new("/r/src")]);

        assert!(toml_values("[tool.pytest]\npython_files = ['x']\n", false).unwrap().is_some());
        assert!(toml_values("[tool.ruff]\n", false).unwrap().is_none());
        assert!(toml_values("[pytest]\npython_files = ['x']\n", true).unwrap().is_some());
        assert_eq!(toml_values("\n[a\n", false).unwrap_err().split(':').next(), Some("line 2 is not valid TOML"));
        assert!(ini_values("[tool:pytest]\n", "setup.cfg").unwrap().is_some());
        assert!(ini_values("[pytest]\n", "setup.cfg").unwrap().is_none());
    }
}
