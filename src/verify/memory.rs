//! What earlier proofs found, by content: in `.testdiet/proof.json`. A fix is known again as long as nothing changed that its
//! proof rests on: the interpreter and its arguments, the product, the helpers and `conftest.py`s, and the files of the tests it
//! reaches. Then it is kept or refused as it was, and its tests need not run for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use super::shadow::Shadow;
use super::units::Unit;
use crate::engine::Change;
use crate::write::{FOLDER, own_folder};

/// The file in testdiet's own folder.
const FILE: &str = "proof.json";
/// Of its format. Another one is as none.
const VERSION: u32 = 1;
/// Most fixes that are remembered.
const MOST: usize = 10_000;

/// What is on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// By key, in hexadecimal.
    fixes: BTreeMap<String, Verdict>,
}

/// What a proof found about a fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// Its version did well.
    Proven(usize),
    /// No test could tell; what held it back may have gone, so this is never written.
    Held,
    /// A test refused it.
    Dropped {
        /// Which.
        test: String,
        /// What it held against it.
        reason: String,
    },
}

/// The memory of a project.
pub(super) struct Memory {
    root: PathBuf,
    fixes: BTreeMap<String, Verdict>,
}

/// What all proofs in a state of the project rest on.
pub(super) struct Ground<'a> {
    hash: u64,
    changes: &'a [Change],
}

impl<'a> Ground<'a> {
    /// The project after changes. `how` is what else a proof rests on: the interpreter, its arguments, the number of runs;
    /// `tests` are the files of tests, below the root: of these only those count that a fix reaches, or reaches others through.
    pub fn new(shadow: &Shadow, how: &impl Hash, tests: &BTreeSet<PathBuf>, changes: &'a [Change]) -> Self {
        let mut hasher = DefaultHasher::new();
        (VERSION, env!("CARGO_PKG_VERSION")).hash(&mut hasher);
        how.hash(&mut hasher);
        for below in shadow.files().filter(|below| !tests.contains(*below)) {
            (below, content(&shadow.original().join(below), changes)).hash(&mut hasher);
        }
        Self { hash: hasher.finish(), changes }
    }

    fn key(&self, unit: &Unit, reach: &Reach) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash.hash(&mut hasher);
        for version in &unit.versions {
            for (_, edit) in &version.edits {
                (&edit.file, edit.span.start, edit.span.end, &edit.content).hash(&mut hasher);
            }
        }
        for file in reach.files.keys().chain(&reach.through) {
            (file, content(file, self.changes)).hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish())
    }
}

/// What a file holds after changes.
fn content(path: &Path, changes: &[Change]) -> Option<Vec<u8>> {
    match changes.iter().find(|c| c.before.path == path) {
        Some(change) => change.after.encode(),
        None => fs::read(path).ok(),
    }
}

impl Memory {
    /// Reads it; one that cannot be read is empty.
    pub fn open(root: &Path) -> Self {
        let bytes = fs::read(root.join(FOLDER).join(FILE)).ok();
        let stored = bytes.and_then(|bytes| serde_json::from_slice::<Stored>(&bytes).ok());
        Self { root: root.to_path_buf(), fixes: stored.filter(|s| s.version == VERSION).map(|s| s.fixes).unwrap_or_default() }
    }

    /// What is known of a fix that reaches these tests.
    pub fn recall(&self, ground: &Ground<'_>, unit: &Unit, reach: &Reach) -> Option<Verdict> {
        self.fixes.get(&ground.key(unit, reach)).cloned()
    }

    /// Remembers a fix.
    pub fn keep(&mut self, ground: &Ground<'_>, unit: &Unit, reach: &Reach, verdict: Verdict) {
        self.fixes.insert(ground.key(unit, reach), verdict);
    }

    /// Writes it. A memory that cannot be written costs time, and nothing else.
    pub fn save(mut self) {
        while self.fixes.len() > MOST {
            self.fixes.pop_first();
        }
        let stored = Stored { version: VERSION, fixes: self.fixes };
        let write = || -> Option<()> {
            let folder = own_folder(&self.root).ok()?;
            let mut file = tempfile::NamedTempFile::new_in(&folder).ok()?;
            file.write_all(&serde_json::to_vec(&stored).ok()?).ok()?;
            file.persist(folder.join(FILE)).ok()?;
            Some(())
        };
        _ = write();
    }
}
