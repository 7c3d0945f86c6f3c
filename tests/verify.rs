//! `fix --verify` as a user meets it: real pytest, real signals, real files.
#![cfg(unix)]

mod sandbox;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use sandbox::{Sandbox, python};
use serde_json::Value;

/// What the fixes cannot know: a product that takes its time, and says so in a way that only a run shows.
const PRODUCT: &str = "\
import threading
import time


class Job:
    def __init__(self, delay):
        self.done = False
        self.start = time.monotonic()
        self.thread = threading.Thread(target=self.run, args=(delay,), daemon=True)
        self.thread.start()

    def run(self, delay):
        time.sleep(delay)
        self.done = True

    def late(self, delay):
        if time.monotonic() - self.start > delay:
            return self.expire()

    def expire(self):
        return 'expired'

    def finish(self, delay):
        if time.monotonic() - self.start < delay:
            threading.Event().wait()


def parse(text):
    return float(text.strip('%')) / 100
";

const HEAD: &str = "import threading\nimport time\n\nfrom product import Job, parse\n\n\n";
const GOOD: &str = "def test_good():\n    time.sleep(0.8)\n    assert True\n";
/// Well with 0.5 s, which is the gentlest that is tried, not with less.
const HALF: &str = "def test_half():\n    job = Job(parse('40%'))\n    time.sleep(1.0)\n    assert job.done\n";
const WHOLE: &str = "def test_whole():\n    job = Job(parse('80%'))\n    time.sleep(1.2)\n    assert job.done\n";

fn project(tests: &[&str]) -> Sandbox {
    let sandbox = Sandbox::bare();
    sandbox.write("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = [\"src\"]\ntestpaths = [\"tests\"]\n");
    sandbox.write("src/product.py", PRODUCT);
    sandbox.write("tests/test_jobs.py", format!("{HEAD}{}", tests.join("\n\n")));
    sandbox
}

fn text(sandbox: &Sandbox, name: &str) -> String {
    String::from_utf8(sandbox.read(name)).unwrap()
}

fn command(sandbox: &Sandbox, python: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testdiet"));
    command.args(["fix", "--verify", "--python"]).arg(python).args(args).current_dir(sandbox.root());
    command.env_remove("CLICOLOR_FORCE").env_remove("PYTHONPATH").env_remove("PYTEST_ADDOPTS").env("NO_COLOR", "1");
    command.stdin(Stdio::null());
    command
}

fn verify_with(sandbox: &Sandbox, python: &Path, args: &[&str]) -> Output {
    let output = command(sandbox, python, args).output().unwrap();
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output
}

/// One run with the fixes and none under load, where neither is what a test is about.
fn verify(sandbox: &Sandbox, args: &[&str]) -> Output {
    verify_with(sandbox, python(), &[&["--runs=1"], args].concat())
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What became of the fixes, as `message: fate`, and why.
fn fates(proof: &Value) -> Vec<(String, String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = proof["fixes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (text(&f["messages"][0]), text(&f["fate"]), text(&f["reason"])))
        .collect();
    all.sort();
    all
}

/// Everything in a project but what testdiet keeps there.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(folder: &Path, out: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_name() == ".testdiet" {
                continue;
            }
            if entry.path().is_dir() {
                walk(&entry.path(), out);
            } else {
                out.push((entry.path(), std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    let mut out = Vec::new();
    walk(root, &mut out);
    out.sort();
    out
}

#[test]
fn exactly_what_the_tests_refuse_is_relaxed_or_dropped() {
    let join = "def test_join():\n    t = threading.Thread(target=parse, args=('100%',))\n    t.start()\n    t.join()\n";
    let sandbox = project(&[GOOD, HALF, WHOLE, join]);
    let before = tree(sandbox.root());
    let output = verify_with(&sandbox, python(), &["--output-format=json", "--runs=2"]);
    assert_eq!(output.status.code(), Some(1), "a fix was dropped");
    // What was refused is remembered: nothing has to run for it again.
    let again = verify_with(&sandbox, python(), &["--output-format=json", "--runs=2"]);
    assert_eq!(json(&again)["fixes"].as_array().unwrap().len(), 1);
    assert_eq!((&json(&again)["candidates"], &json(&again)["fixes"][0]["remembered"]), (&0.into(), &true.into()));
    let proof = json(&output);
    let told: Vec<_> = fates(&proof).into_iter().map(|(message, fate, _)| format!("{fate}: {message}")).collect();
    assert_eq!(
        told,
        [
            "proven: Add `timeout=5.0` and an assertion that it ended",
            "proven: Shrink 0.8 s to 0.1 s",
            "relaxed: Shrink 1.0 s to 0.5 s",
            "dropped: Shrink 1.2 s to 0.1 s",
        ]
    );
    let dropped = proof["fixes"].as_array().unwrap().iter().find(|f| f["fate"] == "dropped").unwrap();
    assert_eq!(dropped["test"], "tests/test_jobs.py::test_whole");
    assert!(dropped["reason"].as_str().unwrap().starts_with("it passed without the fix, failed with it"), "{dropped}");
    assert!(dropped["tail"].as_str().unwrap().contains("assert job.done"), "{dropped}");
    assert_eq!(proof["coverage"], true);
    let spent = |what: &str| proof["spent"][what].as_f64().unwrap();
    assert!(
        spent("baseline_s") > 2.0 && spent("runs_s") > 1.0 && spent("runs") >= proof["candidates"].as_f64().unwrap(),
        "{proof}"
    );
    let slept = |when: &str| proof[when]["sleep_s"].as_f64().unwrap();
    assert!(slept("before") > 4.0 && slept("after") < slept("before"), "{proof}");
    assert_eq!((&proof["before"]["bare_joins"], &proof["after"]["bare_joins"]), (&1.into(), &0.into()));
    let after = text(&sandbox, "tests/test_jobs.py");
    for line in ["    time.sleep(0.1)\n", "    time.sleep(0.5)\n", "    time.sleep(1.2)\n", "    t.join(timeout=5.0)\n"] {
        assert_eq!(after.matches(line).count(), 1, "{line}{after}");
    }
    assert_eq!(sandbox.run(&["undo"]).status.code(), Some(0));
    assert_eq!(tree(sandbox.root()), before);
}

#[test]
fn a_wait_for_what_holds_already_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "jobs.py",
        "import threading\n\n\nclass Job:\n    done = False\n\n    def at_once(self):\n        self.done = True\n\n    \
         def later(self):\n        threading.Timer(0.3, self.at_once).start()\n",
    );
    let test = |start: &str| {
        format!("def test_{start}():\n    job = Job()\n    job.{start}()\n    time.sleep(0.8)\n    assert job.done\n")
    };
    let tests = ["import time\n\nfrom jobs import Job\n".to_owned(), test("at_once"), test("later")];
    sandbox.write("tests/test_jobs.py", tests.join("\n\n"));
    sandbox.write("pytest.ini", "[pytest]\npythonpath = .\n");
    sandbox.write("testdiet.toml", "[fix]\nfast-time = true\nstrategies = [\"wait-until\"]\n");
    let python = environment(&sandbox, &[testdiet_path()]);
    let proof = json(&verify_with(&sandbox, &python, &["--runs=1", "--output-format=json"]));
    let fates = fates(&proof);
    assert_eq!(
        fates.iter().map(|(message, fate, _)| format!("{fate}: {message}")).collect::<Vec<_>>(),
        ["dropped: Wait until `job.done`", "proven: Wait until `job.done`",]
    );
    assert!(fates[0].2.contains("was true before anything was waited for"), "{}", fates[0].2);
    let after = text(&sandbox, "tests/test_jobs.py");
    assert!(after.contains("job.at_once()\n    time.sleep(0.8)\n    assert job.done\n"), "{after}");
    assert!(after.contains("job.later()\n    wait_until(lambda: job.done, timeout=5.0)\n    assert job.done\n"), "{after}");
}

/// The package as it is here, for the interpreter of [`environment`].
fn testdiet_path() -> (&'static str, String) {
    ("testdiet.pth", format!("{}\n", Path::new(env!("CARGO_MANIFEST_DIR")).join("python").display()))
}

#[test]
fn what_takes_testdiet_is_held_back_where_the_tests_cannot_import_it() {
    let test = "import time\n\n\ndef test_nap():\n    time.sleep(0.8)\n";
    let sandbox = Sandbox::of("tests/test_nap.py", test);
    sandbox.write("pyproject.toml", "[project]\nname = \"p\"\nversion = \"1\"\n[dependency-groups]\ntest = [\"testdiet\"]\n");
    sandbox.write("testdiet.toml", "[fix]\nstrategies = [\"fast-time\"]\n");
    let bare = environment(&sandbox, &[]);
    let output = verify_with(&sandbox, &bare, &["--runs=1", "--output-format=json"]);
    assert_eq!(output.status.code(), Some(1));
    let fates = fates(&json(&output));
    assert_eq!((fates.len(), fates[0].1.as_str()), (1, "held"));
    let why = &fates[0].2;
    assert!(
        why.starts_with("it takes testdiet, which the tests cannot import: install it for ") && why.contains("testdiet init"),
        "{why}"
    );
    assert_eq!(text(&sandbox, "tests/test_nap.py"), test);
    std::fs::remove_dir_all(sandbox.root().join(".venv")).unwrap();

    // With the package, but without the plugin that the installed one names: pytest knows no such fixture.
    let python = environment(&sandbox, &[testdiet_path()]);
    let output = verify_with(&sandbox, &python, &["--runs=1", "--output-format=json"]);
    let proof = json(&output);
    assert_eq!((output.status.code(), proof["fixes"][0]["fate"].as_str()), (Some(1), Some("dropped")));
    assert!(proof["fixes"][0]["tail"].as_str().unwrap().contains("fixture 'fast_time' not found"), "{proof}");
    assert_eq!(text(&sandbox, "tests/test_nap.py"), test);

    let output = verify_with(&sandbox, &python, &["--runs=1", "--", "-p", "testdiet.plugin"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&sandbox, "tests/test_nap.py").contains("def test_nap(fast_time):\n    time.sleep(0.8)\n"));
}

#[test]
fn what_init_wrote_into_the_suite_is_what_the_proof_runs() {
    let sandbox = project(&[GOOD]);
    assert_eq!(sandbox.run(&["init", "--yes", "--only=fixtures"]).status.code(), Some(0));
    assert!(sandbox.root().join("tests/_testdiet.py").is_file());
    let output = verify(&sandbox, &["--output-format=json"]);
    let proof = json(&output);
    assert_eq!((output.status.code(), proof["fixes"][0]["fate"].as_str()), (Some(0), Some("proven")), "{proof}");
    assert!(text(&sandbox, "tests/test_jobs.py").contains("def test_good(fast_time):"));
    let slept = |when: &str| proof[when]["sleep_s"].as_f64().unwrap();
    assert!(slept("before") > 0.7 && slept("after") < 0.1, "{proof}");
}

#[test]
fn a_test_that_refuses_virtual_time_gets_shorter_sleeps() {
    let odd = "def test_odd(request):\n    time.sleep(0.9)\n    assert request.fixturenames == ['request']\n";
    let sandbox = project(&[GOOD, odd]);
    assert_eq!(sandbox.run(&["init", "--yes", "--only=fixtures"]).status.code(), Some(0));
    // A plugin that the plugin's own tests have installed brings fixtures of its own.
    let output = verify(&sandbox, &["--output-format=json", "--", "-p", "no:asyncio"]);
    let told: Vec<_> = fates(&json(&output)).into_iter().map(|(message, fate, _)| format!("{fate}: {message}")).collect();
    assert_eq!(told, ["proven: Run the test on virtual time, with the fixture `fast_time`", "relaxed: Shrink 0.9 s to 0.1 s"]);
    assert_eq!(output.status.code(), Some(0));
    let after = text(&sandbox, "tests/test_jobs.py");
    assert!(after.contains("def test_good(fast_time):\n    time.sleep(0.8)\n"), "{after}");
    assert!(after.contains("def test_odd(request):\n    time.sleep(0.1)\n"), "{after}");
}

#[test]
fn a_join_gets_four_times_what_it_took() {
    let join = "def test_join():\n    t = Job(parse('150%')).thread\n    t.join()\n";
    let sandbox = project(&[join]);
    let output = verify(&sandbox, &["--select=join-without-timeout"]);
    assert_eq!(output.status.code(), Some(0));
    let after = text(&sandbox, "tests/test_jobs.py");
    assert!(after.contains("t.join(timeout=12.5)\n    assert not t.is_alive()\n"), "{after}");
}

#[test]
fn a_suite_that_takes_every_fix_ends_well_and_shows_the_table() {
    let sandbox = project(&[GOOD]);
    let output = verify_with(&sandbox, python(), &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&sandbox, "tests/test_jobs.py").contains("time.sleep(0.1)"));
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(out.contains("1        0        0          0  long-sleep"), "{out}");
    for row in ["asleep", "threads started", "threads at the peak", "runtime of the tests", "joins without a timeout"] {
        assert!(out.lines().any(|l| l.starts_with(row)), "{row}");
    }
    let cost = out.lines().find(|l| l.starts_with("proven in ")).unwrap();
    assert!(cost.contains(" s without fixes, twice side by side, and ") && cost.ends_with(" s for 3 runs after that"), "{cost}");
    // Once to find out, and two more times; the last under load.
    assert!(err.contains("Run 3: 1 test with 1 fix, all cores busy\n") && !err.contains("Run 4"), "{err}");
    let again = verify(&sandbox, &[]);
    assert_eq!(again.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&again.stderr).contains("Run 1"), "there is nothing left to prove");
}

#[test]
fn a_fix_in_a_helper_runs_the_tests_that_say_its_name() {
    let sandbox = Sandbox::bare();
    sandbox.write("pytest.ini", "[pytest]\n");
    let helper = "import threading\n\n\ndef finish(work):\n    t = threading.Thread(target=work)\n    t.start()\n    t.join()\n\n\n\
                  def one():\n    return 1\n";
    sandbox.write("tests/helpers.py", helper);
    let tests = "from helpers import finish\n\n\ndef test_finish():\n    finish(print)\n\n\ndef test_rest():\n    assert True\n";
    sandbox.write("tests/test_a.py", tests);
    sandbox.write("tests/test_b.py", "from helpers import one\n\n\ndef test_one():\n    assert one() == 1\n");
    let runs = |output: &Output| String::from_utf8_lossy(&output.stderr).contains("Run 1: 1 test with 1 fix\n");
    let output = verify(&sandbox, &["--diff"]);
    assert_eq!((output.status.code(), runs(&output)), (Some(1), true));
    assert!(String::from_utf8_lossy(&output.stdout).contains("+    t.join(timeout=5.0)\n+    assert not t.is_alive()\n"));
    // Files that have nothing to do with it may change, those that it is reached through may not.
    sandbox.write("tests/test_b.py", "from helpers import one\n\n\ndef test_two():\n    assert one() == 1\n");
    assert!(!String::from_utf8_lossy(&verify(&sandbox, &["--diff"]).stderr).contains("Run 1"));
    sandbox.write("tests/test_a.py", format!("{tests}\n\ndef test_more():\n    assert True\n"));
    assert!(runs(&verify(&sandbox, &["--diff"])));
}

#[test]
fn a_patch_or_a_check_writes_nothing() {
    let sandbox = project(&[GOOD]);
    let before = tree(sandbox.root());
    let runs = |output: &Output| String::from_utf8_lossy(&output.stderr).contains("Run 1");
    let diff = verify(&sandbox, &["--diff"]);
    assert_eq!((diff.status.code(), runs(&diff)), (Some(1), true));
    let patch = String::from_utf8(diff.stdout).unwrap();
    assert!(
        patch.starts_with("--- a/tests/test_jobs.py") && patch.ends_with("+    time.sleep(0.1)\n     assert True\n"),
        "{patch}"
    );
    // What was proven is remembered as long as nothing changes that the proof rests on.
    let check = verify(&sandbox, &["--check"]);
    assert_eq!((check.status.code(), runs(&check)), (Some(1), false));
    assert_eq!(tree(sandbox.root()), before);
    sandbox.write("src/product.py", format!("{PRODUCT}# new"));
    let output = verify(&sandbox, &[]);
    assert_eq!((output.status.code(), runs(&output)), (Some(0), true));
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let sandbox = project(&[GOOD]);
    sandbox.write("data.bin", vec![7; 400_000]);
    let before = tree(sandbox.root());
    // Room for less than the copy, for one of the two that the baseline needs, and for both but not for what a test writes.
    for (size, told) in [
        ("256k", "error: there is no room for a copy of the project in "),
        ("600k", "error: there is no room for a copy of the project in "),
        ("1100k", "No space left on device"),
    ] {
        if size == "1100k" {
            sandbox.write("tests/test_jobs.py", format!("{HEAD}{GOOD}    open('made.bin', 'wb').write(bytes(2_000_000))\n"));
        }
        let before = if size == "1100k" { tree(sandbox.root()) } else { before.clone() };
        let small = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(small.path()).status();
        if !mounted.is_ok_and(|s| s.success()) {
            println!("not tried: only root can make a small disk");
            return;
        }
        let output = command(&sandbox, python(), &["--runs=1"]).env("TMPDIR", small.path()).output().unwrap();
        let left = std::fs::read_dir(small.path()).unwrap().count();
        Command::new("umount").arg(small.path()).status().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{size}: {err}");
        assert!(err.contains(told), "{size}: {err}");
        assert_eq!((tree(sandbox.root()), left), (before, 0), "{size}");
    }
}

#[test]
fn a_red_suite_proves_nothing() {
    let sandbox = project(&["def test_red():\n    time.sleep(0.8)\n    assert 1 == 2\n"]);
    let before = tree(sandbox.root());
    let output = verify(&sandbox, &[]);
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.contains("error: all 1 tests that the fixes can reach fail before any fix") && err.contains("assert 1 == 2"),
        "{err}"
    );
    assert_eq!(tree(sandbox.root()), before);
}

/// One that cannot reach its peer is as red as any other; what does not need the network is proven all the same.
#[test]
fn tests_that_need_the_network_are_held_back_without_it() {
    let network = "def test_network():\n    import peer\n    time.sleep(0.9)\n    assert peer.ask()\n";
    let sandbox = project(&[GOOD, network]);
    // Nobody listens at that port.
    sandbox.write("src/peer.py", "import socket\n\n\ndef ask():\n    return socket.create_connection(('127.0.0.1', 1))\n");
    let output = verify(&sandbox, &["--output-format=json"]);
    let fates: Vec<_> = fates(&json(&output)).into_iter().map(|(_, fate, why)| format!("{fate} {why}")).collect();
    assert_eq!(fates, ["proven ", "held tests/test_jobs.py::test_network fails without it"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn tests_that_fail_come_and_go_or_cannot_be_imported_prove_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let flag = scratch.path().join("runs");
    // Fails in every second run.
    let flaky = format!(
        "def test_flaky():\n    time.sleep(0.8)\n    with open({flag:?}, 'a+') as f:\n        f.write('x')\n        f.seek(0)\n        \
         assert len(f.read()) % 2\n"
    );
    let red = "def test_red():\n    time.sleep(0.9)\n    assert 1 == 2\n";
    let skipped = "import pytest\n@pytest.mark.skip\ndef test_skipped():\n    time.sleep(0.7)\n";
    let sandbox = project(&[GOOD, &flaky, red, skipped]);
    sandbox.write("tests/test_broken.py", "import time\nimport nothing_of_that_name\n\ndef test_x():\n    time.sleep(0.6)\n");
    let output = verify(&sandbox, &["--output-format=json"]);
    assert_eq!(output.status.code(), Some(1));
    let proof = json(&output);
    let reasons: Vec<_> = fates(&proof).into_iter().map(|(message, fate, why)| format!("{message} {fate} {why}")).collect();
    assert_eq!(
        reasons,
        [
            "Shrink 0.6 s to 0.1 s held pytest cannot import tests/test_broken.py",
            "Shrink 0.7 s to 0.1 s held the tests that it reaches are skipped",
            "Shrink 0.8 s to 0.1 s held tests/test_jobs.py::test_flaky is flaky without it",
            "Shrink 0.8 s to 0.1 s proven ",
            "Shrink 0.9 s to 0.1 s held tests/test_jobs.py::test_red fails without it",
        ]
    );
    assert_eq!(proof["red"], serde_json::json!(["tests/test_jobs.py::test_red"]));
    assert_eq!(proof["flaky"], serde_json::json!(["tests/test_jobs.py::test_flaky"]));
    assert!(proof["uncollected"]["tests/test_broken.py"].as_str().unwrap().contains("nothing_of_that_name"));
}

#[test]
fn a_fix_is_dropped_when_lines_are_lost_or_a_thread_fails_although_the_test_passes() {
    let lines = "def test_lines():\n    job = Job(0)\n    time.sleep(1.0)\n    job.late(parse('80%'))\n";
    let thread = "def test_thread():\n    job = Job(0)\n\n    def look():\n        assert job.late(parse('90%'))\n\n    \
                  time.sleep(1.1)\n    t = threading.Thread(target=look)\n    t.start()\n    t.join(5)\n";
    let sandbox = project(&[lines, thread]);
    let output = verify(&sandbox, &["--output-format=json"]);
    let proof = json(&output);
    let reason = |message: &str| {
        let found = fates(&proof).into_iter().find(|f| f.0.starts_with(message)).unwrap();
        assert_eq!(found.1, "dropped");
        found.2
    };
    let line = PRODUCT.lines().position(|l| l.contains("self.expire()")).unwrap() + 1;
    assert_eq!(reason("Shrink 1.0 s"), format!("it no longer runs src/product.py:{line}"));
    let why = reason("Shrink 1.1 s");
    assert!(why.contains("PytestUnhandledThreadExceptionWarning"), "{why}");
}

/// What a thread runs that a test's fixture left behind is not what the next test runs; what the thread of a fixture runs that
/// serves several tests is.
#[test]
fn lines_that_the_threads_of_fixtures_run_are_those_of_the_tests_they_serve() {
    let left = "@pytest.fixture\ndef busy():\n    job = Job(0)\n\n    def work():\n        while True:\n            job.late(0)\n            \
                threading.Event().wait(0.005)\n\n    threading.Thread(target=work, daemon=True).start()\n\n\n\
                def test_first(busy):\n    assert busy is None\n";
    // A constant of the file: its other tests run as well.
    let lines = "NAP = 1.0\n\n\ndef test_lines():\n    job = Job(0)\n    time.sleep(NAP)\n    job.late(parse('80%'))\n";
    let served = "NAP = 1.1\njobs = []\n\n\n@pytest.fixture(scope='module')\ndef server():\n    def serve():\n        while True:\n            \
                  threading.Event().wait(0.005)\n            [job.late(parse('90%')) for job in jobs]\n\n    \
                  threading.Thread(target=serve, daemon=True).start()\n\n\n\
                  def test_before(server):\n    assert server is None\n\n\n\
                  def test_served(server):\n    jobs.append(Job(0))\n    time.sleep(NAP)\n    jobs.clear()\n";
    let sandbox = project(&["import pytest\n", left, lines]);
    sandbox.write("tests/test_served.py", format!("import pytest\n{HEAD}{served}"));
    let output = verify(&sandbox, &["--output-format=json"]);
    let line = PRODUCT.lines().position(|l| l.contains("self.expire()")).unwrap() + 1;
    let lost = ("dropped".to_owned(), format!("it no longer runs src/product.py:{line}"));
    let fates: Vec<_> = fates(&json(&output)).into_iter().map(|(_, fate, reason)| (fate, reason)).collect();
    assert_eq!(fates, [lost.clone(), lost]);
}

/// What a thread runs that one of many tests left behind costs none of the others its fix, although all of them no longer run it.
#[test]
fn a_thread_that_one_test_leaves_behind_accuses_no_other() {
    const OTHERS: usize = 24;
    let sandbox = project(&["from beat import Beat\n\n\ndef test_leaves():\n    Beat().start()\n    time.sleep(0.6)\n"]);
    let beat = "import os\nimport threading\nimport time\n\n\nclass Beat:\n    beats = 0\n\n    def start(self):\n        \
                threading.Thread(target=self.run, daemon=True).start()\n\n    def run(self):\n        while True:\n            \
                time.sleep(float(os.environ.get('BEAT', '0.45')))\n            self.beat()\n\n    def beat(self):\n        self.beats += 1\n";
    sandbox.write("src/beat.py", beat);
    let others: String = (0..OTHERS).map(|i| format!("\n\ndef test_{i}():\n    time.sleep(0.6)\n")).collect::<Vec<_>>().concat();
    sandbox.write("tests/test_jobs.py", text(&sandbox, "tests/test_jobs.py") + &others);
    let output = verify(&sandbox, &["--output-format=json"]);
    let proof = json(&output);
    let after = text(&sandbox, "tests/test_jobs.py");
    let (leaves, others) = after.split_once("def test_0").unwrap();
    assert!(!leaves.contains("time.sleep(0.1)"), "its own thread no longer ran: {proof}");
    assert_eq!(others.matches("time.sleep(0.1)").count(), OTHERS, "{proof}");
}

#[test]
fn a_test_that_hangs_with_a_fix_is_cut_off() {
    // Well with a quarter of a second.
    let hangs = "def test_hangs():\n    job = Job(0)\n    time.sleep(0.8)\n    job.finish(parse('24%'))\n";
    let sandbox = project(&[hangs, GOOD]);
    let output = verify(&sandbox, &["--output-format=concise", "-v"]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("tests/test_jobs.py::test_hangs: it did not end within 1"), "{err}");
    assert_eq!(output.status.code(), Some(0));
    let after = text(&sandbox, "tests/test_jobs.py");
    assert!(after.contains("time.sleep(0.25)") && after.contains("time.sleep(0.1)"), "{after}");
}

#[test]
fn a_process_that_does_not_end_after_its_tests_is_ended() {
    // Python waits for the thread, for ever.
    let leaves = "def test_leaves():\n    threading.Thread(target=threading.Event().wait).start()\n    time.sleep(0.8)\n";
    let sandbox = project(&[leaves]);
    let started = std::time::Instant::now();
    let proof = json(&verify(&sandbox, &["--output-format=json", "--select=long-sleep"]));
    assert!(fates(&proof).iter().all(|f| f.1 == "proven") && !fates(&proof).is_empty(), "{proof}");
    assert!(text(&sandbox, "tests/test_jobs.py").contains("time.sleep(0.1)"));
    // Not a matter of how fast anything is: silence alone would be waited for for twelve minutes.
    assert!(started.elapsed().as_secs() < 600);
}

#[test]
fn tests_that_write_into_the_project_reach_only_the_copy() {
    let writes = "def test_writes():\n    time.sleep(0.8)\n    with open('src/product.py', 'a') as f:\n        f.write('# more')\n    \
                  with open('made.txt', 'x') as f:\n        f.write('new')\n";
    let sandbox = project(&[writes]);
    let product = sandbox.read("src/product.py");
    let output = verify(&sandbox, &[]);
    assert_eq!(output.status.code(), Some(0), "each run starts from the project as it is");
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("note: the tests write into the project (here into a copy of it): made.txt, src/product.py"), "{out}");
    assert_eq!(sandbox.read("src/product.py"), product);
    assert!(!sandbox.root().join("made.txt").exists());
}

#[test]
fn slow_tests_count_and_the_arguments_and_plugins_of_pytest_work() {
    let slow = "import pytest\n\n\n@pytest.mark.slow\ndef test_marked():\n    for _ in range(2_000):\n        pass\n    time.sleep(0.8)\n";
    let case = "import unittest\n\n\nclass CaseTest(unittest.TestCase):\n    def test_case(self):\n        time.sleep(0.9)\n        \
                self.assertTrue(parse('100%'))\n";
    let sandbox = project(&[GOOD, case, slow]);
    sandbox.write(
        "pyproject.toml",
        "[tool.pytest.ini_options]\npythonpath = [\"src\"]\naddopts = \"-x -m 'not slow'\"\nmarkers = [\"slow: takes long\"]\n",
    );
    let output = verify(&sandbox, &["--output-format=json", "--select=long-sleep,long-loop", "tests", "--", "-n", "2"]);
    let proof = json(&output);
    assert!(fates(&proof).iter().all(|f| f.1 == "proven"), "{proof}");
    assert!(fates(&proof).iter().any(|f| f.0.contains("0.9 s")), "{proof}");
    assert_eq!(proof["coverage"], true, "{proof}");
    let reached = proof["after"]["tests"].as_u64().unwrap();
    assert_eq!(reached, fates(&proof).len() as u64, "one fix a test");
}

/// A virtual environment that has pytest by way of target/venv, and in which a project is installed editably.
fn environment(sandbox: &Sandbox, files: &[(&str, String)]) -> PathBuf {
    let folder = sandbox.root().join(".venv");
    let made = Command::new(python()).args(["-m", "venv", "--without-pip"]).arg(&folder).status().unwrap();
    assert!(made.success());
    let ask = |python: &Path| {
        let ask = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let output = Command::new(python).args(["-c", ask]).output().unwrap();
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    };
    let own = folder.join("bin/python");
    let site = ask(&own);
    let name = |file: &str| sandbox.name(&site.join(file));
    sandbox.write(&name("pytest.pth"), format!("{}\n", ask(python()).display()));
    for (file, text) in files {
        sandbox.write(&name(file), text);
    }
    own
}

/// A test that looks where the product comes from.
const AT_HOME: &str = "import pathlib\nimport product\n\n\ndef test_home():\n    time.sleep(0.8)\n    \
                       assert pathlib.Path(product.__file__).is_relative_to(pathlib.Path.cwd())\n";

fn installed(files: &dyn Fn(&Path) -> Vec<(&'static str, String)>) -> Output {
    let sandbox = project(&[AT_HOME]);
    sandbox.write("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = [\"tests\"]\n");
    let python = environment(&sandbox, &files(sandbox.root()));
    let output = verify_with(&sandbox, &python, &["--runs=1"]);
    let fixed = text(&sandbox, "tests/test_jobs.py").contains("time.sleep(0.1)");
    assert_eq!(fixed, output.status.code() == Some(0));
    output
}

#[test]
fn editable_installs_are_taken_from_the_copy() {
    let path = |root: &Path| vec![("product.pth", format!("{}\n", root.join("src").display()))];
    assert_eq!(installed(&path).status.code(), Some(0));

    // As setuptools does it for layouts that a path cannot express.
    let finder = |root: &Path| {
        let mapping = root.join("src/product");
        let finder = format!(
            "import sys\nfrom importlib.util import spec_from_file_location\nMAPPING = {{'product': {mapping:?}}}\n\n\nclass Finder:\n    \
             @classmethod\n    def find_spec(cls, name, path=None, target=None):\n        if name in MAPPING:\n            \
             return spec_from_file_location(name, MAPPING[name] + '.py')\n\n\ndef install():\n    sys.meta_path.append(Finder)\n"
        );
        vec![
            ("__editable___product_finder.py", finder),
            ("product.pth", "import __editable___product_finder; __editable___product_finder.install()\n".to_owned()),
        ]
    };
    assert_eq!(installed(&finder).status.code(), Some(0));
}

#[test]
fn a_product_that_comes_from_the_original_is_refused() {
    let hook = |root: &Path| {
        let hook = format!(
            "import sys\nfrom importlib.util import spec_from_file_location\n\n\nclass Hook:\n    @classmethod\n    \
             def find_spec(cls, name, path=None, target=None):\n        if name == 'product':\n            \
             return spec_from_file_location(name, {:?})\n\n\nsys.meta_path.insert(0, Hook)\n",
            root.join("src/product.py")
        );
        vec![("product_hook.py", hook), ("product.pth", "import product_hook\n".to_owned())]
    };
    let sandbox = project(&[GOOD]);
    let python = environment(&sandbox, &hook(sandbox.root()));
    let before = tree(sandbox.root());
    let output = verify_with(&sandbox, &python, &["--runs=1"]);
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("error: cannot prove anything: `product` was loaded from ") && err.contains("src/product.py"), "{err}");
    assert_eq!(tree(sandbox.root()), before);
}

#[test]
fn every_suite_of_a_monorepo_runs_in_its_own_root() {
    let sandbox = Sandbox::bare();
    for (suite, seconds) in [("libs/a", 0.7), ("libs/b", 0.8)] {
        let looks = format!(
            "import pathlib\nimport time\nfrom code_under_test import NAME\n\n\ndef test_x():\n    time.sleep({seconds})\n    \
             assert pathlib.Path('here.txt').read_text() == NAME\n"
        );
        sandbox.write(&format!("{suite}/pytest.ini"), "[pytest]\npythonpath = .\n");
        sandbox.write(&format!("{suite}/here.txt"), suite);
        sandbox.write(&format!("{suite}/code_under_test.py"), format!("NAME = {suite:?}\n"));
        sandbox.write(&format!("{suite}/tests/test_same.py"), looks);
    }
    sandbox.write(".git/HEAD", "ref: refs/heads/main\n");
    let output = verify(&sandbox, &[]);
    assert_eq!(output.status.code(), Some(0));
    for suite in ["libs/a", "libs/b"] {
        assert!(text(&sandbox, &format!("{suite}/tests/test_same.py")).contains("time.sleep(0.1)"), "{suite}");
    }
}

#[test]
fn an_interpreter_without_pytest_is_refused() {
    let sandbox = project(&[GOOD]);
    let folder = sandbox.root().join("bare");
    assert!(Command::new(python()).args(["-m", "venv", "--without-pip"]).arg(&folder).status().unwrap().success());
    let output = verify_with(&sandbox, &folder.join("bin/python"), &[]);
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("has no pytest; install it there"), "{err}");
}

#[test]
fn options_of_pytest_that_make_no_sense_are_told_as_pytest_tells_them() {
    let sandbox = project(&[GOOD]);
    let before = tree(sandbox.root());
    let output = verify(&sandbox, &["--", "--no-such-option"]);
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("pytest could not run the tests (exit code 4)") && err.contains("--no-such-option"), "{err}");
    assert!(err.contains("leave the options of the configuration out with `-- -o addopts=`"), "{err}");
    let output = verify(&sandbox, &["--", "-k", "no_such_test"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("pytest collects none of the tests"));
    assert_eq!(tree(sandbox.root()), before);
}

/// Starts it where nothing else makes copies, and waits until the tests run.
fn started(sandbox: &Sandbox, scratch: &Path) -> Child {
    let mut command = command(sandbox, python(), &["-q"]);
    command.env("TMPDIR", scratch).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// Processes that have a folder in their environment.
fn descendants(scratch: &Path) -> usize {
    let wanted = scratch.as_os_str().as_encoded_bytes().to_vec();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|p| std::fs::read(p.path().join("environ")).is_ok_and(|e| e.windows(wanted.len()).any(|w| w == wanted)))
        .count()
}

#[test]
fn killed_at_any_moment_the_project_is_as_it_was_and_nothing_goes_on() {
    let sandbox = project(&[GOOD]);
    let before = tree(sandbox.root());
    let scratch = tempfile::tempdir().unwrap();
    // What is nobody's copy stays.
    std::fs::create_dir(scratch.path().join("testdiet-notes")).unwrap();
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    println!("seed {seed}");
    let mut random = seed;
    for last in (0..20).map(|n| n == 19) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = (random >> 33) % 2_500;
        let mut child = started(&sandbox, scratch.path());
        std::thread::sleep(Duration::from_millis(moment));
        // On a busy machine it may take its time to come so far.
        while last && names(scratch.path()).len() < 2 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let over = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        if over {
            // It had the time to write what it proved.
            assert_eq!(sandbox.run(&["undo"]).status.code(), Some(0), "{moment} ms");
        }
        assert_eq!(tree(sandbox.root()), before, "{moment} ms");
        if cfg!(target_os = "linux") {
            let gone = (0..100).any(|_| {
                std::thread::sleep(Duration::from_millis(100));
                descendants(scratch.path()) == 0
            });
            assert!(gone, "{moment} ms: pytest goes on");
        }
        std::fs::remove_dir_all(sandbox.root().join(".testdiet")).ok();
    }
    assert!(names(scratch.path()).len() > 1, "the last was killed while it had copies");
    // The next start removes what the killed ones left.
    let output = command(&sandbox, python(), &["--diff", "--runs=1"]).env("TMPDIR", scratch.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(names(scratch.path()), ["testdiet-notes"]);
}

/// Presses Ctrl-C.
fn interrupt(child: &Child) {
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
}

#[test]
fn ctrl_c_ends_it_with_nothing_written_and_nothing_left() {
    let sandbox = project(&["def test_long():\n    time.sleep(30)\n"]);
    let before = tree(sandbox.root());
    let scratch = tempfile::tempdir().unwrap();
    let child = started(&sandbox, scratch.path());
    let runs = || {
        let copies = std::fs::read_dir(scratch.path()).unwrap().flatten();
        let inside = copies.flat_map(|c| std::fs::read_dir(c.path()).into_iter().flatten().flatten());
        inside.into_iter().any(|e| e.path().join("order.json").exists())
    };
    while !runs() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("error: interrupted; nothing was written"), "{err}");
    assert_eq!(tree(sandbox.root()), before);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "the copies are gone");
}

#[test]
fn ctrl_c_keeps_what_has_done_well_so_far_when_that_is_asked_for() {
    use std::io::{BufRead, BufReader};
    for keeps in [true, false] {
        let sandbox = project(&[GOOD]);
        let args: &[&str] = if keeps { &["--runs=50", "--keep-interrupted"] } else { &["--runs=50"] };
        let mut child = command(&sandbox, python(), args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        // The search is over when the second run begins.
        assert!(err.any(|line| line.starts_with("Run 2: ")));
        interrupt(&child);
        let err: Vec<String> = err.collect();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(if keeps { 0 } else { 2 }), "{err:?}");
        assert_eq!(text(&sandbox, "tests/test_jobs.py").contains("time.sleep(0.1)"), keeps);
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(told.contains("note: interrupted before the fixes had done well as often as was asked for"), keeps);
    }
}
