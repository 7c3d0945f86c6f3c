//! The engine as a whole: fixes across files, fixes that must not happen, and files that are no Python at all.

mod sandbox;

use std::path::PathBuf;

use sandbox::{Sandbox, cpython_parses, places};
use testdiet::edit::Applicability;
use testdiet::engine;

const FILE: &str = "tests/test_a.py";

const HELPERS: &str = "import time\n\nSETTLE = 2.0\n\n\ndef settle():\n    time.sleep(SETTLE)\n";
const FIRST: &str = "import helpers\n\n\ndef test_first():\n    helpers.settle()\n";
const SECOND: &str = "import time\n\nfrom helpers import SETTLE\nfrom app import Monitor\n\n\ndef test_second():\n    \
    monitor = Monitor(timeout=1.5)\n    time.sleep(SETTLE)\n    assert monitor.silent\n";

/// Two test files that share a constant.
fn shared() -> Sandbox {
    let sandbox = Sandbox::of("tests/helpers.py", HELPERS);
    sandbox.write("tests/test_first.py", FIRST);
    sandbox.write("tests/test_second.py", SECOND);
    sandbox
}

#[test]
fn a_group_across_files_is_fixed_as_a_whole() {
    let sandbox = shared();
    let fixed = sandbox.fix(&[]);
    assert_eq!(sandbox.text_after(&fixed, "tests/helpers.py"), HELPERS.replace("2.0", "0.2"));
    assert_eq!(sandbox.text_after(&fixed, "tests/test_second.py"), SECOND.replace("1.5", "0.1"));
    assert_eq!(fixed.changes.len(), 2);
    assert!(!fixed.before.findings.is_empty() && fixed.after.findings.is_empty());
    sandbox.apply(&fixed);
    assert!(sandbox.fix(&[]).changes.is_empty());
}

#[test]
fn a_shared_constant_stays_when_not_all_of_its_users_are_seen() {
    let sandbox = shared();
    let input = sandbox.input(&["tests/test_second.py"], &[]);
    let fixed = engine::fix(&input, Applicability::Unsafe).unwrap();
    assert_eq!(sandbox.text_after(&fixed, "tests/helpers.py"), HELPERS);
    let reasons: Vec<&str> = fixed.after.findings.iter().filter_map(|f| f.declined.as_deref()).collect();
    assert!(reasons.iter().any(|r| r.contains("shared through helpers.py") && r.contains("whole suite")), "{reasons:?}");
    // All of the suite's folder is enough, given as a folder.
    let input = sandbox.input(&["tests"], &[]);
    assert_eq!(engine::fix(&input, Applicability::Unsafe).unwrap().changes.len(), 2);
}

#[test]
fn safe_fixes_alone_leave_the_unsafe_ones() {
    let text = "import threading\nimport time\n\n\ndef test_a():\n    time.sleep(2)\n    t = threading.Thread(target=print)\n    t.join()\n";
    let sandbox = Sandbox::of(FILE, text);
    let input = sandbox.input(&[], &[]);
    let safe = engine::fix(&input, Applicability::Safe).unwrap();
    assert!(sandbox.text_after(&safe, FILE).contains("time.sleep(2)"));
    assert_eq!(safe.after.findings.iter().filter(|f| f.code.as_str() == "long-sleep").count(), 1);
}

#[test]
fn a_file_with_a_syntax_error_is_told_and_not_fixed() {
    let text = "import time\n\n\ndef test_a():\n    time.sleep(2)\n\n\ndef test_b(:\n    pass\n";
    let sandbox = Sandbox::of(FILE, text);
    let fixed = sandbox.fix(&[]);
    assert!(fixed.changes.is_empty());
    let found = places(&fixed.after.findings);
    assert!(found.iter().any(|(_, code)| *code == "syntax-error"), "{found:?}");
    assert!(found.contains(&(5, "long-sleep")), "{found:?}");
    assert!(fixed.after.findings.iter().all(|f| f.fix.is_none()));
}

#[test]
fn a_product_file_named_on_the_command_line_is_told_and_never_fixed() {
    let text = "import threading\nimport time\n\n\ndef wait():\n    time.sleep(5)  # testdiet: ignore[long-loop]\n    \
        t = threading.Thread(target=print)\n    t.join()\n    return [0] * 1_000_000\n";
    let sandbox = Sandbox::of("src/app.py", text);
    sandbox.write(FILE, "from app import wait\n\n\ndef test_a():\n    wait()\n");
    for paths in [&["src/app.py"][..], &["src/app.py", "tests"]] {
        let input = sandbox.input(paths, &[]);
        let fixed = engine::fix(&input, Applicability::Unsafe).unwrap();
        assert!(fixed.changes.is_empty(), "{}", sandbox.patch(&fixed.changes));
        let mut codes: Vec<&str> = fixed.after.findings.iter().map(|f| f.code.as_str()).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["join-without-timeout", "large-allocation", "long-sleep", "unused-suppression"], "{paths:?}");
        assert!(fixed.after.findings.iter().all(|f| f.fix.is_none() && f.declined.is_some()));
    }
    // Not named, not told.
    assert!(sandbox.check(&[]).findings.is_empty());
}

#[test]
fn overlapping_fixes_come_one_after_the_other() {
    // The count of threads is the bound of a long loop as well.
    let text = "import threading\nimport time\n\nN = 2_000\n\n\ndef test_a(counter):\n    \
        threads = [threading.Thread(target=counter.add) for _ in range(N)]\n    for i in range(N):\n        threads[i].start()\n    \
        [t.join() for t in threads]; time.sleep(2); [t.join() for t in threads]\n    assert counter.value == N\n";
    let sandbox = Sandbox::of(FILE, text);
    let fixed = sandbox.fix(&[]);
    let after = sandbox.text_after(&fixed, FILE);
    assert!(after.contains("N = 3\n"), "{after}");
    assert_eq!(after.matches("assert not any(t.is_alive() for t in threads)").count(), 2, "{after}");
    assert!(places(&fixed.after.findings).is_empty(), "{}", sandbox.told(&fixed.after));
    sandbox.apply(&fixed);
    assert!(sandbox.fix(&[]).changes.is_empty());
    cpython_parses(&[sandbox.root().join(FILE)]).unwrap();
}

/// What comes after a statement decides whether another one fits behind it.
#[test]
fn a_fix_finds_its_place_in_any_layout() {
    for (before, after) in [
        ("    t.join();\n", "    t.join(timeout=5.0); assert not t.is_alive();\n"),
        ("    t.join(); x = 1  # c\n", "    t.join(timeout=5.0); assert not t.is_alive(); x = 1  # c\n"),
        ("    t.join() \\\n\n", ""),
        ("    (t.join())\n", ""),
        ("    t.\\\n        join()\n", ""),
        ("    if x: t.join()\n    else: t.join()\n", ""),
        ("    t.join()", "    t.join(timeout=5.0)\n    assert not t.is_alive()"),
        ("    t.join(\n    )\n", "    t.join(timeout=5.0)\n    assert not t.is_alive()\n"),
        ("    x = 1; t.join()\n", "    x = 1; t.join(timeout=5.0); assert not t.is_alive()\n"),
        (
            "    if x:\n        t.join()\n    # trailing\n",
            "    if x:\n        t.join(timeout=5.0)\n        assert not t.is_alive()\n    # trailing\n",
        ),
        ("    match x:\n        case 1: t.join()\n", ""),
        ("    t.join()\n    '''\n    text'''\n", "    t.join(timeout=5.0)\n    assert not t.is_alive()\n    '''\n    text'''\n"),
        ("    t.join(); '''\n    text'''\n", "    t.join(timeout=5.0); assert not t.is_alive(); '''\n    text'''\n"),
    ] {
        let head = "import threading\n\n\ndef test_a(x):\n    t = threading.Thread(target=print)\n";
        let sandbox = Sandbox::of(FILE, &format!("{head}{before}"));
        let fixed = sandbox.fix(&[]);
        let text = sandbox.text_after(&fixed, FILE);
        sandbox.apply(&fixed);
        if let Err(complaint) = cpython_parses(&[sandbox.root().join(FILE)]) {
            panic!("{before}{complaint}");
        }
        if !after.is_empty() {
            assert_eq!(text, format!("{head}{after}"), "{before}");
        }
        let joins = text.matches("timeout=5.0").count();
        assert_eq!(text.matches("is_alive()").count(), joins, "a timeout without its assertion:\n{text}");
        assert!(sandbox.fix(&[]).changes.is_empty(), "{text}");
    }
}

/// A test whose sleep is shortened, in whatever bytes it comes.
const SLEEPS: &str = "import time\n\n\ndef test_a():\n    time.sleep(2)\n";

/// Fixes bytes; the bytes after.
fn fixed(bytes: &[u8]) -> Vec<u8> {
    let sandbox = Sandbox::new();
    sandbox.write(FILE, bytes);
    let fixed = sandbox.fix(&[]);
    sandbox.apply(&fixed);
    assert!(sandbox.fix(&[]).changes.is_empty());
    sandbox.read(FILE)
}

#[test]
fn bytes_outside_of_an_edit_stay() {
    let plain = SLEEPS.as_bytes().to_vec();
    let crlf = SLEEPS.replace('\n', "\r\n").into_bytes();
    let bom = [b"\xef\xbb\xbf", SLEEPS.as_bytes()].concat();
    let tabs = SLEEPS.replace("    ", "\t").into_bytes();
    let form_feed = SLEEPS.replace("\n\n\n", "\n\x0c\n").into_bytes();
    let no_newline = SLEEPS.trim_end().as_bytes().to_vec();
    let latin = [b"# -*- coding: latin-1 -*-\nNAME = 'caf\xe9'\n".as_slice(), SLEEPS.as_bytes()].concat();
    let mixed = SLEEPS.replacen('\n', "\r\n", 1).into_bytes();
    let wide = format!("# \u{1f9ea} \u{e9}\u{4e2d}\n{SLEEPS}").into_bytes();
    for bytes in [plain, crlf, bom, tabs, form_feed, no_newline, latin, mixed, wide] {
        let at = bytes.windows(3).position(|w| w == b"(2)").unwrap() + 1;
        let expected = [&bytes[..at], b"0.1", &bytes[at + 1..]].concat();
        assert_eq!(String::from_utf8_lossy(&fixed(&bytes)), String::from_utf8_lossy(&expected));
    }
}

/// CPython takes a lone CR for a newline; the grammar does not always.
#[test]
fn lines_that_end_in_cr_are_told_and_stay() {
    let text = SLEEPS.replace('\n', "\r");
    let sandbox = Sandbox::of(FILE, &text);
    let found = sandbox.fix(&[]).after.findings;
    assert!(found.iter().any(|f| f.code.as_str() == "syntax-error"));
    assert!(found.iter().all(|f| f.fix.is_none()));
    assert_eq!(String::from_utf8(fixed(text.as_bytes())).unwrap(), text);
}

#[test]
fn added_lines_take_the_newline_and_the_indentation_of_the_file() {
    let text = "import threading\r\n\r\n\r\ndef test_a():\r\n\tt = threading.Thread(target=print)\r\n\tt.join()\r\n";
    let expected = text.replace("t.join()", "t.join(timeout=5.0)\r\n\tassert not t.is_alive()");
    assert_eq!(String::from_utf8(fixed(text.as_bytes())).unwrap(), expected);
}

/// Exit codes of `check` and of `fix --diff` on one file.
fn codes(sandbox: &Sandbox) -> (Option<i32>, Option<i32>) {
    let outputs = [sandbox.run(&["check", "tests"]), sandbox.run(&["fix", "--diff", "--unsafe-fixes", "tests"])];
    for output in &outputs {
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked"), "{err}");
    }
    (outputs[0].status.code(), outputs[1].status.code())
}

#[test]
fn files_that_are_no_python_are_told_without_a_panic() {
    for (what, bytes, check) in [
        ("empty", b"".to_vec(), 0),
        ("white", b" \n\t\n\x0c".to_vec(), 0),
        ("sleeps", SLEEPS.as_bytes().to_vec(), 1),
        ("NUL", b"import time\ntime.sleep(2)\0\n".to_vec(), 1),
        ("not UTF-8", b"import time\nx = '\xe9'\ntime.sleep(2)\n".to_vec(), 1),
        ("an unknown cookie", b"# coding: ebcdic\nimport time\nx = '\xe9'\n".to_vec(), 1),
        ("UTF-16", b"\xff\xfei\0m\0".to_vec(), 1),
        ("binary", (0..=255_u8).cycle().take(4096).collect(), 1),
        ("truncated", b"import time\ndef test_a(:\n  time.sleep(2".to_vec(), 1),
        ("python 2", b"import time\n\ndef test_a():\n    time.sleep(0.1)\n    print 'x'\n    exec 'y'\n".to_vec(), 0),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write(FILE, bytes);
        let (checked, fixed) = codes(&sandbox);
        assert_eq!(checked, Some(check), "check of {what}");
        assert!(matches!(fixed, Some(0 | 1)), "fix of {what}: {fixed:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_makes_the_run_fail() {
    let sandbox = Sandbox::of(FILE, SLEEPS);
    assert_eq!(sandbox.run(&["check", "tests/missing.py"]).status.code(), Some(2));
}

#[test]
fn nesting_and_length_have_no_limit_that_hurts() {
    let nested = |open: &str, close: &str| {
        format!("import time\n\n\ndef test_a():\n    time.sleep(2)\n    x = {}1{}\n", open.repeat(1000), close.repeat(1000))
    };
    let calls = format!("import time\n\n\ndef test_a():\n    time.sleep(2)\n    x = f{}\n", "(1)".repeat(1000));
    let sum = format!("import time\n\n\ndef test_a():\n    time.sleep(2)\n    x = 1{}\n", " + 1".repeat(5000));
    let attributes = format!("import time\n\n\ndef test_a():\n    time.sleep(2)\n    x = y{}\n", ".z".repeat(5000));
    let elifs =
        format!("import time\n\n\ndef test_a():\n    time.sleep(2)\n    if 0: pass\n{}", "    elif 1: pass\n".repeat(3000));
    let blocks: String = (1..91).flat_map(|i| [" ".repeat(i), "if 1:\n".to_owned()]).collect();
    let blocks = format!("import time\n\n\ndef test_a():\n time.sleep(2)\n{blocks}{}pass\n", " ".repeat(91));
    for text in [
        nested("(", ")"),
        nested("[", "]"),
        nested("{1: ", "}"),
        nested("-", ""),
        nested("(lambda: ", ")"),
        calls,
        sum,
        attributes,
        elifs,
        blocks,
    ] {
        let sandbox = Sandbox::of(FILE, &text);
        assert_eq!(codes(&sandbox).0, Some(1), "{}", &text[..120.min(text.len())]);
    }
    let line = format!("import time; time.sleep(2); x = [{}]\n", "'sleep', 12345, ".repeat(640_000));
    assert!(line.len() > 10_000_000);
    let sandbox = Sandbox::of(FILE, &line);
    assert_eq!(sandbox.run(&["check", "-q", "--output-format", "json", "tests"]).status.code(), Some(1));
}

#[test]
fn a_cycle_of_imports_and_calls_ends() {
    let sandbox =
        Sandbox::of("tests/helpers_a.py", "from helpers_b import *\nfrom helpers_b import B\nA = B\n\n\ndef a():\n    b()\n");
    sandbox.write("tests/helpers_b.py", "import time\nfrom helpers_a import *\nfrom helpers_a import A\nB = A\n\n\ndef b():\n    a()\n    time.sleep(B)\n    time.sleep(2)\n");
    sandbox.write(FILE, "from helpers_a import a, A\n\n\nclass T(A): ...\n\n\ndef test_a():\n    a()\n");
    assert!(places(&sandbox.check(&[]).findings).contains(&(10, "long-sleep")));
    let paths: Vec<PathBuf> = sandbox.fix(&[]).changes.iter().map(|c| c.after.path.clone()).collect();
    assert!(paths.len() <= 1);
}
