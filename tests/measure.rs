//! `testdiet measure` as a user meets it: real pytest in an environment that has no testdiet, real signals, real crashes.
#![cfg(unix)]

mod sandbox;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sandbox::{Sandbox, python};
use serde_json::Value;

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs `testdiet measure` with the interpreter of the tests.
fn measure(sandbox: &Sandbox, args: &[&str]) -> Output {
    let mut all = vec!["measure", "--python", python().to_str().unwrap()];
    all.extend(args);
    let output = sandbox.run(&all);
    println!("{}{}", out(&output), err(&output));
    output
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", out(output)))
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn test<'a>(run: &'a Value, name: &str) -> &'a Value {
    let tests = run["tests"].as_array().unwrap();
    tests.iter().find(|t| t["test"].as_str().unwrap().ends_with(name)).unwrap_or_else(|| panic!("no {name} in {tests:#?}"))
}

/// The sites of a test: kind, what, line, calls.
fn sites(test: &Value) -> Vec<(&str, &str, u64, u64)> {
    let text = |site: &'_ Value, key| -> &'static str { site[key].as_str().unwrap().to_owned().leak() };
    let number = |site: &Value, key| site[key].as_u64().unwrap();
    let all = test["sites"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut all: Vec<_> = all.iter().map(|s| (text(s, "kind"), text(s, "what"), number(s, "line"), number(s, "calls"))).collect();
    all.sort_unstable();
    all
}

/// What each test does is known to the last call.
const KNOWN: &str = "\
import asyncio, queue, subprocess, sys, threading, time, unittest
from concurrent.futures import ThreadPoolExecutor
from time import sleep as nap
import pytest

class Holder:
    sleep = time.sleep

def test_sleeps():
    time.sleep(0.02)
    for _ in range(3): nap(0.01)
    Holder().sleep(0.01)

def test_async():
    async def main():
        await asyncio.gather(*[asyncio.sleep(0.02) for _ in range(4)])
        await asyncio.sleep(0.01)
    asyncio.run(main())

def test_threads(all_there=threading.Barrier(7)):
    threads = [threading.Thread(target=all_there.wait) for _ in range(7)]
    for t in threads: t.start()
    for t in threads: t.join()

def test_one_after_the_other():
    for _ in range(12):
        t = threading.Thread(target=int)
        t.start()
        t.join(timeout=60)

def test_waits():
    threading.Event().wait(0.02)
    with pytest.raises(queue.Empty):
        queue.Queue().get(timeout=0.02)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(time.sleep, 0.02).result()

def test_leaks():
    for _ in range(3): threading.Thread(target=threading.Event().wait, daemon=True).start()

@pytest.fixture(scope='module')
def server():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    yield
    stop.set()
    thread.join()

def test_server(server): pass

def test_processes():
    subprocess.run([sys.executable, '-c', ''])

class Case(unittest.TestCase):
    def setUp(self): time.sleep(0.01)
    def test_unit(self): time.sleep(0.01)
    def tearDown(self): time.sleep(0.01)

def test_warns():
    import warnings
    warnings.warn('old')

def test_handed_over():
    threads = [threading.Thread(target=time.sleep, args=(0.05,)) for _ in range(7)]
    for t in threads: t.start()
    for t in threads: t.join()
";

#[test]
fn what_tests_do_is_counted_to_the_call() {
    let sandbox = Sandbox::of("tests/test_known.py", KNOWN);
    for workers in [&[][..], &["--", "-n2"]] {
        let output = measure(&sandbox, &[&["--output-format", "json"], workers].concat());
        assert_eq!(code(&output), Some(0), "{}", err(&output));
        let run = json(&output);
        let threads = |name| {
            let t = &test(&run, name)["threads"];
            ["started", "peak", "leaked"].map(|key| t[key].as_u64().unwrap())
        };
        // A sleep counts for what it was asked for, however late the machine wakes it; a timer may be early by its resolution.
        let slept = |name, seconds: f64| (test(&run, name)["sleep_s"].as_f64().unwrap() - seconds).abs() < 0.001;

        assert_eq!(
            sites(test(&run, "test_sleeps")),
            [("sleep", "time.sleep", 10, 1), ("sleep", "time.sleep", 11, 3), ("sleep", "time.sleep", 12, 1)]
        );
        assert!(slept("test_sleeps", 0.06));
        assert_eq!(sites(test(&run, "test_async")), [("sleep", "asyncio.sleep", 17, 1), ("sleep", "asyncio.sleep", 18, 4)]);
        assert!(slept("test_async", 0.09));
        assert_eq!(threads("test_threads"), [7, 7, 0]);
        assert_eq!(
            sites(test(&run, "test_threads")),
            [("join", "threading.Thread", 23, 7), ("thread", "threading.Thread", 22, 7)]
        );
        let join = &test(&run, "test_threads")["sites"][1];
        assert_eq!((&join["kind"], &join["untimed"], &join["file"]), (&"join".into(), &7.into(), &"tests/test_known.py".into()));
        // Nobody but the thread calls `sleep`: that is the test's doing.
        let slept_there: Vec<_> = sites(test(&run, "test_handed_over")).into_iter().filter(|s| s.0 == "sleep").collect();
        assert_eq!(slept_there, [("sleep", "time.sleep", 64, 7)]);
        assert!(slept("test_handed_over", 0.35));
        assert_eq!(threads("test_one_after_the_other"), [12, 1, 0]);
        let waits: Vec<_> = sites(test(&run, "test_waits")).into_iter().filter(|s| s.0 == "wait").map(|s| (s.1, s.2)).collect();
        assert_eq!(waits, [("Event.wait", 32), ("Future.result", 36), ("Queue.get", 34), ("ThreadPoolExecutor.__exit__", 35)]);
        assert_eq!(threads("test_leaks"), [3, 3, 3]);
        assert_eq!(threads("test_server"), [1, 1, 0]);
        assert_eq!(test(&run, "test_processes")["processes"], 1);
        assert_eq!(sites(test(&run, "test_unit")).iter().filter(|s| s.0 == "sleep").count(), 3);
        assert_eq!(test(&run, "test_warns")["warned"][0], "UserWarning: old");
        assert_eq!(run["totals"]["threads_started"], 31);
        assert_eq!(run["totals"]["outcomes"]["passed"], 11);
        assert_eq!(run["files"][0]["file"], "tests/test_known.py");
        assert_eq!(run["workers"], if workers.is_empty() { 0 } else { 2 });
    }
}

#[test]
fn waits_of_simple_queues_are_counted_and_they_stay_what_they_are() {
    const SUITE: &str = "\
import threading, time, weakref
import pytest

def test_waits():
    from queue import Empty, SimpleQueue
    queue = SimpleQueue()
    threading.Timer(0.5, queue.put, [1]).start()
    assert queue.get() == 1
    with pytest.raises(Empty):
        queue.get(timeout=0.02)

def test_does_not_wait():
    import queue
    items = queue.SimpleQueue()
    items.put(1)
    assert items.get() == 1
    for arguments in ((False,), (True, 0)):
        with pytest.raises(queue.Empty):
            items.get(*arguments)
    with pytest.raises(ValueError):
        items.get(timeout=-1)
    with pytest.raises(TypeError):
        items.get(timeout='1')

def test_stays_what_it_is():
    import pickle, _queue
    from queue import SimpleQueue
    class Mine(SimpleQueue): pass
    assert isinstance(Mine(), SimpleQueue) and not isinstance(SimpleQueue(), Mine)
    assert pickle.loads(pickle.dumps(SimpleQueue)) is SimpleQueue is _queue.SimpleQueue
    assert repr(SimpleQueue()).startswith('<_queue.SimpleQueue object at ')
    assert weakref.ref(SimpleQueue()) and SimpleQueue[int]
    with pytest.raises(TypeError, match='cannot pickle'):
        pickle.dumps(SimpleQueue())

def test_executors_wait_for_work_on_their_own():
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        time.sleep(0.02)
";
    let sandbox = Sandbox::of("tests/test_a.py", SUITE);
    let output = measure(&sandbox, &["--output-format", "json"]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let run = json(&output);
    let waits = |name| sites(test(&run, name)).into_iter().filter(|s| s.0 == "wait").map(|s| (s.1, s.2)).collect::<Vec<_>>();
    assert_eq!(waits("test_waits"), [("SimpleQueue.get", 8), ("SimpleQueue.get", 10)]);
    let untimed: Vec<_> = test(&run, "test_waits")["sites"].as_array().unwrap().iter().map(|s| s["untimed"].as_u64()).collect();
    assert_eq!(untimed.iter().flatten().sum::<u64>(), 1);
    assert!(test(&run, "test_waits")["wait_s"].as_f64().unwrap() >= 0.06);
    assert_eq!(waits("test_does_not_wait"), []);
    assert!(waits("test_executors_wait_for_work_on_their_own").iter().all(|wait| wait.0 != "SimpleQueue.get"));
}

#[test]
fn what_a_test_imports_itself_is_counted_and_nothing_is_imported_for_it() {
    const SUITE: &str = "\
import sys
BEFORE = {'asyncio', 'multiprocessing', 'trio'} & set(sys.modules)

def test_nothing_is_imported():
    assert not BEFORE

def test_sleeps():
    import asyncio
    from asyncio import sleep
    async def main():
        await sleep(0.02)
        await asyncio.sleep(0.01)
    asyncio.run(main())
    assert asyncio.__spec__.loader is asyncio.__loader__ and asyncio.__loader__.get_source('asyncio')

def test_processes():
    import multiprocessing, subprocess
    subprocess.run([sys.executable, '-c', ''])
    process = multiprocessing.get_context('spawn').Process(target=int)
    process.start()
    process.join()
";
    let sandbox = Sandbox::of("tests/test_a.py", SUITE);
    let output = measure(&sandbox, &["--output-format", "json", "--", "-p", "no:asyncio", "-p", "no:anyio"]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let run = json(&output);
    assert_eq!(sites(test(&run, "test_sleeps")), [("sleep", "asyncio.sleep", 11, 1), ("sleep", "asyncio.sleep", 12, 1)]);
    assert_eq!(test(&run, "test_processes")["processes"], 2);
    assert!(sites(test(&run, "test_processes")).iter().any(|s| (s.0, s.2) == ("join", 21)));
}

#[test]
fn waits_and_joins_on_real_time_are_counted_beside_the_clock() {
    const SUITE: &str = "\
import threading, time

def test_virtual(fast_time):
    time.sleep(5)
    threading.Event().wait(5)

def test_real():
    threading.Event().wait(0.05)
    thread = threading.Thread(target=time.sleep, args=(0.5,))
    thread.start()
    thread.join()
";
    let sandbox = Sandbox::of("tests/test_a.py", SUITE);
    let output = measure(&sandbox, &["--output-format", "json", "--", "-p", "testdiet.plugin"]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let run = json(&output);
    assert!(test(&run, "test_real")["wait_s"].as_f64().unwrap() >= 0.045);
    let here = sites(test(&run, "test_real"));
    assert!(here.contains(&("wait", "Event.wait", 8, 1)) && here.contains(&("join", "threading.Thread", 11, 1)), "{here:?}");
    let join = test(&run, "test_real")["sites"].as_array().unwrap().iter().find(|s| s["kind"] == "join").unwrap();
    assert!(join["seconds"].as_f64().unwrap() >= 0.1);
}

#[test]
fn tables_and_totals_are_for_people() {
    let text = "import time\n\ndef test_naps(): time.sleep(0.03)\n\ndef test_fails(): assert 1 == 2\n";
    let sandbox = Sandbox::of("tests/test_a.py", text);
    let output = measure(&sandbox, &["tests/test_a.py"]);
    assert_eq!(code(&output), Some(1));
    assert!(out(&output).contains("tests/test_a.py::test_naps"), "{}", out(&output));
    assert!(out(&output).contains("tests/test_a.py:3  time.sleep in test_naps"));
    assert!(out(&output).contains("tests/test_a.py::test_fails  failed"));
    let told = err(&output);
    assert!(told.contains("Measured 2 tests in ") && told.contains(": 1 passed, 1 failed."), "{told}");
    assert!(told.contains("failed tests/test_a.py::test_fails: assert 1 == 2"), "{told}");
    assert_eq!(sandbox.read(".testdiet/.gitignore"), b"*\n");

    let quiet = measure(&sandbox, &["-s", "tests/test_a.py::test_naps"]);
    assert_eq!((code(&quiet), out(&quiet).as_str(), err(&quiet).as_str()), (Some(0), "", ""));
}

#[test]
fn traced_allocation_is_told_when_asked_for() {
    let text = "import pytest\n\ndef test_big(): bytearray(3_000_000)\n\n@pytest.fixture\ndef huge(): return len(bytearray(5_000_000))\n\ndef test_fixture(huge): pass\n";
    let sandbox = Sandbox::of("tests/test_a.py", text);
    let run = json(&measure(&sandbox, &["--alloc", "--output-format", "json"]));
    let peak = |name| test(&run, name)["alloc_peak"].as_u64().unwrap();
    assert!((3_000_000..3_500_000).contains(&peak("test_big")) && (5_000_000..5_500_000).contains(&peak("test_fixture")));
    let run = json(&measure(&sandbox, &["--output-format", "json"]));
    assert!(test(&run, "test_big").get("alloc_peak").is_none());
}

#[test]
fn what_virtual_time_saves_is_told_where_testdiet_is_not_installed() {
    let text = "\
import threading, time

def test_sleeps(): time.sleep(300)

def test_threads():
    worker = threading.Thread(target=time.sleep, args=(500,))
    worker.start()
    worker.join(timeout=600)
    assert not worker.is_alive()
";
    let sandbox = Sandbox::of("tests/test_a.py", text);
    for workers in [&[][..], &["-n2"]] {
        let fast = ["--output-format", "json", "--timeout", "100", "--", "-p", "testdiet.plugin", "--fast-time"];
        let output = measure(&sandbox, &[&fast, workers].concat());
        assert_eq!(code(&output), Some(0), "{}", err(&output));
        let run = json(&output);
        for (name, seconds) in [("test_sleeps", 300.0), ("test_threads", 500.0)] {
            let test = test(&run, name);
            let [saved, wall] = ["virtual_s", "wall_s"].map(|key| test[key].as_f64().unwrap());
            // Real seconds are told as such, although the test's own clock says otherwise.
            assert!(saved > seconds - 1.0 && wall < 100.0, "{name}: {saved} s saved, {wall} s real");
        }
        assert_eq!(test(&run, "test_threads")["threads"]["started"], 1);
        let places: Vec<_> = sites(test(&run, "test_threads")).into_iter().map(|s| (s.0, s.1, s.2)).collect();
        let sleep = ("sleep", "time.sleep", 5);
        assert_eq!(places, [("join", "threading.Thread", 8), sleep, ("thread", "threading.Thread", 7)]);
        // Called, and over before its time.
        assert_eq!(test(&run, "test_threads")["sleep_s"], 0.0);
    }
}

#[test]
fn a_clock_that_steps_aside_really_sleeps() {
    let sandbox = Sandbox::new();
    sandbox.write("conftest.py", "pytest_plugins = [\"testdiet.plugin\"]\n");
    sandbox.write(
        "test_it.py",
        "import subprocess, sys, time

def test_beside_a_child(fast_time):
    child = subprocess.Popen([sys.executable, \"-c\", \"import time; time.sleep(2)\"])
    time.sleep(0.6)
    child.wait()

def test_alone(fast_time):
    time.sleep(600)
",
    );
    let run = json(&measure(&sandbox, &["--output-format", "json"]));
    let slept = |name: &str| test(&run, name)["sleep_s"].as_f64().unwrap();
    assert!((slept("test_beside_a_child") - 0.6).abs() < 1e-9);
    assert_eq!(slept("test_alone").to_string(), "0");
}

#[test]
fn budgets_are_held_only_when_asked_for() {
    let text = "\
import threading, time, pytest
def test_sleeps(): time.sleep(0.7)
def test_threads():
    for _ in range(6):
        t = threading.Thread(target=int); t.start(); t.join()
@pytest.mark.slow
def test_slow(): time.sleep(0.7)
@pytest.fixture
def fast_time(): pass
def test_fast(fast_time): time.sleep(0.7)
";
    let sandbox = Sandbox::of("tests/test_a.py", text);
    sandbox.write("pytest.ini", "[pytest]\nmarkers = slow\n");
    let output = measure(&sandbox, &["--output-format", "json"]);
    assert_eq!(code(&output), Some(0));
    let over: Vec<(String, String)> = json(&output)["over_budget"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["name"].as_str().unwrap().to_owned(), e["budget"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [("tests/test_a.py::test_sleeps", "sleep-per-test"), ("tests/test_a.py::test_threads", "threads-per-test")]
        .map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(over, expected);
    assert_eq!(code(&measure(&sandbox, &["--fail-over-budget"])), Some(1));

    sandbox
        .write("testdiet.toml", "[budget]\nsleep-per-test = 100\nthreads-per-test = 10\nfile-runtime = 0.5\ntest-runtime = 50\n");
    let output = measure(&sandbox, &["--fail-over-budget"]);
    assert_eq!(code(&output), Some(1));
    assert!(out(&output).contains("tests/test_a.py: file-runtime "), "{}", out(&output));
    sandbox.write("testdiet.toml", "profile = \"native\"\n");
    assert_eq!(code(&measure(&sandbox, &["--fail-over-budget"])), Some(0));
}

#[test]
fn a_test_that_became_slower_is_told_and_the_history_is_kept() {
    let text = "import time\n\ndef test_grows(): time.sleep(float(open('seconds').read()))\n\ndef test_same(): pass\n";
    let sandbox = Sandbox::of("tests/test_a.py", text);
    sandbox.write("seconds", "0.01");
    for _ in 0..3 {
        let output = measure(&sandbox, &[]);
        assert!(!out(&output).contains("test_same") || !out(&output).contains("Slower"), "{}", out(&output));
    }
    sandbox.write("seconds", "2");
    let output = measure(&sandbox, &["--output-format", "json"]);
    let run = json(&output);
    assert_eq!(run["slower"].as_array().unwrap().len(), 1, "{}", run["slower"]);
    assert_eq!((&run["slower"][0]["test"], &run["slower"][0]["runs"]), (&"tests/test_a.py::test_grows".into(), &3.into()));
    let page = out(&sandbox.run(&["check", "--output-format", "html"]));
    for shown in
        ["Before and after", "run 1 of ", "run 4 of ", "Time of a run", "All 4 runs that were kept", "took longest in run 4"]
    {
        assert!(page.contains(shown), "{shown}");
    }
    // Tracing takes time of its own: such a run is not compared.
    assert_eq!(json(&measure(&sandbox, &["--alloc", "--output-format", "json"]))["slower"], Value::Array(Vec::new()));

    let trend = measure(&sandbox, &["--trend"]);
    assert_eq!((code(&trend), out(&trend).lines().count()), (Some(0), 6), "{}", out(&trend));
    let points = json(&measure(&sandbox, &["--trend", "--output-format", "json"]));
    assert_eq!(points.as_array().unwrap().iter().map(|p| p["run"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(points[4]["alloc"], true);
    let last = measure(&sandbox, &["--last"]);
    assert_eq!(code(&last), Some(0));
    assert!(out(&last).starts_with("Run 5, just now: pytest finished"), "{}", out(&last));
}

#[test]
fn an_interpreter_that_cannot_do_is_refused_with_what_would() {
    let sandbox = Sandbox::of("tests/test_a.py", "def test_a(): pass\n");
    let refused = |args: &[&str], path: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testdiet"));
        command.arg("measure").args(args).current_dir(sandbox.root()).env("NO_COLOR", "1").env_remove("VIRTUAL_ENV");
        if let Some(path) = path {
            command.env("PYTHONPATH", path);
        }
        let output = command.output().unwrap();
        assert_eq!((code(&output), out(&output).as_str()), (Some(2), ""), "{}", err(&output));
        err(&output)
    };
    let ours = python().to_str().unwrap();
    let made = Command::new(ours).args(["-m", "venv", "--without-pip", ".venv"]).current_dir(sandbox.root()).status().unwrap();
    assert!(made.success());
    let told = refused(&[], None);
    assert!(told.contains(".venv/bin/python (from a virtual environment of the project) has no pytest; install it"), "{told}");

    sandbox.write("old/_pytest/__init__.py", "__version__ = '6.2.5'\n");
    let old = sandbox.root().join("old");
    let told = refused(&["--python", ours], old.to_str());
    assert!(told.contains("has pytest 6.2.5; testdiet needs 7.0 or newer"), "{told}");

    assert!(refused(&["--python", "no/such/python"], None).contains("there is no such program"));
    assert!(refused(&["--python", "tests"], None).contains("which has no interpreter"));
    let script = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        sandbox.write(name, text);
        let path = sandbox.root().join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pypy = "#!/bin/sh\necho 'testdiet:PyPy 3.10.1 8.0'\n";
    let told = refused(&["--python", &script("pypy", pypy)], None);
    assert!(told.contains("is PyPy 3.10.1; testdiet needs CPython 3.9 or newer"), "{told}");
    let told = refused(&["--python", &script("liar", "#!/bin/sh\necho hello\n")], None);
    assert!(told.contains("is no working Python: it said `hello`"), "{told}");
    assert!(!sandbox.root().join(".testdiet").exists(), "nothing was measured");
}

#[test]
fn a_virtual_environment_of_the_project_is_found() {
    let sandbox = Sandbox::of("tests/unit/test_a.py", "def test_a(): pass\n");
    let environment = python().parent().unwrap().parent().unwrap();
    std::os::unix::fs::symlink(environment, sandbox.root().join(".venv")).unwrap();
    let run = |variable: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testdiet"));
        // From below: the environment of a folder above counts.
        command.args(["measure", "--output-format", "json"]).current_dir(sandbox.root().join("tests")).env_remove("VIRTUAL_ENV");
        if let Some(variable) = variable {
            command.env("VIRTUAL_ENV", variable);
        }
        let output = command.output().unwrap();
        assert_eq!(code(&output), Some(0), "{}", err(&output));
        json(&output)
    };
    let interpreter = |run: &Value| run["interpreter"].as_str().unwrap().to_owned();
    assert!(interpreter(&run(None)).starts_with(sandbox.root().join(".venv").to_str().unwrap()));
    assert!(interpreter(&run(Some(environment))).starts_with(environment.to_str().unwrap()));
    // Kept at pytest's root, wherever the command was typed.
    assert!(sandbox.root().join(".testdiet/measure/000002/run.json").is_file());
}

#[test]
fn what_cannot_be_run_exits_with_2() {
    let sandbox = Sandbox::of("tests/test_a.py", "def helper(): pass\n");
    let output = measure(&sandbox, &[]);
    assert_eq!(code(&output), Some(2));
    assert!(err(&output).contains("error: pytest found no tests to run"), "{}", err(&output));

    let output = measure(&sandbox, &["--", "--no-such-option"]);
    assert_eq!(code(&output), Some(2));
    assert!(err(&output).contains("does not understand") && err(&output).contains("--no-such-option"), "{}", err(&output));

    let output = measure(&sandbox, &["tests/test_gone.py::test_a"]);
    assert_eq!(code(&output), Some(2));
    assert!(err(&output).contains("tests/test_gone.py: there is no such file"), "{}", err(&output));

    sandbox.write("tests/test_b.py", "import no_such_module\n");
    let output = measure(&sandbox, &[]);
    assert_eq!(code(&output), Some(2));
    assert!(err(&output).contains("stopped before it was done") && err(&output).contains("no_such_module"), "{}", err(&output));

    let sandbox = Sandbox::of("tests/test_a.py", "def test_a(): open('ran', 'w')\n");
    let nothing = measure(&sandbox, &["--last"]);
    assert_eq!(code(&nothing), Some(2));
    assert!(err(&nothing).contains("nothing was measured"), "{}", err(&nothing));
    assert_eq!(code(&measure(&sandbox, &["--trend"])), Some(2));

    sandbox.write(".testdiet", "a file where the folder should be");
    let output = measure(&sandbox, &[]);
    assert_eq!(code(&output), Some(2));
    assert!(err(&output).contains("cannot keep what is measured in "), "{}", err(&output));
    assert!(!sandbox.root().join("ran").exists(), "nothing runs that could not be kept");
}

const LONG: &str = "\
import pytest, subprocess, time

def test_quick(): pass

@pytest.fixture
def printer():
    yield
    open('torn down', 'w')

def test_long(printer):
    child = subprocess.Popen(['sleep', '600'])
    with open('pid', 'w') as out: out.write(str(child.pid))
    open('ready', 'w')
    time.sleep(600)
";

/// Starts `testdiet measure` and waits until a test has written the file `ready`.
fn started(sandbox: &Sandbox, args: &[&str]) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_testdiet"))
        .args(["measure", "--python", python().to_str().unwrap()])
        .args(args)
        .current_dir(sandbox.root())
        .env("NO_COLOR", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the test runs", || sandbox.root().join("ready").exists());
    child
}

/// Waits for something that has to happen; how long it takes does not matter.
fn until(what: &str, happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_mins(1), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    // One that has ended and was not waited for yet is a zombie.
    !stat.is_empty() && !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

fn kill(pid: &str, signal: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}

/// The process that testdiet started, by its parent.
fn pytest_of(testdiet: &Child) -> String {
    let parent = testdiet.id().to_string();
    let mut stats = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((entry.file_name().into_string().unwrap(), stat))
    });
    let found = stats.find(|(_, stat)| stat.rsplit(") ").next().unwrap().split(' ').nth(1) == Some(parent.as_str()));
    found.expect("pytest runs").0
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_ends_the_run_and_keeps_what_was_measured() {
    let sandbox = Sandbox::of("tests/test_a.py", LONG);
    let child = started(&sandbox, &["--output-format", "json"]);
    kill(&child.id().to_string(), "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), Some(2));
    let told = err(&output);
    assert!(told.contains("the run was interrupted while tests/test_a.py::test_long ran; what 1 test did is kept"), "{told}");
    let run = json(&output);
    assert_eq!(
        (&run["ended"]["how"], &run["ended"]["running"][0]["test"]),
        (&"interrupted".into(), &"tests/test_a.py::test_long".into())
    );
    assert_eq!(run["totals"]["outcomes"], serde_json::json!({"passed": 1}), "nobody knows how the other one would have ended");
    assert!(sandbox.root().join("torn down").exists(), "the teardown ran");
    let orphan = String::from_utf8(sandbox.read("pid")).unwrap();
    until("what the test started is gone", || !alive(&orphan));
    assert!(sandbox.root().join(".testdiet/measure/000001/run.json").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_suite_that_hangs_is_given_up() {
    let sandbox = Sandbox::of("tests/test_a.py", LONG);
    let output = measure(&sandbox, &["--timeout", "3"]);
    assert_eq!(code(&output), Some(2));
    let told = err(&output);
    assert!(told.contains("nothing ended for too long, so the run was ended while tests/test_a.py::test_long ran"), "{told}");
    assert!(told.contains("what 1 test did is kept") && told.contains("in test_long"), "{told}");
    let orphan = String::from_utf8(sandbox.read("pid")).unwrap();
    until("what the test started is gone", || !alive(&orphan));
    let last = measure(&sandbox, &["--last"]);
    assert_eq!(code(&last), Some(1));
    assert!(out(&last).contains("while tests/test_a.py::test_long ran"), "{}", out(&last));
}

#[test]
fn a_crash_names_its_test() {
    let text = "import os\n\ndef test_before(): pass\n\ndef test_aborts(): os.abort()\n\ndef test_after(): pass\n";
    let sandbox = Sandbox::of("tests/test_a.py", text);
    let output = measure(&sandbox, &[]);
    assert_eq!(code(&output), Some(2));
    let told = err(&output);
    assert!(told.contains("pytest was ended by signal 6 (SIGABRT) while tests/test_a.py::test_aborts ran"), "{told}");
    assert!(told.contains("what 1 test did is kept"), "{told}");
    let last = measure(&sandbox, &["--last"]);
    assert!(out(&last).contains("\ntests/test_a.py::test_aborts\n    before it: 1 thread, "), "{}", out(&last));

    sandbox.write("tests/test_a.py", text.replace("os.abort()", "os._exit(0)"));
    let output = measure(&sandbox, &[]);
    assert_eq!(code(&output), Some(2));
    let told = err(&output);
    assert!(told.contains("ended with code 0 in the middle of the run while tests/test_a.py::test_aborts ran"), "{told}");

    // pytest-xdist starts another worker and goes on: the test crashed, the run did not.
    let output = measure(&sandbox, &["--output-format", "json", "--", "-n2"]);
    assert_eq!(code(&output), Some(1));
    let run = json(&output);
    assert_eq!((&run["ended"]["how"], &run["totals"]["outcomes"]["crashed"]), (&"finished".into(), &1.into()));
    assert_eq!(test(&run, "test_aborts")["outcome"], "crashed");

    sandbox.write("tests/test_a.py", "import os\nos.abort()\n");
    let output = measure(&sandbox, &[]);
    assert_eq!(code(&output), Some(2));
    assert!(err(&output).contains("while tests/test_a.py was imported"), "{}", err(&output));
}

/// Tests that write down which of them runs, before they do anything else.
const WITNESSED: &str = "\
import os, pytest, time

@pytest.mark.parametrize('n', range(500))
def test_n(n):
    fd = os.open('witness', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(fd, b'tests/test_a.py::test_n[%d] runs\\n' % n)
    os.close(fd)
    open('ready', 'w')
    time.sleep(0.05)
    fd = os.open('witness', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(fd, b'tests/test_a.py::test_n[%d] ended\\n' % n)
    os.close(fd)
";

#[test]
#[cfg(target_os = "linux")]
fn after_a_kill_the_running_test_is_known() {
    // The moments are random, and the witness says what is right for each.
    for (n, whom) in ["pytest", "testdiet", "pytest", "testdiet"].into_iter().enumerate() {
        let sandbox = Sandbox::of("tests/test_a.py", WITNESSED);
        let args: &[&str] = if n < 2 { &[] } else { &["--constrain", "wsl2"] };
        let child = started(&sandbox, args);
        let random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_micros();
        std::thread::sleep(Duration::from_micros(u64::from(random % 400_000)));
        let pytest = pytest_of(&child);
        kill(&if whom == "pytest" { pytest.clone() } else { child.id().to_string() }, "-KILL");
        until("pytest is gone", || !alive(&pytest));
        let output = child.wait_with_output().unwrap();
        if whom == "pytest" {
            assert_eq!(code(&output), Some(2), "{}", err(&output));
            assert!(err(&output).contains("pytest was ended by signal 9 (SIGKILL)"), "{}", err(&output));
        }
        let last = measure(&sandbox, &["--last"]);
        assert_eq!(code(&last), Some(1));
        let witness = String::from_utf8(sandbox.read("witness")).unwrap();
        // Between its last line and the end of its teardown, and before the first line of the next, the witness is behind.
        let (test, state) = witness.trim().split_once(' ').unwrap_or(("", ""));
        let number = |test: &str| test.trim_end_matches(']').rsplit('[').next().unwrap().parse::<u32>().ok();
        let next = number(test).map(|n| format!("tests/test_a.py::test_n[{}]", n + 1)).unwrap_or_default();
        let told = out(&last);
        let named = |test: &str| told.contains(&format!("while {test} ran")) && told.contains(&format!("\n{test}\n"));
        let right = match state {
            "runs" => named(test),
            "ended" => named(test) || named(&next) || told.contains(&format!("after {test} and before another")),
            _ => told.contains("while tests/test_a.py::test_n["),
        };
        assert!(right, "{whom}: {witness}{told}");
    }
}

#[test]
fn wsl2_has_a_hundred_threads() {
    let text = "\
import threading

def test_many():
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(120)]
    try:
        for t in threads: t.start()
    finally:
        stop.set()
    for t in threads: t.join()

def test_few():
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(90)]
    for t in threads: t.start()
    stop.set()
    for t in threads: t.join()

def test_files(tmp_path):
    files = [open(tmp_path / str(n), 'w') for n in range(1_100)]
    for file in files: file.close()
";
    let sandbox = Sandbox::of("tests/test_a.py", text);
    assert_eq!(code(&measure(&sandbox, &["tests/test_a.py::test_many", "tests/test_a.py::test_few"])), Some(0));
    let output = measure(&sandbox, &["--constrain", "wsl2"]);
    assert_eq!(code(&output), Some(1));
    let told = err(&output);
    assert!(told.contains("2 tests ran into the limits of wsl2:"), "{told}");
    assert!(told.contains("tests/test_a.py::test_many: threads (100 threads started, 101 alive)"), "{told}");
    assert!(told.contains("can't start new thread: `testdiet measure --constrain` allows 100 threads"), "{told}");
    assert!(told.contains("tests/test_a.py::test_files: descriptors"), "{told}");
    let last = json(&measure(&sandbox, &["--last", "--output-format", "json"]));
    assert_eq!((&last["constrain"], &test(&last, "test_few")["outcome"]), (&"wsl2".into(), &"passed".into()));
}

#[test]
fn progress_is_one_line_on_a_terminal() {
    let sandbox =
        Sandbox::of("tests/test_a.py", "import time\n\ndef test_a(): time.sleep(0.3)\n\ndef test_b(): time.sleep(0.3)\n");
    // A terminal of Python's making.
    let script = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut child = Command::new(python())
        .args(["-c", script, env!("CARGO_BIN_EXE_testdiet"), "measure", "--python"])
        .arg(python())
        .current_dir(sandbox.root())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).split(b'\n') {
        text += &String::from_utf8_lossy(&line.unwrap());
        text.push('\n');
    }
    assert!(child.wait().unwrap().success(), "{text}");
    // The seconds are those since the start, and pytest may take one before its first test.
    let first = |line: &str| line.starts_with("0/2 tests, ") && line.ends_with(" s, 0.0 s asleep: tests/test_a.py::test_a");
    assert!(text.split("\r\x1b[K").any(first), "{text:?}");
    assert!(text.contains("\r\x1b[K1/2 tests, "), "{text:?}");
    // The line is gone before the table.
    assert!(text.contains("\r\x1b[K   time"), "{text:?}");
}
