//! Every file and folder in `tests/cases/<rule>/` is a case. Its name says what must come of it:
//!
//! * `fix_…`: each finding has a fix, and the text changes;
//! * `decline_…`: there are findings, and none has a fix;
//! * `flag_…`: there are findings;
//! * `leave_…`: there is none.
//!
//! What exactly is told, and what the fix does, is in `snapshots/cases__<rule>__<case>.snap`. A file becomes
//! `tests/test_<case>.py` of an otherwise empty project; a folder is a project of its own.

mod sandbox;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use sandbox::{Sandbox, cpython_parses};
use testdiet::engine;

/// All cases of a rule.
fn cases(rule: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(rule);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.is_dir() || p.extension().is_some_and(|e| e == "py"));
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no cases", folder.display());
    let failed: Vec<String> = paths
        .iter()
        .filter(|path| catch_unwind(AssertUnwindSafe(|| case(rule, path))).is_err())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}

fn case(rule: &str, path: &Path) {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let sandbox = if path.is_dir() {
        let sandbox = Sandbox::bare();
        sandbox.copy(path);
        sandbox
    } else {
        let sandbox = Sandbox::new();
        sandbox.write(&format!("tests/test_{name}.py"), std::fs::read(path).unwrap());
        sandbox
    };
    // What suppresses nothing can only be said where everything is looked for.
    let select = if rule == "unused-suppression" { vec![] } else { vec![rule] };
    let checked = engine::check(&sandbox.input(&[], &select)).unwrap();
    let told = sandbox.told(&checked);
    let fixed = sandbox.fix(&select);
    let patch = sandbox.patch(&fixed.changes);
    for f in &checked.findings {
        assert!(f.fix.is_none() || f.declined.is_none(), "{name}: a fix and a reason why there is none:\n{told}");
    }
    match name.split('_').next().unwrap() {
        "leave" => assert_eq!(told, "", "{name}: findings where there should be none"),
        "flag" => assert!(!checked.findings.is_empty(), "{name}: no findings"),
        "fix" => {
            assert!(!checked.findings.is_empty(), "{name}: no findings");
            assert!(checked.findings.iter().all(|f| f.fix.is_some()), "{name}: a finding without a fix:\n{told}");
            assert!(!patch.is_empty(), "{name}: the fix changes nothing:\n{told}");
        }
        "decline" => {
            assert!(!checked.findings.is_empty(), "{name}: no findings");
            assert!(checked.findings.iter().all(|f| f.fix.is_none()), "{name}: a fix:\n{told}");
            let reasoned = rule == "syntax-error" || checked.findings.iter().all(|f| f.declined.is_some());
            assert!(reasoned, "{name}: no fix, and no reason:\n{told}");
        }
        other => panic!("{name}: a case's name begins with fix_, flag_, leave_ or decline_, not `{other}`"),
    }
    if !told.is_empty() {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let mut text = told;
        if !patch.is_empty() {
            write!(text, "\n{patch}").unwrap();
        }
        settings.bind(|| insta::assert_snapshot!(format!("cases__{}__{name}", rule.replace('-', "_")), text));
    }
    sandbox.apply(&fixed);
    let changed = fixed.changes.iter().map(|c| c.after.path.clone());
    let changed: Vec<PathBuf> = changed.filter(|path| path.extension().is_some_and(|e| e == "py")).collect();
    if let Err(complaint) = cpython_parses(&changed) {
        panic!("{name}: CPython cannot read what was fixed: {complaint}\n{patch}");
    }
    let again = sandbox.patch(&sandbox.fix(&select).changes);
    assert_eq!(again, "", "{name}: a second fix changes something");
}

#[test]
fn long_sleep() {
    cases("long-sleep");
}

#[test]
fn sleep_budget() {
    cases("sleep-budget");
}

#[test]
fn join_without_timeout() {
    cases("join-without-timeout");
}

#[test]
fn unchecked_join() {
    cases("unchecked-join");
}

#[test]
fn too_many_threads() {
    cases("too-many-threads");
}

#[test]
fn large_allocation() {
    cases("large-allocation");
}

#[test]
fn long_loop() {
    cases("long-loop");
}

#[test]
fn loop_impact() {
    cases("loop-impact");
}

#[test]
fn missing_slow_marker() {
    cases("missing-slow-marker");
}

#[test]
fn unregistered_marker() {
    cases("unregistered-marker");
}

#[test]
fn sleep_before_assert() {
    cases("sleep-before-assert");
}

#[test]
fn slow_poll() {
    cases("slow-poll");
}

#[test]
fn long_timeout() {
    cases("long-timeout");
}

#[test]
fn wait_without_timeout() {
    cases("wait-without-timeout");
}

#[test]
fn untracked_thread_errors() {
    cases("untracked-thread-errors");
}

#[test]
fn leaked_thread() {
    cases("leaked-thread");
}

#[test]
fn unclosed_resource() {
    cases("unclosed-resource");
}

#[test]
fn unused_suppression() {
    cases("unused-suppression");
}

#[test]
fn syntax_error() {
    cases("syntax-error");
}

/// Cases are Python, or else they show nothing.
#[test]
fn cases_are_python() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                if path.file_name().is_some_and(|n| n != "syntax-error") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "py") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 50);
    if let Err(complaint) = cpython_parses(&files) {
        panic!("{complaint}");
    }
}
