//! The README's example of a project's own rule, run as its reader would run it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A copy of examples/own-rule.
fn example() -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/own-rule"), dir.path());
    dir
}

fn testdiet(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_testdiet")).args(args).current_dir(dir).output().unwrap()
}

fn findings(dir: &Path) -> Vec<Value> {
    let output = testdiet(dir, &["check", "--output-format", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// Replaces text in a file of the copy.
#[expect(clippy::disallowed_methods, reason = "a copy in a temporary folder")]
fn change(dir: &Path, file: &str, from: &str, to: &str) {
    let path = dir.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} lacks `{from}`");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_projects_own_helper_is_found_and_shrunk_with_what_it_waits_for() {
    let dir = example();
    let found = findings(dir.path());
    let [finding] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(finding["code"], "long-poll");
    assert_eq!(finding["message"], "polls for 3 s; 1 s are enough for our queue");
    assert_eq!((&finding["filename"], &finding["location"]["row"]), (&"tests/test_jobs.py".into(), &10.into()));
    assert_eq!(finding["test"], "tests/test_jobs.py::test_idle_after_a_while");
    assert_eq!(finding["fix"]["applicability"], "unsafe");

    let diff = testdiet(dir.path(), &["fix", "--diff", "--unsafe-fixes"]);
    let diff = String::from_utf8(diff.stdout).unwrap();
    let changed: Vec<&str> =
        diff.lines().filter(|l| l.starts_with(['-', '+']) && !l.starts_with("---") && !l.starts_with("+++")).collect();
    // Both numbers, and the poll still outlasts what it waits for.
    let number = |line: &str| line.trim_end_matches(')').rsplit(['=', ' ']).next().unwrap().parse::<f64>().unwrap();
    let [was_poll, poll, was_idle, idle] = changed[..] else { panic!("{diff}") };
    assert_eq!((was_poll, was_idle), ("-SETTLE = 3.0", "-    queue = Queue(idle_after=2.5)"));
    assert!(number(poll) < 1.0 && number(poll) > number(idle), "{diff}");
}

#[test]
fn it_is_suppressed_and_selected_like_any_other_rule() {
    let dir = example();
    change(
        dir.path(),
        "tests/test_jobs.py",
        "poll_until(SETTLE, queue)",
        "poll_until(SETTLE, queue)  # testdiet: ignore[long-poll]",
    );
    assert_eq!(findings(dir.path()), Vec::<Value>::new());
    let dir = example();
    let ignored = testdiet(dir.path(), &["check", "--ignore", "long-poll"]);
    assert_eq!(ignored.status.code(), Some(0), "{}", String::from_utf8_lossy(&ignored.stdout));
}

#[test]
fn a_query_that_cannot_find_anything_is_refused_with_its_line() {
    for (from, to, said) in [
        ("#resolves-to?", "#resolve-to?", "unknown predicate `#resolve-to?`"),
        ("@sleep", "@sleeping", "unknown capture `@sleeping`"),
        ("function:", "functions:", "there is no field `functions`"),
    ] {
        let dir = example();
        change(dir.path(), "queries/poll_until.scm", from, to);
        let output = testdiet(dir.path(), &["check"]);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("poll_until.scm:") && err.contains(said), "{err}");
    }
}
