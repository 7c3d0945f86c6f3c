//! `testdiet init`, with the pytest that has to understand what it writes.

mod sandbox;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use sandbox::{Sandbox, python};

const TESTS: &str = "import pytest


def test_fast():
    pass


@pytest.mark.slow
@pytest.mark.parametrize('x', ['a::b', 'c'])
def test_slow(x):
    pass


@pytest.mark.integration
def test_integration():
    pass


@pytest.mark.integration
@pytest.mark.slow
def test_slow_integration():
    pass


@pytest.mark.slow
class TestSlow:
    def test_method(self):
        pass
";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs pytest in the project.
fn pytest(sandbox: &Sandbox, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(python())
        // Warnings of a plugin that other tests have installed are not the suite's.
        .args(["-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio", "-rp"])
        .args(args)
        .env_remove("PYTEST_ADDOPTS")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(env.iter().copied())
        .current_dir(sandbox.root())
        .output()
        .unwrap();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// The tests that passed, without their files; all others were skipped or left out.
fn passed(sandbox: &Sandbox, args: &[&str], env: &[(&str, &str)]) -> Vec<String> {
    let (status, out) = pytest(sandbox, args, env);
    assert_eq!(status, Some(0), "{args:?}: {out}");
    let lines = out.lines().filter_map(|line| line.strip_prefix("PASSED "));
    let mut names: Vec<String> = lines.map(|id| id.split_once("::").unwrap().1.trim().to_owned()).collect();
    names.sort();
    names
}

/// Runs `init`, which has to end well.
fn init(sandbox: &Sandbox, args: &[&str]) -> Output {
    let output = sandbox.run(&[&["init"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    output
}

/// All files of a project but the journal's, git's and what Python leaves behind.
fn files(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    fn collect(folder: &Path, root: &Path, out: &mut BTreeMap<String, Vec<u8>>) {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if [".testdiet", ".git", "__pycache__"].contains(&name) {
                continue;
            }
            if path.is_dir() {
                collect(&path, root, out);
            } else {
                out.insert(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut out = BTreeMap::new();
    collect(sandbox.root(), sandbox.root(), &mut out);
    out
}

fn git(sandbox: &Sandbox, args: &[&str]) {
    let run = Command::new("git").args(args).current_dir(sandbox.root()).output().unwrap();
    assert!(run.status.success(), "git {args:?}: {}", text(&run.stderr));
}

/// A project that has something of everything that `init` adds to.
fn whole_project() -> Sandbox {
    let sandbox = Sandbox::bare();
    sandbox.write("tests/test_a.py", TESTS);
    sandbox.write("tests/conftest.py", b"# -*- coding: latin-1 -*-\r\nNAME = '\xe9'\r\n");
    sandbox.write("pytest.ini", "[pytest]\nmarkers =\n  integration: i  \n\n; the end\n");
    sandbox.write("CONTRIBUTING.md", b"\xef\xbb\xbf# Contributing\r\n\r\nDo.");
    sandbox.write(
        ".pre-commit-config.yaml",
        "# hooks\nrepos:\n  - repo: https://example.org/a\n    rev: v1\n    hooks:\n      - id: a  # first\n\n# more\nci:\n  autofix_prs: false\n",
    );
    git(&sandbox, &["init", "-q"]);
    git(&sandbox, &["config", "core.autocrlf", "false"]);
    sandbox
}

#[test]
fn every_configuration_that_pytest_reads_is_added_to() {
    // The threads of this one: one dies, which pytest only warns of unless it is told otherwise.
    let thread = "import threading\n\nimport pytest\n\n\n@pytest.mark.slow\ndef test_slow():\n    pass\n\n\ndef test_dies():\n    \
                  thread = threading.Thread(target=lambda: 1 / 0)\n    thread.start()\n    thread.join(timeout=5.0)\n";
    for (name, config, kept) in [
        ("pytest.toml", "[pytest]\nminversion = \"6\"\naddopts = [\"-ra\"] # why\n", "minversion = \"6\"\n"),
        (".pytest.toml", "[pytest]\nmarkers = [\n  'net: n', # n\n]\n", "'net: n', # n\n"),
        ("pytest.ini", "# c\r\n[pytest]\r\naddopts = -ra\r\nmarkers =\r\n    net: n\r\n    ; none\r\n", "    ; none\r\n"),
        (".pytest.ini", "[pytest]\nfilterwarnings =\n    error\n    ignore::DeprecationWarning\n", "    error\n    ignore::Depr"),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\nmarkers = '''\n  net: n\n'''\n\n[tool.x]\ny = 1\n",
            "\n\n[tool.x]\ny = 1\n",
        ),
        ("pyproject.toml", "[tool.pytest]\naddopts = ['-ra', '--durations=3']\n[tool.z]\n", "addopts = ['-ra', '--durations=3']"),
        ("pyproject.toml", "[project]\nname = \"p\"\nversion = \"1\"", "[project]\nname = \"p\"\nversion = \"1\""),
        ("tox.ini", "[tox]\nenvlist = py\n\n[pytest]\naddopts =\n\t-ra\n\n[testenv]\ndeps = x\n", "\n\n[testenv]\ndeps = x\n"),
        ("setup.cfg", "[metadata]\nname = p\n[tool:pytest]\nmarkers = net: n\n[a]\nb = %(c)s\n", "[a]\nb = %(c)s\n"),
        ("pytest.ini", "", ""),
    ] {
        let sandbox = Sandbox::bare();
        sandbox.write("tests/test_a.py", thread);
        if !config.is_empty() {
            sandbox.write(name, config);
        }
        let (status, out) = pytest(&sandbox, &["--strict-markers"], &[]);
        assert!(status != Some(0) && out.contains("'slow' not found in `markers`"), "{name}: {out}");

        init(&sandbox, &["--yes", "--only", "marker,thread-errors,durations"]);
        let after = text(&sandbox.read(name));
        assert!(after.contains(kept), "{name}: {after}");
        let (status, out) = pytest(&sandbox, &["--strict-markers"], &[]);
        assert_eq!(status, Some(1), "{name}: {out}");
        assert!(out.contains("1 failed, 1 passed") && out.contains("PytestUnhandledThreadExceptionWarning"), "{name}: {out}");
        assert!(out.contains("slowest"), "{name}: {out}");

        // A line may become longer, and all that is new is new lines.
        let lost = config.lines().filter(|line| !after.contains(line)).count();
        assert!(lost == 0 || (lost == 1 && after.contains("--durations=10")), "{name}: {after}");
        let again = init(&sandbox, &["--only", "marker,thread-errors,durations"]);
        assert_eq!(text(&again.stderr), "Nothing to do.\n", "{name}");
        let undone = sandbox.run(&["undo"]);
        assert!(undone.status.success(), "{}", text(&undone.stderr));
        let before = files(&sandbox);
        assert_eq!(before.get(name).map(Vec::as_slice), Some(config.as_bytes()).filter(|c| !c.is_empty()), "{name}");
    }
}

/// What is typed, and whether the slow tests, those with another mark too, and the one of two parameters run.
const ASKED: [(&[&str], &str, &[&str]); 16] = [
    (&[], "", FAST),
    (&["-m", ""], "", ALL),
    (&["-m="], "", ALL),
    (&["-vm", ""], "", ALL),
    (&["--runslow"], "", ALL),
    (&["-m", "slow"], "", SLOW),
    (&["-m", "slow or integration"], "", &[SLOW[0], SLOW[1], FAST[1], SLOW[2], SLOW[3]]),
    (&["-m", "not slow"], "", FAST),
    (&["-m", "integration"], "", &[FAST[1]]),
    (&[], "-m ''", ALL),
    (&["-q"], "-m integration", &[FAST[1]]),
    (&["-m", ""], "-m integration", ALL),
    (&["tests/test_a.py"], "", FAST),
    (&["tests/test_a.py::test_slow", "tests/test_a.py::test_fast"], "", &[FAST[0], SLOW[1], SLOW[2]]),
    (&["tests/test_a.py::test_slow[a::b]"], "", &[SLOW[1]]),
    (&["tests/test_a.py::TestSlow", "tests"], "", &[SLOW[0], FAST[0], FAST[1]]),
];
const FAST: &[&str] = &["test_fast", "test_integration"];
const SLOW: &[&str] = &["TestSlow::test_method", "test_slow[a::b]", "test_slow[c]", "test_slow_integration"];
const ALL: &[&str] = &[SLOW[0], FAST[0], FAST[1], SLOW[1], SLOW[2], SLOW[3]];

fn with_hook() -> Sandbox {
    let sandbox = Sandbox::bare();
    sandbox.write("tests/test_a.py", TESTS);
    sandbox.write("pytest.ini", "[pytest]\nmarkers =\n    integration: i\n");
    init(&sandbox, &["--yes", "--only", "marker,conftest"]);
    assert_eq!(files(&sandbox).into_keys().collect::<Vec<_>>(), ["pytest.ini", "tests/conftest.py", "tests/test_a.py"]);
    sandbox
}

#[test]
fn slow_tests_run_when_they_are_asked_for() {
    let sandbox = with_hook();
    for (args, addopts, expected) in ASKED {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let args = [args, &["--strict-markers"]].concat();
        assert_eq!(passed(&sandbox, &args, &[("PYTEST_ADDOPTS", addopts)]), expected, "{args:?} {addopts}");
    }
    let (_, out) = pytest(&sandbox, &["-rs"], &[]);
    assert!(out.contains("slow: run it with --runslow, with -m slow or by its node id"), "{out}");
}

#[test]
fn slow_tests_run_in_workers_when_they_are_asked_for() {
    let sandbox = with_hook();
    for i in [0, 1, 4, 8, 9, 14] {
        let (args, addopts, expected) = ASKED[i];
        let args = [args, &["-n2", "--strict-markers"]].concat();
        assert_eq!(passed(&sandbox, &args, &[("PYTEST_ADDOPTS", addopts)]), expected, "{args:?} {addopts}");
    }
}

#[test]
fn it_is_the_block_that_skips_slow_tests_and_not_the_plugin() {
    let sandbox = Sandbox::bare();
    sandbox.write("tests/test_a.py", TESTS);
    sandbox.write("pytest.ini", "[pytest]\nmarkers =\n    integration: i\n    slow: s\n");
    sandbox.write("requirements-dev.txt", "pytest\ntestdiet\n");
    let package = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
    let plugin = |args: &[&str]| passed(&sandbox, &[&["-p", "testdiet.plugin"], args].concat(), &[("PYTHONPATH", package)]);
    // A suite may have a mark of that name without wanting less to be run.
    assert_eq!(plugin(&[]), ALL);
    assert_eq!(plugin(&["--fast-time"]), ALL);
    init(&sandbox, &["--yes", "--only", "conftest"]);
    assert_eq!(plugin(&[]), FAST);
    assert_eq!(plugin(&["--fast-time"]), FAST);
    assert_eq!(plugin(&["-m", ""]), ALL);
    assert_eq!(plugin(&["--runslow"]), ALL);
}

#[test]
fn a_suite_has_the_fixtures_without_a_dependency() {
    const TEST: &str = "import time

from testdiet import wait_until


class Service:
    stopped = False

    def stop(self):
        Service.stopped = True


def test_time(fast_time):
    before = time.monotonic()
    time.sleep(30)
    assert time.monotonic() - before >= 30
    assert fast_time.stats.jumps


def test_wait():
    wait_until(lambda: True, timeout=1.0)


def test_cleanup(with_cleanup):
    with_cleanup(Service())


def test_cleaned_up():
    assert Service.stopped
";
    let names = ["test_cleaned_up", "test_cleanup", "test_time", "test_wait"];
    for package in [false, true] {
        let sandbox = Sandbox::bare();
        sandbox.write("tests/unit/test_a.py", TEST);
        sandbox.write("pytest.ini", "[pytest]\n");
        if package {
            sandbox.write("tests/__init__.py", "");
            sandbox.write("tests/unit/__init__.py", "");
        }
        init(&sandbox, &["--yes", "--only", "fixtures"]);
        let written = files(&sandbox);
        assert!(written.contains_key("tests/conftest.py") && written.contains_key("tests/_testdiet.py"), "{:?}", written.keys());
        assert_eq!(passed(&sandbox, &["-W", "error"], &[]), names);
        assert_eq!(passed(&sandbox, &["-n2"], &[]), names);
        // With the package itself there, that is what is used, once.
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
        assert_eq!(passed(&sandbox, &[], &[("PYTHONPATH", path)]), names);
        assert_eq!(passed(&sandbox, &["-p", "testdiet.plugin"], &[("PYTHONPATH", path)]), names);

        // The block holds what was chosen, in whichever order.
        let again = init(&sandbox, &["--only", "fixtures"]);
        assert_eq!(text(&again.stderr), "Nothing to do.\n");
        init(&sandbox, &["--yes", "--only", "marker,conftest"]);
        sandbox.write("tests/test_b.py", TESTS.replace("@pytest.mark.integration\n", ""));
        assert_eq!(passed(&sandbox, &["--strict-markers", "tests/test_b.py"], &[]), FAST);
        assert_eq!(passed(&sandbox, &["--strict-markers", "tests/unit"], &[]), names);
        let both = files(&sandbox);
        let other = Sandbox::bare();
        for (name, bytes) in both.iter().filter(|(name, _)| !name.ends_with("conftest.py")) {
            other.write(name, bytes);
        }
        init(&other, &["--yes", "--only", "conftest,fixtures"]);
        assert_eq!(files(&other), both);

        // It is not the suite's to be checked.
        let listed = sandbox.run(&["check", "--show-files"]);
        assert!(!text(&listed.stdout).contains("_testdiet.py") && text(&listed.stdout).contains("conftest.py"));
        assert_eq!(sandbox.run(&["check", "--select", "ALL", "tests/conftest.py"]).status.code(), Some(0));
    }
}

#[test]
fn the_block_leaves_what_a_conftest_has_as_it_is() {
    let sandbox = Sandbox::bare();
    sandbox.write("tests/test_a.py", "import pytest\n\n\n@pytest.mark.slow\ndef test_slow():\n    pass\n\n\ndef test_own(os, skip):\n    assert (os, skip) == ('mine', 2)\n");
    sandbox.write(
        "tests/conftest.py",
        "import pytest as py\n\nre = shlex = pytest = _pytest = argparse = 'mine'\n\n\ndef pytest_addoption(parser):\n    \
         parser.addoption('--own', default='2')\n\n\ndef pytest_configure(config):\n    config.addinivalue_line('markers', 'slow: s')\n\
         \n\ndef pytest_collection_modifyitems(config, items):\n    items.sort(key=lambda item: item.name)\n\n\n@py.fixture\ndef os():\n    \
         return re if {re, shlex, pytest, _pytest, argparse} == {'mine'} else None\n\n\n@py.fixture\ndef skip(request):\n    \
         return int(request.config.getoption('--own'))",
    );
    let before = sandbox.read("tests/conftest.py");
    init(&sandbox, &["--yes", "--only", "conftest"]);
    let after = sandbox.read("tests/conftest.py");
    assert!(after.starts_with(&before) && after.len() > before.len());
    assert_eq!(passed(&sandbox, &["--strict-markers"], &[]), ["test_own"]);
    assert_eq!(passed(&sandbox, &["--strict-markers", "--runslow"], &[]), ["test_own", "test_slow"]);

    // An older block is brought up to date where it is; what follows it stays.
    let old = text(&before) + "\n# >>> testdiet >>>\nold = 1\n# <<< testdiet <<<\nlast = 1\n";
    sandbox.write("tests/conftest.py", &old);
    init(&sandbox, &["--yes", "--only", "conftest"]);
    let renewed = text(&sandbox.read("tests/conftest.py"));
    assert!(renewed.ends_with("\n# <<< testdiet <<<\nlast = 1\n") && !renewed.contains("old = 1"), "{renewed}");
    assert_eq!(passed(&sandbox, &["-m", "slow"], &[]), ["test_slow"]);
}

#[test]
fn the_block_goes_where_pytest_reads_it_first() {
    for (files, home) in [
        (&["tests/unit/test_a.py", "tests/test_b.py"][..], "tests/conftest.py"),
        (&["tests/unit/test_a.py", "conftest.py"], "conftest.py"),
        (&["test_a.py"], "conftest.py"),
        (&["testing/test_a.py", "tests/test_b.py"], "conftest.py"),
        (&["src/pkg/tests/test_a.py"], "conftest.py"),
    ] {
        let sandbox = Sandbox::bare();
        for file in files {
            let name = format!("test_of_{}", file.len());
            sandbox.write(file, format!("import pytest\n\n\n@pytest.mark.slow\ndef {name}():\n    pass\n"));
        }
        sandbox.write("pytest.ini", "[pytest]\naddopts = --import-mode=importlib\n");
        init(&sandbox, &["--yes", "--only", "marker,conftest"]);
        assert!(text(&sandbox.read(home)).contains("# >>> testdiet >>>"), "{files:?}");
        let tests = files.iter().filter(|f| f.contains("test_")).count();
        assert_eq!(passed(&sandbox, &["--strict-markers", "--runslow"], &[]).len(), tests, "{files:?}");
        let (_, out) = pytest(&sandbox, &["--strict-markers", files[0]], &[]);
        assert!(out.contains("1 skipped"), "{files:?}: {out}");
    }
    // In a root that is not on `sys.path`, and holds a package, a new one could change what is imported.
    let sandbox = Sandbox::bare();
    sandbox.write("product/__init__.py", "");
    sandbox.write("pytest.ini", "[pytest]\n");
    for file in ["checks/test_a.py", "tests/test_b.py"] {
        sandbox.write(file, TESTS);
    }
    let output = init(&sandbox, &["--yes", "--only", "conftest"]);
    assert!(text(&output.stderr).contains("might import product from there"), "{}", text(&output.stderr));
    assert!(!files(&sandbox).contains_key("conftest.py"));
    sandbox.write("pytest.ini", "[pytest]\npythonpath = .\n");
    init(&sandbox, &["--yes", "--only", "conftest"]);
    assert!(files(&sandbox).contains_key("conftest.py"));
    // `testpaths` says it too.
    let sandbox = Sandbox::bare();
    sandbox.write("pytest.ini", "[pytest]\ntestpaths = checks/unit checks/more\npython_files = check_*.py\n");
    for file in ["checks/unit/check_a.py", "checks/more/check_b.py"] {
        sandbox.write(file, TESTS);
    }
    init(&sandbox, &["--yes", "--only", "conftest"]);
    assert!(files(&sandbox).contains_key("checks/conftest.py"));
}

#[test]
fn a_patch_is_applied_by_git_and_gives_what_yes_gives() {
    let sandbox = whole_project();
    let before = files(&sandbox);
    let output = sandbox.run(&["init", "--diff"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(files(&sandbox), before, "it wrote");

    init(&sandbox, &["--yes"]);
    let written = files(&sandbox);
    let new: Vec<&String> = written.keys().filter(|name| !before.contains_key(*name)).collect();
    assert_eq!(new, [".github/workflows/testdiet.yml", "TEST_GUIDELINES.md", "tests/_testdiet.py"]);
    let changed = |name: &&str| before[*name] != written[*name];
    let all = [".pre-commit-config.yaml", "CONTRIBUTING.md", "pytest.ini", "tests/conftest.py"];
    assert!(all.iter().all(changed) && before["tests/test_a.py"] == written["tests/test_a.py"]);
    // What was there is there: its encoding, its newlines, its mark, its layout.
    assert!(written["tests/conftest.py"].starts_with(&before["tests/conftest.py"]));
    assert!(!text(&written["tests/conftest.py"]).replace("\r\n", "").contains('\n'));
    let contributing = b"\xef\xbb\xbf# Contributing\r\n\r\nDo.\r\n\r\n## Budgets of the tests\r\n\r\n[TEST_GUIDELINES.md](TEST_GUIDELINES.md) says ";
    assert!(written["CONTRIBUTING.md"].starts_with(contributing));
    assert!(text(&written["pytest.ini"]).starts_with("[pytest]\nmarkers =\n  integration: i"));
    assert!(text(&written[".pre-commit-config.yaml"]).contains(
        "      - id: a  # first\n  - repo: local\n    hooks:\n      - id: testdiet\n        name: testdiet\n        entry: "
    ));

    for args in [&["init"][..], &["init", "--yes"], &["init", "--diff"]] {
        let again = sandbox.run(args);
        assert_eq!(again.status.code(), Some(0), "{args:?}: {}", text(&again.stderr));
        assert_eq!((text(&again.stdout), text(&again.stderr)), (String::new(), "Nothing to do.\n".to_owned()));
    }
    let undone = sandbox.run(&["undo"]);
    assert_eq!(undone.status.code(), Some(0), "{}", text(&undone.stderr));
    assert_eq!(files(&sandbox), before);
    assert!(!sandbox.root().join(".github").exists(), "its folder stayed");

    sandbox.write(".git/init.patch", &output.stdout);
    git(&sandbox, &["apply", ".git/init.patch"]);
    assert_eq!(files(&sandbox), written);
    // The whole of it under pytest: nothing warned of, nothing refused.
    assert_eq!(passed(&sandbox, &["--strict-markers", "-W", "error"], &[]), FAST);
    assert_eq!(passed(&sandbox, &["-m", ""], &[]), ALL);
}

#[test]
fn what_is_written_in_yaml_says_what_is_meant() {
    const PROGRAM: &str =
        "import json, sys, yaml\nfor path in sys.argv[1:]:\n    print(json.dumps(yaml.load(open(path), yaml.BaseLoader)))";
    let sandbox = whole_project();
    // A suite in a folder below the top, with all that its workflow can guess from.
    sandbox.write("services/a b/pyproject.toml", "[project]\nname = 'a'\n[project.optional-dependencies]\ntest = []\n[dependency-groups]\ndev = []\n[tool.pytest.ini_options]\n");
    sandbox.write("services/a b/requirements-test.txt", "x\n");
    sandbox.write("services/a b/tests/test_a.py", TESTS);
    init(&sandbox, &["--yes", "--only", "pre-commit"]);
    init(&sandbox, &["services/a b", "--yes", "--only", "workflow"]);
    let read = Command::new(python())
        .args(["-c", PROGRAM, ".pre-commit-config.yaml", ".github/workflows/testdiet.yml"])
        .current_dir(sandbox.root())
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", text(&read.stderr));
    let read: Vec<serde_json::Value> = text(&read.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let [pre_commit, workflow] = &read[..] else { panic!("{} documents", read.len()) };
    assert_eq!(pre_commit["repos"].as_array().unwrap().len(), 2);
    let hook = &pre_commit["repos"][1]["hooks"][0];
    assert_eq!((&hook["entry"], &hook["require_serial"]), (&"testdiet check --force-exclude".into(), &"true".into()));
    assert_eq!(hook["types_or"], serde_json::json!(["python", "pyi"]));
    assert_eq!(pre_commit["ci"]["autofix_prs"], "false");

    assert_eq!(workflow["defaults"]["run"]["working-directory"], "services/a b");
    let jobs = &workflow["jobs"];
    for (job, run) in [("tests", "python -m pytest"), ("tests-on-wsl2", "~/venv/bin/python -m pytest")] {
        let steps = jobs[job]["steps"].as_array().unwrap();
        let step = steps.iter().find(|s| s["run"] == run).unwrap_or_else(|| panic!("{job}"));
        assert_eq!(step["timeout-minutes"], "5");
        assert!(steps.iter().any(|s| {
            let run = s["run"].as_str().unwrap_or_default();
            run.ends_with("-m pip install -r requirements-test.txt -e '.[test]' --group dev pytest")
        }));
    }
    assert_eq!(
        (&jobs["tests-on-wsl2"]["runs-on"], &jobs["tests"]["runs-on"]),
        (&"windows-latest".into(), &"ubuntu-latest".into())
    );
    assert_eq!(jobs["tests-on-wsl2"]["defaults"]["run"]["shell"], "wsl-bash {0}");
    assert_eq!(jobs["tests-on-wsl2"]["defaults"]["run"]["working-directory"], "services/a b");
    assert!(jobs["slow-tests"]["steps"].as_array().unwrap().iter().any(|s| s["run"] == "python -m pytest -m \"\""));
}

#[test]
fn guidelines_follow_the_budgets_and_keep_what_others_wrote() {
    let sandbox = Sandbox::bare();
    sandbox.write("tests/test_a.py", TESTS);
    sandbox.write("pyproject.toml", "[tool.testdiet]\nprofile = \"ci\"\n[tool.testdiet.budget]\nsleep-per-test = 0.3\n");
    sandbox.write("docs/CONTRIBUTING.rst", "Contributing\n============\n");
    init(&sandbox, &["--yes", "--only", "guidelines"]);
    let written = text(&sandbox.read("TEST_GUIDELINES.md"));
    assert!(written.contains("| sleep | 0.3 s a test, 10 s a file, 120 s in all |\n"), "{written}");
    assert!(written.contains("## Checklist for reviews") && written.contains("`ci`") && written.contains("| 1 MB |"));
    assert!(text(&sandbox.read("docs/CONTRIBUTING.rst")).contains("`TEST_GUIDELINES.md <../TEST_GUIDELINES.md>`_"));

    sandbox.write("TEST_GUIDELINES.md", format!("# Ours\n\n{written}\nAnd more.\n"));
    sandbox.write("pyproject.toml", "");
    init(&sandbox, &["--yes", "--only", "guidelines"]);
    let updated = text(&sandbox.read("TEST_GUIDELINES.md"));
    assert!(updated.starts_with("# Ours\n\n<!-- >>>") && updated.ends_with("<<< -->\n\nAnd more.\n"), "{updated}");
    assert!(updated.contains("| sleep | 0.5 s a test, 5 s a file, 60 s in all |\n"), "{updated}");
}

#[test]
fn a_part_that_would_do_harm_is_left_out_with_a_reason() {
    let unusual = [
        (
            "tests/conftest.py",
            "def pytest_addoption(parser):\n    parser.addoption('--runslow')\n",
            "conftest",
            "has a `--runslow` of its own",
        ),
        ("tests/conftest.py", "# >>> testdiet >>>\n", "conftest", "do not pair up"),
        (
            "tests/conftest.py",
            "import pytest\n\n\n@pytest.fixture\ndef fast_time():\n    yield\n",
            "fixtures",
            "has a `def fast_time` of its own",
        ),
        ("tests/conftest.py", "# @generated\n", "conftest", "marked @generated"),
        ("requirements.txt", "pytest<7\n", "conftest", "pytest 7 or newer"),
        ("pytest.ini", "[pytest]\naddopts = -m 'not slow'\n", "conftest", "`addopts` holds a `-m`"),
        (
            "pytest.ini",
            "[pytest]\nfilterwarnings = ignore::pytest.PytestUnhandledThreadExceptionWarning\n",
            "thread-errors",
            "says `ignore`",
        ),
        (
            "pytest.ini",
            "[pytest]\naddopts = -p no:threadexception\n",
            "thread-errors",
            "turns pytest's threadexception plugin off",
        ),
        ("requirements.txt", "pytest==6.1.2\n", "thread-errors", "pytest 6.2 or newer"),
        ("pyproject.toml", "[tool.pytest]\nx = 1\n[tool.pytest.ini_options]\ny = '2'\n", "marker", "which pytest refuses"),
        ("pytest.ini", "[pytest]\nnothing\n", "marker", "line 2 is not valid"),
        ("TEST_GUIDELINES.md", "# Ours\n", "guidelines", "that testdiet did not write"),
        (".pre-commit-config.yaml", "repos: [{repo: meta, hooks: []}]\n", "pre-commit", "add a local hook by hand"),
        (".gitlab-ci.yml", "a: b\n", "workflow", "not GitHub's workflows"),
    ];
    for (name, content, part, why) in unusual {
        let sandbox = Sandbox::bare();
        sandbox.write("tests/test_a.py", TESTS);
        sandbox.write(name, content);
        let output = init(&sandbox, &["--yes", "--only", part]);
        let said = text(&output.stderr);
        assert!(said.starts_with("note: ") || said.contains("\nnote: "), "{name}: {said}");
        assert!(said.contains(&format!("note: {part} is left out: ")) && said.contains(why), "{name}: {said}");
        assert!(said.ends_with("Nothing to do.\n"), "{name}: {said}");
        assert_eq!(files(&sandbox).len(), 2, "{name}");
        assert_eq!(text(&sandbox.read(name)), content);
    }
}

#[test]
fn without_a_terminal_it_names_the_flags_that_need_none() {
    let sandbox = whole_project();
    let before = files(&sandbox);
    let output = sandbox.run(&["init"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`testdiet init --yes`") && said.contains("`testdiet init --diff`"), "{said}");
    for args in [&["init", "--yes", "--diff"][..], &["init", "--only", "markers"], &["init", "nowhere", "--yes"]] {
        assert_eq!(sandbox.run(args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(files(&sandbox), before);

    // A patch cannot reach above the folder it is applied in.
    let below = Command::new(env!("CARGO_BIN_EXE_testdiet"))
        .args(["init", "--diff"])
        .current_dir(sandbox.root().join("tests"))
        .output()
        .unwrap();
    assert_eq!((below.status.code(), text(&below.stdout).as_str()), (Some(2), ""));
    assert!(text(&below.stderr).contains("lie above the current folder"), "{}", text(&below.stderr));
}

#[test]
fn parts_are_chosen_by_name() {
    let sandbox = whole_project();
    let all = "marker,conftest,fixtures,thread-errors,durations,guidelines,pre-commit,workflow";
    assert_eq!(text(&init(&sandbox, &["--skip", all]).stderr), "Nothing to do.\n");
    let written =
        init(&sandbox, &["--yes", "--skip", "workflow,guidelines,pre-commit,conftest,fixtures,durations,thread-errors"]);
    assert_eq!(text(&written.stdout), "pytest.ini\n");
    assert!(text(&sandbox.read("pytest.ini")).contains("\n  slow: "));
}

#[test]
fn a_test_that_stays_heavy_is_marked_and_what_that_costs_is_told() {
    let sandbox = Sandbox::bare();
    sandbox.write(
        "tests/test_a.py",
        "import subprocess\nimport sys\nimport time\nimport unittest\n\n\ndef heavy():\n    \
         child = subprocess.Popen([sys.executable, '-c', 'pass'])\n    time.sleep(2)\n    return child.poll()\n\n\n\
         def test_light():\n    pass\n\n\nclass TestHeavy:\n    def test_method(self):\n        assert heavy() == 0\n\n\n\
         class Case(unittest.TestCase):\n    def test_case(self):\n        self.assertEqual(heavy(), 0)\n",
    );
    sandbox.write(
        "tests/test_b.py",
        "import subprocess\nimport sys\nimport time\n\nimport pytest\n\n\n@pytest.mark.parametrize('n', [1, 2])\n\
         def test_children(n):\n    subprocess.run([sys.executable, '-c', 'pass'])\n    time.sleep(n)\n",
    );
    sandbox.write("pytest.ini", "[pytest]\naddopts = --strict-markers\n");
    init(&sandbox, &["--yes", "--only", "conftest"]);
    let before = files(&sandbox);
    let fix = ["fix", "--select", "missing-slow-marker"];
    let safe = sandbox.run(&fix);
    assert_eq!(safe.status.code(), Some(1), "{}", text(&safe.stderr));
    assert_eq!(files(&sandbox), before, "a plain `fix` marked something");

    let fixed = sandbox.run(&[&fix[..], &["--unsafe-fixes"]].concat());
    let said = text(&fixed.stderr);
    assert_eq!(fixed.status.code(), Some(0), "{said}{}", text(&fixed.stdout));
    assert!(said.contains("4 tests are marked `slow`: a run that leaves slow tests out has so many fewer.\n"), "{said}");
    assert!(text(&sandbox.read("pytest.ini")).contains("\nmarkers =\n    slow: "));
    assert_eq!(passed(&sandbox, &[], &[]), ["test_light"]);
    let (_, listed) = pytest(&sandbox, &["-m", "slow", "--collect-only", "-q"], &[]);
    assert!(listed.contains("4/5 tests collected"), "{listed}");

    let again = sandbox.run(&[&fix[..], &["--unsafe-fixes"]].concat());
    assert_eq!((again.status.code(), text(&again.stdout)), (Some(0), String::new()));
}

/// Types keys at a terminal, each once the program has asked so often; hands back the status and what was shown.
fn at_a_terminal(sandbox: &Sandbox, args: &[&str], keys: &[&str]) -> (u32, String) {
    let pair = native_pty_system().openpty(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 }).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_testdiet"));
    command.args(args);
    command.cwd(sandbox.root());
    command.env("TERM", "xterm-256color");
    command.env_remove("NO_COLOR");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut writer = pair.master.take_writer().unwrap();
    let (mut shown, mut buffer, mut typed) = (Vec::new(), [0; 4096], 0);
    // On Linux, reading from a terminal whose other side is closed is an error.
    while let Ok(n) = reader.read(&mut buffer) {
        if n == 0 {
            break;
        }
        shown.extend_from_slice(&buffer[..n]);
        let asked = text(&shown).matches("Write this? [").count();
        if typed < keys.len() && asked > typed {
            writer.write_all(keys[typed].as_bytes()).unwrap();
            writer.flush().unwrap();
            typed += 1;
        }
    }
    let status = child.wait().unwrap();
    assert_eq!(typed, keys.len(), "{}", text(&shown));
    (status.exit_code(), text(&shown))
}

#[test]
fn at_a_terminal_each_part_is_shown_and_chosen_or_refused() {
    let sandbox = whole_project();
    let before = files(&sandbox);
    let (status, shown) = at_a_terminal(&sandbox, &["init"], &["y", "n", "n", "y", "n", "n", "n", "n"]);
    assert_eq!(status, 0, "{shown}");
    for title in ["Register the mark `slow`", "Skip slow tests in a plain `pytest`", "TEST_GUIDELINES.md", "on Linux and on WSL2"]
    {
        assert!(shown.contains(title), "{shown}");
    }
    let after = files(&sandbox);
    let changed: Vec<&String> = after.iter().filter(|(name, bytes)| before.get(*name) != Some(bytes)).map(|(n, _)| n).collect();
    assert_eq!(changed, ["pytest.ini"]);
    let config = text(&after["pytest.ini"]);
    assert!(config.contains("slow: ") && config.contains("PytestUnhandled") && !config.contains("--durations"), "{config}");
    assert!(shown.contains("Wrote 1 file.") && shown.contains("--- a/pytest.ini"), "{shown}");

    // Refused parts are offered again; all of them refused is nothing written, and no error.
    let (status, shown) = at_a_terminal(&sandbox, &["init"], &["n"; 6]);
    assert!(status == 0 && shown.contains("Nothing was written."), "{shown}");
    assert_eq!(files(&sandbox), after);
}

#[test]
fn an_interrupted_question_writes_nothing() {
    let sandbox = whole_project();
    let before = files(&sandbox);
    // The key comes as the question does: sometimes before keys are read one by one, when it is the terminal that ends the program.
    for _ in 0..10 {
        let (status, shown) = at_a_terminal(&sandbox, &["init"], &["y", "\x03"]);
        assert_ne!(status, 0, "{shown}");
        let told = shown.contains("nothing was written: the question was not answered");
        assert_eq!(status == 2, told, "{shown}");
        assert!(!shown.contains("\x1b[?25l"), "the cursor was hidden");
        assert_eq!(files(&sandbox), before);
        assert!(!sandbox.root().join(".testdiet").exists());
    }
}
