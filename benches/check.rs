//! How long `testdiet check` takes, and how much memory, beside another tool on the same files in the same run.
//!
//!     cargo bench --bench check
//!
//! * `CPython`'s own Lib/test, found through the interpreter: cold `testdiet check` with every rule against
//!   `ast-grep run -p 'time.sleep($A)'`, in turns, so that what else the machine does hits both;
//! * one file without anything to find, one small file with findings: what starting up costs;
//! * 1,000 and 10,000 generated files: whether time is linear in the number of files, and memory bounded.
//!
//! It prints what it measured and judges nothing: a bound that holds on one machine fails on the next. Needs Python 3.9 on the
//! path (`PYTHON` names another one) and, for ast-grep, pip; it goes into target/venv. `TESTDIET_BENCH_ROUNDS` sets the rounds.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What one run took.
#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    kilobytes: f64,
}

/// The middle of several runs.
struct Median {
    seconds: f64,
    megabytes: f64,
}

fn main() {
    // `cargo test --all-targets` runs benches too, without this flag: then there is nothing to do.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let rounds = std::env::var("TESTDIET_BENCH_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(5);
    let bench = Bench { python: std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned()), rounds };
    println!("medians of {rounds} rounds after one that is not counted; every run is cold, with all rules");
    bench.standard_library();
    bench.small();
    bench.many();
}

struct Bench {
    python: String,
    rounds: usize,
}

impl Bench {
    /// Runs a command once.
    fn once(&self, command: &[&str]) -> Run {
        let helper = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rusage.py");
        let output = Command::new(&self.python).arg(helper).args(command).output().expect("Python runs");
        let printed = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<f64> = printed.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [seconds, kilobytes, code] = numbers[..] else { panic!("{}", String::from_utf8_lossy(&output.stderr)) };
        // 1 is "found something" for both tools.
        assert!((0.0..=1.0).contains(&code), "{command:?} ended with {code}");
        Run { seconds, kilobytes }
    }

    /// Runs commands in turns; the first round warms the disk's cache and does not count.
    fn in_turns(&self, commands: &[Vec<&str>]) -> Vec<Vec<Run>> {
        let mut runs = vec![Vec::new(); commands.len()];
        for round in 0..=self.rounds {
            for (command, runs) in commands.iter().zip(&mut runs) {
                let run = self.once(command);
                if round > 0 {
                    runs.push(run);
                }
            }
        }
        runs
    }

    fn standard_library(&self) {
        let Some(tests) = self.lib_test() else {
            println!("\nLib/test: this interpreter has none, skipped");
            return;
        };
        let tree = tempfile::tempdir().unwrap();
        let files = copy_python(&tests, tree.path());
        let folder = tree.path().to_str().unwrap();
        println!("\nCPython's Lib/test, {files} files");
        let ours = check(folder);
        let Some(ast_grep) = self.ast_grep() else {
            println!("  ast-grep could not be installed; testdiet alone");
            line("testdiet check", &median(&self.in_turns(&[ours])[0]));
            return;
        };
        let theirs = vec![ast_grep.to_str().unwrap(), "run", "--lang", "python", "-p", "time.sleep($A)", folder];
        let runs = self.in_turns(&[ours, theirs]);
        line("testdiet check", &median(&runs[0]));
        line("ast-grep run -p 'time.sleep($A)'", &median(&runs[1]));
        let mut ratios: Vec<f64> = runs[0].iter().zip(&runs[1]).map(|(a, b)| a.seconds / b.seconds).collect();
        println!("  ratio of times, median of the rounds: {:.2}", middle(&mut ratios));
    }

    fn small(&self) {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("test_plain.py"), &plain(200));
        write(&dir.path().join("test_sleepy.py"), &sleepy(0));
        println!("\nOne file");
        for (name, file) in [("200 tests, nothing to look for", "test_plain.py"), ("2 tests, findings", "test_sleepy.py")] {
            let path = dir.path().join(file);
            line(name, &median(&self.in_turns(&[check(path.to_str().unwrap())])[0]));
        }
    }

    fn many(&self) {
        println!("\nGenerated files, one in five with findings");
        let mut medians = Vec::new();
        for files in [1_000, 10_000] {
            let dir = tempfile::tempdir().unwrap();
            for i in 0..files {
                let text = if i % 5 == 0 { sleepy(i) } else { plain(10) };
                write(&dir.path().join(format!("package_{}/test_{i}.py", i / 100)), &text);
            }
            let median = median(&self.in_turns(&[check(dir.path().to_str().unwrap())])[0]);
            line(&format!("{files} files"), &median);
            medians.push(median);
        }
        let [one, ten] = &medians[..] else { return };
        println!(
            "  ten times the files: {:.1} times the time, {:.1} times the memory",
            ten.seconds / one.seconds,
            ten.megabytes / one.megabytes
        );
    }

    /// The interpreter's own tests.
    fn lib_test(&self) -> Option<PathBuf> {
        let ask = "import os, sysconfig; print(os.path.join(sysconfig.get_paths()['stdlib'], 'test'))";
        let output = Command::new(&self.python).args(["-c", ask]).output().ok()?;
        let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        path.join("test_threading.py").exists().then_some(path)
    }

    /// ast-grep, from pip.
    fn ast_grep(&self) -> Option<PathBuf> {
        let dev = Path::new(env!("CARGO_MANIFEST_DIR")).join("dev.py");
        let output = Command::new(&self.python).arg(dev).args(["venv", "ast-grep-cli"]).output().ok()?;
        let python = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        let binary = python.with_file_name(if cfg!(windows) { "ast-grep.exe" } else { "ast-grep" });
        binary.exists().then_some(binary)
    }
}

fn check(path: &str) -> Vec<&str> {
    let binary = env!("CARGO_BIN_EXE_testdiet");
    vec![binary, "check", "--isolated", "--no-cache", "--select", "ALL", "--exit-zero", "--output-format", "concise", path]
}

fn median(runs: &[Run]) -> Median {
    let mut seconds: Vec<f64> = runs.iter().map(|r| r.seconds).collect();
    let mut megabytes: Vec<f64> = runs.iter().map(|r| r.kilobytes / 1024.0).collect();
    Median { seconds: middle(&mut seconds), megabytes: middle(&mut megabytes) }
}

fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn line(name: &str, median: &Median) {
    println!("  {name:<36}{:>9.0} ms{:>9.0} MB at the peak", median.seconds * 1000.0, median.megabytes);
}

/// Copies the Python files of a tree; how many there are.
fn copy_python(from: &Path, to: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            files += copy_python(&path, &to);
        } else if path.extension().is_some_and(|e| e == "py") {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&path, to).unwrap();
            files += 1;
        }
    }
    files
}

#[expect(clippy::disallowed_methods, reason = "files in a temporary folder")]
fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Tests that no rule has to look at.
fn plain(tests: usize) -> String {
    let mut text = String::from("import product\n\n\n");
    for i in 0..tests {
        _ = write!(text, "def test_{i}():\n    thing = product.make({i})\n    assert thing.value == {i}\n    assert thing\n\n\n");
    }
    text
}

/// A sleep with its timeout, threads with their joins.
fn sleepy(i: usize) -> String {
    format!(
        "import threading\nimport time\n\nfrom product import Monitor\n\n\n\
         def test_silence_{i}():\n    monitor = Monitor(timeout=2.0)\n    monitor.start()\n    time.sleep(2.5)\n    assert monitor.silent\n\n\n\
         def test_together_{i}():\n    done = []\n    threads = [threading.Thread(target=done.append, args=(n,)) for n in range(10)]\n    \
         for thread in threads:\n        thread.start()\n    for thread in threads:\n        thread.join()\n    assert len(done) == 10\n"
    )
}
