//! What outlives a review, in the project's `.testdiet/`:
//!
//! * `review.jsonl`, a line for each decision, on the disk before the next key is read. A review that is killed loses nothing:
//!   the next one offers to go on with it. Texts are kept whole and each with a hash of the file it was made for, so that
//!   nothing is ever put into a file that was changed since.
//! * `rejected.json`, the fingerprints of what was rejected in reviews that were ended with `q`.
//!
//! Both hold paths and texts of the project and nothing else. A planted one gets no further than the review itself does: only
//! files that are looked at are heeded, and nothing is written before a person says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use super::moment::Tally;
use super::state::Kept;
use crate::fingerprint::Fingerprint;
use crate::rules::Code;
use crate::source::SourceFile;
use crate::write::{FOLDER, Name, own_folder};

/// Why decisions cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The system refused.
    #[error("decisions cannot be kept in {path}: {error}", path = path.display())]
    Io {
        /// What could not be read or written.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It was written by somebody else.
    #[error("{path} is damaged ({error}); remove it to be asked again about what was rejected", path = path.display())]
    Damaged {
        /// What could not be understood.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
    /// Another review of the project is on.
    #[error("another `testdiet review` is on in {}; end it first", .0.display())]
    Busy(PathBuf),
}

/// Of the format of `review.jsonl`.
const VERSION: u32 = 1;

/// What one decision changed.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Line {
    version: u32,
    files: Vec<Wanted>,
    /// Files that were changed together.
    together: Vec<Vec<Name>>,
    /// Whether something is rejected from here on.
    rejected: BTreeMap<Fingerprint, bool>,
    /// All that was taken so far.
    applied: BTreeMap<String, usize>,
    suppressed: usize,
}

/// A file as it shall be.
#[derive(Debug, Serialize, Deserialize)]
struct Wanted {
    path: Name,
    /// Of the bytes that are to be replaced.
    hash: String,
    /// `None`: as it is.
    text: Option<String>,
}

/// The decisions of the review that is on.
#[derive(Debug)]
pub struct Memory {
    root: PathBuf,
    path: PathBuf,
    /// Locked until dropped, where the file system knows locks.
    file: File,
    kept: Kept,
}

fn session(root: &Path) -> PathBuf {
    root.join(FOLDER).join("review.jsonl")
}

fn rejections(root: &Path) -> PathBuf {
    root.join(FOLDER).join("rejected.json")
}

/// What earlier reviews have rejected.
///
/// # Errors
/// When it cannot be read.
pub fn rejected(root: &Path) -> Result<BTreeSet<Fingerprint>, MemoryError> {
    let path = rejections(root);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| MemoryError::Damaged { path, error }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(MemoryError::Io { path, error }),
    }
}

/// Whether a review was killed, or is on.
#[must_use]
pub fn is_unfinished(root: &Path) -> bool {
    fs::metadata(session(root)).is_ok_and(|meta| meta.len() > 0)
}

impl Memory {
    /// Opens it for one review.
    ///
    /// # Errors
    /// When another review has it, or it cannot be written.
    pub fn open(root: &Path) -> Result<Self, MemoryError> {
        let path = session(root);
        let failed = |error| MemoryError::Io { path: path.clone(), error };
        own_folder(root).map_err(|(path, error)| MemoryError::Io { path, error })?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(MemoryError::Busy(root.to_path_buf())),
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        Ok(Self { root: root.to_path_buf(), path, file, kept: Kept::default() })
    }

    /// What a killed review has left, and the files whose part of it no longer holds: those changed since, and those that
    /// were changed together with them. `mine` says whether a file is one that this review looks at.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn unfinished(&mut self, mine: impl Fn(&Path) -> bool) -> Result<(Kept, Vec<PathBuf>), MemoryError> {
        let mut text = Vec::new();
        self.file.read_to_end(&mut text).map_err(|error| MemoryError::Io { path: self.path.clone(), error })?;
        let mut files: BTreeMap<PathBuf, Wanted> = BTreeMap::new();
        let mut kept = Kept::default();
        let place = |name: &Name| name.path().map(|p| self.root.join(p)).filter(|p| mine(p));
        // A line that was not written to its end is the decision that was lost with the key.
        for line in text.split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n")) {
            let Ok(line) = serde_json::from_slice::<Line>(line) else { continue };
            if line.version != VERSION {
                continue;
            }
            for text in line.files {
                if let Some(path) = place(&text.path) {
                    files.insert(path, text);
                }
            }
            kept.together.extend(line.together.iter().map(|set| set.iter().filter_map(place).collect()));
            for (fingerprint, rejected) in line.rejected {
                if rejected {
                    kept.rejected.insert(fingerprint)
                } else {
                    kept.rejected.remove(&fingerprint)
                };
            }
            let applied = line.applied.into_iter().map(|(code, n)| (Code::custom(code), n)).collect();
            kept.tally = Tally { applied, suppressed: line.suppressed };
        }
        let mut stale: BTreeSet<PathBuf> = BTreeSet::new();
        for (path, text) in files {
            let Some(new) = text.text else { continue };
            match SourceFile::read(&path) {
                // The last moments of a review that was killed while it wrote.
                Ok(disk) if disk.text() == new => {}
                Ok(disk) if hash(&disk) == Some(text.hash) => {
                    let disk = Arc::new(disk);
                    let new = Arc::new(disk.with_text(new));
                    kept.texts.insert(path, (disk, new));
                }
                _ => _ = stale.insert(path),
            }
        }
        loop {
            let torn = kept.together.iter().filter(|set| !set.is_disjoint(&stale)).flatten();
            let more: Vec<PathBuf> = torn.filter(|p| !stale.contains(*p) && kept.texts.contains_key(*p)).cloned().collect();
            if more.is_empty() {
                break;
            }
            stale.extend(more);
        }
        kept.texts.retain(|path, _| !stale.contains(path));
        if !stale.is_empty() || kept.texts.is_empty() {
            // How much of what was taken is left cannot be told.
            kept.tally = Tally::default();
        }
        if kept.texts.is_empty() {
            kept.together.clear();
        }
        if kept.texts.is_empty() {
            kept.together.clear();
        }
        self.kept = kept.clone();
        Ok((kept, stale.into_iter().collect()))
    }

    /// Keeps what was decided, on the disk before this returns. Costs what the last decision has changed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&mut self, now: &Kept) -> Result<(), MemoryError> {
        if *now == self.kept {
            return Ok(());
        }
        let old = &self.kept;
        let mut line = Line { version: VERSION, suppressed: now.tally.suppressed, ..Line::default() };
        line.applied = now.tally.applied.iter().map(|(code, n)| (code.as_str().to_owned(), *n)).collect();
        for (path, (disk, text)) in &now.texts {
            let same = |(a, b): &(Arc<SourceFile>, Arc<SourceFile>)| a.text() == disk.text() && b.text() == text.text();
            if !old.texts.get(path).is_some_and(same) {
                let hash = hash(disk).unwrap_or_default();
                line.files.push(Wanted { path: Name::new(path, &self.root), hash, text: Some(text.text().to_owned()) });
            }
        }
        for path in old.texts.keys().filter(|path| !now.texts.contains_key(*path)) {
            line.files.push(Wanted { path: Name::new(path, &self.root), hash: String::new(), text: None });
        }
        let names = |set: &BTreeSet<PathBuf>| set.iter().map(|p| Name::new(p, &self.root)).collect();
        line.together = now.together.difference(&old.together).map(names).collect();
        line.rejected.extend(now.rejected.difference(&old.rejected).map(|f| (*f, true)));
        line.rejected.extend(old.rejected.difference(&now.rejected).map(|f| (*f, false)));
        let failed = |error| MemoryError::Io { path: self.path.clone(), error };
        let mut bytes = serde_json::to_vec(&line).map_err(|e| failed(e.into()))?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).and_then(|()| self.file.sync_data()).map_err(failed)?;
        self.kept = now.clone();
        Ok(())
    }

    /// The review is over and its files are written: what is rejected now adds to what was, but for what was decided on
    /// `again`; the rest is forgotten.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self, again: &BTreeSet<Fingerprint>, now: &BTreeSet<Fingerprint>) -> Result<(), MemoryError> {
        let before = rejected(&self.root)?;
        let all: BTreeSet<Fingerprint> = before.difference(again).chain(now).copied().collect();
        if all != before {
            let path = rejections(&self.root);
            let write = || {
                let mut file = tempfile::NamedTempFile::new_in(self.root.join(FOLDER))?;
                serde_json::to_writer(&mut file, &all)?;
                file.as_file().sync_data()?;
                file.persist(&path).map_err(|e| e.error)
            };
            write().map_err(|error| MemoryError::Io { path: path.clone(), error })?;
        }
        self.forget()
    }

    /// Forgets all decisions.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget(&mut self) -> Result<(), MemoryError> {
        self.kept = Kept::default();
        self.file.set_len(0).map_err(|error| MemoryError::Io { path: self.path.clone(), error })
    }
}

/// Of the bytes of a file; `None` when it has no bytes, its text being none of its encoding.
fn hash(source: &SourceFile) -> Option<String> {
    Some(format!("{:032x}", XxHash3_128::oneshot(&source.encode()?)))
}
