//! Folders for temporary files that do not outlive their process for long: gone with their value, and where the process was
//! killed, with the next start of testdiet.
//!
//! Each holds a file that its process keeps locked. The system gives a lock back when its holder dies, however it dies, so
//! whoever gets it knows that the folder is nobody's. (A process id could be somebody else's by now.)

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The start of the names of the folders.
const PREFIX: &str = "testdiet-";
/// The file that is locked.
const LOCK: &str = "in-use";

/// A folder in the folder for temporary files; gone when dropped.
#[derive(Debug)]
pub struct Scratch {
    // Both are taken when the folder goes.
    dir: Option<TempDir>,
    lock: Option<File>,
}

impl Scratch {
    /// Makes a folder that only this user can read, in the folder for temporary files. `kind` becomes part of its name.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn new(kind: &str) -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir(), kind)
    }

    fn new_in(folder: &Path, kind: &str) -> io::Result<Self> {
        let prefix = format!("{PREFIX}{kind}-");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let dir = builder.tempdir_in(folder)?;
        // It gets its name when it is locked: nobody can find it free before.
        let unnamed = dir.path().join("new");
        let lock = File::create_new(&unnamed)?;
        // Where the file system knows no locks, a folder stays if its process is killed.
        let locked = lock.try_lock().is_ok();
        if locked { fs::rename(&unnamed, dir.path().join(LOCK)) } else { fs::remove_file(&unnamed) }?;
        Ok(Self { dir: Some(dir), lock: Some(lock) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(dir) = self.dir.take() else { return };
        // Windows removes no file that is open.
        drop(self.lock.take());
        // Nobody is told of what cannot be removed: there is nothing to do about it, and the next start tries again.
        _ = remove(&dir.keep());
    }
}

/// Removes the folders of processes that were killed.
pub fn sweep() {
    sweep_in(&std::env::temp_dir());
}

fn sweep_in(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) && entry.file_type().is_ok_and(|t| t.is_dir()) {
            let path = entry.path();
            if ours(&path) && abandoned(&path) {
                _ = remove(&path);
            }
        }
    }
}

/// Whether a folder was made by this user. Others could leave one that leads elsewhere.
#[cfg(unix)]
fn ours(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    folder.symlink_metadata().is_ok_and(|m| m.uid() == rustix::process::geteuid().as_raw() && m.mode() & 0o777 == 0o700)
}

/// The folder for temporary files is the user's own.
#[cfg(not(unix))]
fn ours(_folder: &Path) -> bool {
    true
}

/// Whether nobody holds the lock. Without the file it is just being made, or nobody can tell.
fn abandoned(folder: &Path) -> bool {
    let path: PathBuf = folder.join(LOCK);
    let regular = path.symlink_metadata().is_ok_and(|m| m.is_file());
    let Some(lock) = File::options().read(true).write(true).open(&path).ok().filter(|_| regular) else { return false };
    match lock.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

/// Removes a folder with all that is in it, also what a test has closed to writing.
fn remove(folder: &Path) -> io::Result<()> {
    match remove_lock_last(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open(folder);
            remove_lock_last(folder)
        }
        done => done,
    }
}

/// A folder without its lock is taken for one that is just being made: if its removal is cut short, it would stay for ever.
fn remove_lock_last(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) }?;
    }
    fs::remove_dir_all(folder)
}

/// Lets its folders be changed.
fn open(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            open(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_folder_goes_with_its_value_and_no_sweep_takes_one_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let used = Scratch::new_in(dir.path(), "proof").unwrap();
        fs::create_dir_all(used.path().join("a/b")).unwrap();
        sweep_in(dir.path());
        assert!(used.path().join("a/b").is_dir());
        drop(used);
        assert_eq!(names(dir.path()), 0);
    }

    #[test]
    fn what_nobody_holds_is_removed_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut left = Scratch::new_in(dir.path(), "proof").unwrap();
        fs::create_dir_all(left.path().join("proj/tests")).unwrap();
        // As after a kill: the lock is gone, the folder is not.
        let path = left.dir.take().unwrap().keep();
        drop(left);
        // Folders that merely have such a name: without the file, with a folder in its place, or somebody else's.
        fs::create_dir_all(dir.path().join("testdiet-notes")).unwrap();
        fs::create_dir_all(dir.path().join("testdiet-odd").join(LOCK)).unwrap();
        fs::create_dir_all(dir.path().join("other").join(LOCK)).unwrap();
        sweep_in(dir.path());
        assert!(!path.exists());
        assert_eq!(names(dir.path()), 3);
    }
}
