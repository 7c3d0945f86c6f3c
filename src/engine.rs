//! Runs the pipeline over a project: once for `check`, to a fixpoint for `fix`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::edit::Applicability;
use crate::finding::{Cost, Finding};
use crate::rules::Code;
use crate::source::SourceFile;

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
}

/// What one file costs.
#[derive(Debug, Clone)]
pub struct FileTotal {
    /// The file, as findings name it.
    pub file: Arc<PathBuf>,
    /// Its suite's root folder.
    pub suite: Arc<PathBuf>,
    /// Sum over its tests; `bytes` is the largest one.
    pub cost: Cost,
    /// Its tests.
    pub tests: Vec<TestTotal>,
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
#[derive(Debug, Default)]
pub struct Checked {
    /// Findings by file, then offset, then rule.
    pub findings: Vec<Finding>,
    /// Costs of the files that have any.
    pub totals: Vec<FileTotal>,
    /// Number of files looked at.
    pub files: usize,
    /// Files that could not be read.
    pub errors: Vec<FileError>,
    /// Files that fixes reach into, findings or not: reports say where their edits are.
    pub sources: BTreeMap<Arc<PathBuf>, Arc<SourceFile>>,
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
    /// What was there before any fix (for the totals' "before").
    pub before: Checked,
    /// What is left once the changes are written.
    pub after: Checked,
}

/// What a run works on. A stub: discovery and settings are wired here.
#[derive(Debug, Default)]
pub struct Project {}

/// Looks at every file once.
#[must_use]
pub fn check(_project: &Project) -> Checked {
    Checked::default()
}

/// Fixes to a fixpoint, in memory.
#[must_use]
pub fn fix(_project: &Project, _level: Applicability) -> Fixed {
    Fixed::default()
}
