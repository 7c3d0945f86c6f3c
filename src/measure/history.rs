//! The runs of a suite, kept under `.testdiet/measure/`; the oldest go when there are too many.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::gather::Gathered;
use super::record::{Header, Record, VERSION};
use crate::pytest::stream::Reader;
use crate::write::{FOLDER, own_folder};

/// Runs that are kept.
const KEPT: usize = 20;

/// Why runs cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or a file in it cannot be written.
    #[error("cannot keep what is measured in {path}: {error}", path = path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A record cannot be read.
    #[error("cannot read {path}: {error}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A record of another version, or none at all.
    #[error("{path} is not a record of this version of testdiet: {error}", path = path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
}

/// The runs of a suite.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
}

/// A run that is being made. Another process can tell, as long as this lives.
#[derive(Debug)]
pub struct Slot {
    /// Its folder.
    pub folder: PathBuf,
    /// What is run.
    pub header: Header,
    _lock: File,
}

/// What is known of a run.
#[derive(Debug)]
pub enum Past {
    /// It is over, and this is its record.
    Over(Box<Record>),
    /// It is still running, and this is what it told so far.
    Running(Box<Record>),
}

impl History {
    /// The runs of the suite in a folder.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self { folder: root.join(FOLDER).join("measure") }
    }

    /// Makes place for a run. The header's number is set.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn begin(&self, root: &Path, mut header: Header) -> Result<Slot, StoreError> {
        own_folder(root).map_err(|(path, error)| StoreError::Write { path, error })?;
        fs::create_dir_all(&self.folder).map_err(unwritten(&self.folder))?;
        let numbers = self.numbers();
        header.run = numbers.last().map_or(1, |n| n + 1);
        let folder = loop {
            let folder = self.path(header.run);
            match fs::create_dir(&folder) {
                Ok(()) => break folder,
                // Another run began at the same time.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => header.run += 1,
                Err(e) => return Err(unwritten(&folder)(e)),
            }
        };
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(unwritten(&path))?;
        match lock.lock() {
            Err(e) if e.kind() != io::ErrorKind::Unsupported => return Err(unwritten(&path)(e)),
            _ => {}
        }
        save(&folder.join("start.json"), &header)?;
        for old in numbers.iter().rev().skip(KEPT - 1) {
            // One that is in the way of nothing.
            _ = fs::remove_dir_all(self.path(*old));
        }
        Ok(Slot { folder, header, _lock: lock })
    }

    /// Keeps the record of a run, and lets go of what it was made of.
    ///
    /// # Errors
    /// When it cannot be written; the events are still there then.
    pub fn finish(&self, slot: &Slot, record: &Record) -> Result<(), StoreError> {
        save(&slot.folder.join("run.json"), record)?;
        for entry in fs::read_dir(&slot.folder).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(b"events-") {
                _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// The last run, whether or not it got to write its record.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn last(&self) -> Result<Option<Past>, StoreError> {
        self.numbers().last().map(|n| self.past(*n)).transpose().map(Option::flatten)
    }

    /// The records there are, the oldest first. Runs that left none, and records of other versions, are passed over.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let all = self.numbers().into_iter().filter_map(|n| load::<Record>(&self.path(n).join("run.json")).ok());
        all.filter(|record| record.header.version == VERSION).collect()
    }

    /// Where what the runs have shown of each file is kept.
    #[must_use]
    pub fn evidence(&self) -> PathBuf {
        self.folder.join("evidence.json")
    }

    /// Keeps that.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_evidence(&self, evidence: &impl serde::Serialize) -> Result<(), StoreError> {
        save(&self.evidence(), evidence)
    }

    fn past(&self, number: u64) -> Result<Option<Past>, StoreError> {
        let folder = self.path(number);
        let path = folder.join("run.json");
        if path.exists() {
            return load(&path).map(|record| Some(Past::Over(Box::new(record))));
        }
        let start = folder.join("start.json");
        if !start.exists() {
            return Ok(None);
        }
        let header: Header = load(&start)?;
        let lock = OpenOptions::new().read(true).write(true).open(folder.join("lock"));
        let held = lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)));
        let mut gathered = Gathered::default();
        let events = Reader::new(&folder).poll().map_err(|error| StoreError::Read { path: folder, error })?;
        events.into_iter().for_each(|event| gathered.hear(event));
        let record = Box::new(gathered.record(header, None, Duration::ZERO));
        Ok(Some(if held { Past::Running(record) } else { Past::Over(record) }))
    }

    fn numbers(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut numbers: Vec<u64> = entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:06}"))
    }
}

fn unwritten(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |error| StoreError::Write { path, error }
}

/// Writes a file whole or not at all.
fn save(path: &Path, value: &impl serde::Serialize) -> Result<(), StoreError> {
    let write = || -> io::Result<()> {
        let temp = path.with_extension("new");
        let mut file = File::create(&temp)?;
        serde_json::to_writer(&mut io::BufWriter::new(&file), value)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temp, path)
    };
    write().map_err(unwritten(path))
}

fn load<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let bytes = fs::read(path).map_err(|error| StoreError::Read { path: path.to_path_buf(), error })?;
    serde_json::from_slice(&bytes).map_err(|error| StoreError::Format { path: path.to_path_buf(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pytest::run::How;

    fn header() -> Header {
        Header {
            version: VERSION,
            run: 0,
            started: 0,
            interpreter: PathBuf::new(),
            python: String::new(),
            pytest: String::new(),
            arguments: Vec::new(),
            alloc: false,
            constrain: None,
        }
    }

    #[test]
    fn runs_are_numbered_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::of(dir.path());
        for n in 1..=KEPT as u64 + 3 {
            let slot = history.begin(dir.path(), header()).unwrap();
            assert_eq!(slot.header.run, n);
            File::create(slot.folder.join("events-1.jsonl")).unwrap();
            let record = Gathered::default().record(slot.header.clone(), Some(How::Exited(0)), Duration::ZERO);
            history.finish(&slot, &record).unwrap();
            assert!(!slot.folder.join("events-1.jsonl").exists());
        }
        let records = history.records();
        assert_eq!((records.len(), records[0].header.run), (KEPT, 4));
    }

    #[test]
    fn a_run_that_left_no_record_is_made_of_its_events() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::of(dir.path());
        assert!(history.last().unwrap().is_none());
        let slot = history.begin(dir.path(), header()).unwrap();
        let mut events = File::create(slot.folder.join("events-7.jsonl")).unwrap();
        events.write_all(b"{\"event\":\"session\",\"root\":\"/work\",\"pid\":7,\"worker\":null}\n").unwrap();
        events.write_all(b"{\"event\":\"started\",\"test\":\"a.py::t\",\"at\":1.0,\"threads\":3}\n{\"event\":\"en").unwrap();
        assert!(matches!(history.last().unwrap(), Some(Past::Running(_))));
        drop(slot);
        let Some(Past::Over(record)) = history.last().unwrap() else { panic!("nobody runs it") };
        assert_eq!(record.ended.how, crate::measure::EndedHow::Lost);
        assert_eq!((record.ended.running[0].test.as_str(), record.ended.running[0].before.threads), ("a.py::t", 3));
    }
}
