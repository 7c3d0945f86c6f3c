//! `check --changed-since` against real git, and `check --baseline`.

mod sandbox;

use std::process::{Command, Output, Stdio};

use sandbox::Sandbox;

fn git(sandbox: &Sandbox, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(sandbox.root())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .expect("git on PATH");
    assert!(output.status.success(), "git {args:?}: {}", err(&output));
    out(&output)
}

fn commit(sandbox: &Sandbox) {
    git(sandbox, &["add", "-A"]);
    git(sandbox, &["commit", "-qm", "x"]);
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Where findings are told, with `check` and some flags.
fn places(sandbox: &Sandbox, flags: &[&str]) -> Vec<String> {
    let output = sandbox.run(&[&["check", "--output-format", "concise"], flags].concat());
    let places: Vec<String> =
        out(&output).lines().map(|line| line.split(": ").next().unwrap().rsplit_once(':').unwrap().0.to_owned()).collect();
    assert_eq!(output.status.code(), Some(i32::from(!places.is_empty())), "{}", err(&output));
    places
}

/// A test file whose tests sleep so long each.
fn sleeps(seconds: &[&str]) -> String {
    use std::fmt::Write as _;
    let mut text = "import time\n".to_owned();
    for (i, seconds) in seconds.iter().enumerate() {
        // Lines 5, 9, 13 …
        write!(text, "\n\ndef test_{i}():\n    time.sleep({seconds})\n").unwrap();
    }
    text
}

#[test]
fn only_changed_lines_and_files_git_does_not_know() {
    let sandbox = Sandbox::of("tests/test_a.py", &sleeps(&["1", "2", "3"]));
    let odd = "tests/test_b \"é\\\t.py";
    sandbox.write(odd, sleeps(&["1", "2"]));
    git(&sandbox, &["init", "-q"]);
    // What users set must not change what is understood.
    for (key, value) in [
        ("diff.noprefix", "true"),
        ("color.diff", "always"),
        ("color.ui", "always"),
        ("diff.external", "false"),
        ("diff.context", "9"),
        ("diff.interHunkContext", "9"),
        ("diff.renames", "false"),
        ("diff.relative", "true"),
    ] {
        git(&sandbox, &["config", key, value]);
    }
    commit(&sandbox);
    assert_eq!(places(&sandbox, &["--changed-since", "HEAD"]), [""; 0]);

    // Staged, not staged, untracked, and ignored but named.
    sandbox.write("tests/test_a.py", sleeps(&["1", "4", "3"]));
    git(&sandbox, &["add", "tests/test_a.py"]);
    sandbox.write(odd, format!("# moved down\n{}", sleeps(&["1", "5"])));
    sandbox.write("tests/test_new.py", sleeps(&["1"]));
    sandbox.write(".gitignore", "test_ignored.py\n");
    sandbox.write("tests/test_ignored.py", sleeps(&["1"]));
    // Names are escaped for people.
    let expected = ["tests/test_a.py:9", "tests/test_b \"é\\\\t.py:10", "tests/test_new.py:5"];
    assert_eq!(places(&sandbox, &["--changed-since", "HEAD"]), expected);
    let named = places(&sandbox, &["--changed-since", "HEAD", "tests/test_ignored.py"]);
    assert_eq!(named, ["tests/test_ignored.py:5"]);

    let output = sandbox.run(&["check", "--changed-since", "HEAD"]);
    assert!(err(&output).contains("3 findings outside of what changed: not shown."), "{}", err(&output));

    // From a subfolder, and after a rename that changes a line.
    commit(&sandbox);
    git(&sandbox, &["mv", "tests/test_a.py", "tests/test_c.py"]);
    sandbox.write("tests/test_c.py", sleeps(&["1", "4", "6"]));
    let output = Command::new(env!("CARGO_BIN_EXE_testdiet"))
        .args(["check", "--output-format", "concise", "--changed-since", "HEAD", "."])
        .current_dir(sandbox.root().join("tests"))
        .output()
        .unwrap();
    assert!(out(&output).starts_with("test_c.py:13:5: long-sleep"), "{}", out(&output));
    assert_eq!(out(&output).lines().count(), 1);
}

#[test]
fn a_branch_is_held_against_where_it_began() {
    let sandbox = Sandbox::of("tests/test_a.py", &sleeps(&["1", "2", "3"]));
    git(&sandbox, &["init", "-q"]);
    commit(&sandbox);
    git(&sandbox, &["branch", "-m", "main"]);
    git(&sandbox, &["checkout", "-q", "-b", "mine"]);
    sandbox.write("tests/test_a.py", sleeps(&["7", "2", "3"]));
    commit(&sandbox);
    git(&sandbox, &["checkout", "-q", "main"]);
    sandbox.write("tests/test_a.py", sleeps(&["1", "2", "8"]));
    commit(&sandbox);
    git(&sandbox, &["checkout", "-q", "mine"]);
    assert_eq!(places(&sandbox, &["--changed-since", "main"]), ["tests/test_a.py:5"]);
}

#[test]
fn what_a_fix_would_change_counts_and_so_does_a_line_taken_out() {
    let text = |settle: &str, more: &str| {
        format!(
            "import time\n\nSETTLE = {settle}\n\n\ndef test_a():\n    time.sleep(SETTLE)\n\n\ndef test_b():\n    time.sleep(\n{more}        3,\n    )\n"
        )
    };
    let sandbox = Sandbox::of("tests/test_a.py", &text("0.1", "        # three\n"));
    git(&sandbox, &["init", "-q"]);
    commit(&sandbox);
    sandbox.write("tests/test_a.py", text("2", "        # three\n"));
    assert_eq!(places(&sandbox, &["--changed-since", "HEAD"]), ["tests/test_a.py:7"]);
    sandbox.write("tests/test_a.py", text("0.1", ""));
    assert_eq!(places(&sandbox, &["--changed-since", "HEAD"]), ["tests/test_a.py:11"]);
}

#[test]
fn what_git_cannot_tell_is_an_error() {
    let sandbox = Sandbox::of("tests/test_a.py", &sleeps(&["1"]));
    let refused = |flags: &[&str], said: &str| {
        let output = sandbox.run(&[&["check"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(err(&output).starts_with("error: ") && err(&output).contains(said), "{}", err(&output));
    };
    refused(&["--changed-since", "HEAD"], "is not in a git repository");
    git(&sandbox, &["init", "-q"]);
    refused(&["--changed-since", "HEAD"], "git knows no revision `HEAD`");
    commit(&sandbox);
    refused(&["--changed-since", "nonsense"], "git knows no revision `nonsense`");
    refused(&["--changed-since=--output=x"], "git knows no revision `--output=x`");
    git(&sandbox, &["checkout", "-q", "--orphan", "other"]);
    git(&sandbox, &["commit", "-qm", "unrelated"]);
    git(&sandbox, &["branch", "first", "HEAD"]);
    git(&sandbox, &["checkout", "-q", "--orphan", "another"]);
    git(&sandbox, &["commit", "-qm", "y"]);
    refused(&["--changed-since", "first"], "no common ancestor");
    refused(&["--changed-since", "HEAD", "-"], "cannot be used with standard input");
    let none = Command::new(env!("CARGO_BIN_EXE_testdiet"))
        .args(["check", "--changed-since", "HEAD"])
        .current_dir(sandbox.root())
        .env("PATH", sandbox.root())
        .output()
        .unwrap();
    assert!(none.status.code() == Some(2) && err(&none).starts_with("error: cannot run git: "), "{}", err(&none));
}

#[test]
fn a_baseline_knows_what_was_there_and_nothing_else() {
    let sandbox = Sandbox::of("tests/test_a.py", &sleeps(&["1", "2", "2"]));
    sandbox.write("tests/test_b.py", sleeps(&["1"]));
    let known = ["--baseline", "known.json"];
    let write = || sandbox.run(&[&["check", "--write-baseline"][..], &known].concat());
    let missing = sandbox.run(&[&["check"][..], &known].concat());
    assert_eq!(missing.status.code(), Some(2));
    assert!(err(&missing).contains("known.json: there is no such baseline; --write-baseline makes it"), "{}", err(&missing));
    assert_eq!(sandbox.run(&["check", "--write-baseline"]).status.code(), Some(2));

    let written = write();
    assert_eq!((written.status.code(), out(&written).as_str()), (Some(0), ""));
    assert!(err(&written).contains("Wrote the baseline: it knows 4 findings."), "{}", err(&written));
    assert_eq!(places(&sandbox, &known), [""; 0]);

    // Moved, with other code around; one more of the same text; one of another text.
    let moved = format!("# head\n{}", sleeps(&["0.1", "1", "2"])).replace("def test_2", "def test_renamed");
    sandbox.write("tests/test_a.py", format!("{moved}    time.sleep(2)\n    time.sleep(2)\n    time.sleep(3)\n"));
    assert_eq!(places(&sandbox, &known), ["tests/test_a.py:16", "tests/test_a.py:17"]);
    let output = sandbox.run(&[&["check"][..], &known].concat());
    assert!(err(&output).contains("4 findings known from the baseline: not shown."), "{}", err(&output));
    assert!(!err(&output).contains("No longer found"), "{}", err(&output));

    // What is fixed is told until it is taken out; what was not looked at is not taken for fixed.
    sandbox.write("tests/test_a.py", sleeps(&["0.1"]));
    let output = sandbox.run(&[&["check"][..], &known].concat());
    assert_eq!(output.status.code(), Some(0));
    assert!(err(&output).contains("No longer found, but still in the baseline: 3 findings."), "{}", err(&output));
    for flags in [&["tests/test_b.py"][..], &["--select", "long-loop"]] {
        let other = sandbox.run(&[&["check"][..], &known, flags].concat());
        assert!(other.status.success() && !err(&other).contains("No longer found"), "{}", err(&other));
    }
    let partly = sandbox.run(&[&["check", "tests/test_a.py", "--write-baseline"][..], &known].concat());
    assert!(err(&partly).contains("Taken out of the baseline: 3 findings."), "{}", err(&partly));
    assert!(err(&partly).contains("it knows 1 finding."), "{}", err(&partly));
    std::fs::remove_file(sandbox.root().join("tests/test_b.py")).unwrap();
    assert!(err(&write()).contains("it knows 0 findings."));
    assert_eq!(String::from_utf8(sandbox.read("known.json")).unwrap(), "{\n  \"version\": 1,\n  \"findings\": []\n}\n");
}

#[test]
fn nothing_but_a_baseline_is_taken_for_one_or_overwritten() {
    let sandbox = Sandbox::of("tests/test_a.py", &sleeps(&["1"]));
    for flags in [&["check", "--baseline", "pyproject.toml"][..], &["check", "--baseline", "pyproject.toml", "--write-baseline"]]
    {
        let before = sandbox.read("pyproject.toml");
        let output = sandbox.run(flags);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).starts_with("error: pyproject.toml: it is not a baseline: "), "{}", err(&output));
        assert_eq!(sandbox.read("pyproject.toml"), before);
    }
}

#[test]
fn a_baseline_holds_in_every_clone_and_folder() {
    let sandbox = Sandbox::of("sub/tests/test_a.py", &sleeps(&["1"]));
    git(&sandbox, &["init", "-q"]);
    assert_eq!(sandbox.run(&["check", "--baseline", "known.json", "--write-baseline", "."]).status.code(), Some(0));
    commit(&sandbox);
    let clone = Sandbox::bare();
    git(&clone, &["clone", "-q", sandbox.root().to_str().unwrap(), "."]);
    let output = Command::new(env!("CARGO_BIN_EXE_testdiet"))
        .args(["check", "--baseline", "../known.json", "tests"])
        .current_dir(clone.root().join("sub"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert!(err(&output).contains("1 finding known from the baseline: not shown."), "{}", err(&output));
}
