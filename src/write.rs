//! The only place that writes users' files.
//!
//! What it promises:
//!
//! * A file that is not, byte for byte, what was read is not written, and then nothing of the run is.
//! * A run is written whole or not at all. All new contents lie on the disk before the first file is replaced, so a full
//!   disk shows while nothing is lost yet; a failure after that puts the old contents back.
//! * A process killed at any moment leaves every file whole, old or new: contents go to a temporary file beside the
//!   target, which then takes its place. A file with several hard links cannot be replaced without tearing them apart; it
//!   is written in place, its old bytes safe in the journal before. [`recover`], run at every start, undoes what a killed
//!   run left half-done.
//! * Mode and links stay, owner and group where the system permits.
//! * [`undo`] takes back the last run whole, or tells which files were edited since.
//!
//! All of this rests on the journal in `.testdiet/` ([`journal`]); where none can be kept, nothing is written.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::engine::Change;

mod journal;
mod replace;

use journal::{Entry, Journal, Run};
use replace::{Prepared, Step};

pub(crate) use journal::Name;
pub use journal::{FOLDER, Past, own_folder};

/// What a run wrote.
#[derive(Debug, Default)]
pub struct Written {
    /// The files that changed, as the changes name them.
    pub files: Vec<PathBuf>,
    /// What an earlier, killed run had left to repair.
    pub recovered: Recovered,
}

/// What repairing a killed run did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The command that was killed; `None` when none was.
    pub command: Option<String>,
    /// Files put back to what they were before it.
    pub restored: Vec<PathBuf>,
    /// Files edited since, and so left alone. What a file written in place held before was saved; then it says where.
    pub kept: Vec<(PathBuf, Option<PathBuf>)>,
}

/// What was taken back.
#[derive(Debug)]
pub struct Undone {
    /// The command that had written.
    pub command: String,
    /// When, in seconds since 1970.
    pub time: u64,
    /// The files that are as they were before.
    pub files: Vec<PathBuf>,
}

/// Why one file is not written.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// Somebody wrote it meanwhile.
    #[error("it changed since it was read; run the command again")]
    Stale,
    /// It was removed meanwhile.
    #[error("it is gone since it was read; run the command again")]
    Gone,
    /// It exists, but was to be created.
    #[error("it exists already")]
    Exists,
    /// Its mode says that nobody should.
    #[error("it is read-only; make it writable or leave it out with --exclude")]
    ReadOnly,
    /// A folder, a pipe, a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// The new text has characters that its encoding lacks.
    #[error("the new text has characters that its encoding does not have; save the file as UTF-8")]
    Encoding,
    /// Two changes want it to be two things.
    #[error("two paths lead to it, with different changes; name only one of them")]
    Twice,
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A file that is not written.
#[derive(Debug)]
pub struct Refusal {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why nothing, or not all, was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Some files cannot be written, so none was.
    #[error("nothing was written: {}", refused(.0))]
    Refused(Vec<Refusal>),
    /// The journal cannot be kept.
    #[error("nothing was written, because there would be no way to undo: {path} cannot be used: {error}", path = path.display())]
    Journal {
        /// What could not be read or written.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process is writing.
    #[error("another testdiet is writing in {}; wait for it to end", .0.display())]
    Busy(PathBuf),
    /// A file could not be written; all files are as before.
    #[error("nothing was written, because {path} could not be: {error}", path = path.display())]
    Failed {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file could not be written, nor could all files written before it be put back.
    #[error(
        "{path} could not be written: {error}; {count} written before it could not be put back either: {written}; they are \
         put back at the next start",
        path = path.display(), count = written.len(), written = listed(written)
    )]
    Partly {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
        /// Files that hold the new contents.
        written: Vec<PathBuf>,
        /// Files that hold the old contents.
        not_written: Vec<PathBuf>,
    },
    /// There is nothing to take back.
    #[error("there is nothing to undo in {}", .0.display())]
    NothingToUndo(PathBuf),
    /// Files were edited since, so nothing is taken back.
    #[error("nothing was undone: edited since `{command}` wrote them: {files}", files = listed(files))]
    Edited {
        /// The command that had written.
        command: String,
        /// Which.
        files: Vec<PathBuf>,
    },
}

fn refused(refusals: &[Refusal]) -> String {
    let one = |r: &Refusal| format!("{}: {}", r.path.display(), r.why);
    refusals.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Writes all changes of a run, or none. A change from an empty source without a stamp creates its file.
///
/// `root` is the project's ([`crate::config::Configuration::project_root`]), `command` what to call the run when it is
/// undone.
///
/// # Errors
/// When not everything could be written; the error says what was, which is nothing in all cases but one.
pub fn write_all(changes: &[Change], root: &Path, command: &str) -> Result<Written, WriteError> {
    let changes: Vec<&Change> =
        changes.iter().filter(|c| c.before.text() != c.after.text() || c.before.bom != c.after.bom).collect();
    if changes.is_empty() {
        return Ok(Written::default());
    }
    let journal = Journal::open(root)?;
    let recovered = recover_locked(&journal)?;
    let targets = targets(&changes)?;
    let folders = new_folders(&targets);
    let entries = targets.iter().map(|t| Entry { path: &t.path, old: t.old.as_deref(), new: &t.new, in_place: t.in_place });
    let run = journal.begin(command, &entries.collect::<Vec<_>>(), &folders)?;
    let steps = targets.into_iter().enumerate().map(|(i, t)| Step {
        temp: run.temp(&t.path, i),
        path: t.path,
        from: t.old,
        to: Some(t.new),
        in_place: t.in_place,
    });
    let outcome = create_folders(&folders).and_then(|()| carry_out(steps.collect()));
    match outcome {
        Ok(()) => {
            if let Err(error) = journal.commit(&run) {
                take_back(&run, &run.states())?;
                return Err(error);
            }
        }
        // Left pending: the next start tries again to put everything back.
        Err(error @ WriteError::Partly { .. }) => return Err(error),
        Err(error) => {
            remove_folders(&folders);
            journal.forget(&run);
            return Err(error);
        }
    }
    let files = changes.iter().map(|c| c.after.path.clone()).collect();
    Ok(Written { files, recovered })
}

/// Takes back the last run that was written and not taken back yet: whole, or not at all.
///
/// # Errors
/// When there is none, or when files were edited since.
pub fn undo(root: &Path) -> Result<Undone, WriteError> {
    if !Journal::exists(root) {
        return Err(WriteError::NothingToUndo(root.to_path_buf()));
    }
    let journal = Journal::open(root)?;
    recover_locked(&journal)?;
    let run = journal.last()?.ok_or_else(|| WriteError::NothingToUndo(root.to_path_buf()))?;
    let states = run.states();
    let edited: Vec<PathBuf> = states.iter().filter(|s| !matches!(s.now, Now::New(_))).map(|s| s.path.clone()).collect();
    if !edited.is_empty() {
        return Err(WriteError::Edited { command: run.command().to_owned(), files: edited });
    }
    let files = states.iter().map(|s| s.path.clone()).collect();
    // From here on a killed process is no different from one killed while writing: the next start takes back the rest.
    let run = journal.reopen(run)?;
    match take_back(&run, &states) {
        Ok(_) => {}
        Err(error @ WriteError::Partly { .. }) => return Err(error),
        Err(error) => {
            journal.commit(&run)?;
            return Err(error);
        }
    }
    let undone = Undone { command: run.command().to_owned(), time: run.time(), files };
    journal.forget(&run);
    Ok(undone)
}

/// Repairs what a killed run left half-done; to be called at every start. Costs next to nothing when there was none.
///
/// # Errors
/// When something has to be repaired and cannot be.
pub fn recover(root: &Path) -> Result<Recovered, WriteError> {
    if !Journal::needs_repair(root) {
        return Ok(Recovered::default());
    }
    match Journal::try_open(root)? {
        Some(journal) => recover_locked(&journal),
        // What is half-done is being done by another process.
        None => Ok(Recovered::default()),
    }
}

/// The runs that [`undo`] could take back one after the other, the last one first.
#[must_use]
pub fn history(root: &Path) -> Vec<Past> {
    journal::history(root)
}

fn recover_locked(journal: &Journal) -> Result<Recovered, WriteError> {
    let mut recovered = Recovered::default();
    for run in journal.pending()? {
        run.remove_temps();
        let states = run.states();
        recovered.restored.extend(take_back(&run, &states)?);
        for state in &states {
            if let Now::Other = state.now {
                let saved = state.in_place.then(|| journal.save(&run, state)).transpose()?;
                recovered.kept.push((state.path.clone(), saved));
            }
        }
        recovered.command = Some(run.command().to_owned());
        journal.forget(&run);
    }
    journal.sweep();
    Ok(recovered)
}

/// What a file of a run holds at present.
enum Now {
    /// What it held before the run.
    Old,
    /// What the run wrote; the bytes.
    New(Vec<u8>),
    /// Part of what the run was about to write in place; the bytes.
    Part(Vec<u8>),
    /// Something else: it was edited, removed or replaced since.
    Other,
}

/// A file of a run.
struct State {
    path: PathBuf,
    old: Option<Vec<u8>>,
    in_place: bool,
    now: Now,
}

/// Puts back the files of a run that hold what it wrote; tells which.
fn take_back(run: &Run, states: &[State]) -> Result<Vec<PathBuf>, WriteError> {
    let steps = states.iter().enumerate().filter_map(|(i, state)| match &state.now {
        Now::New(bytes) | Now::Part(bytes) => Some(Step {
            temp: run.temp(&state.path, i),
            path: state.path.clone(),
            from: Some(bytes.clone()),
            to: state.old.clone(),
            in_place: state.in_place && state.old.is_some(),
        }),
        Now::Old | Now::Other => None,
    });
    let steps: Vec<Step> = steps.collect();
    let restored = steps.iter().map(|s| s.path.clone()).collect();
    carry_out(steps)?;
    remove_folders(run.folders());
    Ok(restored)
}

/// Prepares everything, checks everything, replaces everything.
fn carry_out(steps: Vec<Step>) -> Result<(), WriteError> {
    let prepared = Prepared::new(steps)?;
    prepared.check()?;
    prepared.replace()
}

/// A file to be written, links resolved.
struct Target {
    path: PathBuf,
    /// `None` for a file that is created.
    old: Option<Vec<u8>>,
    new: Vec<u8>,
    in_place: bool,
    /// Which file it is, whatever its name.
    identity: Option<(u64, u64)>,
}

/// Looks at every file that is to be written.
fn targets(changes: &[&Change]) -> Result<Vec<Target>, WriteError> {
    let looked: Vec<Result<Target, Refusal>> =
        changes.par_iter().map(|change| target(change).map_err(|why| Refusal { path: change.after.path.clone(), why })).collect();
    let (mut targets, mut refusals) = (Vec::new(), Vec::new());
    // A link and its target, or two hard links, are one file: written once.
    let (mut paths, mut identities): (HashMap<PathBuf, usize>, HashMap<(u64, u64), usize>) = Default::default();
    for (looked, change) in looked.into_iter().zip(changes) {
        match looked {
            Ok(target) => {
                let same = paths.get(&target.path).or_else(|| identities.get(&target.identity?)).copied();
                let same = same.and_then(|i| targets.get(i)).map(|known: &Target| known.new == target.new);
                match same {
                    Some(true) => {}
                    Some(false) => refusals.push(Refusal { path: change.after.path.clone(), why: Why::Twice }),
                    None => {
                        paths.insert(target.path.clone(), targets.len());
                        identities.extend(target.identity.map(|id| (id, targets.len())));
                        targets.push(target);
                    }
                }
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() { Ok(targets) } else { Err(WriteError::Refused(refusals)) }
}

fn target(change: &Change) -> Result<Target, Why> {
    let given = &change.after.path;
    let new = change.after.encode().ok_or(Why::Encoding)?;
    let old = change.before.encode().ok_or(Why::Encoding)?;
    let found = fs::symlink_metadata(given);
    let create = change.before.stamp.is_none() && old.is_empty();
    let path = match found {
        Ok(meta) if meta.is_symlink() => fs::canonicalize(given)?,
        Ok(_) => in_real_folder(given)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound && create => {
            return Ok(Target { path: in_real_folder(given)?, old: None, new, in_place: false, identity: None });
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Why::Gone),
        Err(e) => return Err(e.into()),
    };
    let meta = fs::metadata(&path)?;
    if !meta.is_file() {
        return Err(Why::NotAFile);
    }
    if meta.permissions().readonly() {
        return Err(Why::ReadOnly);
    }
    if fs::read(&path)? != old {
        return Err(if create { Why::Exists } else { Why::Stale });
    }
    let identity = replace::identity(&meta);
    let in_place = replace::links(&meta) > 1;
    Ok(Target { path, old: Some(old), new, in_place, identity: identity.filter(|_| in_place) })
}

/// The path with the links in its folders resolved, as far as those exist.
fn in_real_folder(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut at = path.as_path();
    loop {
        let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else { return Ok(path) };
        missing.push(name);
        match fs::canonicalize(parent) {
            Ok(real) => return Ok(missing.iter().rev().fold(real, |path, name| path.join(name))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => at = parent,
            Err(e) => return Err(e),
        }
    }
}

/// Folders that created files need, outermost first.
fn new_folders(targets: &[Target]) -> Vec<PathBuf> {
    let created = targets.iter().filter(|t| t.old.is_none());
    let missing = created.flat_map(|t| t.path.ancestors().skip(1).take_while(|dir| !dir.exists()));
    let mut folders: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
    folders.sort();
    folders.dedup();
    folders
}

fn create_folders(folders: &[PathBuf]) -> Result<(), WriteError> {
    folders.iter().try_for_each(|dir| fs::create_dir(dir).map_err(|error| WriteError::Failed { path: dir.clone(), error }))
}

/// Those that somebody else uses by now are not empty, and stay.
fn remove_folders(folders: &[PathBuf]) {
    for dir in folders.iter().rev() {
        _ = fs::remove_dir(dir);
    }
}
