//! Our Python, compiled into this binary: `testdiet_watch`, which is unpacked for a run and watches it, and the package
//! `testdiet`, of which `init` makes the file that it writes into a suite.
//!
//! The folder it is unpacked to comes first on `PYTHONPATH`, so the interpreter needs no testdiet. `measure` hands both over, so that
//! virtual time can be tried (`-- -p testdiet.plugin --fast-time`) before anything is installed. A proof hands over only what watches:
//! its run has to have the fixtures that the suite has without us, or it would hold for nobody else.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::scratch::{self, Scratch};

/// The files of the packages, by their paths below `python/`.
macro_rules! package {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../python/", $path)))),*]
    };
}

/// Path and text of each file. A test holds this against the folder.
pub const FILES: &[(&str, &str)] = package![
    "testdiet/__init__.py",
    "testdiet/clock.py",
    "testdiet/file_times.py",
    "testdiet/guards.py",
    "testdiet/install.py",
    "testdiet/locks.py",
    "testdiet/plugin.py",
    "testdiet/real.py",
    "testdiet/turns.py",
    "testdiet/vendor.py",
    "testdiet/waiting.py",
    "testdiet_watch/__init__.py",
    "testdiet_watch/gauges.py",
    "testdiet_watch/imports.py",
    "testdiet_watch/limits.py",
    "testdiet_watch/prover.py",
    "testdiet_watch/recorder.py",
];

/// The package that watches, as the start of paths.
const WATCH: &str = "testdiet_watch/";
/// The module that records; pytest gets it with `-p`.
pub const RECORDER: &str = "testdiet_watch.recorder";
/// The module that compares, for `fix --verify`; handed over beside the recorder.
pub const PROVER: &str = "testdiet_watch.prover";

/// It, in a folder of its own, which goes when the value does.
#[derive(Debug)]
pub struct Plugin {
    folder: Scratch,
}

impl Plugin {
    /// Unpacks all of it to a folder that only this user can read. What runs that were killed have left there is removed before.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn unpack() -> io::Result<Self> {
        Self::with("")
    }

    /// As [`Self::unpack`], without the package `testdiet`.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn watching() -> io::Result<Self> {
        Self::with(WATCH)
    }

    fn with(start: &str) -> io::Result<Self> {
        scratch::sweep();
        let folder = Scratch::new("plugin")?;
        for (path, text) in FILES.iter().filter(|(path, _)| path.starts_with(start)) {
            let path = folder.path().join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            File::create(path)?.write_all(text.as_bytes())?;
        }
        Ok(Self { folder })
    }

    /// The folder for `sys.path`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A `PYTHONPATH` of this folder, what else should come before the installed packages, and what the user's says.
    ///
    /// # Errors
    /// When a path cannot be in a `PYTHONPATH`, because it holds the separator.
    pub fn python_path(&self, more: &[PathBuf]) -> Result<OsString, env::JoinPathsError> {
        let own = env::var_os("PYTHONPATH").filter(|v| !v.is_empty());
        let own: Vec<_> = own.as_deref().map(|v| env::split_paths(v).collect()).unwrap_or_default();
        env::join_paths(std::iter::once(self.folder()).chain(more.iter().map(AsRef::as_ref)).chain(own.iter().map(AsRef::as_ref)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_compiled_in() {
        fn collect(folder: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
                if entry.is_dir() {
                    collect(&entry, root, found);
                } else if entry.extension().is_some_and(|e| e == "py" || e == "typed") {
                    found.push(entry.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        let mut found = Vec::new();
        collect(&root, &root, &mut found);
        found.sort();
        let mut table: Vec<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        table.sort();
        assert_eq!(table, found, "`FILES` in src/pytest/plugin.rs lists what python/ holds");
    }

    #[test]
    fn ours_comes_first() {
        let plugin = Plugin::watching().unwrap();
        assert!(plugin.folder().join("testdiet_watch/recorder.py").is_file() && !plugin.folder().join("testdiet").exists());
        let path = plugin.python_path(&["/shadow/src".into()]).unwrap();
        let parts: Vec<_> = env::split_paths(&path).collect();
        assert_eq!((parts[0].as_path(), parts[1].as_path()), (plugin.folder(), Path::new("/shadow/src")));
    }
}
