//! What the recorder tells while pytest runs: JSON lines, one file for each process that runs tests.
//!
//! Files rather than a pipe, because they survive what they tell about: a process that is killed has written all that it
//! said before, several workers cannot garble each other's lines, and a grandchild that outlives pytest cannot keep us
//! waiting for the end.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::facts::{Site, Test};

/// The start of the names of the files.
const PREFIX: &str = "events-";

/// Something a process told.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Which process: the name of its file.
    pub process: String,
    /// What it told.
    pub told: Told,
}

/// The state of a process before a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// When, in seconds since 1970.
    pub at: f64,
    /// Threads alive.
    pub threads: u64,
    /// Bytes of memory in use; 0 where the system does not tell.
    pub memory: u64,
    /// Open descriptors; `None` where the system does not tell.
    pub descriptors: Option<u64>,
}

/// What a process tells.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Told {
    /// It starts. Test workers of pytest-xdist are processes beside the one that controls them.
    Session {
        /// pytest's root folder, which node ids are relative to.
        root: PathBuf,
        /// Its process id.
        pid: u32,
        /// The name of a worker of pytest-xdist.
        worker: Option<String>,
    },
    /// A file is about to be imported and searched for tests.
    Collecting {
        /// Its node id.
        file: String,
    },
    /// All tests are known.
    Collected {
        /// How many will run.
        tests: u64,
    },
    /// Tests that were selected but do not exist.
    Unknown {
        /// Their node ids.
        tests: Vec<String>,
    },
    /// A test starts.
    Started {
        /// Its node id.
        test: String,
        /// The process's state.
        #[serde(flatten)]
        before: Resources,
    },
    /// A test has ended. A test that is run again ends once, with its last outcome.
    Ended(Box<Test>),
    /// It ends in good order.
    Closed {
        /// pytest's exit code.
        exit: i32,
        /// What was done outside of any test: while modules were imported, and by threads after the test that had started
        /// them.
        outside: Vec<Site>,
    },
}

/// Reads events as they come.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    /// How far each file was read.
    read: HashMap<OsString, u64>,
    /// The files that something new was read from, by their names.
    grown: HashMap<OsString, File>,
}

impl Reader {
    /// A reader of a folder, from its start.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), read: HashMap::new(), grown: HashMap::new() }
    }

    /// What was told since the last time. A line that is not finished yet waits; one that makes no sense is passed over:
    /// a test that writes to descriptors it does not own can spoil it, and must not spoil the rest.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn poll(&mut self) -> io::Result<Vec<Event>> {
        let mut names: Vec<OsString> = fs::read_dir(&self.folder)?
            .map(|entry| entry.map(|e| e.file_name()))
            .filter(|name| name.as_ref().map_or(true, |n| n.as_encoded_bytes().starts_with(PREFIX.as_bytes())))
            .collect::<io::Result<_>>()?;
        names.sort();
        let mut events = Vec::new();
        for name in names {
            let process = name.to_string_lossy().trim_start_matches(PREFIX).trim_end_matches(".jsonl").to_owned();
            let mut file = File::open(self.folder.join(&name))?;
            let from = self.read.entry(name.clone()).or_default();
            if file.metadata()?.len() <= *from {
                continue;
            }
            file.seek(SeekFrom::Start(*from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            self.grown.insert(name, file);
            let Some(end) = memchr::memrchr(b'\n', &bytes) else { continue };
            *from += end as u64 + 1;
            for line in bytes[..end].split(|b| *b == b'\n') {
                if let Ok(told) = serde_json::from_slice(line) {
                    events.push(Event { process: process.clone(), told });
                }
            }
        }
        Ok(events)
    }

    /// Forces to disk what was read since the last time, so that it survives the machine too. The processes that told it go on
    /// meanwhile. A disk that refuses keeps what it has.
    pub fn sync(&mut self) {
        for (_, file) in self.grown.drain() {
            _ = file.sync_data();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_read_once_and_only_when_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = File::create(dir.path().join("events-1.jsonl")).unwrap();
        let mut reader = Reader::new(dir.path());
        file.write_all(b"{\"event\":\"collected\",\"tests\":3}\nnot json\n{\"event\":\"coll").unwrap();
        let told = |events: Vec<Event>| events.into_iter().map(|e| e.told).collect::<Vec<_>>();
        assert_eq!(told(reader.poll().unwrap()), [Told::Collected { tests: 3 }]);
        assert_eq!(told(reader.poll().unwrap()), []);
        file.write_all(b"ecting\",\"file\":\"a.py\"}\n").unwrap();
        let mut other = File::create(dir.path().join("events-2.jsonl")).unwrap();
        other.write_all(b"{\"event\":\"started\",\"test\":\"a.py::t\",\"at\":1.5,\"threads\":2,\"descriptors\":null}\n").unwrap();
        let before = Resources { at: 1.5, threads: 2, memory: 0, descriptors: None };
        let started = Told::Started { test: "a.py::t".to_owned(), before };
        let events = reader.poll().unwrap();
        assert_eq!(events.iter().map(|e| e.process.as_str()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(told(events), [Told::Collecting { file: "a.py".to_owned() }, started]);
    }
}
