//! A copy of the project in which candidates are tried, so that no test and no crash can harm the working tree.
//!
//! Files are copied, never linked: a test that writes in place must not reach the original. (`std::fs::copy` shares the
//! blocks where the file system can: btrfs, XFS, APFS, `ReFS`.) What git ignores comes along, because the product may need it
//! (`_version.py`, built extensions); version control, virtual environments and caches stay. Links into the project lead
//! into the copy. What a run leaves behind is put back before the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileTimes, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::discover::normal;
use crate::engine::Change;
use crate::pytest::scratch::Scratch;

/// Folders and files of version control, tools' caches and packages of other languages: tests do not read them, and they are
/// what is large in a project.
const LEFT: [&str; 16] = [
    ".git",
    ".hg",
    ".svn",
    ".bzr",
    ".jj",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    ".tox",
    ".nox",
    ".testdiet",
    ".testdiet_cache",
    ".coverage",
    "node_modules",
];

/// What Python and pytest leave in a tree by themselves: no trace of a test, and useful to the next run.
const BYTECODE: [&str; 3] = ["__pycache__", ".pytest_cache", ".hypothesis"];

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// No room.
    #[error(
        "there is no room for a copy of the project in {folder}: {error}; free some, or name another folder with TMPDIR",
        folder = folder.display()
    )]
    Full {
        /// Where it was to be.
        folder: PathBuf,
        /// As the system says it.
        error: io::Error,
    },
    /// Something else.
    #[error("cannot copy {path} to try fixes on: {error}", path = path.display())]
    Copy {
        /// What could not be read or written.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// How a file is recognised as untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    len: u64,
    modified: Option<SystemTime>,
    mode: u32,
}

impl Look {
    fn of(meta: &Metadata) -> Self {
        #[cfg(unix)]
        let mode = std::os::unix::fs::MetadataExt::mode(meta);
        #[cfg(not(unix))]
        let mode = u32::from(meta.permissions().readonly());
        Self { len: if meta.is_dir() { 0 } else { meta.len() }, modified: meta.modified().ok().filter(|_| meta.is_file()), mode }
    }
}

/// The copy; gone when dropped.
#[derive(Debug)]
pub struct Shadow {
    dir: Scratch,
    root: PathBuf,
    original: PathBuf,
    /// Everything in the copy by its path below the root.
    looks: BTreeMap<PathBuf, Look>,
    /// Files that hold a candidate's text.
    changed: BTreeSet<PathBuf>,
    /// Writes so far.
    writes: u64,
}

impl Shadow {
    /// Copies a project.
    ///
    /// # Errors
    /// When something cannot be read, or there is no room.
    pub fn new(original: &Path) -> Result<Self, ShadowError> {
        let folder = std::env::temp_dir();
        let error = |error: io::Error| failed(&folder, &folder, error);
        let dir = Scratch::new("proof").map_err(error)?;
        // Under its own name, which a test may look at; through no link, so that it is told one way only.
        let base = dir.path().canonicalize().map_err(error)?;
        let root = base.join(original.file_name().unwrap_or("project".as_ref()));
        let original = original.canonicalize().map_err(|e| failed(&folder, original, e))?;
        let mut shadow = Self { dir, root, original, looks: BTreeMap::new(), changed: BTreeSet::new(), writes: 0 };
        shadow.copy_folder(Path::new(""))?;
        Ok(shadow)
    }

    /// The copy's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The project's root, through no link.
    #[must_use]
    pub fn original(&self) -> &Path {
        &self.original
    }

    /// A folder beside the copy, for what is recorded of runs.
    #[must_use]
    pub fn beside(&self) -> &Path {
        self.dir.path()
    }

    /// Everything that was copied, below the root, sorted.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.looks.keys().map(PathBuf::as_path)
    }

    /// A path of the project in the copy; `None` when it is outside, or was not copied.
    #[must_use]
    pub fn of(&self, path: &Path) -> Option<PathBuf> {
        let below = self.below(path)?;
        Some(self.root.join(below)).filter(|p| p.symlink_metadata().is_ok())
    }

    /// A path below the project's root.
    #[must_use]
    pub fn below(&self, path: &Path) -> Option<PathBuf> {
        if let Ok(below) = path.strip_prefix(&self.original) {
            return Some(below.to_path_buf());
        }
        // The root may have been reached through a link.
        let folder = path.parent()?.canonicalize().ok()?;
        Some(folder.join(path.file_name()?).strip_prefix(&self.original).ok()?.to_path_buf())
    }

    /// Makes the copy what the project is with these changes and nothing else: what earlier candidates changed and what tests
    /// wrote is undone. Returns what tests had written.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn become_with(&mut self, changes: &[Change]) -> Result<Vec<PathBuf>, ShadowError> {
        let mut touched = Vec::new();
        for below in std::mem::take(&mut self.changed) {
            self.copy_again(&below)?;
        }
        self.restore(&mut touched)?;
        for change in changes {
            let Some(below) = self.below(&change.before.path) else { continue };
            let path = self.root.join(&below);
            let bytes = change.after.encode().unwrap_or_else(|| change.after.text().as_bytes().to_vec());
            self.write(&path, &bytes).map_err(|e| self.failed(&path, e))?;
            if let Ok(meta) = path.symlink_metadata() {
                self.looks.insert(below.clone(), Look::of(&meta));
            }
            self.changed.insert(below);
        }
        Ok(touched)
    }

    /// Python takes bytecode for that of a source with the same second and size, so every text gets a second of its own.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // A link may lead out of the copy.
        let mode = path.metadata().map(|m| m.permissions())?;
        fs::remove_file(path)?;
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.set_permissions(mode)?;
        self.writes += 1;
        let day = Duration::from_hours(24);
        let modified = SystemTime::now() - day + Duration::from_secs(self.writes);
        file.set_times(FileTimes::new().set_modified(modified))
    }

    fn failed(&self, path: &Path, error: io::Error) -> ShadowError {
        failed(self.dir.path(), path, error)
    }

    fn copy_folder(&mut self, below: &Path) -> Result<(), ShadowError> {
        let (from, to) = (self.original.join(below), self.root.join(below));
        let beside = self.dir.path().to_path_buf();
        let read = |e| failed(&beside, &from, e);
        fs::create_dir(&to).map_err(read)?;
        for entry in fs::read_dir(&from).map_err(read)? {
            let entry = entry.map_err(read)?;
            let kind = entry.file_type().map_err(read)?;
            let below = below.join(entry.file_name());
            if kind.is_dir() {
                if !is_left(&entry.path()) {
                    self.copy_folder(&below)?;
                }
            } else if !LEFT.iter().any(|name| entry.file_name() == *name) {
                self.copy(&below)?;
            }
        }
        let meta = from.metadata().map_err(|e| self.failed(&from, e))?;
        fs::set_permissions(&to, meta.permissions()).map_err(|e| self.failed(&to, e))?;
        if let Ok(meta) = to.metadata() {
            self.looks.insert(below.to_path_buf(), Look::of(&meta));
        }
        Ok(())
    }

    /// Copies a file or a link. Pipes, sockets and devices are not copied: they belong to a running process.
    fn copy(&mut self, below: &Path) -> Result<(), ShadowError> {
        let (from, to) = (self.original.join(below), self.root.join(below));
        let mut copied = || -> io::Result<()> {
            let meta = from.symlink_metadata()?;
            if meta.is_symlink() {
                let target = self.target(&from, &fs::read_link(&from)?);
                link(&target, &to, from.is_dir())?;
            } else if meta.is_file() {
                fs::copy(&from, &to)?;
                if let Ok(modified) = meta.modified() {
                    // A file that may not be written may not be dated either, on some systems.
                    _ = File::options().append(true).open(&to).and_then(|f| f.set_times(FileTimes::new().set_modified(modified)));
                }
            } else {
                return Ok(());
            }
            self.looks.insert(below.to_path_buf(), Look::of(&to.symlink_metadata()?));
            Ok(())
        };
        copied().map_err(|e| self.failed(&from, e))
    }

    /// Where a link of the copy has to lead: into the copy where the original leads into the project, else where that leads.
    fn target(&self, from: &Path, target: &Path) -> PathBuf {
        let folder = from.parent().unwrap_or(&self.original);
        let leads = normal(&folder.join(target));
        match leads.strip_prefix(&self.original) {
            Ok(below) if target.is_absolute() => self.root.join(below),
            Ok(_) => target.to_path_buf(),
            Err(_) => leads,
        }
    }

    fn copy_again(&mut self, below: &Path) -> Result<(), ShadowError> {
        let to = self.root.join(below);
        remove(&to).map_err(|e| self.failed(&to, e))?;
        self.copy(below)
    }

    /// Undoes what tests wrote.
    fn restore(&mut self, touched: &mut Vec<PathBuf>) -> Result<(), ShadowError> {
        let mut seen = BTreeSet::new();
        self.sweep(Path::new(""), &mut seen, touched)?;
        let gone: Vec<PathBuf> = self.looks.keys().filter(|path| !seen.contains(*path)).cloned().collect();
        for below in gone {
            let from = self.original.join(&below);
            if from.symlink_metadata().is_ok_and(|m| m.is_dir()) {
                let to = self.root.join(&below);
                fs::create_dir_all(&to).map_err(|e| self.failed(&to, e))?;
            } else if from.symlink_metadata().is_ok() {
                self.copy_again(&below)?;
            }
            touched.push(below);
        }
        touched.sort();
        Ok(())
    }

    fn sweep(&mut self, below: &Path, seen: &mut BTreeSet<PathBuf>, touched: &mut Vec<PathBuf>) -> Result<(), ShadowError> {
        let folder = self.root.join(below);
        seen.insert(below.to_path_buf());
        for entry in fs::read_dir(&folder).map_err(|e| self.failed(&folder, e))? {
            let entry = entry.map_err(|e| self.failed(&folder, e))?;
            if BYTECODE.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let below = below.join(entry.file_name());
            let path = entry.path();
            let Ok(meta) = path.symlink_metadata() else { continue };
            match self.looks.get(&below) {
                None => {
                    remove(&path).map_err(|e| self.failed(&path, e))?;
                    touched.push(below);
                }
                Some(look) if *look == Look::of(&meta) => {
                    seen.insert(below.clone());
                    if meta.is_dir() {
                        self.sweep(&below, seen, touched)?;
                    }
                }
                Some(_) if meta.is_dir() => {
                    let from = self.original.join(&below);
                    let mode = from.metadata().map(|m| m.permissions()).map_err(|e| self.failed(&from, e))?;
                    fs::set_permissions(&path, mode).map_err(|e| self.failed(&path, e))?;
                    self.sweep(&below, seen, touched)?;
                }
                Some(_) => {
                    self.copy_again(&below)?;
                    seen.insert(below.clone());
                    touched.push(below);
                }
            }
        }
        Ok(())
    }
}

/// Whether a folder is not copied: by its name, as a virtual environment, or because it says that it is a cache
/// (<https://bford.info/cachedir/>).
fn is_left(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| LEFT.iter().any(|left| name == *left))
        || folder.join("pyvenv.cfg").is_file()
        || folder.join("conda-meta").is_dir()
        || fs::read(folder.join("CACHEDIR.TAG")).is_ok_and(|tag| tag.starts_with(b"Signature: 8a477f597d28d172789f06886806bc55"))
}

fn failed(folder: &Path, path: &Path, error: io::Error) -> ShadowError {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return ShadowError::Full { folder: folder.parent().unwrap_or(folder).to_path_buf(), error };
    }
    ShadowError::Copy { path: path.to_path_buf(), error }
}

fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn link(target: &Path, at: &Path, _folder: bool) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
fn link(target: &Path, at: &Path, folder: bool) -> io::Result<()> {
    if folder { std::os::windows::fs::symlink_dir(target, at) } else { std::os::windows::fs::symlink_file(target, at) }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;
    use crate::source::SourceFile;

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn project() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("proj");
        for name in
            ["a.py", "pkg/_version.py", "pkg/ext.so", ".git/HEAD", "pkg/__pycache__/a.pyc", "env/pyvenv.cfg", "env/lib/x.py"]
        {
            put(&root.join(name), name);
        }
        put(&root.join("built/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n");
        put(&dir.path().join("outside.txt"), "outside");
        symlink(root.join("pkg"), root.join("absolute")).unwrap();
        symlink("pkg/ext.so", root.join("relative")).unwrap();
        symlink("../outside.txt", root.join("out")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        fs::set_permissions(root.join("pkg/ext.so"), fs::Permissions::from_mode(0o750)).unwrap();
        dir
    }

    fn change(root: &Path, name: &str, text: &str) -> Change {
        let before = SourceFile::read(&root.join(name)).unwrap();
        let after = before.with_text(text.to_owned());
        Change { before: before.into(), after }
    }

    #[test]
    fn the_copy_is_the_project_without_what_is_large_and_leads_nowhere_into_it() {
        let dir = project();
        let root = dir.path().join("proj");
        let shadow = Shadow::new(&root).unwrap();
        let copy = shadow.root();
        assert_eq!(copy.file_name(), root.file_name());
        for name in [".git", "pkg/__pycache__", "env", "built"] {
            assert!(!copy.join(name).exists(), "{name}");
            assert_eq!(shadow.of(&root.join(name)), None);
        }
        let real = copy.canonicalize().unwrap();
        for name in ["a.py", "pkg/_version.py", "absolute/ext.so", "relative"] {
            assert!(copy.join(name).canonicalize().unwrap().starts_with(&real), "{name}");
        }
        assert_eq!(fs::read_to_string(copy.join("out")).unwrap(), "outside");
        assert!(copy.join("dangling").is_symlink());
        let (old, new) = (fs::metadata(root.join("pkg/ext.so")).unwrap(), fs::metadata(copy.join("pkg/ext.so")).unwrap());
        assert_ne!(old.ino(), new.ino(), "a hard link would let a test reach the original");
        assert_eq!((old.mode(), old.mtime()), (new.mode(), new.mtime()));
    }

    #[test]
    fn candidates_and_what_tests_wrote_are_undone() {
        let dir = project();
        let root = dir.path().join("proj");
        let mut shadow = Shadow::new(&root).unwrap();
        let copy = shadow.root().to_path_buf();
        assert!(shadow.become_with(&[change(&root, "a.py", "b.py")]).unwrap().is_empty());
        assert_eq!(fs::read_to_string(copy.join("a.py")).unwrap(), "b.py");
        let first = fs::metadata(copy.join("a.py")).unwrap().mtime();

        put(&copy.join("new/file"), "x");
        put(&copy.join("pkg/_version.py"), "tampered");
        put(&copy.join("pkg/__pycache__/a.pyc"), "bytecode");
        fs::remove_file(copy.join("pkg/ext.so")).unwrap();
        let touched = shadow.become_with(&[change(&root, "a.py", "c.py")]).unwrap();
        assert_eq!(touched, ["new", "pkg/_version.py", "pkg/ext.so"].map(PathBuf::from));
        assert_eq!(fs::read_to_string(copy.join("a.py")).unwrap(), "c.py");
        assert_ne!(
            fs::metadata(copy.join("a.py")).unwrap().mtime(),
            first,
            "the same size and second would be taken for the same text"
        );
        assert_eq!(fs::read_to_string(copy.join("pkg/_version.py")).unwrap(), "pkg/_version.py");
        assert!(copy.join("pkg/ext.so").exists() && !copy.join("new").exists());

        shadow.become_with(&[]).unwrap();
        assert_eq!(fs::read_to_string(copy.join("a.py")).unwrap(), "a.py");
        assert_eq!(fs::read_to_string(root.join("a.py")).unwrap(), "a.py");
    }

    #[test]
    fn a_candidate_is_not_written_through_a_link_that_leads_out() {
        let dir = project();
        let root = dir.path().join("proj");
        put(&dir.path().join("shared.py"), "shared");
        symlink("../shared.py", root.join("test_shared.py")).unwrap();
        let mut shadow = Shadow::new(&root).unwrap();
        shadow.become_with(&[change(&root, "test_shared.py", "changed")]).unwrap();
        assert_eq!(fs::read_to_string(shadow.root().join("test_shared.py")).unwrap(), "changed");
        assert_eq!(fs::read_to_string(dir.path().join("shared.py")).unwrap(), "shared");
        shadow.become_with(&[]).unwrap();
        assert_eq!(fs::read_to_string(shadow.root().join("test_shared.py")).unwrap(), "shared");
    }
}
