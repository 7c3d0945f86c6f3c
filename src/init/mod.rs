//! What a suite needs once, in parts: each a small file here that proposes texts and writes nothing.
//!
//! A part is asked what it would change in the project as it is, the parts accepted before it included; it proposes whole
//! files, nothing where all is there already, or says why it leaves the project alone. Adding a part is one file and one
//! line in [`PARTS`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Settings;
use crate::discover::Suite;
use crate::discover::amend::{self, Addition};
use crate::edit::apply;
use crate::engine::Change;
use crate::source::{SourceError, SourceFile};

mod block;
mod conftest;
mod durations;
mod fixtures;
mod guidelines;
mod marker;
mod pre_commit;
mod requirements;
mod thread_errors;
mod workflow;

/// Something that a suite needs once.
#[derive(Debug)]
pub struct Part {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it does, in the imperative.
    pub title: &'static str,
    /// What one has of it: a sentence or two.
    pub why: &'static str,
    propose: fn(&Project) -> Proposal,
}

/// The files a part would write, as they would be; none where all is there already; or why it leaves the project alone.
type Proposal = Result<Vec<SourceFile>, String>;

impl Part {
    /// What the part would write in the project as it is.
    ///
    /// # Errors
    /// With the reason why it writes nothing, although something is missing.
    pub fn propose(&self, project: &Project) -> Proposal {
        (self.propose)(project)
    }
}

/// All parts, in the order in which they are offered: the configuration first, for later ones build on it.
pub static PARTS: &[&Part] = &[
    &marker::PART,
    &conftest::PART,
    &fixtures::PART,
    &thread_errors::PART,
    &durations::PART,
    &guidelines::PART,
    &pre_commit::PART,
    &workflow::PART,
];

/// A suite that is being set up.
#[derive(Debug)]
pub struct Project {
    /// The suite, as pytest sees it.
    pub suite: Arc<Suite>,
    /// The top of the project, where its own tools look for their configuration; the suite lies in it or below.
    pub top: PathBuf,
    /// Budgets.
    pub settings: Arc<Settings>,
    /// Its test files and `conftest.py`s, absolute.
    pub files: Vec<PathBuf>,
    accepted: BTreeMap<PathBuf, Change>,
}

impl Project {
    /// A project of which nothing is accepted yet.
    #[must_use]
    pub fn new(suite: Arc<Suite>, top: PathBuf, settings: Arc<Settings>, files: Vec<PathBuf>) -> Self {
        Self { suite, top, settings, files, accepted: BTreeMap::new() }
    }

    /// A file as it is, or would be with what was accepted; empty where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, path: &Path) -> Result<SourceFile, String> {
        if let Some(change) = self.accepted.get(path) {
            return Ok(change.after.clone());
        }
        on_disk(path).map_err(|error| format!("{}: {error}", self.shown(path)))
    }

    /// The text of a file, if it is there and is text.
    fn text(&self, path: &Path) -> Option<String> {
        self.read(path).ok().filter(|file| self.is_there(file)).map(|file| file.text().to_owned())
    }

    fn is_there(&self, file: &SourceFile) -> bool {
        file.stamp.is_some() || self.accepted.contains_key(&file.path)
    }

    /// A path as one says it from the top of the project.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.top).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }

    /// Takes over what a part proposed.
    ///
    /// # Errors
    /// When a file that it read before cannot be read any more.
    pub fn accept(&mut self, proposed: Vec<SourceFile>) -> Result<(), SourceError> {
        for after in proposed {
            if let Some(change) = self.accepted.get_mut(&after.path) {
                change.after = after;
            } else {
                let before = Arc::new(on_disk(&after.path)?);
                self.accepted.insert(after.path.clone(), Change { before, after });
            }
        }
        Ok(())
    }

    /// The change from a file as it is, what was accepted included, to what a part proposes.
    ///
    /// # Errors
    /// When it cannot be read any more.
    pub fn change(&self, proposed: &SourceFile) -> Result<Change, SourceError> {
        let before = match self.accepted.get(&proposed.path) {
            Some(change) => change.after.clone(),
            None => on_disk(&proposed.path)?,
        };
        Ok(Change { before: Arc::new(before), after: proposed.clone() })
    }

    /// All that was accepted, a change a file.
    #[must_use]
    pub fn into_changes(self) -> Vec<Change> {
        self.accepted.into_values().collect()
    }

    /// What pytest's configuration says, with the file that says it or would have to.
    fn pytest(&self) -> Result<(SourceFile, amend::Settings), String> {
        let file = self.read(&self.suite.home_of_settings())?;
        let settings = amend::Settings::of(&file).map_err(|why| format!("{}: {why}", self.shown(&file.path)))?;
        Ok((file, settings))
    }

    /// The configuration with something added.
    fn configured(&self, file: &SourceFile, addition: Addition<'_>) -> Proposal {
        let edits = amend::add(file, addition).map_err(|why| format!("{}: {why}", self.shown(&file.path)))?;
        Ok(vec![file.with_text(apply(file.text(), &edits))])
    }
}

/// A file on the disk; empty, and without a stamp, where there is none.
fn on_disk(path: &Path) -> Result<SourceFile, SourceError> {
    match SourceFile::read(path) {
        Err(SourceError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            SourceFile::from_bytes(path.to_path_buf(), Vec::new())
        }
        read => read,
    }
}

/// A text with the newlines of the file it goes to.
fn in_newlines_of(file: &SourceFile, text: &str) -> String {
    text.replace('\n', file.newline().as_str())
}
