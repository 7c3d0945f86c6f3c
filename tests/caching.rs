//! The cache: what comes from it is what a run without it says, whatever has changed; and nothing that is wrong with it matters.

mod sandbox;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use proptest::prelude::*;
use sandbox::Sandbox;

const CACHE: &str = ".testdiet_cache";

/// Findings that rest on other files: a constant, a helper, a fixture, a default of the product, a subclass in a package.
fn project() -> Sandbox {
    let sandbox = Sandbox::bare();
    for (name, text) in [
        ("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = [\"tests\"]\npythonpath = [\"src\"]\n"),
        (
            "tests/conftest.py",
            "import time\nimport pytest\n\n\n@pytest.fixture\ndef settled():\n    time.sleep(1.5)\n    yield\n",
        ),
        ("tests/helpers.py", "import time\n\nSETTLE = 2.0\n\n\ndef settle():\n    time.sleep(SETTLE)\n"),
        ("tests/test_a.py", "from helpers import settle\n\n\ndef test_a(settled):\n    settle()\n"),
        (
            "tests/test_b.py",
            "import time\nfrom app.monitor import Monitor\n\n\ndef test_b():\n    m = Monitor()\n    m.start()\n    time.sleep(2.5)\n    \
             assert m.silent\n",
        ),
        (
            "tests/test_c.py",
            "from app.workers import Worker\nfrom app.missing import Later\n\n\ndef test_c():\n    w = Worker()\n    w.start()\n    \
             w.join()\n    x = Later()\n    x.start()\n    x.join()\n",
        ),
        ("tests/test_d.py", "# -*- coding: utf-8 -*-\nx = 1\n"),
        ("src/app/__init__.py", ""),
        ("src/app/monitor.py", "class Monitor:\n    def __init__(self, timeout: float = 2.0):\n        self.timeout = timeout\n"),
        ("src/app/workers.py", "import threading\n\n\nclass Worker(threading.Thread):\n    def run(self):\n        pass\n"),
    ] {
        sandbox.write(name, text);
    }
    // Bytes that are no text are part of the result, too.
    sandbox.write("tests/test_binary.py", b"import time\nx = '\xff'\n");
    sandbox
}

/// What `check` says with some flags, totals included; and of how many files it parsed.
fn told(sandbox: &Sandbox, flags: &[&str]) -> (String, bool) {
    let output = sandbox.run(&[&["check", "--output-format", "json-lines", "--select", "ALL", "-v"], flags].concat());
    let err = String::from_utf8(output.stderr).unwrap();
    let parsed = err.lines().find(|line| line.starts_with("Parsed ")).unwrap_or_else(|| panic!("{err}"));
    let cached = parsed.starts_with("Parsed 0 of ");
    let full = sandbox.run(&[&["check", "--output-format", "full", "--select", "ALL"], flags].concat());
    let text = [output.stdout, full.stdout, full.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (format!("{:?} {text}", output.status.code()), cached)
}

/// That the cache says what a run without it does, before and after it has taken that up.
fn agrees(sandbox: &Sandbox, flags: &[&str], what: &str) {
    let (truth, _) = told(sandbox, &[&["--no-cache"], flags].concat());
    for again in [false, true] {
        let (found, cached) = told(sandbox, flags);
        assert!(found == truth, "{what}, {again}: the cache says\n{found}\nand it is\n{truth}");
        assert!(cached || !again, "{what}: the second run was not from the cache");
    }
}

#[test]
fn whatever_changes_changes_the_result() {
    let sandbox = project();
    agrees(&sandbox, &[], "at first");
    let files =
        ["tests/conftest.py", "tests/helpers.py", "tests/test_a.py", "tests/test_b.py", "tests/test_c.py", "tests/test_d.py"];
    let product = ["src/app/monitor.py", "src/app/workers.py", "src/app/__init__.py"];
    for name in files.iter().chain(&product) {
        let before = String::from_utf8(sandbox.read(name)).unwrap();
        // The same length, and the same time: it is the content that counts.
        let path = sandbox.root().join(name);
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        sandbox
            .write(name, before.replace("2.", "3.").replace("1.5", "0.1").replace("join", "wait").replace("Thread)", "Timer )"));
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        agrees(&sandbox, &[], &format!("{name} changed in place"));
        sandbox.write(name, format!("{before}\n\nimport time\n\n\ndef test_more():\n    time.sleep(9)\n"));
        agrees(&sandbox, &[], &format!("{name} grew"));
        std::fs::remove_file(&path).unwrap();
        agrees(&sandbox, &[], &format!("{name} is gone"));
        sandbox.write(name, &before);
        agrees(&sandbox, &[], &format!("{name} is back"));
    }
    for (name, text) in [
        ("requirements.txt", "testdiet\n"),
        ("src/app/missing.py", "import threading\n\n\nclass Later(threading.Thread):\n    pass\n"),
        ("tests/app/__init__.py", ""),
        ("src/helpers.py", "def settle():\n    pass\n"),
        ("tests/test_new.py", "import time\n\n\ndef test_n():\n    time.sleep(4)\n"),
        ("tests/test_binary.py", "import time\n\n\ndef test_n():\n    time.sleep(4)\n"),
        ("testdiet.toml", "budget.sleep-per-test = 5\n"),
        ("tests/testdiet.toml", "ignore = [\"long-sleep\"]\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = [\"tests\"]\n"),
        ("pytest.ini", "[pytest]\npython_files = check_*.py\n"),
        (".gitignore", "test_b.py\n"),
    ] {
        sandbox.write(name, text);
        agrees(&sandbox, &[], &format!("{name} is there"));
    }
}

/// That what is said of files that stay as they are changes when another one comes, with the cache as without it.
fn follows(files: &[(&str, &str)], (comes, text): (&str, &str), (before, after): (&str, &str)) {
    let sandbox = Sandbox::bare();
    sandbox.write("pyproject.toml", "[tool.pytest.ini_options]\n");
    for (name, text) in files {
        sandbox.write(name, text);
    }
    let says = |what: &str| told(&sandbox, &["--no-cache"]).0.contains(what);
    assert!(says(before) && !says(after), "{}", told(&sandbox, &["--no-cache"]).0);
    agrees(&sandbox, &[], "at first");
    sandbox.write(comes, text);
    assert!(says(after) && !says(before), "{}", told(&sandbox, &["--no-cache"]).0);
    agrees(&sandbox, &[], comes);
}

#[test]
fn a_file_that_becomes_a_helper_counts_for_the_tests_that_call_it() {
    // Within a package, a folder is one of tests if it has some.
    let files = [
        ("app/__init__.py", ""),
        ("app/test/__init__.py", ""),
        ("app/test/support.py", "import time\n\n\ndef settle():\n    time.sleep(4)\n"),
        (
            "tests/test_a.py",
            "import time\nfrom app.test.support import settle\n\n\ndef test_a():\n    settle()\n    time.sleep(0.1)\n",
        ),
    ];
    follows(&files, ("app/test/test_b.py", "def test_b():\n    pass\n"), ("Nothing found", "4.1 s asleep"));
}

#[test]
fn a_folder_of_source_is_looked_into_once_it_is_there() {
    let files =
        [("tests/test_a.py", "from workers import Worker\n\n\ndef test_a():\n    w = Worker()\n    w.start()\n    w.join()\n")];
    let worker = "import threading\n\n\nclass Worker(threading.Thread):\n    pass\n";
    follows(&files, ("src/workers.py", worker), ("Nothing found", "join-without-timeout"));
}

#[test]
fn a_helper_is_judged_by_the_calls_of_a_test_that_comes() {
    let helper = "def finish(worker):\n    worker.join()\n";
    let test = "import threading\nfrom helpers import finish\n\n\ndef test_a():\n    finish(threading.Thread(target=print))\n";
    let files = [("tests/helpers.py", helper), ("tests/test_b.py", "def test_b():\n    pass\n")];
    follows(&files, ("tests/test_a.py", test), ("Nothing found", "tests/helpers.py"));
}

#[test]
fn a_folder_makes_what_is_imported_the_projects_own() {
    let test = "import time\n\nfrom acme import turn\n\n\ndef test_a():\n    turn()\n    time.sleep(4)\n";
    let files = [("testdiet.toml", "fix.strategies = [\"slow\"]\n"), ("tests/test_a.py", test)];
    // Where `pytest` is imported: among what is not the project's, or in a group of its own.
    follows(&files, ("acme/notes.txt", "no module yet\n"), ("\"import pytest\\n\"", "\"\\n\\nimport pytest\""));
}

#[test]
fn a_package_that_comes_brings_its_limits() {
    let test = "def test_read(store):\n    store.set('key', b'abcd' * 2**20)\n    assert store.read('key')\n";
    follows(&[("tests/test_a.py", test)], ("app/__init__.py", "MIN_FILE_SIZE = 2 ** 15\n"), ("to 5000", "to 32769"));
}

/// Files of a project, and what may stand in them: pieces that know of each other, across files.
const FILES: &[(&str, &[&str])] = &[
    ("pytest.ini", &["[pytest]\n", "pythonpath = src\n", "testpaths = tests\n", "filterwarnings = error\n"]),
    ("tests/testdiet.toml", &["budget.sleep-per-test = 3\n", "ignore = [\"long-sleep\"]\n"]),
    ("tests/__init__.py", &[""]),
    ("tests/unit/__init__.py", &[""]),
    (
        "tests/conftest.py",
        &[
            "import time\nimport pytest\nfrom helpers import *\n",
            "@pytest.fixture\ndef settled():\n    time.sleep(1.5)\n    yield\n",
            "@pytest.fixture(autouse=True)\ndef around():\n    time.sleep(0.7)\n",
            "@pytest.fixture\ndef worker():\n    return start(0)\n",
            "# >>> testdiet >>>\ndef fast_time(): pass\n# <<< testdiet <<<\n",
        ],
    ),
    ("tests/unit/conftest.py", &["import time\n", "def settled():\n    pass\n", "TIMEOUT = 4.0\n"]),
    (
        "tests/helpers.py",
        &[
            "import time\nfrom app.workers import Worker\n",
            "SETTLE = 2.0\n",
            "SETTLE = 1.0  # testdiet: ignore\n",
            "def settle(n=1.5):\n    time.sleep(n)\n",
            "def settle():\n    time.sleep(SETTLE)\n",
            "def start(n):\n    w = Worker()\n    w.start()\n    return w\n",
            "def finish(w):\n    w.join()\n",
        ],
    ),
    (
        "tests/test_a.py",
        &[
            "import time, threading\nfrom helpers import SETTLE, finish, settle, start\n",
            "def test_a(settled):\n    settle()\n",
            "def test_b():\n    time.sleep(SETTLE * 2)\n",
            "def test_c():\n    finish(threading.Thread(target=print))\n",
            "def test_d(worker):\n    worker.join()\n",
            "# testdiet: ignore-file[long-sleep] because\n",
        ],
    ),
    (
        "tests/unit/test_b.py",
        &[
            "from ..helpers import SETTLE\nimport helpers\n",
            "import time\nfrom app.monitor import Monitor\n",
            "def test_a():\n    m = Monitor()\n    m.start()\n    time.sleep(2.5)\n    assert m.silent\n",
            "def test_b():\n    time.sleep(SETTLE)  # testdiet: ignore[long-sleep]\n",
            "def test_c():\n    helpers.finish('text')\n",
            "for i in range(5_000):\n    print(i)\n",
        ],
    ),
    ("src/app/__init__.py", &["from .monitor import Monitor\n", "import threading\nclass Worker(threading.Thread): pass\n"]),
    (
        "src/app/monitor.py",
        &[
            "DEFAULT = 2.0\n",
            "DEFAULT = 0.5\n",
            "class Monitor:\n    def __init__(self, timeout=DEFAULT):\n        self.timeout = timeout\n",
        ],
    ),
    ("src/app/workers.py", &["from app import Worker\n", "import threading\nclass Worker(threading.Timer): pass\n"]),
    ("src/helpers.py", &["def settle(): pass\n"]),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Files come, change and go; a file is what a number picks of its pieces, and not there for none.
    #[test]
    fn what_the_cache_knows_of_each_file_is_what_a_run_without_it_finds(
        edits in prop::collection::vec((0..FILES.len(), any::<u8>()), 1..16)
    ) {
        let sandbox = Sandbox::bare();
        for (name, pieces) in FILES {
            sandbox.write(name, pieces.concat());
        }
        let found = |flag: &[&str]| {
            let output = sandbox.run(&[&["check", "--select", "ALL", "--output-format", "json"], flag].concat());
            prop_assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
            let full = sandbox.run(&[&["check", "--select", "ALL", "--output-format", "full"], flag].concat());
            Ok([output.stdout, full.stdout, full.stderr].map(|bytes| String::from_utf8(bytes).unwrap()))
        };
        prop_assert_eq!(found(&[])?, found(&["--no-cache"])?);
        for (file, picked) in edits {
            let (name, pieces) = FILES[file];
            let chosen: Vec<&str> = pieces.iter().enumerate().filter(|(i, _)| picked >> i & 1 == 1).map(|(_, p)| *p).collect();
            if chosen.is_empty() {
                _ = std::fs::remove_file(sandbox.root().join(name));
            } else {
                sandbox.write(name, chosen.concat());
            }
            prop_assert_eq!(found(&[])?, found(&["--no-cache"])?, "after {} with {:#b}", name, picked);
        }
    }
}

#[test]
fn what_is_asked_for_is_part_of_the_question() {
    let sandbox = project();
    for flags in [
        &[][..],
        &["tests/test_a.py"],
        &["tests/test_a.py", "tests/helpers.py"],
        &["--exclude", "tests/test_b.py"],
        &["--ignore", "long-sleep"],
        &["--config", "budget.sleep-per-test = 9"],
        &["--isolated"],
        &["src/app/workers.py"],
        &["--as-test", "src/app/workers.py"],
        &["--per-file-ignores", "tests/test_c.py:unchecked-join"],
        &["--unfixable", "long-sleep"],
    ] {
        agrees(&sandbox, flags, &format!("{flags:?}"));
    }
}

fn results(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(sandbox.root().join(CACHE)).unwrap().map(|e| e.unwrap().path());
    entries.filter(|p| p.extension().is_some_and(|e| e == "result")).collect()
}

#[test]
fn a_damaged_cache_is_as_good_as_none() {
    let sandbox = project();
    let (truth, _) = told(&sandbox, &["--no-cache"]);
    told(&sandbox, &[]);
    let [result] = &results(&sandbox)[..] else { panic!("one result for both formats") };
    let name = result.strip_prefix(sandbox.root()).unwrap().to_str().unwrap().to_owned();
    let good = sandbox.read(&name);
    let half = good.len() / 2;
    let mut flipped = good.clone();
    flipped[half] ^= 1;
    for bad in
        [&b""[..], b"x", &good[..20], &good[..33], &good[..half], &flipped, &[good.clone(), b" ".to_vec()].concat(), &[0; 5000]]
    {
        sandbox.write(&name, bad);
        assert_eq!(told(&sandbox, &[]).0, truth);
        assert_eq!(sandbox.read(&name), good, "it is repaired");
    }
    // Of another version of the format, but whole.
    let content = b"{\"paths\": []}";
    let seal = format!("{:032x}\n", testdiet::source::digest(content));
    sandbox.write(&name, [seal.as_bytes(), content].concat());
    assert_eq!(told(&sandbox, &[]).0, truth);
    std::fs::remove_file(result).unwrap();
    std::fs::create_dir(result).unwrap();
    assert_eq!(told(&sandbox, &[]).0, truth);
    // Something else has the name of the folder.
    std::fs::remove_dir_all(sandbox.root().join(CACHE)).unwrap();
    sandbox.write(CACHE, "mine");
    assert_eq!(told(&sandbox, &[]), (truth, false));
    assert_eq!(sandbox.read(CACHE), b"mine");
}

#[test]
fn many_processes_at_once_do_not_disturb_each_other() {
    let sandbox = project();
    let (truth, _) = told(&sandbox, &["--no-cache"]);
    let start = || -> Child {
        Command::new(env!("CARGO_BIN_EXE_testdiet"))
            .args(["check", "--select", "ALL", "--output-format", "json-lines"])
            .current_dir(sandbox.root())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<Child> = (0..8).map(|_| start()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && truth.contains(&out) && out.lines().count() >= 5, "{out}");
    }
    assert_eq!(told(&sandbox, &[]), (truth, true));
    assert_eq!(results(&sandbox).len(), 1);
}

#[test]
#[cfg(unix)]
fn a_folder_that_nobody_can_write_to_is_left_alone() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let sandbox = project();
    // The superuser writes where he likes, so somebody else looks, who has to be able to reach the program.
    let elsewhere = tempfile::tempdir().unwrap();
    let program = elsewhere.path().join("testdiet");
    std::fs::copy(env!("CARGO_BIN_EXE_testdiet"), &program).unwrap();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(elsewhere.path(), 0o755);
    let superuser = std::fs::metadata(sandbox.root()).unwrap().uid() == 0;
    let check = |flags: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["check", "--select", "ALL", "--output-format", "json-lines", "-v"]).args(flags).current_dir(sandbox.root());
        if superuser {
            command.uid(65534);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        (String::from_utf8(output.stdout).unwrap(), said.contains("Parsed 0 of "))
    };
    mode(sandbox.root(), 0o555);
    let (truth, _) = check(&["--no-cache"]);
    assert_eq!(check(&[]), (truth.clone(), false));
    assert!(!sandbox.root().join(CACHE).exists());
    // What somebody else has left there is read all the same, and stays as it is.
    mode(sandbox.root(), 0o777);
    assert_eq!(check(&[]), (truth.clone(), false));
    let cache = sandbox.root().join(CACHE);
    mode(&cache, 0o555);
    mode(sandbox.root(), 0o555);
    let before = results(&sandbox);
    assert_eq!(check(&[]), (truth, true));
    sandbox.write("tests/test_d.py", "import time\n\n\ndef test_d():\n    time.sleep(9)\n");
    assert!(check(&[]).0.contains("test_d"));
    assert_eq!(results(&sandbox), before);
    mode(&cache, 0o755);
    mode(sandbox.root(), 0o755);
}

#[test]
fn the_folder_keeps_itself_out_of_git_and_backups_and_within_bounds() {
    let sandbox = project();
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(sandbox.root()).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    for i in 0..80 {
        sandbox.run(&["check", "--config", &format!("budget.sleep-per-test = {}", 1 + i)]);
    }
    assert!(!git(&["status", "--short", "--untracked-files=all"]).contains(CACHE));
    assert!(sandbox.read(&format!("{CACHE}/CACHEDIR.TAG")).starts_with(b"Signature: 8a477f597d28d172789f06886806bc55"));
    assert_eq!(results(&sandbox).len(), 64);
}

#[test]
fn without_a_cache_nothing_is_left_behind() {
    let sandbox = project();
    sandbox.run(&["check", "--no-cache"]);
    sandbox.run(&["check", "-n"]);
    sandbox.run(&["fix", "--diff"]);
    assert!(!sandbox.root().join(CACHE).exists());
}
