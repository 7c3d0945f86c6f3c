//! A run of tests in the copy: what is handed to pytest, and what it and its plugins say, by test.
//!
//! Tests go by the name that the prover gives them: their file below the project's root, then the rest of their node id. So
//! they are the same in every copy, whatever pytest takes for its root folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::VerifyError;
use super::reach::{Reach, Which};
use super::shadow::Shadow;
use crate::pytest::plugin::PROVER;
use crate::pytest::run::How;
use crate::pytest::{Interpreter, Interrupts, Outcome, Plugin, Run, Test, Timeouts, Told};

/// Longest a test may take before anything is known about it. One that takes longer cannot be proven in reasonable time.
const PATIENCE_S: f64 = 600.0;
/// What a silent run may take longer than the longest of its tests may: pytest starts, collects and ends.
const SLACK: Duration = Duration::from_mins(2);
/// What pytest may take to end once all tests are over: plugins have reports to write, we have lines to sort.
const EXIT: Duration = Duration::from_mins(1);
/// Lines of pytest's output that are told when it could not run.
const TAIL: usize = 15;

/// What all runs have in common.
pub(super) struct Setup<'a> {
    pub interpreter: &'a Interpreter,
    pub plugin: &'a Plugin,
    pub interrupts: &'a Interrupts,
    /// Suites by their roots, the deepest first, and where pytest is started for each; both below the project's root.
    pub folders: Vec<(PathBuf, PathBuf)>,
    /// Folders of the project that Python imports from, below its root.
    pub imports: Vec<PathBuf>,
    /// The user's arguments for pytest.
    pub args: &'a [OsString],
    /// Test code, below the root: not the product's lines.
    pub omit: Vec<String>,
}

/// Which tests run.
pub(super) enum Wanted<'a> {
    /// Whatever a fix can reach.
    Reached(&'a Reach),
    /// These, each with the seconds it may take.
    Tests(&'a BTreeMap<String, f64>),
}

/// Lines of a file, as the bits of a number: the lowest bit of the first byte is line 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// Reads hexadecimal digits, the highest first.
    pub fn from_hex(hex: &str) -> Self {
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or_default();
        Self(hex.as_bytes().rchunks(2).map(|pair| pair.iter().fold(0, |n, c| n << 4 | digit(*c))).collect())
    }

    /// The lines that both have.
    pub fn common(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    /// The lines that either has.
    pub fn either(&self, other: &Self) -> Self {
        let (long, short) = if self.0.len() < other.0.len() { (other, self) } else { (self, other) };
        let mut out = long.clone();
        out.0.iter_mut().zip(&short.0).for_each(|(a, b)| *a |= b);
        out
    }

    /// The first line that the other one lacks.
    pub fn first_missing(&self, other: &Self) -> Option<usize> {
        let missing = |(i, a): (usize, &u8)| {
            let left = a & !other.0.get(i).copied().unwrap_or_default();
            (left != 0).then(|| i * 8 + left.trailing_zeros() as usize)
        };
        self.0.iter().enumerate().find_map(missing)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|b| *b == 0)
    }
}

/// Lines of the product, by file.
pub(super) type Covered = BTreeMap<String, Lines>;

/// What was seen of a test.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// What the recorder says.
    pub facts: Test,
    /// Whether it was ended because it took too long.
    pub hung: bool,
    /// The last lines of its failure, or of the stack where it hung.
    pub tail: Option<String>,
    /// The product's lines it ran; `None` when nobody looked.
    pub covered: Option<Covered>,
    /// Whether its process could import testdiet, as the suite would without us.
    pub equipped: bool,
}

/// What was seen in a run.
#[derive(Debug, Default)]
pub(super) struct Ran {
    /// By name.
    pub tests: BTreeMap<String, Seen>,
    /// Files that could not be imported, with the last lines of why.
    pub uncollected: BTreeMap<String, String>,
    /// Whether `coverage` is installed, once somebody looked.
    pub coverage: Option<bool>,
}

/// The order for the prover.
#[derive(Serialize)]
struct Order<'a> {
    shadow: &'a Path,
    original: &'a Path,
    keep: &'a Path,
    files: &'a BTreeMap<String, serde_json::Value>,
    tests: Option<&'a BTreeMap<String, f64>>,
    limit: f64,
    coverage: bool,
    omit: &'a [String],
}

/// What the prover writes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Item { item: String, name: String },
    Uncollected { uncollected: String, tail: String },
    Failed { test: String, tail: String },
    Equipped { equipped: bool },
    Lines { file: String, lines: BTreeMap<String, String> },
    Coverage { coverage: bool },
    Strays { strays: Vec<(String, String)> },
}

/// A part of a run: until pytest ends, by itself or by the end of a test.
#[derive(Default)]
struct Part {
    /// By node id.
    started: BTreeSet<String>,
    ended: BTreeMap<String, Test>,
    names: BTreeMap<String, String>,
    tails: BTreeMap<String, String>,
    covered: BTreeMap<String, Covered>,
    closed: bool,
    equipped: bool,
}

impl Setup<'_> {
    /// Runs tests in a copy as it stands. A test that takes too long or takes the process with it is told so, and the others
    /// run again without it. Under load nobody looks at lines. `told` hears the name of each test as it ends.
    pub fn run(
        &self,
        shadow: &Shadow,
        wanted: &Wanted<'_>,
        load: bool,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Ran, VerifyError> {
        let mut ran = Ran::default();
        for (suite, folder) in &self.folders {
            let in_suite =
                |file: &Path| self.folders.iter().find(|(root, _)| file.starts_with(root)).is_some_and(|f| f.0 == *suite);
            let mut wanted = wanted.filtered(shadow, &in_suite);
            while !wanted.files.is_empty() {
                let before = ran.tests.len();
                let left = self.part(shadow, folder, &wanted, load, &mut ran, told)?;
                if left.is_empty() || ran.tests.len() == before {
                    break;
                }
                wanted = Selection::of(left);
            }
        }
        Ok(ran)
    }

    /// One start of pytest. Returns the tests that did not have their turn.
    fn part(
        &self,
        shadow: &Shadow,
        folder: &Path,
        wanted: &Selection,
        load: bool,
        ran: &mut Ran,
        told: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<BTreeMap<String, f64>, VerifyError> {
        let keep = tempfile::Builder::new().prefix("run-").tempdir_in(shadow.beside()).map_err(VerifyError::Scratch)?;
        let order = keep.path().join("order.json");
        let tests = wanted.tests.as_ref();
        let longest = tests.map_or(PATIENCE_S, |t| t.values().copied().fold(0.0, f64::max));
        let json = serde_json::to_vec(&Order {
            shadow: shadow.root(),
            original: shadow.original(),
            keep: keep.path(),
            files: &wanted.files,
            tests,
            limit: PATIENCE_S,
            coverage: !load,
            omit: &self.omit,
        });
        let json = json.map_err(|e| VerifyError::Scratch(e.into()))?;
        File::create(&order).and_then(|mut f| f.write_all(&json)).map_err(VerifyError::Scratch)?;
        let folder = shadow.root().join(folder);
        let mut env = vec![("TESTDIET_PROVE".into(), Some(order.into_os_string()))];
        if !load {
            // A `wait_until` that has nothing to wait for fails. Under load what it waits for may well come first.
            env.push(("TESTDIET_VERIFY".into(), Some("1".into())));
        }
        let run = Run {
            args: self.arguments(shadow, &folder, wanted.files.keys()),
            plugins: vec![PROVER.to_owned()],
            python_path: self.imports.iter().map(|p| shadow.root().join(p)).collect(),
            env,
            timeouts: Timeouts { run: None, silence: Some(Duration::from_secs_f64(longest) + SLACK), exit: Some(EXIT) },
            ..Run::new(self.interpreter, self.plugin, &folder, keep.path())
        };
        let mut part = Part::default();
        let end = run.run(self.interrupts, &mut |event| {
            match event.told {
                Told::Started { test, .. } => _ = part.started.insert(test),
                Told::Ended(test) => {
                    let enough = told(&test.test);
                    part.ended.insert(test.test.clone(), *test);
                    return enough;
                }
                Told::Closed { .. } => part.closed = true,
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        if matches!(end.how, How::Interrupted | How::Stopped) {
            return Err(VerifyError::Interrupted);
        }
        part.read(keep.path(), ran)?;
        if part.names.is_empty() && part.started.is_empty() && ran.uncollected.is_empty() && end.how != How::Exited(0) {
            return Err(match end.how {
                How::Exited(5) => VerifyError::NoTests,
                _ => VerifyError::Pytest { how: end.how, tail: end.tail(TAIL) },
            });
        }
        let stacks = stacks(keep.path());
        let mut left: BTreeMap<String, f64> = BTreeMap::new();
        for (item, name) in &part.names {
            let (facts, hung, tail) = if let Some(facts) = part.ended.remove(item) {
                (facts, false, part.tails.remove(name))
            } else if part.started.contains(item) {
                let hung = stacks.is_some() || end.how == How::Silent;
                (Test::crashed(item.clone()), hung, stacks.clone().or_else(|| Some(end.tail(TAIL))))
            } else {
                let limit = tests.and_then(|t| t.get(name)).copied().unwrap_or(PATIENCE_S);
                left.insert(name.clone(), limit);
                continue;
            };
            let covered = ran.coverage.is_some_and(|c| c) && part.closed;
            let covered = covered.then(|| part.covered.remove(name).unwrap_or_default());
            ran.tests.insert(name.clone(), Seen { facts, hung, tail, covered, equipped: part.equipped });
        }
        Ok(left)
    }

    fn arguments<'f>(&self, shadow: &Shadow, folder: &Path, files: impl Iterator<Item = &'f String>) -> Vec<OsString> {
        // Slow tests count, unless the user says which ones do.
        let marks = self.args.iter().any(|a| {
            let bytes = a.as_encoded_bytes();
            bytes.starts_with(b"-m") && !bytes.starts_with(b"--")
        });
        let mut args: Vec<OsString> = if marks { Vec::new() } else { vec!["-m".into(), String::new().into()] };
        // Plugins are loaded early here; where warnings are errors, that one would end the run before it begins.
        args.extend(["-W", "ignore::pytest.PytestAssertRewriteWarning"].map(OsString::from));
        args.extend(self.args.iter().cloned());
        // One failure is no reason to stop, and our own timer for tests that hang has to stay.
        args.extend(["--maxfail=0", "--continue-on-collection-errors", "-o", "faulthandler_timeout=0"].map(OsString::from));
        args.extend(files.map(|file| {
            let path = shadow.root().join(file);
            path.strip_prefix(folder).map_or_else(|_| path.clone(), Path::to_path_buf).into_os_string()
        }));
        args
    }
}

/// The tests of one suite.
struct Selection {
    /// By file below the root: `true` for all, or the names of functions.
    files: BTreeMap<String, serde_json::Value>,
    /// By name, when names are known, with the seconds each may take.
    tests: Option<BTreeMap<String, f64>>,
}

impl Selection {
    fn of(tests: BTreeMap<String, f64>) -> Self {
        Self { files: tests.keys().map(|name| (file_of(name).to_owned(), true.into())).collect(), tests: Some(tests) }
    }
}

impl Wanted<'_> {
    /// The tests in some of the files.
    fn filtered(&self, shadow: &Shadow, within: &dyn Fn(&Path) -> bool) -> Selection {
        match self {
            Self::Reached(reach) => {
                let files = reach.files.iter().filter_map(|(file, which)| {
                    let functions = match which {
                        Which::All => true.into(),
                        Which::Of(names) => names.iter().cloned().collect::<Vec<_>>().into(),
                    };
                    let below = shadow.below(file).filter(|below| within(below))?;
                    Some((slashed(&below), functions))
                });
                Selection { files: files.collect(), tests: None }
            }
            Self::Tests(tests) => {
                let inside = tests.iter().filter(|(name, _)| within(Path::new(file_of(name))));
                Selection::of(inside.map(|(name, limit)| (name.clone(), *limit)).collect())
            }
        }
    }
}

impl Part {
    fn read(&mut self, keep: &Path, ran: &mut Ran) -> Result<(), VerifyError> {
        let mut strays = Vec::new();
        for entry in fs::read_dir(keep).map_err(VerifyError::Scratch)?.flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(b"proof-") {
                continue;
            }
            let file = File::open(entry.path()).map_err(VerifyError::Scratch)?;
            for line in BufReader::new(file).lines().map_while(Result::ok) {
                // A line that a dying process left half-written says nothing.
                let Ok(said) = serde_json::from_str::<Said>(&line) else { continue };
                match said {
                    Said::Item { item, name } => _ = self.names.insert(item, name),
                    Said::Uncollected { uncollected, tail } => _ = ran.uncollected.insert(uncollected, tail),
                    Said::Failed { test, tail } => _ = self.tails.entry(test).or_insert(tail),
                    Said::Equipped { equipped } => self.equipped = equipped,
                    Said::Coverage { coverage } => ran.coverage = Some(coverage),
                    Said::Lines { file, lines } => {
                        for (test, hex) in lines {
                            let known = self.covered.entry(test).or_default().entry(file.clone()).or_default();
                            *known = known.either(&Lines::from_hex(&hex));
                        }
                    }
                    Said::Strays { strays: more } => strays.extend(more),
                }
            }
        }
        match strays.into_iter().next() {
            Some((module, path)) => Err(VerifyError::Stray { module, path: path.into() }),
            None => Ok(()),
        }
    }
}

/// The file of a test's name.
pub(super) fn file_of(name: &str) -> &str {
    crate::pytest::facts::file_of(name)
}

/// The function of a test's name, without parameters.
pub(super) fn function_of(name: &str) -> &str {
    let plain = name.split('[').next().unwrap_or(name);
    plain.rsplit("::").next().unwrap_or(plain)
}

/// A relative path as it is written everywhere.
pub(super) fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The end of the stack of a test that was ended by its timer.
fn stacks(keep: &Path) -> Option<String> {
    let named = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b"hung-");
    let texts = fs::read_dir(keep).ok()?.flatten().filter(named).filter_map(|entry| {
        let mut text = String::new();
        File::open(entry.path()).and_then(|mut f| f.read_to_string(&mut text)).ok()?;
        (!text.trim().is_empty()).then_some(text)
    });
    // The innermost frames of the thread that runs the test come first in its part, which is the last.
    let text = texts.into_iter().next()?;
    let main = text.rfind("Current thread").or_else(|| text.rfind("Thread 0x")).unwrap_or_default();
    Some(text[main..].lines().take(TAIL).collect::<Vec<_>>().join("\n"))
}

/// Whether a test's outcome can prove anything.
pub(super) const fn is_well(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Passed | Outcome::Skipped | Outcome::Xfailed | Outcome::Xpassed)
}

/// Asks Python where it imports the project from: entries of `sys.path` and the targets of editable installs.
const QUESTION: &str = r"
import json, os, sys
found = [os.path.realpath(p) for p in sys.path if p]
for finder in sys.meta_path:
    module = sys.modules.get(getattr(finder, '__module__', None) or type(finder).__module__)
    mapping = getattr(module, 'MAPPING', None)
    if isinstance(mapping, dict):
        for name, path in mapping.items():
            path = os.path.realpath(str(path))
            for _ in str(name).split('.'):
                path = os.path.dirname(path)
            found.append(path)
print('testdiet:' + json.dumps(found))
";

/// Folders of the project that Python imports from when it is started at home, below the project's root.
pub(super) fn imports(interpreter: &Interpreter, shadow: &Shadow) -> Vec<PathBuf> {
    let output = Command::new(&interpreter.path)
        .args(["-c", QUESTION])
        .current_dir(shadow.beside())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let json = said.lines().rev().find_map(|line| line.strip_prefix("testdiet:")).unwrap_or("[]");
    let found: Vec<PathBuf> = serde_json::from_str(json).unwrap_or_default();
    let mut out: Vec<PathBuf> = Vec::new();
    for path in found {
        // What was not copied is used where it is.
        if let Some(below) = shadow.of(&path).and(shadow.below(&path))
            && !out.contains(&below)
        {
            out.push(below);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bits() {
        let lines = |numbers: &[u32]| Lines::from_hex(&format!("{:x}", numbers.iter().fold(0_u128, |n, l| n | 1 << l)));
        let (a, b) = (lines(&[1, 9, 70]), lines(&[9, 12]));
        assert_eq!(a.common(&b), lines(&[9]));
        assert_eq!(a.either(&b), lines(&[1, 9, 12, 70]));
        assert_eq!(a.either(&b), b.either(&a));
        assert_eq!((a.first_missing(&b), b.first_missing(&a)), (Some(1), Some(12)));
        assert_eq!(lines(&[9]).first_missing(&a), None);
        assert_eq!(lines(&[70]).first_missing(&b), Some(70));
        assert!(lines(&[3]).common(&lines(&[4])).is_empty());
    }

    #[test]
    fn names_have_a_file_and_a_function() {
        for (name, file, function) in
            [("t/a.py::f", "t/a.py", "f"), ("t/a.py::C::f[x::y-[1]]", "t/a.py", "f"), ("a.py::T::test_x", "a.py", "test_x")]
        {
            assert_eq!((file_of(name), function_of(name)), (file, function));
        }
    }
}
