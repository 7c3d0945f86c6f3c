//! The exit codes that CI and hooks go by: 0 nothing (left) to do, 1 something found, would change or remains, 2 could not run.

mod sandbox;

use sandbox::Sandbox;

/// One safe fix, one unsafe fix, one finding without a fix, an excluded file, product code, a file without a fault.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    let join = "import threading\n\n\ndef work():\n    pass\n\n\ndef test_a():\n    t = threading.Thread(target=work)\n    t.start()\n    t.join()\n";
    sandbox.write("tests/test_safe.py", join);
    sandbox.write("tests/test_unsafe.py", "import time\n\n\ndef test_a():\n    time.sleep(2)\n");
    let child = "import subprocess\nimport time\n\n\ndef test_a():\n    p = subprocess.Popen(['sleep', '9'])\n    time.sleep(2)\n    p.kill()\n";
    sandbox.write("tests/test_none.py", child);
    sandbox.write("tests/test_clean.py", "def test_a():\n    pass\n");
    sandbox.write("tests/old/test_b.py", "import time\n\n\ndef test_a():\n    time.sleep(2)\n");
    sandbox.write("src/product.py", "import time\n\n\ndef f():\n    time.sleep(2)\n");
    sandbox.write("testdiet.toml", "extend-exclude = [\"tests/old\"]\n");
    sandbox
}

fn code(sandbox: &Sandbox, command: &str) -> Option<i32> {
    sandbox.run(&command.split(' ').collect::<Vec<_>>()).status.code()
}

#[test]
fn nothing_is_0_something_is_1_and_what_could_not_be_done_is_2() {
    let unreadable = "tests/test_nul.py";
    for (command, expected) in [
        ("check", 1),
        ("--check", 1),
        ("check tests/test_clean.py", 0),
        ("check tests/test_none.py", 1),
        ("check --exit-zero", 0),
        ("check --output-format json", 1),
        ("check --output-format sarif tests/test_clean.py", 0),
        ("check --output-format github --exit-zero", 0),
        ("check --statistics", 1),
        ("check --select long-loop", 0),
        ("check -s", 1),
        // What pre-commit passes on, although it is excluded or no test.
        ("check --force-exclude tests/old/test_b.py src/product.py", 0),
        ("check tests/old/test_b.py", 1),
        ("check src/product.py", 1),
        ("check --show-files", 0),
        ("check --show-settings", 0),
        ("fix --diff", 1),
        ("fix --diff tests/test_clean.py", 0),
        ("fix --diff --exit-zero", 0),
        ("fix --check", 1),
        ("fix --check tests/test_safe.py", 1),
        ("fix --check tests/test_clean.py", 0),
        ("undo", 0),
        ("rule", 0),
        ("rule long-sleep", 0),
        ("completions zsh", 0),
        ("--version", 0),
        ("--help", 0),
        ("check --help", 0),
        ("rule nonsense", 2),
        ("check --nonsense", 2),
        ("check missing.py", 2),
        ("check --select nonsense", 2),
        ("check --exit-zero --select nonsense", 2),
        ("check --output-format nonsense", 2),
        ("check --config nonsense.toml", 2),
        ("check --baseline missing.json", 2),
        ("check --changed-since HEAD", 2),
        ("completions nonsense", 2),
        ("nonsense", 2),
    ] {
        assert_eq!(code(&project(), command), Some(expected), "{command}");
    }
    let sandbox = project();
    sandbox.write(unreadable, b"import time\0time.sleep(2)\n");
    assert_eq!(code(&sandbox, "check tests/test_nul.py"), Some(1), "a syntax-error finding, as it would be to Python");
}

#[test]
fn what_fix_leaves_behind_decides() {
    for (command, first, second) in [
        ("fix tests/test_safe.py", 0, 0),
        ("fix --exit-non-zero-on-fix tests/test_safe.py", 1, 0),
        ("fix tests/test_unsafe.py", 1, 1),
        ("fix --unsafe-fixes tests/test_unsafe.py", 0, 0),
        ("fix --unsafe-fixes tests/test_none.py", 1, 1),
        ("fix --exit-zero tests/test_none.py", 0, 0),
        ("fix --force-exclude tests/old/test_b.py", 0, 0),
    ] {
        let sandbox = project();
        assert_eq!([code(&sandbox, command), code(&sandbox, command)], [Some(first), Some(second)], "{command}");
    }
}

#[test]
fn known_unchanged_and_suppressed_findings_are_no_findings() {
    let sandbox = project();
    assert_eq!(code(&sandbox, "check --baseline known.json --write-baseline"), Some(0));
    assert_eq!(code(&sandbox, "check --baseline known.json"), Some(0));
    sandbox.write("tests/test_clean.py", "import time\n\n\ndef test_a():\n    time.sleep(2)\n");
    assert_eq!(code(&sandbox, "check --baseline known.json"), Some(1));
    assert_eq!(code(&sandbox, "check --baseline known.json --add-suppressions"), Some(0));
    assert_eq!(code(&sandbox, "check --baseline known.json"), Some(0));
    assert_eq!(code(&sandbox, "check"), Some(1));
}

#[test]
#[cfg(unix)]
fn a_file_that_cannot_be_read_is_2_even_if_findings_do_not_count() {
    let sandbox = project();
    std::os::unix::fs::symlink("nowhere", sandbox.root().join("tests/test_dangling.py")).unwrap();
    let dangling = code(&sandbox, "check --exit-zero tests/test_dangling.py");
    assert_eq!(dangling, Some(2));
}
