//! What a rule says about a place in a file: [`Finding`], with its [`Cost`] and, where there is one, its fix.

use std::path::PathBuf;
use std::sync::Arc;

use crate::edit::Fix;
use crate::rules::Code;
use crate::source::{SourceFile, Span};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something testdiet noticed; not a fault of the test.
    Info,
    /// A test over its budget.
    Warning,
    /// Something that can hang or crash a run.
    Error,
}

/// What a place costs each time the test it belongs to runs.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Cost {
    /// Seconds asleep.
    pub sleep_s: f64,
    /// Threads and processes started.
    pub threads: u64,
    /// Largest allocation, in bytes.
    pub bytes: u64,
    /// Iterations of loops.
    pub iterations: u64,
}

/// One thing found at one place.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// The rule that says it; also names the suppression and the JSON `code`.
    pub code: Code,
    /// One sentence, no full stop, with the figures.
    pub message: String,
    /// How much it matters.
    pub severity: Severity,
    /// The file it is in, kept for positions and excerpts.
    #[serde(skip, default = "SourceFile::absent")]
    pub source: Arc<SourceFile>,
    /// The file's path, shared with edits.
    pub file: Arc<PathBuf>,
    /// Where.
    pub span: Span,
    /// The pytest node id of the test it belongs to (the worst one, when several).
    pub test: Option<String>,
    /// What it costs.
    pub cost: Cost,
    /// The rewrite, where there is one.
    pub fix: Option<Fix>,
    /// Why there is no rewrite.
    pub declined: Option<String>,
}
