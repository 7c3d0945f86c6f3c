//! The reviewer as a person meets it: the real binary at a real terminal, keys typed, the screen looked at, files compared.
#![cfg(unix)]

mod pty;
mod sandbox;

use pty::Pty;
use sandbox::{Sandbox, python};

const A: &str = "\
import threading
import time


def test_one():
    time.sleep(2.5)


def test_two():
    time.sleep(3)


def work():
    pass


def test_join():
    t = threading.Thread(target=work)
    t.start()
    t.join()
";

const B: &str = "\
import time

from helpers import WAIT


def test_three():
    time.sleep(WAIT)


def test_four():
    time.sleep(4)
";

/// Five fixes: `test_one`, `test_two`, `test_join` (safe), `test_three` (in `helpers.py`) and `test_four`.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tests/test_a.py", A);
    sandbox.write("tests/test_b.py", B);
    sandbox.write("tests/helpers.py", "WAIT = 2.0\n");
    sandbox
}

fn review(sandbox: &Sandbox) -> Pty {
    review_with(sandbox, &[], &[])
}

fn review_with(sandbox: &Sandbox, args: &[&str], env: &[(&str, &str)]) -> Pty {
    let args: Vec<&str> = ["review"].iter().chain(args).copied().collect();
    Pty::start(sandbox.root(), &args, env, (40, 100))
}

fn text(sandbox: &Sandbox, name: &str) -> String {
    String::from_utf8(sandbox.read(name)).unwrap()
}

const JOINED: &str = "    t.join(timeout=5.0)\n    assert not t.is_alive()\n";

#[test]
fn a_fix_is_shown_with_all_that_matters() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    let screen = pty.wait("[1/5]");
    for said in [
        "[1/5] tests/test_a.py:6 long-sleep unsafe",
        "sleeps 2.5 s; a test's budget is 0.5 s",
        "cost: 2.5 s asleep → 0.1 s asleep (tests/test_a.py::test_one)",
        "fix: Shrink 2.5 s to 0.1 s",
        "why unsafe: the code under test may need longer",
        "6 | -     time.sleep(2.5)",
        "+     time.sleep(0.1)",
        "0 taken, 0 rejected, 5 open",
    ] {
        assert!(screen.contains(said), "no `{said}` in\n{screen}");
    }
    let screen = pty.then("jj", "[3/5] tests/test_a.py:20 join-without-timeout safe");
    assert!(!screen.contains("why unsafe"), "{screen}");
    // Tied numbers of another file are part of the picture.
    let screen = pty.then("j", "[4/5] tests/test_b.py:7 long-sleep unsafe");
    assert!(screen.contains("--> tests/helpers.py") && screen.contains("+ WAIT = 0.1"), "{screen}");
    // The words that change stand out, also in the colours.
    let raw = String::from_utf8_lossy(&pty.raw()).into_owned();
    assert!(raw.contains("\u{1b}[1m\u{1b}[4m\u{1b}[32m0.1"), "{}", raw.escape_debug());
    pty.press("Q");
    assert_eq!(pty.end().0, 1);
}

#[test]
fn yes_no_and_save() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("y", "[2/5]");
    pty.then("n", "[3/5]");
    pty.then("y", "[4/5]");
    let screen = pty.then("y", "[5/5]");
    assert!(screen.contains("3 taken, 1 rejected, 1 open"), "{screen}");
    assert_eq!(text(&sandbox, "tests/test_a.py"), A, "written before the end");
    pty.press("q");
    let (code, screen) = pty.end();
    assert_eq!(code, 1, "two findings remain\n{screen}");
    for said in [
        "Applied 3 fixes in 2 files, rejected 1, left 1.",
        "Each run of the tests now saves 4.3 s asleep.",
        "`testdiet undo` takes it back.",
        "11.5 s → 7.2 s asleep",
    ] {
        assert!(screen.contains(said), "no `{said}` in\n{screen}");
    }
    let expected = A.replace("2.5", "0.1").replace("    t.join()\n", JOINED);
    assert_eq!(text(&sandbox, "tests/test_a.py"), expected);
    assert_eq!(text(&sandbox, "tests/helpers.py"), "WAIT = 0.1\n");
    assert_eq!(text(&sandbox, "tests/test_b.py"), B);

    // What was rejected is remembered, what was left open is offered again.
    let mut pty = review(&sandbox);
    let screen = pty.wait("[1/1]");
    assert!(screen.contains("tests/test_b.py:11"), "{screen}");
    pty.press("q");
    let (_, screen) = pty.end();
    assert!(screen.contains("Applied 0 fixes"), "{screen}");
    // Also when its line has moved; and on demand it is offered again.
    sandbox.write("tests/test_a.py", format!("# moved\n\n{expected}"));
    let mut pty = review(&sandbox);
    pty.wait("[1/1]");
    pty.press("Q");
    pty.end();
    let mut pty = review_with(&sandbox, &["--rejected"], &[]);
    pty.wait("[1/2] tests/test_a.py:12");
    pty.press("Q");
    pty.end();

    sandbox.write("tests/test_a.py", &expected);
    assert_eq!(sandbox.run(&["undo"]).status.code(), Some(0));
    assert_eq!(text(&sandbox, "tests/test_a.py"), A);
    assert_eq!(text(&sandbox, "tests/helpers.py"), "WAIT = 2.0\n");
}

#[test]
fn discard_writes_and_remembers_nothing() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("y", "[2/5]");
    pty.then("n", "[3/5]");
    pty.press("Q");
    let (code, screen) = pty.end();
    assert_eq!(code, 1);
    assert!(screen.contains("Discarded 2 decisions."), "{screen}");
    assert_eq!(text(&sandbox, "tests/test_a.py"), A);
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.press("Q");
    pty.end();
}

#[test]
fn the_rest_of_a_file_of_a_rule_and_all() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("a", "[4/5]");
    pty.then("u", "[1/5]");
    pty.then("d", "3 rejected");
    pty.then("u", "[1/5]");
    let screen = pty.then("R", "4 rejected");
    assert!(screen.contains("[3/5]"), "the other rule is left: {screen}");
    pty.then("u", "[1/5]");
    let screen = pty.then("A", "4 taken");
    assert!(screen.contains("[3/5]"), "{screen}");
    pty.then("u", "[1/5]");
    // Skipped ones are open, and `!` takes them too.
    pty.then("j", "[2/5]");
    pty.then("!", "5 taken, 0 rejected, 0 open");
    pty.press("q");
    let (code, screen) = pty.end();
    assert_eq!(code, 0, "nothing is left\n{screen}");
    assert!(screen.contains("Applied 5 fixes in 3 files"), "{screen}");
    let expected = A.replace("2.5", "0.1").replace("(3)", "(0.1)").replace("    t.join()\n", JOINED);
    assert_eq!(text(&sandbox, "tests/test_a.py"), expected);
    assert_eq!(text(&sandbox, "tests/test_b.py"), B.replace("(4)", "(0.1)"));
}

#[test]
fn undo_goes_back_to_the_start() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("ynyn", "[5/5]");
    pty.then("u", "[4/5]");
    pty.then("u", "[3/5]");
    pty.then("u", "[2/5]");
    let screen = pty.then("u", "[1/5]");
    assert!(screen.contains("0 taken, 0 rejected, 5 open"), "{screen}");
    pty.then("u", "There is no decision to take back.");
    // Past the end of a plan, too: the last fix taken makes a new plan.
    pty.then("!", "That was the last fix.");
    pty.then("u", "[1/5]");
    pty.press("q");
    assert_eq!(pty.end().0, 1);
    assert_eq!(text(&sandbox, "tests/test_a.py"), A);
}

#[test]
fn moving_searching_and_explaining() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("y", "[2/5]");
    pty.then("k", "No open fix before this one.");
    let screen = pty.then("K", "[1/5]");
    assert!(screen.contains("taken"), "{screen}");
    pty.then("J", "[2/5]");
    pty.then("jjj", "[5/5]");
    pty.then("j", "No open fix after this one");
    pty.then("k", "[4/5]");
    pty.then("g", "Number of the fix");
    pty.then("3\r", "[3/5]");
    pty.then("g", "Number of the fix");
    pty.then("9\r", "There is no open fix of that number.");
    pty.then("/", "Look for");
    pty.then("test_b\r", "[4/5]");
    pty.then("/", "Look for");
    pty.then("\r", "[5/5]");
    pty.then("/", "Look for");
    pty.then("no such thing\r", "No fix mentions `no such thing`.");
    pty.then("i", "A sleep that is longer than a test may sleep in all.");
    pty.then("\u{1b}", "[5/5]");
    pty.then("?", "take back the last decision");
    // Closing the help decides nothing.
    let screen = pty.then("y", "[5/5]");
    assert!(screen.contains("1 taken, 0 rejected, 4 open"), "{screen}");
    pty.then("p", "[5/5]");
    pty.then("x", "That key does nothing here");
    pty.press("Q");
    pty.end();
}

#[test]
fn v_runs_the_tests_and_says_whether_they_hold() {
    let sandbox = Sandbox::new();
    sandbox.write("jobs.py", "import os\nimport threading\n\nDELAY = float(os.environ.get('DELAY', '0.7'))\n\n\nclass Job:\n    done = False\n\n    def start(self):\n        threading.Timer(DELAY, self.finish).start()\n\n    def finish(self):\n        self.done = True\n");
    sandbox.write("tests/conftest.py", "import sys\n\nsys.path.insert(0, '.')\n");
    sandbox.write(
        "tests/test_jobs.py",
        "import time\n\nfrom jobs import Job\n\n\ndef test_needs_its_time():\n    job = Job()\n    job.start()\n    time.sleep(1.0)\n    assert job.done\n\n\ndef test_does_not():\n    time.sleep(0.6)\n",
    );
    let before = sandbox.read("tests/test_jobs.py");
    let mut pty = review_with(&sandbox, &["--python", python().to_str().unwrap()], &[]);
    pty.wait("[1/2]");
    let screen = pty.then("v", "Not proven");
    assert!(screen.contains("test_needs_its_time"), "{screen}");
    pty.then("\u{1b}", "[1/2]");
    pty.then("n", "[2/2]");
    let screen = pty.then("v", "Proven: with this fix alone");
    assert!(screen.contains("joins without a timeout"), "{screen}");
    // Proving decides nothing and writes nothing.
    let screen = pty.then("\u{1b}", "[2/2]");
    assert!(screen.contains("0 taken, 1 rejected, 1 open"), "{screen}");
    assert_eq!(sandbox.read("tests/test_jobs.py"), before);
    pty.press("Q");
    pty.end();
}

#[test]
fn escape_and_control_c_decide_nothing() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("y", "[2/5]");
    let screen = pty.drawn_after("\u{1b}");
    assert!(screen.contains("[2/5]") && screen.contains("1 taken, 0 rejected, 4 open"), "{screen}");
    pty.press("\u{3}");
    let (code, screen) = pty.end();
    assert_eq!(code, 1);
    assert!(
        screen.contains("what was taken is not written") && screen.contains("1 fix taken and 0 rejected are kept"),
        "{screen}"
    );
    assert_eq!(text(&sandbox, "tests/test_a.py"), A);

    // The next review goes on from there.
    let mut pty = review(&sandbox);
    pty.wait("1 fix taken in 1 file");
    pty.then("y", "[2/5] tests/test_a.py:10");
    pty.press("q");
    pty.end();
    assert_eq!(text(&sandbox, "tests/test_a.py"), A.replace("2.5", "0.1"));
}

#[test]
fn a_killed_review_loses_nothing() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("y", "[2/5]");
    pty.then("n", "[3/5]");
    pty.then("j", "[4/5]");
    pty.then("y", "[5/5]");
    pty.kill();
    assert_eq!(text(&sandbox, "tests/test_a.py"), A, "nothing is written before somebody says so");

    let pty = review(&sandbox);
    let screen = pty.wait("The last review did not end.");
    assert!(screen.contains("2 fixes taken in 2 files, 1 rejected"), "{screen}");
    // Killed again before an answer: still there.
    pty.kill();
    let mut pty = review(&sandbox);
    pty.wait("The last review did not end.");
    let screen = pty.then("y", "[4/5] tests/test_a.py:20");
    assert!(screen.contains("2 taken, 1 rejected, 2 open"), "{screen}");
    pty.press("q");
    let (_, screen) = pty.end();
    assert!(screen.contains("Applied 2 fixes in 2 files, rejected 1, left 2."), "{screen}");
    assert_eq!(text(&sandbox, "tests/test_a.py"), A.replace("2.5", "0.1"));
    assert_eq!(text(&sandbox, "tests/helpers.py"), "WAIT = 0.1\n");
    let mut pty = review(&sandbox);
    let screen = pty.wait("[1/2]");
    assert!(screen.contains("test_a.py:20"), "{screen}");
    pty.press("q");
    pty.end();
}

#[test]
fn a_fix_in_the_configuration_survives_too() {
    let sandbox = Sandbox::new();
    sandbox.write("tests/test_a.py", "import pytest\n\n\n@pytest.mark.slow\ndef test_a():\n    pass\n");
    let before = text(&sandbox, "pyproject.toml");
    let args = ["--select", "unregistered-marker"];
    let mut pty = review_with(&sandbox, &args, &[]);
    let screen = pty.wait("[1/1]");
    assert!(screen.contains("--> pyproject.toml"), "{screen}");
    pty.then("y", "That was the last fix.");
    pty.kill();
    assert_eq!(text(&sandbox, "pyproject.toml"), before);
    let mut pty = review_with(&sandbox, &args, &[]);
    pty.wait("1 fix taken in 1 file");
    pty.then("y", "That was the last fix.");
    pty.press("q");
    assert_eq!(pty.end().0, 0);
    assert!(text(&sandbox, "pyproject.toml").contains("slow"));
    assert_eq!(sandbox.run(&["undo"]).status.code(), Some(0));
    assert_eq!(text(&sandbox, "pyproject.toml"), before);
}

#[test]
fn what_was_decided_about_a_file_that_has_changed_since_is_planned_again() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("yj", "[3/5]");
    pty.then("j", "[4/5]");
    pty.then("y", "[5/5]");
    pty.kill();
    let changed = format!("# A new line.\n{A}");
    sandbox.write("tests/test_a.py", &changed);
    let mut pty = review(&sandbox);
    let screen = pty.wait("These were changed since");
    assert!(screen.contains("tests/test_a.py") && screen.contains("taken in 1 file"), "{screen}");
    pty.then("y", "tests/test_a.py:7 long-sleep");
    pty.press("q");
    pty.end();
    assert_eq!(text(&sandbox, "tests/test_a.py"), changed);
    assert_eq!(text(&sandbox, "tests/helpers.py"), "WAIT = 0.1\n");
    // Started anew, nothing of it is left.
    let mut pty = review(&sandbox);
    pty.wait("[1/4]");
    pty.then("y", "[2/4]");
    pty.kill();
    let mut pty = review(&sandbox);
    pty.wait("The last review did not end.");
    pty.then("n", "[1/4]");
    pty.press("q");
    pty.end();
    assert_eq!(text(&sandbox, "tests/test_a.py"), changed);
}

#[test]
fn a_file_written_by_somebody_else_meanwhile_is_not_overwritten() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("y", "[2/5]");
    let changed = format!("{A}# meanwhile\n");
    sandbox.write("tests/test_a.py", &changed);
    pty.press("q");
    let (code, screen) = pty.end();
    assert_eq!(code, 2);
    assert!(screen.contains("it changed since it was read") && screen.contains("What was decided is kept"), "{screen}");
    assert_eq!(text(&sandbox, "tests/test_a.py"), changed);
    let mut pty = review(&sandbox);
    pty.wait("These were changed since");
    pty.press("n");
    pty.wait("[1/5]");
    pty.press("Q");
    pty.end();
}

#[test]
fn an_edit_and_then_a_fix_further_down_the_same_file() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    let screen = pty.then("e", "tests/test_a.py:6: the line as the fix leaves it");
    assert!(screen.contains("time.sleep(0.1)"), "{screen}");
    // Backspace over `0.1)`; what is not Python is refused, and what was typed stays.
    pty.then("\u{7f}\u{7f}\u{7f}\u{7f}0.25\r", "the file would not be Python any more");
    pty.then(")\r", "[2/5] tests/test_a.py:10");
    pty.then("y", "[3/5]");
    pty.then("y", "[4/5]");
    pty.press("q");
    let (_, screen) = pty.end();
    assert!(screen.contains("Applied 3 fixes in 1 file"), "{screen}");
    let expected = A.replace("2.5", "0.25").replace("(3)", "(0.1)").replace("    t.join()\n", JOINED);
    assert_eq!(text(&sandbox, "tests/test_a.py"), expected);
}

/// A program that stands in for an editor; `$1` is the last argument it gets.
fn editor(sandbox: &Sandbox, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    sandbox.write(
        "my editor/vim",
        format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$(dirname \"$0\")/log\"\nfor f in \"$@\"; do :; done\n{script}\n"),
    );
    let path = sandbox.root().join("my editor/vim");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("'{}' -n", path.display())
}

#[test]
fn several_lines_are_edited_in_the_editor() {
    let sandbox = project();
    let script = "sed -i 's/5.0/7.0/; $a\\    more = 1\\n    print(more)' \"$f\"";
    let mut pty = review_with(&sandbox, &[], &[("EDITOR", &editor(&sandbox, script))]);
    pty.wait("[1/5]");
    pty.then("jj", "[3/5]");
    pty.then("e", "[4/5]");
    pty.then("K", "[3/5]");
    // Taken: the next look has found no fix there any more, so that is what K finds.
    pty.press("q");
    let (_, screen) = pty.end();
    assert!(screen.contains("Applied 1 fix in 1 file"), "{screen}");
    let edited = JOINED.replace("5.0", "7.0") + "    more = 1\n    print(more)\n";
    assert_eq!(text(&sandbox, "tests/test_a.py"), A.replace("    t.join()\n", &edited));
}

#[test]
fn the_editor_opens_at_the_line_and_what_it_changes_is_read_again() {
    let sandbox = project();
    // Three lines more at the top, and a sleep that is fine.
    let editor = editor(&sandbox, "sed -i -e '1i# one\\n# two\\n# three' -e 's/sleep(3)/sleep(0.4)/' \"$f\"");
    let mut pty = review_with(&sandbox, &[], &[("VISUAL", &editor), ("EDITOR", "false")]);
    pty.wait("[1/5]");
    pty.then("n", "[2/5]");
    pty.then("j", "[3/5]");
    let screen = pty.then("E", "tests/test_b.py:7");
    // One taken, one rejected still, one gone.
    assert!(screen.contains("1 taken, 1 rejected, 2 open"), "{screen}");
    assert_eq!(text(&sandbox, "my editor/log"), format!("-n +20 {}/tests/test_a.py\n", sandbox.root().display()));
    let sed = format!("# one\n# two\n# three\n{}", A.replace("(3)", "(0.4)").replace("    t.join()\n", JOINED));
    assert_eq!(text(&sandbox, "tests/test_a.py"), sed);
    // A fix above, in the file as it is now.
    let screen = pty.then("K", "tests/test_a.py:9");
    assert!(screen.contains("rejected"), "{screen}");
    pty.then("y", "tests/test_b.py:7");
    pty.press("q");
    pty.end();
    assert_eq!(text(&sandbox, "tests/test_a.py"), sed.replace("2.5", "0.1"));
}

#[test]
fn undo_takes_back_what_the_editor_did() {
    let sandbox = project();
    let editor = editor(&sandbox, "echo '# by hand' >> \"$f\"");
    let mut pty = review_with(&sandbox, &[], &[("VISUAL", &editor)]);
    pty.wait("[1/5]");
    pty.then("E", "[2/5]");
    let by_hand = A.replace("2.5", "0.1") + "# by hand\n";
    assert_eq!(text(&sandbox, "tests/test_a.py"), by_hand);
    // All was written: killed now, there is nothing to go on with.
    pty.kill();
    let mut pty = review_with(&sandbox, &[], &[("VISUAL", &editor)]);
    pty.wait("[1/4] tests/test_a.py:10");
    pty.press("Q");
    pty.end();

    sandbox.write("tests/test_a.py", A);
    let mut pty = review_with(&sandbox, &[], &[("VISUAL", &editor)]);
    pty.wait("[1/5]");
    pty.then("E", "[2/5]");
    pty.then("u", "[1/5]");
    pty.press("q");
    let (_, screen) = pty.end();
    assert!(screen.contains("takes it back, 2 times in a row"), "{screen}");
    assert_eq!(text(&sandbox, "tests/test_a.py"), A);
}

#[test]
fn an_editor_that_does_not_start_changes_nothing_but_what_was_taken() {
    let sandbox = project();
    let mut pty = review_with(&sandbox, &[], &[("VISUAL", "no-such-editor")]);
    pty.wait("[1/5]");
    pty.then("E", "The editor `no-such-editor` does not start");
    pty.press("Q");
    let (_, screen) = pty.end();
    assert!(screen.contains("1 file written for the editor; `testdiet undo` takes that back."), "{screen}");
    assert_eq!(sandbox.run(&["undo"]).status.code(), Some(0));
    assert_eq!(text(&sandbox, "tests/test_a.py"), A);
}

#[test]
fn esc_leaves_whatever_is_typed() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    for (key, question) in
        [("S", "Why does the test"), ("/", "Look for"), ("g", "Number of the fix"), ("e", "as the fix leaves it")]
    {
        pty.then(key, question);
        pty.then("3", "3");
        pty.press("\u{1b}");
        let screen = pty.wait_until("the fix", |screen| screen.contains("[1/5]") && screen.trim_end().ends_with("help"));
        assert!(screen.contains("0 taken, 0 rejected, 5 open"), "after {key}:\n{screen}");
    }
    // A line longer than the terminal is typed on one row, and taken whole.
    let reason = "because the hardware under test is slow, ".repeat(4);
    pty.then("S", "Why does the test");
    pty.press(&reason);
    let screen = pty.wait("is slow, > ".trim_end_matches("> "));
    assert_eq!(screen.lines().filter(|line| line.starts_with("> ")).count(), 1, "{screen}");
    // Back over its start, which has to be there although it cannot be seen.
    pty.press("\u{1b}[H");
    pty.then("so ", "> so because");
    pty.then("\r", "[2/5]");
    pty.press("q");
    assert_eq!(pty.end().0, 1);
    assert!(text(&sandbox, "tests/test_a.py").contains(&format!("ignore[long-sleep] so {}", reason.trim_end())));
}

#[test]
fn suppressing_writes_the_reason() {
    let sandbox = project();
    let mut pty = review(&sandbox);
    pty.wait("[1/5]");
    pty.then("S", "Why does the test have to stay as it is?");
    pty.then("\r", "Nothing was changed.");
    pty.then("S", "Why does the test have to stay as it is?");
    let screen = pty.then("hardware is slow\r", "[2/5] tests/test_a.py:10");
    assert!(screen.contains("0 taken, 1 suppressed, 0 rejected, 4 open"), "{screen}");
    pty.press("q");
    let (_, screen) = pty.end();
    assert!(screen.contains("suppressed 1"), "{screen}");
    let line = "    time.sleep(2.5)  # testdiet: ignore[long-sleep] hardware is slow\n";
    assert_eq!(text(&sandbox, "tests/test_a.py"), A.replace("    time.sleep(2.5)\n", line));
    let mut pty = review(&sandbox);
    pty.wait("[1/4] tests/test_a.py:10");
    // Ctrl-C in a prompt ends it, and loses nothing.
    pty.then("y", "[2/4]");
    pty.then("S", "Why does the test have to stay as it is?");
    pty.press("\u{3}");
    pty.end();
    let mut pty = review(&sandbox);
    pty.wait("1 fix taken in 1 file");
    pty.then("n", "[1/4] tests/test_a.py:10");
    pty.press("q");
    pty.end();
}

#[test]
fn a_split_fix_is_decided_on_part_by_part() {
    let sandbox = Sandbox::new();
    let source = "\
import time

from product import Monitor


def test_monitor():
    monitor = Monitor(timeout=2.0)

    monitor.start()

    time.sleep(2.5)
    assert monitor.silent
";
    sandbox.write("product.py", "class Monitor:\n    def __init__(self, timeout):\n        self.timeout = timeout\n");
    sandbox.write("tests/test_a.py", source);
    let mut pty = review(&sandbox);
    let screen = pty.wait("[1/1]");
    assert!(screen.contains("with 1 duration tied to it"), "{screen}");
    let screen = pty.then("s", "[1/2] tests/test_a.py:7");
    assert!(screen.contains("Warning: these 2 parts belong together") && screen.contains("part: 1 of 2"), "{screen}");
    pty.then("u", "[1/1]");
    pty.then("s", "[1/2]");
    pty.then("n", "[2/2] tests/test_a.py:11");
    pty.then("s", "it cannot be split");
    pty.press("y");
    pty.wait_until("a new look", |screen| screen.contains("1 taken"));
    pty.press("q");
    pty.end();
    assert_eq!(text(&sandbox, "tests/test_a.py"), source.replace("2.5", "0.2"));
}

#[test]
fn narrow_terminals_resizing_and_no_colour() {
    let sandbox = project();
    let args = ["review"];
    let mut pty = Pty::start(sandbox.root(), &args, &[("NO_COLOR", "1")], (24, 40));
    let screen = pty.wait("[1/5]");
    assert!(screen.lines().all(|line| line.chars().count() <= 40), "{screen}");
    assert!(screen.contains("+     time.sleep(0.1)") && screen.contains("y n a d A R !"), "{screen}");
    // Moving through what does not fit.
    pty.resize(12, 40);
    let screen = pty.wait("lines below");
    assert!(!screen.contains("above"), "{screen}");
    let screen = pty.then("\u{1b}[F", "lines above");
    assert!(!screen.contains("below"), "{screen}");
    pty.resize(40, 100);
    pty.wait("take  n reject");
    pty.resize(9, 21);
    let screen = pty.wait_until("small", |s| s.contains("[1/5]") && !s.contains("take  n reject"));
    assert!(screen.lines().all(|line| line.chars().count() <= 21), "{screen}");
    pty.press("q");
    pty.end();
    let mut colours = Pty::start(sandbox.root(), &args, &[("NO_COLOR", "1")], (24, 80));
    colours.wait("[1/5]");
    colours.then("y", "[2/5]");
    let raw = String::from_utf8_lossy(&colours.raw()).into_owned();
    assert!(!raw.contains("[1m") && !raw.contains("[32m"), "{}", raw.escape_debug());
    colours.press("Q");
    colours.end();
}

#[test]
fn hostile_files_are_shown_escaped() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(500);
    let source = format!(
        "# coding: utf-8\r\nimport time\r\n\r\n\r\ndef test_\u{6f22}():\r\n\
         \tx = '\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{200b}'; time.sleep(2.5)\r\n\
         \ty = '\u{6f22}\u{5b57}'; time.sleep(3)\r\n\
         \tz = '{long}'; time.sleep(4)\r\n"
    );
    sandbox.write("tests/test_\u{1b}[2J.py", &source);
    let mut pty = review_with(&sandbox, &[], &[("EDITOR", "no-such-editor")]);
    let screen = pty.wait("[1/");
    assert!(screen.contains("\\x1b[31m\\x1b]0;title\\x07\\x9b2J\\u202e\\u200b"), "{screen}");
    assert!(screen.contains("tests/test_\\x1b[2J.py:6"), "{screen}");
    let mut screens = screen;
    for _ in 0..3 {
        screens += &pty.then("J", "[");
    }
    let raw = String::from_utf8_lossy(&pty.raw()).into_owned();
    for sent in ["\u{1b}[31m\u{1b}]", "\u{1b}]0;", "\u{9b}", "\u{202e}", "\u{200b}", "\u{7}", "test_\u{1b}"] {
        assert!(!raw.contains(sent), "{} was sent to the terminal", sent.escape_debug());
    }
    // Nothing stays of the line that is too long but a window.
    assert!(!raw.contains(&"x".repeat(141)));
    // What cannot be typed over safely is edited in the editor.
    pty.then("g", "Number of the fix");
    pty.then("1\r", "[1/");
    pty.then("e", "The editor `no-such-editor` does not start");
    pty.press("!");
    pty.wait("0 open");
    pty.press("q");
    let (_, screen) = pty.end();
    let after = text(&sandbox, "tests/test_\u{1b}[2J.py");
    assert!(!after.contains("2.5)") && after.matches("\r\n").count() == source.matches("\r\n").count(), "{screen}\n{after:?}");
    assert_eq!(after.matches('\n').count(), after.matches("\r\n").count());
    assert!(after.contains("\u{202e}\u{200b}") && after.contains(&long));
}

#[test]
fn without_a_terminal_it_names_the_commands_to_use() {
    let output = project().run(&["review"]);
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("testdiet fix --diff") && err.contains("`testdiet fix`"), "{err}");
    assert!(output.stdout.is_empty());
    let output = project().run(&["review", "-"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn two_reviews_of_a_project_do_not_meet() {
    let sandbox = project();
    let mut first = review(&sandbox);
    first.wait("[1/5]");
    let (code, screen) = review(&sandbox).end();
    assert_eq!(code, 2);
    assert!(screen.contains("another `testdiet review` is on"), "{screen}");
    first.press("Q");
    first.end();
}

#[test]
fn nothing_to_review_is_said() {
    let sandbox = Sandbox::of("tests/test_a.py", "def test_a():\n    pass\n");
    let (code, screen) = review(&sandbox).end();
    assert_eq!(code, 0);
    assert!(screen.contains("Nothing to review."), "{screen}");
    assert!(!sandbox.root().join(".testdiet").exists());
    // Rules are chosen as they are for the other commands.
    let sandbox = project();
    let mut pty = review_with(&sandbox, &["--select", "join-without-timeout", "tests/test_a.py"], &[]);
    pty.wait("[1/1] tests/test_a.py:20");
    pty.press("q");
    assert_eq!(pty.end().0, 1);
}
