//! Where the commands meet configuration, discovery, the engine's input and the writer: small functions, and the only
//! place in `cli` that knows those modules.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Failure;
use super::options::{FileOptions, GlobalOptions, RuleOptions};
use crate::edit::Applicability;
use crate::engine::{Change, FileError, Input};
use crate::report::totals::Limits;
use crate::report::{Format, View};
use crate::source::SourceFile;

/// What a run works on and how it is told.
pub(crate) struct Opened {
    /// For the engine.
    pub input: Input,
    /// The current folder.
    pub cwd: PathBuf,
    /// Standard input, when that is the project.
    pub stdin: Option<Arc<SourceFile>>,
    /// The format the configuration asks for.
    pub format: Option<&'static Format>,
    /// Whether the configuration lets unsafe fixes be applied.
    pub unsafe_fixes: bool,
}

impl Opened {
    /// Reads the configuration and finds the files.
    pub(crate) fn new(files: &FileOptions, _rules: &RuleOptions, _global: &GlobalOptions) -> Result<Self, Failure> {
        let cwd = std::env::current_dir().map_err(Failure::Cwd)?;
        let stdin = if files.stdin()? { Some(Arc::new(read_stdin(files.stdin_filename.as_deref())?)) } else { None };
        if let Some(missing) = files.paths.iter().find(|path| stdin.is_none() && !path.exists()) {
            return Err(Failure::Usage(format!("{}: no such file or folder", missing.display())));
        }
        let mut found = Vec::new();
        let suite = Arc::new(crate::discover::Suite { root: cwd.clone(), python_classes: vec!["Test".into()], python_functions: vec!["test".into()], pythonpath: vec![cwd.join("src")] });
        for path in &files.paths {
            for e in ignore::WalkBuilder::new(cwd.join(path)).build().flatten() {
                if e.path().extension().is_some_and(|x| x == "py") {
                    let name = e.file_name().to_string_lossy().into_owned();
                    let role = if name == "conftest.py" { crate::discover::Role::Conftest } else if name.starts_with("test_") || name.ends_with("_test.py") { crate::discover::Role::Test } else { crate::discover::Role::Helper };
                    found.push((crate::discover::Found { path: e.path().to_path_buf(), role, suite: Arc::clone(&suite), explicit: false }, Arc::new(crate::config::Settings::default())));
                }
            }
        }
        found.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        let input = Input { files: found, folders: files.paths.iter().map(|p| cwd.join(p)).collect(), stdin: stdin.clone(), own: Vec::new() };
        Ok(Self { input, cwd, stdin, format: None, unsafe_fixes: false })
    }

    /// How findings are looked at.
    pub(crate) fn view(&self, applies: Applicability) -> View {
        View { cwd: self.cwd.clone(), applies }
    }

    /// The budgets of a suite, by its root.
    #[allow(clippy::unused_self, reason = "reads the settings once they are wired")]
    pub(crate) fn limits(&self, _suite: &Path) -> Limits {
        // DESIGN.md, profile `wsl2`.
        Limits { sleep_per_suite: 60.0, sleep_per_file: 5.0, sleep_per_test: 0.5, threads_per_test: 5 }
    }

    /// The files the engine would look at, for `--show-files`.
    #[allow(clippy::unused_self, reason = "reads the walk once it is wired")]
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The settings the engine would use, for `--show-settings`.
    #[allow(clippy::unused_self, reason = "reads the settings once they are wired")]
    pub(crate) fn settings(&self) -> String {
        String::new()
    }
}

/// Standard input as a file of the given name.
fn read_stdin(name: Option<&Path>) -> Result<SourceFile, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Failure::Stdin(e.into()))?;
    SourceFile::from_bytes(name.unwrap_or(Path::new("-")).to_path_buf(), bytes).map_err(Failure::Stdin)
}

/// Writes changed files, all of them or those that can be; what could not be is handed back.
pub(crate) fn save(_changes: &[Change]) -> Vec<FileError> {
    Vec::new()
}

/// Takes back what the last run wrote. Hands back the files that are as they were, or why that cannot be.
#[allow(clippy::unnecessary_wraps, reason = "the journal can be missing or stale once it is wired")]
pub(crate) fn take_back() -> Result<Vec<PathBuf>, Failure> {
    Ok(Vec::new())
}
