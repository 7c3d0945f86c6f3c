//! What git says has changed since a revision: whole files it does not know, and lines of those it does.
//!
//! The command is asked, so that its configuration, attributes and index formats are its own business; options that would
//! change the form of what it prints are given explicitly.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::finding::Finding;
use crate::source::{SourceFile, Span};

/// Why git cannot tell.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program is missing or does not start.
    #[error("cannot run git: {0}")]
    Run(#[source] io::Error),
    /// No repository here.
    #[error("{0} is not in a git repository, so nothing can be said to have changed since a revision")]
    NoRepository(String),
    /// No such revision.
    #[error("git knows no revision `{0}` here; in a shallow clone, fetch it first")]
    NoRevision(String),
    /// Histories that do not meet.
    #[error("`{0}` and the current commit have no common ancestor here; in a shallow clone, fetch more history")]
    NoAncestor(String),
    /// Anything else.
    #[error("`git {command}` failed: {message}")]
    Failed {
        /// What was asked.
        command: String,
        /// What git said.
        message: String,
    },
}

/// What has changed since a revision.
#[derive(Debug)]
pub struct Changed {
    /// The top of the working tree.
    top: PathBuf,
    /// Files that git knows, below the top.
    tracked: HashSet<PathBuf>,
    /// Hunks by file.
    hunks: HashMap<PathBuf, Vec<Hunk>>,
}

/// Lines of the new text, from 0, the end exclusive; empty where lines were only taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hunk {
    start: usize,
    end: usize,
}

impl Hunk {
    /// Whether it reaches the lines `first` to `last`. A place where lines were taken out lies between two lines.
    const fn reaches(self, first: usize, last: usize) -> bool {
        if self.start == self.end { first < self.start && self.start <= last } else { self.start <= last && first < self.end }
    }
}

impl Changed {
    /// Compares the working tree with the point at which the current commit left `revision`: what others did there since
    /// is no change of one's own.
    ///
    /// # Errors
    /// When there is no git, no repository, or no such revision.
    pub fn since(revision: &str, folder: &Path) -> Result<Self, GitError> {
        let git = Git { folder: folder.to_path_buf() };
        let top = git.line(&["rev-parse", "--show-toplevel"]).map_err(|e| match e {
            GitError::Failed { .. } => GitError::NoRepository(folder.display().to_string()),
            e => e,
        })?;
        let git = Git { folder: top };
        let commit = format!("{revision}^{{commit}}");
        let commit = git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]);
        let commit = commit.map_err(|_| GitError::NoRevision(revision.to_owned()))?;
        let commit = commit.to_string_lossy().into_owned();
        let base = git.line(&["merge-base", &commit, "HEAD"]).map_err(|_| GitError::NoAncestor(revision.to_owned()))?;
        let base = base.to_string_lossy().into_owned();
        let tracked = paths(&git.ask(&["ls-files", "-z"])?).collect();
        let diff = |more: &[&str]| {
            let form = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--ignore-submodules", "-M"];
            git.ask(&[&form, more, &[&base, "--"]].concat())
        };
        let names = paths(&diff(&["--name-only", "-z"])?).collect::<Vec<_>>();
        let patch = diff(&["--patch", "--unified=0", "--inter-hunk-context=0"])?;
        // Names in a patch may be quoted and have prefixes; those of the list come plain and in the same order.
        let patches = hunks(&patch);
        if patches.len() != names.len() {
            let message = format!("it lists {} files and shows {}", names.len(), patches.len());
            return Err(GitError::Failed { command: "diff".to_owned(), message });
        }
        Ok(Self { top: git.folder, tracked, hunks: names.into_iter().zip(patches).collect() })
    }

    /// Whether a finding is in what has changed: on its own lines, or on those that its fix would change, where the number
    /// at fault may stand.
    ///
    /// `source` hands out the text of a file that a fix reaches into.
    pub fn touches<'a>(&self, finding: &'a Finding, source: impl Fn(&Path) -> Option<&'a SourceFile>) -> bool {
        self.reaches(&finding.file, &finding.source, finding.span)
            || finding
                .fix
                .iter()
                .flat_map(|fix| &fix.edits)
                .any(|edit| source(&edit.file).is_some_and(|source| self.reaches(&edit.file, source, edit.span)))
    }

    fn reaches(&self, file: &Path, source: &SourceFile, span: Span) -> bool {
        // Links in the path to the repository are resolved by git, and only there.
        let folder = file.parent().and_then(|dir| dir.canonicalize().ok());
        let real = folder.zip(file.file_name()).map(|(dir, name)| dir.join(name));
        let Some(name) = real.as_deref().unwrap_or(file).strip_prefix(&self.top).ok().filter(|n| self.tracked.contains(*n))
        else {
            return true;
        };
        // Only LF ends a line for git.
        let line =
            |end: u32| memchr::memchr_iter(b'\n', source.text().as_bytes().get(..end as usize).unwrap_or_default()).count();
        let (first, last) = (line(span.start), line(span.end.max(span.start + 1) - 1));
        self.hunks.get(name).is_some_and(|hunks| hunks.iter().any(|hunk| hunk.reaches(first, last)))
    }
}

struct Git {
    folder: PathBuf,
}

impl Git {
    fn ask(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let Output { status, stdout, stderr } = Command::new("git")
            .args(args)
            .current_dir(&self.folder)
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .stdin(Stdio::null())
            .output()
            .map_err(GitError::Run)?;
        if status.success() {
            return Ok(stdout);
        }
        let message = String::from_utf8_lossy(&stderr).lines().next().unwrap_or("it says nothing").to_owned();
        Err(GitError::Failed { command: args.first().copied().unwrap_or_default().to_owned(), message })
    }

    /// A single line of output, as a path or a name.
    fn line(&self, args: &[&str]) -> Result<PathBuf, GitError> {
        let mut out = self.ask(args)?;
        while out.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            out.pop();
        }
        Ok(path(out))
    }
}

/// Paths that end with NUL each.
fn paths(bytes: &[u8]) -> impl Iterator<Item = PathBuf> {
    bytes.split(|&b| b == 0).filter(|part| !part.is_empty()).map(|part| path(part.to_vec()))
}

#[cfg(unix)]
fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(<OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes))
}

#[cfg(not(unix))]
fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The hunks of each file of a patch without context.
fn hunks(patch: &[u8]) -> Vec<Vec<Hunk>> {
    let mut out: Vec<Vec<Hunk>> = Vec::new();
    for line in patch.split(|&b| b == b'\n') {
        // Lines of files start with `+`, `-` or `\`.
        if line.starts_with(b"diff --git ") {
            out.push(Vec::new());
        } else if let (Some(hunk), Some(file)) = (hunk(line), out.last_mut()) {
            file.push(hunk);
        }
    }
    out
}

/// The new side of `@@ -1,2 +3,4 @@`.
fn hunk(line: &[u8]) -> Option<Hunk> {
    let ranges = line.strip_prefix(b"@@ ")?.split(|&b| b == b'@').next()?;
    let line = std::str::from_utf8(ranges).ok()?;
    let new = line.split_whitespace().find_map(|part| part.strip_prefix('+'))?;
    let (start, count) = new.split_once(',').unwrap_or((new, "1"));
    let (start, count): (usize, usize) = (start.parse().ok()?, count.parse().ok()?);
    // With no line of its own, the hunk stands after the line it names.
    Some(if count == 0 { Hunk { start, end: start } } else { Hunk { start: start.checked_sub(1)?, end: start - 1 + count } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_are_read_as_git_writes_them() {
        let patch = b"diff --git a/a b/a\nindex 1..2\n--- a/a\n+++ b/a\n@@ -1 +1 @@ def f():\n-x\n+y\n@@ -5,2 +4,0 @@\n-p\n-q\n@@ -9,0 +9,3 @@\n+@@ -1 +1 @@\n+diff --git\n+r\n\
            diff --git a/bin b/bin\nBinary files differ\n";
        let hunk = |start, end| Hunk { start, end };
        assert_eq!(hunks(patch), [vec![hunk(0, 1), hunk(4, 4), hunk(8, 11)], vec![]]);
    }

    #[test]
    fn a_place_where_lines_were_taken_out_lies_between_two() {
        let gone = Hunk { start: 4, end: 4 };
        assert!(gone.reaches(3, 4) && !gone.reaches(4, 5) && !gone.reaches(2, 3));
        let new = Hunk { start: 4, end: 6 };
        assert!(new.reaches(5, 9) && new.reaches(0, 4) && !new.reaches(6, 7) && !new.reaches(0, 3));
    }
}
