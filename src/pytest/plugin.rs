//! The Python package `testdiet`, compiled into this binary and unpacked for a run.
//!
//! The folder it is unpacked to comes first on `PYTHONPATH`, before what is installed: the interpreter needs no testdiet,
//! and where it has one of another version, this binary's own is the one that runs.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The files of the package, by their paths below `python/`.
macro_rules! package {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../python/", $path)))),*]
    };
}

/// Path and text of each file. A test holds this against the folder.
pub const FILES: &[(&str, &str)] = package![
    "testdiet/__init__.py",
    "testdiet/clock.py",
    "testdiet/gauges.py",
    "testdiet/guards.py",
    "testdiet/install.py",
    "testdiet/limits.py",
    "testdiet/locks.py",
    "testdiet/plugin.py",
    "testdiet/prover.py",
    "testdiet/recorder.py",
    "testdiet/slow.py",
    "testdiet/vendor.py",
    "testdiet/waiting.py",
];

/// The module that records; pytest gets it with `-p`.
pub const RECORDER: &str = "testdiet.recorder";
/// The module that compares, for `fix --verify`; handed over beside the recorder.
pub const PROVER: &str = "testdiet.prover";

/// The package in a folder of its own, which goes when the value does.
#[derive(Debug)]
pub struct Plugin {
    folder: TempDir,
}

impl Plugin {
    /// Unpacks it to a folder that only this user can read.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn unpack() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("testdiet-plugin-").tempdir()?;
        for (path, text) in FILES {
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
    fn the_whole_package_is_compiled_in() {
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
        collect(&root.join("testdiet"), &root, &mut found);
        found.sort();
        let mut table: Vec<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        table.sort();
        assert_eq!(table, found, "`FILES` in src/pytest/plugin.rs lists what python/ holds");
    }

    #[test]
    fn ours_comes_first() {
        let plugin = Plugin::unpack().unwrap();
        assert!(plugin.folder().join("testdiet/recorder.py").is_file());
        let path = plugin.python_path(&["/shadow/src".into()]).unwrap();
        let parts: Vec<_> = env::split_paths(&path).collect();
        assert_eq!((parts[0].as_path(), parts[1].as_path()), (plugin.folder(), Path::new("/shadow/src")));
    }
}
