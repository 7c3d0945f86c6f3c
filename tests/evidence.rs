//! What `measure` saw, in what `check` and `fix` say afterwards: real pytest, then the command line.
#![cfg(unix)]

mod sandbox;

use std::process::Output;

use sandbox::{Sandbox, python};
use serde_json::Value;

fn measure(sandbox: &Sandbox, args: &[&str]) {
    let all = [&["measure", "--python", python().to_str().unwrap()], args].concat();
    let output = sandbox.run(&all);
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}{}", told(&output.stdout), told(&output.stderr));
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn check(sandbox: &Sandbox, rule: &str) -> Vec<Value> {
    let output = sandbox.run(&["check", "--select", rule, "--output-format", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", out(&output)))
}

/// Lines and messages of findings.
fn told(findings: &[Value]) -> Vec<(u64, &str)> {
    findings.iter().map(|f| (f["location"]["row"].as_u64().unwrap(), f["message"].as_str().unwrap())).collect()
}

const SLEEPS: &str = "\
import time
import pytest

@pytest.mark.parametrize('n', [1, 2])
def test_waits(n):
    time.sleep(0.6)

def test_mocked(quick):
    time.sleep(30)
";

/// Replaces what sleeps in a way that no reader of the source follows.
const QUICK: &str = "\
import time
import pytest

@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(time, ''.join(['sl', 'eep']), int)
";

#[test]
fn what_was_slept_is_told_until_the_file_changes() {
    let sandbox = Sandbox::of("tests/test_a.py", SLEEPS);
    sandbox.write("tests/conftest.py", QUICK);
    let by_source = check(&sandbox, "long-sleep");
    assert_eq!(
        told(&by_source),
        [(6, "sleeps 0.6 s, 2 times in this file; a test's budget is 0.5 s"), (9, "sleeps 30 s; a test's budget is 0.5 s")]
    );

    measure(&sandbox, &[]);
    // The first time the cache holds what was found before, the second time what was found with this.
    for _ in 0..2 {
        let measured = check(&sandbox, "long-sleep");
        assert_eq!(
            told(&measured),
            [
                (6, "sleeps 0.6 s, 2 times in this file; a test's budget is 0.5 s; measured: 1.2 s in 2 calls"),
                (9, "sleeps 30 s; a test's budget is 0.5 s; measured: nobody slept here"),
            ]
        );
        let costs: Vec<_> = measured.iter().map(|f| f["cost"]["sleep_s"].as_f64().unwrap()).collect();
        assert!((costs[0] - 0.6).abs() < 1e-9 && costs[1] == 0.0, "{costs:?}");
    }
    let output = sandbox.run(&["check"]);
    let totals = String::from_utf8(output.stderr).unwrap();
    assert!(totals.contains("measured: 1.2 s asleep in the 2 tests that are as when `testdiet measure` ran"), "{totals}");

    // Every line is where it was, and yet nobody knows what the tests do now.
    sandbox.write("tests/test_a.py", format!("{SLEEPS}# changed\n"));
    assert_eq!(told(&check(&sandbox, "long-sleep")), told(&by_source));

    // Of a file that was measured again, what is new counts; a run of other tests takes nothing away.
    measure(&sandbox, &["tests/test_a.py::test_waits"]);
    sandbox.write("tests/test_b.py", "def test_nothing(): pass\n");
    measure(&sandbox, &["tests/test_b.py"]);
    let again = check(&sandbox, "long-sleep");
    assert!(told(&again)[0].1.ends_with("; measured: 1.2 s in 2 calls"), "{again:#?}");
    assert_eq!(told(&again)[1], told(&by_source)[1]);
}

#[test]
fn a_join_is_of_what_it_was_measured_to_wait_for() {
    let text = "\
import queue, threading

def make(module, name, *args, **kwargs):
    return getattr(module, name)(*args, **kwargs)

def test_thread():
    worker = make(threading, 'Thread', target=print)
    worker.start()
    worker.join()

def test_queue():
    jobs = make(queue, 'Queue')
    jobs.join()

def test_own_class():
    class Own(threading.Thread): pass
    worker = vars().get('nobody', Own())
    worker.start()
    worker.join()
";
    let sandbox = Sandbox::of("tests/test_a.py", text);
    assert_eq!(told(&check(&sandbox, "join-without-timeout")), []);

    measure(&sandbox, &[]);
    let found = check(&sandbox, "join-without-timeout");
    let lines: Vec<_> = told(&found).into_iter().map(|f| f.0).collect();
    assert_eq!(lines, [9, 19], "{found:#?}");
    for finding in &found {
        let fix = &finding["fix"];
        assert_eq!(fix["applicability"], "unsafe");
        assert_eq!(fix["reason"], "that it is a thread or process was measured, the source does not say so");
    }
    // What only a run can tell is not applied unasked.
    sandbox.run(&["fix", "--select", "join-without-timeout"]);
    assert_eq!(sandbox.read("tests/test_a.py"), text.as_bytes());
    sandbox.run(&["fix", "--select", "join-without-timeout", "--unsafe-fixes"]);
    let fixed = String::from_utf8(sandbox.read("tests/test_a.py")).unwrap();
    assert_eq!(fixed.matches("    worker.join(timeout=5.0)\n    assert not worker.is_alive()\n").count(), 2, "{fixed}");
    assert!(fixed.contains("    jobs.join()\n"), "{fixed}");
    measure(&sandbox, &[]);
}

#[test]
fn a_test_that_stayed_on_real_time_is_not_put_on_the_clock() {
    let sandbox = Sandbox::new();
    sandbox.write("pyproject.toml", "[tool.pytest.ini_options]\n[tool.testdiet.fix]\nfast-time = true\n");
    sandbox.write(
        "test_a.py",
        "\
import importlib, time

def test_beside_a_socket():
    held = getattr(importlib.import_module('so' + 'cket'), 'socket')()
    time.sleep(0.7)
    held.close()

def test_alone():
    time.sleep(0.8)
",
    );
    let fixes = |sandbox: &Sandbox| -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        check(sandbox, "long-sleep").iter().map(|f| (text(&f["fix"]["message"]), text(&f["fix"]["reason"]))).collect()
    };
    let clock = "Run the test on virtual time, with the fixture `fast_time`";
    assert!(fixes(&sandbox).iter().all(|(message, _)| message == clock));

    measure(&sandbox, &["--", "-p", "testdiet.plugin", "--fast-time"]);
    let with = fixes(&sandbox);
    assert_eq!(with[0].0, "Shrink 0.7 s to 0.1 s");
    assert!(
        with[0].1.ends_with("`fast_time` is not used: measured under it, the test stayed on real time (socket: one is open)"),
        "{with:?}"
    );
    assert_eq!(with[1].0, clock);
}

#[test]
fn nothing_is_waited_for_where_nobody_else_was_alive() {
    let sandbox = Sandbox::new();
    let config = "[tool.pytest.ini_options]\n[tool.testdiet.fix]\nfast-time = true\nstrategies = [\"wait-until\", \"shrink\"]\n";
    sandbox.write("pyproject.toml", config);
    sandbox.write(
        "test_a.py",
        "\
import threading, time

class Light:
    lit = False

def switch(light):
    light.lit = True

def test_somebody_switches():
    light = Light()
    threading.Timer(0.1, switch, [light]).start()
    time.sleep(0.7)
    assert light.lit

def test_nobody_does():
    light = Light()
    switch(light)
    time.sleep(0.8)
    assert light.lit
",
    );
    let fixes = || -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        check(&sandbox, "long-sleep").iter().map(|f| (text(&f["fix"]["message"]), text(&f["fix"]["reason"]))).collect()
    };
    let wait = "Wait until `light.lit`";
    assert!(fixes().iter().all(|(message, _)| message == wait), "{:?}", fixes());

    measure(&sandbox, &[]);
    let with = fixes();
    assert_eq!(with[0].0, wait);
    assert_eq!(with[1].0, "Shrink 0.8 s to 0.1 s");
    assert!(with[1].1.ends_with("measured: no other thread or process is alive meanwhile, only the clock goes on"), "{with:?}");
    let told = check(&sandbox, "sleep-before-assert");
    assert_eq!(told[0]["fix"]["message"], wait);
    assert_eq!(
        told[1]["declined"],
        "measured: no other thread or process is alive meanwhile, so nothing comes about that could be waited for"
    );
}

#[test]
fn a_sleep_beside_a_child_process_that_only_a_run_shows_stays() {
    let text = "\
import importlib, sys, time

def test_child():
    getattr(importlib.import_module('sub' + 'process'), 'run')([sys.executable, '-c', ''])
    time.sleep(0.7)

def test_alone():
    time.sleep(0.8)
";
    let sandbox = Sandbox::of("test_a.py", text);
    let shrinks = |sandbox: &Sandbox| -> Vec<bool> {
        check(sandbox, "long-sleep")
            .iter()
            .map(|f| f["fix"]["message"].as_str().is_some_and(|m| m.starts_with("Shrink")))
            .collect()
    };
    assert_eq!(shrinks(&sandbox), [true, true]);

    measure(&sandbox, &[]);
    assert_eq!(shrinks(&sandbox), [false, true]);
    let declined = check(&sandbox, "long-sleep")[0]["declined"].clone();
    assert_eq!(declined, "measured: it starts child processes, whose speed no number here says");
    sandbox.run(&["fix", "--unsafe-fixes"]);
    let fixed = String::from_utf8(sandbox.read("test_a.py")).unwrap();
    assert_eq!(fixed, text.replace("0.8", "0.1"));
}
