//! Gives files new contents, many at once: all prepared, then all replaced, or all put back.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Refusal, Why, WriteError};

/// One file to be given other contents.
pub(super) struct Step {
    /// The file itself, links resolved.
    pub path: PathBuf,
    /// What it holds; `None` where it does not exist.
    pub from: Option<Vec<u8>>,
    /// What it shall hold; `None` to remove it.
    pub to: Option<Vec<u8>>,
    /// Keep the file and overwrite its contents, for it has other names.
    pub in_place: bool,
    /// Where new contents wait, beside the file.
    pub temp: PathBuf,
}

/// Steps whose new contents lie on the disk.
pub(super) struct Prepared {
    steps: Vec<Step>,
}

impl Prepared {
    /// Writes the new contents beside the files. After an error nothing of it is left.
    pub fn new(steps: Vec<Step>) -> Result<Self, WriteError> {
        let prepared = Self { steps };
        // Waiting for the disk is what takes the time: side by side the waits are one.
        let failed = prepared.steps.par_iter().find_map_first(|step| {
            let error = step.prepare().err()?;
            Some(WriteError::Failed { path: step.path.clone(), error })
        });
        match failed {
            Some(error) => Err(error), // dropping removes what was prepared
            None => Ok(prepared),
        }
    }

    /// Makes sure, as late as possible, that every file still is what it was.
    pub fn check(&self) -> Result<(), WriteError> {
        let refusal = |step: &Step| {
            let why = match (fs::read(&step.path), &step.from) {
                (Ok(now), Some(from)) if now == *from => return None,
                (Ok(_), Some(_)) => Why::Stale,
                (Ok(_), None) => Why::Exists,
                (Err(e), None) if e.kind() == io::ErrorKind::NotFound => return None,
                (Err(e), Some(_)) if e.kind() == io::ErrorKind::NotFound => Why::Gone,
                (Err(e), _) => Why::Io(e),
            };
            Some(Refusal { path: step.path.clone(), why })
        };
        let refusals: Vec<Refusal> = self.steps.par_iter().filter_map(refusal).collect();
        if refusals.is_empty() { Ok(()) } else { Err(WriteError::Refused(refusals)) }
    }

    /// Replaces the files. When one cannot be, puts back those before it.
    pub fn replace(self) -> Result<(), WriteError> {
        // In place first: these can still fail for want of room, the others hardly.
        let (in_place, renamed): (Vec<&Step>, Vec<&Step>) = self.steps.iter().partition(|s| s.in_place);
        let order: Vec<&Step> = in_place.into_iter().chain(renamed).collect();
        for (done, step) in order.iter().enumerate() {
            if let Err(error) = step.replace() {
                let path = step.path.clone();
                let stuck: Vec<PathBuf> =
                    order[..done].iter().rev().filter(|s| s.put_back().is_err()).map(|s| s.path.clone()).collect();
                sync_folders(&self.steps);
                return Err(if stuck.is_empty() {
                    WriteError::Failed { path, error }
                } else {
                    let not_written = self.steps.iter().map(|s| s.path.clone()).filter(|p| !stuck.contains(p)).collect();
                    WriteError::Partly { path, error, written: stuck, not_written }
                });
            }
        }
        sync_folders(&self.steps);
        Ok(())
    }
}

impl Drop for Prepared {
    /// What took its file's place is not there any more; all else was in vain.
    fn drop(&mut self) {
        for step in &self.steps {
            _ = fs::remove_file(&step.temp);
        }
    }
}

impl Step {
    fn prepare(&self) -> io::Result<()> {
        let Some(to) = &self.to else { return Ok(()) };
        if self.in_place {
            // Only whether it could be written: the contents are in the journal.
            return OpenOptions::new().write(true).open(&self.path).map(drop);
        }
        let like = if self.from.is_some() { Some(fs::metadata(&self.path)?) } else { None };
        write_new(&self.temp, to, like.as_ref())
    }

    fn replace(&self) -> io::Result<()> {
        match &self.to {
            Some(to) if self.in_place => {
                let from = self.from.as_deref().unwrap_or_default();
                overwrite(&self.path, from, to).inspect_err(|_| {
                    // Room that was there before is there still.
                    _ = overwrite(&self.path, to, from);
                })
            }
            Some(_) => fs::rename(&self.temp, &self.path),
            None => fs::remove_file(&self.path),
        }
    }

    fn put_back(&self) -> io::Result<()> {
        match &self.from {
            Some(from) if self.in_place => overwrite(&self.path, self.to.as_deref().unwrap_or_default(), from),
            Some(from) => {
                let like = fs::metadata(&self.path).ok();
                write_new(&self.temp, from, like.as_ref())?;
                fs::rename(&self.temp, &self.path)
            }
            None => fs::remove_file(&self.path),
        }
    }
}

/// Writes a new file, down to the disk, with the mode and as far as possible the owner of another.
pub(super) fn write_new(path: &Path, bytes: &[u8], like: Option<&Metadata>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Contents that others may not read must not be readable meanwhile.
    #[cfg(unix)]
    if like.is_some() {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    if let Some(like) = like {
        // Before the mode, which a change of owner may reset.
        #[cfg(unix)]
        take_owner(&file, like)?;
        file.set_permissions(like.permissions())?;
    }
    file.sync_all()
}

#[cfg(unix)]
fn take_owner(file: &File, like: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) && fchown(file, Some(like.uid()), Some(like.gid())).is_err() {
        // Only root gives files away, but a group of one's own may be kept. Neither is worth failing for.
        _ = fchown(file, None, Some(like.gid()));
    }
    Ok(())
}

/// Overwrites a file in place. What is longer than before is written first, where it overwrites nothing: a disk that is
/// full shows before anything is lost.
fn overwrite(path: &Path, from: &[u8], to: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let (head, tail) = to.split_at(to.len().min(from.len()));
    if !tail.is_empty() {
        file.seek(SeekFrom::Start(from.len() as u64))?;
        let grown = file.write_all(tail).and_then(|()| file.sync_all());
        if let Err(error) = grown {
            _ = file.set_len(from.len() as u64);
            return Err(error);
        }
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(head)?;
    file.set_len(to.len() as u64)?;
    file.sync_all()
}

/// Whether `now` is what a killed [`overwrite`] leaves: new up to some point, old from there on. After a power failure
/// each page may be either. An edit by hand hardly looks like that, and must not be taken for it.
pub(super) fn mixed(now: &[u8], from: &[u8], to: &[u8]) -> bool {
    const PAGE: usize = 4096;
    if now.len() < from.len().min(to.len()) || now.len() > from.len().max(to.len()) {
        return false;
    }
    // The end that grows is written first.
    let grown = [from, to.get(from.len()..).unwrap_or_default()].concat();
    let old = &grown[..now.len()];
    let same = now.iter().zip(to).take_while(|(a, b)| a == b).count();
    let page = |at: usize| {
        let page = at..now.len().min(at + PAGE);
        let is = |other: &[u8]| other.get(page.clone()) == Some(&now[page.clone()]);
        is(old) || is(to)
    };
    now[same..] == old[same..] || (0..now.len()).step_by(PAGE).all(page)
}

/// Makes renames last. Not all file systems can, and the names are right without it until the power fails.
fn sync_folders(steps: &[Step]) {
    let mut folders: Vec<&Path> = steps.iter().filter(|s| !s.in_place).filter_map(|s| s.path.parent()).collect();
    folders.sort_unstable();
    folders.dedup();
    folders.par_iter().for_each(|folder| sync_folder(folder));
}

/// Makes the names in a folder last.
pub(super) fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        _ = File::open(folder).and_then(|f| f.sync_all());
    }
}

/// How many names a file has.
pub(super) fn links(meta: &Metadata) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::nlink(meta);
    // Rust does not tell yet; the other name keeps the old contents then.
    #[cfg(not(unix))]
    {
        _ = meta;
        1
    }
}

/// Which file it is, whatever its name.
#[allow(clippy::unnecessary_wraps, reason = "only Unix tells")]
pub(super) fn identity(meta: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((meta.dev(), meta.ino()))
    }
    #[cfg(not(unix))]
    {
        _ = meta;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(dir: &Path, name: &str, from: Option<&str>, to: Option<&str>) -> Step {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Some(from) = from {
            File::create(&path).unwrap().write_all(from.as_bytes()).unwrap();
        }
        let bytes = |s: &str| s.as_bytes().to_vec();
        Step { temp: path.with_extension("tmp"), path, from: from.map(bytes), to: to.map(bytes), in_place: false }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failure_half_way_puts_everything_back() {
        let dir = tempfile::tempdir().unwrap();
        let steps = vec![
            step(dir.path(), "a.py", Some("a"), Some("A")),
            step(dir.path(), "new.py", None, Some("new")),
            step(dir.path(), "gone.py", Some("old"), None),
            step(dir.path(), "sub/b.py", Some("b"), Some("B")),
        ];
        let prepared = Prepared::new(steps).unwrap();
        fs::remove_dir_all(dir.path().join("sub")).unwrap();
        assert!(matches!(prepared.check(), Err(WriteError::Refused(r)) if matches!(r[..], [Refusal { why: Why::Gone, .. }])));
        let error = prepared.replace().unwrap_err();
        assert!(matches!(&error, WriteError::Failed { path, .. } if path.ends_with("sub/b.py")), "{error}");
        assert_eq!(names(dir.path()), ["a.py", "gone.py"]);
        assert_eq!(fs::read_to_string(dir.path().join("a.py")).unwrap(), "a");
        assert_eq!(fs::read_to_string(dir.path().join("gone.py")).unwrap(), "old");
    }

    #[test]
    fn what_cannot_be_prepared_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let mut bad = step(dir.path(), "b.py", Some("b"), Some("B"));
        bad.temp = dir.path().join("x".repeat(300));
        let error = Prepared::new(vec![step(dir.path(), "a.py", Some("a"), Some("A")), bad]).err().unwrap();
        assert!(matches!(&error, WriteError::Failed { path, .. } if path.ends_with("b.py")), "{error}");
        assert_eq!(names(dir.path()), ["a.py", "b.py"]);
    }

    #[test]
    fn half_written_contents_are_told_from_edited_ones() {
        let grows = |now: &str| mixed(now.as_bytes(), b"abcd", b"ABCDEF");
        let shrinks = |now: &str| mixed(now.as_bytes(), b"ABCDEF", b"abcd");
        for now in ["abcd", "abcdE", "abcdEF", "ABcdEF", "ABCDEF"] {
            assert!(grows(now), "{now}");
        }
        for now in ["ABCDEF", "abCDEF", "abcdEF", "abcd"] {
            assert!(shrinks(now), "{now}");
        }
        for now in ["abCDEF", "abxdEF", "abc", "abcdEFG"] {
            assert!(!grows(now), "{now}");
        }
        for now in ["ABcdEF", "abc", "abcx"] {
            assert!(!shrinks(now), "{now}");
        }
        // Pages reach the disk in any order.
        let (old, new) = ([b'o'; 10_000], [b'n'; 10_000]);
        let mut now = old;
        now[4096..8192].fill(b'n');
        assert!(mixed(&now, &old, &new));
        now[5000] = b'o';
        assert!(!mixed(&now, &old, &new));
    }

    #[test]
    fn overwriting_grows_and_shrinks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for (from, to) in [("", "abc"), ("abc", "ABCDEF"), ("ABCDEF", "x"), ("x", "")] {
            overwrite_or_create(&path, from);
            overwrite(&path, from.as_bytes(), to.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), to);
        }
    }

    fn overwrite_or_create(path: &Path, text: &str) {
        File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    }
}
