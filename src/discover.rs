//! Finds the files to look at: the tests, their `conftest.py`s and helpers, each with the pytest suite it belongs to.
//!
//! A walk returns what pytest would collect (`python_files`), `conftest.py`, and every `.py` in a test folder. Product
//! code is only returned when it is named, and then says so. The result is sorted and holds every file once, however
//! many links lead to it, so that all that follows is deterministic.
//!
//! A suite is what pytest calls the rootdir: the nearest folder above a file with a pytest configuration ([`Suite`]).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ignore::{DirEntry, WalkBuilder, WalkState};

use crate::config::{ConfigError, Configuration};
use crate::engine::FileError;

pub mod amend;
pub mod equipment;
mod ini;
mod suite;

pub use suite::{Suite, Suites, basedir, module_roots, packages};

/// What a file is to its suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Role {
    /// Holds tests that pytest collects.
    Test,
    /// A `conftest.py`.
    Conftest,
    /// Lies in a test folder: helpers, packages, data.
    Helper,
    /// All other code. Reported at most, never fixed.
    Product,
}

/// A path without `.` and `..`, which name nothing of their own; links are not followed.
#[must_use]
pub fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut out, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
        out
    })
}

/// A file to look at.
#[derive(Debug, Clone)]
pub struct Found {
    /// Absolute; through a link where the link is all that was found.
    pub path: PathBuf,
    /// What it is.
    pub role: Role,
    /// Where it belongs.
    pub suite: Arc<Suite>,
    /// Whether it was named rather than found.
    pub explicit: bool,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Discovered {
    /// By path, each file once.
    pub files: Vec<Found>,
    /// Folders and files that could not be read: the run is incomplete.
    pub errors: Vec<FileError>,
    /// What is worth a line but no failure: named files that are not Python, pytest configurations that are broken.
    pub notes: Vec<FileError>,
}

/// Why nothing can be searched.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// Named, but not there.
    #[error("{}: no such file or folder", .0.display())]
    Missing(PathBuf),
    /// A link to nowhere was named.
    #[error("{}: the link leads nowhere", .0.display())]
    Dangling(PathBuf),
    /// Named, but the system would not tell what it is.
    #[error("{path}: {error}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A configuration on the way does not make sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Finds the files to look at. Without paths: where pytest would look.
///
/// # Errors
/// When a named path does not exist, or a configuration file makes no sense.
pub fn discover(paths: &[PathBuf], config: &Configuration) -> Result<Discovered, DiscoverError> {
    let suites = Suites::default();
    let defaults;
    let paths = if paths.is_empty() {
        defaults = default_paths(config, &suites);
        &defaults
    } else {
        paths
    };
    let mut search = Search { config, suites: &suites, out: Discovered::default(), seen: HashMap::new() };
    for path in paths {
        search.named(path)?;
    }
    let Search { mut out, .. } = search;
    out.files.sort_by(|a, b| a.path.cmp(&b.path));
    out.notes.extend(suites.warnings());
    for list in [&mut out.errors, &mut out.notes] {
        list.sort_by(|a, b| (&a.path, &a.message).cmp(&(&b.path, &b.message)));
        list.dedup_by(|a, b| (&a.path, &a.message) == (&b.path, &b.message));
    }
    Ok(out)
}

/// `testpaths`, which pytest heeds when it is started in the suite's root, else the current folder.
fn default_paths(config: &Configuration, suites: &Suites) -> Vec<PathBuf> {
    let suite = suites.of_folder(config.cwd(), config.cwd());
    let paths = if suite.root == config.cwd() { suite.test_paths() } else { Vec::new() };
    if paths.is_empty() { vec![config.cwd().to_path_buf()] } else { paths }
}

struct Search<'c> {
    config: &'c Configuration,
    suites: &'c Suites,
    out: Discovered,
    /// By canonical path, where the file is in `out.files`, and how many links were on the way.
    seen: HashMap<PathBuf, (usize, u8)>,
}

impl Search<'_> {
    fn named(&mut self, given: &Path) -> Result<(), DiscoverError> {
        let path = absolute(self.config.cwd(), given);
        let meta = std::fs::metadata(&path).map_err(|error| {
            let given = given.to_path_buf();
            match error.kind() {
                io::ErrorKind::NotFound if path.is_symlink() => DiscoverError::Dangling(given),
                io::ErrorKind::NotFound => DiscoverError::Missing(given),
                _ => DiscoverError::Unreadable { path: given, error },
            }
        })?;
        let settings = self.config.for_folder(path.parent().unwrap_or(&path))?;
        if settings.force_exclude && settings.excludes_below_root(&path) {
            return Ok(());
        }
        if meta.is_dir() {
            return self.walk(&path);
        }
        if let Some(reason) = not_python(&path) {
            self.out.notes.push(FileError { path, message: reason.to_owned() });
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&path);
        let suite = self.suites.of_folder(folder, folder);
        let role = suite.role(&path);
        // pre-commit names every changed file, product code among them.
        if role == Role::Product && settings.force_exclude && !settings.as_test {
            return Ok(());
        }
        let canonical = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let links = u8::from(canonical != path);
        self.found(canonical, links, Found { path, role, suite, explicit: true });
        Ok(())
    }

    /// Adds a file, unless it is known. The file itself is preferred to a link to it.
    fn found(&mut self, canonical: PathBuf, links: u8, mut found: Found) {
        match self.seen.entry(canonical) {
            Entry::Vacant(entry) => {
                entry.insert((self.out.files.len(), links));
                self.out.files.push(found);
            }
            Entry::Occupied(mut entry) => {
                let (at, known_links) = *entry.get();
                let known = &mut self.out.files[at];
                found.explicit |= known.explicit;
                known.explicit = found.explicit;
                if (links, &found.path) < (known_links, &known.path) {
                    entry.insert((at, links));
                    *known = found;
                }
            }
        }
    }

    fn walk(&mut self, root: &Path) -> Result<(), DiscoverError> {
        let settings = self.config.for_folder(root)?;
        // Links to folders are not followed, so what lies below the real root is real, and only links need asking.
        let real = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
        let mut builder = WalkBuilder::new(root);
        builder
            .standard_filters(settings.respect_gitignore)
            .hidden(true)
            .require_git(false)
            .follow_links(false)
            .current_dir(self.config.cwd())
            .threads(std::thread::available_parallelism().map_or(1, |n| n.get().min(8)));
        let walked = Mutex::new(Walked::default());
        let suites = self.suites;
        let config = self.config;
        builder.build_parallel().run(|| {
            let mut folder = Folder::default();
            let walked = &walked;
            Box::new(move |entry| {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        let (path, message) = explained(&error, root);
                        lock(walked).errors.push(FileError { path, message });
                        return WalkState::Continue;
                    }
                };
                match folder.visit(&entry, root, config, suites) {
                    Ok(Visit::Skip) => WalkState::Skip,
                    Ok(Visit::Pass) => WalkState::Continue,
                    Ok(Visit::File(role, suite, linked)) => {
                        lock(walked).files.push((entry.into_path(), role, suite, linked));
                        WalkState::Continue
                    }
                    Err(error) => {
                        lock(walked).failed.get_or_insert(error);
                        WalkState::Quit
                    }
                }
            })
        });
        let mut walked = walked.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = walked.failed {
            return Err(error.into());
        }
        // The order of threads must not decide which of several links is kept.
        walked.files.sort_by(|a, b| a.0.cmp(&b.0));
        let through_link = real != root;
        for (path, role, suite, linked) in walked.files {
            let canonical = if linked {
                std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone())
            } else if through_link {
                path.strip_prefix(root).map_or_else(|_| path.clone(), |rest| real.join(rest))
            } else {
                path.clone()
            };
            self.found(canonical, u8::from(linked) + u8::from(through_link), Found { path, role, suite, explicit: false });
        }
        self.out.errors.extend(walked.errors);
        Ok(())
    }
}

#[derive(Default)]
struct Walked {
    files: Vec<(PathBuf, Role, Arc<Suite>, bool)>,
    errors: Vec<FileError>,
    failed: Option<ConfigError>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Only whole values are pushed, so what a panicking thread leaves behind is sound.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Visit {
    /// Do not enter.
    Skip,
    /// Nothing to return.
    Pass,
    /// With what it is, and whether it is a link.
    File(Role, Arc<Suite>, bool),
}

/// What a thread of the walk knows of the folder it is in, so that its files need not ask again.
#[derive(Default)]
struct Folder {
    path: PathBuf,
    here: Option<(Arc<crate::config::Settings>, Arc<Suite>)>,
}

impl Folder {
    fn visit(&mut self, entry: &DirEntry, root: &Path, config: &Configuration, suites: &Suites) -> Result<Visit, ConfigError> {
        let path = entry.path();
        // What was named is walked, whatever it is called.
        if entry.depth() == 0 {
            return Ok(Visit::Pass);
        }
        let parent = path.parent().unwrap_or(path);
        if self.here.is_none() || self.path != parent {
            self.path = parent.to_path_buf();
            self.here = Some((config.for_folder(parent)?, suites.of_folder(parent, root)));
        }
        let Some((settings, suite)) = &self.here else { return Ok(Visit::Pass) };
        let kind = entry.file_type();
        if kind.is_some_and(|k| k.is_dir()) {
            return Ok(if settings.excludes(path) || suite.never_enters(path) { Visit::Skip } else { Visit::Pass });
        }
        if !is_python(path) || settings.excludes(path) {
            return Ok(Visit::Pass);
        }
        let role = suite.role(path);
        if role == Role::Product {
            return Ok(Visit::Pass);
        }
        let linked = kind.is_some_and(|k| k.is_symlink());
        // A link to nowhere, or to a folder that happens to be called `x.py`.
        let regular = if linked { path.is_file() } else { kind.is_some_and(|k| k.is_file()) };
        Ok(if regular { Visit::File(role, Arc::clone(suite), linked) } else { Visit::Pass })
    }
}

fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "py")
}

/// Why a named file is not looked at.
fn not_python(path: &Path) -> Option<&'static str> {
    match path.extension().and_then(OsStr::to_str) {
        Some("py" | "pyw") => None,
        Some("ipynb") => Some("skipped: notebooks are not read"),
        Some("pyi") => Some("skipped: a stub runs no tests"),
        // pre-commit calls a script Python by its first line.
        None if shebang(path) => None,
        _ => Some("skipped: not a Python file"),
    }
}

fn shebang(path: &Path) -> bool {
    use io::Read as _;
    let mut start = [0; 64];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
    let line = start[..read].split(|&b| b == b'\n').next().unwrap_or_default();
    line.starts_with(b"#!") && memchr::memmem::find(line, b"python").is_some()
}

/// The path from the root on. `..` is resolved by the system, because behind a link it leads elsewhere than it looks.
fn absolute(cwd: &Path, given: &Path) -> PathBuf {
    let path = cwd.join(given);
    if path.components().any(|c| c == Component::ParentDir)
        && let Ok(path) = std::fs::canonicalize(&path)
    {
        return path;
    }
    // Leaves out `.` and doubled slashes.
    path.components().collect()
}

/// What the walk says went wrong, in the words of the system.
fn explained(error: &ignore::Error, root: &Path) -> (PathBuf, String) {
    fn path(error: &ignore::Error) -> Option<&Path> {
        match error {
            ignore::Error::WithPath { path, .. } => Some(path),
            ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path(err),
            ignore::Error::Partial(errors) => errors.iter().find_map(path),
            _ => None,
        }
    }
    let message = match error.io_error() {
        Some(error) => format!("cannot read it: {error}"),
        None => error.to_string(),
    };
    (path(error).unwrap_or(root).to_path_buf(), message)
}
