//! The journal under `.testdiet/`: what each run found and wrote, kept before the first file is touched.
//!
//! ```text
//! .testdiet/.gitignore            *
//! .testdiet/lock                  held while files are written
//! .testdiet/journal/00000007.done/
//!     manifest.json               command, time, files
//!     bytes                       old and new contents, one after the other
//! ```
//!
//! A run's folder says by its name where the run stands, and is renamed from one to the next:
//!
//! * `.new`: being written itself; no file was touched yet.
//! * `.pending`: files may hold old or new contents. Once the process is gone, [`super::recover`] puts back the old.
//! * `.done`: all files hold the new contents; [`super::undo`] makes it pending again, which takes it back.
//! * `.gone`: taken back; only to be removed.
//!
//! A journal may come from elsewhere: copied along with a project, or planted in one. Files inside the project are
//! named relative to it, so that a copy's journal is about the copy; others are heeded only in the very folder that
//! recorded them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::replace::{self, mixed, sync_folder, write_new};
use super::{Now, State, WriteError};

/// The folder of testdiet's own in a project. git ignores it by a `.gitignore` inside.
pub const FOLDER: &str = ".testdiet";

/// Runs that can be taken back, one after the other.
const KEPT: usize = 20;
/// How long to wait for another process; a run takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A run that could be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The command that wrote.
    pub command: String,
    /// When, in seconds since 1970.
    pub time: u64,
    /// How many files.
    pub files: usize,
}

/// A file of a run to be recorded.
pub(super) struct Entry<'a> {
    pub path: &'a Path,
    pub old: Option<&'a [u8]>,
    pub new: &'a [u8],
    pub in_place: bool,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    /// Of this format.
    version: u32,
    command: String,
    time: u64,
    /// Part of the names of temporary files.
    id: String,
    /// Which folder this journal was made in: its inode, where there are such.
    home: Option<u64>,
    files: Vec<Record>,
    /// Folders the run created, outermost first.
    folders: Vec<Name>,
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    path: Name,
    /// Offset and length in `bytes`; `None` for a created file.
    old: Option<(usize, usize)>,
    new: (usize, usize),
    in_place: bool,
}

/// A path, relative to the root where it is below it. Not all paths are Unicode.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Name {
    Text(String),
    Bytes(Vec<u8>),
}

impl Name {
    pub(crate) fn new(path: &Path, root: &Path) -> Self {
        let path = path.strip_prefix(root).unwrap_or(path);
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_encoded_bytes().to_vec()),
        }
    }

    /// The path as it was written down.
    #[cfg_attr(unix, allow(clippy::unnecessary_wraps, reason = "elsewhere bytes may be no path"))]
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Text(text) => Some(PathBuf::from(text)),
            #[cfg(unix)]
            Self::Bytes(bytes) => Some(PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))),
            #[cfg(not(unix))]
            Self::Bytes(_) => None,
        }
    }

    /// The path, unless it has no business here.
    fn resolve(&self, root: &Path, at_home: bool) -> Option<PathBuf> {
        let path = self.path()?;
        if path.is_absolute() {
            return Some(path).filter(|_| at_home);
        }
        if path.components().any(|c| !matches!(c, Component::Normal(_))) {
            return None;
        }
        let path = root.join(path);
        // The links in its folders were resolved when it was recorded; a new one could lead anywhere.
        let folder = path.ancestors().skip(1).find(|dir| dir.exists())?;
        let real = fs::canonicalize(folder).is_ok_and(|real| real == folder);
        Some(path).filter(|_| real)
    }
}

/// Makes the folder of testdiet's own in a project, with the `.gitignore` that makes git pass over it.
///
/// # Errors
/// What could not be made, and why.
pub fn own_folder(root: &Path) -> Result<PathBuf, (PathBuf, io::Error)> {
    let own = root.join(FOLDER);
    fs::create_dir_all(&own).map_err(|e| (own.clone(), e))?;
    let ignore = own.join(".gitignore");
    if !ignore.exists() {
        match write_new(&ignore, b"*\n", None) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err((ignore, e)),
            _ => {}
        }
    }
    Ok(own)
}

/// The journal of a project, locked.
pub(super) struct Journal {
    /// The project's root, links resolved.
    root: PathBuf,
    folder: PathBuf,
    /// Which `.testdiet` it is.
    home: Option<u64>,
    /// Holds the lock until dropped; `None` where the file system knows no locks.
    _lock: Option<File>,
}

/// A run in the journal.
pub(super) struct Run {
    number: u64,
    manifest: Manifest,
    bytes: Vec<u8>,
    root: PathBuf,
    folders: Vec<PathBuf>,
    at_home: bool,
}

/// Where a run stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Pending,
    Done,
    Gone,
}

impl Stage {
    const ALL: [Self; 4] = [Self::New, Self::Pending, Self::Done, Self::Gone];

    const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Gone => "gone",
        }
    }
}

fn journal_folder(root: &Path) -> PathBuf {
    root.join(FOLDER).join("journal")
}

/// The runs in a folder, in order.
fn runs(folder: &Path) -> Vec<(u64, Stage)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut runs: Vec<(u64, Stage)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let (number, stage) = name.to_str()?.split_once('.')?;
            Some((number.parse().ok()?, Stage::ALL.into_iter().find(|s| s.name() == stage)?))
        })
        .collect();
    runs.sort_by_key(|(number, _)| *number);
    runs
}

/// See [`super::history`].
pub(super) fn history(root: &Path) -> Vec<Past> {
    let folder = journal_folder(root);
    let done = runs(&folder).into_iter().rev().filter(|(_, stage)| *stage == Stage::Done);
    done.filter_map(|(number, stage)| {
        let manifest = read_manifest(&path(&folder, number, stage)).ok()?;
        Some(Past { command: manifest.command, time: manifest.time, files: manifest.files.len() })
    })
    .collect()
}

fn path(folder: &Path, number: u64, stage: Stage) -> PathBuf {
    folder.join(format!("{number:08}.{}", stage.name()))
}

fn read_manifest(run: &Path) -> io::Result<Manifest> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(run.join("manifest.json"))?)?;
    if manifest.version != VERSION {
        return Err(io::Error::other("it was written by another version of testdiet; remove it if nothing is to be undone"));
    }
    // It becomes part of names of files that are removed.
    if !manifest.id.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Err(io::Error::other("it is damaged; remove it if nothing is to be undone"));
    }
    Ok(manifest)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> WriteError + use<> {
    let path = path.to_path_buf();
    move |error| WriteError::Journal { path, error }
}

impl Journal {
    /// Whether anything was ever recorded.
    pub fn exists(root: &Path) -> bool {
        journal_folder(root).is_dir()
    }

    /// Whether a process was killed while it wrote, or is writing now.
    pub fn needs_repair(root: &Path) -> bool {
        runs(&journal_folder(root)).iter().any(|(_, stage)| *stage != Stage::Done)
    }

    /// Opens or creates the journal; waits for another process to finish.
    pub fn open(root: &Path) -> Result<Self, WriteError> {
        let start = Instant::now();
        loop {
            if let Some(journal) = Self::try_open(root)? {
                return Ok(journal);
            }
            if start.elapsed() > PATIENCE {
                return Err(WriteError::Busy(root.to_path_buf()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Opens or creates the journal; `None` while another process has it.
    pub fn try_open(root: &Path) -> Result<Option<Self>, WriteError> {
        let root = fs::canonicalize(root).map_err(failed(root))?;
        let own = own_folder(&root).map_err(|(path, error)| failed(&path)(error))?;
        let folder = own.join("journal");
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let path = own.join("lock");
        // Read access is asked for because some network file systems want it for a lock.
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed(&path))?;
        let lock = match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => None,
            Err(TryLockError::Error(e)) => return Err(failed(&path)(e)),
        };
        let meta = fs::metadata(&own).map_err(failed(&own))?;
        let home = replace::identity(&meta).map(|(_, inode)| inode);
        Ok(Some(Self { root, folder, home, _lock: lock }))
    }

    /// Records a run. Once this returns, it survives whatever happens.
    pub fn begin(&self, command: &str, entries: &[Entry<'_>], folders: &[PathBuf]) -> Result<Run, WriteError> {
        let number = runs(&self.folder).last().map_or(1, |(number, _)| number + 1);
        let mut bytes = Vec::new();
        let mut keep = |part: &[u8]| {
            bytes.extend_from_slice(part);
            (bytes.len() - part.len(), part.len())
        };
        let files = entries.iter().map(|e| Record {
            path: Name::new(e.path, &self.root),
            old: e.old.map(&mut keep),
            new: keep(e.new),
            in_place: e.in_place,
        });
        let manifest = Manifest {
            version: VERSION,
            command: command.to_owned(),
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            id: format!("{number}-{}", std::process::id()),
            home: self.home,
            files: files.collect(),
            folders: folders.iter().map(|f| Name::new(f, &self.root)).collect(),
        };
        let new = path(&self.folder, number, Stage::New);
        let write = || {
            fs::create_dir(&new)?;
            write_new(&new.join("bytes"), &bytes, None)?;
            write_new(&new.join("manifest.json"), &serde_json::to_vec_pretty(&manifest)?, None)?;
            sync_folder(&new);
            fs::rename(&new, path(&self.folder, number, Stage::Pending))
        };
        if let Err(error) = write() {
            _ = fs::remove_dir_all(&new);
            return Err(failed(&new)(error));
        }
        sync_folder(&self.folder);
        Ok(self.run(number, manifest, bytes))
    }

    fn run(&self, number: u64, manifest: Manifest, bytes: Vec<u8>) -> Run {
        let at_home = manifest.home.is_some() && manifest.home == self.home;
        let folders = manifest.folders.iter().filter_map(|f| f.resolve(&self.root, at_home)).collect();
        Run { number, bytes, root: self.root.clone(), folders, at_home, manifest }
    }

    fn load(&self, number: u64, stage: Stage) -> Result<Run, WriteError> {
        let folder = path(&self.folder, number, stage);
        let read = || Ok((read_manifest(&folder)?, fs::read(folder.join("bytes"))?));
        let (manifest, bytes) = read().map_err(failed(&folder))?;
        Ok(self.run(number, manifest, bytes))
    }

    fn step(&self, run: &Run, from: Stage, to: Stage) -> Result<(), WriteError> {
        let to = path(&self.folder, run.number, to);
        fs::rename(path(&self.folder, run.number, from), &to).map_err(failed(&to))?;
        sync_folder(&self.folder);
        Ok(())
    }

    /// All files are written: keeps the run for `undo`.
    pub fn commit(&self, run: &Run) -> Result<(), WriteError> {
        self.step(run, Stage::Pending, Stage::Done)?;
        let done: Vec<u64> = runs(&self.folder).into_iter().filter(|(_, s)| *s == Stage::Done).map(|(n, _)| n).collect();
        for old in done.iter().rev().skip(KEPT) {
            self.remove(*old, Stage::Done);
        }
        Ok(())
    }

    /// A run that is about to be taken back.
    pub fn reopen(&self, run: Run) -> Result<Run, WriteError> {
        self.step(&run, Stage::Done, Stage::Pending)?;
        Ok(run)
    }

    /// Nothing of a pending run is left in any file.
    pub fn forget(&self, run: &Run) {
        self.remove(run.number, Stage::Pending);
    }

    /// Renamed first: a folder that is half removed must not be taken for a run.
    fn remove(&self, number: u64, stage: Stage) {
        let gone = path(&self.folder, number, Stage::Gone);
        if fs::rename(path(&self.folder, number, stage), &gone).is_ok() {
            _ = fs::remove_dir_all(&gone);
        }
    }

    /// The run to be taken back next.
    pub fn last(&self) -> Result<Option<Run>, WriteError> {
        let done = runs(&self.folder).into_iter().rev().find(|(_, stage)| *stage == Stage::Done);
        done.map(|(number, stage)| self.load(number, stage)).transpose()
    }

    /// Runs that were killed, the last one first.
    pub fn pending(&self) -> Result<Vec<Run>, WriteError> {
        let pending = runs(&self.folder).into_iter().rev().filter(|(_, stage)| *stage == Stage::Pending);
        pending.map(|(number, stage)| self.load(number, stage)).collect()
    }

    /// Removes what killed processes left of the journal itself.
    pub fn sweep(&self) {
        for (number, stage) in runs(&self.folder) {
            if stage == Stage::New || stage == Stage::Gone {
                _ = fs::remove_dir_all(path(&self.folder, number, stage));
            }
        }
    }

    /// Saves the old contents of a file that may be damaged but was edited too; tells where.
    pub fn save(&self, run: &Run, state: &State) -> Result<PathBuf, WriteError> {
        let folder = self.root.join(FOLDER).join("saved");
        let name = state.path.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{}-{name}", run.manifest.id));
        let mut file = fs::create_dir_all(&folder).and_then(|()| File::create(&path)).map_err(failed(&path))?;
        file.write_all(state.old.as_deref().unwrap_or_default()).and_then(|()| file.sync_all()).map_err(failed(&path))?;
        Ok(path)
    }
}

impl Run {
    /// The command that wrote.
    pub fn command(&self) -> &str {
        &self.manifest.command
    }

    /// When, in seconds since 1970.
    pub fn time(&self) -> u64 {
        self.manifest.time
    }

    /// Folders the run created, outermost first.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Where the new contents of the `i`th file wait. Short, whatever the file is called, and no module of a suite.
    pub fn temp(&self, path: &Path, i: usize) -> PathBuf {
        path.with_file_name(format!(".testdiet-{}-{i}.tmp", self.manifest.id))
    }

    /// Removes temporary files of a killed process.
    pub fn remove_temps(&self) {
        for (i, record) in self.manifest.files.iter().enumerate() {
            if let Some(path) = record.path.resolve(&self.root, self.at_home) {
                _ = fs::remove_file(self.temp(&path, i));
            }
        }
    }

    fn part(&self, (start, len): (usize, usize)) -> Option<&[u8]> {
        self.bytes.get(start..start.checked_add(len)?)
    }

    /// What the files of the run hold now.
    pub fn states(&self) -> Vec<State> {
        self.manifest.files.iter().map(|record| self.state(record)).collect()
    }

    fn state(&self, record: &Record) -> State {
        let in_place = record.in_place;
        let other = |path: PathBuf| State { path, old: None, in_place: false, now: Now::Other };
        let Some(path) = record.path.resolve(&self.root, self.at_home) else {
            return other(match &record.path {
                Name::Text(text) => PathBuf::from(text),
                Name::Bytes(bytes) => PathBuf::from(String::from_utf8_lossy(bytes).into_owned()),
            });
        };
        let (Some(new), Ok(old)) = (self.part(record.new), record.old.map(|o| self.part(o).ok_or(())).transpose()) else {
            return other(path);
        };
        // A link was resolved when the run was recorded, so one that is there now is not ours to follow.
        let now = match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() => fs::read(&path).ok(),
            Ok(_) => return other(path),
            Err(_) => None,
        };
        let now = match (now, old) {
            (None, None) => Now::Old,
            (Some(now), Some(old)) if now == old => Now::Old,
            (Some(now), _) if now == new => Now::New(now),
            (Some(now), Some(old)) if in_place && mixed(&now, old, new) => Now::Part(now),
            _ => Now::Other,
        };
        State { path, old: old.map(<[u8]>::to_vec), in_place, now }
    }
}
