//! Patterns of files and folders, as ruff understands them: one without a slash is held against names at any depth, and
//! every one against paths below the folder it belongs to. `*` also crosses slashes.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

use globset::{Glob, GlobMatcher, GlobSet, GlobSetBuilder};

use super::{ConfigError, Place};
use crate::rules::Code;

/// What is left out unless `exclude` says otherwise: ruff's list, and the folder of our own journal.
pub(super) const EXCLUDED: &[&str] = &[
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".git-rewrite",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".testdiet",
    ".tox",
    ".venv",
    ".vscode",
    "__pycache__",
    "__pypackages__",
    "_build",
    "_testdiet.py",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
];

/// Any number of patterns.
#[derive(Debug, Clone, Default)]
pub(super) struct Patterns {
    /// Plain names, which are most.
    literal: HashSet<OsString>,
    names: GlobSet,
    paths: GlobSet,
}

/// A pattern with the folder it is relative to and where it was written.
pub(super) struct Written<'a> {
    pub pattern: &'a str,
    pub base: &'a Path,
    pub place: &'a Place,
}

impl Patterns {
    /// Plain names.
    pub fn names(names: &[&str]) -> Self {
        Self { literal: names.iter().map(OsString::from).collect(), ..Self::default() }
    }

    /// Compiles patterns.
    pub fn new<'a>(patterns: impl IntoIterator<Item = Written<'a>>) -> Result<Self, ConfigError> {
        let mut literal = HashSet::new();
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        let mut last = None;
        for written in patterns {
            let pattern = tidy(written.pattern);
            if !pattern.contains(['*', '?', '[', ']', '{', '}', '\\', '/']) {
                literal.insert(OsString::from(pattern));
                continue;
            }
            if !pattern.contains('/') {
                names.add(glob(pattern, &written)?);
            }
            paths.add(glob(&below(written.base, pattern), &written)?);
            last = Some(written);
        }
        let built = |set: GlobSetBuilder| {
            set.build().map_err(|e| {
                // Each pattern compiled alone, so only their number can be too much.
                let glob = last.as_ref().map_or_else(String::new, |w| w.pattern.to_owned());
                let place = last.as_ref().map_or(Place { origin: String::new(), line: None }, |w| w.place.clone());
                ConfigError::Glob { place, glob, message: e.to_string() }
            })
        };
        Ok(Self { literal, names: built(names)?, paths: built(paths)? })
    }

    /// Whether a path, or its name, is one of those meant.
    pub fn matches(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| self.literal.contains(name) || self.names.is_match(name))
            || (!self.paths.is_empty() && self.paths.is_match(path))
    }
}

/// Rules that some files are spared.
#[derive(Debug, Clone)]
pub(super) struct Ignored {
    /// As written, for `--show-settings`.
    pub pattern: String,
    pub codes: BTreeSet<Code>,
    /// `!pattern`: all other files.
    negated: bool,
    name: Option<GlobMatcher>,
    path: GlobMatcher,
}

impl Ignored {
    pub fn new(written: &Written<'_>, codes: BTreeSet<Code>) -> Result<Self, ConfigError> {
        let (negated, pattern) = match written.pattern.strip_prefix('!') {
            Some(rest) => (true, tidy(rest)),
            None => (false, tidy(written.pattern)),
        };
        let name = if pattern.contains('/') { None } else { Some(glob(pattern, written)?.compile_matcher()) };
        let path = glob(&below(written.base, pattern), written)?.compile_matcher();
        Ok(Self { pattern: written.pattern.to_owned(), codes, negated, name, path })
    }

    pub fn applies(&self, code: &Code, path: &Path) -> bool {
        self.codes.contains(code) && self.negated != self.matches(path)
    }

    fn matches(&self, path: &Path) -> bool {
        self.path.is_match(path)
            || path.file_name().is_some_and(|name| self.name.as_ref().is_some_and(|glob| glob.is_match(name)))
    }
}

fn glob(pattern: &str, written: &Written<'_>) -> Result<Glob, ConfigError> {
    Glob::new(pattern).map_err(|e| ConfigError::Glob {
        place: written.place.clone(),
        glob: written.pattern.to_owned(),
        message: e.kind().to_string(),
    })
}

/// `./tests/` means `tests`.
fn tidy(pattern: &str) -> &str {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    pattern.strip_suffix('/').filter(|p| !p.is_empty()).unwrap_or(pattern)
}

/// The pattern of paths below a folder. The folder's own name is no pattern, whatever it contains.
fn below(base: &Path, pattern: &str) -> String {
    if Path::new(pattern).is_absolute() {
        return pattern.to_owned();
    }
    let mut base = base.to_string_lossy().into_owned();
    if cfg!(windows) {
        base = base.replace('\\', "/");
    }
    format!("{}/{pattern}", globset::escape(base.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(all: &[&str]) -> Result<Patterns, ConfigError> {
        let place = Place { origin: "t".into(), line: Some(3) };
        let written = all.iter().map(|pattern| Written { pattern, base: Path::new("/a/[b]"), place: &place });
        Patterns::new(written)
    }

    #[test]
    fn names_match_at_any_depth_and_paths_from_their_folder() {
        let p = patterns(&["build", "*.gen.py", "tests/data/", "./x/*", "/abs/t.py"]).unwrap();
        for hit in ["/a/[b]/build", "/z/build", "/a/b/c.gen.py", "/a/[b]/tests/data", "/a/[b]/x/y/z.py", "/abs/t.py"] {
            assert!(p.matches(Path::new(hit)), "{hit}");
        }
        for miss in ["/a/[b]/builds", "/a/b/tests/data", "/q/tests/data", "/a/[b]/tests/data2"] {
            assert!(!p.matches(Path::new(miss)), "{miss}");
        }
    }

    #[test]
    fn a_bad_pattern_is_named_with_its_place() {
        let error = patterns(&["ok", "a[b"]).unwrap_err().to_string();
        assert_eq!(error, "t:3: `a[b` is not a valid pattern: unclosed character class; missing ']'");
    }

    #[test]
    fn an_ignore_can_be_turned_round() {
        let place = Place { origin: "t".into(), line: None };
        let written = Written { pattern: "!tests/**", base: Path::new("/p"), place: &place };
        let code = Code::new("long-sleep");
        let ignored = Ignored::new(&written, BTreeSet::from([code.clone()])).unwrap();
        assert!(ignored.applies(&code, Path::new("/p/src/a.py")));
        assert!(!ignored.applies(&code, Path::new("/p/tests/a.py")));
    }
}
