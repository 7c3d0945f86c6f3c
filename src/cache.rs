//! What runs of `check` know, kept for the next one in `.testdiet_cache`.
//!
//! What is kept of a file is what it was judged to be, with every fact that this rests on: the texts of the files that were looked
//! into, the modules that were found, or were not. While all of them are as they were, the file is not judged again. What is said
//! about files together (durations that they share, budgets of a suite, suppressions that suppress nothing) is concluded anew by
//! each run. So a run with a cache says what it says without one, and a change of anything, be it a module imported by a helper
//! or one that has come to shadow another, costs only the files that it is about.
//!
//! A cache that cannot be read, is damaged or is being written by another process is as good as none, and one that cannot be
//! written is not written.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use twox_hash::XxHash3_128;

use crate::engine::{self, Checked, Input, Past};
use crate::query::QueryError;
use crate::rules::{ALL, Code};
use crate::source::digest;

/// The folder, at the top of a project. git ignores it by a `.gitignore` inside.
pub const FOLDER: &str = ".testdiet_cache";

/// Results that are kept; pre-commit asks about other files each time.
const KEPT: usize = 64;

/// The cache of a project.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of the project with this top folder.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self { folder: root.join(FOLDER) }
    }

    /// What [`engine::check`] finds, with what earlier runs know.
    ///
    /// # Errors
    /// As [`engine::check`].
    pub fn check(&self, input: &Input) -> Result<Checked, QueryError> {
        let Some(question) = Question::of(input).filter(|_| input.stdin.is_none()) else { return engine::check(input) };
        let path = self.folder.join(question.name);
        let (checked, past) = engine::check_again(input, &read(&path).unwrap_or_default(), &question.keys)?;
        if let Some(past) = past {
            // Whatever stands in the way: the result is there, and the next run will find it again.
            _ = self.write(&path, &past);
        }
        Ok(checked)
    }

    fn write(&self, path: &Path, past: &Past) -> io::Result<()> {
        if !self.folder.is_dir() {
            fs::create_dir(&self.folder)?;
        }
        for (name, text) in [
            (".gitignore", "# Made by testdiet.\n*\n"),
            (
                "CACHEDIR.TAG",
                "Signature: 8a477f597d28d172789f06886806bc55\n# Made by testdiet; see https://bford.info/cachedir/\n",
            ),
        ] {
            if !self.folder.join(name).exists() {
                self.put(&self.folder.join(name), text.as_bytes())?;
            }
        }
        let content = serde_json::to_vec(past)?;
        let mut bytes = seal(&content).into_bytes();
        bytes.extend_from_slice(&content);
        self.put(path, &bytes)?;
        self.prune();
        Ok(())
    }

    /// Whole or not at all: another process may be reading.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::with_prefix_in(TEMP, &self.folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    }

    /// Removes the oldest results beyond [`KEPT`], and what killed processes have left.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let results = entries.flatten().filter(|e| {
            let name = e.file_name();
            let name = name.to_string_lossy();
            name.ends_with(SUFFIX) || name.starts_with(TEMP)
        });
        let mut results: Vec<_> = results.map(|e| (e.metadata().and_then(|m| m.modified()).ok(), e.path())).collect();
        if results.len() > KEPT {
            results.sort();
            let old = results.len() - KEPT;
            for (_, path) in results.into_iter().take(old) {
                _ = fs::remove_file(path);
            }
        }
    }
}

const SUFFIX: &str = ".result";
const TEMP: &str = ".new-";

/// What the content of a result begins with: a damaged one does not match.
fn seal(content: &[u8]) -> String {
    format!("{:032x}\n", digest(content))
}

fn read(path: &Path) -> Option<Past> {
    let bytes = fs::read(path).ok()?;
    let (seal_read, content) = bytes.split_at_checked(33)?;
    (seal_read == seal(content).as_bytes()).then(|| serde_json::from_slice(content).ok()).flatten()
}

/// What is asked of a run, apart from what it reads on the way.
struct Question {
    /// The name under which is kept what is known of it.
    name: String,
    /// What each of the files is judged under.
    keys: Vec<String>,
}

impl Question {
    /// `None` where it cannot be told.
    fn of(input: &Input) -> Option<Self> {
        // Settings are shared by the files of a folder, and suites by more: each is written out once.
        let mut settings: HashMap<*const crate::config::Settings, String> = HashMap::new();
        let mut suites: HashMap<&Path, String> = HashMap::new();
        let mut keys = Vec::with_capacity(input.files.len());
        for (found, own) in &input.files {
            let setting = settings.entry(Arc::as_ptr(own)).or_insert_with(|| {
                let text = format!("{own} {} {:?} {:?} {:?} {:?}", own.root.display(), own.file, own.budgets, own.fix, own.rules);
                short(&[&text])
            });
            let suite = suites.entry(&found.suite.root).or_insert_with(|| {
                let suite = &found.suite;
                let configuration = suite.config_file.as_ref().and_then(|file| fs::read(file).ok()).map(|bytes| digest(&bytes));
                let (root, file) = (suite.root.display(), &suite.config_file);
                short(&[&format!("{root} {file:?} {configuration:?} {}", suite.requires_testdiet())])
            });
            // Which rules are for a file is asked of the patterns, which are written relative to who knows what.
            let rules = ALL.iter().map(|rule| rule.code.clone()).chain(own.rules.iter().map(|r| Code::custom(r.name.clone())));
            let on: String = rules.map(|code| if own.enabled(&code, &found.path) { '1' } else { '0' }).collect();
            keys.push(short(&[setting, suite, &format!("{:?} {} {on}", found.role, found.explicit)]));
        }
        // The program: while it is worked on, its version stays.
        let meta = std::env::current_exe().and_then(fs::metadata).ok()?;
        let built = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let program = format!("{} {} {}", env!("CARGO_PKG_VERSION"), meta.len(), built.as_nanos());
        let asked = format!("{:?} {:?} {:?} {:x}", input.folders, input.own, input.rules, input.evidence.stamp());
        let settings: BTreeSet<&str> = settings.values().map(String::as_str).collect();
        let mut parts = vec![program.as_str(), &asked];
        parts.extend(settings);
        // Files that were named are asked about; those that were found are what the run comes across.
        for (found, _) in input.files.iter().filter(|(found, _)| found.explicit) {
            parts.push(found.path.to_str()?);
        }
        Some(Self { name: format!("{}{SUFFIX}", short(&parts)), keys })
    }
}

/// A digest of texts, each apart from the others.
fn short(parts: &[&str]) -> String {
    let mut hash = XxHash3_128::new();
    for part in parts {
        hash.write(&(part.len() as u64).to_le_bytes());
        hash.write(part.as_bytes());
    }
    format!("{:032x}", hash.finish_128())
}
