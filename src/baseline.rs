//! Findings that are known and put up with: a baseline file, by [`Fingerprint`], so that a suite can keep from getting worse
//! before it gets better.
//!
//! The file is made for reviews: one line a finding, in order, with the path, the rule and what it said when it was written.
//! Only the fingerprint counts when it is read.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::fingerprint::{self, Fingerprint};

/// The form of the file.
const VERSION: u32 = 1;

/// A baseline.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    known: BTreeMap<Fingerprint, Known>,
}

/// A finding as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The file, from the top of the project.
    pub path: String,
    /// The rule.
    pub rule: String,
    fingerprint: Fingerprint,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    findings: Vec<Known>,
}

/// Why a file is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// Damaged, or something else.
    #[error("it is not a baseline: {0}; to write one in its place, remove it first")]
    Syntax(#[from] serde_json::Error),
    /// Written by a testdiet to come.
    #[error("it is of version {0}, which this testdiet does not read; to write one in its place, remove it first")]
    Version(u32),
}

/// How findings compare with a baseline.
#[derive(Debug, Default)]
pub struct Compared {
    /// For each finding, whether the baseline knows it.
    pub known: Vec<bool>,
    /// What the baseline knows and is found no more.
    pub gone: Vec<Known>,
}

/// What a run looked at: only of this can it be said that a finding is gone.
pub struct Scope<'a> {
    /// The top of the project.
    pub root: &'a Path,
    /// Files that were looked at, from the top of the project.
    pub files: &'a HashSet<String>,
    /// Whether a rule was looked for in a file.
    pub enabled: &'a dyn Fn(&str, &str) -> bool,
}

impl Scope<'_> {
    /// A file that is no longer there has no findings either.
    fn covers(&self, known: &Known) -> bool {
        if self.files.contains(&known.path) {
            (self.enabled)(&known.path, &known.rule)
        } else {
            !self.root.join(&known.path).exists()
        }
    }
}

impl Baseline {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let file: File = serde_json::from_str(text)?;
        if file.version != VERSION {
            return Err(BaselineError::Version(file.version));
        }
        Ok(Self { known: file.findings.into_iter().map(|known| (known.fingerprint, known)).collect() })
    }

    /// Which findings are known, and which known ones are gone.
    #[must_use]
    pub fn compare(&self, findings: &[Finding], scope: &Scope<'_>) -> Compared {
        let prints = fingerprint::of(findings, scope.root);
        let found: BTreeSet<&Fingerprint> = prints.iter().collect();
        let gone = self.known.values().filter(|known| !found.contains(&known.fingerprint) && scope.covers(known)).cloned();
        Compared { gone: gone.collect(), known: prints.iter().map(|print| self.known.contains_key(print)).collect() }
    }

    /// The baseline that knows these findings, and of the files that were not looked at what this one knows.
    #[must_use]
    pub fn renewed(&self, findings: &[Finding], scope: &Scope<'_>) -> Self {
        let mut known: BTreeMap<Fingerprint, Known> =
            self.known.iter().filter(|(_, known)| !scope.covers(known)).map(|(print, known)| (*print, known.clone())).collect();
        for (finding, fingerprint) in findings.iter().zip(fingerprint::of(findings, scope.root)) {
            let path = fingerprint::name(&finding.file, scope.root);
            let (rule, message) = (finding.code.to_string(), finding.message.clone());
            known.insert(fingerprint, Known { path, rule, fingerprint, message });
        }
        Self { known }
    }

    /// How many findings it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The text of the file: JSON, a line a finding, so that a difference shows which came and went.
    #[must_use]
    pub fn text(&self) -> String {
        let known: BTreeSet<&Known> = self.known.values().collect();
        let mut out = format!("{{\n  \"version\": {VERSION},\n  \"findings\": [");
        for (i, known) in known.into_iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            // A structure of texts is always JSON.
            _ = write!(out, "{comma}\n    {}", serde_json::to_string(known).unwrap_or_default());
        }
        out.push_str(if self.known.is_empty() { "]\n}\n" } else { "\n  ]\n}\n" });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{finding, several};

    fn scope<'a>(files: &'a HashSet<String>, enabled: &'a dyn Fn(&str, &str) -> bool) -> Scope<'a> {
        Scope { root: Path::new("/work"), files, enabled }
    }

    #[test]
    fn a_baseline_is_what_is_read_back() {
        let files = HashSet::new();
        let all = Baseline::default().renewed(&several().findings, &scope(&files, &|_, _| true));
        assert_eq!((all.len(), Baseline::parse(&all.text()).unwrap()), (4, all));
        let none = Baseline::default();
        assert_eq!(Baseline::parse(&none.text()).unwrap(), none);
        for (text, says) in [
            ("", "it is not a baseline: EOF"),
            ("{}", "missing field `version`"),
            ("{\"version\": 2, \"findings\": []}", "it is of version 2"),
            ("{\"version\": 1, \"findings\": [{\"fingerprint\": \"x\"}]}", "`x` is not a fingerprint"),
        ] {
            let told = Baseline::parse(text).unwrap_err().to_string();
            assert!(told.contains(says) && told.ends_with("; to write one in its place, remove it first"), "{told}");
        }
    }

    #[test]
    fn only_what_was_looked_at_can_be_gone() {
        let in_file = |name: &str| finding(&format!("/work/{name}"), "sleep(2)\n", "sleep(2)");
        let old = [in_file("a.py"), in_file("b.py"), in_file("Cargo.toml")];
        let files: HashSet<String> = ["a.py", "b.py"].map(str::to_owned).into();
        let baseline = Baseline::default().renewed(&old, &scope(&files, &|_, _| true));
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let gone = |enabled: &dyn Fn(&str, &str) -> bool, looked: &[&str]| {
            let files: HashSet<String> = looked.iter().map(|&f| f.to_owned()).collect();
            let scope = Scope { root: manifest, files: &files, enabled };
            baseline.compare(&[], &scope).gone.iter().map(|k| k.path.clone()).collect::<Vec<_>>()
        };
        // There is a Cargo.toml below the root; it was not looked at. The others do not exist.
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        assert_eq!(sorted(gone(&|_, _| true, &["a.py"])), ["a.py", "b.py"]);
        assert_eq!(sorted(gone(&|_, _| false, &["a.py"])), ["b.py"]);
        assert_eq!(
            sorted(gone(&|_, rule| rule == "long-sleep", &["a.py", "b.py", "Cargo.toml"])),
            ["Cargo.toml", "a.py", "b.py"]
        );
    }
}
